//! Mechanical remedies for what dataflow finds.
//!
//! Each keeps the meaning of the notebook: an order that data asks for is declared, a step that is entered again goes on
//! under another name, a statement that does work leaves a cell of definitions.

use std::collections::BTreeSet;

use kale_model::{CellIndex, Edit, Fix, NewCell, Position, Span, StepName, TagChange};

use ruff_python_ast::Stmt;

use crate::analysis::Analysis;
use crate::blocks::{BlockCell, Mark, Role};
use crate::python::facts::{CellId, Replay};
use crate::text::{lines_with_breaks, utf16_len, without_break};

/// Tags a step `prev:FROM`, where its name stands.
pub fn declare_prev(analysis: &Analysis, from: &StepName, to: &StepName) -> Option<Fix> {
    let named = |cell: &&BlockCell| cell.role == Role::Step(to.clone()) && cell.mark.is_some();
    let cell = analysis.blocks.cells.iter().find(named)?;
    let (what, edit) = match cell.mark.as_ref()? {
        Mark::Tag(_) => (format!("prev:{from}"), Edit::add_tags(cell.index, vec![format!("prev:{from}")])),
        Mark::Line(name) => (format!("--after {from}"), Edit::text(behind(*name), format!(" --after {from}"))),
    };
    Some(Fix::new(format!("Add `{what}` to step `{to}`"), vec![edit]))
}

/// The empty range at the end of a range.
fn behind(span: Span) -> Span {
    Span { start: span.end, ..span }
}

/// Gives the cells of a step from `later` on a step name of their own. They keep the step's resources and the like, and
/// who waited for the whole step waits for both parts.
pub fn split_step(analysis: &Analysis, name: &StepName, cells: &[CellId], later: CellId) -> Option<Fix> {
    let is_of_step = |&cell: &CellId| analysis.cells[cell].block.role == Role::Step(name.clone());
    if !cells.iter().all(is_of_step) {
        return None;
    }
    let new_name = free_name(analysis, name.as_str(), 2);
    let start = analysis.cells[later].block.index;
    let blocks = analysis.blocks.cells.iter().filter(|block| block.role == Role::Step(name.clone()));
    let (before, behind): (Vec<&BlockCell>, Vec<&BlockCell>) = blocks.partition(|block| block.index < start);
    let mut edits = vec![];
    for block in behind.iter().filter_map(|block| Some((block.index, block.mark.as_ref()?))) {
        edits.push(match block {
            (cell, Mark::Tag(old)) => Edit::replace_tag(cell, old, format!("step:{new_name}")),
            (_, Mark::Line(place)) => Edit::text(*place, new_name.as_str()),
        });
    }
    let kept: Vec<String> = before.iter().flat_map(|block| &block.config).map(ToString::to_string).collect();
    let first = behind.first()?.index;
    if !kept.is_empty() {
        edits.push(Edit::add_tags(first, kept));
    }
    let waiting = analysis.blocks.steps.iter().flat_map(|step| &step.prev);
    for (_, place) in waiting.filter(|(prev, place)| prev == name && place.cell > first) {
        edits.push(match Mark::new(String::new(), *place) {
            Mark::Tag(_) => Edit::add_tags(place.cell, vec![format!("prev:{new_name}")]),
            Mark::Line(word) => Edit::text(self::behind(word), format!(" {new_name}")),
        });
    }
    Some(Fix::new(format!("Call the later cells of `{name}` step `{new_name}`"), edits))
}

/// `wanted`, or `wanted_2` and so on; numbering starts at `number`, 1 being no number at all.
fn free_name(analysis: &Analysis, wanted: &str, number: usize) -> StepName {
    let taken: BTreeSet<&str> = analysis.blocks.steps.iter().map(|step| step.name.as_str()).collect();
    let candidates = (number..).map(|n| if n == 1 { wanted.to_owned() } else { format!("{wanted}_{n}") });
    let mut names = candidates.filter(|name| !taken.contains(name.as_str())).filter_map(|name| name.parse().ok());
    names.next().expect("a notebook has finitely many steps")
}

