//! From text to syntax tree. Only this file and the rules of scopes name the parser.
//!
//! The parser aborts the process on stack overflow (from about 3,000 nested brackets), and the process is the user's
//! kernel: so nesting beyond what CPython accepts is refused here, before parsing.

use std::cell::Cell;
use std::panic::{self, UnwindSafe};
use std::sync::Once;

use kale_model::PythonVersion;
use ruff_python_ast::token::{Token, TokenKind};
use ruff_python_ast::{ModModule, PythonVersion as ParserVersion};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::nesting;
use super::scope::{Dialect, ScopeFault, SymbolTable};

/// CPython's own limit is 200 open brackets and 100 levels of indentation.
const MAX_BRACKETS: usize = 200;
/// Chains that nest without brackets: unary operators, `lambda:`, `not`, `await`, attribute chains of `**`.
const MAX_PREFIX_OPERATORS: usize = 200;
/// Operators in one expression. CPython 3.11 refuses to compile about as many; newer ones bear some more.
const MAX_OPERATORS: usize = 3000;

thread_local! {
    /// Whether this thread is in the parser.
    static IN_PARSER: Cell<bool> = const { Cell::new(false) };
}

/// The parser has assertions of its own that broken input can reach (`[}` with an escape on the next line). What the
/// runtime would print of them is nothing for the person whose notebook it is.
fn quietly<T>(parser: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !IN_PARSER.get() {
                print(panicked);
            }
        }));
    });
    IN_PARSER.set(true);
    let parsed = panic::catch_unwind(parser);
    IN_PARSER.set(false);
    parsed.ok()
}

/// A cell's syntax tree with every error found; the tree is partial when there are errors.
pub struct Parsed {
    pub module: ModModule,
    tokens: Vec<Token>,
    pub errors: Vec<SyntaxFault>,
}

pub struct SyntaxFault {
    pub message: String,
    /// Byte offsets into the source.
    pub start: usize,
    pub end: usize,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Invalid,
    /// Valid in a newer Python than the notebook's.
    NewerPython,
    TooDeep,
}

/// Parses one cell (IPython syntax) for a Python version. Never panics; returns an empty tree for refused input.
pub fn parse(source: &str, version: PythonVersion) -> Parsed {
    if let Some(offset) = too_deep(source) {
        return Parsed::refused(SyntaxFault {
            message: "too many nested brackets or operators".to_owned(),
            start: offset,
            end: offset + 1,
            kind: FaultKind::TooDeep,
        });
    }
    if let Some(offset) = nesting::too_many_indents(source) {
        return Parsed::refused(SyntaxFault {
            message: "too many levels of indentation".to_owned(),
            start: offset,
            end: offset + 1,
            kind: FaultKind::TooDeep,
        });
    }
    let target = ParserVersion { major: version.major, minor: version.minor };
    let options = ParseOptions::from(Mode::Ipython).with_target_version(target);
    let Some(parsed) = quietly(|| parse_unchecked(source, options)) else {
        return Parsed::refused(beyond_the_parser(source));
    };
    let fault = |message: String, start: TextSize, end: TextSize, kind| SyntaxFault {
        message,
        start: start.to_usize(),
        end: end.to_usize(),
        kind,
    };
    let mut errors: Vec<SyntaxFault> = parsed
        .errors()
        .iter()
        .map(|e| fault(e.error.to_string(), e.location.start(), e.location.end(), FaultKind::Invalid))
        .collect();
    errors.extend(
        parsed
            .unsupported_syntax_errors()
            .iter()
            .map(|e| fault(e.to_string(), e.range.start(), e.range.end(), FaultKind::NewerPython)),
    );
    let tokens = parsed.tokens().to_vec();
    let module = match parsed.into_syntax() {
        ruff_python_ast::Mod::Module(module) => module,
        ruff_python_ast::Mod::Expression(_) => empty_module(),
    };
    if errors.is_empty()
        && let Some(start) = nesting::too_many_blocks(&module.body)
    {
        let message = "too many statically nested blocks".to_owned();
        errors.push(fault(message, start, start + TextSize::from(1), FaultKind::TooDeep));
    }
    Parsed { module, tokens, errors }
}

