//! `runs`: what ran so far, newest first.

use std::path::PathBuf;

use kale_model::RunView;
use kale_store::Wanted;
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::notebook::resolved;
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RunsRequest {
    #[serde(flatten)]
    pub store: StoreChoice,
    /// Only those of this notebook.
    #[serde(default)]
    pub notebook: Option<PathBuf>,
    /// Those that are trials of sweeps as well.
    #[serde(default)]
    pub trials: bool,
    /// `None`: all of them.
    #[serde(default)]
    pub limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct RunList {
    pub runs: Vec<RunView>,
    /// Where the store is, or would be.
    #[serde(skip)]
    pub root: PathBuf,
}

pub fn runs(session: &Session, request: &RunsRequest) -> Result<RunList, VerbError> {
    let notebook = request.notebook.as_ref().map(|path| resolved(&session.directory.join(path)));
    // The store of a notebook is found beside it.
    let choice = StoreChoice { store: request.store.store.clone().or_else(|| notebook.clone()) };
    let runs = match choice.open(session)? {
        Some(store) => {
            store.list(&Wanted { source: notebook.as_deref(), trials: request.trials, limit: request.limit })?
        }
        None => vec![],
    };
    Ok(RunList { runs, root: choice.root(session) })
}
