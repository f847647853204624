//! The values that one varied parameter may have.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::parameter::{Parameter, ParameterType, ParameterValueError};

/// Values in an order: where the unit interval is mapped to them, neighbours stay neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Domain {
    /// `low`, `low + step`, ... up to `high` at most.
    Int { low: i64, high: i64, step: u64, scale: Scale },
    /// From `low` to `high`, both included; only `low`, `low + step`, ... where there is a step.
    Double { low: f64, high: f64, step: Option<f64>, scale: Scale },
    /// Numbers, from the least to the greatest.
    Discrete { values: Vec<Number> },
    /// Any values, of which none is nearer to another.
    Categorical { values: Vec<Value> },
}

/// Where values are dense: everywhere alike, or everywhere in proportion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    Linear,
    Logarithmic,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    #[error(
        "`{0}` is not a range of values: write uniform:A:B[:STEP], loguniform:A:B, int:A:B[:STEP], logint:A:B, \
             discrete:1,2,4 or choice:a,b"
    )]
    Unknown(String),
    #[error("`{kind}` takes {expected}")]
    Form { kind: String, expected: &'static str },
    #[error("{low} is not less than {high}: the lower end comes first")]
    Empty { low: String, high: String },
    #[error("a logarithmic range begins above 0, not at {0}")]
    NotPositive(String),
    #[error("a step is greater than 0, not greater than the range, and not lost in its numbers")]
    Step,
    #[error("`{0}` is there twice")]
    Repeated(String),
    #[error("there is no value to choose: write choice:a,b")]
    Nothing,
    #[error("an int takes int:A:B, logint:A:B, discrete:1,2,4 or choice:a,b")]
    NotInt,
    #[error("a {0} takes choice:a,b")]
    NotNumeric(&'static str),
    #[error(transparent)]
    Value(#[from] ParameterValueError),
}

/// As it is written.
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Int { low, high, step: 1, scale: Scale::Linear } => write!(f, "int:{low}:{high}"),
            Domain::Int { low, high, step, scale: Scale::Linear } => write!(f, "int:{low}:{high}:{step}"),
            Domain::Int { low, high, .. } => write!(f, "logint:{low}:{high}"),
            Domain::Double { low, high, scale: Scale::Logarithmic, .. } => write!(f, "loguniform:{low}:{high}"),
            Domain::Double { low, high, step: Some(step), .. } => write!(f, "uniform:{low}:{high}:{step}"),
            Domain::Double { low, high, .. } => write!(f, "uniform:{low}:{high}"),
            Domain::Discrete { values } => write!(f, "discrete:{}", joined(values)),
            Domain::Categorical { values } => write!(f, "choice:[{}]", joined(values)),
        }
    }
}

