//! How far the steps of a run are: little to read, since whoever watches a run asks several times per second.

use std::path::PathBuf;

use kale_model::{CellIndex, Event, RunId, StepStatus, SubCells};
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use crate::Store;
use crate::blob::Digest;
use crate::error::{Result, StoreError};
use crate::run::{read_digest, read_json, read_word};

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepProgress {
    pub attempt: u32,
    /// Seconds since the Unix epoch.
    pub started: Option<f64>,
    /// As far as it is known: a cluster does not tell.
    pub cpu_seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    /// Why it has its status, in words.
    pub reason: Option<String>,
    /// The cell that it is at, or was at when it stopped short. Of a notebook that is referred to: its own number.
    pub cell: Option<CellIndex>,
    pub cells_done: usize,
    pub cells_total: usize,
}

impl Store {
    /// One for each step, in the pipeline's order.
    pub fn step_progress(&self, run: &RunId) -> Result<Vec<StepProgress>> {
        self.database.read(|connection| {
            let sql = "SELECT attempt, started, reason, status, json_array_length(cells),
                              NULLIF(json_extract(result, '$.cpu_seconds'), 0),
                              NULLIF(json_extract(result, '$.peak_memory_bytes'), 0),
                              CASE WHEN status IN ('pending', 'succeeded', 'cached', 'skipped') THEN NULL ELSE
                                  (SELECT event FROM events
                                   WHERE run = ?1 AND json_extract(event, '$.step') = steps.name
                                         AND json_extract(event, '$.event') IN ('step-started', 'cell-started')
                                   ORDER BY sequence DESC LIMIT 1) END
                       FROM steps WHERE run = ?1 ORDER BY position";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![run.0], read)?;
            rows.collect()
        })
    }

    /// Where the run's notebook is, and what it was; without the rest of the record, which may be megabytes.
    pub fn origin(&self, run: &RunId) -> Result<Origin> {
        let origin = self.database.read(|connection| {
            let sql = "SELECT source, notebook FROM runs WHERE id = ?1";
            let read = |row: &Row| {
                let source: Option<String> = row.get(0)?;
                Ok(Origin { source: source.map(PathBuf::from), notebook: read_digest(row, 1)? })
            };
            connection.prepare_cached(sql)?.query_row(params![run.0], read).optional()
        })?;
        origin.ok_or_else(|| StoreError::UnknownRun(run.0.clone()))
    }

    /// Of the run's pipeline, only what tells the cells of other notebooks from its own.
    pub fn sub_cells(&self, run: &RunId) -> Result<SubCells> {
        self.database.read(|connection| {
            let sql = "SELECT COALESCE(json_extract(pipeline, '$.sub_cells'), '{}') FROM runs WHERE id = ?1";
            let read = |row: &Row| Ok(read_json(row, 0).unwrap_or_default());
            connection.prepare_cached(sql)?.query_row(params![run.0], read)
        })
    }
}

/// A run's notebook.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub source: Option<PathBuf>,
    pub notebook: Option<Digest>,
}

fn read(row: &Row) -> rusqlite::Result<StepProgress> {
    let status: StepStatus = read_word(row, 3)?;
    let cells: usize = row.get(4)?;
    let mut progress = StepProgress {
        attempt: row.get(0)?,
        started: row.get(1)?,
        reason: row.get(2)?,
        cpu_seconds: row.get(5)?,
        peak_memory_bytes: row.get(6)?,
        cells_done: if matches!(status, StepStatus::Succeeded | StepStatus::Cached) { cells } else { 0 },
        cells_total: cells,
        ..StepProgress::default()
    };
    let event = match row.get_ref(7)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(read_json(row, 7)?),
    };
    if let Some(Event::CellStarted { cell, done, total, .. }) = event {
        (progress.cell, progress.cells_done, progress.cells_total) = (Some(CellIndex(cell)), done, total);
    }
    Ok(progress)
}
