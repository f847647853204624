//! `%%pipeline`, the magic that stands for tags (and pragma comments) in editors that have none.

use kale_model::{CellIndex, Code, Diagnostic, Span};

use super::options::{Word, split_words};
use crate::pragma::{self, Pragma};
use crate::tag::{Tag, TagError};
use crate::text::span_in_line;

/// Where a `%%pipeline` line is.
pub(super) struct Place<'a> {
    pub cell: CellIndex,
    /// From 1.
    pub line: usize,
    /// The whole line as the user sees it.
    pub text: &'a str,
}

/// What a `%%pipeline` line says, each with its place.
#[derive(Default)]
pub(super) struct Said {
    pub tags: Vec<(Tag, Span)>,
    pub pragmas: Vec<(Pragma, Span)>,
    pub diagnostics: Vec<Diagnostic>,
}

pub(super) fn read(place: &Place) -> Said {
    let words = split_words(place.text);
    let mut reader = Reader { place, said: Said::default() };
    match &words[..] {
        [] => {}
        [magic] => reader.fault(magic, "says nothing about the cell", ROLES),
        [_, role, rest @ ..] => match role.text.as_str() {
            "step" => reader.step(role, rest),
            "parameters" => reader.role(role, Tag::Parameters, rest),
            "metrics" => reader.role(role, Tag::Metrics, rest),
            "imports" => reader.role(role, Tag::Imports, rest),
            "functions" => reader.role(role, Tag::Functions, rest),
            "skip" => reader.role(role, Tag::Skip, rest),
            _ => reader.fault(role, "is no part that a cell can play", ROLES),
        },
    }
    reader.said
}

const ROLES: &str = "write `%%pipeline step NAME`, or one of `parameters`, `metrics`, `imports`, `functions`, `skip`";
const OPTIONS: &str = "options are `--after`, `--cpu`, `--memory`, `--gpu`, `--image`, `--retries`, `--timeout`, \
                       `--cache`, `--report`, `--limit`, `--label`, `--annotation`, `--secret`, `--pure`, `--mutates`, \
                       `--reads`, `--writes`, `--independent`, `--barrier`";

struct Reader<'a> {
    place: &'a Place<'a>,
    said: Said,
}

impl Reader<'_> {
    fn role(&mut self, word: &Word, tag: Tag, rest: &[Word]) {
        self.said.tags.push((tag, self.span(word)));
        if let Some(word) = rest.first() {
            self.fault(word, "has no meaning here", "only `%%pipeline step NAME` takes options");
        }
    }

    fn step(&mut self, role: &Word, words: &[Word]) {
        let mut words = words.iter().peekable();
        match words.next_if(|word| !word.text.starts_with("--")) {
            Some(name) => self.tag(name, &name.text, &format!("step:{}", name.text)),
            None => self.fault(role, "names no step", "write, for example, `%%pipeline step train`"),
        }
        while let Some(word) = words.next() {
            let Some(option) = word.text.strip_prefix("--") else {
                self.fault(word, "is neither an option nor the step's name", OPTIONS);
                continue;
            };
            let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let mut values: Vec<(&Word, &str)> = value.map(|value| (word, value)).into_iter().collect();
            let may_repeat = matches!(name, "after" | "prev") || pragma::WORDS.contains(&name);
            while values.is_empty() || may_repeat {
                match words.next_if(|word| !word.text.starts_with("--")) {
                    Some(value) => values.push((value, &value.text)),
                    None => break,
                }
            }
            self.option(word, name, &values);
        }
    }

    fn option(&mut self, option: &Word, name: &str, values: &[(&Word, &str)]) {
        if pragma::WORDS.contains(&name) {
            return self.pragma(option, name, values);
        }
        if !KNOWN.contains(&name) {
            return self.fault(option, "is no option", OPTIONS);
        }
        if values.is_empty() {
            return self.fault(option, "has no value", OPTIONS);
        }
        for (word, value) in values {
            match name {
                "after" | "prev" => {
                    for step in value.split(',').filter(|step| !step.is_empty()) {
                        self.tag(&self.part(word, step), step, &format!("prev:{step}"));
                    }
                }
                "label" | "annotation" | "limit" => {
                    self.tag(word, value, &format!("{name}:{}", value.replacen('=', ":", 1)));
                }
                _ => self.tag(word, value, &format!("{name}:{value}")),
            }
        }
    }

    fn pragma(&mut self, option: &Word, name: &str, values: &[(&Word, &str)]) {
        let values: Vec<&str> = values.iter().flat_map(|(_, value)| value.split(',')).collect();
        let span = self.span(option);
        match pragma::of_values(name, &values) {
            Ok(found) => self.said.pragmas.extend(found.into_iter().map(|pragma| (pragma, span))),
            Err(cause) => self.said.diagnostics.push(pragma::fault(&cause, span)),
        }
    }

    /// A part of a word, such as the `b` of `--after=a,b`.
    fn part(&self, word: &Word, part: &str) -> Word {
        let whole = &self.place.text[word.start..word.end];
        let names = whole.split(['=', ',', '"', '\'']).find(|name| *name == part);
        let start = names.map_or(word.start, |name| word.start + (name.as_ptr() as usize - whole.as_ptr() as usize));
        let end = names.map_or(word.end, |name| start + name.len());
        Word { start, end, text: part.to_owned() }
    }

    /// Reads a value as the tag that it means.
    fn tag(&mut self, word: &Word, value: &str, tag: &str) {
        match tag.parse() {
            Ok(tag) => self.said.tags.push((tag, self.span(word))),
            Err(TagError::Malformed { cause, .. }) => {
                let message = format!("`{value}` does not fit: {cause}");
                self.said.diagnostics.push(Diagnostic::new(Code::BadTag, message, OPTIONS).at(self.span(word)));
            }
            Err(TagError::Foreign) => self.fault(word, "is no option", OPTIONS),
        }
    }

    fn fault(&mut self, word: &Word, cause: &str, help: &str) {
        let message = format!("`{}` {cause}", word.text);
        self.said.diagnostics.push(Diagnostic::new(Code::BadTag, message, help).at(self.span(word)));
    }

    fn span(&self, word: &Word) -> Span {
        span_in_line(self.place.cell, self.place.line, self.place.text, word.start, word.end)
    }
}

const KNOWN: [&str; 14] = [
    "after",
    "prev",
    "cpu",
    "memory",
    "gpu",
    "image",
    "retries",
    "timeout",
    "cache",
    "report",
    "limit",
    "label",
    "annotation",
    "secret",
];
