//! `diff`: what differs between two runs.

use kale_store::RunDiff;
use serde::Deserialize;

use crate::error::VerbError;
use crate::history::{StoreChoice, find_run, run_named_by};
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct DiffRequest {
    pub before: String,
    pub after: String,
    #[serde(flatten)]
    pub store: StoreChoice,
}

pub fn diff(session: &Session, request: &DiffRequest) -> Result<RunDiff, VerbError> {
    let (store, before) = request.store.find(session, &request.before)?;
    let after = find_run(&store, &run_named_by(&request.after)?)?;
    Ok(store.diff(&before, &after)?)
}
