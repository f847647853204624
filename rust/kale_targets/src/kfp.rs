//! The `kfp` target: KFP v2 intermediate representation, written directly.
//!
//! The text has up to three parts: a comment that people read, the pipeline document, and the Kubernetes document
//! where something is asked of the cluster that KFP's own document cannot say (secrets, volumes, labels, deadlines).
//! Or it has the two documents as Kubernetes resources: see [`manifests`]. A step is a container that needs nothing but
//! `python3`: see [`payload`].

mod carriers;
mod claims;
mod document;
mod header;
pub mod limits;
mod manifests;
mod payload;
mod pipeline;
mod platform;
pub mod report;
mod spec;

use kale_model::Diagnostic;
use serde_json::{Value, json};

use crate::EmitOptions;
use crate::graph::TaskGraph;
use crate::yaml;

pub fn emit(graph: &TaskGraph, options: &EmitOptions, diagnostics: &mut Vec<Diagnostic>) -> String {
    let (spec, carriers) = pipeline::spec(graph);
    let mut text = header::comment(graph);
    let platform = platform::spec(graph, &carriers);
    if let Some(manifests) = &options.manifests {
        manifests::write(&mut text, &spec, platform.as_ref(), manifests.namespace.as_ref());
    } else {
        document::write(&mut text, 0, &spec);
        if let Some(platform) = platform {
            text.push_str("---\n");
            text.push_str(&yaml::write(&serde_json::to_value(&platform).expect("the document is plain data")));
        }
    }
    limits::check(graph, text.len(), options, diagnostics);
    text
}

/// The pipeline as requests that start runs hold it, and the task that writes the metrics into its log.
pub fn inline(graph: &TaskGraph) -> (Value, Option<String>) {
    let (mut spec, mut carriers) = pipeline::spec(graph);
    let report = report::add(graph, &mut spec);
    carriers.extend(report.clone());
    let document = document::tree(&spec);
    let value = match platform::spec(graph, &carriers) {
        Some(platform) => json!({ "pipeline_spec": document, "platform_spec": platform }),
        None => document,
    };
    (value, report.map(|(task, _)| task))
}
