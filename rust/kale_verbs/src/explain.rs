//! `explain`: the page of a diagnostic, or the list of all of them.

use std::cmp::Reverse;

use kale_model::{Code, Severity};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ExplainRequest {
    /// `None`: all of them.
    #[serde(default)]
    pub id: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub id: &'static str,
    pub severity: Severity,
    /// The first sentence.
    pub summary: String,
    /// All of it, as Markdown.
    pub text: String,
}

impl Page {
    fn of(code: Code) -> Page {
        let text: Vec<&str> = code.explanation().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let summary: Vec<&str> = text.iter().copied().take_while(|line| !line.is_empty()).collect();
        let summary = summary.join(" ").trim().to_owned();
        Page { id: code.id(), severity: code.severity(), summary, text: text.join("\n").trim().to_owned() }
    }
}

pub fn explain(request: &ExplainRequest) -> Result<Vec<Page>, VerbError> {
    let Some(id) = &request.id else { return Ok(Code::ALL.iter().map(|code| Page::of(*code)).collect()) };
    match id.parse::<Code>() {
        Ok(code) => Ok(vec![Page::of(code)]),
        Err(message) => Err(VerbError::usage(message, suggestion(id))),
    }
}

/// The ids that share a word with what was asked for; those that share most of it come first.
fn suggestion(id: &str) -> String {
    let words: Vec<&str> = id.split(['-', '_', ' ']).filter(|word| word.len() > 2).collect();
    let shared = |code: &Code| words.iter().filter(|word| code.id().contains(*word)).map(|word| word.len()).sum();
    let mut near: Vec<(usize, &Code)> = Code::ALL.iter().map(|code| (shared(code), code)).collect();
    near.retain(|(shared, _)| *shared > 0);
    near.sort_by_key(|(shared, _)| Reverse(*shared));
    let near: Vec<String> = near.into_iter().map(|(_, code)| format!("`{code}`")).collect();
    if near.is_empty() {
        return "`kale-rs explain` lists all of them".to_owned();
    }
    format!("did you mean {}?", near.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_diagnostic_has_a_page() {
        for page in explain(&ExplainRequest::default()).unwrap() {
            assert!(page.summary.ends_with(['.', ':']), "{}: {}", page.id, page.summary);
        }
    }

    #[test]
    fn an_unknown_id_suggests_known_ones() {
        let error = explain(&ExplainRequest { id: Some("syntax".to_owned()) }).unwrap_err();
        assert_eq!(error.help(), "did you mean `syntax-error`, `unsupported-syntax`?");
        let error = explain(&ExplainRequest { id: Some("missing-pre".to_owned()) }).unwrap_err();
        assert!(error.help().starts_with("did you mean `missing-prev`, "), "{}", error.help());
    }
}
