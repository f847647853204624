//! A cell while its magics are read, from decoration inwards.

use kale_model::{CellIndex, Code, Diagnostic, Position, PythonVersion, Span};

use super::control::{Because, Control};
use super::lines::Lines;
use super::scan::{LogicalLine, Shape, logical_lines, may_hold_escapes};
use super::{CellCode, CodeKind, ReadCell, automagic, cell_magic, line_magic, names_ipython, pipeline};
use crate::pragma::Pragma;
use crate::tag::Tag;
use crate::text::{lines_with_breaks, utf16_len};

pub(super) struct Draft<'s> {
    cell: CellIndex,
    pub lines: Lines<'s>,
    pub kind: CodeKind,
    cell_magic: Option<String>,
    binds: Vec<String>,
    reads: Vec<String>,
    scratch: bool,
    by_automagic: bool,
    pub requirements: Vec<String>,
    control_lines: Vec<usize>,
    /// Names that control lines would have bound.
    pub control_results: Vec<String>,
    operand_lines: Vec<usize>,
    pub tags: Vec<(Tag, Span)>,
    pragmas: Vec<(Pragma, Span)>,
    pub diagnostics: Vec<Diagnostic>,
}

impl<'s> Draft<'s> {
    pub fn new(cell: CellIndex, source: &'s str) -> Draft<'s> {
        Draft {
            cell,
            lines: Lines::new(source),
            kind: CodeKind::Python,
            cell_magic: None,
            binds: vec![],
            reads: vec![],
            scratch: false,
            by_automagic: false,
            requirements: vec![],
            control_lines: vec![],
            control_results: vec![],
            operand_lines: vec![],
            tags: vec![],
            pragmas: vec![],
            diagnostics: vec![],
        }
    }

    /// Blank lines, indent and prompts before the code, as IPython strips them.
    pub fn strip_decoration(&mut self) {
        self.lines.drop_leading_blanks();
        self.lines.dedent(0, true);
        self.lines.strip_prompts();
    }

    /// `%%pipeline` lines, which only the compiler reads; what they head is a cell like any other.
    pub fn take_pipeline_lines(&mut self) {
        while let Some(first) = self.lines.list.first() {
            if first.python.split_whitespace().next() != Some("%%pipeline") {
                return;
            }
            let stripped = " ".repeat(first.shift.max(0) as usize);
            let text = format!("{stripped}{}", first.python);
            let place = pipeline::Place { cell: self.cell, line: self.lines.number(0), text: &text };
            let said = pipeline::read(&place);
            self.tags.extend(said.tags);
            self.pragmas.extend(said.pragmas);
            self.diagnostics.extend(said.diagnostics);
            self.lines.drop_first(1);
            self.strip_decoration();
        }
    }

    /// Cell magics, the body of one perhaps headed by the next.
    pub fn take_cell_magics(&mut self, version: PythonVersion) {
        let mut head = 0;
        while head < self.lines.list.len() {
            if !cell_magic::opens(&self.lines.list[head].python) {
                return;
            }
            let line = self.lines.list[head].python.clone();
            let body: Vec<&str> = self.lines.list[head + 1..].iter().map(|line| &*line.python).collect();
            let Some((name, magic)) = cell_magic::parse(&line, &body.join("\n")) else { return };
            self.binds.extend(magic.binds);
            self.reads.extend(magic.reads);
            self.scratch |= magic.scratch;
            self.lines.hide(head);
            if magic.kind != CodeKind::Python {
                for index in head..self.lines.list.len() {
                    self.lines.hide(index);
                }
                self.note_opaque(head, &name, &magic.kind);
                self.kind = magic.kind;
                self.cell_magic.get_or_insert(name);
                return;
            }
            if let Some(setup) = magic.setup {
                self.expose_setup(head, &line, setup, version);
            }
            self.cell_magic.get_or_insert(name);
            head += 1;
            head += self.lines.list[head..].iter().take_while(|line| line.python.trim().is_empty()).count();
            self.lines.dedent(head, false);
        }
    }

    /// `%%timeit x = 1`: code on the magic's own line runs before the body.
    fn expose_setup(&mut self, head: usize, line: &str, setup: usize, version: PythonVersion) {
        if line_magic::opening("time", &line[setup..], version).is_some() {
            let physical = &mut self.lines.list[head];
            physical.python = line[setup..].to_owned().into();
            physical.shift += utf16_len(&line[..setup]) as isize;
        }
    }

    fn note_opaque(&mut self, head: usize, name: &str, kind: &CodeKind) {
        if let CodeKind::Opaque { .. } = kind {
            let message = format!("the compiler cannot see into `%%{name}`; the cell is kept as it is");
            let help = "it is ordered with every other cell that touches files; code in Python can run in parallel";
            let span = self.line_span(head);
            self.diagnostics.push(Diagnostic::new(Code::OpaqueCode, message, help).at(span));
        }
    }

    /// The magic that IPython would take the cell for: one line that starts with a magic's name.
    pub fn automagic(&self) -> Option<&'static str> {
        match &self.lines.list[..] {
            [line] if self.cell_magic.is_none() => automagic::called(&line.python),
            _ => None,
        }
    }

