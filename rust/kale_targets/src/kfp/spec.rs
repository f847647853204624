//! KFP v2's pipeline document as types: what is not here cannot be emitted.
//!
//! Field names are those of `pipeline_spec.proto` in its JSON form. Servers refuse fields that they do not know, so
//! only old and settled ones are used.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Servers accept this one only.
pub const SCHEMA_VERSION: &str = "2.1.0";

/// Written by [`super::document`].
pub struct PipelineSpec {
    pub pipeline_info: PipelineInfo,
    pub components: BTreeMap<String, ComponentSpec>,
    pub executors: BTreeMap<String, ExecutorSpec>,
    pub root: RootSpec,
    pub schema_version: &'static str,
    pub sdk_version: String,
}

#[derive(Serialize)]
pub struct PipelineInfo {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Serialize)]
pub struct ExecutorSpec {
    pub container: Container,
}

#[derive(Default, Serialize)]
pub struct Container {
    pub image: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvironmentVariable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceSpec>,
}

#[derive(Serialize)]
pub struct EnvironmentVariable {
    pub name: String,
    pub value: String,
}

/// Each limit twice: as text, and as the number that backends before KFP 2.5 read.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_cpu_limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_memory_limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accelerator {
    pub count: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub resource_count: String,
    pub resource_type: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    pub executor_label: String,
    #[serde(skip_serializing_if = "Definitions::is_empty")]
    pub input_definitions: Definitions,
    #[serde(skip_serializing_if = "Definitions::is_empty")]
    pub output_definitions: Definitions,
}

/// The pipeline as a component: what it is given, its tasks, and what it makes.
pub struct RootSpec {
    pub dag: Dag,
    pub input_definitions: Definitions,
    pub output_definitions: Definitions,
}

#[derive(Default, Serialize)]
pub struct Definitions {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, ArtifactDefinition>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterDefinition>,
}

impl Definitions {
    pub fn is_empty(&self) -> bool {
        self.artifacts.is_empty() && self.parameters.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactDefinition {
    pub artifact_type: SchemaType,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaType {
    pub schema_title: &'static str,
    pub schema_version: &'static str,
}

impl ArtifactDefinition {
    pub fn of(schema_title: &'static str) -> ArtifactDefinition {
        ArtifactDefinition { artifact_type: SchemaType { schema_title, schema_version: "0.0.1" } }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterDefinition {
    pub parameter_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_value: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_optional: bool,
}

impl ParameterDefinition {
    pub fn required(parameter_type: &'static str) -> ParameterDefinition {
        ParameterDefinition { parameter_type, default_value: None, is_optional: false }
    }

    pub fn optional(parameter_type: &'static str, default_value: Option<Value>) -> ParameterDefinition {
        ParameterDefinition { parameter_type, default_value, is_optional: true }
    }
}

pub struct Dag {
    pub outputs: DagOutputs,
    pub tasks: BTreeMap<String, TaskSpec>,
}

#[derive(Default, Serialize)]
pub struct DagOutputs {
    pub artifacts: BTreeMap<String, DagArtifact>,
}

impl DagOutputs {
    pub fn is_empty(&self) -> bool {
        self.artifacts.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DagArtifact {
    pub artifact_selectors: Vec<ArtifactSelector>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactSelector {
    pub producer_subtask: String,
    pub output_artifact_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSpec {
    pub task_info: TaskInfo,
    pub component_ref: ComponentRef,
    pub caching_options: CachingOptions,
    /// Sorted; data edges are listed too, since KFP does not derive them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependent_tasks: Vec<String>,
    #[serde(skip_serializing_if = "TaskInputs::is_empty")]
    pub inputs: TaskInputs,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
}

#[derive(Serialize)]
pub struct TaskInfo {
    /// The display name.
    pub name: String,
}

#[derive(Serialize)]
pub struct ComponentRef {
    pub name: String,
}

/// `{}` is KFP's way to switch caching off.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CachingOptions {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enable_cache: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    pub max_retry_count: u32,
    pub backoff_duration: &'static str,
    pub backoff_factor: f64,
    pub backoff_max_duration: &'static str,
}

impl RetryPolicy {
    /// The SDK's defaults for a plain number of retries.
    pub fn times(max_retry_count: u32) -> RetryPolicy {
        RetryPolicy { max_retry_count, backoff_duration: "0s", backoff_factor: 2.0, backoff_max_duration: "3600s" }
    }
}

#[derive(Default, Serialize)]
pub struct TaskInputs {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, ArtifactInput>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterInput>,
}

impl TaskInputs {
    fn is_empty(&self) -> bool {
        self.artifacts.is_empty() && self.parameters.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactInput {
    pub task_output_artifact: TaskOutputArtifact,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskOutputArtifact {
    pub producer_task: String,
    pub output_artifact_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ParameterInput {
    /// A parameter of the pipeline.
    ComponentInputParameter(String),
    TaskOutputParameter(TaskOutputParameter),
    RuntimeValue {
        constant: Value,
    },
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskOutputParameter {
    pub producer_task: String,
    pub output_parameter_key: String,
}
