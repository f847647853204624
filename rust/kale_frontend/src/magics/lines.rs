//! A cell's lines while its magics are taken apart: beside each other what runs and what the parser reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::text::{lines_with_breaks, utf16_len, without_break};

pub(super) struct Line<'s> {
    pub run: Cow<'s, str>,
    pub python: Cow<'s, str>,
    line_break: &'s str,
    /// What to add to a column of `python` to have the column in the cell.
    pub shift: isize,
}

pub(super) struct Lines<'s> {
    pub list: Vec<Line<'s>>,
    /// Line of the cell that the first line is, from 1.
    pub first_line: usize,
}

impl<'s> Lines<'s> {
    pub fn new(source: &'s str) -> Lines<'s> {
        let line = |text: &'s str| {
            let code = without_break(text);
            // A lone `\r` would join a `\n` behind an emptied line; Python reads both alike.
            let line_break = if text.ends_with('\r') { "\n" } else { &text[code.len()..] };
            Line { run: code.into(), python: code.into(), line_break, shift: 0 }
        };
        Lines { list: lines_with_breaks(source).into_iter().map(line).collect(), first_line: 1 }
    }

    pub fn run_text(&self) -> String {
        self.text(|line| &line.run)
    }

    pub fn python_text(&self) -> String {
        self.text(|line| &line.python)
    }

    fn text<'l>(&'l self, code: impl Fn(&'l Line<'s>) -> &'l str) -> String {
        let bytes = self.list.iter().map(|line| code(line).len() + line.line_break.len()).sum();
        let mut text = String::with_capacity(bytes);
        self.list.iter().for_each(|line| text.extend([code(line), line.line_break]));
        text
    }

    pub fn shifts(&self) -> BTreeMap<usize, isize> {
        let numbered = self.list.iter().enumerate();
        numbered.filter(|(_, line)| line.shift != 0).map(|(index, line)| (index + 1, line.shift)).collect()
    }

    /// The line of the cell, from 1.
    pub fn number(&self, index: usize) -> usize {
        self.first_line + index
    }

    pub fn drop_first(&mut self, count: usize) {
        self.list.drain(..count);
        self.first_line += count;
    }

    /// Drops blank lines at the start, so that the runtime's line numbers do not depend on who strips them.
    pub fn drop_leading_blanks(&mut self) {
        let blanks = self.list.iter().take_while(|line| line.run.trim().is_empty()).count();
        if blanks < self.list.len() {
            self.drop_first(blanks);
        }
    }

    /// Removes the first line's indent from every line that has it, as IPython does.
    pub fn dedent(&mut self, from: usize, run_too: bool) {
        let Some(first) = self.list.get(from) else { return };
        let indent: String = first.python.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        if indent.is_empty() {
            return;
        }
        for line in &mut self.list[from..] {
            line.strip_prefix(indent.len(), run_too, |python| python.starts_with(&indent));
        }
    }

    /// Removes the prompts of pasted sessions (`>>> `, `In [3]: `), as IPython does.
    pub fn strip_prompts(&mut self) {
        let mut kinds = self.list.iter().take(2).filter_map(|line| prompt_kind(&line.python));
        let Some(length) = kinds.next() else { return };
        for line in &mut self.list {
            let prompt = length(&line.python);
            line.strip_prefix(prompt, true, |_| true);
        }
    }

    /// Makes a line empty for the parser only.
    pub fn hide(&mut self, index: usize) {
        self.list[index].python = Cow::Borrowed("");
        self.list[index].shift = 0;
    }

    /// Takes a logical line out of the cell. In an indented block a `pass` stays, lest the block be empty.
    pub fn blank(&mut self, first: usize, last: usize) {
        let indent = self.list[first].indent().to_owned();
        for line in &mut self.list[first..=last] {
            line.set_both(String::new());
        }
        if !indent.is_empty() {
            self.list[first].set_both(format!("{indent}pass"));
        }
    }
}

impl Line<'_> {
    pub fn indent(&self) -> &str {
        &self.python[..self.python.len() - self.python.trim_start_matches([' ', '\t']).len()]
    }

    pub fn set_both(&mut self, text: String) {
        self.run = Cow::Owned(text.clone());
        self.python = Cow::Owned(text);
    }

    fn strip_prefix(&mut self, bytes: usize, run_too: bool, applies: impl Fn(&str) -> bool) {
        if bytes == 0 || !applies(&self.python) {
            return;
        }
        self.shift += utf16_len(&self.python[..bytes]) as isize;
        if run_too {
            cut(&mut self.run, bytes);
        }
        cut(&mut self.python, bytes);
    }
}

fn cut(text: &mut Cow<str>, bytes: usize) {
    match text {
        Cow::Borrowed(text) => *text = &text[bytes..],
        Cow::Owned(text) => drop(text.drain(..bytes)),
    }
}

/// How to measure prompts of the kind that a line opens with.
fn prompt_kind(line: &str) -> Option<fn(&str) -> usize> {
    let is_classic = line == ">>>" || line.starts_with(">>> ");
    if is_classic {
        Some(classic_prompt)
    } else if ipython_prompt(line) > 0 {
        Some(ipython_prompt)
    } else {
        None
    }
}

fn classic_prompt(line: &str) -> usize {
    let prompt = line.starts_with(">>>") || line.starts_with("...");
    match line.as_bytes().get(3) {
        _ if !prompt => 0,
        None => 3,
        Some(b' ') => 4,
        Some(_) => 0,
    }
}

fn ipython_prompt(line: &str) -> usize {
    if let Some(rest) = line.strip_prefix("In [") {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        return if digits > 0 && rest[digits..].starts_with("]: ") { 4 + digits + 3 } else { 0 };
    }
    let inner = line.trim_start_matches(' ');
    let dots = inner.bytes().take_while(|b| *b == b'.').count();
    if dots < 3 || !inner[dots..].starts_with(':') {
        return 0;
    }
    let length = line.len() - inner.len() + dots + 1;
    length + usize::from(line[length..].starts_with(' '))
}
