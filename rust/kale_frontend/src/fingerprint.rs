//! The part of a step's identity that is its code: normalised, so that comments and layout do not matter.

use std::fmt::Write;

use kale_model::{Instruction, PythonVersion};

use ruff_text_size::{TextRange, TextSize};

use crate::analysis::Analysis;
use crate::dataflow::program::Action;
use crate::python::facts::{CellId, Replay};
use crate::python::parse::normalise;

/// Text that changes when, and only when, what the step executes changes. `run` gives the instruction that runs a cell.
pub fn source(
    analysis: &Analysis,
    actions: &[Action],
    run: impl Fn(CellId) -> Instruction,
    version: PythonVersion,
) -> String {
    let mut text = String::new();
    for action in actions {
        match action {
            Action::Define(id) => {
                let statement = analysis.facts.statement(*id);
                if statement.replay != Replay::Parameter {
                    let cell = &analysis.cells[statement.cell];
                    let code = cell.parsed.normalised(&cell.block.code.python, statement.range);
                    let _ = writeln!(text, "define {code}");
                }
            }
            Action::Forget(name, _) => {
                let _ = writeln!(text, "forget {}", analysis.facts.text(*name));
            }
            Action::Run(cell) => {
                let Instruction::Run { parameters, metrics, .. } = run(*cell) else { continue };
                let _ = writeln!(text, "run {parameters:?} {metrics:?} {}", cell_code(analysis, *cell, version));
            }
            Action::Load(..) | Action::LoadFile { .. } | Action::Save(..) | Action::SaveFile { .. } => {}
        }
    }
    text
}

fn cell_code(analysis: &Analysis, cell: CellId, version: PythonVersion) -> String {
    let cell = &analysis.cells[cell];
    let (runs, parsed) = (&cell.block.code.run_source, &cell.block.code.python);
    if runs == parsed {
        cell.parsed.normalised(parsed, TextRange::up_to(TextSize::of(parsed.as_str())))
    } else if runs.starts_with("%%") {
        // The body of a cell magic is not Python, and its layout may matter.
        runs.to_owned()
    } else {
        normalise(runs, version)
    }
}
