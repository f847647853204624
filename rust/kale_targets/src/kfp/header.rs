//! The comment on top of the file: what a person wants to know before reading a thousand lines of YAML.

use std::fmt::Write;

use serde_json::Value;

use crate::graph::{Task, TaskGraph};
use crate::text::one_line;

pub fn comment(graph: &TaskGraph) -> String {
    let pipeline = graph.pipeline;
    let mut out = String::from("# PIPELINE DEFINITION\n");
    line(&mut out, &format!("Name: {}", pipeline.name));
    if let Some(description) = &pipeline.description {
        line(&mut out, &format!("Description: {}", one_line(description)));
    }
    if !graph.parameters.is_empty() {
        line(&mut out, "Inputs:");
    }
    for (parameter, declared) in graph.parameters.iter().zip(&pipeline.parameters) {
        let default = python_default(&declared.default);
        line(&mut out, &format!("   {}: {} [Default: {default}]", parameter.name, parameter.wire.annotation()));
    }
    line(&mut out, "Steps:");
    for task in &graph.tasks {
        line(&mut out, &format!("   {}", describe(graph, task)));
        if !task.step.requirements.is_empty() {
            let pins: Vec<String> = task.step.requirements.iter().map(ToString::to_string).collect();
            line(&mut out, &format!("      requires {}", pins.join(" ")));
        }
    }
    if !pipeline.metrics.is_empty() {
        let metrics: Vec<&str> = pipeline.metrics.iter().map(|metric| metric.name.as_str()).collect();
        line(&mut out, &format!("Metrics: {}", metrics.join(", ")));
    }
    out
}

/// `train (cells 3, 4) after load: df -> model`
fn describe(graph: &TaskGraph, task: &Task) -> String {
    let mut text = task.step.name.to_string();
    let cells: Vec<String> = graph.pipeline.visible_cells(task.step).iter().map(ToString::to_string).collect();
    match cells.len() {
        0 => {}
        1 => write!(text, " (cell {})", cells[0]).expect("a string takes any text"),
        _ => write!(text, " (cells {})", cells.join(", ")).expect("a string takes any text"),
    }
    let upstream: Vec<&str> = task.upstream.iter().map(|&id| graph.task(id).step.name.as_str()).collect();
    if !upstream.is_empty() {
        write!(text, " after {}", upstream.join(", ")).expect("a string takes any text");
    }
    let keys = |artifacts: &[&kale_model::Artifact]| -> String {
        artifacts.iter().map(|artifact| artifact.key.as_str()).collect::<Vec<_>>().join(", ")
    };
    let flow = [keys(&task.inputs), keys(&task.outputs)];
    match (flow[0].is_empty(), flow[1].is_empty()) {
        (true, true) => {}
        (true, false) => write!(text, ": makes {}", flow[1]).expect("a string takes any text"),
        (false, true) => write!(text, ": reads {}", flow[0]).expect("a string takes any text"),
        (false, false) => write!(text, ": {} -> {}", flow[0], flow[1]).expect("a string takes any text"),
    }
    text
}

fn python_default(value: &Value) -> String {
    crate::script::literal(value)
}

fn line(out: &mut String, text: &str) {
    out.push_str("# ");
    out.push_str(&one_line(text));
    out.push('\n');
}
