//! From the task graph to the pipeline document.

use std::collections::BTreeMap;

use kale_model::{ArtifactType, StepId};

use super::carriers::{CODE, Carriers, Way};
use super::claims;
use super::payload;
use super::spec::{
    Accelerator, ArtifactDefinition, ArtifactInput, ArtifactSelector, CachingOptions, ComponentRef, ComponentSpec,
    Container, Dag, DagArtifact, DagOutputs, Definitions, EnvironmentVariable, ExecutorSpec, ParameterDefinition,
    ParameterInput, PipelineInfo, PipelineSpec, ResourceSpec, RetryPolicy, RootSpec, SCHEMA_VERSION, TaskInfo,
    TaskInputs, TaskOutputArtifact, TaskSpec,
};
use crate::graph::{Task, TaskGraph};
use crate::names::REPORT_OUTPUT;
use crate::resources::Limits;
use crate::types::schema_title;

pub const METRICS: &str = "system.Metrics";
const HTML: &str = "system.HTML";

/// The document, and tasks that carry code with the step that each is for.
pub fn spec(graph: &TaskGraph) -> (PipelineSpec, Vec<(String, StepId)>) {
    let mut spec = PipelineSpec {
        pipeline_info: PipelineInfo {
            name: graph.pipeline.name.to_string(),
            description: graph.pipeline.description.clone(),
        },
        components: BTreeMap::new(),
        executors: BTreeMap::new(),
        root: root(graph),
        schema_version: SCHEMA_VERSION,
        sdk_version: format!("kale-rs-{}", env!("CARGO_PKG_VERSION")),
    };
    let words: Vec<Vec<String>> = graph.tasks.iter().map(|task| payload::words(graph.pipeline, task)).collect();
    let mut carriers = Carriers::new(graph, &words);
    for (task, words) in graph.tasks.iter().zip(words) {
        let way = carriers.send(task, words);
        spec.components.insert(component_name(&task.name), component(graph, task, &way));
        let container = container(graph, task, &way);
        spec.executors.insert(executor_label(&task.name), ExecutorSpec { container });
        spec.root.dag.tasks.insert(task.name.clone(), task_spec(graph, task, &way));
    }
    let carriers = carriers.add(&mut spec);
    claims::add(graph, &mut spec);
    (spec, carriers)
}

pub fn component_name(task: &str) -> String {
    format!("comp-{task}")
}

pub fn executor_label(task: &str) -> String {
    format!("exec-{task}")
}

fn component(graph: &TaskGraph, task: &Task, way: &Way) -> ComponentSpec {
    let mut inputs = Definitions::default();
    for parameter in graph.parameters_of(task) {
        inputs.parameters.insert(parameter.name.clone(), ParameterDefinition::required(parameter.wire.ir()));
    }
    for artifact in &task.inputs {
        inputs.artifacts.insert(artifact.key.clone(), ArtifactDefinition::of(schema_title(artifact.artifact_type)));
    }
    for (key, _) in &way.inputs {
        inputs.artifacts.insert(key.clone(), ArtifactDefinition::of(schema_title(ArtifactType::Artifact)));
    }
    let mut outputs = Definitions::default();
    for artifact in &task.outputs {
        outputs.artifacts.insert(artifact.key.clone(), ArtifactDefinition::of(schema_title(artifact.artifact_type)));
    }
    if let Some(key) = task.metrics_key() {
        outputs.artifacts.insert(key.to_owned(), ArtifactDefinition::of(METRICS));
    }
    if task.reports() {
        outputs.artifacts.insert(REPORT_OUTPUT.to_owned(), ArtifactDefinition::of(HTML));
    }
    ComponentSpec { executor_label: executor_label(&task.name), input_definitions: inputs, output_definitions: outputs }
}

