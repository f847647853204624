//! The waist of the project: the vocabulary that every layer shares.
//!
//! Nothing here does I/O, knows Python's syntax, or writes YAML. Values go from the frontend (text to [`Pipeline`]),
//! through this crate, to targets (files) and engines (runs).

pub mod artifact;
pub mod cell;
pub mod claims;
pub mod diagnostic;
pub mod environment;
pub mod event;
pub mod graph;
pub mod kubernetes;
pub mod name;
pub mod parameter;
pub mod pipeline;
pub mod plan;
pub mod resources;
pub mod run;
pub mod step;
pub mod sweep;
mod warm_up;

pub use artifact::{Artifact, ArtifactId, ArtifactKind, ArtifactType};
pub use cell::{CellIndex, Position, Span, SubCell, SubCells};
pub use claims::{CellClaims, ClaimedResource, Claims};
pub use diagnostic::{Code, Diagnostic, Edit, Fix, NewCell, Related, Severity, TagChange};
pub use environment::{Environment, Export, Lock, ModuleState, PythonVersion, Requirement};
pub use event::Event;
pub use graph::GraphView;
pub use name::{NameError, Namespace, ParameterName, PipelineName, StepName};
pub use parameter::{Parameter, ParameterType, ParameterValueError};
pub use pipeline::{Definition, Edge, Metric, Pipeline};
pub use plan::{PLAN_VERSION, StepPlan};
pub use resources::{
    PackageIndex, Quantity, Resources, SecretVariable, TaintEffect, Toleration, TolerationOperator, Volume, VolumeKind,
};
pub use run::{RemoteRun, RunId, RunStatus, RunView, StepStatus, StepView, TrialPlace};
pub use step::{Caching, FileUse, Instruction, MetricSite, Step, StepCell, StepConfig, StepId, Uncacheable};
pub use warm_up::WarmUp;
