//! Values and text as Python source.

use serde_json::Value;

/// A JSON value as a Python literal.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", string(key), literal(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A string literal on one line.
pub fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if is_unprintable(c) => out.push_str(&escape(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Strings as the items of a list display.
pub fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| string(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// Source text as a block, indented like the code around it: the closing quotes stand at `indent`, and the helper
/// `unindent` takes that much off every line.
///
/// Raw where that is exact. Otherwise escaped: `{{` would be a template to Argo, and the SDK's own `dedent` empties
/// lines of blanks, which matters within a string of several lines.
pub fn block(source: &str, indent: usize) -> String {
    let quotes = if source.contains("'''") { "\"\"\"" } else { "'''" };
    let raw = is_raw_safe(source, quotes);
    let pad = " ".repeat(indent);
    let lines: Vec<String> = source
        .split('\n')
        .map(|line| {
            let line = if raw { line.to_owned() } else { escape_line(line) };
            if line.is_empty() { line } else { format!("{pad}{line}") }
        })
        .collect();
    let (prefix, quotes) = if raw { ("r", quotes) } else { ("", "'''") };
    format!("{prefix}{quotes}\n{}\n{pad}{quotes}", lines.join("\n"))
}

fn is_raw_safe(source: &str, quotes: &str) -> bool {
    // A raw string cannot hold its quotes; the line break before the closing ones keeps a last quote or backslash apart.
    let strings_of_lines = source.contains("'''") || source.contains("\"\"\"") || source.contains("\\\n");
    let blank_line = source.split('\n').any(|line| !line.is_empty() && line.trim().is_empty());
    let unprintable = source.chars().any(|c| c != '\n' && c != '\t' && is_unprintable(c));
    let inexact = source.contains(quotes) || source.contains("{{") || unprintable || (strings_of_lines && blank_line);
    !inexact
}

fn escape_line(line: &str) -> String {
    if line.trim().is_empty() {
        return line.chars().map(escape).collect();
    }
    let mut out = String::with_capacity(line.len());
    let mut previous = '\0';
    for c in line.chars() {
        // Of every pair the second is escaped, so that no three quotes and no two braces stand together.
        let pairs = previous == c;
        previous = if pairs { '\0' } else { c };
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' if pairs => out.push_str("\\'"),
            '{' if pairs => out.push_str("\\x7b"),
            '\t' => out.push('\t'),
            c if is_unprintable(c) => out.push_str(&escape(c)),
            c => out.push(c),
        }
    }
    out
}

fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn escape(c: char) -> String {
    match c as u32 {
        code if code < 0x100 => format!("\\x{code:02x}"),
        code if code < 0x10000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;
    use serde_json::json;

    #[test]
    fn literals_are_pythons() {
        let value = json!({"a": [null, true, -1, 0.5, "it's \"é\"\n\u{7}"]});
        assert_eq!(literal(&value), r#"{"a": [None, True, -1, 0.5, "it's \"é\"\n\x07"]}"#);
    }

    #[test]
    fn ordinary_code_stays_as_it_is() {
        assert_eq!(block("if x:\n\n    y = '\\d'", 4), "r'''\n    if x:\n\n        y = '\\d'\n    '''");
    }

    #[test]
    fn other_quotes_are_used_where_that_suffices() {
        assert!(block("x = '''a\nb'''", 4).starts_with("r\"\"\"\n"));
    }

    #[test]
    fn templates_and_blank_lines_of_strings_are_escaped() {
        assert_eq!(block("f'{{x}}'", 2), "'''\n  f'{\\x7bx}}'\n  '''");
        assert_eq!(block("'''\n  \n'''", 2), "'''\n  '\\''\n  \\x20\\x20\n  '\\''\n  '''");
    }

    /// Text from what quoting has trouble with.
    fn nasty(seed: u64) -> String {
        const PIECES: &[&str] = &[
            "'",
            "'",
            "'''",
            "\"",
            "\"\"\"",
            "\\",
            "\\\n",
            "{",
            "{{",
            "}}",
            " ",
            "    ",
            "\t",
            "\n",
            "\n",
            "\n  \n",
            "x",
            "é",
            "\u{1F600}",
            "\u{2028}",
            "\u{85}",
            "\u{c}",
            "\r",
            "\r\n",
            "\u{0}",
            "\u{feff}",
            "#",
            "r'",
            "\\x7b",
            "\\N",
        ];
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        (0..next(12)).map(|_| PIECES[next(PIECES.len())]).collect()
    }

    /// Reads blocks back as a component does: after the SDK's `dedent`, through the script's `unindent`. Blanks on a
    /// line of their own mean nothing where no string has several lines.
    const READER: &str = r#"
import ast, json, sys, textwrap

def visible(text):
    return [line if line.strip(" \t") else "" for line in text.split("\n")]

for line in sys.stdin:
    source, block, literal = json.loads(line)
    assert "{{" not in block, block
    function = "def f():\n    g(" + block + ")\n"
    assert function.splitlines() == function.split("\n")[:-1], "one kind of line break"
    value = ast.literal_eval(ast.parse(textwrap.dedent(function)).body[0].body[0].value.args[0])
    lines = value.split("\n")
    back = "\n".join(each.removeprefix(lines[-1]) for each in lines[1:-1])
    one_line_strings = not any(joint in source for joint in ("'''", '"""', "\\\n"))
    assert back == source or (one_line_strings and visible(back) == visible(source)), (source, back, block)
    assert ast.literal_eval(literal) == source
"#;

    #[test]
    fn any_text_survives_quoting() {
        let mut python = Command::new("python3").args(["-c", READER]).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = python.stdin.take().unwrap();
        for source in (0..5_000).map(nasty) {
            writeln!(input, "{}", json!([source, block(&source, 8), string(&source)])).unwrap();
        }
        drop(input);
        assert!(python.wait().unwrap().success());
    }
}
