//! Line magics: what becomes code for the parser (`%time f(x)`), a requirement (`%pip install`), or nothing.

use kale_model::{Code, Diagnostic, PythonVersion};
use ruff_python_ast::Stmt;

use super::draft::Draft;
use super::scan::{LogicalLine, Shape, logical_lines, may_hold_escapes, words};
use super::{options, pip};
use crate::python::parse::parse;
use crate::text::utf16_len;

/// Rewrites the lines of a Python cell that start with, assign, or end in one of IPython's escapes.
pub(super) fn read(draft: &mut Draft, version: PythonVersion) {
    if !draft.lines.list.iter().any(|line| may_hold_escapes(&line.python)) {
        return;
    }
    let text = draft.lines.python_text();
    for line in logical_lines(&text) {
        let code = &text[line.start..line.end];
        match line.shape {
            Shape::Python => {}
            Shape::Escape => escape(draft, &line, code, version),
            Shape::Assigned(at) => assigned(draft, &line, &text, at, version),
            Shape::Help => help(draft, &line, code),
        }
    }
}

fn escape(draft: &mut Draft, line: &LogicalLine, code: &str, version: PythonVersion) {
    let mut words = code.split_whitespace();
    match (words.next().unwrap_or(""), words.next()) {
        ("%%pipeline", _) => {
            let help = "move it to the top of the cell; IPython, too, only accepts it there";
            let message = "`%%pipeline` is not on the first line of its cell";
            let span = draft.line_span(line.first);
            draft.diagnostics.push(Diagnostic::new(Code::BadTag, message, help).at(span));
            draft.lines.blank(line.first, line.last);
        }
        ("%pipeline", _) => draft.take_out_line(line, "`%pipeline`"),
        ("%load_ext" | "%reload_ext" | "%unload_ext", Some("kale_rs")) => {
            draft.take_out_line(line, "the extension `kale_rs`");
        }
        _ => {
            if let Some(found) = pip::requirements(code) {
                draft.requirements.extend(found);
                draft.lines.blank(line.first, line.last);
            } else if let Some((magic, operand)) = statement_of(code) {
                expose(draft, line, magic, operand, version);
            }
        }
    }
}

/// The magic and the statement of `%time f(x)` and the like.
fn statement_of(code: &str) -> Option<(&str, &str)> {
    let call = code.strip_prefix('%')?;
    let end = call.find([' ', '\t'])?;
    let (magic, arguments) = call.split_at(end);
    let operand = options::runs_statement(magic).then(|| &arguments[options::operand(magic, arguments)..])?;
    (!operand.is_empty()).then_some((magic, operand))
}

/// Lets the parser see the statement that a magic runs.
fn expose(draft: &mut Draft, line: &LogicalLine, magic: &str, operand: &str, version: PythonVersion) {
    let Some(opening) = opening(magic, operand, version) else {
        return refuse_broken(draft, line, magic, operand, version);
    };
    let physical = &mut draft.lines.list[line.first];
    let first_part = operand.split(['\n', '\r']).next().unwrap_or("");
    let indent = physical.indent().to_owned();
    let column = utf16_len(&physical.python) - utf16_len(first_part);
    physical.shift += column as isize - utf16_len(&indent) as isize - opening.len() as isize;
    physical.python = format!("{indent}{opening}{first_part}").into();
    draft.note_operand(line.first, line.last);
}

/// What to put before a magic's statement so that Python reads it with the same effects; `None` when nothing will do.
///
/// `%timeit` runs its statement in a function of its own, so names that it binds do not survive: a class body has the
/// same scope, runs at once, and fits on the line.
pub(super) fn opening(magic: &str, operand: &str, version: PythonVersion) -> Option<&'static str> {
    let parsed = parse(operand, version);
    let body = &parsed.module.body;
    if !parsed.errors.is_empty() || body.is_empty() {
        return None;
    }
    if magic != "timeit" || body.iter().all(|statement| matches!(statement, Stmt::Expr(_))) {
        return Some("");
    }
    body.iter().all(is_simple).then_some("class __timeit__: ")
}

/// The operand of `%time` and `%timeit` is Python to the letter, so what is wrong with it is wrong with the cell.
fn refuse_broken(draft: &mut Draft, line: &LogicalLine, magic: &str, operand: &str, version: PythonVersion) {
    if !matches!(magic, "time" | "timeit") {
        return;
    }
    let parsed = parse(operand, version);
    if let Some(fault) = parsed.errors.iter().min_by_key(|fault| (fault.start, fault.end)) {
        let message = format!("The statement behind `%{magic}` is not valid Python: {}.", fault.message);
        let help = "Correct the line; it would not run in Jupyter either.";
        let span = draft.line_span(line.first);
        draft.diagnostics.push(Diagnostic::new(Code::SyntaxError, message, help).at(span));
    }
}

fn is_simple(statement: &Stmt) -> bool {
    matches!(
        statement,
        Stmt::Expr(_)
            | Stmt::Assign(_)
            | Stmt::AugAssign(_)
            | Stmt::AnnAssign(_)
            | Stmt::Import(_)
            | Stmt::ImportFrom(_)
            | Stmt::Assert(_)
            | Stmt::Delete(_)
            | Stmt::Raise(_)
            | Stmt::Pass(_)
    )
}

/// `x = %time f()` binds what `f()` returns: blanks in the magic's place keep every column.
fn assigned(draft: &mut Draft, line: &LogicalLine, text: &str, at: usize, version: PythonVersion) {
    if text[at..line.end].split_whitespace().next() == Some("%pipeline") {
        draft.control_results.extend(words(&text[line.start..at]).into_iter().map(str::to_owned));
        return draft.take_out_line(line, "`%pipeline`");
    }
    let Some((magic @ ("time" | "timeit" | "memit"), operand)) = statement_of(&text[at..line.end]) else { return };
    let parsed = parse(operand, version);
    if !parsed.errors.is_empty() {
        return refuse_broken(draft, line, magic, operand, version);
    }
    if !matches!(parsed.module.body[..], [Stmt::Expr(_)]) {
        return;
    }
    let target = &text[line.start..at];
    let first_part = operand.split(['\n', '\r']).next().unwrap_or("");
    // A target on several lines would move the operand off the first one; the escape stays for the parser then.
    if target.contains(['\n', '\r']) {
        return;
    }
    let physical = &mut draft.lines.list[line.first];
    let indent = physical.indent().to_owned();
    let kept = utf16_len(&indent) + utf16_len(target);
    let blanks = " ".repeat(utf16_len(&physical.python) - kept - utf16_len(first_part));
    physical.python = format!("{indent}{target}{blanks}{first_part}").into();
    draft.note_operand(line.first, line.last);
}

/// `*int*?` asks for help with a pattern, which the parser does not read; other questions it does.
fn help(draft: &mut Draft, line: &LogicalLine, code: &str) {
    if code.starts_with(|c: char| c == '*' || c.is_alphanumeric() || c == '_') && code.contains('*') {
        let physical = &mut draft.lines.list[line.first];
        physical.python = format!("{}pass", physical.indent()).into();
        for index in line.first + 1..=line.last {
            draft.lines.hide(index);
        }
    }
}
