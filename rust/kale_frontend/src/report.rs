//! Diagnostics of the dataflow, in the notebook's own terms.

mod hazard;
mod undefined;

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{Code, Diagnostic, Edit, Fix, Severity};
use ruff_text_size::TextRange;

use crate::analysis::Analysis;
use crate::blocks::Role;
use crate::fixes;
use crate::grouping::Groups;
use crate::notebook::Notebook;
use crate::python::facts::{CellId, Replay, Resource};
use crate::python::pseudo;

pub use hazard::hazard;

/// Sorts by place and adds cell ids.
pub fn finish(notebook: &Notebook, diagnostics: &mut Vec<Diagnostic>) {
    for diagnostic in diagnostics.iter_mut() {
        *diagnostic = diagnostic.clone().in_sentences().shown_in(&notebook.sub_cells);
        if let Some(cell) = diagnostic.cell {
            diagnostic.cell_id = notebook.cells.get(cell.0).map(|cell| cell.id.clone());
        }
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.cell, diagnostic.start, diagnostic.code));
    diagnostics.dedup();
}

fn name_of(analysis: &Analysis, cell: CellId) -> String {
    analysis.blocks.sub_cells.name(analysis.cells[cell].block.index)
}

pub fn granularity_with_tags() -> Diagnostic {
    Diagnostic::new(
        Code::BadTag,
        "The notebook has `step:` tags, so `--granularity` has no meaning.",
        "Leave the flag out, or remove the tags.",
    )
}

pub fn impure_prelude(analysis: &Analysis, cell: CellId) -> Diagnostic {
    let facts = &analysis.facts;
    let block = analysis.cells[cell].block;
    let role = match block.role {
        Role::Functions => "functions",
        Role::Parameters => "pipeline-parameters",
        _ => "imports",
    };
    let impure = facts.cells[cell].statements.iter().find(|&&id| facts.statement(id).replay == Replay::No);
    let range = impure.map_or(TextRange::default(), |&id| facts.statement(id).range);
    Diagnostic::new(
        Code::ImpurePrelude,
        format!("This `{role}` cell does more than define names, so it runs once, as a step of its own."),
        "Move the statement into a step if you want it elsewhere.",
    )
    .at(analysis.place(cell, range))
    .with_fixes(fixes::move_out(analysis, cell))
}

pub fn metric_twice(name: &str) -> Diagnostic {
    Diagnostic::new(
        Code::DuplicateMetric,
        format!("Two steps report the metric `{name}`; the first one counts as its step."),
        "Give one of them another name.",
    )
}

pub fn step_cycle<'c>(
    analysis: &Analysis,
    edges: &BTreeSet<(usize, usize)>,
    circle: &[usize],
    cells_of: impl Fn(usize) -> &'c Vec<CellId>,
) -> Diagnostic {
    // The step with a gap: cells of other steps of the circle lie between its own.
    let split = circle.iter().copied().max_by_key(|&group| {
        let cells = cells_of(group);
        cells.last().unwrap_or(&0) - cells.first().unwrap_or(&0)
    });
    let split = split.unwrap_or_default();
    let step_name = |group: usize| cells_of(group).first().map(|&cell| step_of(analysis, cell)).unwrap_or_default();
    let others: Vec<String> = circle
        .iter()
        .filter(|&&group| group != split && (edges.contains(&(split, group)) || edges.contains(&(group, split))))
        .map(|&group| format!("`{}`", step_name(group)))
        .collect();
    let name = step_name(split);
    let own = cells_of(split);
    let first = own.first().copied().unwrap_or_default();
    let between = circle.iter().filter(|&&group| group != split).flat_map(|&group| cells_of(group));
    let gap = between.copied().filter(|&cell| cell > first).min().unwrap_or_default();
    let again = own.iter().copied().find(|&cell| cell > gap).unwrap_or(first);
    let fix = name.parse().ok().and_then(|name| fixes::split_step(analysis, &name, own, again));
    Diagnostic::new(
        Code::StepCycle,
        format!("Step `{name}` would have to run both before and after {}.", others.join(" and ")),
        format!("Give the later cells of `{name}` a step name of their own, such as `step:{name}_2`."),
    )
    .at(analysis.place(again, TextRange::default()))
    .with_fixes(fix)
}

