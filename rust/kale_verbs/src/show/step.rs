//! `show RUN STEP`: one step with all that it made.

use kale_model::{Diagnostic, RunId, StepView};
use kale_store::{RunRecord, StepProgress, StepRecord, Store};
use serde::Serialize;
use serde_json::Value;

use crate::artifact::head::{self, ArtifactHead};
use crate::error::VerbError;
use crate::on_cluster::fetching::{self, UnfetchedOutput};
use crate::restore::find_step;

#[derive(Debug, Serialize)]
pub struct StepPage {
    pub run_id: RunId,
    pub step: StepFacts,
    /// Its variables: what it passed on, and what else was stored of them.
    pub artifacts: Vec<ArtifactHead>,
    /// What it was given.
    pub inputs: Vec<ArtifactHead>,
    /// What it passed on that is still on the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfetched: Vec<Unfetched>,
    /// Files that it wrote.
    pub files: Vec<WrittenFile>,
    pub cells: Vec<CellPage>,
    /// Whether `restore` knows its variables.
    pub snapshot: bool,
    pub log_bytes: u64,
    /// Whether it was made here, or somebody has said that whoever made it is trusted.
    pub trusted: bool,
    pub diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, Serialize)]
pub struct StepFacts {
    #[serde(flatten)]
    pub view: StepView,
    #[serde(flatten)]
    pub progress: StepProgress,
}

/// A value that is where a cluster has put it.
#[derive(Debug, Serialize)]
pub struct Unfetched {
    /// Its variables, or the path of the file that it is.
    pub names: Vec<String>,
    /// `None`: the cluster does not say where it is.
    pub uri: Option<String>,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct WrittenFile {
    pub id: String,
    pub path: String,
    pub bytes: Option<u64>,
}

/// A cell as the step had it.
#[derive(Debug, Serialize)]
pub struct CellPage {
    pub cell: usize,
    pub source: String,
    /// nbformat's.
    pub outputs: Vec<Value>,
}

pub fn page(
    store: &Store,
    record: &RunRecord,
    details: Vec<StepProgress>,
    name: &str,
    unfetched: &fetching::Unfetched,
) -> Result<StepPage, VerbError> {
    let position = find_step(&record.pipeline, &record.id, name)?.0;
    let unknown = || VerbError::usage(format!("run `{}` has no step `{name}`", record.id), "");
    let step = store.steps(&record.id)?.into_iter().nth(position).ok_or_else(unknown)?;
    let view = store.run_view(&record.id)?.steps.into_iter().nth(position).ok_or_else(unknown)?;
    let progress = details.into_iter().nth(position).ok_or_else(unknown)?;
    let files = step.result.iter().flat_map(|result| &result.files).map(|(path, content)| {
        let ArtifactHead { id, bytes, .. } = head::file(store, path, content);
        WrittenFile { id, path: path.clone(), bytes }
    });
    Ok(StepPage {
        run_id: record.id.clone(),
        step: StepFacts { view, progress },
        artifacts: head::variables_made(store, record, &step)?,
        inputs: head::variables_given(store, record, &step)?,
        unfetched: still_there(record, position, unfetched),
        files: files.collect(),
        cells: cells(store, record, &step)?,
        snapshot: store.snapshot(&record.id, position)?.is_some(),
        log_bytes: store.log_bytes(&record.id, &step),
        trusted: store.pulled(&record.id)?.is_none_or(|pulled| pulled.trusted),
        diagnostics: step.diagnostics,
    })
}

fn still_there(record: &RunRecord, position: usize, unfetched: &fetching::Unfetched) -> Vec<Unfetched> {
    let told = |one: &UnfetchedOutput| Unfetched {
        names: one.names(record),
        uri: one.uri.clone(),
        reason: one.reason.clone(),
    };
    unfetched.0.iter().filter(|one| one.position == position).map(told).collect()
}

fn cells(store: &Store, record: &RunRecord, step: &StepRecord) -> Result<Vec<CellPage>, VerbError> {
    let pipeline = &record.pipeline;
    let mut outputs = kale_engine::stored_outputs(store, step)?.into_iter();
    let page = |cell: &kale_model::StepCell| CellPage {
        cell: pipeline.sub_cells.visible(cell.index).0,
        source: cell.source.clone(),
        outputs: outputs.next().flatten().unwrap_or_default(),
    };
    Ok(pipeline.steps[step.position].cells.iter().map(page).collect())
}
