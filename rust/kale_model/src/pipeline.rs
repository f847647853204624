//! The compiled pipeline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, ArtifactId};
use crate::cell::{CellIndex, SubCells};
use crate::environment::PythonVersion;
use crate::name::PipelineName;
use crate::parameter::Parameter;
use crate::resources::{PackageIndex, Volume};
use crate::step::{Instruction, Step, StepCell, StepId};
use crate::warm_up::WarmUp;

/// A pipeline that holds together: steps in an order in which each comes after all it depends on, every input with
/// one producer, names unique. Only the frontend builds one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    pub name: PipelineName,
    pub description: Option<String>,
    /// KFP's sense: the group that runs of this pipeline belong to.
    pub experiment: Option<String>,
    /// The kernel's Python: the default image is `python:3.X-slim` of it.
    pub python: PythonVersion,
    /// Image for steps without one of their own.
    pub base_image: Option<String>,
    /// In declaration order.
    pub parameters: Vec<Parameter>,
    /// In topological order, ties in notebook order; index = [`StepId`].
    pub steps: Vec<Step>,
    /// Index = [`ArtifactId`].
    pub artifacts: Vec<Artifact>,
    /// Sorted by (from, to); at most one per pair.
    pub edges: Vec<Edge>,
    /// In notebook order; names unique.
    pub metrics: Vec<Metric>,
    pub volumes: Vec<Volume>,
    /// `None`: the one that a step's environment names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_index: Option<PackageIndex>,
    /// Cells that belong to no step, because they only define what steps repeat; in notebook order.
    #[serde(default)]
    pub prelude: Vec<StepCell>,
    /// All that may be executed again to bind what it binds, in notebook order: what a namespace is restored from,
    /// beside stored values. Empty where no run will ask for it.
    #[serde(default)]
    pub definitions: Vec<Definition>,
    /// Every variable of the notebook, with the first cell that binds it.
    #[serde(default)]
    pub bindings: BTreeMap<String, CellIndex>,
    #[serde(default)]
    pub sub_cells: SubCells,
    /// What steps may find done already when they start.
    #[serde(default)]
    pub warm_up: Vec<WarmUp>,
}

/// A definition, a setting, or a parameter, with the cell it stands in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub cell: CellIndex,
    /// Variables that it binds, sorted.
    pub names: Vec<String>,
    pub instruction: Instruction,
}

/// `to` runs after `from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    pub from: StepId,
    pub to: StepId,
    /// Variables that flow, sorted.
    pub variables: Vec<String>,
    /// Hidden resources that order the two, sorted: `file:data.csv`, `rng:numpy`, `cwd`, ...
    pub resources: Vec<String>,
    /// Whether the user asked for it with `prev:`.
    pub declared: bool,
}

/// A number that a step reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub name: String,
    pub step: StepId,
}

impl Pipeline {
    /// The cells of this notebook in which people see a step's cells, each once.
    pub fn visible_cells(&self, step: &Step) -> Vec<usize> {
        let mut cells: Vec<usize> = step.cells.iter().map(|cell| self.sub_cells.visible(cell.index).0).collect();
        cells.dedup();
        cells
    }

    /// An id that leads nowhere, if there is one: for a pipeline that comes from elsewhere. Those of the frontend have
    /// none, and everything else relies on that.
    pub fn loose_end(&self) -> Option<String> {
        let (steps, artifacts) = (self.steps.len(), self.artifacts.len());
        let of_edges = self.edges.iter().flat_map(|edge| [edge.from, edge.to]);
        let of_artifacts = self.artifacts.iter().map(|artifact| artifact.producer);
        let step = of_edges.chain(of_artifacts).chain(self.metrics.iter().map(|metric| metric.step));
        let programs = self.steps.iter().flat_map(|step| &step.program);
        let moved = programs.chain(self.definitions.iter().map(|definition| &definition.instruction));
        let artifact = moved.filter_map(|instruction| match instruction {
            Instruction::Load { artifact, .. } | Instruction::Save { artifact, .. } => Some(*artifact),
            _ => None,
        });
        let artifact =
            artifact.chain(self.steps.iter().flat_map(|step| step.inputs.iter().chain(&step.outputs).copied()));
        let lost_step = step.into_iter().find(|id| id.0 >= steps).map(|id| format!("there is no step {}", id.0));
        lost_step.or_else(|| {
            artifact.into_iter().find(|id| id.0 >= artifacts).map(|id| format!("there is no artifact {}", id.0))
        })
    }

    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0]
    }

    pub fn artifact(&self, id: ArtifactId) -> &Artifact {
        &self.artifacts[id.0]
    }

    pub fn step_ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..self.steps.len()).map(StepId)
    }

    /// The steps that `step` waits for, ascending.
    pub fn upstream(&self, step: StepId) -> impl Iterator<Item = StepId> + '_ {
        self.edges.iter().filter(move |edge| edge.to == step).map(|edge| edge.from)
    }

    /// Names of the metrics that `step` reports through metrics cells or `kale_rs.metric`.
    pub fn metrics_of(&self, step: StepId) -> impl Iterator<Item = &str> + '_ {
        self.metrics.iter().filter(move |metric| metric.step == step).map(|metric| metric.name.as_str())
    }
}
