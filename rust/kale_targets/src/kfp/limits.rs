//! Sizes that a cluster refuses, measured before it does.
//!
//! Linux allows 128 KiB for one command-line argument. KFP hands a step's whole container over as one, for which
//! [`super::carriers`] sees to it that it is short enough, and the values of its parameters as another. A workflow object
//! may have 1 MiB, and its specification is never compressed.

use kale_model::{Code, Diagnostic, Severity};

use crate::EmitOptions;
use crate::graph::TaskGraph;

const ARGUMENT_WARNING: usize = 60_000;
const ARGUMENT_ERROR: usize = 110_000;
const PIPELINE_WARNING: usize = 300_000;
const PIPELINE_ERROR: usize = 900_000;

pub fn check(graph: &TaskGraph, total: usize, options: &EmitOptions, diagnostics: &mut Vec<Diagnostic>) {
    for task in &graph.tasks {
        let size = graph.parameters_of(task).map(|parameter| parameter.default.to_string().len()).sum();
        let what = format!("What step `{}` reads of the parameters is {}", task.step.name, kilobytes(size));
        diagnostics.extend(verdict(&what, size, (ARGUMENT_WARNING, ARGUMENT_ERROR), PARAMETERS_HELP, options));
    }
    let what = format!("The pipeline is {}", kilobytes(total));
    diagnostics.extend(verdict(&what, total, (PIPELINE_WARNING, PIPELINE_ERROR), PIPELINE_HELP, options));
}

const PARAMETERS_HELP: &str = "Give the path or URI of a file that holds it.";
const FUNCTION_HELP: &str = "Compile to the target `kfp` instead, which sends long code ahead of a step.";
const PIPELINE_HELP: &str = "Put large values into files on a volume or behind a URI, join small steps (each one \
                             carries the step runtime), or use `--granularity heading`.";

/// A step of a script: the SDK makes one argument of its function.
pub fn check_function(step: &str, size: usize, options: &EmitOptions) -> Option<Diagnostic> {
    let what = format!("Step `{step}` is {} as a function", kilobytes(size));
    verdict(&what, size, (ARGUMENT_WARNING, ARGUMENT_ERROR), FUNCTION_HELP, options)
}

/// A ConfigMap may hold 1 MiB: there is no server that takes more.
pub fn config_map(size: usize) -> Option<Diagnostic> {
    const MOST: usize = 1 << 20;
    (size > MOST).then(|| {
        let (size, most) = (kilobytes(size), kilobytes(MOST));
        let message = format!("The ConfigMap is {size}, which is more than the {most} that Kubernetes accepts.");
        Diagnostic::new(Code::TooLarge, message, PIPELINE_HELP)
    })
}

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

/// The same for values that a run is given: why they cannot be.
pub fn refuse_values(size: usize) -> Option<String> {
    (size > ARGUMENT_ERROR).then(|| {
        let (size, most) = (kilobytes(size), kilobytes(ARGUMENT_ERROR));
        format!("the parameters are {size}, which is more than the {most} that clusters accept")
    })
}

fn kilobytes(bytes: usize) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}
