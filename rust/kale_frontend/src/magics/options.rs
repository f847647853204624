//! Options on the lines of magics.

use std::collections::BTreeMap;

/// A word of a magic's line, with its byte range there; quotes count for the range and not for the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// Words of a line as a shell would split them: blanks separate, quotes hold together.
pub(super) fn split_words(line: &str) -> Vec<Word> {
    let mut words: Vec<Word> = vec![];
    let mut quote = None;
    let mut inside = false;
    for (at, c) in line.char_indices() {
        if quote.is_none() && c.is_whitespace() {
            inside = false;
            continue;
        }
        if !inside {
            inside = true;
            words.push(Word { start: at, end: at, text: String::new() });
        }
        let Some(word) = words.last_mut() else { continue };
        word.end = at + c.len_utf8();
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => word.text.push(c),
        }
    }
    words
}

/// The arguments of a cell magic that is told nothing about: options, their values, and the rest.
///
/// A value is what follows `=`, or the next word; a word may so count as value and as positional, since only the
/// magic itself knows whether its option takes one.
#[derive(Default)]
pub(super) struct Arguments {
    pub flags: Vec<String>,
    pub positional: Vec<String>,
    values: BTreeMap<String, Vec<String>>,
}

impl Arguments {
    pub fn parse(line: &str) -> Arguments {
        let mut arguments = Arguments::default();
        let mut option: Option<String> = None;
        for Word { text: word, .. } in split_words(line) {
            let name = word.trim_start_matches('-');
            if word.starts_with('-') && !name.is_empty() {
                let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
                arguments.flags.push(name.to_owned());
                match value {
                    Some(value) => arguments.add(name, value),
                    None => option = Some(name.to_owned()),
                }
                continue;
            }
            if let Some(option) = option.take() {
                arguments.add(&option, &word);
            }
            arguments.positional.push(word);
        }
        arguments
    }

    fn add(&mut self, option: &str, values: &str) {
        self.values.entry(option.to_owned()).or_default().extend(values.split(',').map(str::to_owned));
    }

    pub fn values(&self, option: &str) -> Vec<String> {
        self.values.get(option).cloned().unwrap_or_default()
    }
}

/// Single-letter options of the magics that run a statement; those followed by `:` take a value.
fn letters(magic: &str) -> Option<&'static str> {
    match magic {
        "time" => Some(""),
        "timeit" => Some("n:r:tcp:qov:"),
        "prun" => Some("D:l:rs:T:q"),
        "memit" => Some("r:t:i:co"),
        "lprun" | "mprun" => Some("f:m:D:T:rsu:c"),
        _ => None,
    }
}

pub(super) fn runs_statement(magic: &str) -> bool {
    letters(magic).is_some()
}

/// Byte offset in `line`, the text after a magic's name, at which its options end and its statement begins.
pub(super) fn operand(magic: &str, line: &str) -> usize {
    let letters = letters(magic).unwrap_or("");
    let mut at = 0;
    loop {
        at += line[at..].len() - line[at..].trim_start().len();
        let word = line[at..].split_whitespace().next().unwrap_or("");
        match option_length(&line[at..], word, letters) {
            Some(length) => at += length,
            None => return at,
        }
    }
}

/// Length of the option (with its value) that `rest` begins with.
fn option_length(rest: &str, word: &str, letters: &str) -> Option<usize> {
    let cluster = word.strip_prefix('-').filter(|cluster| !cluster.is_empty())?;
    for (at, letter) in cluster.char_indices() {
        let found = letters.find(letter).filter(|_| letter != ':')?;
        if letters[found + 1..].starts_with(':') {
            if at + 1 < cluster.len() {
                return Some(word.len());
            }
            let after = &rest[word.len()..];
            let blanks = after.len() - after.trim_start().len();
            let value = after[blanks..].split_whitespace().next().unwrap_or("");
            return Some(word.len() + blanks + value.len());
        }
    }
    Some(word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_starts_after_the_options() {
        let after = |magic: &str, line: &'static str| line[operand(magic, line)..].to_owned();
        assert_eq!(after("timeit", " -n 10 -r3 f(x)"), "f(x)");
        assert_eq!(after("timeit", " -qo -x"), "-x");
        assert_eq!(after("time", " -x + 1"), "-x + 1");
        assert_eq!(after("prun", " -s cumulative -l 10 f()"), "f()");
        assert_eq!(after("timeit", " -n"), "");
        assert_eq!(after("timeit", " -é f"), "-é f");
    }

    #[test]
    fn quotes_hold_words_together() {
        let words: Vec<String> = split_words("a 'b c' --d=\"e f\" \"\"").into_iter().map(|word| word.text).collect();
        assert_eq!(words, ["a", "b c", "--d=e f", ""]);
    }
}
