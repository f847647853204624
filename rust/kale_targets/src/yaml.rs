//! A YAML writer for values that three readers must agree on: PyYAML (YAML 1.1), Go's, and people.
//!
//! Every string that any of them might take for something else (`yes`, `1e3`, `12:30`, `2026-01-01`) is quoted, floats
//! are written so that YAML 1.1 sees a float, keys are sorted, and text of several lines is a literal block.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Number, Value};

/// One document, with a final line break.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => write_list(&mut out, items, 0),
        scalar => {
            write_scalar(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

/// A key of a map that the caller goes on to write.
pub fn write_key(out: &mut String, indent: usize, key: &str) {
    pad(out, indent);
    out.push_str(&inline(key));
    out.push_str(":\n");
}

/// A key and its value.
pub fn write_entry<T: Serialize + ?Sized>(out: &mut String, indent: usize, key: &str, value: &T) {
    pad(out, indent);
    out.push_str(&inline(key));
    out.push(':');
    let value = serde_json::to_value(value).expect("documents are plain data");
    write_below(out, &value, indent);
}

/// A key and a map, of which one value at a time is made.
pub fn write_entries<T: Serialize>(out: &mut String, indent: usize, key: &str, map: &BTreeMap<String, T>) {
    if map.is_empty() {
        return write_entry(out, indent, key, map);
    }
    write_key(out, indent, key);
    for (key, value) in map {
        write_entry(out, indent + 2, key, value);
    }
}

fn write_map(out: &mut String, map: &Map<String, Value>, indent: usize) {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (position, (key, value)) in entries.into_iter().enumerate() {
        // The first entry of a map in a list stands behind its dash.
        if position > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        out.push_str(&inline(key));
        out.push(':');
        write_below(out, value, indent);
    }
}

fn write_list(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        pad(out, indent);
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => write_map(out, map, indent + 2),
            Value::Array(inner) if !inner.is_empty() => {
                out.pop();
                out.push('\n');
                write_list(out, inner, indent + 2);
            }
            scalar => {
                write_scalar(out, scalar, indent);
                out.push('\n');
            }
        }
    }
}

/// The value of a key: a collection on the lines below, anything else behind the colon.
fn write_below(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_map(out, map, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_list(out, items, indent);
        }
        scalar => {
            out.push(' ');
            write_scalar(out, scalar, indent);
            out.push('\n');
        }
    }
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) if fits_block(text) => write_block(out, text, indent + 2),
        Value::String(text) => out.push_str(&inline(text)),
        Value::Number(number) => out.push_str(&float_or_int(number)),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Whether a literal block keeps the text as it is.
fn fits_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }
}

fn float_or_int(number: &Number) -> String {
    if !number.is_f64() {
        return number.to_string();
    }
    let text = format!("{:?}", number.as_f64().unwrap_or_default());
    // YAML 1.1 wants a point in the mantissa and a sign in the exponent.
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let point = if mantissa.contains('.') { "" } else { ".0" };
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            format!("{mantissa}{point}e{sign}{exponent}")
        }
        None => text,
    }
}

/// A string on one line: plain where nobody can misread it, else in single quotes, else escaped.
fn inline(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if text.chars().all(is_printable) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        escaped(text)
    }
}

fn is_plain(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let words = text.split(' ').all(|word| {
        !word.is_empty()
            && !word.ends_with(':')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:+=,@".contains(c))
    });
    starts_well && words && !is_reserved(text)
}

fn is_reserved(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn escaped(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04x}", c as u32)),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        serde_yaml_ng::from_str(text).unwrap_or_else(|fault| panic!("{fault} in\n{text}"))
    }

    #[test]
    fn reads_back_as_written() {
        let value = json!({
            "words": ["yes", "No", "~", "null", "1e3", "0x1F", "12:30:45", "2026-01-01", "a: b", "a #b", "- a", "", " a",
                      "{{$}}", "it's", "é", "\u{1F600}", "tab\there", "bell\u{7}", "#", "&a", "*a", "!t", "a:", "1_000"],
            "blocks": ["one\ntwo", "one\ntwo\n", "one\n\ntwo\n\n", "  indented\nfirst", "trailing \nspace", "\n", "a\n", "a\r\nb"],
            "numbers": [0, -3, 10.0, 0.1, 1e-7, 1e300, 1.5e-9, -2.5, 9_007_199_254_740_993_u64],
            "nested": {"empty": {}, "none": [], "list": [[1, [2]], [], {"a": {"b": [1]}, "c": null}], "flag": true},
        });
        assert_eq!(read(&write(&value)), value);
    }

    #[test]
    fn floats_are_floats_to_yaml_1_1() {
        assert_eq!(write(&json!([1e-7, 1e300, 10.0])), "- 1.0e-7\n- 1.0e+300\n- 10.0\n");
    }

    #[test]
    fn text_is_a_block_and_keys_are_sorted() {
        let value = json!({"b": "x\ny\n", "a": {"code": "one\n  two"}, "image": "python:3.11-slim"});
        assert_eq!(write(&value), "a:\n  code: |-\n    one\n      two\nb: |\n  x\n  y\nimage: python:3.11-slim\n");
    }
}
