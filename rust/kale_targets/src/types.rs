//! Pipeline parameters and artifacts in KFP's type system.
//!
//! KFP carries every number as a double and knows neither `None` (not even within a list) nor infinities. What such a
//! value cannot hold travels as STRING, and the step reads it back by the parameter's own type.

use std::collections::BTreeMap;

use kale_model::name::slug;
use kale_model::{ArtifactType, Parameter, ParameterType, Pipeline};
use serde_json::{Number, Value};

use crate::kfp::limits;

/// Integers of this size and below survive a double.
const LARGEST_EXACT: u64 = 1 << 53;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    Integer,
    Double,
    Boolean,
    String,
    List,
    Struct,
}

impl WireType {
    /// KFP's `ParameterTypeEnum`.
    pub fn ir(self) -> &'static str {
        match self {
            WireType::Integer => "NUMBER_INTEGER",
            WireType::Double => "NUMBER_DOUBLE",
            WireType::Boolean => "BOOLEAN",
            WireType::String => "STRING",
            WireType::List => "LIST",
            WireType::Struct => "STRUCT",
        }
    }

    /// The annotation from which the SDK derives it.
    pub fn annotation(self) -> &'static str {
        match self {
            WireType::Integer => "int",
            WireType::Double => "float",
            WireType::Boolean => "bool",
            WireType::String => "str",
            WireType::List => "list",
            WireType::Struct => "dict",
        }
    }
}

/// How a parameter travels: its KFP type, and its default in that type.
#[derive(Clone, Debug, PartialEq)]
pub struct WireParameter {
    pub name: String,
    /// Its name as an argument in the SDK, which takes ASCII only, and a letter first.
    pub argument: String,
    pub declared: ParameterType,
    pub wire: WireType,
    pub default: Value,
    /// The notebook's literal, where it is an int that is declared a float: `rate: float = 1`.
    pub int_literal: Option<i64>,
}

impl WireParameter {
    pub fn new(parameter: &Parameter) -> WireParameter {
        let exact = survives(&parameter.default);
        let wire = match parameter.parameter_type {
            ParameterType::Int if exact => WireType::Integer,
            ParameterType::Float if parameter.default.is_number() => WireType::Double,
            ParameterType::Bool => WireType::Boolean,
            ParameterType::List if exact => WireType::List,
            ParameterType::Dict if exact => WireType::Struct,
            _ => WireType::String,
        };
        let default = match (wire, &parameter.default) {
            (WireType::String, Value::String(text)) if parameter.parameter_type != ParameterType::Json => {
                Value::String(text.clone())
            }
            (WireType::String, value) => Value::String(value.to_string()),
            (WireType::Double, value) => as_double(value),
            (_, value) => value.clone(),
        };
        let name = parameter.name.to_string();
        let argument = if sdk_accepts(&name) { name.clone() } else { format!("parameter_{}", slug(&name, '_')) };
        let is_float = parameter.parameter_type == ParameterType::Float;
        let int_literal = parameter.default.as_i64().filter(|_| is_float);
        WireParameter { name, argument, int_literal, declared: parameter.parameter_type, wire, default }
    }

    /// Whether the step has to read the value back from text.
    pub fn is_encoded(&self) -> bool {
        self.wire == WireType::String && self.declared != ParameterType::Str
    }
}

/// A run's values as its server wants them: each in the KFP type that the pipeline declares.
pub fn arguments(
    pipeline: &Pipeline,
    values: &BTreeMap<String, Value>,
) -> Result<serde_json::Map<String, Value>, String> {
    let given =
        pipeline.parameters.iter().filter_map(|parameter| Some((parameter, values.get(parameter.name.as_str())?)));
    let arguments: serde_json::Map<String, Value> = given
        .map(|(parameter, value)| Ok((parameter.name.to_string(), argument(parameter, value)?)))
        .collect::<Result<_, String>>()?;
    let size = arguments.values().map(|value| value.to_string().len()).sum();
    limits::refuse_values(size).map_or(Ok(arguments), Err)
}

pub fn argument(parameter: &Parameter, value: &Value) -> Result<Value, String> {
    let declared = WireParameter::new(parameter).wire;
    let given = WireParameter::new(&Parameter { default: value.clone(), ..parameter.clone() });
    match declared {
        wire if wire == given.wire => Ok(given.default),
        WireType::String => Ok(Value::String(value.to_string())),
        _ => Err(format!("KFP cannot hold {value} in the parameter `{}`, which it has as a number", parameter.name)),
    }
}

