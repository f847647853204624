//! What a compiled pipeline looks like elsewhere: pure functions from a [`Pipeline`] to files.
//!
//! Same input, same bytes: no clock, no environment, no network, no file is read or written here. The caller decides
//! where the text goes. This layer knows KFP's formats; it knows nothing of notebooks, of Python's grammar, or of runs.
//!
//! Both targets are views of one [`graph::TaskGraph`], which settles what KFP wants settled (names, types, images,
//! quantities), so that the IR and the readable script describe the same graph.

mod graph;
pub mod image;
mod katib;
mod kfp;
pub mod kserve;
mod names;
mod packed;
mod resources;
mod rules;
mod script;
mod text;
mod types;
mod yaml;

use std::fmt;
use std::str::FromStr;

use kale_model::{Diagnostic, Namespace, Pipeline};

use graph::TaskGraph;

pub use katib::Trials;
pub use names::METRICS_OUTPUT;
pub use packed::{Files, Found, Wanted, wanted};
pub use types::arguments;

/// Something we emit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// KFP v2 intermediate representation, as YAML: what `kfp` uploads and clusters run.
    Kfp,
    /// A Python file in KFP's DSL, for people who go on by hand.
    KfpScript,
    /// A sweep for Katib, each of whose trials is a run of the pipeline.
    Katib,
}

/// One row of the registry: what user interfaces list and what file it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    pub target: Target,
    pub name: &'static str,
    /// Appended to the pipeline's name when the caller has no file name of its own.
    pub suffix: &'static str,
    pub summary: &'static str,
}

/// Every target, in the order in which help texts list them.
pub const TARGETS: &[TargetInfo] = &[
    TargetInfo {
        target: Target::Kfp,
        name: "kfp",
        suffix: ".yaml",
        summary: "Kubeflow Pipelines v2 IR, ready to upload",
    },
    TargetInfo {
        target: Target::KfpScript,
        name: "kfp-script",
        suffix: ".py",
        summary: "a readable Python file in KFP's DSL, to go on by hand",
    },
    TargetInfo {
        target: Target::Katib,
        name: "katib",
        suffix: "-katib.yaml",
        summary: "an Experiment of Katib, each of whose trials is a run of the pipeline",
    },
];

impl Target {
    pub fn info(self) -> &'static TargetInfo {
        TARGETS.iter().find(|info| info.target == self).expect("every target is registered")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        TARGETS.iter().find(|info| info.name == name).map(|info| info.target).ok_or_else(|| {
            let known: Vec<String> = TARGETS.iter().map(|info| format!("`{}`", info.name)).collect();
            format!("there is no target `{name}`; there are {}", known.join(", "))
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmitOptions {
    /// Emit files that are over a size limit of KFP or Kubernetes all the same; the fault becomes a warning.
    pub allow_oversize: bool,
    /// KFP's IR as resources that Kubernetes applies, and not as the file that is uploaded.
    pub manifests: Option<Manifests>,
    /// What is varied; the target `katib` needs it.
    pub trials: Option<Trials>,
}

/// What Kubernetes resources say beside the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// `None` leaves it to whoever applies them.
    pub namespace: Option<Namespace>,
}

/// Files as (suffix to append to the caller's base name, text), the main one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub files: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// `None` when a diagnostic is an error.
    pub files: Option<Bundle>,
    pub diagnostics: Vec<Diagnostic>,
}

/// What KFP calls the tasks of a pipeline's steps, in their order.
pub fn task_names(pipeline: &Pipeline) -> Vec<String> {
    let (pipeline, found) = (names::portable(pipeline), Found::default());
    TaskGraph::new(&pipeline, &found, &mut vec![]).tasks.into_iter().map(|task| task.name).collect()
}

/// What KFP calls the artifacts of a pipeline, in their order.
pub fn artifact_names(pipeline: &Pipeline) -> Vec<String> {
    names::portable(pipeline).artifacts.into_iter().map(|artifact| artifact.key).collect()
}

/// Writes `pipeline` for `target`, without files from beside the notebook.
pub fn emit(pipeline: &Pipeline, target: Target, options: &EmitOptions) -> Emitted {
    emit_with_files(pipeline, target, options, &Found::default())
}

/// Writes `pipeline` for `target`, with what the caller has found of [`wanted`].
pub fn emit_with_files(pipeline: &Pipeline, target: Target, options: &EmitOptions, found: &Found) -> Emitted {
    let (pipeline, mut diagnostics) = (names::portable(pipeline), vec![]);
    let graph = TaskGraph::new(&pipeline, found, &mut diagnostics);
    rules::check(&graph, &mut diagnostics);
    let text = match target {
        Target::Kfp => kfp::emit(&graph, options, &mut diagnostics),
        Target::KfpScript => script::emit(&graph, options, &mut diagnostics),
        Target::Katib => katib::emit(&graph, options, &mut diagnostics),
    };
    let refused = diagnostics.iter().any(Diagnostic::is_error);
    let files = (!refused).then(|| Bundle { files: vec![(target.info().suffix.to_owned(), text)] });
    Emitted { files, diagnostics }
}
