//! Volumes that a run makes for itself: a task that creates the claim, and one that deletes it at the end.
//!
//! The images are names that KFP's driver recognises; no container is started for them. The components are those of
//! `kfp.kubernetes.CreatePVC` and `DeletePVC`, which servers expect field by field.

use serde_json::{Value, json};

use super::pipeline::{component_name, executor_label};
use super::spec::{
    CachingOptions, ComponentRef, ComponentSpec, Container, Definitions, ExecutorSpec, ParameterDefinition,
    ParameterInput, PipelineSpec, TaskInfo, TaskInputs, TaskOutputParameter, TaskSpec,
};
use crate::graph::{Claim, TaskGraph};

/// The output of the creating task: the generated name of the claim.
const NAME: &str = "name";

pub fn add(graph: &TaskGraph, spec: &mut PipelineSpec) {
    for claim in &graph.claims {
        insert(spec, &claim.create_task, "argostub/createpvc", create_definitions(), create_task(claim));
        insert(spec, &claim.delete_task, "argostub/deletepvc", delete_definitions(), delete_task(graph, claim));
    }
}

/// A reference to the claim's name, for mounting it.
pub fn name_of(claim: &Claim) -> TaskOutputParameter {
    TaskOutputParameter { producer_task: claim.create_task.clone(), output_parameter_key: NAME.to_owned() }
}

fn insert(spec: &mut PipelineSpec, task: &str, image: &str, definitions: (Definitions, Definitions), body: TaskSpec) {
    let container = Container { image: image.to_owned(), ..Container::default() };
    spec.executors.insert(executor_label(task), ExecutorSpec { container });
    let component = ComponentSpec {
        executor_label: executor_label(task),
        input_definitions: definitions.0,
        output_definitions: definitions.1,
    };
    spec.components.insert(component_name(task), component);
    spec.root.dag.tasks.insert(task.to_owned(), body);
}

fn create_definitions() -> (Definitions, Definitions) {
    let mut inputs = Definitions::default();
    let optional = |parameter_type| ParameterDefinition::optional(parameter_type, None);
    inputs.parameters.extend([
        ("access_modes".to_owned(), ParameterDefinition::required("LIST")),
        ("annotations".to_owned(), optional("STRUCT")),
        ("data_source".to_owned(), optional("STRUCT")),
        ("pvc_name".to_owned(), optional("STRING")),
        ("pvc_name_suffix".to_owned(), optional("STRING")),
        ("size".to_owned(), ParameterDefinition::required("STRING")),
        ("storage_class_name".to_owned(), ParameterDefinition::optional("STRING", Some(json!("")))),
        ("volume_name".to_owned(), optional("STRING")),
    ]);
    let mut outputs = Definitions::default();
    outputs.parameters.insert(NAME.to_owned(), ParameterDefinition::required("STRING"));
    (inputs, outputs)
}

fn delete_definitions() -> (Definitions, Definitions) {
    let mut inputs = Definitions::default();
    inputs.parameters.insert("pvc_name".to_owned(), ParameterDefinition::required("STRING"));
    (inputs, Definitions::default())
}

fn create_task(claim: &Claim) -> TaskSpec {
    let mut inputs = TaskInputs::default();
    let mut constant = |name: &str, constant: Value| {
        inputs.parameters.insert(name.to_owned(), ParameterInput::RuntimeValue { constant });
    };
    constant("access_modes", json!([claim.access_mode]));
    constant("pvc_name_suffix", json!(claim.name_suffix));
    constant("size", json!(claim.size));
    constant("storage_class_name", json!(claim.storage_class));
    // A cached claim would be the deleted one of an earlier run.
    task(&claim.create_task, vec![], inputs)
}

fn delete_task(graph: &TaskGraph, claim: &Claim) -> TaskSpec {
    let mut after: Vec<String> = graph.leaves().map(|task| task.name.clone()).collect();
    after.push(claim.create_task.clone());
    after.sort();
    let mut inputs = TaskInputs::default();
    inputs.parameters.insert("pvc_name".to_owned(), ParameterInput::TaskOutputParameter(name_of(claim)));
    task(&claim.delete_task, after, inputs)
}

fn task(name: &str, dependent_tasks: Vec<String>, inputs: TaskInputs) -> TaskSpec {
    TaskSpec {
        task_info: TaskInfo { name: name.to_owned() },
        component_ref: ComponentRef { name: component_name(name) },
        caching_options: CachingOptions { enable_cache: false },
        dependent_tasks,
        inputs,
        retry_policy: None,
    }
}
