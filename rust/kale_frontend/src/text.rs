//! Positions: from byte offsets in what the parser read to lines and columns in the cell as the user sees it.

use kale_model::{CellIndex, Position, Span};

use crate::magics::CellCode;

/// The place in the cell of a byte range of [`CellCode::python`].
pub fn span(cell: CellIndex, code: &CellCode, start: usize, end: usize) -> Span {
    Lines::of(&code.python).span(cell, code, start, end)
}

/// Where the lines of a text start: many places in one long cell are found without reading it again for each.
pub struct Lines(Vec<usize>);

impl Lines {
    pub fn of(text: &str) -> Lines {
        let mut starts = vec![0];
        let mut at = 0;
        for line in lines_with_breaks(text) {
            at += line.len();
            if line.ends_with(['\n', '\r']) {
                starts.push(at);
            }
        }
        Lines(starts)
    }

    /// The place in the cell of a byte range of [`CellCode::python`], whose lines these are.
    pub fn span(&self, cell: CellIndex, code: &CellCode, start: usize, end: usize) -> Span {
        Span { cell, start: self.position(code, start), end: self.position(code, end.max(start)) }
    }

    fn position(&self, code: &CellCode, offset: usize) -> Position {
        let text = &code.python;
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line(offset) + 1;
        let column = utf16_len(&text[self.0[line - 1]..offset]) as isize + 1 + code.shift(line);
        Position { line: line + code.first_line - 1, column: column.max(1) as usize }
    }

    /// The line that an offset is on, from 0.
    pub fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset) - 1
    }
}

/// The place of a byte range of one physical line of a cell, the line counted from 1.
pub(crate) fn span_in_line(cell: CellIndex, line: usize, text: &str, start: usize, end: usize) -> Span {
    let at = |offset: usize| Position { line, column: utf16_len(&text[..offset]) + 1 };
    Span { cell, start: at(start), end: at(end) }
}

pub(crate) fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The lines of a text, each with its line break; `\n`, `\r\n` and a lone `\r` each end a line, as in Python.
pub(crate) fn lines_with_breaks(text: &str) -> Vec<&str> {
    let mut lines = vec![];
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        let (line, behind) = rest.split_at(at + length);
        lines.push(line);
        rest = behind;
    }
    lines.extend((!rest.is_empty()).then_some(rest));
    lines
}

/// A line without its line break.
pub(crate) fn without_break(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}
