//! What every user interface shows of a sweep. The JSON is a contract (DESIGN section 9, `S`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::Sweep;
use super::objective::Direction;
use super::space::Point;
use crate::run::{RunId, RunStatus};

/// Sorts by time of creation, as a run's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SweepId(pub String);

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepView {
    pub sweep_id: SweepId,
    pub status: RunStatus,
    pub objective: ObjectiveView,
    /// All of them, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<ObjectiveView>,
    /// Trials that no other is better than in all objectives, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<u64>,
    /// By the first objective; `None` as long as no trial has succeeded.
    pub best: Option<BestTrial>,
    pub trials: Vec<TrialView>,
    /// Steps that were really run, in all trials.
    pub step_executions: u64,
    /// As many as there will be when each trial succeeds; `None` where that depends on what comes out.
    pub planned_step_executions: Option<u64>,
    /// Why it ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// As it was asked for, with what was not said.
    pub definition: Sweep,
}

impl SweepView {
    /// How many trials have ended; as many as `definition` says were asked for.
    pub fn over(&self) -> u64 {
        self.trials.iter().filter(|trial| trial.status.is_finished()).count() as u64
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveView {
    pub metric: String,
    pub direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestTrial {
    pub trial: u64,
    pub value: f64,
    pub parameters: Point,
    pub run_id: RunId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// From 0.
    pub trial: u64,
    pub run_id: RunId,
    pub status: RunStatus,
    /// The varied ones.
    pub parameters: Point,
    pub metrics: BTreeMap<String, Value>,
    pub seconds: f64,
    /// Why it does not count, of one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
