//! The pipeline as Kubernetes resources, for people who let a repository say what a cluster has: a `Pipeline` and a
//! `PipelineVersion` of `pipelines.kubeflow.org`, which API servers with the Kubernetes store read.
//!
//! A version may never change there. So its name ends with a digest of what it holds: applying the same file again does
//! nothing, and applying a changed one adds a version.

use kale_model::Namespace;
use serde_json::{Value, json};

use super::document;
use super::platform::PlatformSpec;
use super::spec::PipelineSpec;
use crate::yaml;

const API_VERSION: &str = "pipelines.kubeflow.org/v2beta1";
/// What servers allow for a version's name.
const LONGEST_VERSION: usize = 127;
const DIGEST: usize = 12;

/// Appends the two resources; keys are sorted, as everywhere in it.
pub fn write(out: &mut String, spec: &PipelineSpec, platform: Option<&PlatformSpec>, namespace: Option<&Namespace>) {
    let mut specs = String::new();
    yaml::write_key(&mut specs, 2, "pipelineSpec");
    document::write(&mut specs, 4, spec);
    if let Some(platform) = platform {
        yaml::write_entry(&mut specs, 2, "platformSpec", platform);
    }
    let info = &spec.pipeline_info;
    // KFP lets a name end with a dash, Kubernetes does not.
    let name = info.name.trim_end_matches('-');
    let described = |mut spec: Value| {
        if let Some(description) = &info.description {
            spec["description"] = json!(description);
        }
        spec
    };
    let pipeline = described(json!({ "displayName": info.name }));
    out.push_str(&yaml::write(&json!({
        "apiVersion": API_VERSION, "kind": "Pipeline", "metadata": metadata(name, namespace), "spec": pipeline,
    })));
    out.push_str("---\n");
    let version = version_name(name, &specs);
    // The specifications come last in sorted order, and are too large to be made as a tree.
    let head = described(json!({ "displayName": version, "pipelineName": name }));
    out.push_str(&yaml::write(&json!({
        "apiVersion": API_VERSION, "kind": "PipelineVersion", "metadata": metadata(&version, namespace), "spec": head,
    })));
    out.push_str(&specs);
}

fn metadata(name: &str, namespace: Option<&Namespace>) -> Value {
    match namespace {
        Some(namespace) => json!({ "name": name, "namespace": namespace }),
        None => json!({ "name": name }),
    }
}

fn version_name(pipeline: &str, content: &str) -> String {
    let digest = blake3::hash(content.as_bytes()).to_hex();
    let head = &pipeline[..pipeline.len().min(LONGEST_VERSION - DIGEST - 1)];
    format!("{head}-{}", &digest[..DIGEST])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_versions_have_room_for_their_digest() {
        let longest = "a".repeat(128);
        for pipeline in ["digits", &longest] {
            let name = version_name(pipeline, "content");
            assert!(name.len() <= LONGEST_VERSION, "{name}");
            assert_ne!(name, version_name(pipeline, "other"));
        }
    }
}
