//! What Katib chooses for a varied parameter, and how the value gets to the launcher.
//!
//! Katib puts its texts into the JSON of the Job with no regard for what they hold, and Kubernetes replaces `$(NAME)` in
//! the values of variables. So values of lists are written like URLs where they hold anything but harmless characters.

use kale_model::kubernetes::is_variable;
use kale_model::sweep::{Dimension, Domain, Scale, Space};
use kale_model::{Parameter, ParameterType};
use serde_json::{Number, Value};

use super::Fault;
use super::experiment::{FeasibleSpace, ParameterKind};
use crate::graph::TaskGraph;
use crate::types::argument;

/// A varied parameter.
pub struct Choice {
    /// As the notebook has it, and Katib, too.
    pub name: String,
    /// The environment variable that holds the value.
    pub variable: String,
    /// KFP's type of it.
    pub wire: &'static str,
    pub kind: ParameterKind,
    pub space: FeasibleSpace,
    /// A value that KFP cannot hold.
    pub fault: Option<Fault>,
}

pub fn of(graph: &TaskGraph, space: &Space) -> Vec<Choice> {
    let choice = |(position, dimension): (usize, &Dimension)| {
        let name = dimension.name.to_string();
        let declared = graph.pipeline.parameters.iter().zip(&graph.parameters);
        let (parameter, wire) = declared.into_iter().find(|(parameter, _)| parameter.name == dimension.name)?;
        Some(Choice {
            variable: variable(&name, position),
            wire: wire.wire.ir(),
            kind: kind(&dimension.domain),
            space: feasible(parameter, &dimension.domain),
            fault: fault(parameter, &dimension.domain),
            name,
        })
    };
    space.0.iter().enumerate().filter_map(choice).collect()
}

/// Python's names may be in any script, those of environment variables not.
fn variable(name: &str, position: usize) -> String {
    if is_variable(name) { format!("KALE_PARAM_{name}") } else { format!("KALE_PARAM_{position}_") }
}

fn kind(domain: &Domain) -> ParameterKind {
    match domain {
        Domain::Int { .. } => ParameterKind::Int,
        Domain::Double { .. } => ParameterKind::Double,
        Domain::Discrete { .. } => ParameterKind::Discrete,
        Domain::Categorical { .. } => ParameterKind::Categorical,
    }
}

fn feasible(parameter: &Parameter, domain: &Domain) -> FeasibleSpace {
    let distribution = |scale: &Scale| match scale {
        Scale::Linear => None,
        Scale::Logarithmic => Some("logUniform"),
    };
    match domain {
        Domain::Int { low, high, step, scale } => FeasibleSpace {
            min: Some(low.to_string()),
            max: Some(high.to_string()),
            step: (*step > 1).then(|| step.to_string()),
            distribution: distribution(scale),
            list: vec![],
        },
        Domain::Double { low, high, step, scale } => FeasibleSpace {
            min: Some(number(*low)),
            max: Some(number(*high)),
            step: step.map(number),
            distribution: distribution(scale),
            list: vec![],
        },
        Domain::Discrete { values } => {
            let values = values.iter().cloned().map(Value::Number);
            FeasibleSpace { list: values.map(|value| text(parameter, &value)).collect(), ..FeasibleSpace::default() }
        }
        Domain::Categorical { values } => {
            FeasibleSpace { list: values.iter().map(|value| text(parameter, value)).collect(), ..Default::default() }
        }
    }
}

/// The shortest text that is this number again.
fn number(value: f64) -> String {
    Number::from_f64(value).map_or_else(|| value.to_string(), |number| number.to_string())
}

/// A value of a list.
fn text(parameter: &Parameter, value: &Value) -> String {
    match argument(parameter, value) {
        Ok(Value::String(text)) => harmless(&text),
        Ok(value) => harmless(&value.to_string()),
        Err(_) => String::new(),
    }
}

/// As in URLs, apart from what nothing on the way looks for. A space stays one unless it is the first or the last.
fn harmless(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let is_plain = |position: usize, byte: u8| match byte {
        b' ' => position > 0 && position < last,
        _ => byte.is_ascii_alphanumeric() || b"-_.,:;+*/=@()[]|".contains(&byte),
    };
    let written = |(position, byte): (usize, u8)| {
        if is_plain(position, byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().enumerate().map(written).collect()
}

/// KFP's numbers are doubles.
fn fault(parameter: &Parameter, domain: &Domain) -> Option<Fault> {
    let ends: Vec<Value> = match domain {
        Domain::Int { low, high, .. } => vec![(*low).into(), (*high).into()],
        Domain::Double { .. } => vec![],
        Domain::Discrete { values } => values.iter().cloned().map(Value::Number).collect(),
        Domain::Categorical { values } => values.clone(),
    };
    let of_type = |value: &Value| match parameter.parameter_type {
        // `1` is a float's value as well.
        ParameterType::Float => value.as_f64().map_or_else(|| value.clone(), Value::from),
        _ => value.clone(),
    };
    let message = ends.iter().find_map(|value| argument(parameter, &of_type(value)).err())?;
    Some((format!("{message}."), "Give the parameter other values, or a text as its default.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stumble_over_nothing() {
        assert_eq!(harmless("adam"), "adam");
        assert_eq!(harmless("random forest"), "random forest");
        assert_eq!(harmless("[1,\"a\"]"), "[1,%22a%22]");
        assert_eq!(harmless("${trialParameters.lr} $(HOME) \\ 100% ü\n"), {
            "%24%7BtrialParameters.lr%7D %24(HOME) %5C 100%25 %C3%BC%0A"
        });
        assert_eq!(harmless(" a  "), "%20a %20");
    }

    #[test]
    fn variables_have_names_of_their_own() {
        assert_eq!(variable("lr", 0), "KALE_PARAM_lr");
        assert_eq!(variable("größe", 1), "KALE_PARAM_1_");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([number(1e-9), number(0.1), number(1.0)], ["1e-9", "0.1", "1.0"]);
    }
}
