//! What user interfaces show: runs by name, newest first, and the view that is the contract `R`.

use std::collections::BTreeMap;
use std::path::Path;

use kale_model::{Diagnostic, RunId, RunStatus, RunView, StepStatus, StepView};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use crate::engine::visible_status;
use crate::error::{Result, StoreError};
use crate::ids::{Meant, meant};
use crate::liveness::ProcessIdentity;
use crate::run::{read_diagnostics, read_engine, read_json, read_word};
use crate::{Store, now};

/// The columns of a run that a view needs: not the pipeline, which can be large.
struct Head {
    status: RunStatus,
    queued: f64,
    started: Option<f64>,
    seconds: f64,
    source: Option<String>,
    executed: Option<String>,
    parameters: BTreeMap<String, Value>,
    diagnostics: Vec<Diagnostic>,
    engine: Option<ProcessIdentity>,
    context: Option<String>,
}

/// The same of a step: not its identity and result.
struct StepHead {
    name: String,
    cells: Vec<usize>,
    status: StepStatus,
    started: Option<f64>,
    finished: Option<f64>,
    seconds: f64,
    diagnostics: Vec<Diagnostic>,
}

/// Which runs are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Those of one notebook only, whose path is absolute.
    pub source: Option<&'a Path>,
    /// Those that are trials of sweeps as well.
    pub trials: bool,
    pub limit: Option<usize>,
}

impl Store {
    /// The run as everyone sees it. A run whose engine has died is `interrupted`, and so are its unfinished steps.
    pub fn run_view(&self, run: &RunId) -> Result<RunView> {
        let head = self.head(run)?;
        let steps = self.step_heads(run)?;
        let status = head.visible_status();
        let now = now();
        let mut diagnostics = head.diagnostics.clone();
        diagnostics.extend(steps.iter().flat_map(|step| step.diagnostics.iter().cloned()));
        Ok(RunView {
            run_id: Some(run.clone()),
            status,
            seconds: head.seconds_so_far(status, &steps, now),
            steps: steps.iter().map(|step| step_view(step, status, now)).collect(),
            metrics: self.final_metrics(run)?,
            parameters: head.parameters,
            source: head.source,
            notebook: head.executed,
            diagnostics,
            remote: if head.context.is_some() { self.remote(run)? } else { None },
            context: head.context,
            trial: self.trial_place(run)?,
        })
    }

    /// The run's status, with `interrupted` for one whose engine has died.
    pub fn run_status(&self, run: &RunId) -> Result<RunStatus> {
        Ok(self.head(run)?.visible_status())
    }

