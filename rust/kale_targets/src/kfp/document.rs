//! The pipeline document as text.
//!
//! Every step carries the step runtime, so a document of many steps is large: the entries of its large maps are written
//! one after the other, and no more than one of them is ever in memory as a tree.

use serde_json::{Value, json};

use super::spec::{Dag, PipelineSpec, RootSpec};
use crate::yaml;

/// Appends the document, `indent` deep; keys are sorted, as everywhere in it.
pub fn write(out: &mut String, indent: usize, spec: &PipelineSpec) {
    out.reserve(size(spec));
    yaml::write_entries(out, indent, "components", &spec.components);
    yaml::write_key(out, indent, "deploymentSpec");
    yaml::write_entries(out, indent + 2, "executors", &spec.executors);
    yaml::write_entry(out, indent, "pipelineInfo", &spec.pipeline_info);
    yaml::write_key(out, indent, "root");
    write_root(out, indent + 2, &spec.root);
    yaml::write_entry(out, indent, "schemaVersion", spec.schema_version);
    yaml::write_entry(out, indent, "sdkVersion", &spec.sdk_version);
}

fn write_root(out: &mut String, indent: usize, root: &RootSpec) {
    yaml::write_key(out, indent, "dag");
    if !root.dag.outputs.is_empty() {
        yaml::write_entry(out, indent + 2, "outputs", &root.dag.outputs);
    }
    yaml::write_entries(out, indent + 2, "tasks", &root.dag.tasks);
    if !root.input_definitions.is_empty() {
        yaml::write_entry(out, indent, "inputDefinitions", &root.input_definitions);
    }
    if !root.output_definitions.is_empty() {
        yaml::write_entry(out, indent, "outputDefinitions", &root.output_definitions);
    }
}

/// The document as a tree, for what is no text.
pub fn tree(spec: &PipelineSpec) -> Value {
    let RootSpec { dag: Dag { outputs, tasks }, input_definitions, output_definitions } = &spec.root;
    let mut root = json!({ "dag": { "tasks": tasks } });
    if !outputs.is_empty() {
        root["dag"]["outputs"] = json!(outputs);
    }
    for (key, definitions) in [("inputDefinitions", input_definitions), ("outputDefinitions", output_definitions)] {
        if !definitions.is_empty() {
            root[key] = json!(definitions);
        }
    }
    json!({
        "components": spec.components,
        "deploymentSpec": { "executors": spec.executors },
        "pipelineInfo": spec.pipeline_info,
        "root": root,
        "schemaVersion": spec.schema_version,
        "sdkVersion": spec.sdk_version,
    })
}

/// About how long the text will be: a long text that grows piece by piece is copied again and again.
fn size(spec: &PipelineSpec) -> usize {
    /// Of a step, apart from its command line.
    const STEP: usize = 2_000;
    let containers = spec.executors.values().map(|executor| &executor.container);
    containers
        .map(|container| {
            let command: usize = container.command.iter().map(|text| text.len()).sum();
            let arguments: usize = container.args.iter().map(String::len).sum();
            command + arguments + STEP
        })
        .sum()
}
