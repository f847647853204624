//! What ends a sweep: as many trials as were asked for, a goal that is reached, time that is up, or too many failures.

use std::fmt;

use kale_model::RunStatus;
use kale_model::sweep::Sweep;
use kale_store::TrialRecord;

#[derive(Clone, Debug, PartialEq)]
pub enum Limit {
    /// So many may fail.
    Failures {
        failed: u64,
        allowed: u64,
    },
    Goal {
        metric: String,
        trial: u64,
        value: f64,
        goal: f64,
    },
    Time {
        allowed: f64,
    },
    Trials {
        begun: u64,
    },
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Failures { failed: 1, allowed } => write!(f, "1 trial has failed, and {allowed} may"),
            Limit::Failures { failed, allowed } => write!(f, "{failed} trials have failed, and {allowed} may"),
            Limit::Goal { metric, trial, value, goal } => {
                write!(f, "trial {trial} has reached the goal: its `{metric}` is {value}, and {goal} is asked for")
            }
            Limit::Time { allowed } => write!(f, "it has had its {allowed} seconds"),
            Limit::Trials { begun: 1 } => f.write_str("there is one trial, and no more are asked for"),
            Limit::Trials { begun } => write!(f, "there are {begun} trials, and no more in all are asked for"),
        }
    }
}

impl Limit {
    /// The one that keeps a sweep from beginning another trial, after these trials and so many seconds.
    pub fn of(sweep: &Sweep, trials: &[TrialRecord], seconds: f64) -> Option<Limit> {
        let ended = || trials.iter().filter_map(|trial| Some((trial, trial.end.as_ref()?)));
        let failed = ended().filter(|(_, end)| end.status == RunStatus::Failed).count() as u64;
        if let Some(allowed) = sweep.max_failed.filter(|allowed| failed > *allowed) {
            return Some(Limit::Failures { failed, allowed });
        }
        let first = &sweep.objectives[0];
        let values = ended().filter_map(|(trial, end)| Some((trial.number, *end.values.first()?)));
        let reached = values.into_iter().find(|(_, value)| first.is_reached(*value));
        if let Some(((trial, value), goal)) = reached.zip(first.goal) {
            return Some(Limit::Goal { metric: first.metric.clone(), trial, value, goal });
        }
        if let Some(allowed) = sweep.timeout.filter(|allowed| seconds >= *allowed) {
            return Some(Limit::Time { allowed });
        }
        let begun = trials.len() as u64;
        (begun >= sweep.trials).then_some(Limit::Trials { begun })
    }
}
