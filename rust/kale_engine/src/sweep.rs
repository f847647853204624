//! A sweep: trials are chosen and carried out, as many at one time as are wanted, until there are no more.
//!
//! All trials are runs in this one process, and share what they have in common (`sharing.rs`). The log of trials in the
//! store is all that this loop knows: it may be killed at any instant, and the same call goes on where it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use kale_model::sweep::{Objective, Point, Sweep, SweepId};
use kale_model::{RunId, RunStatus};
use kale_store::{NewRun, NewTrial, Result, RunOptions, Store, StoreError, SweepRecord, TrialEnd, TrialRecord};
use serde_json::Value;
use tokio::task::{JoinSet, LocalSet};

use crate::chooser::{Choice, Chooser};
use crate::early_stopping::EarlyStopping;
use crate::execute::{self, CancelSignals, Owner, single_threaded};
use crate::guardian::Guardian;
use crate::limit::Limit;
use crate::process;
use crate::sharing::Sharing;
use crate::suggestions::Unable;
use crate::trial_folder;

/// How often what running trials report is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Carries out the sweep in this process and returns when it is over. The same call goes on with a sweep: trials that
/// are over are not run again.
pub fn execute_sweep(root: &Path, id: &SweepId) -> Result<RunStatus> {
    let store = Store::open(root)?;
    store.claim_sweep(id)?;
    process::become_subreaper();
    process::sweep_machine(&process::sweep_marker(&store, id));
    let marker = process::sweep_engine_marker(&store, id);
    let guardian = Guardian::start(&marker);
    let runtime = single_threaded()?;
    let status = LocalSet::new().block_on(&runtime, async { Conductor::new(store, id, marker)?.conduct().await });
    drop(guardian);
    status
}

/// Whether the algorithm can be carried out here at all: a library may be missing.
pub fn check_algorithm(sweep: &Sweep, options: &RunOptions) -> Result<std::result::Result<(), Unable>> {
    let runtime = single_threaded()?;
    Ok(runtime.block_on(async { Chooser::start(sweep, options, "").await.map(drop) }))
}

type Running = JoinSet<(u64, Result<RunStatus>)>;

struct Conductor {
    store: Store,
    record: SweepRecord,
    /// As the store has them: nobody else writes there.
    trials: Vec<TrialRecord>,
    sharing: Rc<Sharing>,
    marker: String,
    began: Instant,
    /// Where copies of the notebook's folder are, if trials need such.
    folders: Option<PathBuf>,
    early_stopping: Option<EarlyStopping>,
    cancels: CancelSignals,
}

/// Whether more trials are begun.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Course {
    On,
    /// Those that run are let go on.
    Ending,
    /// The same, and the sweep has failed.
    Failing(String),
    /// Those that run are stopped.
    Cancelled,
}

impl Conductor {
    fn new(store: Store, id: &SweepId, marker: String) -> Result<Conductor> {
        let record = store.sweep(id)?;
        let folders = store.sweep_directory(id).join("folders");
        Ok(Conductor {
            folders: trial_folder::is_needed(&record.run.pipeline).then_some(folders),
            sharing: Sharing::new(id.clone()),
            trials: store.trials(id)?,
            early_stopping: EarlyStopping::of(&record.sweep),
            cancels: CancelSignals::new(),
            store,
            record,
            marker,
            began: Instant::now(),
        })
    }

    async fn conduct(mut self) -> Result<RunStatus> {
        let result = self.carry_out_trials(&mut Running::new()).await;
        let (status, reason) = match &result {
            Ok(Course::Cancelled) => (RunStatus::Cancelled, None),
            Ok(Course::Failing(reason)) => (RunStatus::Failed, Some(reason.clone())),
            Ok(Course::Ending | Course::On) => (outcome(&self.trials), None),
            Err(error) => (RunStatus::Failed, Some(stuck(error, &self.record.id))),
        };
        // The store may still take a few words when it does not take a value.
        let finished = self.store.finish_sweep(&self.record.id, status, reason.as_deref());
        result.and(finished).map(|()| status)
    }

