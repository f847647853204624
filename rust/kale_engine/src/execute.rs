//! The engine: carries one recorded run out, from the claim to the executed notebook.
//!
//! The scheduler decides, this loop obeys: each step is a task of one thread, long work (hashing, copying) goes to
//! others, user code to processes. All that lasts is in the store, so the loop may be killed at any instant.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kale_model::{Diagnostic, Event, Pipeline, RunId, RunStatus, Severity, StepId, StepStatus};
use kale_store::{Result, RunRecord, StepEnd, StepResult, Store, StoreError, now};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

use crate::differential;
use crate::digests::FileDigests;
use crate::fingerprint;
use crate::guardian::Guardian;
use crate::isolated::{self, Isolated};
use crate::memory;
use crate::preflight::{missing_directory, missing_gpu, preflight};
use crate::process;
use crate::processors::Processors;
use crate::publish;
use crate::scheduler::{Command, Happening, Room, Scheduler};
use crate::sharing::Sharing;
use crate::step;
use crate::trespass::Trespasses;
use crate::warm::{self, Warm};

/// How often the engine looks whether the run is to be cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// Carries out the run in this process and returns when it is over. The same call resumes a run: steps that have a
/// result are not run again.
pub fn execute(root: &Path, run: &RunId) -> Result<RunStatus> {
    execute_watched(root, run, || ())
}

/// As [`execute`]; `watch` is called before anything happens, and may start threads, which must not be there when the
/// guardian is forked.
pub fn execute_watched(root: &Path, run: &RunId, watch: impl FnOnce()) -> Result<RunStatus> {
    let store = Store::open(root)?;
    store.claim(run)?;
    process::become_subreaper();
    // What an engine that was killed may have left is in the way of running its steps again.
    process::sweep_machine(&process::run_marker(&store, run));
    let guardian = Guardian::start(&process::engine_marker(&store, run));
    watch();
    let owner = Owner { marker: process::engine_marker(&store, run), sharing: None, folder: None, beside: 1 };
    let runtime = single_threaded()?;
    let result = LocalSet::new().block_on(&runtime, carry_out_claimed(store, run, owner));
    drop(guardian);
    result
}

/// What a run does not have by itself when several are carried out by one engine.
pub(crate) struct Owner {
    /// What the markers of its processes begin with.
    pub marker: String,
    /// With the other trials of a sweep.
    pub sharing: Option<Rc<Sharing>>,
    /// Where its steps run, if that is not the notebook's folder.
    pub folder: Option<PathBuf>,
    /// As many as are carried out at one time.
    pub beside: usize,
}

/// As [`execute`], in an engine that has others to carry out as well.
pub(crate) async fn execute_beside_others(root: &Path, run: &RunId, owner: Owner) -> Result<RunStatus> {
    let store = Store::open(root)?;
    store.claim(run)?;
    carry_out_claimed(store, run, owner).await
}

async fn carry_out_claimed(store: Store, run: &RunId, owner: Owner) -> Result<RunStatus> {
    let mut record = store.run(run)?;
    if let Some(folder) = &owner.folder {
        record.options.directory.clone_from(folder);
    }
    let (announce, settled) = mpsc::unbounded_channel();
    let execution = Rc::new(Execution::new(store, record, owner, announce)?);
    let result = carry_out(Rc::clone(&execution), settled).await;
    if let Err(error) = &result {
        // The store may still take a few words when it does not take a value.
        let _ = execution.store.fail_run(run, &error.diagnostic());
    }
    result
}

pub(crate) fn single_threaded() -> Result<tokio::runtime::Runtime> {
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|error| StoreError::Unreadable { path: "the engine".into(), reason: error.to_string() })
}