    /// Makes that magic's escape explicit.
    pub fn apply_automagic(&mut self) {
        let Some(line) = self.lines.list.first_mut() else { return };
        line.python.to_mut().insert(0, '%');
        line.shift -= 1;
        self.by_automagic = true;
    }

    /// Takes out a line magic of ours.
    pub fn take_out_line(&mut self, line: &LogicalLine, what: &str) {
        let span = self.line_span(line.first);
        self.note_control(span, line.first, line.last, format!("{what} controls pipelines"));
        self.lines.blank(line.first, line.last);
    }

    /// Takes out statements, given by their ranges in `python`.
    pub fn take_out(&mut self, python: &str, statements: &[Control]) {
        let mut starts = vec![0];
        for line in lines_with_breaks(python) {
            starts.push(starts[starts.len() - 1] + line.len());
        }
        let locate = |offset: usize| {
            let line = starts.partition_point(|start| *start <= offset) - 1;
            let line = line.min(self.lines.list.len() - 1);
            (line, (offset - starts[line]).min(self.lines.list[line].python.len()))
        };
        let places: Vec<_> = statements
            .iter()
            .map(|control| (locate(control.range.start().to_usize()), locate(control.range.end().to_usize())))
            .collect();
        for (control, (start, end)) in statements.iter().zip(&places) {
            let why = match &control.because {
                Because::Calls(verb) => format!("`{verb}` controls pipelines"),
                Because::Uses(name) => format!("`{name}` comes from a statement that controls pipelines"),
            };
            let span = Span { cell: self.cell, start: self.position(*start), end: self.position(*end) };
            self.note_control(span, start.0, end.0, why);
        }
        // From the last to the first, so that the places of the others stay right.
        for (start, end) in places.into_iter().rev() {
            self.cut(start, end);
        }
    }

    fn cut(&mut self, (first, from): (usize, usize), (last, to): (usize, usize)) {
        let list = &mut self.lines.list;
        let before = list[first].python[..from].to_owned();
        let after = list[last].python[to..].to_owned();
        let rest = after.trim_start();
        if before.trim().is_empty() && (rest.is_empty() || rest == ";" || rest.starts_with('#')) {
            self.lines.blank(first, last);
        } else if first == last {
            let padding = utf16_len(&list[first].python[from..to]).saturating_sub(4);
            list[first].set_both(format!("{before}pass{}{after}", " ".repeat(padding)));
        } else {
            let indent = list[first].indent().to_owned();
            for line in &mut list[first + 1..last] {
                line.set_both(String::new());
            }
            list[first].set_both(format!("{before}pass"));
            let rest = rest.trim_start_matches([';', ' ']);
            list[last].set_both(if rest.is_empty() { String::new() } else { format!("{indent}{rest}") });
        }
    }

    fn note_control(&mut self, span: Span, first: usize, last: usize, why: String) {
        let message = format!("{why} and is no part of one, so this is left out");
        let help = "nothing has to be done; in the notebook it works as before";
        self.diagnostics.push(Diagnostic::new(Code::ControlLine, message, help).at(span));
        self.control_lines.extend((first..=last).map(|index| self.lines.number(index)));
    }

    pub fn note_operand(&mut self, first: usize, last: usize) {
        self.operand_lines.extend((first..=last).map(|index| self.lines.number(index)));
    }

    fn position(&self, (line, offset): (usize, usize)) -> Position {
        let physical = &self.lines.list[line];
        let column = utf16_len(&physical.python[..offset]) as isize + 1 + physical.shift;
        Position { line: self.lines.number(line), column: column.max(1) as usize }
    }

    /// A physical line from its indent to its end, as it runs.
    pub fn line_span(&self, index: usize) -> Span {
        let line = &self.lines.list[index];
        let indent = line.run.len() - line.run.trim_start().len();
        let at = |offset: usize| {
            let column = utf16_len(&line.run[..offset]) as isize + 1 + line.shift.max(0);
            Position { line: self.lines.number(index), column: column as usize }
        };
        Span { cell: self.cell, start: at(indent), end: at(line.run.trim_end().len().max(indent)) }
    }

    pub fn finish(self) -> ReadCell {
        let run_source = self.lines.run_text();
        let has_escapes = || {
            may_hold_escapes(&run_source) && logical_lines(&run_source).iter().any(|line| line.shape != Shape::Python)
        };
        let nothing_left = run_source.trim().is_empty();
        let needs_ipython = !nothing_left
            && (self.cell_magic.is_some() || self.by_automagic || names_ipython(&run_source) || has_escapes());
        let code = CellCode {
            python: self.lines.python_text(),
            first_line: self.lines.first_line,
            kind: self.kind,
            cell_magic: self.cell_magic,
            binds: self.binds,
            reads: self.reads,
            scratch: self.scratch,
            needs_ipython,
            requirements: self.requirements,
            control_lines: self.control_lines,
            operand_lines: self.operand_lines,
            shifts: self.lines.shifts(),
            pragmas: self.pragmas,
            run_source,
        };
        ReadCell { code, tags: self.tags, diagnostics: self.diagnostics }
    }
}
