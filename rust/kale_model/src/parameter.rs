//! Pipeline parameters: typed values that a run may override.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cell::Span;
use crate::name::ParameterName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: ParameterName,
    #[serde(rename = "type")]
    pub parameter_type: ParameterType,
    /// The default as JSON. Not-finite floats are the strings `NaN`, `Infinity`, `-Infinity`.
    pub default: Value,
    /// The literal in the notebook.
    pub span: Span,
}

impl Parameter {
    /// Whether random numbers begin there, by its name: a better seed is better by chance.
    pub fn is_seed(&self) -> bool {
        let name = self.name.as_str().to_ascii_lowercase();
        matches!(name.as_str(), "seed" | "randomseed") || name.ends_with("_seed") || name.ends_with("random_state")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    Int,
    Float,
    Bool,
    Str,
    List,
    Dict,
    /// A default of `None` without an annotation: any JSON, else the text itself.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct ParameterValueError {
    pub given: String,
    pub expected: &'static str,
}

impl ParameterType {
    pub fn as_str(self) -> &'static str {
        match self {
            ParameterType::Int => "int",
            ParameterType::Float => "float",
            ParameterType::Bool => "bool",
            ParameterType::Str => "str",
            ParameterType::List => "list",
            ParameterType::Dict => "dict",
            ParameterType::Json => "json",
        }
    }

    fn expectation(self) -> &'static str {
        match self {
            ParameterType::Int => "an int, such as 10",
            ParameterType::Float => "a float, such as 0.5",
            ParameterType::Bool => "a bool: true or false",
            ParameterType::Str => "a str",
            ParameterType::List => "a list in JSON, such as [1, 2]",
            ParameterType::Dict => "a dict in JSON, such as {\"a\": 1}",
            ParameterType::Json => "a JSON value",
        }
    }

    /// Reads the text of `-p name=text`.
    pub fn parse(self, text: &str) -> Result<Value, ParameterValueError> {
        let refuse = || ParameterValueError { given: text.to_owned(), expected: self.expectation() };
        match self {
            ParameterType::Str => Ok(Value::String(text.to_owned())),
            ParameterType::Bool => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(Value::Bool(true)),
                "false" | "0" => Ok(Value::Bool(false)),
                _ => Err(refuse()),
            },
            ParameterType::Int => self.read(text.trim().trim_start_matches('+')),
            ParameterType::Float => parse_float(text.trim()).ok_or_else(refuse),
            ParameterType::Json if serde_json::from_str::<IgnoredAny>(text).is_err() => {
                Ok(Value::String(text.to_owned()))
            }
            ParameterType::List | ParameterType::Dict | ParameterType::Json => self.read(text),
        }
    }

    /// Reads JSON, as of `--params FILE`.
    pub fn read(self, json: &str) -> Result<Value, ParameterValueError> {
        let refuse = |_| ParameterValueError { given: json.to_owned(), expected: self.expectation() };
        let value = serde_json::from_str(json).map_err(refuse)?;
        if self != ParameterType::Float {
            within_64_bits(json)?;
        }
        self.accept(value)
    }

    /// Checks a JSON value, as of the Python API. An int is accepted where a float is declared.
    pub fn accept(self, value: Value) -> Result<Value, ParameterValueError> {
        let fits = match (self, &value) {
            (ParameterType::Int, Value::Number(n)) => n.is_i64() || n.is_u64(),
            (ParameterType::Float, Value::Number(_)) => true,
            (ParameterType::Float, Value::String(s)) => matches!(s.as_str(), "NaN" | "Infinity" | "-Infinity"),
            (ParameterType::Bool, Value::Bool(_))
            | (ParameterType::Str, Value::String(_))
            | (ParameterType::List, Value::Array(_))
            | (ParameterType::Dict, Value::Object(_))
            | (ParameterType::Json, _) => true,
            _ => false,
        };
        if fits {
            Ok(value)
        } else {
            Err(ParameterValueError { given: value.to_string(), expected: self.expectation() })
        }
    }
}

/// Refuses an integer that has no exact value here: JSON's readers would make a float of it without a word.
fn within_64_bits(json: &str) -> Result<(), ParameterValueError> {
    let beyond = |token: &&str| {
        let digits = token.trim_start_matches(['-', '+']);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_integer && token.parse::<i64>().is_err() && token.parse::<u64>().is_err()
    };
    // What is between quotes is text; an escaped quote does not end it.
    let unescaped = json.replace("\\\\", "").replace("\\\"", "");
    let outside = unescaped.split('"').step_by(2);
    let mut tokens = outside.flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))));
    tokens.find(beyond).map_or(Ok(()), |token| {
        let expected = "an integer of 64 bits (-9223372036854775808 to 18446744073709551615); a larger one can be \
                        given as a str that the notebook makes an int of";
        Err(ParameterValueError { given: token.to_owned(), expected })
    })
}

fn parse_float(text: &str) -> Option<Value> {
    let number: f64 = text.parse().ok()?;
    Some(serde_json::Number::from_f64(number).map_or_else(
        || {
            Value::String(
                if number.is_nan() {
                    "NaN"
                } else if number > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                }
                .into(),
            )
        },
        Value::Number,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_exact_or_refused() {
        use ParameterType::{Dict, Float, Int, Json, List, Str};
        let big = "12345678901234567890123";
        assert_eq!(Int.parse("18446744073709551615"), Ok(json!(u64::MAX)));
        assert_eq!(Int.parse("-9223372036854775808"), Ok(json!(i64::MIN)));
        for (declared, text) in
            [(Int, big), (Int, "-9223372036854775809"), (List, "[1, 12345678901234567890123]"), (Json, big)]
        {
            let error = declared.parse(text).unwrap_err();
            assert!(error.expected.contains("64 bits"), "{error}");
            assert_eq!(declared.read(text), Err(error));
        }
        assert!(Dict.read("{\"a\": {\"b\": 12345678901234567890123}}").is_err());
        assert_eq!(Dict.read(r#"{"a\"1": "12345678901234567890123"}"#), Ok(json!({"a\"1": big})));
        assert_eq!(Json.parse(r#""\\\\\" 12345678901234567890123""#), Ok(json!(r#"\\" 12345678901234567890123"#)));
        assert_eq!(Json.parse("id12345678901234567890123"), Ok(json!("id12345678901234567890123")));
        assert_eq!(Json.parse("id 12345678901234567890123"), Ok(json!("id 12345678901234567890123")));
        assert_eq!(Str.parse(big), Ok(json!(big)));
        assert_eq!(Float.parse(big), Ok(json!(1.2345678901234568e22)));
        assert_eq!(Float.read(big), Ok(json!(1.2345678901234568e22)));
        assert_eq!(List.parse("[1e30, 0.5]"), Ok(json!([1e30, 0.5])));
    }
}