    /// Until none runs and none is begun any more.
    async fn carry_out_trials(&mut self, running: &mut Running) -> Result<Course> {
        let starting = Chooser::start(&self.record.sweep, &self.record.run.options, &self.marker);
        let mut chooser = tokio::select! {
            started = starting => match started {
                Ok(chooser) => chooser,
                Err(unable) => return Ok(failing(unable)),
            },
            wish = self.cancels.wait(|| is_cancelled(&self.store, &self.record.id)) => {
                return wish.map(|()| Course::Cancelled);
            }
        };
        let mut looks = tokio::time::interval(LOOK);
        let mut course = self.go_on(running)?;
        loop {
            if course == Course::On {
                course = self.begin_trials(&mut chooser, running).await?;
            }
            if running.is_empty() {
                return Ok(course);
            }
            tokio::select! {
                Some(joined) = running.join_next() => {
                    let (number, status) = joined.expect("trials do not panic, and are never aborted");
                    let was_stopped = course == Course::Cancelled;
                    self.end_trial(number, status?, was_stopped)?;
                }
                wish = self.cancels.wait(|| is_cancelled(&self.store, &self.record.id)),
                    if course != Course::Cancelled =>
                {
                    wish?;
                    course = self.cancelled()?;
                }
                _ = looks.tick(), if self.early_stopping.is_some() => {
                    if let Some(rule) = &mut self.early_stopping {
                        rule.look(&self.store, &self.trials)?;
                    }
                }
            }
        }
    }

    /// Takes up the trials that were begun and did not end.
    fn go_on(&mut self, running: &mut Running) -> Result<Course> {
        let open = self.trials.iter().filter(|trial| trial.end.is_none());
        let open: Vec<(u64, RunId)> = open.map(|trial| (trial.number, trial.run.clone())).collect();
        for (number, run) in open {
            let status = self.store.run_status(&run)?;
            if matches!(status, RunStatus::Succeeded | RunStatus::Failed) {
                self.end_trial(number, status, false)?;
                continue;
            }
            match self.folder_of(number) {
                Ok(folder) => self.carry_out(running, number, run, folder),
                Err(course) => return Ok(course),
            }
        }
        Ok(Course::On)
    }

    /// As many as there is room for.
    async fn begin_trials(&mut self, chooser: &mut Chooser, running: &mut Running) -> Result<Course> {
        while running.len() < self.record.sweep.parallel {
            let seconds = self.record.seconds + self.began.elapsed().as_secs_f64();
            match Limit::of(&self.record.sweep, &self.trials, seconds) {
                Some(limit @ Limit::Failures { .. }) => return Ok(Course::Failing(format!("{limit}."))),
                Some(_) => return Ok(Course::Ending),
                None => {}
            }
            // A library may take its time.
            let choice = tokio::select! {
                choice = chooser.next(&self.trials) => choice,
                wish = self.cancels.wait(|| is_cancelled(&self.store, &self.record.id)) => {
                    wish?;
                    return self.cancelled();
                }
            };
            match choice {
                Ok(Choice::Trial(point, place)) => {
                    if let Err(course) = self.begin_trial(point, place, running)? {
                        return Ok(course);
                    }
                }
                Ok(Choice::Wait) if !running.is_empty() => return Ok(Course::On),
                Ok(Choice::Wait | Choice::Exhausted) => return Ok(Course::Ending),
                Err(unable) => return Ok(failing(unable)),
            }
        }
        Ok(Course::On)
    }

    fn begin_trial(
        &mut self,
        point: Point,
        place: Option<Value>,
        running: &mut Running,
    ) -> Result<std::result::Result<(), Course>> {
        let number = self.trials.len() as u64;
        let folder = match self.folder_of(number) {
            Ok(folder) => folder,
            Err(course) => return Ok(Err(course)),
        };
        let new = NewTrial { number, point: point.clone(), place: place.clone() };
        let run = self.store.begin_trial(&self.record.id, &self.run_at(point.clone()), &new)?;
        self.trials.push(TrialRecord { number, run: run.clone(), point, place, end: None });
        self.carry_out(running, number, run, folder);
        Ok(Ok(()))
    }

