//! Sizes that a cluster refuses, measured before it does.
//!
//! Linux allows 128 KiB for one command-line argument, and KFP hands a step's whole container as one. A workflow
//! object may have 1 MiB, and its specification is never compressed.

use kale_model::{Code, Diagnostic, Severity};

use super::pipeline::executor_label;
use super::spec::PipelineSpec;
use crate::EmitOptions;
use crate::graph::TaskGraph;

const STEP_WARNING: usize = 60_000;
const STEP_ERROR: usize = 110_000;
const PIPELINE_WARNING: usize = 300_000;
const PIPELINE_ERROR: usize = 900_000;

pub fn check(
    graph: &TaskGraph,
    spec: &PipelineSpec,
    total: usize,
    options: &EmitOptions,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for task in &graph.tasks {
        let executor = &spec.executors[&executor_label(&task.name)];
        let size = serde_json::to_string(&executor.container).expect("a container is plain data").len();
        let what = format!("Step `{}` is {} as a command line", task.step.name, kilobytes(size));
        diagnostics.extend(verdict(&what, size, (STEP_WARNING, STEP_ERROR), STEP_HELP, options));
    }
    let what = format!("The pipeline is {}", kilobytes(total));
    diagnostics.extend(verdict(&what, total, (PIPELINE_WARNING, PIPELINE_ERROR), PIPELINE_HELP, options));
}

const STEP_HELP: &str = "Split the step, or move code into a package that its image or requirements hold.";
const PIPELINE_HELP: &str = "Join small steps (each one carries the step runtime), or use `--granularity heading`.";

fn verdict(
    what: &str,
    size: usize,
    (warning, error): (usize, usize),
    help: &str,
    options: &EmitOptions,
) -> Option<Diagnostic> {
    if size <= warning {
        return None;
    }
    let refused = size > error && !options.allow_oversize;
    let relation = if size > error { "more than" } else { "not far from" };
    let message = format!("{what}, which is {relation} the {} that clusters accept.", kilobytes(error));
    let flag = if refused { " To write the files all the same, use `--allow-oversize`." } else { "" };
    let mut diagnostic = Diagnostic::new(Code::TooLarge, message, format!("{help}{flag}"));
    diagnostic.severity = if refused { Severity::Error } else { Severity::Warning };
    Some(diagnostic)
}

fn kilobytes(bytes: usize) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}
