//! Python literals as JSON.

use kale_model::ParameterType;
use ruff_python_ast::{Expr, Number, UnaryOp};
use serde_json::{Map, Value, json};

/// Why an expression cannot be a parameter's default.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoLiteral(pub &'static str);

const COMPUTED: NoLiteral = NoLiteral("its value is not a literal");

/// The value of a literal and its type. A float beyond the range of Python's is one of the strings that
/// [`ParameterType::Float`] has for it.
pub(super) fn read(expression: &Expr) -> Result<(Value, ParameterType), NoLiteral> {
    let value = match number(expression, false)? {
        Some(Literal::Infinite(negative)) => {
            return Ok((json!(if negative { "-Infinity" } else { "Infinity" }), ParameterType::Float));
        }
        Some(Literal::Finite(value)) => value,
        None => nested(expression)?,
    };
    let parameter_type = type_of(&value);
    Ok((value, parameter_type))
}

fn type_of(value: &Value) -> ParameterType {
    match value {
        Value::Null => ParameterType::Json,
        Value::Bool(_) => ParameterType::Bool,
        Value::Number(number) if number.is_f64() => ParameterType::Float,
        Value::Number(_) => ParameterType::Int,
        Value::String(_) => ParameterType::Str,
        Value::Array(_) => ParameterType::List,
        Value::Object(_) => ParameterType::Dict,
    }
}

enum Literal {
    Finite(Value),
    /// `1e999`, with a sign.
    Infinite(bool),
}

/// A number with its signs; `None` when the expression is something else.
fn number(expression: &Expr, negative: bool) -> Result<Option<Literal>, NoLiteral> {
    match expression {
        Expr::UnaryOp(unary) if matches!(unary.op, UnaryOp::USub | UnaryOp::UAdd) => {
            let negative = negative != (unary.op == UnaryOp::USub);
            number(&unary.operand, negative)?.map(Some).ok_or(COMPUTED)
        }
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => {
                let magnitude = int.as_u64().ok_or(NoLiteral("its integer is beyond 64 bits"))?;
                integer(magnitude, negative).map(Some)
            }
            Number::Float(float) => {
                let float = if negative { -float } else { *float };
                let finite = serde_json::Number::from_f64(float).map(|number| Literal::Finite(Value::Number(number)));
                Ok(Some(finite.unwrap_or(Literal::Infinite(negative))))
            }
            Number::Complex { .. } => Err(NoLiteral("complex numbers have no JSON form")),
        },
        _ => Ok(None),
    }
}

fn integer(magnitude: u64, negative: bool) -> Result<Literal, NoLiteral> {
    if !negative {
        return Ok(Literal::Finite(json!(magnitude)));
    }
    let value = i64::try_from(-i128::from(magnitude)).map_err(|_| NoLiteral("its integer is beyond 64 bits"))?;
    Ok(Literal::Finite(json!(value)))
}

fn nested(expression: &Expr) -> Result<Value, NoLiteral> {
    match expression {
        Expr::NumberLiteral(_) | Expr::UnaryOp(_) => match number(expression, false)? {
            Some(Literal::Finite(value)) => Ok(value),
            Some(Literal::Infinite(_)) => Err(NoLiteral("infinity inside a list or dict has no JSON form")),
            None => Err(COMPUTED),
        },
        Expr::BooleanLiteral(literal) => Ok(json!(literal.value)),
        Expr::NoneLiteral(_) => Ok(Value::Null),
        Expr::StringLiteral(literal) => Ok(json!(literal.value.to_str())),
        Expr::List(list) => list.elts.iter().map(nested).collect::<Result<Vec<_>, _>>().map(Value::Array),
        Expr::Dict(dict) => {
            let mut map = Map::new();
            for item in &dict.items {
                let Some(Expr::StringLiteral(key)) = &item.key else {
                    return Err(NoLiteral("JSON only has texts as the keys of a dict"));
                };
                map.insert(key.value.to_str().to_owned(), nested(&item.value)?);
            }
            Ok(Value::Object(map))
        }
        Expr::Tuple(_) => Err(NoLiteral("tuples have no JSON form; a list would be a parameter")),
        Expr::Set(_) => Err(NoLiteral("sets have no JSON form; a list would be a parameter")),
        Expr::BytesLiteral(_) => Err(NoLiteral("bytes have no JSON form")),
        _ => Err(COMPUTED),
    }
}