/// What the tasks of a run share.
pub(crate) struct Execution {
    pub store: Store,
    pub record: RunRecord,
    pub pipeline: Arc<Pipeline>,
    pub files: FileDigests,
    /// Digest of the runtime package.
    pub runtime: kale_store::Digest,
    /// Results of the steps that have one.
    pub results: RefCell<BTreeMap<StepId, StepResult>>,
    /// What the steps that ran used of the world outside.
    pub trespasses: RefCell<Trespasses>,
    /// Where the processes of steps come from, unless the run is to start each anew.
    pub warm: Option<Warm>,
    /// The environment of an isolated run, once it is there.
    pub isolated: OnceCell<Isolated>,
    pub processors: Processors,
    pub owner: Owner,
    stop: watch::Sender<bool>,
    announce: mpsc::UnboundedSender<StepId>,
}

impl Execution {
    fn new(
        store: Store,
        record: RunRecord,
        owner: Owner,
        announce: mpsc::UnboundedSender<StepId>,
    ) -> Result<Execution> {
        let files = FileDigests::default();
        let runtime = fingerprint::runtime_digest(&record.options.runtime, &files);
        let steps = store.steps(&record.id)?;
        let finished = steps.into_iter().filter(|step| has_result(step.status));
        // A result whose values are damaged is none: the step runs again.
        let results = finished
            .filter_map(|step| Some((StepId(step.position), step.result?)))
            .filter(|(_, result)| store.is_complete(result))
            .collect();
        Ok(Execution {
            store,
            pipeline: Arc::new(record.pipeline.clone()),
            warm: warm::can_be_had(&record.options).then(|| Warm::new(&record.pipeline, runtime.clone())),
            record,
            isolated: OnceCell::new(),
            files,
            runtime,
            results: RefCell::new(results),
            trespasses: RefCell::default(),
            processors: Processors::of_engine(),
            owner,
            stop: watch::Sender::new(false),
            announce,
        })
    }

    pub fn step_name(&self, step: StepId) -> &str {
        self.pipeline.step(step).name.as_str()
    }

    pub fn stop_signal(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Tells the loop of a step that is published while its process is still at work on the snapshot.
    pub fn has_settled(&self, step: StepId) {
        // The loop is only gone when the run is being given up.
        let _ = self.announce.send(step);
    }

    /// Records a step's end and, when it has a result, lets the steps after it use that.
    pub fn end_step(&self, step: StepId, end: &StepEnd) -> Result<()> {
        self.store.end_step(&self.record.id, step.0, self.step_name(step), end)?;
        if let (true, Some(result)) = (has_result(end.status), &end.result) {
            self.results.borrow_mut().insert(step, result.clone());
        }
        Ok(())
    }

    fn done_before(&self) -> Result<Vec<Option<StepStatus>>> {
        let results = self.results.borrow();
        let steps = self.store.steps(&self.record.id)?;
        Ok(steps.iter().map(|s| results.contains_key(&StepId(s.position)).then_some(s.status)).collect())
    }

    fn scheduler(&self) -> Result<Scheduler> {
        let peaks = match &self.record.source {
            Some(source) => self.store.memory_peaks(source)?,
            None => BTreeMap::new(),
        };
        let needs = memory::needs(&self.pipeline, &peaks);
        let memory = memory::available().unwrap_or(u64::MAX);
        Ok(Scheduler::new(
            &self.pipeline,
            &self.done_before()?,
            &needs,
            Room { jobs: self.jobs(), memory: memory / self.owner.beside as u64 },
        ))
    }

    fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.record.options.jobs.unwrap_or_else(|| processors().div_ceil(self.owner.beside))
    }
}

fn has_result(status: StepStatus) -> bool {
    matches!(status, StepStatus::Succeeded | StepStatus::Cached)
}

/// How a task of the loop ended.
pub(crate) enum Ended {
    /// Published already.
    Succeeded,
    /// Published already, and the loop was told by [`Execution::has_settled`].
    Left,
    /// Published already.
    Reused,
    /// Not yet recorded: there may be another attempt.
    Failed(StepEnd),
    /// Not yet recorded.
    Stopped(StepEnd),
    PauseOver,
}

type Tasks = JoinSet<(StepId, Result<Ended>)>;

