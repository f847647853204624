//! The store that a verb about past runs looks into, and which of its runs is meant.

use std::path::{Path, PathBuf};

use kale_model::RunId;
use kale_store::{Origin, Store, StoreError};
use serde::Deserialize;

use crate::error::VerbError;
use crate::id::Id;
use crate::notebook::Listing;
use crate::session::Session;

/// Which store.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct StoreChoice {
    /// A notebook or folder whose store is meant; `None` is the current folder.
    #[serde(default)]
    pub store: Option<PathBuf>,
}

impl StoreChoice {
    pub fn root(&self, session: &Session) -> PathBuf {
        let near = self.store.as_ref().map_or_else(|| session.directory.clone(), |near| session.directory.join(near));
        kale_store::locate(&near)
    }

    /// The store, if there is one.
    pub fn open(&self, session: &Session) -> Result<Option<Store>, VerbError> {
        Ok(Store::open_existing(&self.root(session))?)
    }

    /// The store and the run that `text` stands for.
    pub fn find(&self, session: &Session, text: &str) -> Result<(Store, RunId), VerbError> {
        let text = &run_named_by(text)?;
        let Some(store) = self.open(session)? else { return Err(no_store(&self.root(session), text)) };
        let run = find_run(&store, text)?;
        Ok((store, run))
    }
}

/// The run that `text` stands for: an id, the start of one, `last`, or the best trial's.
pub fn find_run(store: &Store, text: &str) -> Result<RunId, VerbError> {
    match sweep_whose_best(text) {
        Some(sweep) => best_of(store, sweep),
        None => store.find_run(text).map_err(|error| unknown_run(error, store.root())),
    }
}

/// `best` stands for the best trial of the newest sweep, `best@SWEEP` for another's.
fn sweep_whose_best(text: &str) -> Option<&str> {
    match text.split_once('@') {
        Some(("best", sweep)) => Some(sweep),
        _ => (text == "best").then_some("last"),
    }
}

fn best_of(store: &Store, sweep: &str) -> Result<RunId, VerbError> {
    let view = store.sweep_view(&store.find_sweep(sweep)?)?;
    let best = view.best.ok_or_else(|| {
        VerbError::usage(
            format!("sweep `{}` has no best trial: none has succeeded", view.sweep_id),
            "`kale-rs sweeps show` says why",
        )
    })?;
    Ok(best.run_id)
}

/// The notebook of a run, as it was when the run was started. Its path is shown from the current folder, if it is below.
pub fn listing(session: &Session, store: &Store, origin: &Origin) -> Result<Listing, VerbError> {
    let text = origin.notebook.as_ref().map(|digest| store.blobs().read(digest)).transpose()?.unwrap_or_default();
    let from_here = |path: &Path| path.strip_prefix(&session.directory).unwrap_or(path).display().to_string();
    let label = origin.source.as_deref().map_or_else(|| "<stdin>".to_owned(), from_here);
    Ok(Listing::of(&label, &String::from_utf8_lossy(&text)))
}

/// The run of an id (see [`crate::id`]).
pub fn run_named_by(text: &str) -> Result<String, VerbError> {
    let of_run = Id::parse(text).and_then(Id::run_and_step);
    let (run, _) = of_run.ok_or_else(|| {
        VerbError::usage(
            format!("`{text}` names no run"),
            "`kale-rs runs` lists the runs, `kale-rs lineage` knows values",
        )
    })?;
    Ok(run)
}

fn no_store(root: &Path, run: &str) -> VerbError {
    let message =
        format!("there is no run `{run}`: no notebook has run here yet (`{}` does not exist)", root.display());
    VerbError::usage(message, "name the notebook whose runs you mean, or its folder, as `store` (`--store PATH`)")
}

fn unknown_run(error: StoreError, root: &Path) -> VerbError {
    match VerbError::from(error) {
        VerbError::Usage { message, help } => VerbError::Usage {
            message: format!("{} (looked in `{}`)", message.trim_end_matches('.'), root.display()),
            help,
        },
        other => other,
    }
}

impl From<StoreError> for VerbError {
    fn from(error: StoreError) -> VerbError {
        let diagnostic = error.diagnostic();
        let (message, help) = (diagnostic.message, diagnostic.help);
        match error {
            StoreError::UnknownRun(_)
            | StoreError::UnknownSweep(_)
            | StoreError::AmbiguousRun { .. }
            | StoreError::AmbiguousSweep { .. }
            | StoreError::UnknownStep { .. }
            | StoreError::MadeElsewhere { .. }
            | StoreError::OtherRun { .. }
            | StoreError::Busy { .. }
            | StoreError::SweepBusy { .. } => VerbError::Usage { message, help },
            _ => VerbError::Store { message, help },
        }
    }
}