fn container(graph: &TaskGraph, task: &Task, way: &Way) -> Container {
    let environment = graph.environment.iter();
    Container {
        image: task.image.clone(),
        command: payload::command(task, way.load.as_ref()),
        args: std::iter::once(payload::EXECUTOR_INPUT)
            .chain(way.arguments.iter().map(String::as_str))
            .map(str::to_owned)
            .collect(),
        env: environment
            .map(|(name, value)| EnvironmentVariable { name: name.clone(), value: value.clone() })
            .collect(),
        resources: (!task.limits.is_empty()).then(|| resources(&task.limits)),
    }
}

fn resources(limits: &Limits) -> ResourceSpec {
    ResourceSpec {
        cpu_limit: limits.cpu.as_ref().map(|amount| amount.number),
        memory_limit: limits.memory.as_ref().map(|amount| amount.number),
        resource_cpu_limit: limits.cpu.as_ref().map(|amount| amount.text.clone()),
        resource_memory_limit: limits.memory.as_ref().map(|amount| amount.text.clone()),
        accelerator: limits.accelerator.as_ref().map(|(kind, count)| Accelerator {
            count: count.clone(),
            kind: kind.clone(),
            resource_count: count.clone(),
            resource_type: kind.clone(),
        }),
    }
}

fn root(graph: &TaskGraph) -> RootSpec {
    let mut inputs = Definitions::default();
    for parameter in &graph.parameters {
        let definition = ParameterDefinition::optional(parameter.wire.ir(), Some(parameter.default.clone()));
        inputs.parameters.insert(parameter.name.clone(), definition);
    }
    let mut outputs = Definitions::default();
    let mut dag = Dag { outputs: DagOutputs::default(), tasks: BTreeMap::new() };
    for task in &graph.tasks {
        if let (Some(output), Some(key)) = (&task.metrics_output, task.metrics_key()) {
            let selector =
                ArtifactSelector { producer_subtask: task.name.clone(), output_artifact_key: key.to_owned() };
            dag.outputs.artifacts.insert(output.clone(), DagArtifact { artifact_selectors: vec![selector] });
            outputs.artifacts.insert(output.clone(), ArtifactDefinition::of(METRICS));
        }
    }
    RootSpec { dag, input_definitions: inputs, output_definitions: outputs }
}

fn task_spec(graph: &TaskGraph, task: &Task, way: &Way) -> TaskSpec {
    let mut dependent_tasks: Vec<String> = task.upstream.iter().map(|&id| graph.task(id).name.clone()).collect();
    dependent_tasks.extend(graph.claims.iter().map(|claim| claim.create_task.clone()));
    dependent_tasks.extend(way.inputs.iter().map(|(_, carrier)| carrier.clone()));
    dependent_tasks.sort();
    dependent_tasks.dedup();
    TaskSpec {
        task_info: TaskInfo { name: task.step.name.to_string() },
        component_ref: ComponentRef { name: component_name(&task.name) },
        caching_options: CachingOptions { enable_cache: task.reuse },
        dependent_tasks,
        inputs: task_inputs(graph, task, way),
        retry_policy: (task.step.config.retries > 0).then(|| RetryPolicy::times(task.step.config.retries)),
    }
}

fn task_inputs(graph: &TaskGraph, task: &Task, way: &Way) -> TaskInputs {
    let mut inputs = TaskInputs::default();
    for parameter in graph.parameters_of(task) {
        let source = ParameterInput::ComponentInputParameter(parameter.name.clone());
        inputs.parameters.insert(parameter.name.clone(), source);
    }
    for artifact in &task.inputs {
        let task_output_artifact = TaskOutputArtifact {
            producer_task: graph.task(artifact.producer).name.clone(),
            output_artifact_key: artifact.key.clone(),
        };
        inputs.artifacts.insert(artifact.key.clone(), ArtifactInput { task_output_artifact });
    }
    for (key, carrier) in &way.inputs {
        let task_output_artifact =
            TaskOutputArtifact { producer_task: carrier.clone(), output_artifact_key: CODE.to_owned() };
        inputs.artifacts.insert(key.clone(), ArtifactInput { task_output_artifact });
    }
    inputs
}
