//! Names with one gate each: a value of these types is always well formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{given}` {rule}")]
pub struct NameError {
    pub what: &'static str,
    pub given: String,
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(given: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(given) {
                    Ok($type(given.to_owned()))
                } else {
                    Err(NameError { what: $what, given: given.to_owned(), rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(given: String) -> Result<Self, NameError> {
                given.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A step's name as the user wrote it in `step:NAME`.
    StepName, "the step name", "must start with a letter or `_` and hold only letters, digits, `_` and `-`", |s| {
        let mut chars = s.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            && s.len() <= 63
    }
}

name! {
    /// A pipeline's name: what KFP's SDK accepts, `[a-z0-9][a-z0-9-]{0,127}`.
    PipelineName, "the pipeline name", "must be lower-case letters, digits and `-`, at most 128", |s| {
        !s.is_empty() && s.len() <= 128 && !s.starts_with('-')
            && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    }
}

name! {
    /// A Kubernetes namespace: a DNS label.
    Namespace, "the namespace", "must be lower-case letters, digits and `-`, at most 63, with a letter or digit at each end",
    |s| {
        !s.is_empty() && s.len() <= 63 && !s.starts_with('-') && !s.ends_with('-')
            && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    }
}

name! {
    /// A pipeline parameter's name: the Python variable it sets.
    ParameterName, "the parameter name", "must be a Python identifier", |s| {
        let mut chars = s.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
    }
}

impl PipelineName {
    /// The nearest valid name: lower case, runs of anything else become one dash.
    ///
    /// `slug("My Notebook (v2)")` is `my-notebook-v2`; text without any usable character gives `pipeline`.
    pub fn slug(text: &str) -> PipelineName {
        let slug = slug(text, '-');
        let slug: String = slug.chars().take(128).collect();
        PipelineName(if slug.is_empty() { "pipeline".to_owned() } else { slug.trim_end_matches('-').to_owned() })
    }
}

impl StepName {
    /// The nearest valid step name for a heading, or `None` when no character of it is usable.
    pub fn slug(text: &str) -> Option<StepName> {
        let slug: String = slug(text, '_').chars().take(40).collect();
        let slug = slug.trim_end_matches('_');
        let named = if slug.starts_with(|c: char| c.is_ascii_digit()) { format!("_{slug}") } else { slug.to_owned() };
        named.parse().ok()
    }
}

/// Lower-case ASCII letters and digits of `text`, every run of other characters one `joint`, none at the ends.
pub fn slug(text: &str, joint: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with(joint) {
            out.push(joint);
        }
    }
    while out.ends_with(joint) {
        out.pop();
    }
    out
}
