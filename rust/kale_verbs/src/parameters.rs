//! Values for the pipeline's parameters: `-p name=text`, a file, or values of the Python API.

use std::collections::BTreeMap;
use std::fs;

use kale_model::{Code, Diagnostic, Parameter, Pipeline};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::VerbError;
use crate::session::Session;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ParameterInputs {
    /// `name=text` as on the command line; the text is read by the declared type. Later ones win.
    pub assignments: Vec<String>,
    /// A JSON or YAML file that holds one object.
    pub file: Option<String>,
    /// Values as they are.
    pub values: BTreeMap<String, Value>,
}

#[derive(Clone)]
enum Given {
    Text(String),
    Json(Box<RawValue>),
    Value(Value),
}

/// Values by name, not yet compared with what the notebook declares.
#[derive(Clone)]
pub struct GivenParameters(BTreeMap<String, Given>);

impl ParameterInputs {
    /// Everything given, by name: the file first, values and assignments over it.
    pub fn read(&self, session: &Session) -> Result<GivenParameters, VerbError> {
        let mut given: BTreeMap<String, Given> = BTreeMap::new();
        if let Some(file) = &self.file {
            given = read_file(session, file)?;
        }
        given.extend(self.values.iter().map(|(name, value)| (name.clone(), Given::Value(value.clone()))));
        for assignment in &self.assignments {
            let Some((name, text)) = assignment.split_once('=') else {
                let message = format!("`-p {assignment}` has no `=`");
                return Err(VerbError::usage(message, "write `-p NAME=VALUE`"));
            };
            given.insert(name.trim().to_owned(), Given::Text(text.to_owned()));
        }
        Ok(GivenParameters(given))
    }
}

fn read_file(session: &Session, file: &str) -> Result<BTreeMap<String, Given>, VerbError> {
    let text = fs::read_to_string(session.directory.join(file)).map_err(|error| VerbError::opening(file, &error))?;
    // YAML 1.2 holds JSON, except that JSON's errors are better to read.
    if text.trim_start().starts_with('{') {
        let values: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&text).map_err(|error| VerbError::reading(file, error))?;
        return Ok(values.into_iter().map(|(name, json)| (name, Given::Json(json))).collect());
    }
    match serde_yaml_ng::from_str(&text).map_err(|error| VerbError::reading(file, error))? {
        Value::Object(map) => Ok(map.into_iter().map(|(name, value)| (name, Given::Value(value))).collect()),
        Value::Null => Ok(BTreeMap::new()),
        _ => Err(VerbError::reading(file, "it must hold one object, such as `{\"epochs\": 10}`")),
    }
}

/// A run's values as a cluster is told them, which holds less than the notebook's types do.
pub fn arguments(pipeline: &Pipeline, values: &BTreeMap<String, Value>) -> Result<Map<String, Value>, Vec<Diagnostic>> {
    kale_targets::arguments(pipeline, values).map_err(|cause| {
        let help =
            "Give another value; one that is too large for a number can be a text, one that is too long a file's path.";
        vec![Diagnostic::new(Code::ClusterValue, cause, help).in_sentences()]
    })
}

impl GivenParameters {
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The run's values: the given ones checked against the declarations, defaults for the rest.
    pub fn resolve(mut self, declared: &[Parameter]) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
        let mut diagnostics = vec![];
        let mut values = BTreeMap::new();
        for parameter in declared {
            let value = match self.0.remove(parameter.name.as_str()) {
                None => Ok(parameter.default.clone()),
                Some(Given::Text(text)) => parameter.parameter_type.parse(&text),
                Some(Given::Json(json)) => parameter.parameter_type.read(json.get()),
                Some(Given::Value(value)) => parameter.parameter_type.accept(value),
            };
            match value {
                Ok(value) => drop(values.insert(parameter.name.to_string(), value)),
                Err(error) => diagnostics.push(wrong_value(parameter, &error)),
            }
        }
        diagnostics.extend(self.0.keys().map(|name| unknown(name, declared)));
        if diagnostics.is_empty() { Ok(values) } else { Err(diagnostics) }
    }
}