impl Parsed {
    fn refused(fault: SyntaxFault) -> Parsed {
        Parsed { module: empty_module(), tokens: vec![], errors: vec![fault] }
    }

    /// The comments of the source that was parsed.
    pub fn comments<'s>(&self, source: &'s str) -> impl Iterator<Item = (&'s str, TextRange)> {
        let comments = self.tokens.iter().filter(|token| token.kind() == TokenKind::Comment);
        comments.map(|token| (&source[token.range()], token.range()))
    }

    /// The tokens of a range of the source that was parsed, one space between two, without comments and blank lines:
    /// equal for sources that differ in layout only.
    pub fn normalised(&self, source: &str, range: TextRange) -> String {
        let first = self.tokens.partition_point(|token| token.start() < range.start());
        let mut text = String::with_capacity(range.len().to_usize());
        for token in self.tokens[first..].iter().take_while(|token| token.end() <= range.end()) {
            match token.kind() {
                TokenKind::Comment | TokenKind::NonLogicalNewline => {}
                TokenKind::Newline => text.push('\n'),
                TokenKind::Indent => text.push_str("<indent> "),
                TokenKind::Dedent => text.push_str("<dedent> "),
                _ => {
                    text.push_str(&source[token.range()]);
                    text.push(' ');
                }
            }
        }
        text
    }
}

/// A notebook's cell: its syntax tree, with all that Python's compiler refuses, and what its names mean.
pub struct ParsedCell {
    pub syntax: Parsed,
    pub table: SymbolTable,
}

/// Parses a notebook's cells. What one imports from `__future__` holds for those after it.
pub fn parse_cells<'s>(sources: impl Iterator<Item = &'s str>, version: PythonVersion) -> Vec<ParsedCell> {
    let mut dialect = Dialect::of_cell(version);
    let cell = |source| {
        let mut syntax = parse(source, version);
        let (table, faults) = SymbolTable::build(source, &syntax.module, dialect);
        dialect = table.dialect;
        // A tree with errors is partial, so that names may be missing from it.
        if syntax.errors.is_empty() {
            syntax.errors.extend(faults.into_iter().map(|ScopeFault { message, range }| SyntaxFault {
                message,
                start: range.start().to_usize(),
                end: range.end().to_usize(),
                kind: FaultKind::Invalid,
            }));
        }
        ParsedCell { syntax, table }
    };
    sources.map(cell).collect()
}

/// A source of its own, normalised as a whole. Text that cannot be parsed is returned as it is.
pub fn normalise(source: &str, version: PythonVersion) -> String {
    let parsed = parse(source, version);
    match parsed.errors.is_empty() {
        true => parsed.normalised(source, TextRange::up_to(TextSize::of(source))),
        false => source.to_owned(),
    }
}

fn beyond_the_parser(source: &str) -> SyntaxFault {
    SyntaxFault {
        message: "brackets do not match around a line that starts with an IPython escape".to_owned(),
        start: 0,
        end: source.len(),
        kind: FaultKind::Invalid,
    }
}

fn empty_module() -> ModModule {
    match parse_unchecked("", ParseOptions::from(Mode::Ipython)).into_syntax() {
        ruff_python_ast::Mod::Module(module) => module,
        ruff_python_ast::Mod::Expression(_) => unreachable!("an empty cell parses as a module"),
    }
}

