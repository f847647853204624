//! The second document: what a step asks of Kubernetes that KFP's own document has no words for.

use std::collections::BTreeMap;

use kale_model::{StepId, Toleration};
use serde::Serialize;

use super::claims;
use super::pipeline::executor_label;
use super::spec::TaskOutputParameter;
use crate::graph::{Task, TaskGraph};

#[derive(Serialize)]
pub struct PlatformSpec {
    platforms: Platforms,
}

#[derive(Serialize)]
struct Platforms {
    kubernetes: Kubernetes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kubernetes {
    deployment_spec: Deployment,
}

#[derive(Serialize)]
struct Deployment {
    executors: BTreeMap<String, ExecutorConfig>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecutorConfig {
    /// protojson writes 64-bit integers as strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_deadline_seconds: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_selector: Option<NodeSelector>,
    #[serde(skip_serializing_if = "PodMetadata::is_empty")]
    pod_metadata: PodMetadata,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pvc_mount: Vec<PvcMount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secret_as_env: Vec<SecretAsEnv>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tolerations: Vec<Toleration>,
}

#[derive(Serialize)]
struct NodeSelector {
    labels: BTreeMap<String, String>,
}

#[derive(Default, Serialize)]
struct PodMetadata {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl PodMetadata {
    fn is_empty(&self) -> bool {
        self.annotations.is_empty() && self.labels.is_empty()
    }
}

/// The name twice, as in the SDK: backends before KFP 2.5 know only `constant` and `taskOutputParameter`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PvcMount {
    mount_path: String,
    pvc_name_parameter: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    constant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_output_parameter: Option<TaskOutputParameter>,
}

/// `secretName` is the older twin of `secretNameParameter`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretAsEnv {
    key_to_env: Vec<KeyToEnv>,
    optional: bool,
    secret_name: String,
    secret_name_parameter: Name,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyToEnv {
    secret_key: String,
    env_var: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Name {
    RuntimeValue { constant: String },
    TaskOutputParameter(TaskOutputParameter),
}

impl Name {
    fn constant(name: &str) -> Name {
        Name::RuntimeValue { constant: name.to_owned() }
    }
}

/// `None` when no step asks for anything. `carriers` are tasks that carry code, with the step that each is for.
pub fn spec(graph: &TaskGraph, carriers: &[(String, StepId)]) -> Option<PlatformSpec> {
    let steps = graph.tasks.iter().map(|task| (&task.name, executor(graph, task)));
    let carriers = carriers.iter().map(|(name, step)| (name, placement(graph.task(*step))));
    let executors: BTreeMap<String, ExecutorConfig> = steps
        .chain(carriers)
        .filter(|(_, config)| config.asks())
        .map(|(name, config)| (executor_label(name), config))
        .collect();
    (!executors.is_empty()).then_some(PlatformSpec {
        platforms: Platforms { kubernetes: Kubernetes { deployment_spec: Deployment { executors } } },
    })
}

fn executor(graph: &TaskGraph, task: &Task) -> ExecutorConfig {
    ExecutorConfig {
        active_deadline_seconds: task.timeout().map(|seconds| seconds.to_string()),
        pvc_mount: mounts(graph),
        secret_as_env: secrets(graph, task),
        ..placement(task)
    }
}

/// Where a task may run, and as what it is known there.
fn placement(task: &Task) -> ExecutorConfig {
    let config = &task.step.config;
    ExecutorConfig {
        node_selector: (!config.node_selector.is_empty())
            .then(|| NodeSelector { labels: config.node_selector.clone() }),
        pod_metadata: PodMetadata { annotations: config.annotations.clone(), labels: config.labels.clone() },
        tolerations: config.tolerations.clone(),
        ..ExecutorConfig::default()
    }
}

impl ExecutorConfig {
    fn asks(&self) -> bool {
        self.active_deadline_seconds.is_some()
            || !self.pod_metadata.is_empty()
            || !self.pvc_mount.is_empty()
            || !self.secret_as_env.is_empty()
            || self.node_selector.is_some()
            || !self.tolerations.is_empty()
    }
}

fn mounts(graph: &TaskGraph) -> Vec<PvcMount> {
    let existing = graph.mounts.iter().map(|volume| PvcMount {
        mount_path: volume.mount_point.clone(),
        pvc_name_parameter: Name::constant(&volume.name),
        constant: Some(volume.name.clone()),
        task_output_parameter: None,
    });
    let new = graph.claims.iter().map(|claim| PvcMount {
        mount_path: claim.volume.mount_point.clone(),
        pvc_name_parameter: Name::TaskOutputParameter(claims::name_of(claim)),
        constant: None,
        task_output_parameter: Some(claims::name_of(claim)),
    });
    existing.chain(new).collect()
}

fn secrets(graph: &TaskGraph, task: &Task) -> Vec<SecretAsEnv> {
    let secrets = graph.secrets(task);
    secrets
        .iter()
        .map(|secret| SecretAsEnv {
            key_to_env: vec![KeyToEnv { secret_key: secret.key.clone(), env_var: secret.variable.clone() }],
            optional: false,
            secret_name: secret.secret.clone(),
            secret_name_parameter: Name::constant(&secret.secret),
        })
        .collect()
}