fn wrong_value(parameter: &Parameter, error: &kale_model::ParameterValueError) -> Diagnostic {
    let declared = parameter.parameter_type.as_str();
    let message = format!("parameter `{}` is declared as {declared}, and {error}", parameter.name);
    let help = format!("give {}; the notebook's default is `{}`", error.expected, parameter.default);
    Diagnostic::new(Code::ParameterValue, message, help).in_sentences().at(parameter.span)
}

fn unknown(name: &str, declared: &[Parameter]) -> Diagnostic {
    let message = format!("the notebook has no parameter `{name}`");
    Diagnostic::new(Code::UnknownParameter, message, format!("{}", Existing(declared))).in_sentences()
}

/// The declared parameters, for people.
struct Existing<'a>(&'a [Parameter]);

impl std::fmt::Display for Existing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f
                .write_str("it has none: tag a cell `pipeline-parameters` or start it with `%%pipeline parameters`");
        }
        f.write_str("its parameters are ")?;
        for (index, parameter) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{}` ({})", parameter.name, parameter.parameter_type.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kale_model::{CellIndex, ParameterType, Span};
    use serde_json::json;

    fn session(directory: &std::path::Path) -> Session {
        crate::session::tests::in_directory(directory)
    }

    fn declared() -> Vec<Parameter> {
        let parameter = |name: &str, parameter_type, default| Parameter {
            name: name.parse().unwrap(),
            parameter_type,
            default,
            span: Span::of_cell(CellIndex(0)),
        };
        vec![
            parameter("epochs", ParameterType::Int, json!(10)),
            parameter("rate", ParameterType::Float, json!(0.5)),
            parameter("title", ParameterType::Str, json!("x")),
        ]
    }

    fn values(inputs: &ParameterInputs, directory: &std::path::Path) -> Value {
        json!(inputs.read(&session(directory)).unwrap().resolve(&declared()).unwrap())
    }

    #[test]
    fn text_is_read_by_the_declared_type() {
        let directory = tempfile::tempdir().unwrap();
        let assignments = ["epochs=3", "title=a=b ", "rate=1e-3"].map(str::to_owned).to_vec();
        let inputs = ParameterInputs { assignments, ..Default::default() };
        assert_eq!(values(&inputs, directory.path()), json!({"epochs": 3, "rate": 0.001, "title": "a=b "}));
    }

    #[test]
    fn a_file_gives_values_and_the_command_line_wins() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [("p.json", "{\"epochs\": 4, \"rate\": 2}"), ("p.yaml", "epochs: 4\nrate: 2\n")] {
            fs::write(directory.path().join(file), text).unwrap();
            let assignments = vec!["epochs=5".to_owned()];
            let inputs = ParameterInputs { assignments, file: Some(file.to_owned()), ..Default::default() };
            assert_eq!(values(&inputs, directory.path()), json!({"epochs": 5, "rate": 2, "title": "x"}));
        }
    }

    #[test]
    fn wrong_and_unknown_values_say_what_exists() {
        let directory = tempfile::tempdir().unwrap();
        let assignments = ["epochs=many", "epoch=1"].map(str::to_owned).to_vec();
        let inputs = ParameterInputs { assignments, ..Default::default() };
        let faults = inputs.read(&session(directory.path())).unwrap().resolve(&declared()).unwrap_err();
        let text: Vec<String> = faults.iter().map(|d| format!("{}: {} {}", d.code, d.message, d.help)).collect();
        assert_eq!(
            text,
            [
                "parameter-value: Parameter `epochs` is declared as int, and `many` is not an int, such as 10. Give an \
                 int, such as 10; the notebook's default is `10`.",
                "unknown-parameter: The notebook has no parameter `epoch`. Its parameters are `epochs` (int), `rate` \
                 (float), `title` (str).",
            ]
        );
    }
}
