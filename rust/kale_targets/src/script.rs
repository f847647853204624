//! The `kfp-script` target: a Python file in KFP's DSL that a person can read, run and change.
//!
//! Each step is one `@dsl.component` function. The cells stand in it as they are in the notebook, as text that runs in
//! a fresh `__main__`: there, and only there, do functions and classes of a notebook pickle by reference, and do names
//! behave as in the notebook. Compiled with the official SDK, the file gives the graph of the `kfp` target.

mod body;
mod python;
mod view;

use kale_model::{Code, Diagnostic, Instruction};
use tera::{Context, Tera};

use crate::EmitOptions;
use crate::graph::{Task, TaskGraph};
use crate::kfp::limits;
use crate::types::WireParameter;

pub use python::literal;
pub use view::HELPERS;

const TEMPLATE: &str = include_str!("../templates/kfp_script.py.tera");

pub fn emit(graph: &TaskGraph, options: &EmitOptions, diagnostics: &mut Vec<Diagnostic>) -> String {
    diagnostics.extend(graph.parameters.iter().filter_map(sdk_fault));
    diagnostics.extend(graph.tasks.iter().filter_map(binary_files));
    diagnostics.extend(graph.tasks.iter().filter_map(no_report));
    diagnostics.extend(
        graph.tasks.iter().filter_map(|task| limits::check_function(task.step.name.as_str(), size(task), options)),
    );
    let context = Context::from_serialize(view::script(graph)).expect("a view is plain data");
    let text = Tera::one_off(TEMPLATE, &context, false).expect("the template knows its view");
    // Blocks that a pipeline does not need leave nothing but line breaks behind.
    format!("{}\n", text.trim_end())
}

/// The SDK repeats defaults in a comment on top of what it compiles, and a line break ends the comment.
fn sdk_fault(parameter: &WireParameter) -> Option<Diagnostic> {
    let breaks = parameter.default.as_str().is_some_and(|text| text.contains(['\n', '\r']));
    breaks.then(|| {
        let message = format!(
            "The default of `{}` has a line break, of which KFP's SDK makes a file that nobody can read.",
            parameter.name
        );
        let help = "Compile to the target `kfp` instead, or remove the line break from the default.";
        Diagnostic::new(Code::NotInTarget, message, help)
    })
}

/// What of a step's function is the notebook's.
fn size(task: &Task) -> usize {
    let definitions = task.step.program.iter().map(|instruction| match instruction {
        Instruction::Define { source, .. } => source.len(),
        _ => 0,
    });
    let cells = task.step.cells.iter().map(|cell| cell.source.len());
    definitions.chain(cells).chain(task.files().map(|(_, content)| content.len())).sum()
}

/// The script holds what people can read.
fn binary_files(task: &Task) -> Option<Diagnostic> {
    let binary = task.files().filter(|(_, content)| std::str::from_utf8(content).is_err());
    let names: Vec<String> = binary.map(|(path, _)| format!("`{path}`")).collect();
    (!names.is_empty()).then(|| {
        let message = format!(
            "Step `{}` needs {}, which is no text and has no place in a script.",
            task.step.name,
            names.join(", ")
        );
        let help = "Put it on a volume of the pipeline, read it from a URI, or use an image that holds it.";
        Diagnostic::new(Code::NotInTarget, message, help)
    })
}

/// The script's steps are plain functions, whose outputs nobody collects.
fn no_report(task: &Task) -> Option<Diagnostic> {
    task.reports().then(|| {
        let message = format!("Step `{}` writes no report in a script.", task.step.name);
        let help = "Compile to the target `kfp` instead, or remove `report:enabled`.";
        Diagnostic::new(Code::NotInTarget, message, help)
    })
}
