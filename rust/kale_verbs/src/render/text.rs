//! Diagnostics as compilers show them: the line, carets under the place, and what to do.

use std::fmt::Write;

use kale_model::{CellIndex, Diagnostic, Position, Related, Severity};
use unicode_width::UnicodeWidthStr;

use super::{Context, Style, count};

/// All diagnostics and a closing line that counts them.
pub fn diagnostics(diagnostics: &[Diagnostic], context: &Context<'_>) -> String {
    let mut out = String::new();
    for one in diagnostics {
        out.push_str(&diagnostic(one, context));
        out.push('\n');
    }
    out.push_str(&summary(diagnostics, context));
    out
}

/// Errors and warnings, and a line that says where the notes are.
pub fn pressing(diagnostics: &[Diagnostic], context: &Context<'_>) -> String {
    let mut out = String::new();
    for one in diagnostics.iter().filter(|one| one.severity != Severity::Info) {
        out.push_str(&diagnostic(one, context));
        out.push('\n');
    }
    let notes = diagnostics.iter().filter(|one| one.severity == Severity::Info).count();
    if notes > 0 {
        let style = Style { colour: context.colour };
        let more = format!("{}: `kale-rs check {}`", count(notes, "note"), context.listing.label);
        let _ = writeln!(out, "{}", style.dim(&more));
    }
    out
}

/// `2 errors, 1 warning in train.ipynb`.
fn summary(diagnostics: &[Diagnostic], context: &Context<'_>) -> String {
    let of = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let style = Style { colour: context.colour };
    let (errors, warnings, infos) = (of(Severity::Error), of(Severity::Warning), of(Severity::Info));
    let mut parts = vec![];
    if errors > 0 {
        parts.push(style.red(&count(errors, "error")));
    }
    if warnings > 0 {
        parts.push(style.yellow(&count(warnings, "warning")));
    }
    if infos > 0 {
        parts.push(count(infos, "note"));
    }
    if parts.is_empty() {
        return format!("{} {}\n", style.green("no problems"), style.dim(&format!("in {}", context.listing.label)));
    }
    format!("{} in {}\n", parts.join(", "), context.listing.label)
}

pub fn diagnostic(diagnostic: &Diagnostic, context: &Context<'_>) -> String {
    let style = Style { colour: context.colour };
    let mut out = String::new();
    let severity = severity(style, diagnostic.severity);
    let _ = writeln!(out, "{severity}{}: {}", style.dim(&format!("[{}]", diagnostic.code)), diagnostic.message);
    match (diagnostic.cell, diagnostic.start) {
        (Some(cell), Some(start)) => {
            out.push_str(&place(cell, start, context));
            out.push_str(&quote(cell, start, diagnostic.end.unwrap_or(start), "", context));
        }
        (Some(cell), None) => {
            let _ = writeln!(out, "  {} {} cell {}", style.blue("-->"), context.listing.label, cell.0);
        }
        _ => {
            let _ = writeln!(out, "  {} {}", style.blue("-->"), context.listing.label);
        }
    }
    for related in &diagnostic.related {
        out.push_str(&quoted(related, context));
    }
    if !diagnostic.help.is_empty() {
        let _ = writeln!(out, "  {} {}", style.cyan("help:"), diagnostic.help);
    }
    for fix in &diagnostic.fixes {
        let _ = writeln!(out, "  {} {}", style.cyan("fix:"), fix.title);
    }
    out
}

/// A place with its line and what there is to say about it.
pub fn quoted(related: &Related, context: &Context<'_>) -> String {
    let span = related.span;
    let place = place(span.cell, span.start, context);
    place + &quote(span.cell, span.start, span.end, &related.message, context)
}

fn severity(style: Style, severity: Severity) -> String {
    match severity {
        Severity::Error => style.red("error"),
        Severity::Warning => style.yellow("warning"),
        Severity::Info => style.cyan("note"),
    }
}

fn place(cell: CellIndex, start: Position, context: &Context<'_>) -> String {
    let style = Style { colour: context.colour };
    format!("  {} {} cell {}:{}:{}\n", style.blue("-->"), context.listing.label, cell.0, start.line, start.column)
}

/// The source line with carets under the range; only its first line when the range spans several.
fn quote(cell: CellIndex, start: Position, end: Position, label: &str, context: &Context<'_>) -> String {
    let Some(line) = context.listing.line(cell.0, start.line) else { return String::new() };
    let style = Style { colour: context.colour };
    let number = start.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = style.blue("|");
    let before = prefix(line, start.column);
    let until = if end.line > start.line { line } else { prefix(line, end.column) };
    let marked = until.strip_prefix(before).unwrap_or_default();
    let carets = "^".repeat(marked.width().max(1));
    let mut out = String::new();
    let _ = writeln!(out, "{margin} {bar}");
    let _ = writeln!(out, "{} {bar} {line}", style.blue(&number));
    // Tabs stay tabs, so that the carets stand where the terminal puts the text.
    let pad: String =
        before.chars().map(|c| if c == '\t' { "\t".to_owned() } else { " ".repeat(c.to_string().width()) }).collect();
    let label = if label.is_empty() { String::new() } else { format!(" {label}") };
    let _ = writeln!(out, "{margin} {bar} {pad}{}", style.red(&format!("{carets}{label}")));
    out
}

/// The text before a column, which counts UTF-16 units from 1.
fn prefix(line: &str, column: usize) -> &str {
    let mut units = 0;
    for (offset, c) in line.char_indices() {
        if units + 1 >= column {
            return &line[..offset];
        }
        units += c.len_utf16();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notebook::Listing;
    use kale_model::{Code, Span};

    fn span(line: usize, start: usize, end: usize) -> Span {
        let at = |column| Position { line, column };
        Span { cell: CellIndex(0), start: at(start), end: at(end) }
    }

    fn picture(source: &str, diagnostic_: Diagnostic) -> String {
        let text = serde_json::json!({"cells": [{"source": source}]}).to_string();
        let listing = Listing::of("a.ipynb", &text);
        diagnostic(&diagnostic_, &Context { listing: &listing, colour: false })
    }

    #[test]
    fn carets_stand_under_the_place() {
        let fault = Diagnostic::new(Code::SyntaxError, "expected an expression", "write one").at(span(2, 5, 6));
        insta::assert_snapshot!(picture("a = 1\nx = = 3", fault), @r"
        error[syntax-error]: expected an expression
          --> a.ipynb cell 0:2:5
          |
        2 | x = = 3
          |     ^
          help: write one
        ");
    }

    #[test]
    fn columns_are_utf16_units_and_wide_characters_take_two_places() {
        let fault = Diagnostic::new(Code::UndefinedName, "`名` is not defined", "").at(span(1, 12, 13));
        insta::assert_snapshot!(picture("x = '😀' + 名", fault), @r"
        warning[undefined-name]: `名` is not defined
          --> a.ipynb cell 0:1:12
          |
        1 | x = '😀' + 名
          |            ^^
        ");
    }

    #[test]
    fn a_place_outside_the_cell_is_named_only() {
        let fault = Diagnostic::new(Code::NoCode, "there is no code", "add a cell").at(span(9, 1, 1));
        insta::assert_snapshot!(picture("x", fault), @r"
        error[no-code]: there is no code
          --> a.ipynb cell 0:9:1
          help: add a cell
        ");
    }
}
