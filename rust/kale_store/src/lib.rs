//! Runs, their lineage, and the values that travel between steps: on disk, in a folder beside the notebook.
//!
//! This crate knows the disk and SQLite. It starts no process and runs no Python; `kale_engine` does, and writes here
//! what happened, while terminals, kernels and panels read the same store to follow. Several engines may share one
//! store.
//!
//! ```text
//! .kale_rs/
//!   .gitignore                    `*`: the store ignores itself
//!   store.db                      SQLite: runs, steps, metrics, events, cache (see `database.rs`)
//!   blobs/3f/3f9a...e1            contents by blake3 digest, read-only (see `blob.rs`)
//!   runs/20261120-094815-3f9a/
//!     churn.ipynb                 the executed notebook
//!     engine.log                  what the engine process had to say, normally nothing
//!     steps/002-train/            scratch of one step: request, result, outputs on their way to blobs
//!       log.txt                   what the step has printed so far
//! ```
//!
//! What holds at any instant, also after `kill -9` or a power cut: a blob that has its name is complete; a step that
//! is recorded as succeeded has all its blobs; a run whose engine died shows as `interrupted` and can be resumed.

mod arriving;
mod blob;
mod bundles;
mod cache;
mod database;
mod diff;
mod earlier;
mod engine;
mod environments;
mod error;
mod event;
mod filesystem;
mod gc;
mod ids;
mod liveness;
mod location;
mod log;
mod packed;
mod progress;
mod pulled;
mod record;
mod remote;
mod run;
mod snapshot;
mod step;
mod sweep;
mod time;
mod view;

use std::path::{Path, PathBuf};

pub use arriving::Arriving;
pub use blob::{Blobs, Digest, Hashing, Incoming};
pub use bundles::bundle_note;
pub use database::STORE_VERSION;
pub use diff::{Change, RunDiff, StepChange};
pub use earlier::EarlierStep;
pub use environments::{EnvironmentInMaking, EnvironmentInUse, EnvironmentPlace, EnvironmentState};
pub use error::{Result, StoreError};
pub use event::StoredEvent;
pub use gc::{Collected, Policy};
pub use liveness::ProcessIdentity;
pub use location::{FOLDER, HOME_VARIABLE, create_root, locate};
pub use log::{LogPart, StepLog};
pub use packed::{PackedRun, PackedStep, without_controls};
pub use progress::{Origin, StepProgress};
pub use pulled::Pulled;
pub use record::{
    CachedResult, Elsewhere, MetricPoint, NewRun, Observed, RunOptions, RunRecord, StepEnd, StepRecord, StepResult,
    Verify,
};
pub use snapshot::{Lost, SnapshotGroup, StepSnapshot, Unbound};
pub use sweep::{NewSweep, NewTrial, SweepRecord, TrialEnd, TrialRecord};
pub use time::{now, rfc3339};
pub use view::Wanted;

use database::Database;
use kale_model::RunId;

/// An open store. One per thread: SQLite connections are not shared.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    blobs: Blobs,
    database: Database,
}

impl Store {
    /// Opens the store at `root` (see [`locate`]), making it when there is none.
    pub fn open(root: &Path) -> Result<Store> {
        create_root(root)?;
        let root = root.canonicalize().map_err(|error| StoreError::reading(root, &error))?;
        let database = Database::open(&root.join("store.db"))?;
        let blobs = Blobs::new(root.join("blobs"));
        blobs.sweep();
        Ok(Store { root, blobs, database })
    }

    /// The store at `root` if there is one: for verbs that only look. One on a disk that cannot be written can still be
    /// looked at.
    pub fn open_existing(root: &Path) -> Result<Option<Store>> {
        if !root.join("store.db").is_file() {
            return Ok(None);
        }
        match Store::open(root) {
            Err(refused @ StoreError::Unwritable { .. }) => Store::open_to_read(root).map_err(|_| refused).map(Some),
            opened => opened.map(Some),
        }
    }

    fn open_to_read(root: &Path) -> Result<Store> {
        let root = root.canonicalize().map_err(|error| StoreError::reading(root, &error))?;
        let database = Database::open_to_read(&root.join("store.db"))?;
        Ok(Store { blobs: Blobs::new(root.join("blobs")), database, root })
    }

    /// Whether it still lies where it was opened: a folder can be moved or removed while a run is at work.
    pub fn is_there(&self) -> bool {
        self.root.join("store.db").is_file()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// How SQLite keeps its journal here: `wal`, or `truncate` where a WAL does not work.
    pub fn journal_mode(&self) -> &'static str {
        self.database.journal_mode()
    }

    /// Where the run's files are.
    pub fn run_directory(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(&run.0)
    }

    /// The scratch folder of a step.
    pub fn step_directory(&self, run: &RunId, position: usize, name: &str) -> PathBuf {
        self.run_directory(run).join("steps").join(format!("{position:03}-{name}"))
    }
}
