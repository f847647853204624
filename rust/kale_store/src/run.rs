//! A run's record: made, claimed by an engine, cancelled, finished.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kale_model::{Diagnostic, Event, Pipeline, RunId, RunStatus};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::blob::Digest;
use crate::engine::Work;
use crate::error::{Result, StoreError};
use crate::event;
use crate::ids::unused_id;
use crate::liveness::ProcessIdentity;
use crate::record::{NewRun, RunRecord};
use crate::{Store, now};

impl Store {
    /// Records a run as `pending`. Nothing runs until an engine claims it.
    pub fn create_run(&self, new: &NewRun) -> Result<RunId> {
        let notebook = self.blobs.put(&new.notebook)?;
        self.database.write_durably(|transaction| self.insert_run(transaction, new, &notebook))
    }

    pub(crate) fn insert_run(
        &self,
        transaction: &Transaction,
        new: &NewRun,
        notebook: &Digest,
    ) -> rusqlite::Result<RunId> {
        let created = now();
        let id = RunId(unused_id(transaction, "runs", created)?);
        transaction.execute(
            "INSERT INTO runs (id, status, created, queued, pipeline, source, notebook, parameters, options, diagnostics)
             VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                id.0,
                RunStatus::Pending.as_str(),
                created,
                json(&new.pipeline),
                new.source.as_deref().map(Path::to_string_lossy),
                notebook.as_str(),
                json(&effective_parameters(&new.pipeline, &new.parameters)),
                json(&new.options.recorded_in(&self.root)),
                json(&new.diagnostics),
            ],
        )?;
        for (position, step) in new.pipeline.steps.iter().enumerate() {
            let cells = new.pipeline.visible_cells(step);
            transaction.execute(
                "INSERT INTO steps (run, position, name, cells, status) VALUES (?1, ?2, ?3, ?4, 'pending')",
                params![id.0, position, step.name.as_str(), json(&cells)],
            )?;
        }
        Ok(id)
    }

    /// The record with its pipeline, for an engine.
    pub fn run(&self, id: &RunId) -> Result<RunRecord> {
        let record = self.database.read(|connection| {
            let sql = "SELECT id, status, created, pipeline, source, notebook, parameters, options, diagnostics,
                              executed, engine_pid, engine_started FROM runs WHERE id = ?1";
            connection.query_row(sql, params![id.0], read_record).optional()
        })?;
        let record = record.ok_or_else(|| StoreError::UnknownRun(id.0.clone()))?;
        Ok(RunRecord { options: record.options.moved_beside(&self.root), ..record })
    }

    /// Makes a run that is over or interrupted `pending` again, unless its engine lives. Steps without a result are
    /// pending too, and a cancellation of before is forgotten.
    pub fn queue(&self, id: &RunId) -> Result<()> {
        self.must_be_own(id)?;
        self.unless_held(Work::Run(id), false, |transaction| renew(transaction, id))
    }

    /// Notes which process was started to become the run's engine, so that its early death is seen.
    pub fn expect_engine(&self, id: &RunId, pid: u32) -> Result<()> {
        self.expect(Work::Run(id), pid)
    }

    /// Makes this process the run's engine, unless another one is.
    pub fn claim(&self, id: &RunId) -> Result<()> {
        self.must_be_own(id)?;
        let own = ProcessIdentity::current();
        self.unless_held(Work::Run(id), true, |transaction| {
            renew(transaction, id)?;
            transaction.execute(
                "UPDATE runs SET status = 'running', started = ?2, engine_pid = ?3, engine_started = ?4 WHERE id = ?1",
                params![id.0, now(), own.pid, own.started],
            )?;
            Ok(())
        })
    }

    /// Asks the run's engine to stop. A run that no engine holds is cancelled at once.
    pub fn request_cancel(&self, id: &RunId) -> Result<()> {
        let status = self.run_status(id)?;
        self.database.write(|transaction| {
            transaction.execute("UPDATE runs SET cancel = 1 WHERE id = ?1", params![id.0])?;
            if status == RunStatus::Interrupted {
                transaction.execute("UPDATE runs SET status = 'cancelled' WHERE id = ?1", params![id.0])?;
                transaction.execute(
                    "UPDATE steps SET status = 'cancelled'
                     WHERE run = ?1 AND status IN ('pending', 'running', 'interrupted')",
                    params![id.0],
                )?;
            }
            Ok(())
        })
    }

    pub fn cancel_requested(&self, id: &RunId) -> Result<bool> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT cancel FROM runs WHERE id = ?1")?
                .query_row(params![id.0], |row| row.get(0))
        })
    }

    /// Adds diagnostics that concern the run as a whole.
    pub fn add_diagnostics(&self, id: &RunId, new: &[Diagnostic]) -> Result<()> {
        self.database.write(|transaction| add_diagnostics(transaction, id, new))
    }

    /// Ends a run that its engine cannot carry on with: the steps that ran are pending again.
    pub fn fail_run(&self, id: &RunId, diagnostic: &Diagnostic) -> Result<()> {
        self.database.write(|transaction| {
            add_diagnostics(transaction, id, std::slice::from_ref(diagnostic))?;
            transaction
                .execute("UPDATE steps SET status = 'pending' WHERE run = ?1 AND status = 'running'", params![id.0])?;
            end_run(transaction, id, RunStatus::Failed, None)
        })
    }

    /// Ends what an engine can do for a run that goes on without it. What it saw of steps stays as it was.
    pub fn leave_run(&self, id: &RunId, diagnostic: &Diagnostic) -> Result<()> {
        self.database.write(|transaction| {
            add_diagnostics(transaction, id, std::slice::from_ref(diagnostic))?;
            end_run(transaction, id, RunStatus::Interrupted, None)
        })
    }

    /// The engine's last word: the end's event is in the same transaction, so a follower that sees one sees both.
    pub fn finish_run(&self, id: &RunId, status: RunStatus, executed: Option<&Path>) -> Result<()> {
        self.database.write_durably(|transaction| end_run(transaction, id, status, executed))
    }
}

