//! `graph --format json`: the steps and what flows between them, as every user interface shows them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Related};
use crate::pipeline::Pipeline;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphView {
    pub pipeline: Option<String>,
    pub steps: Vec<GraphStep>,
    pub edges: Vec<GraphEdge>,
    pub parameters: Vec<GraphParameter>,
    pub metrics: Vec<GraphMetric>,
    pub diagnostics: Vec<Diagnostic>,
    /// Why one step comes after another; only in answers to that question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Vec<Reason>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphStep {
    pub name: String,
    pub cells: Vec<usize>,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub parameters: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphEdge {
    pub from: String,
    pub to: String,
    pub variables: Vec<String>,
    pub resources: Vec<String>,
    pub declared: bool,
}

/// One reason for an edge: the line of `from` that produces something, and the line of `to` that consumes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub from: String,
    pub to: String,
    pub kind: ReasonKind,
    /// As in the edge's `variables` or `resources`.
    pub name: String,
    pub produced: Related,
    pub consumed: Related,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    Variable,
    Resource,
    /// A `prev:` tag.
    Declared,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphParameter {
    pub name: String,
    #[serde(rename = "type")]
    pub parameter_type: String,
    pub default: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphMetric {
    pub name: String,
    pub step: String,
}

impl GraphView {
    pub fn new(pipeline: Option<&Pipeline>, diagnostics: Vec<Diagnostic>) -> GraphView {
        let Some(pipeline) = pipeline else {
            return GraphView {
                pipeline: None,
                steps: vec![],
                edges: vec![],
                parameters: vec![],
                metrics: vec![],
                diagnostics,
                why: None,
            };
        };
        let step_name = |id: crate::StepId| pipeline.step(id).name.to_string();
        GraphView {
            pipeline: Some(pipeline.name.to_string()),
            steps: pipeline.steps.iter().map(|step| GraphStep::new(pipeline, step)).collect(),
            edges: pipeline
                .edges
                .iter()
                .map(|edge| GraphEdge {
                    from: step_name(edge.from),
                    to: step_name(edge.to),
                    variables: edge.variables.clone(),
                    resources: edge.resources.clone(),
                    declared: edge.declared,
                })
                .collect(),
            parameters: pipeline
                .parameters
                .iter()
                .map(|p| GraphParameter {
                    name: p.name.to_string(),
                    parameter_type: p.parameter_type.as_str().to_owned(),
                    default: p.default.clone(),
                })
                .collect(),
            metrics: pipeline
                .metrics
                .iter()
                .map(|m| GraphMetric { name: m.name.clone(), step: step_name(m.step) })
                .collect(),
            diagnostics,
            why: None,
        }
    }
}

impl GraphStep {
    fn new(pipeline: &Pipeline, step: &crate::Step) -> GraphStep {
        let mut inputs: Vec<String> = step
            .program
            .iter()
            .filter_map(|instruction| match instruction {
                crate::Instruction::Load { names, .. } => Some(names.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        let mut outputs: Vec<String> =
            step.outputs.iter().flat_map(|&id| pipeline.artifact(id).names.clone()).collect();
        for names in [&mut inputs, &mut outputs] {
            names.sort();
            names.dedup();
        }
        GraphStep {
            name: step.name.to_string(),
            cells: pipeline.visible_cells(step),
            inputs,
            outputs,
            parameters: step.parameters.iter().map(ToString::to_string).collect(),
        }
    }
}
