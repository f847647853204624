//! Positions: from byte offsets in what the parser read to lines and columns in the cell as the user sees it.

use kale_model::{CellIndex, Position, Span};

use crate::magics::CellCode;

/// The place in the cell of a byte range of [`CellCode::python`].
pub fn span(cell: CellIndex, code: &CellCode, start: usize, end: usize) -> Span {
    Span { cell, start: position(code, start), end: position(code, end.max(start)) }
}

fn position(code: &CellCode, offset: usize) -> Position {
    let text = &code.python;
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = line_start(before);
    let line = line_breaks(&before[..line_start]) + 1;
    let column = utf16_len(&before[line_start..]) as isize + 1 + code.shift(line);
    Position { line: line + code.first_line - 1, column: column.max(1) as usize }
}

/// The place of a byte range of one physical line of a cell, the line counted from 1.
pub(crate) fn span_in_line(cell: CellIndex, line: usize, text: &str, start: usize, end: usize) -> Span {
    let at = |offset: usize| Position { line, column: utf16_len(&text[..offset]) + 1 };
    Span { cell, start: at(start), end: at(end) }
}

pub(crate) fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Offset of the start of the last line of `text`; `\n`, `\r\n` and a lone `\r` each end a line, as in Python.
fn line_start(text: &str) -> usize {
    text.rfind(['\n', '\r']).map_or(0, |at| at + 1)
}

fn line_breaks(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |(at, byte): (usize, &u8)| *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(|&pair| ends(pair)).count()
}

/// The line of a text that an offset is on, from 0.
pub(crate) fn line_number(text: &str, offset: usize) -> usize {
    line_breaks(&text[..line_start(&text[..offset])])
}

/// The lines of a text, each with its line break.
pub(crate) fn lines_with_breaks(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut lines = vec![];
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        if ends {
            lines.push(&text[start..=at]);
            start = at + 1;
        }
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

/// A line without its line break.
pub(crate) fn without_break(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}