async fn carry_out(execution: Rc<Execution>, mut settled: mpsc::UnboundedReceiver<StepId>) -> Result<RunStatus> {
    let run = &execution.record.id;
    let names = execution.pipeline.steps.iter().map(|step| step.name.to_string()).collect();
    execution.store.append_events(run, &[Event::RunStarted { time: now(), steps: names }])?;
    let mut wanting = preflight(&execution.pipeline);
    wanting.extend(missing_directory(&execution.record.options.directory));
    if !wanting.is_empty() {
        execution.store.add_diagnostics(run, &wanting)?;
        return publish::finish(&execution, RunStatus::Failed);
    }
    warn(&execution)?;
    let mut cancels = CancelSignals::new();
    let prepared = tokio::select! {
        prepared = isolated::prepare(&execution) => prepared?,
        cancelled = cancels.wait(|| is_cancelled(&execution)) => cancelled.map(|()| isolated::Prepared::Cancelled)?,
    };
    if let isolated::Prepared::Refused(diagnostic) = prepared {
        execution.store.add_diagnostics(run, &[*diagnostic])?;
        return publish::finish(&execution, RunStatus::Failed);
    }
    let begin = if matches!(prepared, isolated::Prepared::Cancelled) { Begin::Cancelled } else { Begin::Freely };
    let places = execution.record.options.differential.then(|| differential::prepare(&execution));
    let mut tasks = Tasks::new();
    let outcome = obey(&execution, &mut tasks, &mut settled, &mut cancels, begin).await;
    if !matches!(outcome, Ok(RunStatus::Succeeded | RunStatus::Failed)) {
        // The store has failed us, or the run is cancelled: end what still runs, so that nothing is left behind.
        execution.stop.send_replace(true);
    }
    see_off(&execution, &mut tasks, &mut cancels).await;
    let mut status = outcome?;
    if let Some(places) = places.filter(|_| matches!(status, RunStatus::Succeeded | RunStatus::Failed)) {
        let found = differential::compare(&execution, &places, status).await?;
        execution.store.add_diagnostics(run, &found)?;
        if found.iter().any(Diagnostic::is_error) {
            status = RunStatus::Failed;
        }
    }
    publish::finish(&execution, status)
}

/// Says what the run goes on without; once, if it is resumed.
fn warn(execution: &Execution) -> Result<()> {
    let mut warnings = Vec::from_iter(missing_gpu(&execution.pipeline));
    warnings.retain(|warning| !execution.record.diagnostics.contains(warning));
    if warnings.is_empty() { Ok(()) } else { execution.store.add_diagnostics(&execution.record.id, &warnings) }
}

/// Processes of steps that have succeeded may still be at work on their snapshots. Nobody has to wait for these: whoever
/// cancels now goes without.
async fn see_off(execution: &Execution, tasks: &mut Tasks, cancels: &mut CancelSignals) {
    loop {
        tokio::select! {
            joined = tasks.join_next() => if joined.is_none() { return },
            _ = cancels.wait(|| is_cancelled(execution)), if !*execution.stop.borrow() => {
                execution.stop.send_replace(true);
            }
        }
    }
}

/// Whether the user wanted the run to stop before its first step.
enum Begin {
    Freely,
    Cancelled,
}

/// The loop between the scheduler and the tasks.
async fn obey(
    execution: &Rc<Execution>,
    tasks: &mut Tasks,
    settled: &mut mpsc::UnboundedReceiver<StepId>,
    cancels: &mut CancelSignals,
    begin: Begin,
) -> Result<RunStatus> {
    let mut scheduler = execution.scheduler()?;
    let mut stopped = BTreeMap::new();
    let mut commands = VecDeque::from(match begin {
        Begin::Freely => scheduler.begin(),
        Begin::Cancelled => scheduler.on(Happening::Cancel),
    });
    loop {
        while let Some(command) = commands.pop_front() {
            if let Command::Finish { status } = command {
                return Ok(status);
            }
            carry_out_command(execution, tasks, &mut stopped, command)?;
        }
        let happening = tokio::select! {
            Some(joined) = tasks.join_next() => {
                let (step, ended) = joined.expect("tasks do not panic, and are aborted only after the loop");
                match happened(execution, &scheduler, &mut stopped, step, ended?)? {
                    Some(happening) => happening,
                    None => continue,
                }
            }
            Some(step) = settled.recv() => Happening::Succeeded(step),
            cancelled = cancels.wait(|| is_cancelled(execution)) => cancelled.map(|()| Happening::Cancel)?,
        };
        commands.extend(scheduler.on(happening));
    }
}

