//! What a reader sees of a cell's outputs, in a form that can be compared: streams joined, counters and addresses out.

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Visible {
    streams: BTreeMap<String, String>,
    /// Displays, results and errors, by type of their data.
    shown: Vec<BTreeMap<String, String>>,
}

impl Visible {
    pub fn of(outputs: &[Value]) -> Visible {
        let mut visible = Visible::default();
        for output in outputs {
            match output["output_type"].as_str() {
                Some("stream") => {
                    let stream = visible.streams.entry(text(&output["name"])).or_default();
                    stream.push_str(&text(&output["text"]));
                }
                Some("error") => {
                    let error = [("error".to_owned(), text(&output["ename"]))];
                    visible.shown.push(BTreeMap::from(error));
                }
                _ => {
                    let data = output["data"].as_object().into_iter().flatten();
                    visible.shown.push(data.map(|(kind, data)| (kind.clone(), plain(&text(data)))).collect());
                }
            }
        }
        for stream in visible.streams.values_mut() {
            *stream = plain(stream);
        }
        // Python shows a warning once per process, and a pipeline has several.
        visible.streams.remove("stderr");
        visible
    }

    /// How the pipeline's outputs differ from these, which are the notebook's.
    pub fn difference(&self, pipeline: &Visible) -> Option<String> {
        for name in self.streams.keys().chain(pipeline.streams.keys()) {
            let (theirs, ours) = (self.streams.get(name), pipeline.streams.get(name));
            if theirs != ours {
                let (theirs, ours) = first_difference(theirs, ours);
                return Some(format!("prints {theirs}, and the pipeline {ours}"));
            }
        }
        if self.shown.len() != pipeline.shown.len() {
            return Some(format!("displays {} things, and the pipeline {}", self.shown.len(), pipeline.shown.len()));
        }
        let differing = self.shown.iter().zip(&pipeline.shown).find(|(theirs, ours)| theirs != ours)?;
        let kind = differing
            .0
            .keys()
            .chain(differing.1.keys())
            .find(|kind| differing.0.get(*kind) != differing.1.get(*kind))?;
        let (theirs, ours) = first_difference(differing.0.get(kind), differing.1.get(kind));
        Some(format!("displays {theirs} ({kind}), and the pipeline {ours}"))
    }
}

/// The first line that differs, of both.
fn first_difference(theirs: Option<&String>, ours: Option<&String>) -> (String, String) {
    let lines = |text: Option<&String>| -> Vec<String> {
        text.into_iter().flat_map(|t| t.lines()).map(str::to_owned).collect()
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    let at = (0..theirs.len().max(ours.len())).find(|&at| theirs.get(at) != ours.get(at));
    let line = |lines: &[String]| at.and_then(|at| lines.get(at)).map_or("nothing".to_owned(), |line| quoted(line));
    (line(&theirs), line(&ours))
}

fn quoted(line: &str) -> String {
    const SHOWN: usize = 60;
    let short: String = line.chars().take(SHOWN).collect();
    let more = if short.len() < line.len() { "..." } else { "" };
    format!("`{short}{more}`")
}

/// A text, or a list of its lines; other JSON as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) if lines.iter().all(Value::is_string) => lines.iter().filter_map(Value::as_str).collect(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Without memory addresses, and without the numbers that scikit-learn gives to its pictures of estimators: it counts
/// them per process.
fn plain(text: &str) -> String {
    type Part = fn(char) -> bool;
    const COUNTED: &[(&str, Part)] = &[
        ("0x", |c| c.is_ascii_hexdigit()),
        ("sk-container-id-", |c| c.is_ascii_digit()),
        ("sk-estimator-id-", |c| c.is_ascii_digit()),
    ];
    let mut out = text.trim_end().to_owned();
    for (mark, is_part) in COUNTED {
        let mut parts = out.split(mark);
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            plain.push_str(mark);
            plain.push_str(part.trim_start_matches(*is_part));
        }
        out = plain;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stream(text: &str) -> Value {
        json!({"output_type": "stream", "name": "stdout", "text": text})
    }

    #[test]
    fn streams_are_joined_and_addresses_left_out() {
        let one = Visible::of(&[stream("<f at 0x7fa0>\n"), stream("b\n")]);
        let other =
            Visible::of(&[json!({"output_type": "stream", "name": "stdout", "text": ["<f at 0x7ff1>\n", "b"]})]);
        assert_eq!(one.difference(&other), None);
    }

    #[test]
    fn the_first_difference_is_told() {
        let shown = |text: &str| {
            Visible::of(&[stream("a\nb"), json!({"output_type": "execute_result", "data": {"text/plain": text}})])
        };
        assert_eq!(shown("1").difference(&shown("2")).unwrap(), "displays `1` (text/plain), and the pipeline `2`");
        let silent = Visible::of(&[]);
        assert_eq!(shown("1").difference(&silent).unwrap(), "prints `a`, and the pipeline nothing");
    }
}