fn end_run(transaction: &Transaction, id: &RunId, status: RunStatus, executed: Option<&Path>) -> rusqlite::Result<()> {
    let time = now();
    transaction.execute(
        "UPDATE runs SET status = ?2, seconds = seconds + COALESCE(?3 - started, 0), started = NULL, executed = ?4,
             engine_pid = NULL, engine_started = NULL WHERE id = ?1",
        params![id.0, status.as_str(), time, executed.map(Path::to_string_lossy)],
    )?;
    event::append(transaction, id, &Event::RunFinished { time, status })
}

fn add_diagnostics(transaction: &Transaction, id: &RunId, new: &[Diagnostic]) -> rusqlite::Result<()> {
    let sql = "SELECT diagnostics FROM runs WHERE id = ?1";
    let mut all: Vec<Diagnostic> = transaction.query_row(sql, params![id.0], |row| read_diagnostics(row, 0))?;
    let new: Vec<Diagnostic> = new.iter().map(|diagnostic| diagnostic.clone().for_run(id)).collect();
    all.extend_from_slice(&new);
    transaction.execute("UPDATE runs SET diagnostics = ?2 WHERE id = ?1", params![id.0, json(&all)])?;
    let event = |diagnostic: &Diagnostic| Event::Diagnostic { diagnostic: diagnostic.clone() };
    new.iter().try_for_each(|diagnostic| event::append(transaction, id, &event(diagnostic)))
}

/// Every parameter with the run's value or its default.
fn effective_parameters(pipeline: &Pipeline, given: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let value = |name: &str, default: &Value| given.get(name).unwrap_or(default).clone();
    pipeline.parameters.iter().map(|p| (p.name.to_string(), value(p.name.as_str(), &p.default))).collect()
}

/// Prepares for another session of a run whose last one is over. What that one took is added up; an engine that was
/// killed took until the last thing known of it.
fn renew(transaction: &Transaction, id: &RunId) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE runs SET
             seconds = seconds + COALESCE(
                 (SELECT MAX(COALESCE(finished, started)) FROM steps WHERE run = ?1) - started, 0),
             cancel = CASE status WHEN 'pending' THEN cancel ELSE 0 END,
             status = 'pending', queued = ?2, started = NULL, engine_pid = NULL, engine_started = NULL
         WHERE id = ?1",
        params![id.0, now()],
    )?;
    transaction.execute(
        "UPDATE steps SET status = 'pending', attempt = 0, started = NULL, finished = NULL, seconds = 0,
             result = NULL, diagnostics = '[]', reason = NULL
         WHERE run = ?1 AND status NOT IN ('succeeded', 'cached')",
        params![id.0],
    )?;
    Ok(())
}

fn read_record(row: &Row) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: RunId(row.get(0)?),
        status: read_word(row, 1)?,
        created: row.get(2)?,
        pipeline: read_json(row, 3)?,
        source: row.get::<_, Option<String>>(4)?.map(PathBuf::from),
        notebook: read_digest(row, 5)?,
        parameters: read_json(row, 6)?,
        options: read_json(row, 7)?,
        diagnostics: read_diagnostics(row, 8)?,
        executed: row.get::<_, Option<String>>(9)?.map(PathBuf::from),
        engine: read_engine(row, 10)?,
    })
}

pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

pub(crate) fn read_json<T: DeserializeOwned>(row: &Row, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, error))
}

/// Without those that only a newer kale_rs knows.
pub(crate) fn read_diagnostics(row: &Row, column: usize) -> rusqlite::Result<Vec<Diagnostic>> {
    let values: Vec<Value> = read_json(row, column)?;
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}

/// A status, by its word.
pub(crate) fn read_word<T: std::str::FromStr<Err = String>>(row: &Row, column: usize) -> rusqlite::Result<T> {
    row.get::<_, String>(column)?.parse().map_err(|error: String| unreadable(column, error))
}

pub(crate) fn read_digest(row: &Row, column: usize) -> rusqlite::Result<Option<Digest>> {
    let text: Option<String> = row.get(column)?;
    text.map(Digest::try_from).transpose().map_err(|error| unreadable(column, error))
}

/// Two columns: process id and start.
pub(crate) fn read_engine(row: &Row, column: usize) -> rusqlite::Result<Option<ProcessIdentity>> {
    let pid: Option<u32> = row.get(column)?;
    let started: Option<String> = row.get(column + 1)?;
    Ok(pid.map(|pid| ProcessIdentity { pid, started: started.unwrap_or_default() }))
}

fn unreadable(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