    /// Where a trial runs, if not in the notebook's folder itself.
    fn folder_of(&self, number: u64) -> std::result::Result<Option<PathBuf>, Course> {
        let Some(folders) = &self.folders else { return Ok(None) };
        match trial_folder::prepare(folders, number, &self.record.run.options.directory, self.store.root()) {
            Ok(folder) => Ok(Some(folder)),
            // One after another they do what the user would do by hand.
            Err(_) if self.record.sweep.parallel <= 1 => Ok(None),
            Err(error) => Err(Course::Failing(format!(
                "The notebook writes files, and its folder could not be copied for each trial: {error}. Put the notebook \
                 into a folder of its own, or run one trial at a time (`--parallel 1`)."
            ))),
        }
    }

    fn run_at(&self, point: Point) -> NewRun {
        let mut new = self.record.run.clone();
        new.parameters.extend(point);
        new
    }

    fn carry_out(&self, running: &mut Running, number: u64, run: RunId, folder: Option<PathBuf>) {
        let owner = Owner {
            marker: format!("{}/{run}", self.marker),
            sharing: Some(Rc::clone(&self.sharing)),
            folder,
            beside: self.record.sweep.parallel,
        };
        let root = self.store.root().to_owned();
        running.spawn_local(async move { (number, execute::execute_beside_others(&root, &run, owner).await) });
    }

    /// Stops the trials that run.
    fn cancelled(&self) -> Result<Course> {
        let mut open = self.trials.iter().filter(|trial| trial.end.is_none());
        open.try_for_each(|trial| self.store.request_cancel(&trial.run))?;
        Ok(Course::Cancelled)
    }

    /// `was_stopped`: with the whole sweep. Such a trial is gone on with when the sweep is.
    fn end_trial(&mut self, number: u64, status: RunStatus, was_stopped: bool) -> Result<()> {
        if was_stopped && status == RunStatus::Cancelled {
            return Ok(());
        }
        let trial = &mut self.trials[usize::try_from(number).expect("the trials are in memory")];
        let view = self.store.run_view(&trial.run)?;
        let end = match status {
            RunStatus::Succeeded => judge(&self.record.sweep.objectives, &view.metrics),
            status => {
                let early = self.early_stopping.as_ref().and_then(|rule| rule.reason(number));
                let error = view.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
                let reason = early.or(error.map(|diagnostic| diagnostic.message.clone()));
                TrialEnd { status, values: vec![], reason }
            }
        };
        self.store.end_trial(&self.record.id, number, &end)?;
        trial.end = Some(end);
        if let Some(folders) = &self.folders {
            trial_folder::remove(folders, number);
        }
        Ok(())
    }
}

/// Why a sweep has ended though there was more to do.
fn stuck(why: &StoreError, id: &SweepId) -> String {
    format!("The sweep could not go on: {why}. See to that; `kale-rs sweeps resume {id}` goes on where it stopped.")
}

fn is_cancelled(store: &Store, id: &SweepId) -> Result<bool> {
    store.cancel_of_sweep_requested(id)
}

fn failing(Unable { message, help }: Unable) -> Course {
    Course::Failing(format!("{message}; {help}"))
}

/// A trial that has run to its end counts when it has told a number for each objective.
fn judge(objectives: &[Objective], metrics: &BTreeMap<String, Value>) -> TrialEnd {
    match objectives.iter().map(|objective| value(&objective.metric, metrics)).collect() {
        Ok(values) => TrialEnd { status: RunStatus::Succeeded, values, reason: None },
        Err(reason) => TrialEnd { status: RunStatus::Failed, values: vec![], reason: Some(reason) },
    }
}

fn value(name: &str, metrics: &BTreeMap<String, Value>) -> std::result::Result<f64, String> {
    match metrics.get(name) {
        None if metrics.is_empty() => Err(format!("it has told no metric, so also not `{name}`")),
        None => {
            let told: Vec<&str> = metrics.keys().map(String::as_str).collect();
            Err(format!("it has not told the metric `{name}`, only {}", told.join(", ")))
        }
        Some(value) => value
            .as_f64()
            .filter(|value| value.is_finite())
            .ok_or_else(|| format!("its `{name}` is {}", value.as_str().map_or(value.to_string(), str::to_owned))),
    }
}

/// A sweep has succeeded when one of its trials has.
fn outcome(trials: &[TrialRecord]) -> RunStatus {
    let failed = |trial: &TrialRecord| trial.end.as_ref().is_some_and(|end| end.status == RunStatus::Failed);
    if !trials.is_empty() && trials.iter().all(failed) { RunStatus::Failed } else { RunStatus::Succeeded }
}
