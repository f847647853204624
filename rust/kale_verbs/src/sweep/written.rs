//! A sweep as it is written down, in a file or in the notebook's metadata under `kale_rs`, `sweep`:
//!
//! ```yaml
//! parameters: {lr: 'loguniform:1e-5:1e-1', opt: 'choice:adam,sgd'}
//! objective: val_loss                # or `[val_loss:minimize, accuracy:maximize]`
//! direction: minimize
//! algorithm: tpe
//! settings: {n_EI_candidates: 24}
//! trials: 50
//! parallel: 4
//! ```
//!
//! Further keys: `goal`, `early_stopping`, `early_stopping_settings`, `max_failed`, `timeout`, `seed`.

use std::fs;

use kale_model::sweep::Direction;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::definition::SweepOptions;
use crate::error::VerbError;
use crate::session::Session;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    parameters: Map<String, Value>,
    objective: Option<OneOrMore>,
    direction: Option<Direction>,
    goal: Option<f64>,
    algorithm: Option<String>,
    #[serde(default)]
    settings: Map<String, Value>,
    early_stopping: Option<String>,
    #[serde(default)]
    early_stopping_settings: Map<String, Value>,
    trials: Option<u64>,
    parallel: Option<usize>,
    max_failed: Option<u64>,
    timeout: Option<f64>,
    seed: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl SweepOptions {
    /// Completed by a file, and what neither says by the notebook's metadata.
    pub fn completed(self, session: &Session, notebook: &str) -> Result<SweepOptions, VerbError> {
        let file = self.file.as_deref().map(|file| read_file(session, file)).transpose()?;
        let metadata = in_metadata(notebook)?;
        Ok([file, metadata].into_iter().flatten().fold(self, SweepOptions::or))
    }

    /// What belongs to an objective or an algorithm is not taken over to another one.
    fn or(self, other: SweepOptions) -> SweepOptions {
        let filled = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        let is_aim = self.objectives.is_empty() || other.objectives.is_empty() || self.objectives == other.objectives;
        let is_same = |own: &Option<String>, other: &Option<String>| own.is_none() || other.is_none() || own == other;
        let (is_algorithm, is_stopping) =
            (is_same(&self.algorithm, &other.algorithm), is_same(&self.early_stopping, &other.early_stopping));
        let belonging = |is_same: bool, own: Vec<String>, other| if is_same { filled(own, other) } else { own };
        SweepOptions {
            file: self.file,
            vary: filled(self.vary, other.vary),
            direction: self.direction.or(other.direction.filter(|_| is_aim)),
            goal: self.goal.or(other.goal.filter(|_| is_aim)),
            objectives: filled(self.objectives, other.objectives),
            settings: belonging(is_algorithm, self.settings, other.settings),
            algorithm: self.algorithm.or(other.algorithm),
            early_stopping_settings: belonging(
                is_stopping,
                self.early_stopping_settings,
                other.early_stopping_settings,
            ),
            early_stopping: self.early_stopping.or(other.early_stopping),
            trials: self.trials.or(other.trials),
            parallel: self.parallel.or(other.parallel),
            max_failed: self.max_failed.or(other.max_failed),
            timeout: self.timeout.or(other.timeout),
            seed: self.seed.or(other.seed),
        }
    }
}

fn read_file(session: &Session, file: &str) -> Result<SweepOptions, VerbError> {
    let text = fs::read_to_string(session.directory.join(file)).map_err(|error| VerbError::opening(file, &error))?;
    let written: Written = serde_yaml_ng::from_str(&text).map_err(|error| VerbError::reading(file, error))?;
    Ok(written.into())
}

fn in_metadata(notebook: &str) -> Result<Option<SweepOptions>, VerbError> {
    // What is no notebook has been told of before.
    let notebook: Value = serde_json::from_str(notebook).unwrap_or_default();
    let sweep = &notebook["metadata"]["kale_rs"]["sweep"];
    if sweep.is_null() {
        return Ok(None);
    }
    let written: Written = serde_json::from_value(sweep.clone()).map_err(|error| {
        VerbError::usage(
            format!("the sweep in the notebook's metadata cannot be read: {error}"),
            "mend it there (`kale_rs`, `sweep`), or remove it; a file of the same form is `--file`",
        )
    })?;
    Ok(Some(written.into()))
}

impl From<Written> for SweepOptions {
    fn from(written: Written) -> SweepOptions {
        SweepOptions {
            file: None,
            vary: assignments(&written.parameters),
            objectives: match written.objective {
                Some(OneOrMore::One(one)) => vec![one],
                Some(OneOrMore::More(more)) => more,
                None => vec![],
            },
            direction: written.direction,
            goal: written.goal,
            algorithm: written.algorithm,
            settings: assignments(&written.settings),
            early_stopping: written.early_stopping,
            early_stopping_settings: assignments(&written.early_stopping_settings),
            trials: written.trials,
            parallel: written.parallel,
            max_failed: written.max_failed,
            timeout: written.timeout,
            seed: written.seed,
        }
    }
}

/// `NAME=VALUE`, as a command line has it.
fn assignments(map: &Map<String, Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    map.iter().map(|(name, value)| format!("{name}={}", text(value))).collect()
}
