//! Pragmas: comments by which a user says what no analysis can know.
//!
//! | comment | meaning |
//! |---|---|
//! | `# kale: pure NAME ...` | calling `NAME` changes nothing that exists and has no hidden effects, in the whole notebook |
//! | `# kale: mutates NAME ...` | the cell changes the object of `NAME` in a way that its code does not show |
//! | `# kale: reads file:PATH ...` | the files that the cell reads, where its code does not show them |
//! | `# kale: writes file:PATH ...` | the files that it writes, likewise |
//! | `# kale: independent` | files, network, databases and processes that the cell uses concern no other cell |
//! | `# kale: barrier` | everything before the cell runs before it, everything after it runs after it |
//!
//! `NAME` is written as the call is: `load`, `tools.load`, `model.predict`, or `.predict` for that method of any object.
//! In `%%pipeline step NAME` they are options: `--pure load`, `--independent`. The local runner checks what can be
//! checked: an object that a `pure` call does change stops the run.

use kale_model::{Code, Diagnostic, Span};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pragma {
    Pure(String),
    Mutates(String),
    Reads(String),
    Writes(String),
    Independent,
    Barrier,
}

/// Words after `# kale:`, or an option of `%%pipeline` with its values.
pub const WORDS: [&str; 6] = ["pure", "mutates", "reads", "writes", "independent", "barrier"];

const HELP: &str =
    "Write `pure NAME`, `mutates NAME`, `reads file:PATH`, `writes file:PATH`, `independent` or `barrier`.";

/// The text of a pragma comment behind `# kale:`; `None` for any other comment.
pub fn of_comment(comment: &str) -> Option<&str> {
    comment.trim_start_matches('#').trim_start().strip_prefix("kale:")
}

/// Reads a pragma with its values, which blanks or commas separate. The fault says what is wrong.
pub fn parse(text: &str) -> Result<Vec<Pragma>, String> {
    let mut words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    let Some(word) = words.next() else { return Err("it says nothing".to_owned()) };
    let values: Vec<&str> = words.collect();
    of_values(word, &values)
}

/// One kind of pragma with its values.
pub fn of_values(word: &str, values: &[&str]) -> Result<Vec<Pragma>, String> {
    let make: fn(&str) -> Result<Pragma, String> = match word {
        "independent" | "barrier" => {
            return match values.first() {
                Some(value) => Err(format!("`{word}` stands alone, without `{value}`")),
                None if word == "barrier" => Ok(vec![Pragma::Barrier]),
                None => Ok(vec![Pragma::Independent]),
            };
        }
        "pure" => |value| callee(value).map(Pragma::Pure),
        "mutates" => |value| name(value).map(Pragma::Mutates),
        "reads" => |value| path(value).map(Pragma::Reads),
        "writes" => |value| path(value).map(Pragma::Writes),
        _ => return Err(format!("`{word}` is no pragma")),
    };
    if values.is_empty() {
        return Err(format!("`{word}` needs a value"));
    }
    values.iter().map(|value| make(value)).collect()
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

fn name(text: &str) -> Result<String, String> {
    if is_identifier(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is no name of a variable")) }
}

fn callee(text: &str) -> Result<String, String> {
    let parts = text.strip_prefix('.').unwrap_or(text);
    let parts = parts.strip_suffix("()").unwrap_or(parts);
    if parts.split('.').all(is_identifier) {
        Ok(text.strip_suffix("()").unwrap_or(text).to_owned())
    } else {
        Err(format!("`{text}` is not how a function is called"))
    }
}

fn path(text: &str) -> Result<String, String> {
    match text.strip_prefix("file:") {
        Some(path) if !path.is_empty() => Ok(path.trim_matches(['"', '\'']).to_owned()),
        _ => Err(format!("`{text}` is no file: write `file:PATH`")),
    }
}

pub fn fault(cause: &str, place: Span) -> Diagnostic {
    Diagnostic::new(Code::BadPragma, format!("This pragma has no effect: {cause}."), HELP).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(text: &str) -> Result<Vec<Pragma>, String> {
        parse(of_comment(text).expect("a pragma"))
    }

    #[test]
    fn a_comment_says_it_in_words() {
        assert_eq!(
            comment("# kale: pure f, tools.g"),
            Ok(vec![Pragma::Pure("f".into()), Pragma::Pure("tools.g".into())])
        );
        assert_eq!(comment("#kale:barrier"), Ok(vec![Pragma::Barrier]));
        assert_eq!(comment("#  kale:  reads file:a.csv"), Ok(vec![Pragma::Reads("a.csv".into())]));
        assert_eq!(comment("# kale: pure .predict()"), Ok(vec![Pragma::Pure(".predict".into())]));
        assert_eq!(of_comment("# we love kale: pure green"), None);
    }

    #[test]
    fn what_it_cannot_mean_is_told() {
        for text in
            ["# kale:", "# kale: pur f", "# kale: pure", "# kale: pure 1f", "# kale: reads a.csv", "# kale: barrier x"]
        {
            assert!(comment(text).is_err(), "{text}");
        }
    }
}
