//! The ConfigMap: what the launcher finds beside itself.
//!
//! Its name ends with a digest of what it holds, and it never changes: an Experiment that goes on is not disturbed by
//! another that is made of a newer notebook.

use std::collections::BTreeSet;

use kale_model::Namespace;
use serde_json::{Map, Value, json};

use super::Trials;
use super::choices::Choice;
use super::experiment::is_collected;
use crate::graph::TaskGraph;

const LAUNCHER: &str = include_str!("../../../../python/kale_runtime/trial.py");
const DIGEST: usize = 12;

/// Names of the files; the launcher knows them.
pub const LAUNCHER_FILE: &str = "trial.py";
const SETTINGS_FILE: &str = "trial.json";
const PIPELINE_FILE: &str = "pipeline.json";

pub struct Files {
    /// Of the ConfigMap.
    pub name: String,
    /// As JSON, as requests hold it.
    pub pipeline: String,
    settings: String,
}

impl Files {
    pub fn new(
        graph: &TaskGraph,
        trials: &Trials,
        choices: &[Choice],
        experiment: &str,
        pipeline: &Value,
        report: Option<&str>,
    ) -> Files {
        let (pipeline, settings) = (pretty(pipeline), pretty(&settings(graph, trials, choices, experiment, report)));
        let mut digest = blake3::Hasher::new();
        for file in [LAUNCHER, &pipeline, &settings] {
            digest.update(&(file.len() as u64).to_le_bytes()).update(file.as_bytes());
        }
        let name = format!("{experiment}-{}", &digest.finalize().to_hex()[..DIGEST]);
        Files { name, pipeline, settings }
    }

    fn all(&self) -> [(&'static str, &str); 3] {
        [(PIPELINE_FILE, &self.pipeline), (SETTINGS_FILE, &self.settings), (LAUNCHER_FILE, LAUNCHER)]
    }

    /// What Kubernetes counts of a ConfigMap.
    pub fn size(&self) -> usize {
        self.all().iter().map(|(name, text)| name.len() + text.len()).sum()
    }

    pub fn config_map(&self, namespace: Option<&Namespace>) -> Value {
        let data: Map<String, Value> =
            self.all().into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
        let mut metadata = json!({ "name": self.name, "labels": { "app.kubernetes.io/managed-by": "kale-rs" } });
        if let Some(namespace) = namespace {
            metadata["namespace"] = json!(namespace);
        }
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": true, "data": data })
    }
}

fn settings(graph: &TaskGraph, trials: &Trials, choices: &[Choice], experiment: &str, report: Option<&str>) -> Value {
    let parameters: Map<String, Value> = choices
        .iter()
        .map(|choice| (choice.name.clone(), json!({ "variable": choice.variable, "type": choice.wire })))
        .collect();
    // Some servers show the name that a step has here, some that of its task.
    let steps: BTreeSet<&str> =
        graph.tasks.iter().flat_map(|task| [task.name.as_str(), task.step.name.as_str()]).collect();
    // Of `the loss=1` the collector would read `loss=1`: such a metric is not printed.
    let metrics = graph.pipeline.metrics.iter().map(|metric| metric.name.as_str()).filter(|name| is_collected(name));
    let metrics: Vec<&str> = metrics.collect();
    json!({
        "arguments": trials.arguments,
        "experiment": graph.pipeline.experiment.as_deref().unwrap_or(experiment),
        "metrics": metrics,
        "objective": trials.sweep.objectives[0].metric,
        "parameters": parameters,
        "report": report,
        "steps": steps,
    })
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("documents are plain data");
    text.push('\n');
    text
}
