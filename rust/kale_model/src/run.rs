//! What every user interface shows of a run, local or on a cluster. The JSON is a contract (DESIGN section 9, `R`).

use crate::sweep::SweepId;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Diagnostic;

/// Sorts by time of creation: `20261120-094815-3f9a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! status {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $text:literal),* $(,)? } finished: $($finished:ident)|*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $type { $($variant),* }

        impl $type {
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $text),* }
            }

            /// Whether it will not change any more.
            pub fn is_finished(self) -> bool {
                matches!(self, $($type::$finished)|*)
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($text => Ok($type::$variant),)* other => Err(format!("`{other}` is no status")) }
            }
        }
    };
}

status! {
    RunStatus {
        Pending = "pending", Running = "running", Interrupted = "interrupted", Succeeded = "succeeded",
        Failed = "failed", Cancelled = "cancelled",
    }
    finished: Succeeded | Failed | Cancelled
}

status! {
    /// `Interrupted`: its engine died while it ran; `resume` runs it again.
    StepStatus {
        Pending = "pending", Running = "running", Interrupted = "interrupted", Succeeded = "succeeded",
        Failed = "failed", Cancelled = "cancelled", Cached = "cached", Skipped = "skipped",
    }
    finished: Succeeded | Failed | Cancelled | Cached | Skipped
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// `None` when nothing could be compiled.
    pub run_id: Option<RunId>,
    pub status: RunStatus,
    /// Wall time so far.
    pub seconds: f64,
    pub steps: Vec<StepView>,
    /// Finite numbers, or the strings `NaN`, `Infinity`, `-Infinity`.
    pub metrics: BTreeMap<String, Value>,
    pub parameters: BTreeMap<String, Value>,
    /// The input notebook.
    pub source: Option<String>,
    /// The executed notebook.
    pub notebook: Option<String>,
    pub diagnostics: Vec<Diagnostic>,
    /// The context of a run that is not carried out here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The run there, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteRun>,
    /// The place in a sweep of a run that is a trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialPlace>,
}

/// Which trial of which sweep a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialPlace {
    pub sweep_id: SweepId,
    /// From 0.
    pub trial: u64,
}

/// A run as the server of a cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteRun {
    pub id: String,
    /// Its page, for people.
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    pub name: String,
    pub status: StepStatus,
    pub seconds: f64,
    pub cells: Vec<usize>,
}
