//! A scan for logical lines: enough of Python's lexical structure (strings, brackets, comments, continuations) to
//! know where a statement starts, which is where IPython looks for its escapes.

/// A statement's lines as IPython sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogicalLine {
    /// Indices of the first and last physical line.
    pub first: usize,
    pub last: usize,
    /// Byte range, without indent and line break.
    pub start: usize,
    pub end: usize,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Python,
    /// Starts with `%`, `!`, `?` or another escape character.
    Escape,
    /// `x = %magic` or `x = !command`, with the offset of the escape.
    Assigned(usize),
    /// Ends in `?`.
    Help,
}

/// Whether some line of the text may be more than Python; `false` is certain, and much cheaper to find out than the
/// shape of every line.
pub(super) fn may_hold_escapes(text: &str) -> bool {
    let starts_line = |at: usize| text[..at].bytes().rev().find(|b| !matches!(b, b' ' | b'\t')).is_none_or(is_break);
    text.bytes().enumerate().any(|(at, byte)| match byte {
        b'%' | b'!' | b'?' => true,
        b',' | b';' | b'/' => starts_line(at),
        _ => false,
    })
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0x0c)
}

pub(super) fn logical_lines(text: &str) -> Vec<LogicalLine> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, line: 0 };
    let mut lines = vec![];
    while let Some(line) = scanner.next_logical_line() {
        lines.push(line);
    }
    lines
}

/// The identifiers of Python code, outside strings and comments; attributes are left out.
pub(super) fn words(code: &str) -> Vec<&str> {
    let mut scanner = Scanner { bytes: code.as_bytes(), at: 0, line: 0 };
    let mut words = vec![];
    let mut after_dot = false;
    while let Some(byte) = scanner.peek() {
        if is_identifier_byte(byte) {
            let start = scanner.at;
            while scanner.peek().is_some_and(is_identifier_byte) {
                scanner.at += 1;
            }
            if !after_dot && !byte.is_ascii_digit() {
                words.push(&code[start..scanner.at]);
            }
            after_dot = false;
            continue;
        }
        match byte {
            b'#' => scanner.skip_to_break(),
            b'"' | b'\'' => scanner.skip_string(byte),
            _ => {
                after_dot = byte == b'.' || (after_dot && byte == b' ');
                scanner.at += 1;
            }
        }
    }
    words
}

