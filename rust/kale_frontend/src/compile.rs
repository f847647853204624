//! The frontend's line of values: text, notebook, blocks, facts, groups, pipeline.

use std::collections::BTreeSet;

use kale_model::{Code, Diagnostic, Pipeline, PythonVersion};
use ruff_python_ast::ModModule;

use crate::blocks::{self, BlockCell, Blocks, Role};
use crate::grouping;
use crate::magics::CodeKind;
use crate::notebook::Notebook;
use crate::python::analyzer::{self, Unit};
use crate::python::facts::{Facts, Resource};
use crate::python::knowledge::Knowledge;
use crate::python::parse::{FaultKind, Parsed, parse};
use crate::python::scope;
use crate::{Compilation, CompileOptions, lower, metrics, parameters, report, text};

/// Stack of the thread that analyses: enough for the deepest syntax that the parser's guard lets through.
const STACK_BYTES: usize = 256 << 20;

/// Compiles on a thread with a large stack, since the caller may be the user's kernel.
pub fn compile(text: &str, options: &CompileOptions) -> Compilation {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("kale-compile".to_owned()).stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, || compile_here(text, options));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(compilation)) => compilation,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // No memory for another thread: the caller's stack has to do.
            Err(_) => compile_here(text, options),
        }
    })
}

fn compile_here(text: &str, options: &CompileOptions) -> Compilation {
    let notebook = match Notebook::read(text) {
        Ok(notebook) => notebook,
        Err(diagnostic) => return Compilation { pipeline: None, diagnostics: vec![diagnostic] },
    };
    let version = options.environment.python;
    let (blocks, mut diagnostics) = blocks::blocks(&notebook, version);
    let pipeline = pipeline(&blocks, options, version, &mut diagnostics);
    report::finish(&notebook, &mut diagnostics);
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    Compilation { pipeline: pipeline.filter(|_| !broken), diagnostics }
}

/// A block's cell with its syntax tree.
pub struct Analysed<'a> {
    pub block: &'a BlockCell,
    pub module: &'a ModModule,
}

/// Everything known about the notebook before it is cut into steps.
pub struct Analysis<'a> {
    pub blocks: &'a Blocks,
    /// The cells that are run, skipped ones left out; index = [`crate::python::facts::CellId`].
    pub cells: Vec<Analysed<'a>>,
    pub facts: Facts,
    pub parameters: Vec<kale_model::Parameter>,
    /// By cell, for metrics cells.
    pub metrics: Vec<Vec<metrics::FoundMetric>>,
    /// Names that only skipped cells bind, with the cell.
    pub skipped_names: Vec<(String, kale_model::CellIndex)>,
}

fn pipeline(
    blocks: &Blocks,
    options: &CompileOptions,
    version: PythonVersion,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Pipeline> {
    if blocks.tagged && options.granularity.is_some() {
        diagnostics.push(report::granularity_with_tags());
    }
    let parsed: Vec<Parsed> = blocks.cells.iter().map(|cell| parse(&cell.code.python, version)).collect();
    for (cell, parsed) in blocks.cells.iter().zip(&parsed).filter(|(cell, _)| cell.role != Role::Skip) {
        syntax_faults(cell, parsed, diagnostics);
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return None;
    }
    let analysis = analyse(blocks, &parsed, options, diagnostics);
    let groups = grouping::group(&analysis, options, diagnostics)?;
    report::facts(&analysis, &groups, diagnostics);
    Some(lower::lower(&analysis, &groups, options, diagnostics))
}

fn analyse<'a>(
    blocks: &'a Blocks,
    parsed: &'a [Parsed],
    options: &CompileOptions,
    diagnostics: &mut Vec<Diagnostic>,
) -> Analysis<'a> {
    let all = || blocks.cells.iter().zip(parsed);
    let cells: Vec<Analysed> = all()
        .filter(|(block, _)| block.role != Role::Skip && !block.code.is_empty())
        .map(|(block, parsed)| Analysed { block, module: &parsed.module })
        .collect();
    let parameter_cells: Vec<_> =
        cells.iter().filter(|cell| cell.block.role == Role::Parameters).map(|cell| (cell.block, cell.module)).collect();
    let (parameters, found) = parameters::parameters(&parameter_cells);
    diagnostics.extend(found);
    let (mut metrics, mut taken) = (vec![], BTreeSet::new());
    for cell in &cells {
        let (sites, found) = match cell.block.role {
            Role::Metrics => metrics::metric_sites(cell.block, cell.module, &mut taken),
            _ => (vec![], vec![]),
        };
        metrics.push(sites);
        diagnostics.extend(found);
    }
    let names: Vec<String> = parameters.iter().map(|p| p.name.to_string()).collect();
    let resources: Vec<Vec<Resource>> = cells.iter().map(|cell| magic_resources(&cell.block.code.kind)).collect();
    let units: Vec<Unit> = cells
        .iter()
        .zip(&resources)
        .map(|(cell, resources)| Unit {
            source: &cell.block.code.python,
            module: cell.module,
            parameters: if cell.block.role == Role::Parameters { &names } else { &[] },
            binds: &cell.block.code.binds,
            reads: &cell.block.code.reads,
            scratch: cell.block.code.scratch,
            resources,
        })
        .collect();
    let facts = analyzer::analyze(&units, Knowledge::shipped(&options.environment));
    let skipped_names = all()
        .filter(|(block, _)| block.role == Role::Skip)
        .flat_map(|(block, parsed)| {
            let bound = scope::block_scope(&parsed.module.body).locals;
            bound.into_iter().map(|name| (name, block.index))
        })
        .collect();
    Analysis { blocks, cells, facts, parameters, metrics, skipped_names }
}

/// What a cell magic does to files.
fn magic_resources(kind: &CodeKind) -> Vec<Resource> {
    match kind {
        CodeKind::Python | CodeKind::Display => vec![],
        CodeKind::Opaque { .. } => vec![Resource::Subprocess, Resource::AnyFile],
        CodeKind::WriteFile { path, .. } if path.contains(['{', '$', '~']) => vec![Resource::AnyFile],
        CodeKind::WriteFile { path, .. } => vec![Resource::File(path.clone())],
    }
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
    diagnostics.push(Diagnostic::new(code, sentence(&fault.message), help).at(span));
}

fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}
