//! From the text of a notebook to a pipeline and diagnostics. Never executes code, never reads a file.

mod analysis;
pub mod blocks;
mod claims;
mod compile;
mod dataflow;
pub mod fault;
mod fingerprint;
mod fixes;
mod grouping;
mod lower;
pub mod magics;
pub mod metadata;
pub mod metrics;
mod naming;
pub mod notebook;
pub mod parameters;
mod pragma;
pub mod python;
mod report;
mod requirements;
mod spelling;
pub mod stack;
pub mod tag;
pub mod text;
mod warm_up;
mod why;

use kale_model::graph::Reason;
use kale_model::{Diagnostic, Environment, Pipeline};

/// How an untagged notebook is cut into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// One step per cell, then the merges that are forced or cost no parallelism.
    #[default]
    Auto,
    /// One step per section, at the shallowest heading level that has two.
    Heading,
    /// One step per cell, forced merges only.
    Cell,
}

#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// `None`: the user gave no flag, so tags decide and an untagged notebook is cut as [`Granularity::Auto`].
    pub granularity: Option<Granularity>,
    pub environment: Environment,
    /// Other notebooks that this one refers to.
    pub notebooks: notebook::reference::Sources,
    /// Name of the pipeline when the notebook's metadata has none: the file's stem.
    pub default_name: String,
    /// Say for every edge why it is there.
    pub reasons: bool,
    /// Make what only a run needs: the fingerprints of steps, and what the analysis believes about every cell, which
    /// the run checks.
    pub for_run: bool,
}

/// A pipeline, unless there is an error among the diagnostics.
#[derive(Clone, Debug)]
pub struct Compilation {
    pub pipeline: Option<Pipeline>,
    /// In order of place: notebook-wide ones first, then by cell and position.
    pub diagnostics: Vec<Diagnostic>,
    /// Empty unless [`CompileOptions::reasons`] asks for them.
    pub reasons: Vec<Reason>,
}

pub use compile::compile;
