//! What API servers demand of a pipeline and the SDK does not check; nobody learns of it before the upload otherwise.

use std::fs;
use std::path::Path;

use kale_model::Pipeline;
use kale_targets::{EmitOptions, Target, emit};
use serde_json::{Map, Value, json};

/// A pipeline whose steps bear these names, each reading what the one before made.
fn chain(names: &[&str]) -> Pipeline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pipelines/hello.json");
    let mut value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let step = value["steps"][0].clone();
    let steps = names.iter().enumerate().map(|(position, name)| {
        let mut step = step.clone();
        step["name"] = json!(name);
        step["outputs"] = json!([position]);
        step["program"][1]["artifact"] = json!(position);
        if position > 0 {
            step["inputs"] = json!([position - 1]);
        }
        step
    });
    value["steps"] = steps.collect();
    let artifact = value["artifacts"][0].clone();
    let artifacts = (0..names.len()).map(|producer| {
        let mut artifact = artifact.clone();
        artifact["producer"] = json!(producer);
        artifact
    });
    value["artifacts"] = artifacts.collect();
    value["edges"] = json!([]);
    value["metrics"] = json!([]);
    serde_json::from_value(value).unwrap()
}

fn document(pipeline: &Pipeline) -> Value {
    let emitted = emit(pipeline, Target::Kfp, &EmitOptions::default());
    let text = &emitted.files.unwrap().files[0].1;
    let first = text.split("\n---\n").next().unwrap();
    serde_yaml_ng::from_str(first).unwrap()
}

fn tasks(document: &Value) -> &Map<String, Value> {
    document["root"]["dag"]["tasks"].as_object().unwrap()
}

#[test]
fn versions_are_those_that_servers_accept() {
    let document = document(&chain(&["load"]));
    assert_eq!(document["schemaVersion"], "2.1.0");
    assert_eq!(document["sdkVersion"], format!("kale-rs-{}", env!("CARGO_PKG_VERSION")));
    assert!(document["root"]["dag"]["tasks"].as_object().is_some_and(|tasks| !tasks.is_empty()));
}

#[test]
fn only_settled_fields_are_used() {
    let document = document(&chain(&["load", "train"]));
    let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let top = ["components", "deploymentSpec", "pipelineInfo", "root", "schemaVersion", "sdkVersion"];
    assert_eq!(keys(&document), top);
    assert_eq!(keys(&document["root"]["dag"]), ["tasks"], "there are no metrics here, so no outputs");
    let task = ["cachingOptions", "componentRef", "dependentTasks", "inputs", "taskInfo"];
    assert_eq!(keys(&document["root"]["dag"]["tasks"]["train"]), task);
}

#[test]
fn any_step_names_give_names_that_kubernetes_takes() {
    let names = ["Train", "train", "train-2", "_", "__", "_1_Load", "A--b", "createpvc", "x_", &"y".repeat(63)];
    let document = document(&chain(&names));
    let tasks = tasks(&document);
    assert_eq!(tasks.len(), names.len());
    for (name, task) in tasks {
        assert!(name.len() <= 63 && !name.starts_with('-') && !name.ends_with('-') && !name.is_empty());
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert_eq!(task["componentRef"]["name"], format!("comp-{name}"));
        assert_eq!(document["components"][format!("comp-{name}")]["executorLabel"], format!("exec-{name}"));
    }
    let display: Vec<&Value> = tasks.values().map(|task| &task["taskInfo"]["name"]).collect();
    assert!(names.iter().all(|name| display.contains(&&json!(name))), "people see their own names");
}

#[test]
fn inputs_and_outputs_have_one_name_each() {
    let document = document(&chain(&["a", "b", "c"]));
    let output =
        |task: &str| document["components"][task]["outputDefinitions"]["artifacts"].as_object().unwrap().clone();
    assert_eq!(output("comp-a").keys().collect::<Vec<_>>(), ["squares"]);
    assert_eq!(output("comp-b").keys().collect::<Vec<_>>(), ["squares_2"], "equal keys are told apart");
    let source = &tasks(&document)["c"]["inputs"]["artifacts"]["squares_2"]["taskOutputArtifact"];
    assert_eq!(*source, json!({"outputArtifactKey": "squares_2", "producerTask": "b"}));
    assert_eq!(tasks(&document)["c"]["dependentTasks"], json!(["b"]), "a data edge is a dependency too");
}

#[test]
fn caching_is_switched_off_by_an_empty_message() {
    let mut pipeline = chain(&["a", "b"]);
    pipeline.steps[1].uncacheable = vec![kale_model::Uncacheable::Clock];
    let document = document(&pipeline);
    assert_eq!(tasks(&document)["a"]["cachingOptions"], json!({"enableCache": true}));
    assert_eq!(tasks(&document)["b"]["cachingOptions"], json!({}));
}
