//! An Experiment of `kubeflow.org/v1beta1`, as types: what is not here cannot be emitted.

use std::collections::BTreeMap;

use kale_model::sweep::{Algorithm, Direction, Settings, Sweep};
use kale_model::{Namespace, name::slug};
use serde::Serialize;
use serde_json::Value;

use super::choices::Choice;
use super::files::Files;
use super::{Trials, engines, job};
use crate::graph::TaskGraph;

/// Katib makes the names of trials, Jobs and pods from an Experiment's.
pub const LONGEST_NAME: usize = 40;
/// So many trials run beside each other where nobody says how many.
const USUAL_PARALLEL: u64 = 3;
/// Python's names have no dash, so that no parameter is called so.
pub const TRIAL_NAME: &str = "kale-trial";

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Experiment {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub spec: Spec,
}

#[derive(Clone, Debug, Serialize)]
pub struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    pub labels: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    pub objective: Objective,
    pub algorithm: AlgorithmSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<AlgorithmSpec>,
    pub parallel_trial_count: u64,
    pub max_trial_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed_trial_count: Option<u64>,
    pub resume_policy: &'static str,
    pub parameters: Vec<ParameterSpec>,
    pub metrics_collector_spec: MetricsCollectorSpec,
    pub trial_template: TrialTemplate,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Objective {
    #[serde(rename = "type")]
    pub direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    pub objective_metric_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_metric_names: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlgorithmSpec {
    pub algorithm_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub algorithm_settings: Vec<NamedValue>,
}

#[derive(Clone, Debug, Serialize)]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterSpec {
    pub name: String,
    pub parameter_type: ParameterKind,
    pub feasible_space: FeasibleSpace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    Int,
    Double,
    Discrete,
    Categorical,
}

/// All texts, also where they are numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FeasibleSpace {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct MetricsCollectorSpec {
    pub collector: Collector,
}

#[derive(Clone, Debug, Serialize)]
pub struct Collector {
    pub kind: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialTemplate {
    /// Else Katib deletes the Job of a trial that is over, and what it said.
    pub retain: bool,
    pub primary_container_name: String,
    pub trial_parameters: Vec<TrialParameter>,
    pub trial_spec: Value,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrialParameter {
    pub name: String,
    pub reference: String,
}

/// What Katib replaces in the template.
pub fn placeholder(parameter: &str) -> String {
    format!("${{trialParameters.{parameter}}}")
}

pub fn of(graph: &TaskGraph, trials: &Trials, choices: &[Choice], name: &str, files: &Files) -> Experiment {
    let labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by", "kale-rs".to_owned()),
        ("kale-rs/pipeline", label(graph.pipeline.name.as_str())),
    ]);
    Experiment {
        api_version: "kubeflow.org/v1beta1",
        kind: "Experiment",
        metadata: Metadata { name: name.to_owned(), namespace: trials.namespace.clone(), labels },
        spec: spec(graph, trials, choices, files),
    }
}

/// As much of a pipeline's name as a label has room for.
fn label(pipeline: &str) -> String {
    pipeline[..pipeline.len().min(63)].trim_end_matches('-').to_owned()
}

fn spec(graph: &TaskGraph, trials: &Trials, choices: &[Choice], files: &Files) -> Spec {
    let Sweep { algorithm, early_stopping, max_failed, .. } = &trials.sweep;
    let most = max_trials(&trials.sweep);
    let needed = engines::least_parallel(&trials.sweep).unwrap_or(USUAL_PARALLEL.min(most));
    Spec {
        objective: objective(graph, &trials.sweep),
        algorithm: AlgorithmSpec {
            algorithm_name: algorithm.as_str().to_owned(),
            algorithm_settings: settings(trials),
        },
        early_stopping: early_stopping.as_ref().map(|(stopping, settings)| AlgorithmSpec {
            algorithm_name: stopping.as_str().to_owned(),
            algorithm_settings: named(settings),
        }),
        parallel_trial_count: trials.parallel.map_or(needed, |count| count as u64),
        max_trial_count: most,
        max_failed_trial_count: *max_failed,
        resume_policy: "Never",
        parameters: choices.iter().map(parameter).collect(),
        metrics_collector_spec: MetricsCollectorSpec { collector: Collector { kind: "StdOut" } },
        trial_template: TrialTemplate {
            retain: true,
            primary_container_name: job::CONTAINER.to_owned(),
            trial_parameters: trial_parameters(choices),
            trial_spec: job::template(graph, trials, choices, &files.name),
        },
    }
}

