//! `show`: one run and its steps; or one step of it.

mod step;

use kale_model::{RunId, RunStatus, RunView};
use kale_store::{Pulled, StepProgress, Store};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::{StoreChoice, listing};
use crate::interrupted;
use crate::notebook::Listing;
use crate::on_cluster::fetching;
use crate::session::Session;

pub use step::{CellPage, StepPage, Unfetched, WrittenFile};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ShowRequest {
    pub run: String,
    /// Show this step of it.
    #[serde(default)]
    pub step: Option<String>,
    /// Say only whether there is anything new.
    #[serde(default)]
    pub pulse: bool,
    /// Say also how far each step is, and what it took.
    #[serde(default)]
    pub detail: bool,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    pub run: RunView,
    #[serde(flatten)]
    pub detail: Option<RunDetail>,
    /// Where the run comes from, if it was not made here.
    #[serde(skip)]
    pub pulled: Option<Pulled>,
    #[serde(skip)]
    pub listing: Listing,
}

#[derive(Debug, Serialize)]
pub struct RunDetail {
    /// The number of the newest event: the rest of the answer is at least as new.
    pub sequence: i64,
    /// How far each step is, and what it took; in the order of the run's steps.
    pub details: Vec<StepProgress>,
}

pub fn show(session: &Session, request: &ShowRequest) -> Result<Shown, VerbError> {
    let (store, id) = request.store.find(session, &request.run)?;
    let detail = if request.detail { Some(detail(&store, &id)?) } else { None };
    let run = interrupted::view(&store, &id)?;
    let mut origin = store.origin(&id)?;
    if run.diagnostics.is_empty() {
        // Nobody will quote it.
        origin.notebook = None;
    }
    Ok(Shown { run, detail, pulled: store.pulled(&id)?, listing: listing(session, &store, &origin)? })
}

/// Whether there is more to be told of a run.
#[derive(Debug, Serialize)]
pub struct Pulse {
    pub run_id: RunId,
    pub status: RunStatus,
    /// As in [`RunDetail`].
    pub sequence: i64,
}

/// What costs nothing to ask again and again.
pub fn pulse(session: &Session, request: &ShowRequest) -> Result<Pulse, VerbError> {
    let (store, run_id) = request.store.find(session, &request.run)?;
    // First: what the status says is then at least as new.
    let sequence = store.last_event(&run_id)?;
    Ok(Pulse { status: store.run_status(&run_id)?, run_id, sequence })
}

/// One step of the run.
pub fn show_step(session: &Session, request: &ShowRequest, step: &str) -> Result<StepPage, VerbError> {
    let (store, id) = request.store.find(session, &request.run)?;
    let record = store.run(&id)?;
    let unfetched = fetching::fetch(&store, &record, Some(fetching::GLANCE), |each| each.name == step)?;
    let details = detail(&store, &id)?.details;
    step::page(&store, &record, details, step, &unfetched)
}

fn detail(store: &Store, run: &RunId) -> Result<RunDetail, VerbError> {
    let sequence = store.last_event(run)?;
    let mut details = store.step_progress(run)?;
    if details.iter().any(|progress| progress.cell.is_some()) {
        let sub_cells = store.sub_cells(run)?;
        for progress in &mut details {
            progress.cell = progress.cell.map(|cell| sub_cells.visible(cell));
        }
    }
    Ok(RunDetail { sequence, details })
}