fn joined(values: &[impl fmt::Display]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl Domain {
    /// Reads the text behind `NAME=`, for a parameter of this type.
    pub fn parse(text: &str, of: ParameterType) -> Result<Domain, DomainError> {
        let (kind, rest) = text.split_once(':').ok_or_else(|| DomainError::Unknown(text.to_owned()))?;
        let domain = match kind.trim() {
            "uniform" => {
                let (low, high, step) = ends(kind, rest, "numbers: uniform:A:B or uniform:A:B:STEP")?;
                Domain::Double { low, high, step, scale: Scale::Linear }
            }
            "loguniform" => {
                let (low, high, step) = ends(kind, rest, LOGUNIFORM)?;
                without_step(kind, step, LOGUNIFORM)?;
                Domain::Double { low, high, step: None, scale: Scale::Logarithmic }
            }
            "int" => {
                let (low, high, step) = ends(kind, rest, "whole numbers: int:A:B or int:A:B:STEP")?;
                Domain::Int { low, high, step: step.unwrap_or(1).try_into().unwrap_or(0), scale: Scale::Linear }
            }
            "logint" => {
                let (low, high, step) = ends(kind, rest, LOGINT)?;
                without_step(kind, step, LOGINT)?;
                Domain::Int { low, high, step: 1, scale: Scale::Logarithmic }
            }
            "discrete" => Domain::discrete(rest)?,
            "choice" => Domain::Categorical { values: choices(rest, of)? },
            _ => return Err(DomainError::Unknown(text.to_owned())),
        };
        domain.check()?;
        domain.suits(of)?;
        Ok(domain)
    }

    fn discrete(text: &str) -> Result<Domain, DomainError> {
        let expected = "numbers: discrete:1,2,4";
        let refuse = || DomainError::Form { kind: "discrete".to_owned(), expected };
        let numbers = text.split(',').map(|each| serde_json::from_str(each.trim()).map_err(|_| refuse()));
        let mut values = numbers.collect::<Result<Vec<Number>, _>>()?;
        values.sort_by(|a, b| as_f64(a).total_cmp(&as_f64(b)));
        Ok(Domain::Discrete { values })
    }

    /// What every domain keeps to, wherever it comes from.
    pub fn check(&self) -> Result<(), DomainError> {
        match self {
            Domain::Int { low, high, step, scale } => {
                check_ends(low, high, *scale, 1)?;
                let fits = *step > 0 && *step <= high.abs_diff(*low);
                if fits { Ok(()) } else { Err(DomainError::Step) }
            }
            Domain::Double { low, high, step, scale } => {
                check_ends(low, high, *scale, f64::MIN_POSITIVE)?;
                if !(high - low).is_finite() {
                    return Err(DomainError::Empty { low: low.to_string(), high: high.to_string() });
                }
                // A step that makes no other number of an end is none.
                let is_felt = |step: f64| low + step != *low && high - step != *high;
                let fits = step.is_none_or(|step| step > 0.0 && step <= high - low && is_felt(step));
                if fits { Ok(()) } else { Err(DomainError::Step) }
            }
            // 1 and 1.0 are one value.
            Domain::Discrete { values } => distinct(values.iter().map(|value| as_f64(value).to_string())),
            Domain::Categorical { values } if values.is_empty() => Err(DomainError::Nothing),
            Domain::Categorical { values } => distinct(values.iter().map(Value::to_string)),
        }
    }

    /// Whether a parameter of this type can have these values.
    pub fn suits(&self, of: ParameterType) -> Result<(), DomainError> {
        let whole = |number: &Number| number.is_i64() || number.is_u64();
        match (self, of) {
            (Domain::Categorical { .. }, _) | (_, ParameterType::Float | ParameterType::Json) => Ok(()),
            (Domain::Int { .. }, ParameterType::Int) => Ok(()),
            (Domain::Discrete { values }, ParameterType::Int) if values.iter().all(whole) => Ok(()),
            (_, ParameterType::Int) => Err(DomainError::NotInt),
            (_, other) => Err(DomainError::NotNumeric(other.as_str())),
        }
    }

    /// A range around the notebook's own value, to begin with; `None` where nothing suggests one.
    pub fn guess(parameter: &Parameter) -> Option<Domain> {
        if parameter.is_seed() {
            return None;
        }
        let default = &parameter.default;
        match parameter.parameter_type {
            ParameterType::Bool => Some(Domain::Categorical { values: vec![false.into(), true.into()] }),
            ParameterType::Int => {
                let value = default.as_i64().filter(|value| *value > 0)?;
                let high = value.checked_mul(4)?;
                Some(Domain::Int { low: (value / 4).max(1), high, step: 1, scale: Scale::Linear })
            }
            ParameterType::Float => {
                let value = default.as_f64().filter(|value| *value > 0.0)?;
                // A share stays a share; what is small or large is looked for in proportion.
                let (low, high, scale) = match value {
                    0.1..1.0 => (0.0, 1.0, Scale::Linear),
                    _ => (value / 10.0, value * 10.0, Scale::Logarithmic),
                };
                let domain = Domain::Double { low, high, step: None, scale };
                domain.check().is_ok().then_some(domain)
            }
            ParameterType::Str | ParameterType::List | ParameterType::Dict | ParameterType::Json => None,
        }
    }

    /// How many values there are; `None` of a continuous range.
    pub fn cardinality(&self) -> Option<u64> {
        match self {
            Domain::Int { low, high, step, .. } => Some((high.abs_diff(*low) / step).saturating_add(1)),
            Domain::Double { step: None, .. } => None,
            // A hair more than whole steps, so that 0 to 1 by 0.1 ends with 1.
            Domain::Double { low, high, step: Some(step), .. } => {
                Some((((high - low) / step + 1e-9).floor() as u64).saturating_add(1))
            }
            Domain::Discrete { values } => Some(values.len() as u64),
            Domain::Categorical { values } => Some(values.len() as u64),
        }
    }

    /// The value with this index, of a domain with a [`cardinality`](Domain::cardinality) above it.
    pub fn value(&self, index: u64) -> Value {
        match self {
            Domain::Int { low, step, .. } => low.saturating_add_unsigned(index * step).into(),
            Domain::Double { low, high, step, .. } => stepped(*low, step.unwrap_or(0.0), index).min(*high).into(),
            Domain::Discrete { values } => Value::Number(values[index as usize].clone()),
            Domain::Categorical { values } => values[index as usize].clone(),
        }
    }

    /// Where a number of the unit interval (1 excluded) comes to lie: equal parts of it have equally many values, or
    /// values in equal proportion.
    pub fn at(&self, unit: f64) -> Value {
        match self {
            Domain::Double { low, high, step: None, scale } => between(*low, *high, *scale, unit).into(),
            Domain::Int { low, high, scale: Scale::Logarithmic, .. } => {
                // Half a number more at both ends: the ends are as likely as what lies between.
                let (from, to) = (*low as f64 - 0.5, *high as f64 + 0.5);
                (between(from, to, Scale::Logarithmic, unit).round() as i64).clamp(*low, *high).into()
            }
            _ => {
                let count = self.cardinality().expect("only ranges of doubles are continuous");
                self.value(((unit * count as f64) as u64).min(count - 1))
            }
        }
    }

    /// Whether a value is one of these.
    pub fn contains(&self, value: &Value) -> bool {
        match self {
            Domain::Int { low, high, step, .. } => {
                value.as_i64().is_some_and(|n| (*low..=*high).contains(&n) && n.abs_diff(*low) % step == 0)
            }
            Domain::Double { low, high, .. } => value.as_f64().is_some_and(|x| (*low..=*high).contains(&x)),
            Domain::Discrete { values } => value.as_f64().is_some_and(|x| values.iter().any(|each| as_f64(each) == x)),
            Domain::Categorical { values } => values.contains(value),
        }
    }
}

const LOGUNIFORM: &str = "two numbers: loguniform:A:B";
const LOGINT: &str = "two whole numbers: logint:A:B";

fn as_f64(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// `A:B` or `A:B:STEP`.
fn ends<N: std::str::FromStr>(
    kind: &str,
    text: &str,
    expected: &'static str,
) -> Result<(N, N, Option<N>), DomainError> {
    let refuse = || DomainError::Form { kind: kind.to_owned(), expected };
    let numbers = text.split(':').map(|part| part.trim().parse::<N>().map_err(|_| refuse()));
    let mut numbers = numbers.collect::<Result<Vec<N>, _>>()?.into_iter();
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(low), Some(high), step, None) => Ok((low, high, step)),
        _ => Err(refuse()),
    }
}

