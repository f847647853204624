//! A step: the unit of work, as a small program that the runtime carries out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactId;
use crate::cell::CellIndex;
use crate::claims::Claims;
use crate::environment::Requirement;
use crate::name::{ParameterName, StepName};
use crate::resources::{Resources, SecretVariable, Toleration};

/// Index into [`crate::Pipeline::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub usize);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: StepName,
    /// The cells whose outputs this step produces, in notebook order.
    pub cells: Vec<StepCell>,
    /// What the step's process does, in order.
    pub program: Vec<Instruction>,
    /// The program's Python in a form that comments and white space do not change: what a stored result is keyed by.
    /// Equal text means equal behaviour.
    pub fingerprint_source: String,
    /// Parameters it reads, in declaration order.
    pub parameters: Vec<ParameterName>,
    /// Artifacts it loads, ascending.
    pub inputs: Vec<ArtifactId>,
    /// Artifacts it saves, ascending.
    pub outputs: Vec<ArtifactId>,
    /// Whether a cell uses IPython's own syntax, so that the step's environment must hold IPython.
    pub needs_ipython: bool,
    /// Distributions that the step imports, pinned; sorted by name.
    pub requirements: Vec<Requirement>,
    /// Top-level modules that lie beside the notebook and that the step imports.
    pub local_modules: Vec<String>,
    /// Files it reads and writes by a path known before the run.
    pub files: FileUse,
    /// Environment variables it reads by name.
    pub environment_variables: Vec<String>,
    /// Why its outputs may not be reused; empty when they may.
    pub uncacheable: Vec<Uncacheable>,
    /// What the analysis believes about the cells; `None` when nobody has analysed them.
    #[serde(default)]
    pub claims: Option<Claims>,
    pub config: StepConfig,
}

/// A code cell that belongs to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCell {
    pub index: CellIndex,
    /// nbformat's cell id (derived where the notebook has none).
    pub id: String,
    /// The cell as the user wrote it, without a leading `%%pipeline` magic; line breaks kept, so lines are those of
    /// the cell plus `first_line - 1`.
    pub source: String,
    /// Line of the cell on which `source` starts, from 1.
    pub first_line: usize,
}

/// One action of a step's process. The frontend orders them so that every cell sees what it would see in a run of
/// the notebook from top to bottom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Instruction {
    /// Bind a run parameter's value.
    Parameter { name: ParameterName },
    /// Execute a definition of another cell again: an import, `def`, `class`, or constant. It has no effect beyond
    /// the names it binds (or is a configuration call, such as `np.set_printoptions(...)`).
    Define {
        cell: CellIndex,
        /// Line of the cell on which `source` starts, from 1.
        line: usize,
        source: String,
    },
    /// Bind these names of an artifact; a name that the artifact lacks is unbound.
    Load { artifact: ArtifactId, names: Vec<String> },
    /// Run a cell of this step.
    Run {
        cell: CellIndex,
        /// Parameters whose literals in this cell are replaced by the run's values.
        parameters: Vec<ParameterName>,
        /// Metrics that the cell's statements report.
        metrics: Vec<MetricSite>,
    },
    /// Store these names as an artifact; a name that is not bound is left out.
    Save { artifact: ArtifactId, names: Vec<String> },
}

/// Where in a metrics cell a metric's value is: the expression itself, or an argument of its `print` call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricSite {
    pub name: String,
    /// Index of the top-level statement in the cell.
    pub statement: usize,
    /// Index of the positional argument of the `print` call; `None` when the statement is the expression.
    pub argument: Option<usize>,
}

/// Files by path, relative to the notebook's directory unless absolute; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileUse {
    /// Read, and not written by an earlier step: part of the step's identity.
    pub reads: Vec<String>,
    /// Written by the step: outputs, put back when a cached result is used.
    pub writes: Vec<String>,
}

/// Why a step runs anew every time unless it is tagged `cache:enabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncacheable {
    /// Touches files whose paths are not known before the run.
    UnknownFiles,
    Network,
    Database,
    Subprocess,
    Clock,
    UnseededRandomness,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepConfig {
    pub resources: Resources,
    pub image: Option<String>,
    pub caching: Caching,
    pub retries: u32,
    /// Seconds; `None` is no limit.
    pub timeout_seconds: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub secrets: Vec<SecretVariable>,
    pub report: Option<bool>,
    /// Labels that a cluster's machine must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
}

/// The `cache:` tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caching {
    /// Cached unless the step is [`Uncacheable`].
    #[default]
    Automatic,
    Enabled,
    Disabled,
}

impl Step {
    /// Whether a stored result of equal fingerprint may stand for running the step.
    pub fn may_reuse(&self) -> bool {
        match self.config.caching {
            Caching::Automatic => self.uncacheable.is_empty(),
            Caching::Enabled => true,
            Caching::Disabled => false,
        }
    }
}