/// Cuts a cell of definitions where statements that do work begin and end, so that only these are a step.
pub fn move_out(analysis: &Analysis, cell: CellId) -> Option<Fix> {
    let block = analysis.cells[cell].block;
    let pieces = pieces(analysis, cell)?;
    let step = analysis.blocks.tagged.then(|| free_name(analysis, "setup", 1));
    let work_tag: Vec<String> = step.iter().map(|name| format!("step:{name}")).collect();
    let own_tag = role_tag(&block.role)?;
    let (first, rest) = pieces.split_first()?;
    let mut edits = vec![];
    if first.works {
        edits.push(retag(block, step.as_ref())?);
    }
    if let Some(span) = tail(block, first.lines) {
        edits.push(Edit::text(span, ""));
    }
    for piece in rest {
        let tags = if piece.works { work_tag.clone() } else { vec![own_tag.to_owned()] };
        edits.push(Edit::Insert { cell: block.index, insert: NewCell { source: piece.source.clone(), tags } });
    }
    if pieces.last()?.works && step.is_some() {
        // Untagged cells behind it have their role from it.
        let next = analysis.blocks.cells.iter().find(|next| next.index > block.index);
        let follower = next.filter(|next| next.mark.is_none() && next.role == block.role);
        edits.extend(follower.map(|next| Edit::add_tags(next.index, vec![own_tag.to_owned()])));
    }
    let place = step.map_or(String::new(), |name| format!(", as step `{name}`"));
    let title = match rest {
        [] => format!("Make the cell a step of its own{place}"),
        _ => format!("Move what does work into a cell of its own{place}"),
    };
    Some(Fix::new(title, edits))
}

/// Successive statements of a cell that are all definitions, or all work.
struct Piece {
    works: bool,
    /// Lines of `run_source`, from the cell's start to the end of the piece.
    lines: usize,
    source: String,
}

/// `None` when lines cannot be moved as they are: a cell magic heads them, they were rewritten, statements share one, or
/// an expression would come to stand at the end of a cell, where it shows its value.
fn pieces(analysis: &Analysis, cell: CellId) -> Option<Vec<Piece>> {
    let facts = &analysis.facts;
    let module = &analysis.cells[cell].parsed.module;
    let code = &analysis.cells[cell].block.code;
    if code.cell_magic.is_some() || !code.is_verbatim() {
        return None;
    }
    let (lines, starts) = (lines_with_breaks(&code.run_source), analysis.cells[cell].lines());
    let mut pieces: Vec<Piece> = vec![];
    let mut end = 0;
    for (number, &id) in facts.cells[cell].statements.iter().enumerate() {
        let statement = facts.statement(id);
        let (start, last) = (statement.range.start().to_usize(), statement.range.end().to_usize());
        let (start, last) = (starts.line(start), starts.line(last));
        if start < end {
            return None;
        }
        let works = statement.replay == Replay::No;
        if pieces.last().is_none_or(|piece| piece.works != works) {
            if end > 0 && shows(&module.body[number - 1]) {
                return None;
            }
            pieces.push(Piece { works, lines: 0, source: String::new() });
        }
        let piece = pieces.last_mut()?;
        piece.source.push_str(&lines[end..=last].concat());
        end = last + 1;
        piece.lines = end;
    }
    let piece = pieces.last_mut()?;
    piece.source.push_str(&lines[end..].concat());
    piece.lines = lines.len();
    for piece in &mut pieces {
        piece.source = piece.source.trim_matches(['\n', '\r']).to_owned();
    }
    Some(pieces)
}

/// Whether a statement at the end of a cell would show its value.
fn shows(statement: &Stmt) -> bool {
    let Stmt::Expr(expression) = statement else { return false };
    let call = expression.value.as_call_expr();
    call.is_none_or(|call| call.func.as_name_expr().is_none_or(|name| name.id.as_str() != "print"))
}

fn role_tag(role: &Role) -> Option<&'static str> {
    match role {
        Role::Imports => Some("imports"),
        Role::Functions => Some("functions"),
        Role::Parameters => Some("pipeline-parameters"),
        Role::Metrics | Role::Skip | Role::Untagged | Role::Step(_) => None,
    }
}

/// Makes a cell of definitions a step, or (without a name) an untagged cell.
fn retag(block: &BlockCell, step: Option<&StepName>) -> Option<Edit> {
    match (&block.mark, step) {
        (Some(Mark::Tag(old)), _) => {
            let add = step.iter().map(|name| format!("step:{name}")).collect();
            Some(Edit::Tags { cell: block.index, tags: TagChange { add, remove: vec![old.clone()] } })
        }
        (Some(Mark::Line(word)), Some(name)) => Some(Edit::text(*word, format!("step {name}"))),
        (None, Some(name)) => Some(Edit::add_tags(block.index, vec![format!("step:{name}")])),
        (_, None) => None,
    }
}

/// The range of a cell's text behind its first `lines` lines, with the line break before it; `None` when there is none.
fn tail(block: &BlockCell, lines: usize) -> Option<Span> {
    let code = &block.code;
    let all = lines_with_breaks(&code.run_source);
    let end_of = |index: usize| {
        let column = utf16_len(without_break(all[index])) + 1;
        Position { line: code.first_line + index, column }
    };
    let last = all.len().checked_sub(1)?;
    let end = if all[last].ends_with(['\n', '\r']) {
        Position { line: code.first_line + last + 1, column: 1 }
    } else {
        end_of(last)
    };
    (lines < all.len()).then(|| Span { cell: CellIndex(block.index.0), start: end_of(lines - 1), end })
}