fn without_step<N>(kind: &str, step: Option<N>, expected: &'static str) -> Result<(), DomainError> {
    step.map_or(Ok(()), |_| Err(DomainError::Form { kind: kind.to_owned(), expected }))
}

fn check_ends<N: PartialOrd + ToString>(low: &N, high: &N, scale: Scale, least: N) -> Result<(), DomainError> {
    // Also of a number that is none, which is not less than anything.
    if low.partial_cmp(high) != Some(std::cmp::Ordering::Less) {
        return Err(DomainError::Empty { low: low.to_string(), high: high.to_string() });
    }
    if scale == Scale::Logarithmic && *low < least {
        return Err(DomainError::NotPositive(low.to_string()));
    }
    Ok(())
}

fn distinct(texts: impl Iterator<Item = String>) -> Result<(), DomainError> {
    let mut seen = std::collections::BTreeSet::new();
    for text in texts {
        if !seen.insert(text.clone()) {
            return Err(DomainError::Repeated(text));
        }
    }
    Ok(())
}

/// `a,b`, or a JSON array of values that hold commas themselves; its brackets may be left out around lists and objects.
fn choices(text: &str, of: ParameterType) -> Result<Vec<Value>, DomainError> {
    if text.trim().is_empty() {
        return Err(DomainError::Nothing);
    }
    let accepted = |text: &str| {
        let Ok(Value::Array(values)) = serde_json::from_str(text) else { return None };
        Some(values.into_iter().map(|value| of.accept(value)).collect::<Result<Vec<_>, _>>())
    };
    let given = accepted(text);
    if matches!(of, ParameterType::List | ParameterType::Dict)
        && !matches!(given, Some(Ok(_)))
        && let Some(Ok(values)) = accepted(&format!("[{text}]"))
    {
        return Ok(values);
    }
    if let Some(values) = given {
        return Ok(values?);
    }
    Ok(text.split(',').map(|each| of.parse(each.trim())).collect::<Result<_, _>>()?)
}

/// `low` and so many steps, with as many decimals as these have: a third step of 0.1 is 0.3, and not 0.30000000000000004.
fn stepped(low: f64, step: f64, index: u64) -> f64 {
    let value = low + index as f64 * step;
    let decimals = |number: f64| number.to_string().split_once('.').map_or(0, |(_, behind)| behind.len());
    let written = format!("{value:.*}", decimals(low).max(decimals(step)));
    written.parse().unwrap_or(value)
}

/// `unit` of the way from `low` to `high`, never beyond them by rounding.
fn between(low: f64, high: f64, scale: Scale, unit: f64) -> f64 {
    let value = match scale {
        Scale::Linear => low + unit * (high - low),
        Scale::Logarithmic => (low.ln() + unit * (high.ln() - low.ln())).exp(),
    };
    value.clamp(low, high)
}
