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
use kale_store::{NewRun, NewTrial, Result, RunOptions, Store, SweepRecord, TrialEnd, TrialRecord};
use serde_json::Value;
use tokio::task::{JoinSet, LocalSet};

use crate::chooser::{Choice, Chooser};
use crate::early_stopping::EarlyStopping;
use crate::execute::{self, CancelSignals, Owner, single_threaded};
use crate::guardian::Guardian;
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
    sharing: Rc<Sharing>,
    marker: String,
    began: Instant,
    /// Where copies of the notebook's folder are, if trials need such.
    folders: Option<PathBuf>,
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
            store,
            record,
            marker,
            began: Instant::now(),
        })
    }

    async fn conduct(&self) -> Result<RunStatus> {
        let mut running = Running::new();
        let mut early_stopping = EarlyStopping::of(&self.record.sweep);
        let course = match Chooser::start(&self.record.sweep, &self.record.run.options, &self.marker).await {
            Ok(mut chooser) => self.carry_out_trials(&mut chooser, &mut running, &mut early_stopping).await?,
            Err(unable) => failing(unable),
        };
        let (status, reason) = match course {
            Course::Cancelled => (RunStatus::Cancelled, None),
            Course::Failing(reason) => (RunStatus::Failed, Some(reason)),
            Course::Ending | Course::On => (outcome(&self.store.trials(&self.record.id)?), None),
        };
        self.store.finish_sweep(&self.record.id, status, reason.as_deref())?;
        Ok(status)
    }

    /// Until none runs and none is begun any more.
    async fn carry_out_trials(
        &self,
        chooser: &mut Chooser,
        running: &mut Running,
        early_stopping: &mut Option<EarlyStopping>,
    ) -> Result<Course> {
        let mut cancels = CancelSignals::new();
        let mut looks = tokio::time::interval(LOOK);
        let mut course = self.go_on(running, early_stopping.as_ref())?;
        loop {
            if course == Course::On {
                course = self.begin_trials(chooser, running).await?;
            }
            if running.is_empty() {
                return Ok(course);
            }
            tokio::select! {
                Some(joined) = running.join_next() => {
                    let (number, status) = joined.expect("trials do not panic, and are never aborted");
                    let was_stopped = course == Course::Cancelled;
                    self.end_trial(number, status?, was_stopped, early_stopping.as_ref())?;
                }
                wish = cancels.wait(|| self.store.cancel_of_sweep_requested(&self.record.id)),
                    if course != Course::Cancelled =>
                {
                    wish?;
                    course = Course::Cancelled;
                    self.stop_trials()?;
                }
                _ = looks.tick(), if early_stopping.is_some() => {
                    if let Some(rule) = early_stopping {
                        rule.look(&self.store, &self.trials()?)?;
                    }
                }
            }
        }
    }

    fn trials(&self) -> Result<Vec<TrialRecord>> {
        self.store.trials(&self.record.id)
    }

    /// Takes up the trials that were begun and did not end.
    fn go_on(&self, running: &mut Running, early_stopping: Option<&EarlyStopping>) -> Result<Course> {
        for trial in self.trials()?.into_iter().filter(|trial| trial.end.is_none()) {
            let status = self.store.run_status(&trial.run)?;
            if matches!(status, RunStatus::Succeeded | RunStatus::Failed) {
                self.end_trial(trial.number, status, false, early_stopping)?;
                continue;
            }
            match self.folder_of(trial.number) {
                Ok(folder) => self.carry_out(running, trial.number, trial.run, folder),
                Err(course) => return Ok(course),
            }
        }
        Ok(Course::On)
    }

    /// As many as there is room for.
    async fn begin_trials(&self, chooser: &mut Chooser, running: &mut Running) -> Result<Course> {
        while running.len() < self.record.sweep.parallel.max(1) {
            let trials = self.trials()?;
            let course = self.course(&trials);
            if course != Course::On {
                return Ok(course);
            }
            match chooser.next(&trials).await {
                Ok(Choice::Trial(point, place)) => {
                    let number = trials.len() as u64;
                    let folder = match self.folder_of(number) {
                        Ok(folder) => folder,
                        Err(course) => return Ok(course),
                    };
                    let new = NewTrial { number, point: point.clone(), place };
                    let run = self.store.begin_trial(&self.record.id, &self.run_at(point), &new)?;
                    self.carry_out(running, number, run, folder);
                }
                Ok(Choice::Wait) if !running.is_empty() => return Ok(Course::On),
                Ok(Choice::Wait | Choice::Exhausted) => return Ok(Course::Ending),
                Err(unable) => return Ok(failing(unable)),
            }
        }
        Ok(Course::On)
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

    /// Whether another trial is begun, by what has come of these.
    fn course(&self, trials: &[TrialRecord]) -> Course {
        let Sweep { objectives, max_failed, timeout, trials: most, .. } = &self.record.sweep;
        let ends = || trials.iter().filter_map(|trial| trial.end.as_ref());
        let failed = ends().filter(|end| end.status == RunStatus::Failed).count() as u64;
        if let Some(most) = max_failed.filter(|most| failed > *most) {
            return Course::Failing(format!("{failed} trials have failed, and {most} may."));
        }
        let is_reached = ends().filter_map(|end| end.values.first()).any(|value| objectives[0].is_reached(*value));
        let seconds = self.record.seconds + self.began.elapsed().as_secs_f64();
        let is_late = timeout.is_some_and(|timeout| seconds >= timeout);
        let is_full = trials.len() as u64 >= *most;
        if is_reached || is_late || is_full { Course::Ending } else { Course::On }
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
            beside: self.record.sweep.parallel.max(1),
        };
        let root = self.store.root().to_owned();
        running.spawn_local(async move { (number, execute::execute_beside_others(&root, &run, owner).await) });
    }

    fn stop_trials(&self) -> Result<()> {
        let trials = self.trials()?;
        trials.iter().filter(|trial| trial.end.is_none()).try_for_each(|trial| self.store.request_cancel(&trial.run))
    }

    /// `was_stopped`: with the whole sweep. Such a trial is gone on with when the sweep is.
    fn end_trial(
        &self,
        number: u64,
        status: RunStatus,
        was_stopped: bool,
        early_stopping: Option<&EarlyStopping>,
    ) -> Result<()> {
        if was_stopped && status == RunStatus::Cancelled {
            return Ok(());
        }
        let trials = self.trials()?;
        let Some(trial) = trials.iter().find(|trial| trial.number == number) else { return Ok(()) };
        let view = self.store.run_view(&trial.run)?;
        let end = match status {
            RunStatus::Succeeded => judge(&self.record.sweep.objectives, &view.metrics),
            status => {
                let early = early_stopping.and_then(|rule| rule.reason(number));
                let error = view.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
                let reason = early.or(error.map(|diagnostic| diagnostic.message.clone()));
                TrialEnd { status, values: vec![], reason }
            }
        };
        self.store.end_trial(&self.record.id, number, &end)?;
        if let Some(folders) = &self.folders {
            trial_folder::remove(folders, number);
        }
        Ok(())
    }
}

fn failing(unable: Unable) -> Course {
    Course::Failing(format!("{}: {}", unable.message, unable.help))
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
