//! `runs`: what ran so far, newest first.

use kale_model::RunView;
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RunsRequest {
    #[serde(flatten)]
    pub store: StoreChoice,
    /// `None`: all of them.
    #[serde(default)]
    pub limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct RunList {
    pub runs: Vec<RunView>,
    /// Where the store is, or would be.
    #[serde(skip)]
    pub root: std::path::PathBuf,
}

pub fn runs(session: &Session, request: &RunsRequest) -> Result<RunList, VerbError> {
    let runs = match request.store.open(session)? {
        Some(store) => store.list(request.limit)?,
        None => vec![],
    };
    Ok(RunList { runs, root: request.store.root(session) })
}
