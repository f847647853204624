//! Everything known about a notebook before it is cut into steps.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use kale_model::{Diagnostic, Environment, ModuleState, Severity, Span};
use ruff_text_size::TextRange;

use crate::blocks::{BlockCell, Blocks, Role};
use crate::magics::CodeKind;
use crate::pragma::Pragma;
use crate::python::analyzer::{self, Unit};
use crate::python::beside::module_of;
use crate::python::facts::{CellId, Facts, Resource};
use crate::python::knowledge::Knowledge;
use crate::python::module_state::module_state;
use crate::python::parse::{Parsed, ParsedCell};
use crate::python::scope::SymbolTable;
use crate::text::Lines;
use crate::{CompileOptions, metrics, parameters, pragma};

/// A block's cell with its syntax tree and symbol table.
pub struct Analysed<'a> {
    pub block: &'a BlockCell,
    pub parsed: &'a Parsed,
    pub table: &'a SymbolTable,
    /// Of the block's Python, once somebody asks for a place in it.
    lines: OnceCell<Lines>,
}

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

/// Analyses the cells that are run; `parsed` holds the syntax trees of all cells.
pub fn analyse<'a>(
    blocks: &'a Blocks,
    parsed: &'a [ParsedCell],
    options: &CompileOptions,
    diagnostics: &mut Vec<Diagnostic>,
) -> Analysis<'a> {
    let all = || blocks.cells.iter().zip(parsed);
    let cells: Vec<Analysed> = all()
        .filter(|(block, _)| block.role != Role::Skip && !block.code.is_empty())
        .map(|(block, cell)| Analysed { block, parsed: &cell.syntax, table: &cell.table, lines: OnceCell::new() })
        .collect();
    let parameter_cells: Vec<_> = cells
        .iter()
        .filter(|cell| cell.block.role == Role::Parameters)
        .map(|cell| (cell.block, &cell.parsed.module))
        .collect();
    let (parameters, found) = parameters::parameters(&parameter_cells);
    diagnostics.extend(found);
    let (mut metrics, mut taken) = (vec![], BTreeSet::new());
    for cell in &cells {
        let (sites, found) = match cell.block.role {
            Role::Metrics => metrics::metric_sites(cell.block, &cell.parsed.module, &mut taken),
            _ => (vec![], vec![]),
        };
        metrics.push(sites);
        diagnostics.extend(found);
    }
    let pragmas: Vec<Vec<(Pragma, TextRange)>> = cells.iter().map(|cell| pragmas(cell, diagnostics)).collect();
    let names: Vec<String> = parameters.iter().map(|p| p.name.to_string()).collect();
    let resources: Vec<Vec<Resource>> = cells.iter().map(|cell| magic_resources(&cell.block.code.kind)).collect();
    let units: Vec<Unit> = cells
        .iter()
        .zip(&resources)
        .zip(&pragmas)
        .map(|((cell, resources), pragmas)| Unit {
            source: &cell.block.code.python,
            module: &cell.parsed.module,
            table: cell.table,
            parameters: if cell.block.role == Role::Parameters { &names } else { &[] },
            binds: &cell.block.code.binds,
            reads: &cell.block.code.reads,
            scratch: cell.block.code.scratch,
            resources,
            pragmas,
        })
        .collect();
    let environment = with_written_modules(&cells, &options.environment);
    let facts = analyzer::analyze(&units, Knowledge::shipped(&options.environment), &environment);
    diagnostics.extend(unheard(&cells, &pragmas, &facts));
    let skipped_names = all()
        .filter(|(block, _)| block.role == Role::Skip)
        .flat_map(|(block, parsed)| {
            let bound = parsed.table.module_bindings();
            bound.into_iter().map(|name| (name.to_string(), block.index))
        })
        .collect();
    Analysis { blocks, cells, facts, parameters, metrics, skipped_names }
}

/// What is known of the modules beside the notebook, with those that its cells write (`%%writefile helpers.py`).
fn with_written_modules<'e>(cells: &[Analysed], environment: &'e Environment) -> Cow<'e, Environment> {
    let mut environment = Cow::Borrowed(environment);
    let mut written = BTreeSet::new();
    for cell in cells {
        let CodeKind::WriteFile { path, append } = &cell.block.code.kind else { continue };
        let (Some(module), Some((_, text))) = (module_of(path), cell.block.code.run_source.split_once('\n')) else {
            continue;
        };
        let known = environment.module_states.clone();
        let is_changed = !written.insert(module.clone()) || *append;
        let earlier = known.get(&module).filter(|_| is_changed);
        if let Some(state) = module_state(text, environment.python, &mut |other| known.get(other).cloned()) {
            let state = match earlier {
                Some(earlier) => several_versions(earlier.clone(), state),
                None => state,
            };
            environment.to_mut().module_states.insert(module, state);
        }
    }
    environment
}

/// A process that has imported a module does not see what is written to its file later: its functions and classes are of
/// the version that was imported, so they are state of that process.
fn several_versions(mut earlier: ModuleState, later: ModuleState) -> ModuleState {
    earlier.variables.extend(later.variables);
    earlier.writers.extend(later.writers);
    for (name, calls) in later.calls {
        earlier.calls.entry(name).or_default().extend(calls);
    }
    earlier.readers = earlier.calls.keys().cloned().collect();
    earlier.leakers.clone_from(&earlier.readers);
    earlier
}

/// What a cell's comments and the options of its `%%pipeline` line say.
fn pragmas(cell: &Analysed, diagnostics: &mut Vec<Diagnostic>) -> Vec<(Pragma, TextRange)> {
    let code = &cell.block.code;
    let mut found: Vec<_> = code.pragmas.iter().map(|(pragma, _)| (pragma.clone(), TextRange::default())).collect();
    for (comment, range) in cell.parsed.comments(&code.python) {
        let Some(text) = pragma::of_comment(comment) else { continue };
        match pragma::parse(text) {
            Ok(said) => found.extend(said.into_iter().map(|pragma| (pragma, range))),
            Err(cause) => diagnostics.push(pragma::fault(&cause, cell.place(range))),
        }
    }
    found
}

impl Analysed<'_> {
    fn place(&self, range: TextRange) -> Span {
        self.lines().span(self.block.index, &self.block.code, range.start().into(), range.end().into())
    }

    pub fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::of(&self.block.code.python))
    }

    /// The line of the cell, from 1, on which a statement starts.
    pub fn line(&self, range: TextRange) -> usize {
        self.lines().line(range.start().into()) + self.block.code.first_line
    }
}

impl Analysis<'_> {
    /// The place in the notebook of a range of a cell's code.
    pub fn place(&self, cell: CellId, range: TextRange) -> Span {
        self.cells[cell].place(range)
    }
}

/// A pragma about what is not in the notebook would be a promise about nothing, most likely misspelt.
fn unheard(cells: &[Analysed], pragmas: &[Vec<(Pragma, TextRange)>], facts: &Facts) -> Vec<Diagnostic> {
    let said = cells.iter().zip(pragmas).flat_map(|(cell, pragmas)| pragmas.iter().map(move |said| (cell, said)));
    said.filter_map(|(cell, (pragma, range))| {
        let problem = match pragma {
            Pragma::Pure(name) if !facts.heard.contains(name) => format!("nothing in the notebook calls `{name}`"),
            Pragma::Mutates(name) if !facts.heard.contains(name) => format!("there is no `{name}` in the cell"),
            _ => return None,
        };
        let mut diagnostic = pragma::fault(&problem, cell.place(*range));
        diagnostic.severity = Severity::Warning;
        Some(diagnostic)
    })
    .collect()
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
