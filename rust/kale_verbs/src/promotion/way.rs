//! What is still to come after a run of `run --then`. It is kept beside the run as it was compiled at the beginning, so that
//! `resume` can go on with it where whoever waited for the run has ended. Who waits holds a lock, which ends with the process.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use kale_model::{Code, Diagnostic, RunId, RunStatus};
use kale_store::{NewRun, Store, StoreError};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::cluster;
use crate::on_cluster;

/// In a run's folder.
const FILE: &str = "promotion.json";
const LOCK: &str = "promotion.lock";
/// Who only looks holds the lock for a moment.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// A run that is to be recorded, and what a cluster is to be given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leg {
    pub new: NewRun,
    pub ir: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Way {
    pub gates: Vec<String>,
    /// Without the notebook, which is that of the run.
    pub rest: Vec<Leg>,
    pub state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    #[default]
    Open,
    /// A gate does not hold.
    Closed,
    /// This run has begun in the next context.
    GoneOn(RunId),
}

impl Leg {
    pub fn context(&self) -> &str {
        cluster::called(self.new.options.context.as_deref())
    }

    /// Records it, with what comes after it. Nothing is started yet.
    pub fn record(&self, store: &Store, way: &Way) -> Result<RunId, StoreError> {
        let run = store.create_run(&self.new)?;
        if let Some(ir) = &self.ir {
            on_cluster::keep_pipeline(store, &run, ir)?;
        }
        if !way.rest.is_empty() {
            way.keep(store, &run)?;
        }
        Ok(run)
    }
}

impl Way {
    /// The one that leads on from a run, if any does.
    pub fn of(store: &Store, run: &RunId) -> Result<Option<Way>, StoreError> {
        let path = store.run_directory(run).join(FILE);
        let Ok(text) = fs::read(&path) else { return Ok(None) };
        let mut way: Way = serde_json::from_slice(&text).map_err(|error| unwritable(&path, &error.to_string()))?;
        if let Some(notebook) = store.origin(run)?.notebook.filter(|_| !way.rest.is_empty()) {
            let notebook = store.blobs().read(&notebook)?;
            way.rest.iter_mut().for_each(|leg| leg.new.notebook.clone_from(&notebook));
        }
        Ok(Some(way))
    }

    pub fn keep(&self, store: &Store, run: &RunId) -> Result<(), StoreError> {
        let path = store.run_directory(run).join(FILE);
        let text = serde_json::to_vec(self).expect("it is plain data");
        kale_engine::replace_file(&path, |file| file.write_all(&text))
            .map_err(|error| unwritable(&path, &error.to_string()))
    }
}

fn unwritable(path: &Path, reason: &str) -> StoreError {
    StoreError::Unwritable { path: path.to_owned(), reason: reason.to_owned() }
}

/// The last run of a way as far as it has come.
pub fn end(store: &Store, run: &RunId) -> Result<RunId, StoreError> {
    let mut run = run.clone();
    while let Some(Way { state: State::GoneOn(next), .. }) = Way::of(store, &run)? {
        run = next;
    }
    Ok(run)
}

/// Held by whoever waits for a run and then goes on.
#[must_use = "it ends when it is dropped"]
pub struct Waiting(#[allow(dead_code)] Flock<fs::File>);

/// Waits for a run from which a way leads on, unless somebody else does.
pub fn wait(store: &Store, run: &RunId) -> Result<Option<Waiting>, StoreError> {
    if !store.run_directory(run).join(FILE).exists() {
        return Ok(None);
    }
    for _ in 1..ATTEMPTS {
        if let Some(waiting) = try_to_wait(store, run)? {
            return Ok(Some(waiting));
        }
        sleep(PAUSE);
    }
    try_to_wait(store, run)
}

fn try_to_wait(store: &Store, run: &RunId) -> Result<Option<Waiting>, StoreError> {
    if Way::of(store, run)?.is_none_or(|way| way.state != State::Open) {
        return Ok(None);
    }
    let path = store.run_directory(run).join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| unwritable(&path, &error.to_string()))?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(Waiting))
}

/// That nobody waits any more for a run after which there was more to come.
pub fn abandoned(store: &Store, run: &RunId, status: RunStatus) -> Result<Option<Diagnostic>, StoreError> {
    let is_to_be_resumed = !matches!(status, RunStatus::Pending | RunStatus::Running | RunStatus::Succeeded);
    if is_to_be_resumed || !store.run_directory(run).join(FILE).exists() || try_to_wait(store, run)?.is_none() {
        return Ok(None);
    }
    let Some(next) = Way::of(store, run)?.and_then(|way| way.rest.into_iter().next()) else { return Ok(None) };
    let message = format!("`{}` was not started: whoever waited for this run has ended before.", next.context());
    let help = format!("`kale-rs resume {run}` goes on, with the notebook as it was compiled then.");
    Ok(Some(Diagnostic::new(Code::NotPromoted, message, help)))
}
