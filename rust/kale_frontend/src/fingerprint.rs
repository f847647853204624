//! The part of a step's identity that is its code: normalised, so that comments and layout do not matter.

use std::fmt::Write;

use kale_model::{Instruction, PythonVersion, Step};

use crate::python::parse::normalise;

/// Text that changes when, and only when, what the step executes changes.
pub fn source(step: &Step, version: PythonVersion) -> String {
    let mut text = String::new();
    for instruction in &step.program {
        match instruction {
            Instruction::Define { source, .. } => {
                let _ = writeln!(text, "define {}", normalise(source, version));
            }
            Instruction::Run { cell, parameters, metrics } => {
                let source = step.cells.iter().find(|c| c.index == *cell).map_or("", |c| c.source.as_str());
                // The body of a cell magic is not Python, and its layout may matter.
                let code = if source.starts_with("%%") { source.to_owned() } else { normalise(source, version) };
                let _ = writeln!(text, "run {parameters:?} {metrics:?} {code}");
            }
            Instruction::Parameter { .. } | Instruction::Load { .. } | Instruction::Save { .. } => {}
        }
    }
    text
}
