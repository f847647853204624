//! `snapshot push` and `snapshot pull`: the states of a run, to an object store and into the store of somebody else.

use std::path::{Path, PathBuf};

use kale_model::StepId;
use kale_remote::RemoteError;
use kale_remote::snapshot::{self, Pull, Push, Watch};
pub use kale_remote::snapshot::{Amount, Progress, Pulled, Pushed};
use kale_store::{FOLDER, Store};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::id::Id;
use crate::listener::Listener;
use crate::on_cluster::fetching::{self, UnfetchedOutput};
use crate::restore::{Point, find_step};
use crate::session::Session;

#[derive(Clone, Debug, Deserialize)]
pub struct SnapshotRequest {
    #[serde(flatten)]
    pub action: SnapshotAction,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum SnapshotAction {
    Push {
        /// `RUN`, `RUN:STEP`, or a `kale://` id.
        run: String,
        /// The step, where `run` does not say.
        #[serde(default)]
        step: Option<String>,
        url: String,
    },
    Pull {
        url: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SnapshotAnswer {
    Push(PushAnswer),
    Pull(Pulled),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushAnswer {
    #[serde(flatten)]
    pub pushed: Pushed,
    /// What whoever pulls will miss: it is still on a cluster. Pushing again later completes the snapshot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub step: String,
    /// Variables, or the path of a file.
    pub names: Vec<String>,
    pub reason: String,
}

pub fn snapshot(
    session: &Session,
    request: &SnapshotRequest,
    listener: &mut dyn Listener,
) -> Result<SnapshotAnswer, VerbError> {
    match &request.action {
        SnapshotAction::Push { run, step, url } => {
            let (run, named) = run_and_step(run)?;
            push(session, &request.store, (run, step.clone().or(named)), url, listener)
        }
        SnapshotAction::Pull { url } => pull(session, &request.store, url, listener),
    }
}

fn push(
    session: &Session,
    choice: &StoreChoice,
    (run, step): (String, Option<String>),
    url: &str,
    listener: &mut dyn Listener,
) -> Result<SnapshotAnswer, VerbError> {
    let (store, id) = choice.find(session, &run)?;
    let record = store.run(&id)?;
    let step = step.map(|name| find_step(&record.pipeline, &id, &name)).transpose()?;
    let wanted = |position: usize| {
        step.is_none_or(|step| {
            let point = Point::new(&record.pipeline, step, false);
            record.pipeline.step(StepId(position)).cells.iter().any(|cell| point.has(cell.index))
        })
    };
    // Nobody else can fetch what is still on a cluster.
    let unfetched = fetching::fetch(&store, &record, None, |step| wanted(step.position))?;
    let packed = store.pack(&id, wanted)?;
    let step = step.map(|step| record.pipeline.step(step).name.to_string());
    let push = Push { run: &packed, step: step.as_deref(), url, directory: &session.directory };
    let pushed = snapshot::push(&store, &push, &mut Watching(listener))?;
    let left_out = |one: &UnfetchedOutput| LeftOut {
        step: record.pipeline.steps[one.position].name.to_string(),
        names: one.names(&record),
        reason: one.reason.clone(),
    };
    Ok(SnapshotAnswer::Push(PushAnswer { pushed, left_out: unfetched.0.iter().map(left_out).collect() }))
}

/// `RUN:STEP`, where RUN is an id or the start of one, neither of which has a colon.
fn run_and_step(text: &str) -> Result<(String, Option<String>), VerbError> {
    if let Some((run, step)) = text.split_once(':').filter(|_| !text.contains("://")) {
        return Ok((run.to_owned(), Some(step.to_owned())));
    }
    let found = Id::parse(text).and_then(Id::run_and_step);
    found
        .ok_or_else(|| VerbError::usage(format!("`{text}` names no run"), "write `RUN`, `RUN:STEP`, or a `kale://` id"))
}

fn pull(
    session: &Session,
    choice: &StoreChoice,
    url: &str,
    listener: &mut dyn Listener,
) -> Result<SnapshotAnswer, VerbError> {
    let root = choice.root(session);
    let store = Store::open(&root)?;
    let home = home(session, &store);
    let pull = Pull { url, directory: &session.directory, home: &home };
    Ok(SnapshotAnswer::Pull(snapshot::pull(&store, &pull, &mut Watching(listener))?))
}

/// Where notebooks of this store are: its folder lies among them, unless somebody has put it elsewhere.
fn home(session: &Session, store: &Store) -> PathBuf {
    let among = store.root().parent().filter(|_| store.root().file_name() == Some(Path::new(FOLDER).as_os_str()));
    among.map_or_else(|| session.directory.clone(), Path::to_owned)
}

struct Watching<'l>(&'l mut dyn Listener);

impl Watch for Watching<'_> {
    fn goes_on(&mut self, progress: Progress) -> bool {
        self.0.transfer(&progress);
        self.0.interrupted().is_none()
    }
}

impl From<RemoteError> for VerbError {
    fn from(error: RemoteError) -> VerbError {
        let (message, help) = (error.to_string(), error.help());
        match error {
            RemoteError::Interrupted => VerbError::Interrupted,
            RemoteError::Store(error) => error.into(),
            RemoteError::Url { .. }
            | RemoteError::Target { .. }
            | RemoteError::NoSnapshot { .. }
            | RemoteError::Several { .. } => VerbError::Usage { message, help },
            _ => VerbError::Remote { message, help },
        }
    }
}
