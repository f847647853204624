//! The end of a run: its executed notebook and its last word.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kale_model::{CellIndex, Code, Diagnostic, RunId, RunStatus, Severity, StepStatus};
use kale_store::{Result, RunRecord, StepRecord, Store};
use serde_json::Value;

use crate::execute::Execution;
use crate::executed::{self, CellOutputs};
use crate::overrides;

/// Writes the executed notebook and records the run as over. A notebook that cannot be written costs a warning and
/// not the run.
pub(crate) fn finish(execution: &Execution, status: RunStatus) -> Result<RunStatus> {
    let path = match write_notebook(execution, status) {
        Ok(path) => path,
        Err(warnings) => {
            execution.store.add_diagnostics(&execution.record.id, &warnings)?;
            None
        }
    };
    execution.store.finish_run(&execution.record.id, status, path.as_deref())?;
    Ok(status)
}

/// Where the executed notebook is: at the place that was asked for, else in the store. `None` for a run of no
/// notebook.
fn write_notebook(execution: &Execution, status: RunStatus) -> std::result::Result<Option<PathBuf>, Vec<Diagnostic>> {
    let record = &execution.record;
    if !execution.store.is_there() {
        // The store was moved or removed meanwhile, and a step has said so.
        return Ok(None);
    }
    let Some(digest) = &record.notebook else { return Ok(None) };
    let bytes = execution.store.blobs().read_verified(digest).map_err(|error| vec![error.diagnostic()])?;
    let Ok(mut notebook) = serde_json::from_slice::<Value>(&bytes) else { return Ok(None) };
    overrides::show(&mut notebook, &record.pipeline, &record.parameters);
    let cells = cell_outputs(&execution.store, record).map_err(|error| vec![error.diagnostic()])?;
    let filled = executed::fill(notebook, &cells, &record.id, status, &record.parameters);
    let name = record.source.as_deref().and_then(std::path::Path::file_name);
    let name = name.unwrap_or_else(|| std::ffi::OsStr::new("notebook.ipynb"));
    let own = execution.store.run_directory(&record.id).join(name);
    let mut places = vec![own];
    places.extend(record.options.output_notebook.clone());
    for place in &places {
        executed::write(&filled, place).map_err(|error| vec![unwritten(place, &error)])?;
    }
    Ok(places.pop())
}

fn unwritten(place: &std::path::Path, error: &std::io::Error) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(
        Code::StoreUnwritable,
        format!("The executed notebook could not be written to `{}`: {error}.", place.display()),
        "The run itself is recorded; `kale-rs show RUN` and `kale-rs logs RUN` have what it did.",
    );
    diagnostic.severity = Severity::Warning;
    diagnostic
}

/// What the cells of the steps that ran put out.
pub(crate) fn cell_outputs(store: &Store, record: &RunRecord) -> Result<CellOutputs> {
    let (steps, pipeline) = (store.steps(&record.id)?, &record.pipeline);
    let mut cells = CellOutputs::default();
    let mut by_cell: BTreeMap<CellIndex, Vec<Value>> = BTreeMap::new();
    for step in &steps {
        let own = &pipeline.steps[step.position].cells;
        for (cell, outputs) in own.iter().zip(stored_outputs(store, step)?) {
            by_cell.extend(outputs.map(|outputs| (cell.index, outputs)));
        }
    }
    // What the cells of another notebook put out stands, in their order, at the cell that refers to it.
    for (cell, outputs) in by_cell {
        cells.outputs.entry(pipeline.sub_cells.visible(cell).0).or_default().extend(outputs);
    }
    let ran = |step: &&StepRecord| step.attempt > 0 || step.status == StepStatus::Cached;
    cells.mark_replayed(pipeline, steps.iter().filter(ran).map(|step| step.position));
    Ok(cells)
}

/// The outputs of each of the step's cells, `None` for one that was not run.
pub fn stored_outputs(store: &Store, step: &StepRecord) -> Result<Vec<Option<Vec<Value>>>> {
    let Some(digest) = step.result.as_ref().and_then(|result| result.cells.as_ref()) else { return Ok(vec![]) };
    let bytes = store.blobs().read(digest)?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// The notebook of a run with what its cells put out, as far as `is_wanted` says of a cell's index; the others are as
/// if they had not run. `None` for a run of no notebook.
pub fn executed_until(store: &Store, run: &RunId, is_wanted: impl Fn(usize) -> bool) -> Result<Option<Value>> {
    let record = store.run(run)?;
    let Some(digest) = &record.notebook else { return Ok(None) };
    let Ok(notebook) = serde_json::from_slice::<Value>(&store.blobs().read_verified(digest)?) else { return Ok(None) };
    let mut cells = cell_outputs(store, &record)?;
    cells.outputs.retain(|cell, _| is_wanted(*cell));
    cells
        .replayed
        .extend(record.pipeline.definitions.iter().map(|each| record.pipeline.sub_cells.visible(each.cell).0));
    cells.replayed.retain(|cell| is_wanted(*cell));
    Ok(Some(executed::fill(notebook, &cells, run, record.status, &record.parameters)))
}