fn step_of(analysis: &Analysis, cell: CellId) -> String {
    match &analysis.cells[cell].block.role {
        Role::Step(name) => name.to_string(),
        _ => name_of(analysis, cell),
    }
}

/// What the facts and the final steps say about the notebook.
pub fn facts(analysis: &Analysis, groups: &Groups, diagnostics: &mut Vec<Diagnostic>) {
    let any_name_may_be_bound = unreadable_stars(analysis, diagnostics);
    if !any_name_may_be_bound {
        diagnostics.extend(undefined::undefined_names(analysis));
    }
    for cell in 0..analysis.cells.len() {
        cell_faults(analysis, cell, diagnostics);
    }
    reassigned_parameters(analysis, diagnostics);
    missing_prev(analysis, groups, diagnostics);
    joined(analysis, groups, diagnostics);
}

/// Star imports of modules that cannot be read, and the names that nothing else binds: they must be from there.
fn unreadable_stars(analysis: &Analysis, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let facts = &analysis.facts;
    let stars = facts
        .cells
        .iter()
        .enumerate()
        .flat_map(|(cell, found)| found.unreadable_stars.iter().map(move |star| (cell, star)));
    let stars: Vec<(CellId, &(String, TextRange))> = stars.collect();
    let unbound = facts.cells.iter().flat_map(|cell| &cell.undefined).map(|&(name, _)| facts.text(name));
    let unbound: Vec<&str> = unbound.collect::<BTreeSet<_>>().into_iter().collect();
    for (cell, (module, range)) in &stars {
        let span = analysis.place(*cell, *range);
        let mut diagnostic = Diagnostic::new(
            Code::UnreadableStar,
            format!("What `from {module} import *` binds cannot be told: `{module}` cannot be read, or computes it."),
            format!("Name what you use, such as `from {module} import a, b`, or install `{module}` here."),
        )
        .at(span);
        if stars.len() == 1 && !unbound.is_empty() {
            let names = unbound.join(", ");
            let fix = Fix::new(format!("Write `from {module} import {names}`"), vec![Edit::text(span, names)]);
            diagnostic = diagnostic.with_fix(fix);
        }
        diagnostics.push(diagnostic);
    }
    !stars.is_empty()
}

fn cell_faults(analysis: &Analysis, cell: CellId, diagnostics: &mut Vec<Diagnostic>) {
    let facts = &analysis.facts;
    let found = &facts.cells[cell];
    for &(name, range) in &found.deleted {
        let text = facts.text(name);
        diagnostics.push(
            Diagnostic::new(
                Code::DeletedName,
                format!("`{text}` is read after `del {text}`."),
                "Bind it again before this, or remove the `del`.",
            )
            .at(analysis.place(cell, range)),
        );
    }
    for (what, range) in &found.history {
        diagnostics.push(
            Diagnostic::new(
                Code::History,
                format!("`{what}` is part of IPython's history, which a pipeline does not have."),
                "Give the value a name in the cell that makes it, and use the name here.",
            )
            .at(analysis.place(cell, *range)),
        );
    }
    for range in &found.interactive {
        diagnostics.push(
            Diagnostic::new(
                Code::InteractiveInput,
                "This cell asks for input, and a pipeline has nobody to ask.",
                "Make the answer a parameter: assign it in a cell tagged `pipeline-parameters`.",
            )
            .at(analysis.place(cell, *range)),
        );
    }
    for range in &found.unknown_paths {
        diagnostics.push(
            Diagnostic::new(
                Code::UnknownPath,
                "The path of this file is not known before the run, so the step is ordered with all that use files.",
                "Build the path from constants and parameters in the same cell, if the order matters.",
            )
            .at(analysis.place(cell, *range)),
        );
    }
    unseeded_draws(analysis, cell, diagnostics);
}

