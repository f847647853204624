//! Trials that do worse than others did by then are given up: what they report while they run is compared.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::sweep::{Objective, Sweep};
use kale_model::{Event, RunId, RunStatus};
use kale_store::{Result, Store, TrialRecord};
use kale_sweep::MedianStop;

pub(crate) struct EarlyStopping {
    rule: MedianStop,
    objective: Objective,
    /// What trials reported that have succeeded, by number.
    curves: BTreeMap<u64, Vec<f64>>,
    given_up: BTreeSet<u64>,
}

impl EarlyStopping {
    pub fn of(sweep: &Sweep) -> Option<EarlyStopping> {
        let (_, settings) = sweep.early_stopping.as_ref()?;
        Some(EarlyStopping {
            rule: MedianStop::new(settings),
            objective: sweep.objectives[0].clone(),
            curves: BTreeMap::new(),
            given_up: BTreeSet::new(),
        })
    }

    /// Stops the trials that do worse.
    pub fn look(&mut self, store: &Store, trials: &[TrialRecord]) -> Result<()> {
        for trial in trials {
            let succeeded = trial.end.as_ref().is_some_and(|end| end.status == RunStatus::Succeeded);
            if succeeded && !self.curves.contains_key(&trial.number) {
                self.curves.insert(trial.number, reports(store, &trial.run, &self.objective.metric)?);
            }
        }
        let completed: Vec<&[f64]> = self.curves.values().map(Vec::as_slice).collect();
        for trial in trials.iter().filter(|trial| trial.end.is_none()) {
            if self.given_up.contains(&trial.number) {
                continue;
            }
            let reports = reports(store, &trial.run, &self.objective.metric)?;
            if self.rule.gives_up(self.objective.direction, &reports, &completed) {
                store.request_cancel(&trial.run)?;
                self.given_up.insert(trial.number);
            }
        }
        Ok(())
    }

    /// Why a trial was stopped, if it was for this.
    pub fn reason(&self, trial: u64) -> Option<String> {
        let metric = &self.objective.metric;
        self.given_up.contains(&trial).then(|| format!("stopped early: its `{metric}` was worse than the median"))
    }
}

/// The values of a metric in the order in which the run has told them; the run's own record has them when a step is over.
fn reports(store: &Store, run: &RunId, metric: &str) -> Result<Vec<f64>> {
    let value = |event: Event| match event {
        Event::Metric { name, value, .. } if name == metric => value.as_f64(),
        _ => None,
    };
    Ok(store.events_after(run, 0)?.into_iter().filter_map(|stored| value(stored.event)).collect())
}