fn carry_out_command(
    execution: &Rc<Execution>,
    tasks: &mut Tasks,
    stopped: &mut BTreeMap<StepId, StepEnd>,
    command: Command,
) -> Result<()> {
    match command {
        Command::Start { step, attempt } => {
            let execution = Rc::clone(execution);
            tasks.spawn_local(async move { (step, step::carry_out(&execution, step, attempt).await) });
        }
        Command::Pause { step, pause } => {
            let mut stop = execution.stop_signal();
            tasks.spawn_local(async move {
                let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
                (step, Ok(Ended::PauseOver))
            });
        }
        // Stopping one means stopping all: it only comes with the end of the run.
        Command::Stop { .. } => {
            execution.stop.send_replace(true);
        }
        Command::Skip { step, failed } => {
            let reason = format!("step `{}` did not succeed", execution.step_name(failed));
            execution.end_step(step, &without_result(StepStatus::Skipped, Some(reason)))?;
        }
        Command::Cancel { step } => {
            let end = stopped.remove(&step).unwrap_or_else(|| without_result(StepStatus::Cancelled, None));
            execution.end_step(step, &end)?;
        }
        Command::Finish { .. } => unreachable!("handled by the loop"),
    }
    Ok(())
}

/// Records what a task came to, as far as that is final, and words it for the scheduler.
fn happened(
    execution: &Execution,
    scheduler: &Scheduler,
    stopped: &mut BTreeMap<StepId, StepEnd>,
    step: StepId,
    ended: Ended,
) -> Result<Option<Happening>> {
    Ok(Some(match ended {
        Ended::Left => return Ok(None),
        Ended::Succeeded => Happening::Succeeded(step),
        Ended::Reused => Happening::Reused(step),
        Ended::PauseOver => Happening::RetryDue(step),
        Ended::Stopped(end) => {
            stopped.insert(step, end);
            Happening::Stopped(step)
        }
        Ended::Failed(end) if scheduler.will_retry(step) => {
            announce_retry(execution, &end)?;
            Happening::Failed(step)
        }
        Ended::Failed(end) => {
            execution.end_step(step, &end)?;
            Happening::Failed(step)
        }
    }))
}

/// A failure that another attempt may heal is worth a line, and no error of the run.
fn announce_retry(execution: &Execution, end: &StepEnd) -> Result<()> {
    let softened = |diagnostic: &Diagnostic| Event::Diagnostic {
        diagnostic: Diagnostic { severity: Severity::Warning, ..diagnostic.clone() },
    };
    let events: Vec<Event> = end.diagnostics.iter().map(softened).collect();
    execution.store.append_events(&execution.record.id, &events)
}

fn without_result(status: StepStatus, reason: Option<String>) -> StepEnd {
    StepEnd { status, seconds: 0.0, result: None, diagnostics: vec![], reason, cacheable: false }
}

/// What the user has to say while the run goes on: SIGINT and SIGTERM to the engine, and a mark in the store, all mean to
/// cancel it in order.
pub(crate) struct CancelSignals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    looks: tokio::time::Interval,
}

impl CancelSignals {
    pub fn new() -> CancelSignals {
        CancelSignals {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
            looks: tokio::time::interval(LOOK),
        }
    }

    /// Returns when whatever is carried out is to be cancelled.
    pub async fn wait(&mut self, is_cancelled: impl Fn() -> Result<bool>) -> Result<()> {
        loop {
            tokio::select! {
                () = received(self.interrupt.as_mut()) => return Ok(()),
                () = received(self.terminate.as_mut()) => return Ok(()),
                _ = self.looks.tick() => {
                    if is_cancelled()? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn is_cancelled(execution: &Execution) -> Result<bool> {
    execution.store.cancel_requested(&execution.record.id)
}

async fn received(signal: Option<&mut tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