/// One diagnostic for each generator, where it is first drawn from.
fn unseeded_draws(analysis: &Analysis, cell: CellId, diagnostics: &mut Vec<Diagnostic>) {
    let mut first = BTreeMap::new();
    for used in &analysis.facts.cells[cell].resources {
        if let Resource::UnseededRng(generator) = &used.resource {
            first.entry(*generator).or_insert(used.range);
        }
    }
    for (generator, range) in first {
        diagnostics.push(
            Diagnostic::new(
                Code::UnseededRandomness,
                format!("Random numbers of `{generator}` are drawn before any seed, so each run differs."),
                "Seed the generator in an earlier cell, or pass `random_state=`, to make runs repeatable.",
            )
            .at(analysis.place(cell, range)),
        );
    }
}

fn reassigned_parameters(analysis: &Analysis, diagnostics: &mut Vec<Diagnostic>) {
    let facts = &analysis.facts;
    for statement in &facts.statements {
        let block = analysis.cells[statement.cell].block;
        let again =
            statement.binds.iter().map(|&name| facts.text(name)).find(|text| {
                analysis.parameters.iter().any(|p| p.name.as_str() == *text && p.span.cell != block.index)
            });
        if let Some(name) = again.filter(|_| block.role != Role::Parameters) {
            diagnostics.push(
                Diagnostic::new(
                    Code::ParameterReassigned,
                    format!("The parameter `{name}` is assigned again here; from here on this value is used."),
                    "Use another name if the run's value was meant.",
                )
                .at(analysis.place(statement.cell, statement.range)),
            );
        }
    }
}

/// An edge that the user did not declare, in a notebook that declares some.
fn missing_prev(analysis: &Analysis, groups: &Groups, diagnostics: &mut Vec<Diagnostic>) {
    if groups.declared.is_empty() {
        return;
    }
    let facts = &analysis.facts;
    let mut warned = BTreeSet::new();
    let mut after: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &(from, to) in &groups.declared {
        after.entry(from).or_default().push(to);
    }
    let declaring: BTreeSet<usize> = groups.declared.iter().map(|(_, to)| *to).collect();
    for transfer in &groups.programs.transfers {
        let (from, to) = (&groups.groups[transfer.from], &groups.groups[transfer.to]);
        let declares = declaring.contains(&transfer.to);
        let skip = !from.tagged || !to.tagged || !declares || reaches(&after, transfer.from, transfer.to);
        let names: Vec<&str> =
            transfer.names.iter().map(|&name| facts.text(name)).filter(|text| pseudo::is_variable(text)).collect();
        if skip || names.is_empty() || !warned.insert((transfer.from, transfer.to)) {
            continue;
        }
        let used = facts.cells[transfer.cell].uses.iter().find(|used| transfer.names.contains(&used.name));
        let range = used.map_or(TextRange::default(), |used| used.range);
        diagnostics.push(
            Diagnostic::new(
                Code::MissingPrev,
                format!(
                    "Step `{}` uses `{}` of step `{}`, which no `prev:` declares.",
                    to.name,
                    names.join("`, `"),
                    from.name
                ),
                format!("The edge was added. Tag the step `prev:{}` to say so.", from.name),
            )
            .at(analysis.place(transfer.cell, range))
            .with_fixes(fixes::declare_prev(analysis, &from.name, &to.name)),
        );
    }
}

fn reaches(after: &BTreeMap<usize, Vec<usize>>, from: usize, to: usize) -> bool {
    let mut todo = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(at) = todo.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            // Groups are in topological order: what lies behind `to` does not lead there.
            todo.extend(after.get(&at).into_iter().flatten().filter(|&&next| next <= to));
        }
    }
    false
}

/// Automatic steps that were joined, each reason once.
fn joined(analysis: &Analysis, groups: &Groups, diagnostics: &mut Vec<Diagnostic>) {
    for joined in &groups.joined {
        let mut diagnostic = hazard(analysis, joined);
        diagnostic.code = Code::JoinedUnshippable;
        diagnostic.severity = Severity::Info;
        diagnostic.help = "The cells were joined into one step; nothing needs to be done.".to_owned();
        diagnostics.push(diagnostic);
    }
}
