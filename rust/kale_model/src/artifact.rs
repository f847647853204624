//! What travels between steps.

use serde::{Deserialize, Serialize};

use crate::step::StepId;

/// Index into [`crate::Pipeline::artifacts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArtifactId(pub usize);

/// One version of one alias group, made by one step: the names are pickled together, so that `a is b` survives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Unique in the pipeline, `[_a-z][_0-9a-z]*`: the input and output name in every target.
    pub key: String,
    /// Python variables for [`ArtifactKind::Value`] (sorted), else empty.
    pub names: Vec<String>,
    pub kind: ArtifactKind,
    /// Functions and classes that [`ArtifactKind::Callable`] writes by their names: whoever reads it has them (sorted).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_name: Vec<String>,
    pub producer: StepId,
    #[serde(rename = "type")]
    pub artifact_type: ArtifactType,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// A pickle of a dict from name to value. A name that is unbound at run time is absent from the dict.
    Value,
    /// As `Value`, but callables that cannot be replayed from source are inside, so `dill` reads and writes it.
    Callable,
    /// The state of a global random generator: `random`, `numpy` or `torch`.
    Rng(String),
    /// A file (or directory, as a tar) at this path, relative to the notebook's directory.
    File(String),
}

impl ArtifactKind {
    /// As in the step's program.
    pub fn word(&self) -> String {
        match self {
            ArtifactKind::Value => "value".to_owned(),
            ArtifactKind::Callable => "callable".to_owned(),
            ArtifactKind::Rng(generator) => format!("rng:{generator}"),
            ArtifactKind::File(path) => format!("file:{path}"),
        }
    }
}

/// KFP's `system.*` schema of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactType {
    Artifact,
    Dataset,
    Model,
}
