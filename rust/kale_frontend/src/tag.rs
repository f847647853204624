//! The tag grammar: Kale's tags and ours, from text to values and back.
//!
//! | tag | meaning |
//! |---|---|
//! | `imports`, `functions` | definitions that every step may need |
//! | `pipeline-parameters`, papermill's `parameters` | literals that a run may override |
//! | `pipeline-metrics` | statements whose values are the run's metrics |
//! | `skip` | no part of the pipeline |
//! | `step:NAME`, older `block:NAME` | the step that the cell belongs to |
//! | `prev:NAME` | the step runs after step NAME |
//! | `annotation:KEY:VALUE`, `label:KEY:VALUE` | Kubernetes metadata of the step; an annotation may hold colons |
//! | `limit:RESOURCE:AMOUNT` | resource limit: `limit:memory:2Gi`, `limit:nvidia.com/gpu:1` |
//! | `cpu:AMOUNT`, `memory:AMOUNT`, `gpu:COUNT` | short for `limit:cpu:`, `limit:memory:`, `limit:nvidia.com/gpu:` |
//! | `image:REF` | container image |
//! | `cache:enabled`, `cache:disabled` | whether stored results may be reused |
//! | `report:enabled`, `report:disabled` | whether the step writes a report |
//! | `secret:NAME:KEY:ENV` | KEY of Kubernetes secret NAME in environment variable ENV |
//! | `retries:N`, `timeout:TIME` | run again on failure; limit to 90, `90s`, `30m`, `2h`, `1h30m` |
//! | `notebook:NAME` | another notebook as a step |
//!
//! Everything else is foreign (`hide-input`, `remove-cell`, a grader's tags) and none of our business, unless it is so
//! close to one of ours that it must be a slip ([`near_miss`]).

mod config;
mod near;
mod values;

use std::fmt;
use std::str::FromStr;

use kale_model::{Quantity, SecretVariable, StepName};

pub use config::{StepTag, conflict, step_config};
pub use near::{NearMiss, near_miss, with_valid_name};

pub(crate) const GPU: &str = "nvidia.com/gpu";

#[derive(Clone, Debug, PartialEq)]
pub enum Tag {
    Imports,
    Functions,
    Parameters,
    Metrics,
    Skip,
    Step(StepName),
    Prev(StepName),
    /// Another notebook as a step, by name.
    Notebook(String),
    /// How the step is to be run.
    Config(StepTag),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagError {
    /// Not one of our tags.
    Foreign,
    /// One of our tags, malformed.
    Malformed {
        /// What is wrong with it.
        cause: String,
        /// What to write instead.
        help: String,
    },
}

pub(crate) fn malformed(cause: impl Into<String>, help: impl Into<String>) -> TagError {
    TagError::Malformed { cause: cause.into(), help: help.into() }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Tag, TagError> {
        let text = text.trim();
        match text {
            "imports" => return Ok(Tag::Imports),
            "functions" => return Ok(Tag::Functions),
            "pipeline-parameters" | "parameters" => return Ok(Tag::Parameters),
            "pipeline-metrics" => return Ok(Tag::Metrics),
            "skip" => return Ok(Tag::Skip),
            _ => {}
        }
        let (key, value) = text.split_once(':').ok_or(TagError::Foreign)?;
        let value = value.trim();
        match key {
            "step" | "block" => step_name(key, value).map(Tag::Step),
            "prev" => step_name(key, value).map(Tag::Prev),
            "notebook" if value.is_empty() => Err(malformed("it names no notebook", "write `notebook:NAME`")),
            "notebook" => Ok(Tag::Notebook(value.to_owned())),
            _ => StepTag::parse(key, value).map(Tag::Config),
        }
    }
}

fn step_name(key: &str, value: &str) -> Result<StepName, TagError> {
    value.parse::<StepName>().map_err(|error| {
        let example = StepName::slug(value).map_or_else(|| "train".to_owned(), |name| name.to_string());
        let cause = if value.is_empty() { "it names no step".to_owned() } else { error.to_string() };
        malformed(cause, format!("write, for example, `{key}:{example}`"))
    })
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tag::Imports => f.write_str("imports"),
            Tag::Functions => f.write_str("functions"),
            Tag::Parameters => f.write_str("pipeline-parameters"),
            Tag::Metrics => f.write_str("pipeline-metrics"),
            Tag::Skip => f.write_str("skip"),
            Tag::Step(name) => write!(f, "step:{name}"),
            Tag::Prev(name) => write!(f, "prev:{name}"),
            Tag::Notebook(name) => write!(f, "notebook:{name}"),
            Tag::Config(tag) => tag.fmt(f),
        }
    }
}

impl fmt::Display for StepTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: &bool| if *on { "enabled" } else { "disabled" };
        match self {
            StepTag::Annotation { key, value } => write!(f, "annotation:{key}:{value}"),
            StepTag::Label { key, value } => write!(f, "label:{key}:{value}"),
            StepTag::Limit { resource, amount: Quantity(amount) } => write!(f, "limit:{resource}:{amount}"),
            StepTag::Image(reference) => write!(f, "image:{reference}"),
            StepTag::Cache(on) => write!(f, "cache:{}", switch(on)),
            StepTag::Report(on) => write!(f, "report:{}", switch(on)),
            StepTag::Secret(SecretVariable { secret, key, variable }) => write!(f, "secret:{secret}:{key}:{variable}"),
            StepTag::Retries(count) => write!(f, "retries:{count}"),
            StepTag::Timeout(seconds) => write!(f, "timeout:{seconds}"),
        }
    }
}
