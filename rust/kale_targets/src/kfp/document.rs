//! The pipeline document as text.
//!
//! Every step carries the step runtime, so a document of many steps is large: the entries of its large maps are written
//! one after the other, and no more than one of them is ever in memory as a tree.

use super::spec::{PipelineSpec, RootSpec};
use crate::yaml;

/// Appends the document; keys are sorted, as everywhere in it.
pub fn write(out: &mut String, spec: &PipelineSpec) {
    out.reserve(size(spec));
    yaml::write_entries(out, 0, "components", &spec.components);
    yaml::write_key(out, 0, "deploymentSpec");
    yaml::write_entries(out, 2, "executors", &spec.executors);
    yaml::write_entry(out, 0, "pipelineInfo", &spec.pipeline_info);
    yaml::write_key(out, 0, "root");
    write_root(out, &spec.root);
    yaml::write_entry(out, 0, "schemaVersion", spec.schema_version);
    yaml::write_entry(out, 0, "sdkVersion", &spec.sdk_version);
}

fn write_root(out: &mut String, root: &RootSpec) {
    yaml::write_key(out, 2, "dag");
    if !root.dag.outputs.is_empty() {
        yaml::write_entry(out, 4, "outputs", &root.dag.outputs);
    }
    yaml::write_entries(out, 4, "tasks", &root.dag.tasks);
    if !root.input_definitions.is_empty() {
        yaml::write_entry(out, 2, "inputDefinitions", &root.input_definitions);
    }
    if !root.output_definitions.is_empty() {
        yaml::write_entry(out, 2, "outputDefinitions", &root.output_definitions);
    }
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
