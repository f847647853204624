//! Tags that say how a step is to be run, and what they add up to.

use std::mem::discriminant;

use kale_model::{Caching, Quantity, SecretVariable, StepConfig};

use super::{GPU, TagError, malformed, values};

#[derive(Clone, Debug, PartialEq)]
pub enum StepTag {
    Annotation {
        key: String,
        value: String,
    },
    Label {
        key: String,
        value: String,
    },
    Limit {
        resource: String,
        amount: Quantity,
    },
    Image(String),
    Cache(bool),
    Report(bool),
    Secret(SecretVariable),
    Retries(u32),
    /// Seconds.
    Timeout(u64),
}

impl StepTag {
    pub(super) fn parse(key: &str, value: &str) -> Result<StepTag, TagError> {
        match key {
            "annotation" => {
                let (key, value) = pair(value, "annotation:KEY:VALUE")?;
                values::qualified_name(key)?;
                Ok(StepTag::Annotation { key: key.to_owned(), value: value.to_owned() })
            }
            "label" => {
                let (key, value) = pair(value, "label:KEY:VALUE")?;
                values::qualified_name(key)?;
                values::label_value(value)?;
                Ok(StepTag::Label { key: key.to_owned(), value: value.to_owned() })
            }
            "limit" => {
                let (resource, amount) = pair(value, "limit:RESOURCE:AMOUNT")?;
                values::qualified_name(resource)?;
                limit(resource, amount)
            }
            "cpu" | "memory" => limit(key, value),
            "gpu" => limit(GPU, value),
            "image" => values::image(value).map(StepTag::Image),
            "cache" => values::switch(key, value).map(StepTag::Cache),
            "report" => values::switch(key, value).map(StepTag::Report),
            "secret" => values::secret(value).map(StepTag::Secret),
            "retries" => value
                .parse()
                .map(StepTag::Retries)
                .map_err(|_| malformed(format!("`{value}` is not a count"), "write, for example, `retries:2`")),
            "timeout" => values::seconds(value).map(StepTag::Timeout),
            _ => Err(TagError::Foreign),
        }
    }
}

fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), TagError> {
    let split = text.split_once(':').map(|(key, value)| (key.trim(), value.trim()));
    split
        .filter(|(key, value)| !key.is_empty() && (!value.is_empty() || form.starts_with("annotation")))
        .ok_or_else(|| malformed("a part of it is missing", format!("write `{form}`")))
}

fn limit(resource: &str, amount: &str) -> Result<StepTag, TagError> {
    values::amount(resource, amount).map(|amount| StepTag::Limit { resource: resource.to_owned(), amount })
}

/// Whether two tags of one step set the same thing to different values.
pub fn conflict(one: &StepTag, other: &StepTag) -> bool {
    let same_subject = match (one, other) {
        (StepTag::Annotation { key: a, .. }, StepTag::Annotation { key: b, .. })
        | (StepTag::Label { key: a, .. }, StepTag::Label { key: b, .. })
        | (StepTag::Limit { resource: a, .. }, StepTag::Limit { resource: b, .. }) => a == b,
        (StepTag::Secret(a), StepTag::Secret(b)) => a.variable == b.variable,
        _ => discriminant(one) == discriminant(other),
    };
    same_subject && one != other
}

/// What a step's tags add up to; a later tag replaces an earlier one on the same subject, so defaults come first.
pub fn step_config<'a>(tags: impl IntoIterator<Item = &'a StepTag>) -> StepConfig {
    let mut config = StepConfig::default();
    for tag in tags {
        apply(&mut config, tag);
    }
    config
}

fn apply(config: &mut StepConfig, tag: &StepTag) {
    match tag.clone() {
        StepTag::Annotation { key, value } => {
            config.annotations.insert(key, value);
        }
        StepTag::Label { key, value } => {
            config.labels.insert(key, value);
        }
        StepTag::Limit { resource, amount } => {
            config.resources.limits.insert(resource, amount);
        }
        StepTag::Image(reference) => config.image = Some(reference),
        StepTag::Cache(true) => config.caching = Caching::Enabled,
        StepTag::Cache(false) => config.caching = Caching::Disabled,
        StepTag::Report(on) => config.report = Some(on),
        StepTag::Secret(secret) => {
            config.secrets.retain(|other| other.variable != secret.variable);
            config.secrets.push(secret);
        }
        StepTag::Retries(count) => config.retries = count,
        StepTag::Timeout(seconds) => config.timeout_seconds = Some(seconds),
    }
}