/// Byte offset of the first bracket or operator that nests deeper than CPython allows.
///
/// One pass over the bytes, past comments and plain strings. What an f-string contains may be code, so brackets in it
/// count. Everything beyond ASCII is part of a name.
fn too_deep(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    // Every level takes a byte at least.
    if bytes.len() <= MAX_BRACKETS.min(MAX_PREFIX_OPERATORS).min(MAX_OPERATORS) {
        return None;
    }
    let mut nesting = Nesting::default();
    let (mut at, mut format_end) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let offset = at;
        at += 1;
        match byte {
            b'#' if offset >= format_end => at = end_of_line(bytes, offset),
            b'"' | b'\'' if offset >= format_end => {
                let end = end_of_string(bytes, offset, byte);
                if is_format(bytes, offset) {
                    format_end = end
                } else {
                    at = end
                }
                nesting.operand();
            }
            b'(' | b'[' | b'{' => nesting.open(),
            b')' | b']' | b'}' => nesting.close(),
            b'\n' | b'\r' | b';' | b',' => nesting.next_item(byte == b','),
            b'-' | b'+' | b'~' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'<' | b'>' | b'.' => {
                nesting.operator()
            }
            b':' | b'\\' | b' ' | b'\t' | 0x0c => {}
            _ if is_part_of_name(byte) => {
                at += bytes[at..].iter().take_while(|&&byte| is_part_of_name(byte)).count();
                match &bytes[offset..at] {
                    b"lambda" => nesting.lambda(),
                    b"not" | b"await" | b"if" | b"else" | b"elif" | b"yield" => nesting.operator(),
                    _ => nesting.operand(),
                }
            }
            _ => nesting.operand(),
        }
        if nesting.is_too_deep() {
            return Some(offset);
        }
    }
    None
}

fn is_part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// How deep the syntax tree is at a place, from above.
#[derive(Default)]
struct Nesting {
    /// By open bracket: operators around the bracket in its item, and how many of them are `lambda`.
    outer: Vec<(usize, usize)>,
    /// Operators so far in the current item: `a + b + c`, `a.b.c` and `f()()` nest once per operator.
    chain: usize,
    /// Those of the bracket so far: commas separate their parameters as well as items.
    lambdas: usize,
    /// The sum of `outer`.
    around: usize,
    /// Operators without an operand between them.
    prefixes: usize,
    after_operand: bool,
}

impl Nesting {
    fn operator(&mut self) {
        self.chain += 1;
        self.prefixes += 1;
        self.after_operand = false;
    }

    fn lambda(&mut self) {
        self.operator();
        self.lambdas += 1;
    }

    fn operand(&mut self) {
        self.prefixes = 0;
        self.after_operand = true;
    }

    fn open(&mut self) {
        // A call or a subscript is an operator on what stands before it.
        self.chain += usize::from(self.after_operand);
        self.prefixes += 1;
        self.around += self.chain;
        self.outer.push((std::mem::take(&mut self.chain), std::mem::take(&mut self.lambdas)));
        self.after_operand = false;
    }

    fn close(&mut self) {
        (self.chain, self.lambdas) = self.outer.pop().unwrap_or_default();
        self.around -= self.chain;
        self.operand();
    }

    /// Items of a display nest no deeper than one of them; nor do lines, outside of brackets.
    fn next_item(&mut self, comma: bool) {
        if comma {
            self.chain = self.lambdas;
        } else if self.outer.is_empty() {
            (self.chain, self.lambdas) = (0, 0);
        }
        self.after_operand = false;
    }

    fn is_too_deep(&self) -> bool {
        self.outer.len() > MAX_BRACKETS
            || self.prefixes > MAX_PREFIX_OPERATORS
            || self.around + self.chain > MAX_OPERATORS
    }
}

/// Whether the letters before a quote make the string one that contains code.
fn is_format(bytes: &[u8], quote: usize) -> bool {
    let prefix = bytes[..quote].iter().rev().take(2).take_while(|byte| byte.is_ascii_alphabetic());
    prefix.into_iter().any(|byte| matches!(byte, b'f' | b'F' | b't' | b'T'))
}

fn end_of_line(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| start + length)
}