/// Katib refuses a grid with more trials than points.
fn max_trials(sweep: &Sweep) -> u64 {
    let points = sweep.space.cardinality().filter(|_| sweep.algorithm == Algorithm::Grid);
    points.map_or(sweep.trials, |points| points.min(sweep.trials))
}

/// Katib has one objective; the notebook's other metrics are shown beside it.
fn objective(graph: &TaskGraph, sweep: &Sweep) -> Objective {
    let first = &sweep.objectives[0];
    let others = graph.pipeline.metrics.iter().map(|metric| &metric.name).filter(|name| **name != first.metric);
    Objective {
        direction: first.direction,
        goal: first.goal,
        objective_metric_name: first.metric.clone(),
        additional_metric_names: others.filter(|name| is_collected(name)).cloned().collect(),
    }
}

/// Whether the collector's expression finds a metric of this name.
pub fn is_collected(metric: &str) -> bool {
    !metric.is_empty() && metric.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '|'))
}

fn settings(trials: &Trials) -> Vec<NamedValue> {
    let mut settings = trials.sweep.settings.clone();
    if let Some(seed) = trials.seed.filter(|_| engines::takes_seed(trials.sweep.algorithm)) {
        settings.entry(engines::SEED.to_owned()).or_insert_with(|| seed.to_string());
    }
    named(&settings)
}

fn named(settings: &Settings) -> Vec<NamedValue> {
    settings.iter().map(|(name, value)| NamedValue { name: name.clone(), value: value.clone() }).collect()
}

fn parameter(choice: &Choice) -> ParameterSpec {
    ParameterSpec { name: choice.name.clone(), parameter_type: choice.kind, feasible_space: choice.space.clone() }
}

fn trial_parameters(choices: &[Choice]) -> Vec<TrialParameter> {
    let name = TrialParameter { name: TRIAL_NAME.to_owned(), reference: "${trialSpec.Name}".to_owned() };
    let varied =
        choices.iter().map(|choice| TrialParameter { name: choice.name.clone(), reference: choice.name.clone() });
    varied.chain([name]).collect()
}

/// A name that Katib takes, from a pipeline's: a letter first, and not too long. Two pipelines have two names.
pub fn name(pipeline: &str) -> String {
    const DIGEST: usize = 6;
    let plain = slug(pipeline, '-');
    let name = if plain.starts_with(|c: char| c.is_ascii_lowercase()) { plain } else { format!("sweep-{plain}") };
    if name.len() <= LONGEST_NAME {
        return name.trim_end_matches('-').to_owned();
    }
    let head = name[..LONGEST_NAME - DIGEST - 1].trim_end_matches('-');
    format!("{head}-{}", &blake3::hash(pipeline.as_bytes()).to_hex()[..DIGEST])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_katib_takes() {
        let (one, other) = (name(&format!("{}1", "a".repeat(127))), name(&format!("{}2", "a".repeat(127))));
        assert!(one != other && one.len() == LONGEST_NAME && other.len() == LONGEST_NAME);
        assert_eq!(name("churn"), "churn");
        assert_eq!(name("2024-churn-"), "sweep-2024-churn");
    }

    #[test]
    fn the_collector_reads_names_without_spaces() {
        assert!(["val_loss", "top-1", "F1"].iter().all(|name| is_collected(name)));
        assert!(["", "val loss", "größe", "a=b"].iter().all(|name| !is_collected(name)));
    }
}
