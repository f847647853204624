//! Texts that are nearly one of our tags, and what was likely meant.
//!
//! Tags are shared with other tools, so a guess needs evidence. A word counts as a slip of the pen only when few letters
//! differ, and a key without its colon (`step load`) only when the value is one that the key accepts.

use super::{Tag, TagError};
use crate::spelling::nearest;

/// Tags that stand for themselves.
const WORDS: [&str; 6] = ["imports", "functions", "pipeline-parameters", "parameters", "pipeline-metrics", "skip"];

/// Keys of tags with a value.
const KEYS: [&str; 16] = [
    "step",
    "block",
    "prev",
    "annotation",
    "label",
    "limit",
    "cpu",
    "memory",
    "gpu",
    "image",
    "cache",
    "report",
    "secret",
    "retries",
    "timeout",
    "notebook",
];

/// Keys whose values follow rules so narrow that `KEY VALUE` is no prose.
const STRICT_KEYS: [&str; 11] =
    ["step", "block", "prev", "limit", "cpu", "memory", "gpu", "cache", "report", "retries", "timeout"];

/// Short for one of ours, as people write it.
const SHORT: [(&str, &str); 6] = [
    ("param", "pipeline-parameters"),
    ("params", "pipeline-parameters"),
    ("pipeline-param", "pipeline-parameters"),
    ("pipeline-params", "pipeline-parameters"),
    ("metrics", "pipeline-metrics"),
    ("metric", "pipeline-metrics"),
];

/// A text that is no tag of ours, and the one it resembles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The tag that was likely meant.
    pub meant: String,
    /// Whether that is a whole tag, and not one with a value still to be mended.
    pub valid: bool,
}

/// What a foreign text was likely meant to be.
pub fn near_miss(text: &str) -> Option<NearMiss> {
    let meant = match text.split_once(':') {
        Some((key, value)) => keyed(key, value),
        None => single(text).or_else(|| without_colon(text)),
    }?;
    let valid = meant.parse::<Tag>().is_ok();
    (meant != text.trim()).then_some(NearMiss { meant, valid })
}

/// The same tag with its step's name made a valid one: `step:Load data` to `step:load_data`.
pub fn with_valid_name(text: &str) -> Option<String> {
    let (key, value) = text.trim().split_once(':')?;
    let is_name =
        matches!(key, "step" | "block" | "prev") && matches!(text.parse::<Tag>(), Err(TagError::Malformed { .. }));
    let name = kale_model::StepName::slug(value.trim()).filter(|_| is_name)?;
    Some(format!("{key}:{name}"))
}

fn single(text: &str) -> Option<String> {
    let word = text.trim().to_lowercase().replace(['_', ' '], "-");
    let short = SHORT.iter().find(|(short, _)| *short == word).map(|(_, meant)| *meant);
    short.or_else(|| nearest(&word, &WORDS)).map(str::to_owned)
}

fn keyed(key: &str, value: &str) -> Option<String> {
    let key = key.trim().to_lowercase();
    nearest(&key, &KEYS).map(|meant| format!("{meant}:{}", value.trim()))
}

/// `step load`, `prev = load`.
fn without_colon(text: &str) -> Option<String> {
    let (key, value) = text.trim().split_once(['=', ' ', '\t'])?;
    let key = nearest(&key.trim().to_lowercase(), &STRICT_KEYS)?;
    let meant = format!("{key}:{}", value.trim().trim_start_matches('=').trim_start());
    meant.parse::<Tag>().is_ok().then_some(meant)
}
