//! All that a sweep varies.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::domain::{Domain, DomainError};
use crate::name::ParameterName;
use crate::parameter::Parameter;

/// One value of each varied parameter, in the order of the space.
pub type Point = Map<String, Value>;

/// The varied parameters in the order in which they were given: a grid's last one changes fastest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Space(pub Vec<Dimension>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    pub name: ParameterName,
    pub domain: Domain,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    #[error("`{0}` has no values: write NAME=KIND:VALUES, such as lr=loguniform:1e-5:1e-1")]
    NoValues(String),
    #[error("the notebook has no parameter `{name}`{}", among(.known))]
    NoParameter { name: String, known: Vec<String> },
    #[error("`{0}` is varied twice")]
    Twice(String),
    #[error("{name}: {error}")]
    Domain { name: String, error: DomainError },
}

fn among(known: &[String]) -> String {
    if known.is_empty() {
        return ": tag the cell that sets it with `pipeline-parameters`".to_owned();
    }
    format!(": it has {}", known.join(", "))
}

impl Space {
    /// Reads `NAME=KIND:VALUES`, one text for each varied parameter.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>, parameters: &[Parameter]) -> Result<Space, SpaceError> {
        let mut space = Space::default();
        for text in texts {
            let (name, values) = text.split_once('=').ok_or_else(|| SpaceError::NoValues(text.to_owned()))?;
            space.add(name.trim(), values.trim(), parameters)?;
        }
        Ok(space)
    }

    fn add(&mut self, name: &str, values: &str, parameters: &[Parameter]) -> Result<(), SpaceError> {
        let found = parameters.iter().find(|parameter| parameter.name.as_str() == name);
        let parameter = found.ok_or_else(|| SpaceError::NoParameter {
            name: name.to_owned(),
            known: parameters.iter().map(|parameter| parameter.name.to_string()).collect(),
        })?;
        if self.0.iter().any(|dimension| dimension.name == parameter.name) {
            return Err(SpaceError::Twice(name.to_owned()));
        }
        let domain = Domain::parse(values, parameter.parameter_type)
            .map_err(|error| SpaceError::Domain { name: name.to_owned(), error })?;
        self.0.push(Dimension { name: parameter.name.clone(), domain });
        Ok(())
    }

    /// A range for each parameter that suggests one by its type and value.
    pub fn guess(parameters: &[Parameter]) -> Space {
        let dimension =
            |parameter: &Parameter| Some(Dimension { name: parameter.name.clone(), domain: Domain::guess(parameter)? });
        Space(parameters.iter().filter_map(dimension).collect())
    }

    /// How many points there are; `None` when a range is continuous, or when they are too many to be counted.
    pub fn cardinality(&self) -> Option<u64> {
        self.0.iter().try_fold(1_u64, |count, dimension| count.checked_mul(dimension.domain.cardinality()?))
    }

    /// A value for each dimension, from its number.
    pub fn point(&self, mut value: impl FnMut(usize, &Domain) -> Value) -> Point {
        let entry =
            |(index, dimension): (usize, &Dimension)| (dimension.name.to_string(), value(index, &dimension.domain));
        self.0.iter().enumerate().map(entry).collect()
    }
}