/// Whether the SDK takes it as the name of an input or output.
pub fn sdk_accepts(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A float parameter may have an integer default, `lr: float = 1`; as a double it is written `1.0`.
fn as_double(value: &Value) -> Value {
    value.as_f64().and_then(Number::from_f64).map_or_else(|| value.clone(), Value::Number)
}

fn survives(value: &Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => true,
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_u64(), |n| Some(n.unsigned_abs()))
            .is_some_and(|n| n <= LARGEST_EXACT),
        Value::Array(items) => items.iter().all(survives),
        Value::Object(entries) => entries.values().all(survives),
        Value::Bool(_) | Value::String(_) => true,
        Value::Null => false,
    }
}

/// KFP's schema title of an artifact type.
pub fn schema_title(artifact_type: ArtifactType) -> &'static str {
    match artifact_type {
        ArtifactType::Artifact => "system.Artifact",
        ArtifactType::Dataset => "system.Dataset",
        ArtifactType::Model => "system.Model",
    }
}

/// The class of `kfp.dsl` that stands for it.
pub fn dsl_class(artifact_type: ArtifactType) -> &'static str {
    match artifact_type {
        ArtifactType::Artifact => "Artifact",
        ArtifactType::Dataset => "Dataset",
        ArtifactType::Model => "Model",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wire(parameter_type: &str, default: Value) -> (WireType, Value) {
        let span = json!({"cell": 0, "start": {"line": 1, "column": 1}, "end": {"line": 1, "column": 2}});
        let parameter = json!({"name": "p", "type": parameter_type, "default": default, "span": span});
        let wire = WireParameter::new(&serde_json::from_value(parameter).unwrap());
        (wire.wire, wire.default)
    }

    #[test]
    fn ordinary_values_keep_their_type() {
        assert_eq!(wire("int", json!(-3)), (WireType::Integer, json!(-3)));
        assert_eq!(wire("float", json!(1)), (WireType::Double, json!(1.0)));
        assert_eq!(wire("bool", json!(true)), (WireType::Boolean, json!(true)));
        assert_eq!(wire("str", json!("1")), (WireType::String, json!("1")));
        assert_eq!(wire("list", json!([1, "a"])), (WireType::List, json!([1, "a"])));
        assert_eq!(wire("dict", json!({"a": 1})), (WireType::Struct, json!({"a": 1})));
    }

    #[test]
    fn a_runs_values_have_the_declared_type() {
        let declared = |parameter_type: &str, default: Value| -> Parameter {
            let span = json!({"cell": 0, "start": {"line": 1, "column": 1}, "end": {"line": 1, "column": 2}});
            serde_json::from_value(json!({"name": "p", "type": parameter_type, "default": default, "span": span}))
                .unwrap()
        };
        assert_eq!(argument(&declared("int", json!(1)), &json!(2)), Ok(json!(2)));
        assert_eq!(argument(&declared("float", json!(1)), &json!(2)), Ok(json!(2.0)));
        assert_eq!(argument(&declared("float", json!("NaN")), &json!(0.5)), Ok(json!("0.5")));
        assert_eq!(argument(&declared("int", json!(9_007_199_254_740_993_u64)), &json!(2)), Ok(json!("2")));
        assert_eq!(argument(&declared("json", Value::Null), &json!({"a": 1})), Ok(json!("{\"a\":1}")));
        assert!(argument(&declared("int", json!(1)), &json!(9_007_199_254_740_993_u64)).is_err());
        assert!(argument(&declared("list", json!([1])), &json!([null])).is_err());
    }

    #[test]
    fn what_a_double_cannot_hold_travels_as_text() {
        assert_eq!(wire("int", json!(9_007_199_254_740_992_u64)).0, WireType::Integer);
        assert_eq!(wire("int", json!(9_007_199_254_740_993_u64)), (WireType::String, json!("9007199254740993")));
        assert_eq!(wire("int", json!(-9_007_199_254_740_993_i64)), (WireType::String, json!("-9007199254740993")));
        assert_eq!(wire("float", json!("-Infinity")), (WireType::String, json!("-Infinity")));
        assert_eq!(wire("json", Value::Null), (WireType::String, json!("null")));
        assert_eq!(wire("json", json!("abc")), (WireType::String, json!("\"abc\"")));
        assert_eq!(wire("list", json!([9_007_199_254_740_993_u64])), (WireType::String, json!("[9007199254740993]")));
        assert_eq!(wire("dict", json!({"a": [null]})), (WireType::String, json!("{\"a\":[null]}")));
    }
}
