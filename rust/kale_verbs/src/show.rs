//! `show`: one run and its steps.

use kale_model::RunView;
use kale_store::Pulled;
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::{StoreChoice, listing};
use crate::notebook::Listing;
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ShowRequest {
    pub run: String,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    pub run: RunView,
    /// What people want to know of the steps beside what `run` says, in the same order.
    #[serde(skip)]
    pub steps: Vec<StepDetail>,
    /// Where the run comes from, if it was not made here.
    #[serde(skip)]
    pub pulled: Option<Pulled>,
    #[serde(skip)]
    pub listing: Listing,
}

#[derive(Debug)]
pub struct StepDetail {
    pub attempt: u32,
    pub cpu_seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    pub reason: Option<String>,
}

pub fn show(session: &Session, request: &ShowRequest) -> Result<Shown, VerbError> {
    let (store, id) = request.store.find(session, &request.run)?;
    let run = store.run_view(&id)?;
    let steps = store.steps(&id)?.into_iter().map(|step| StepDetail {
        attempt: step.attempt,
        cpu_seconds: step.result.as_ref().map(|result| result.cpu_seconds),
        peak_memory_bytes: step.result.as_ref().map(|result| result.peak_memory_bytes),
        reason: step.reason,
    });
    let pulled = store.pulled(&id)?;
    Ok(Shown { pulled, listing: listing(session, &store, &store.run(&id)?)?, steps: steps.collect(), run })
}
