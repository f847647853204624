//! The frontend's line of values: text, notebook, blocks, facts, groups, pipeline.

use kale_model::graph::Reason;
use kale_model::{Code, Diagnostic, Pipeline, PythonVersion};

use crate::analysis::analyse;
use crate::blocks::{self, BlockCell, Blocks, Role};
use crate::notebook::Notebook;
use crate::python::parse::{FaultKind, Parsed, parse_cells};
use crate::stack::with_large_stack;
use crate::{Compilation, CompileOptions, grouping, lower, report, text, why};

/// Compiles a notebook. Never executes code, never panics over a notebook.
pub fn compile(text: &str, options: &CompileOptions) -> Compilation {
    with_large_stack(|| compile_here(text, options))
}

fn compile_here(text: &str, options: &CompileOptions) -> Compilation {
    let mut notebook = match Notebook::read(text) {
        Ok(notebook) => notebook,
        Err(diagnostic) => {
            return Compilation { pipeline: None, diagnostics: vec![diagnostic.in_sentences()], reasons: vec![] };
        }
    };
    let version = options.environment.python;
    let mut diagnostics = notebook.include(&options.notebooks);
    let (blocks, found) = blocks::blocks(&notebook, version);
    diagnostics.extend(found);
    let mut reasons = vec![];
    let pipeline = pipeline(&blocks, options, version, &mut diagnostics, &mut reasons);
    report::finish(&notebook, &mut diagnostics);
    for reason in &mut reasons {
        reason.produced.show_in(&notebook.sub_cells);
        reason.consumed.show_in(&notebook.sub_cells);
    }
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    Compilation { pipeline: pipeline.filter(|_| !broken), diagnostics, reasons }
}

fn pipeline(
    blocks: &Blocks,
    options: &CompileOptions,
    version: PythonVersion,
    diagnostics: &mut Vec<Diagnostic>,
    reasons: &mut Vec<Reason>,
) -> Option<Pipeline> {
    if blocks.tagged && options.granularity.is_some() {
        diagnostics.push(report::granularity_with_tags());
    }
    let parsed = parse_cells(blocks.cells.iter().map(|cell| cell.code.python.as_str()), version);
    for (cell, parsed) in blocks.cells.iter().zip(&parsed).filter(|(cell, _)| cell.role != Role::Skip) {
        syntax_faults(cell, &parsed.syntax, diagnostics);
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return None;
    }
    let analysis = analyse(blocks, &parsed, options, diagnostics);
    let groups = grouping::group(&analysis, options, diagnostics)?;
    report::facts(&analysis, &groups, diagnostics);
    if options.reasons {
        *reasons = why::reasons(&analysis, &groups);
    }
    Some(lower::lower(&analysis, &groups, options, diagnostics))
}

fn syntax_faults(cell: &BlockCell, parsed: &Parsed, diagnostics: &mut Vec<Diagnostic>) {
    // Later faults of a cell are mostly echoes of the first.
    let Some(fault) = parsed.errors.iter().min_by_key(|fault| (fault.start, fault.end)) else { return };
    let span = text::span(cell.index, &cell.code, fault.start, fault.end);
    let (code, help) = match fault.kind {
        FaultKind::Invalid => (Code::SyntaxError, "Correct the cell; it would not run in Jupyter either."),
        FaultKind::NewerPython => {
            (Code::UnsupportedSyntax, "Write it for the notebook's Python, or choose a newer kernel.")
        }
        FaultKind::TooDeep => (Code::NestingTooDeep, "Build the value in several statements, or read it from a file."),
    };
    diagnostics.push(Diagnostic::new(code, fault.message.clone(), help).at(span));
}
