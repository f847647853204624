//! What happens in a run, as one closed set: terminal, panel and store are its listeners.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::run::{RunStatus, StepStatus};

/// Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        time: f64,
        steps: Vec<String>,
    },
    /// A cluster carries the run out: where, and the page about it.
    Submitted {
        time: f64,
        context: String,
        id: String,
        url: String,
    },
    /// The environment of an isolated run is made; `tool` is who installs the packages.
    EnvironmentStarted {
        time: f64,
        packages: usize,
        tool: String,
    },
    /// What the tool is at.
    EnvironmentProgress {
        text: String,
    },
    EnvironmentFinished {
        time: f64,
        seconds: f64,
    },
    StepStarted {
        time: f64,
        step: String,
        attempt: u32,
    },
    /// A cell of the step began; `done` of `total` cells are behind it.
    CellStarted {
        step: String,
        cell: usize,
        done: usize,
        total: usize,
    },
    /// A metric was reported. `value` is a finite number, or `NaN`, `Infinity`, `-Infinity`.
    Metric {
        step: String,
        name: String,
        value: Value,
        at: Option<i64>,
    },
    StepFinished {
        time: f64,
        step: String,
        status: StepStatus,
        seconds: f64,
        reason: Option<String>,
    },
    Diagnostic {
        diagnostic: Diagnostic,
    },
    RunFinished {
        time: f64,
        status: RunStatus,
    },
}
