//! A step's record: begun, ended, read.

use std::collections::BTreeMap;
use std::path::Path;

use kale_model::{Event, RunId, StepStatus};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use crate::blob::Digest;
use crate::error::Result;
use crate::record::{StepEnd, StepRecord, StepResult};
use crate::run::{json, read_diagnostics, read_digest, read_json, read_word};
use crate::{Store, cache, event, now};

const COLUMNS: &str = "position, name, cells, status, attempt, started, finished, seconds, fingerprint, identity, \
                       result, diagnostics, reason";

impl Store {
    /// The run's steps as recorded, in the pipeline's order.
    pub fn steps(&self, run: &RunId) -> Result<Vec<StepRecord>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM steps WHERE run = ?1 ORDER BY position");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![run.0], read_step)?;
            rows.collect()
        })
    }

    /// One of them; `None`: there is no such step.
    pub fn step(&self, run: &RunId, name: &str) -> Result<Option<StepRecord>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM steps WHERE run = ?1 AND name = ?2");
            connection.prepare_cached(&sql)?.query_row(params![run.0, name], read_step).optional()
        })
    }

    /// What steps of a notebook took at their peak, by name, when they last ran.
    pub fn memory_peaks(&self, source: &Path) -> Result<BTreeMap<String, u64>> {
        self.database.read(|connection| {
            let sql = "SELECT name, json_extract(result, '$.peak_memory_bytes') FROM steps
                       WHERE result IS NOT NULL AND run IN
                             (SELECT id FROM runs WHERE source = ?1 ORDER BY number DESC LIMIT 3)
                       ORDER BY (SELECT number FROM runs WHERE id = run)";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![source.to_string_lossy()], |row| {
                Ok((
                    row.get(0)?,
                    row.get::<_, Option<i64>>(1)?.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
                ))
            })?;
            rows.collect()
        })
    }

    /// Records what a step depends on, before it is looked up or run.
    pub fn identify_step(&self, run: &RunId, position: usize, fingerprint: &Digest, identity: &Value) -> Result<()> {
        self.database.write(|transaction| {
            let sql = "UPDATE steps SET fingerprint = ?3, identity = ?4 WHERE run = ?1 AND position = ?2";
            transaction.execute(sql, params![run.0, position, fingerprint.as_str(), json(identity)]).map(drop)
        })
    }

    pub fn begin_step(&self, run: &RunId, position: usize, name: &str, attempt: u32) -> Result<()> {
        let time = now();
        self.database.write(|transaction| {
            let sql = "UPDATE steps SET status = 'running', attempt = ?3, started = COALESCE(started, ?4)
                       WHERE run = ?1 AND position = ?2";
            transaction.execute(sql, params![run.0, position, attempt, time])?;
            event::append(transaction, run, &Event::StepStarted { time, step: name.to_owned(), attempt })
        })
    }

    /// Publishes a step's end: status, result, metrics, cache entry and event, all or nothing. Every blob that the
    /// result names is on the disk already, so a step that is recorded as succeeded can be relied on.
    pub fn end_step(&self, run: &RunId, position: usize, name: &str, end: &StepEnd) -> Result<()> {
        let time = now();
        let diagnostics: Vec<_> = end.diagnostics.iter().map(|diagnostic| diagnostic.clone().for_run(run)).collect();
        // What a power cut makes forget of a step that did not run is found out again.
        let ran = !matches!(end.status, StepStatus::Cached | StepStatus::Skipped);
        self.database.write_as(ran, |transaction| {
            transaction.execute(
                "UPDATE steps SET status = ?3, finished = ?4, seconds = ?5, result = ?6, diagnostics = ?7, reason = ?8
                 WHERE run = ?1 AND position = ?2",
                params![
                    run.0,
                    position,
                    end.status.as_str(),
                    time,
                    end.seconds,
                    end.result.as_ref().map(json),
                    json(&diagnostics),
                    end.reason
                ],
            )?;
            transaction.execute("DELETE FROM metrics WHERE run = ?1 AND position = ?2", params![run.0, position])?;
            if let Some(result) = &end.result {
                insert_metrics(transaction, run, position, result)?;
                keep_result(transaction, run, position, name, end, result)?;
            }
            for diagnostic in diagnostics {
                event::append(transaction, run, &Event::Diagnostic { diagnostic })?;
            }
            event::append(transaction, run, &finished_event(time, name, end))
        })
    }
}

fn finished_event(time: f64, name: &str, end: &StepEnd) -> Event {
    Event::StepFinished {
        time,
        step: name.to_owned(),
        status: end.status,
        seconds: end.seconds,
        reason: end.reason.clone(),
    }
}

pub(crate) fn insert_metrics(
    connection: &rusqlite::Connection,
    run: &RunId,
    position: usize,
    result: &StepResult,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO metrics (run, position, sequence, name, at, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = connection.prepare_cached(sql)?;
    for (sequence, point) in result.metrics.iter().enumerate() {
        statement.execute(params![run.0, position, sequence, point.name, point.at, json(&point.value)])?;
    }
    Ok(())
}

fn keep_result(
    connection: &rusqlite::Connection,
    run: &RunId,
    position: usize,
    name: &str,
    end: &StepEnd,
    result: &StepResult,
) -> rusqlite::Result<()> {
    if !end.cacheable || end.status != StepStatus::Succeeded {
        return Ok(());
    }
    let sql = "SELECT fingerprint FROM steps WHERE run = ?1 AND position = ?2";
    let fingerprint: Option<String> = connection.query_row(sql, params![run.0, position], |row| row.get(0))?;
    fingerprint.map_or(Ok(()), |fingerprint| cache::keep(connection, &fingerprint, run, name, result))
}

fn read_step(row: &Row) -> rusqlite::Result<StepRecord> {
    let optional_json = |column: usize| match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => read_json::<Value>(row, column).map(Some),
    };
    Ok(StepRecord {
        position: row.get(0)?,
        name: row.get(1)?,
        cells: read_json(row, 2)?,
        status: read_word(row, 3)?,
        attempt: row.get(4)?,
        started: row.get(5)?,
        finished: row.get(6)?,
        seconds: row.get(7)?,
        fingerprint: read_digest(row, 8)?,
        identity: optional_json(9)?,
        result: optional_json(10)?.and_then(|value| serde_json::from_value(value).ok()),
        diagnostics: read_diagnostics(row, 11)?,
        reason: row.get(12)?,
    })
}