/// Bytes of identifiers; every byte of a non-ASCII character counts, so that slices stay on character boundaries.
fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Length of the line break at an offset: 0, 1, or 2.
    fn break_at(&self, at: usize) -> usize {
        match self.bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\n' | b'\r', ..]) => 1,
            _ => 0,
        }
    }

    fn skip_break(&mut self) {
        self.at += self.break_at(self.at);
        self.line += 1;
    }

    fn skip_to_break(&mut self) {
        while self.at < self.bytes.len() && self.break_at(self.at) == 0 {
            self.at += 1;
        }
    }

    fn next_logical_line(&mut self) -> Option<LogicalLine> {
        self.skip_between_lines();
        let (first, start) = (self.line, self.at);
        let shape = match self.peek()? {
            b'%' | b'!' | b'?' | b',' | b';' | b'/' => {
                self.skip_escape();
                Shape::Escape
            }
            _ => self.skip_python(),
        };
        // What is still open at the end of the text ends with its last line, not on one behind it.
        let behind = self.at == self.bytes.len() && matches!(self.bytes.last(), Some(b'\n' | b'\r'));
        let last = if behind { self.line - 1 } else { self.line };
        Some(LogicalLine { first, last: last.max(first), start, end: self.at, shape })
    }

    fn skip_between_lines(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | 0x0c => self.at += 1,
                b'#' => self.skip_to_break(),
                _ if self.break_at(self.at) > 0 => self.skip_break(),
                _ => return,
            }
        }
    }

    /// To the end of an escape: the physical line, or more when it ends in a backslash.
    fn skip_escape(&mut self) {
        loop {
            self.skip_to_break();
            let continued = self.at > 0 && self.bytes[self.at - 1] == b'\\' && self.break_at(self.at) > 0;
            if !continued {
                return;
            }
            self.skip_break();
        }
    }

    fn skip_python(&mut self) -> Shape {
        let mut depth = 0usize;
        let mut assigned = false;
        let mut last = b' ';
        while let Some(byte) = self.peek() {
            let break_length = self.break_at(self.at);
            match byte {
                _ if break_length > 0 => {
                    if depth == 0 {
                        break;
                    }
                    self.skip_break();
                    continue;
                }
                b'\\' if self.break_at(self.at + 1) > 0 => {
                    self.at += 1;
                    self.skip_break();
                    continue;
                }
                b'#' => {
                    self.skip_to_break();
                    continue;
                }
                b'"' | b'\'' => self.skip_string(byte),
                b'=' if depth == 0 && !assigned && self.is_assignment() => {
                    assigned = true;
                    if let Some(escape) = self.escape_after(self.at + 1) {
                        self.skip_escape();
                        return Shape::Assigned(escape);
                    }
                    self.at += 1;
                }
                _ => {
                    match byte {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    self.at += 1;
                }
            }
            if !byte.is_ascii_whitespace() {
                last = byte;
            }
        }
        if last == b'?' { Shape::Help } else { Shape::Python }
    }

    /// Whether the `=` here is an assignment, and not part of another operator.
    fn is_assignment(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.bytes[at]);
        self.bytes.get(self.at + 1) != Some(&b'=') && !before.is_some_and(|b| b"=!<>:+-*/%&|^@~".contains(&b))
    }

    /// Offset of the escape that follows an assignment: `%name` or `!`.
    fn escape_after(&self, from: usize) -> Option<usize> {
        let blanks = self.bytes[from..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match &self.bytes[from + blanks..] {
            [b'!', ..] => Some(from + blanks),
            [b'%', next, ..] if is_identifier_byte(*next) => Some(from + blanks),
            _ => None,
        }
    }

    /// Past the string literal that opens here; one that is never closed ends with its line, or with the text.
    fn skip_string(&mut self, quote: u8) {
        let triple = self.bytes[self.at..].starts_with(&[quote; 3]);
        let close: &[u8] = if triple { &[quote; 3] } else { &[quote] };
        self.at += close.len();
        while self.at < self.bytes.len() {
            let break_length = self.break_at(self.at);
            if self.bytes[self.at] == b'\\' {
                self.at += 1;
                if self.break_at(self.at) > 0 {
                    self.skip_break();
                } else {
                    self.at = (self.at + 1).min(self.bytes.len());
                }
            } else if self.bytes[self.at..].starts_with(close) {
                self.at += close.len();
                return;
            } else if break_length > 0 {
                if !triple {
                    return;
                }
                self.skip_break();
            } else {
                self.at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<(&str, Shape)> {
        logical_lines(text).into_iter().map(|line| (&text[line.start..line.end], line.shape)).collect()
    }

    #[test]
    fn statements_are_told_from_escapes() {
        use Shape::*;
        assert_eq!(shapes("x = 1\n%time f()\n"), [("x = 1", Python), ("%time f()", Escape)]);
        assert_eq!(shapes("x = [1,\n % 3]"), [("x = [1,\n % 3]", Python)]);
        assert_eq!(shapes("s = '''\n%no\n'''"), [("s = '''\n%no\n'''", Python)]);
        assert_eq!(shapes("!echo \\\r\n it's\r\ny"), [("!echo \\\r\n it's", Escape), ("y", Python)]);
        assert_eq!(shapes("x = !echo it's\ny"), [("x = !echo it's", Assigned(4)), ("y", Python)]);
        assert_eq!(shapes("x == 3 % 4"), [("x == 3 % 4", Python)]);
        assert_eq!(shapes("df.head? # help\n'a?'"), [("df.head? # help", Help), ("'a?'", Python)]);
        assert_eq!(shapes("# %time\nif a:\n    %cd x"), [("if a:", Python), ("%cd x", Escape)]);
        assert_eq!(shapes("x = 'open\n%cd x"), [("x = 'open", Python), ("%cd x", Escape)]);
    }

    #[test]
    fn an_open_end_is_on_the_last_line() {
        for text in ["%cd \\\n", "f(\n", "x = !ls \\\r\n", "'''\n"] {
            assert_eq!(logical_lines(text).last().map(|line| line.last), Some(0), "{text}");
        }
    }

    #[test]
    fn words_are_identifiers_outside_text() {
        assert_eq!(words("history = a.time + 'ls' # pwd\nf(höhe, 1e5)"), ["history", "a", "f", "höhe"]);
    }
}
