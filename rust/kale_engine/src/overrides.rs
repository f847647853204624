//! The executed notebook shows the values that the run had: in the place of a parameter's literal, as in the cell that
//! was executed.

use std::collections::BTreeMap;

use kale_model::{Parameter, ParameterType, Pipeline, Position};
use serde_json::Value;

/// Writes the values that differ from the defaults into the sources of the cells.
pub fn show(notebook: &mut Value, pipeline: &Pipeline, values: &BTreeMap<String, Value>) {
    let own = |parameter: &&Parameter| pipeline.sub_cells.origin(parameter.span.cell).is_none();
    let mut changed: Vec<(&Parameter, &Value)> = (pipeline.parameters.iter().filter(own))
        .filter_map(|parameter| Some((parameter, values.get(parameter.name.as_str())?)))
        .filter(|(parameter, value)| parameter.default != **value)
        .collect();
    // From the end, so that the places before stay where they are.
    changed.sort_by_key(|(parameter, _)| std::cmp::Reverse((parameter.span.start.line, parameter.span.start.column)));
    for (parameter, value) in changed {
        let Some(source) = notebook["cells"].get_mut(parameter.span.cell.0).and_then(|cell| cell.get_mut("source"))
        else {
            continue;
        };
        let text = text_of(source);
        let ends = (offset(&text, parameter.span.start), offset(&text, parameter.span.end));
        let (Some(start), Some(end)) = ends else { continue };
        let edited = format!("{}{}{}", &text[..start], literal(value, parameter.parameter_type), &text[end..]);
        *source = match source {
            Value::Array(_) => edited.split_inclusive('\n').map(Value::from).collect(),
            _ => Value::String(edited),
        };
    }
}

fn text_of(source: &Value) -> String {
    match source {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// Of a place in bytes: lines from 1, columns from 1 in UTF-16 units.
fn offset(text: &str, place: Position) -> Option<usize> {
    let mut lines = text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let (start, line) = lines.nth(place.line.checked_sub(1)?)?;
    let mut left = place.column.checked_sub(1)?;
    for (at, character) in line.char_indices() {
        if left == 0 {
            return Some(start + at);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(start + line.len())
}

/// A value as one writes it in Python.
fn literal(value: &Value, kind: ParameterType) -> String {
    match (value, kind) {
        (Value::String(name), ParameterType::Float) => format!("float({})", Value::from(name.to_lowercase())),
        (Value::Number(number), ParameterType::Float) if number.is_i64() || number.is_u64() => format!("{number}.0"),
        (Value::Null, _) => "None".to_owned(),
        (Value::Bool(yes), _) => if *yes { "True" } else { "False" }.to_owned(),
        (Value::Array(items), _) => {
            let items: Vec<String> = items.iter().map(|item| literal(item, ParameterType::Json)).collect();
            format!("[{}]", items.join(", "))
        }
        (Value::Object(items), _) => {
            let item = |(key, item): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), literal(item, ParameterType::Json))
            };
            format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(", "))
        }
        // What JSON escapes in a string, Python reads the same way.
        (Value::Number(_) | Value::String(_), _) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_counted_as_editors_do() {
        let text = "e = '😀'; a = 1\nb = (2,\n 3)";
        let at = |line, column| offset(text, Position { line, column });
        assert_eq!(at(1, 1), Some(0));
        assert_eq!(at(1, 15).map(|start| &text[start..]), Some("1\nb = (2,\n 3)"));
        assert_eq!(at(3, 4), Some(text.len()));
        assert_eq!(at(4, 1), None);
        assert_eq!(at(3, 9), None);
    }

    #[test]
    fn values_are_literals_of_python() {
        let cases = [
            (json!(3), ParameterType::Float, "3.0"),
            (json!(3), ParameterType::Int, "3"),
            (json!("-Infinity"), ParameterType::Float, "float(\"-infinity\")"),
            (json!("it's \"é\"\n"), ParameterType::Str, "\"it's \\\"é\\\"\\n\""),
            (json!({"a": [true, null, 0.5]}), ParameterType::Dict, "{\"a\": [True, None, 0.5]}"),
        ];
        for (value, kind, expected) in cases {
            assert_eq!(literal(&value, kind), expected);
        }
    }
}
