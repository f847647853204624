//! `%%pipeline`, the magic that stands for tags in editors that have none.

use kale_model::{CellIndex, Code, Diagnostic, Span};

use super::options::split_words;
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

/// The tags that a `%%pipeline` line stands for, each with its place.
pub(super) fn tags(place: &Place) -> (Vec<(Tag, Span)>, Vec<Diagnostic>) {
    let mut words = split_words(place.text).into_iter();
    let magic = words.next().map_or(0, |(at, _)| at);
    let mut reader = Reader { place, tags: vec![], diagnostics: vec![] };
    match words.next() {
        None => reader.fault(magic, "%%pipeline", "says nothing about the cell", ROLES),
        Some((at, role)) => match role.as_str() {
            "step" => reader.step(at, words),
            "parameters" => reader.role(at, Tag::Parameters, words),
            "metrics" => reader.role(at, Tag::Metrics, words),
            "imports" => reader.role(at, Tag::Imports, words),
            "functions" => reader.role(at, Tag::Functions, words),
            "skip" => reader.role(at, Tag::Skip, words),
            _ => reader.fault(at, &role, "is no part that a cell can play", ROLES),
        },
    }
    (reader.tags, reader.diagnostics)
}

const ROLES: &str = "write `%%pipeline step NAME`, or one of `parameters`, `metrics`, `imports`, `functions`, `skip`";
const OPTIONS: &str = "options are `--after`, `--cpu`, `--memory`, `--gpu`, `--image`, `--retries`, `--timeout`, \
                       `--cache`, `--report`, `--limit`, `--label`, `--annotation`, `--secret`";

struct Reader<'a> {
    place: &'a Place<'a>,
    tags: Vec<(Tag, Span)>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn role(&mut self, at: usize, tag: Tag, mut rest: impl Iterator<Item = (usize, String)>) {
        self.tags.push((tag, self.span(at, 0)));
        if let Some((at, word)) = rest.next() {
            self.fault(at, &word, "has no meaning here", "only `%%pipeline step NAME` takes options");
        }
    }

    fn step(&mut self, at: usize, words: impl Iterator<Item = (usize, String)>) {
        let mut words = words.peekable();
        match words.next_if(|(_, word)| !word.starts_with("--")) {
            Some((at, name)) => self.tag(at, &name, &format!("step:{name}")),
            None => self.fault(at, "step", "names no step", "write, for example, `%%pipeline step train`"),
        }
        while let Some((at, word)) = words.next() {
            let Some(option) = word.strip_prefix("--") else {
                self.fault(at, &word, "is neither an option nor the step's name", OPTIONS);
                continue;
            };
            let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let mut values: Vec<(usize, String)> = value.map(|value| (at, value.to_owned())).into_iter().collect();
            let may_repeat = matches!(name, "after" | "prev");
            while values.is_empty() || may_repeat {
                match words.next_if(|(_, word)| !word.starts_with("--")) {
                    Some(value) => values.push(value),
                    None => break,
                }
            }
            self.option(at, name, &values);
        }
    }

    fn option(&mut self, at: usize, name: &str, values: &[(usize, String)]) {
        if !KNOWN.contains(&name) {
            return self.fault(at, &format!("--{name}"), "is no option", OPTIONS);
        }
        if values.is_empty() {
            return self.fault(at, &format!("--{name}"), "has no value", OPTIONS);
        }
        for (at, value) in values {
            match name {
                "after" | "prev" => {
                    for step in value.split(',').filter(|step| !step.is_empty()) {
                        self.tag(*at, value, &format!("prev:{step}"));
                    }
                }
                "label" | "annotation" | "limit" => {
                    self.tag(*at, value, &format!("{name}:{}", value.replacen('=', ":", 1)));
                }
                _ => self.tag(*at, value, &format!("{name}:{value}")),
            }
        }
    }

    /// Reads what stands at `at` as the tag that it means.
    fn tag(&mut self, at: usize, word: &str, tag: &str) {
        match tag.parse() {
            Ok(tag) => self.tags.push((tag, self.span(at, word.len()))),
            Err(TagError::Malformed { cause, .. }) => {
                let message = format!("`{word}` does not fit: {cause}");
                self.diagnostics.push(Diagnostic::new(Code::BadTag, message, OPTIONS).at(self.span(at, word.len())));
            }
            Err(TagError::Foreign) => self.fault(at, word, "is no option", OPTIONS),
        }
    }

    fn fault(&mut self, at: usize, word: &str, cause: &str, help: &str) {
        let message = format!("`{word}` {cause}");
        self.diagnostics.push(Diagnostic::new(Code::BadTag, message, help).at(self.span(at, word.len())));
    }

    /// The place of a word: `length` is a hint only, since quotes are not counted in it.
    fn span(&self, at: usize, length: usize) -> Span {
        let text = self.place.text;
        let word = &text[at..];
        let end = if word.starts_with(['"', '\'']) || length == 0 {
            word.find(char::is_whitespace).unwrap_or(word.len())
        } else {
            word.char_indices().map(|(offset, _)| offset).find(|offset| *offset >= length).unwrap_or(word.len())
        };
        span_in_line(self.place.cell, self.place.line, text, at, at + end)
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