    /// Ids of all runs, newest first.
    pub fn run_ids(&self) -> Result<Vec<RunId>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare("SELECT id FROM runs ORDER BY number DESC")?;
            let rows = statement.query_map([], |row| row.get(0).map(RunId))?;
            rows.collect()
        })
    }

    /// The newest runs (all of them without a limit), newest first.
    pub fn list(&self, wanted: &Wanted) -> Result<Vec<RunView>> {
        let ids: Vec<RunId> = self.database.read(|connection| {
            let sql = "SELECT id FROM runs WHERE (?1 IS NULL OR source = ?1)
                           AND (?2 OR NOT EXISTS (SELECT 1 FROM trials WHERE trials.run = runs.id))
                       ORDER BY number DESC LIMIT ?3";
            let source = wanted.source.map(Path::to_string_lossy);
            let limit = wanted.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![source, wanted.trials, limit], |row| row.get(0).map(RunId))?;
            rows.collect()
        })?;
        ids.iter().map(|id| self.run_view(id)).collect()
    }

    /// The run meant by `text`: an id, the beginning of one that only one run has, or `last`.
    pub fn find_run(&self, text: &str) -> Result<RunId> {
        let ids = self.run_ids()?;
        if text == "last" {
            // Neither a pulled snapshot nor a sweep changes which run was the last here.
            let (pulled, trials) = (self.pulled_runs()?, self.trial_runs()?);
            let own = ids.iter().find(|id| !pulled.contains_key(id) && !trials.contains(id)).cloned();
            return own.or_else(|| ids.into_iter().next()).ok_or_else(|| StoreError::UnknownRun(text.to_owned()));
        }
        match meant(ids.into_iter().map(|id| id.0), text) {
            Meant::One(id) => Ok(RunId(id)),
            Meant::None => Err(StoreError::UnknownRun(text.to_owned())),
            Meant::Several(candidates) => Err(StoreError::AmbiguousRun { given: text.to_owned(), candidates }),
        }
    }

    /// The points of one metric in the order in which they were reported: `(at, value)`.
    pub fn metric_series(&self, run: &RunId, name: &str) -> Result<Vec<(Option<i64>, Value)>> {
        self.database.read(|connection| {
            let sql = "SELECT at, value FROM metrics WHERE run = ?1 AND name = ?2 ORDER BY position, sequence";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![run.0, name], |row| Ok((row.get(0)?, read_json(row, 1)?)))?;
            rows.collect()
        })
    }

    /// The last value of each metric.
    fn final_metrics(&self, run: &RunId) -> Result<BTreeMap<String, Value>> {
        self.database.read(|connection| {
            let sql = "SELECT name, value FROM metrics WHERE run = ?1 ORDER BY position, sequence";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![run.0], |row| Ok((row.get(0)?, read_json(row, 1)?)))?;
            rows.collect()
        })
    }

    fn step_heads(&self, run: &RunId) -> Result<Vec<StepHead>> {
        self.database.read(|connection| {
            let sql = "SELECT name, cells, status, started, finished, seconds, diagnostics
                       FROM steps WHERE run = ?1 ORDER BY position";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![run.0], read_step_head)?;
            rows.collect()
        })
    }

    fn head(&self, run: &RunId) -> Result<Head> {
        let head = self.database.read(|connection| {
            let sql = "SELECT status, queued, started, seconds, source, executed, parameters, diagnostics,
                              engine_pid, engine_started, json_extract(options, '$.context') FROM runs WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row(params![run.0], read_head).optional()
        })?;
        head.ok_or_else(|| StoreError::UnknownRun(run.0.clone()))
    }
}

impl Head {
    fn visible_status(&self) -> RunStatus {
        visible_status(self.status, self.engine.as_ref(), self.queued)
    }

    /// An interrupted run ended with the last thing known of it.
    fn seconds_so_far(&self, status: RunStatus, steps: &[StepHead], now: f64) -> f64 {
        let Some(started) = self.started else { return self.seconds };
        let last_known = steps.iter().filter_map(|step| step.finished.or(step.started)).fold(started, f64::max);
        let until = if status == RunStatus::Interrupted { last_known } else { now };
        self.seconds + (until - started).max(0.0)
    }
}

fn step_view(step: &StepHead, run: RunStatus, now: f64) -> StepView {
    let running = step.status == StepStatus::Running;
    let interrupted = running && run == RunStatus::Interrupted;
    let seconds = match step.started {
        Some(started) if running && !interrupted => now - started,
        _ => step.seconds,
    };
    StepView {
        name: step.name.clone(),
        status: if interrupted { StepStatus::Interrupted } else { step.status },
        seconds,
        cells: step.cells.clone(),
    }
}

fn read_head(row: &Row) -> rusqlite::Result<Head> {
    Ok(Head {
        status: read_word(row, 0)?,
        queued: row.get(1)?,
        started: row.get(2)?,
        seconds: row.get(3)?,
        source: row.get(4)?,
        executed: row.get(5)?,
        parameters: read_json(row, 6)?,
        diagnostics: read_diagnostics(row, 7)?,
        engine: read_engine(row, 8)?,
        context: row.get(10)?,
    })
}

fn read_step_head(row: &Row) -> rusqlite::Result<StepHead> {
    Ok(StepHead {
        name: row.get(0)?,
        cells: read_json(row, 1)?,
        status: read_word(row, 2)?,
        started: row.get(3)?,
        finished: row.get(4)?,
        seconds: row.get(5)?,
        diagnostics: read_diagnostics(row, 6)?,
    })
}
