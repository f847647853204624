//! A last step that writes the metrics of a run into its log, for whoever can read logs and nothing else.
//!
//! The REST API of KFP tells no metrics, and their own service speaks a protocol that needs more than the standard
//! library. A step is given the metadata of the artifacts that it reads, where the metrics are, and every client of the
//! API can read what it prints. It is never taken from a cache: what was not run has no log.

use std::collections::BTreeMap;

use kale_model::StepId;

use super::payload::EXECUTOR_INPUT;
use super::pipeline::{METRICS, component_name, executor_label};
use super::spec::{
    ArtifactDefinition, ArtifactInput, CachingOptions, ComponentRef, ComponentSpec, Container, Definitions,
    ExecutorSpec, PipelineSpec, TaskInfo, TaskInputs, TaskOutputArtifact, TaskSpec,
};
use crate::graph::{Task, TaskGraph};
use crate::names::{METRICS_OUTPUT, Unique};

/// What stands before the metrics on their line of the log; `trial.py` looks for it.
pub const MARK: &str = "kale-metrics";
const TASK: &str = "report";

/// Adds it, if there is a metric; gives its task, and a step: where that may run, it may too.
pub fn add(graph: &TaskGraph, spec: &mut PipelineSpec) -> Option<(String, StepId)> {
    let mut names = Unique::joined_by("-");
    spec.root.dag.tasks.keys().for_each(|name| names.reserve(name));
    let task = names.claim(TASK);
    let inputs = inputs(graph);
    let first = graph.task(*inputs.keys().next()?);
    let words = graph.pipeline.metrics.iter().flat_map(|metric| [inputs[&metric.step].clone(), metric.name.clone()]);
    let container = Container {
        image: first.image.clone(),
        command: vec!["python3".into(), "-c".into(), program().into()],
        args: std::iter::once(EXECUTOR_INPUT.to_owned()).chain(words).collect(),
        ..Container::default()
    };
    spec.executors.insert(executor_label(&task), ExecutorSpec { container });
    let mut definitions = Definitions::default();
    definitions.artifacts.extend(inputs.values().map(|key| (key.clone(), ArtifactDefinition::of(METRICS))));
    let component = ComponentSpec {
        executor_label: executor_label(&task),
        input_definitions: definitions,
        output_definitions: Definitions::default(),
    };
    spec.components.insert(component_name(&task), component);
    let producers = inputs.iter().map(|(step, key)| (graph.task(*step), key));
    let body = TaskSpec {
        task_info: TaskInfo { name: task.clone() },
        component_ref: ComponentRef { name: component_name(&task) },
        caching_options: CachingOptions { enable_cache: false },
        dependent_tasks: sorted(producers.clone().map(|(producer, _)| producer.name.clone())),
        inputs: TaskInputs { artifacts: producers.map(artifact).collect(), ..TaskInputs::default() },
        retry_policy: None,
    };
    spec.root.dag.tasks.insert(task.clone(), body);
    Some((task, first.id))
}

/// Steps with metrics, and what the report calls theirs.
fn inputs(graph: &TaskGraph) -> BTreeMap<StepId, String> {
    let mut keys = Unique::joined_by("_");
    let reporting = graph.tasks.iter().filter(|task| task.metrics_key().is_some());
    reporting.map(|task| (task.id, keys.claim(METRICS_OUTPUT))).collect()
}

fn artifact((producer, key): (&Task, &String)) -> (String, ArtifactInput) {
    let task_output_artifact =
        TaskOutputArtifact { producer_task: producer.name.clone(), output_artifact_key: METRICS_OUTPUT.to_owned() };
    (key.clone(), ArtifactInput { task_output_artifact })
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn program() -> String {
    format!(
        "\
# kale_rs report of metrics. For kfp.local, which starts only what mentions it: kfp.dsl.executor_main
import json, sys
artifacts, told = json.loads(sys.argv[1])['inputs']['artifacts'], dict()
for key, name in zip(sys.argv[2::2], sys.argv[3::2]):
    metadata = artifacts[key]['artifacts'][0].get('metadata') or dict()
    if name in metadata:
        told[name] = metadata[name]
print('{MARK}', json.dumps(told), flush=True)
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_holds_nothing_that_kfp_rewrites() {
        let program = program();
        assert!(!program.contains(['{', '}']) && !program.contains("python3"), "{program}");
    }
}
