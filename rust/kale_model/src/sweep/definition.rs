//! A sweep as it was asked for.

use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, EarlyStopping, Settings};
use super::objective::Objective;
use super::space::Space;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    pub space: Space,
    /// The first one decides, where there can be only one.
    pub objectives: Vec<Objective>,
    pub algorithm: Algorithm,
    #[serde(default)]
    pub settings: Settings,
    #[serde(default)]
    pub early_stopping: Option<(EarlyStopping, Settings)>,
    /// As many trials as there are at most.
    pub trials: u64,
    /// As many as are run at one time.
    pub parallel: usize,
    /// The sweep ends when more than these have failed; `None`: it goes on.
    #[serde(default)]
    pub max_failed: Option<u64>,
    /// In seconds, from the sweep's beginning; trials that are running then are let go on.
    #[serde(default)]
    pub timeout: Option<f64>,
    /// Where the random numbers of the algorithm begin.
    pub seed: u64,
}
