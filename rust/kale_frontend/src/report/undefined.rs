//! Names that nothing binds before they are read: a later cell may, or a skipped one, or the name is a slip of the pen.

use std::collections::BTreeMap;

use kale_model::{CellIndex, Code, Diagnostic, Span};

use super::name_of;
use crate::analysis::Analysis;
use crate::python::facts::CellId;
use crate::python::pseudo;
use crate::spelling::nearest;

/// For how many names of a notebook it is guessed what they are slips of, among how many others.
const GUESSES: usize = 20;
const CANDIDATES: usize = 1_000;

pub fn undefined_names(analysis: &Analysis) -> Vec<Diagnostic> {
    let facts = &analysis.facts;
    let found = facts.cells.iter().enumerate();
    let found: Vec<_> = found.flat_map(|(cell, row)| row.undefined.iter().map(move |&used| (cell, used))).collect();
    if found.is_empty() {
        return vec![];
    }
    let binders = first_binders(analysis);
    let candidates: Vec<&str> = binders.keys().copied().take(CANDIDATES).collect();
    let skipped: BTreeMap<&str, CellIndex> =
        analysis.skipped_names.iter().rev().map(|(name, cell)| (name.as_str(), *cell)).collect();
    let places = found.into_iter().enumerate();
    places
        .map(|(number, (cell, (name, range)))| {
            let text = facts.text(name);
            let span = analysis.place(cell, range);
            if let Some(&bound) = skipped.get(text) {
                return bound_in_skipped_cell(analysis, text, bound, span);
            }
            if let Some(&later) = binders.get(text).filter(|&&binder| binder >= cell) {
                return bound_later(analysis, text, (cell, later), span);
            }
            let is_other = |other: &&&str| binders[**other] <= cell && **other != text;
            let guess = || nearest(text, &candidates.iter().filter(is_other).copied().collect::<Vec<_>>());
            let meant = (number < GUESSES).then(guess).flatten();
            bound_nowhere(text, meant, span)
        })
        .collect()
}

/// The first cell that binds each of the notebook's variables.
fn first_binders<'a>(analysis: &'a Analysis) -> BTreeMap<&'a str, CellId> {
    let facts = &analysis.facts;
    let mut binders = BTreeMap::new();
    for (cell, row) in facts.cells.iter().enumerate() {
        for &name in row.statements.iter().flat_map(|&id| &facts.statement(id).binds) {
            binders.entry(facts.text(name)).or_insert(cell);
        }
    }
    binders.retain(|name, _| pseudo::is_variable(name));
    binders
}

fn bound_in_skipped_cell(analysis: &Analysis, name: &str, bound: CellIndex, span: Span) -> Diagnostic {
    let place = analysis.blocks.sub_cells.name(bound);
    Diagnostic::new(
        Code::BoundInSkippedCell,
        format!("`{name}` is only bound in {place}, which is tagged `skip`."),
        "Remove the `skip` tag, or bind the name in a cell that is run.",
    )
    .at(span)
    .with_related(Span::of_cell(bound), format!("`{name}` is bound in this skipped cell"))
}

/// It works in a notebook whose cells are run in another order.
fn bound_later(analysis: &Analysis, name: &str, (cell, later): (CellId, CellId), span: Span) -> Diagnostic {
    let read = match later == cell {
        true => format!("`{name}` is read before this cell binds it"),
        false => format!("`{name}` is not bound before {}", name_of(analysis, later)),
    };
    let fault = Diagnostic::new(
        Code::UndefinedName,
        format!("{read}; run from top to bottom, the notebook would stop here with a `NameError`."),
        format!("Move what binds `{name}` above this."),
    )
    .at(span);
    match later == cell {
        true => fault,
        false => fault
            .with_related(Span::of_cell(analysis.cells[later].block.index), format!("`{name}` is bound in this cell")),
    }
}

fn bound_nowhere(name: &str, meant: Option<&str>, span: Span) -> Diagnostic {
    let help = match meant {
        Some(meant) => format!("Did you mean `{meant}`? If not, bind `{name}` in an earlier cell."),
        None => "Bind the name in an earlier cell, or correct its spelling.".to_owned(),
    };
    Diagnostic::new(
        Code::UndefinedName,
        format!("Nothing before this binds `{name}`; the notebook would stop here with a `NameError`."),
        help,
    )
    .at(span)
}
