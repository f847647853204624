//! IPython's cell syntax, from a cell's text to what the parser reads and what the runtime executes.
//!
//! | in the cell | what runs | what the parser reads |
//! |---|---|---|
//! | `%%pipeline ...` | nothing: the line is tags | nothing |
//! | `%%time`, `%%timeit`, `%%capture v`, `%%prun` | as it is | the body |
//! | `%%bash`, `%%python3`, unknown cell magics | as it is | blank lines |
//! | `%%html`, `%%latex` and the like, `%%writefile` | as it is | blank lines |
//! | `%time f(x)`, `y = %time f(x)` | as it is | the statement |
//! | `%pip install x`, `%pipeline run`, `kale_rs.run(...)` | nothing | nothing |
//! | `%cd`, `!ls`, `x = !ls`, `df?` | as it is | as it is |
//! | `ls -l` alone | as it is | `%ls -l` |
//!
//! `%%python3` and its like are opaque, although their bodies are Python: they run in a process of their own, so they
//! neither see the notebook's names nor bind any.

mod automagic;
mod cell_magic;
mod control;
mod draft;
mod line_magic;
mod lines;
mod options;
mod pip;
mod pipeline;
mod scan;

use std::collections::BTreeMap;

use kale_model::{CellIndex, Diagnostic, PythonVersion, Span};

use self::draft::Draft;
use self::scan::{Shape, logical_lines, words};
use crate::pragma::Pragma;
use crate::python::parse::parse;
use crate::tag::Tag;

/// A code cell, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct CellCode {
    /// What the runtime executes: the cell without leading blank lines, indent, prompts and `%%pipeline` line, and
    /// with control lines blanked. Line breaks are kept.
    pub run_source: String,
    /// What the parser reads, line for line as `run_source`: opaque code is blank, the operand of `%time` is code.
    pub python: String,
    /// Line of the cell on which `run_source` and `python` start, from 1.
    pub first_line: usize,
    pub kind: CodeKind,
    /// The first cell magic, such as `time` or `bash`.
    pub cell_magic: Option<String>,
    /// Names bound by a cell magic itself: `%%capture v`, `%%bash --out v`.
    pub binds: Vec<String>,
    /// Names read by a cell magic itself: `%%bash -s {x}`.
    pub reads: Vec<String>,
    /// What the body binds does not survive (`%%timeit`).
    pub scratch: bool,
    /// Whether running it takes IPython and not only Python.
    pub needs_ipython: bool,
    /// Requirements of `%pip install` lines, as written there.
    pub requirements: Vec<String>,
    /// Lines of the cell, from 1, that control pipelines and were blanked.
    pub control_lines: Vec<usize>,
    /// Lines of the cell, from 1, whose code in `python` is the operand of a line magic.
    pub operand_lines: Vec<usize>,
    /// What options of `%%pipeline` say beside tags.
    pub(crate) pragmas: Vec<(Pragma, Span)>,
    /// By line of `python`, from 1: what to add to a column to have the column in the cell.
    pub(crate) shifts: BTreeMap<usize, isize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// Python, perhaps in the body of `%%time` and the like.
    Python,
    /// The body of a cell magic that we cannot see into.
    Opaque { magic: String },
    /// `%%html` and the like: shows something, touches nothing.
    Display,
    /// `%%writefile PATH`.
    WriteFile { path: String, append: bool },
}

impl CellCode {
    /// Whether nothing is left to execute.
    pub fn is_empty(&self) -> bool {
        self.run_source.trim().is_empty()
    }

    /// Whether `run_source` is the cell's own text from `first_line` on, letter for letter.
    pub(crate) fn is_verbatim(&self) -> bool {
        self.shifts.is_empty() && self.control_lines.is_empty() && self.requirements.is_empty()
    }

    /// Lets the cell end in something that has no value to show.
    pub(crate) fn show_nothing(&mut self) {
        if !self.is_empty() {
            self.run_source.push_str("\nNone");
        }
    }

    pub(crate) fn shift(&self, line: usize) -> isize {
        self.shifts.get(&line).copied().unwrap_or(0)
    }
}

/// A code cell with what its magics say beside the code.
pub(crate) struct ReadCell {
    pub code: CellCode,
    /// Tags of a `%%pipeline` line, each with its place.
    pub tags: Vec<(Tag, Span)>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Whether code takes IPython's shell itself in hand, which is only there where IPython runs the code.
pub(crate) fn names_ipython(source: &str) -> bool {
    source.contains("get_ipython") || source.contains("InteractiveShell")
}

/// Whether a name occurs in Python code, outside of magics.
fn uses_name(python: &str, name: &str) -> bool {
    if !python.contains(name) {
        return false;
    }
    let lines = logical_lines(python);
    let code = lines.iter().filter(|line| matches!(line.shape, Shape::Python | Shape::Assigned(_)));
    code.flat_map(|line| words(&python[line.start..line.end])).any(|word| word == name)
}

/// Where the statements of some Python start and end, told by its lexical structure alone.
pub(crate) fn statement_starts(python: &str) -> impl Iterator<Item = (usize, usize)> {
    logical_lines(python).into_iter().map(|line| (line.start, line.end))
}

/// Reads a notebook's code cells in order: what a cell means can depend on names that earlier cells bind.
pub(crate) struct Reader {
    version: PythonVersion,
    /// The Python of earlier cells: names that they use hide magics of the same name from automagic.
    earlier: Vec<String>,
    /// For magics that were asked about: how many of the earlier cells do not use the name.
    free_in: BTreeMap<&'static str, usize>,
    control: control::Names,
}

impl Reader {
    pub fn new(version: PythonVersion) -> Reader {
        Reader { version, earlier: vec![], free_in: BTreeMap::new(), control: control::Names::default() }
    }

    /// Reads a cell that is executed, unless `skipped` (or its own `%%pipeline skip`) says that it is not.
    pub fn read(&mut self, cell: CellIndex, source: &str, skipped: bool) -> ReadCell {
        let mut draft = Draft::new(cell, source);
        draft.strip_decoration();
        draft.take_pipeline_lines();
        let skipped = skipped || draft.tags.iter().any(|(tag, _)| *tag == Tag::Skip);
        draft.take_cell_magics(self.version);
        if draft.kind == CodeKind::Python {
            if draft.automagic().is_some_and(|magic| !self.is_shadowed(magic)) {
                draft.apply_automagic();
            }
            line_magic::read(&mut draft, self.version);
            if !skipped {
                let python = self.read_control(&mut draft);
                self.earlier.push(python);
            }
        }
        draft.finish()
    }

    fn is_shadowed(&mut self, magic: &'static str) -> bool {
        let free = self.free_in.entry(magic).or_default();
        *free += self.earlier[*free..].iter().take_while(|python| !uses_name(python, magic)).count();
        *free < self.earlier.len()
    }

    /// Takes out what controls pipelines; returns the Python that is left.
    fn read_control(&mut self, draft: &mut Draft) -> String {
        self.control.add_results(std::mem::take(&mut draft.control_results));
        let python = draft.lines.python_text();
        if !self.control.may_occur_in(&python) {
            return python;
        }
        let parsed = parse(&python, self.version);
        if parsed.errors.is_empty() {
            let statements = self.control.control_statements(&parsed.module);
            draft.take_out(&python, &statements);
        }
        draft.lines.python_text()
    }
}
