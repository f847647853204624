//! `restore`: the namespace of a run at a point, to be put into a kernel, or the notebook as it was there.
//!
//! The point is after the last cell of a step, or before its first. What to do for the namespace is told as actions
//! ([`namespace::Action`]); user code and pickles are a matter of the Python that wants them.

mod namespace;
mod notebook;

use std::path::{Path, PathBuf};

use kale_model::{CellIndex, Pipeline, RunId, StepId};
use kale_store::{RunRecord, StepRecord, Store};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::id::Id;
use crate::notebook::is_beside;
use crate::on_cluster::fetching;
use crate::session::Session;

pub use namespace::{Action, Missing, Namespace, UnfetchedFile, WrittenFile, definitions};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RestoreRequest {
    pub run: String,
    /// `None` when the run's id is that of a step.
    #[serde(default)]
    pub step: Option<String>,
    /// Before the step's first cell, and not after its last.
    #[serde(default)]
    pub before: bool,
    /// Write the notebook.
    #[serde(default)]
    pub write: bool,
    /// Where to; `None` is beside the notebook that was run.
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// Put back the files that the steps wrote.
    #[serde(default)]
    pub files: bool,
    /// The user trusts whoever made a run that was pulled, from now on.
    #[serde(default)]
    pub trust: bool,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Debug, Serialize)]
pub struct Restored {
    pub run_id: RunId,
    pub step: String,
    pub before: bool,
    /// The notebook that was written.
    pub notebook: Option<PathBuf>,
    /// Where the notebook's relative paths start.
    pub directory: PathBuf,
    pub namespace: Namespace,
    /// Files that were put back: those of `namespace.files` that were not there as the steps had left them.
    pub files_put_back: Vec<String>,
    /// Files that were not: where they were is nowhere in the folder of a run that was pulled.
    pub files_outside: Vec<String>,
}

/// A point of a notebook: everything before it has happened.
#[derive(Clone, Copy)]
pub struct Point<'p> {
    pipeline: &'p Pipeline,
    limit: (usize, usize),
    inclusive: bool,
}

impl<'p> Point<'p> {
    pub fn new(pipeline: &'p Pipeline, step: StepId, before: bool) -> Point<'p> {
        let places = pipeline.step(step).cells.iter().map(|cell| place(pipeline, cell.index));
        let limit = if before { places.min() } else { places.max() }.unwrap_or_default();
        Point { pipeline, limit, inclusive: !before }
    }

    /// Whether a cell comes before the point.
    pub fn has(&self, cell: CellIndex) -> bool {
        let place = place(self.pipeline, cell);
        place < self.limit || (self.inclusive && place == self.limit)
    }
}

/// What sorts cells as the notebook has them: those of another notebook come where it is referred to.
pub fn place(pipeline: &Pipeline, cell: CellIndex) -> (usize, usize) {
    (pipeline.sub_cells.visible(cell).0, cell.0)
}

pub fn restore(session: &Session, request: &RestoreRequest) -> Result<Restored, VerbError> {
    let (store, run) = request.store.find(session, &request.run)?;
    let record = store.run(&run)?;
    let named = request.step.clone().or_else(|| Id::parse(&request.run)?.run_and_step()?.1);
    let Some(named) = named else {
        return Err(VerbError::usage("the step is missing", format!("`kale-rs show {run}` lists the steps")));
    };
    let step = find_step(&record.pipeline, &run, &named)?;
    must_be_trusted(&store, &run, request.trust)?;
    let point = Point::new(&record.pipeline, step, request.before);
    let is_before =
        |step: &StepRecord| record.pipeline.steps[step.position].cells.iter().any(|cell| point.has(cell.index));
    let unfetched = fetching::fetch(&store, &record, None, is_before)?;
    let namespace = namespace::namespace(&store, &record, point, &unfetched)?;
    let directory = place_now(&store, &record);
    let made_elsewhere = store.pulled(&run)?.is_some();
    // A path of somebody else means something here only below the notebook's folder.
    let (files, files_outside): (Vec<&WrittenFile>, Vec<&WrittenFile>) =
        namespace.files.iter().filter(|_| request.files).partition(|file| !made_elsewhere || is_beside(&file.path));
    let files_put_back = put_back(&store, &files, &directory)?;
    let files_outside = files_outside.into_iter().map(|file| file.path.clone()).collect();
    let step = record.pipeline.step(step).name.to_string();
    let notebook = match request.write {
        true => Some(notebook::write(session, request, &store, &record, point, &step)?),
        false => None,
    };
    Ok(Restored {
        run_id: run,
        step,
        before: request.before,
        notebook,
        directory,
        namespace,
        files_put_back,
        files_outside,
    })
}

/// What was made elsewhere is loaded only after an explicit yes, which is remembered.
pub fn must_be_trusted(store: &Store, run: &RunId, yes: bool) -> Result<(), VerbError> {
    match store.pulled(run)? {
        Some(pulled) if !pulled.trusted && yes => Ok(store.trust(run)?),
        Some(pulled) if !pulled.trusted => Err(VerbError::usage(
            format!(
                "run `{run}` was pulled from `{}`, and its variables are pickles: loading them can run any code",
                pulled.origin
            ),
            "if you trust whoever made it, say so with `--trust` (or `trust=True`); once is enough",
        )),
        _ => Ok(()),
    }
}

/// The notebook's folder. One that was moved is where its store is now.
fn place_now(store: &Store, record: &RunRecord) -> PathBuf {
    let then = &record.options.directory;
    let beside_the_store = || store.root().parent().map(Path::to_owned);
    if then.is_dir() { then.clone() } else { beside_the_store().unwrap_or_else(|| then.clone()) }
}

pub fn find_step(pipeline: &Pipeline, run: &RunId, name: &str) -> Result<StepId, VerbError> {
    let found = pipeline.step_ids().find(|id| pipeline.step(*id).name.as_str() == name);
    found.ok_or_else(|| {
        let names: Vec<String> = pipeline.steps.iter().map(|step| format!("`{}`", step.name)).collect();
        VerbError::usage(format!("run `{run}` has no step `{name}`"), format!("its steps are {}", names.join(", ")))
    })
}

fn put_back(store: &Store, files: &[&WrittenFile], directory: &Path) -> Result<Vec<String>, VerbError> {
    let mut done = vec![];
    for file in files {
        let target = directory.join(&file.path);
        if kale_store::Digest::of_file(&target).is_ok_and(|found| found == file.content) {
            continue;
        }
        store.blobs().copy_out(&file.content, &target)?;
        done.push(file.path.clone());
    }
    Ok(done)
}
