//! What comes next in a sweep: chosen here (`kale_sweep`), or by a library of Python's (`suggestions.rs`).

use kale_model::sweep::{Point, Sweep};
use kale_store::{RunOptions, TrialRecord};
use kale_sweep::{Next, Sampler, Trial};
use serde_json::Value;

use crate::suggestions::{Suggestions, Unable, is_of_library};

pub(crate) enum Chooser {
    Here(Sampler),
    Library(Box<Suggestions>),
}

pub(crate) enum Choice {
    /// The point, and what the log keeps beside it so that the next one is chosen alike after a break.
    Trial(Point, Option<Value>),
    /// What is chosen next depends on trials that are still running.
    Wait,
    /// There are no more.
    Exhausted,
}

impl Chooser {
    pub async fn start(sweep: &Sweep, options: &RunOptions, marker: &str) -> Result<Chooser, Unable> {
        let Sweep { space, algorithm, settings, objectives, seed, .. } = sweep;
        if is_of_library(*algorithm) {
            return Ok(Chooser::Library(Box::new(Suggestions::start(sweep, options, marker).await?)));
        }
        let sampler = Sampler::new(space.clone(), *algorithm, settings, &objectives[0], *seed);
        sampler.map(Chooser::Here).map_err(|error| Unable {
            message: error.to_string(),
            help: "change the ranges, or the algorithm".to_owned(),
        })
    }

    pub async fn next(&mut self, trials: &[TrialRecord]) -> Result<Choice, Unable> {
        let as_value = |place| serde_json::to_value(place).expect("plain data");
        match self {
            Chooser::Here(sampler) => Ok(match sampler.next(&trials.iter().map(known).collect::<Vec<_>>()) {
                Next::Trial(point, place) => Choice::Trial(point, place.map(as_value)),
                Next::Wait => Choice::Wait,
                Next::Exhausted => Choice::Exhausted,
            }),
            Chooser::Library(suggestions) => {
                let (point, told) = suggestions.next(trials).await?;
                Ok(Choice::Trial(point, Some(serde_json::to_value(told).expect("plain data"))))
            }
        }
    }
}

fn known(trial: &TrialRecord) -> Trial {
    Trial {
        point: trial.point.clone(),
        value: trial.end.as_ref().and_then(|end| end.values.first().copied()),
        is_over: trial.end.is_some(),
        place: trial.place.clone().and_then(|place| serde_json::from_value(place).ok()),
    }
}
