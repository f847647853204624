//! Pipeline parameters: typed values that a run may override.

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
            ParameterType::Int => {
                let value: Value = serde_json::from_str(text.trim().trim_start_matches('+')).map_err(|_| refuse())?;
                self.accept(value)
            }
            ParameterType::Float => parse_float(text.trim()).ok_or_else(refuse),
            ParameterType::Json => Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))),
            ParameterType::List | ParameterType::Dict => self.accept(serde_json::from_str(text).map_err(|_| refuse())?),
        }
    }

    /// Checks a JSON value, as of `--params FILE` or the Python API. An int is accepted where a float is declared.
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