/// Offset just behind the string literal that opens at `start`.
fn end_of_string(bytes: &[u8], start: usize, quote: u8) -> usize {
    let triple = bytes[start..].starts_with(&[quote; 3]);
    let length = if triple { 3 } else { 1 };
    let mut at = start + length;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' if !triple => return at,
            byte if byte == quote && (!triple || bytes[at..].starts_with(&[quote; 3])) => return at + length,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(source: &str) -> Vec<FaultKind> {
        parse(source, PythonVersion { major: 3, minor: 11 }).errors.iter().map(|e| e.kind).collect()
    }

    #[test]
    fn deep_nesting_is_refused_before_the_parser_sees_it() {
        assert_eq!(faults(&"(".repeat(5000)), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "-".repeat(100_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "not ".repeat(100_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "lambda: ".repeat(100_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&"(\")\",".repeat(5000)), [FaultKind::TooDeep], "brackets in strings close nothing");
        assert_eq!(faults(&format!("f'{{{}'", "(".repeat(5000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "1+".repeat(300_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("a{}", ".b".repeat(300_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("f{}", "()".repeat(300_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "lambda x: ".repeat(100_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "lambda x, y: ".repeat(100_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}x", "x if x else ".repeat(100_000))), [FaultKind::TooDeep]);
        assert_eq!(faults(&format!("{}1", "1**".repeat(100_000))), [FaultKind::TooDeep]);
    }

    #[test]
    fn what_is_long_but_flat_is_let_through() {
        assert_eq!(faults(&format!("x = [{}]", "-1.5e-3, ".repeat(100_000))), []);
        assert_eq!(faults(&"x.y = a + b\n".repeat(20_000)), []);
        assert_eq!(faults(&format!("f({})", "k, v.w(1 + 2), ".repeat(20_000))), []);
        assert_eq!(faults(&"x = 1;".repeat(20_000)), []);
        assert_eq!(faults(&format!("{}1", "1+".repeat(2_900))), []);
        assert_eq!(faults(&format!("x = '{}'", "f(".repeat(5000))), []);
        assert_eq!(faults(&format!("x = [{}]", "\"é[\", (1), ".repeat(5000))), [], "brackets in strings open nothing");
        assert_eq!(faults(&format!("# {}", "(".repeat(5000))), []);
    }

    /// Blocks in blocks, each indented by one blank.
    fn nested(head: &str, depth: usize) -> String {
        let lines: Vec<String> = (0..depth).map(|level| format!("{}{head}\n", " ".repeat(level))).collect();
        format!("{}{}pass\n", lines.concat(), " ".repeat(depth))
    }

    #[test]
    fn blocks_nest_as_deep_as_cpython_lets_them() {
        for (head, most) in [("if 1:", 99), ("def f():", 99), ("class A:", 99), ("while 1:", 20), ("with x:", 20)] {
            assert_eq!(faults(&nested(head, most)), [], "{head}");
            assert_eq!(faults(&nested(head, most + 1)), [FaultKind::TooDeep], "{head}");
        }
        assert_eq!(faults(&nested("with x, y:", 10)), []);
        assert_eq!(faults(&nested("with x, y:", 11)), [FaultKind::TooDeep]);
        assert_eq!(faults(&nested("if 1:", 1000)), [FaultKind::TooDeep]);
        assert_eq!(faults(&nested("if 1:", 20_000)), [FaultKind::TooDeep]);
        let text = format!("x = 1 # {}\ns = \"\"\"\n{}\"\"\"\n", " ".repeat(200), nested("  text", 300));
        assert_eq!(faults(&text), []);
    }

    #[test]
    fn what_the_parser_cannot_bear_is_a_fault() {
        assert_eq!(faults("[}\n;"), [FaultKind::Invalid]);
        assert_eq!(faults("x(}\n%%"), [FaultKind::Invalid]);
    }

    #[test]
    fn ipython_syntax_is_understood() {
        assert_eq!(faults("%matplotlib inline\nx = !ls\n!echo {x}\nlen?\n"), []);
    }

    #[test]
    fn newer_syntax_is_told_from_wrong_syntax() {
        assert_eq!(faults("type X = int\n"), [FaultKind::NewerPython]);
        assert_eq!(faults("def f(:\n  pass\n").first(), Some(&FaultKind::Invalid));
    }
}
