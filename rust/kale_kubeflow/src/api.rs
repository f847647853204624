//! The REST API of Kubeflow Pipelines, v2beta1: a file per kind of thing, each with its shapes and the requests about it.
//!
//! Shapes have what is used. A server leaves out what is empty, and newer ones say more than is known here.

mod artifacts;
mod experiments;
mod health;
mod logs;
mod metadata;
mod pages;
mod pipelines;
mod recurring;
mod runs;
mod states;

pub use artifacts::ArtifactPlace;
pub use experiments::Experiment;
pub use health::Health;
pub use metadata::{OutputArtifact, TaskOutputs};
pub use pipelines::{Pipeline, PipelineRecord, Version};
pub use recurring::{NewRecurringRun, RecurringRun, Timetable, Timing, Trigger};
pub use runs::{ChildTask, NewRun, Run, RunQuery, RunSource, Runtime, Task};
pub use states::RuntimeState;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

const PREFIX: &str = "/apis/v2beta1";

/// The path of something of the API. Ids come from servers and from users.
fn path(parts: &[&str]) -> String {
    let mut path = PREFIX.to_owned();
    for part in parts {
        path.push('/');
        path.push_str(&segment(part));
    }
    path
}

/// A text as one segment of a path, whatever it holds; [`Request::url`] refuses those that lead elsewhere.
pub(crate) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let encoded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encoded).collect()
}

/// An answer that holds nothing of interest.
#[derive(Deserialize)]
struct Done {}

/// `null` is as good as nothing.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Whole numbers of 64 bits travel as texts, by the rules of protobuf; not every server keeps to them.
fn whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let value: Option<Value> = Option::deserialize(from)?;
    Ok(match value {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    })
}

/// What we put into a description, so that it can be found again: KFP itself has no key for requests that are repeated.
fn marked(description: Option<&str>, marker: &str) -> String {
    let mark = format!("[kale-rs {marker}]");
    description.filter(|text| !text.is_empty()).map_or(mark.clone(), |text| format!("{text} {mark}"))
}

fn is_marked(description: &str, marker: &str) -> bool {
    description.ends_with(&format!("[kale-rs {marker}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_within_their_segment() {
        assert_eq!(path(&["runs", "3f9a-1"]), "/apis/v2beta1/runs/3f9a-1");
        assert_eq!(path(&["runs", "../a b/c?d"]), "/apis/v2beta1/runs/..%2Fa%20b%2Fc%3Fd");
    }

    #[test]
    fn a_mark_is_found_again() {
        assert!(is_marked(&marked(Some("weekly"), "a1"), "a1") && is_marked(&marked(None, "a1"), "a1"));
        assert!(!is_marked(&marked(None, "a11"), "a1") && !is_marked("[kale-rs a1] no", "a1"));
    }
}
