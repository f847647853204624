//! Sweeps: what was asked for, and a log of trials, each of which is a run. The log is the truth: whoever goes on with a
//! sweep reads it, and chooses the next trial as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use kale_model::sweep::{BestTrial, Objective, ObjectiveView, Point, Sweep, SweepId, SweepView, TrialView, front};
use kale_model::{Diagnostic, Pipeline, RunId, RunStatus, RunView, TrialPlace};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blob::Digest;
use crate::engine::{Work, visible_status};
use crate::error::{Result, StoreError};
use crate::ids::{Meant, meant, unused_id};
use crate::liveness::ProcessIdentity;
use crate::record::{CachedResult, NewRun, RunOptions};
use crate::run::{json, read_digest, read_engine, read_json, read_word};
use crate::{Store, now};

/// A sweep to be recorded.
#[derive(Clone, Debug)]
pub struct NewSweep {
    pub sweep: Sweep,
    /// What all trials have in common; its parameters are those that are not varied.
    pub run: NewRun,
    /// Executions of steps, where they can be foreseen.
    pub planned: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct SweepRecord {
    pub id: SweepId,
    pub status: RunStatus,
    pub created: f64,
    /// Spent by engines that have ended in order.
    pub seconds: f64,
    pub sweep: Sweep,
    pub run: NewRun,
    pub planned: Option<u64>,
}

/// What a view needs of it: not the pipeline, which can be large.
struct Head {
    sweep: Sweep,
    planned: Option<u64>,
    reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrialRecord {
    pub number: u64,
    pub run: RunId,
    pub point: Point,
    /// Which part it has in the algorithm's schedule.
    pub place: Option<Value>,
    pub end: Option<TrialEnd>,
}

/// What a trial came to.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialEnd {
    pub status: RunStatus,
    /// Of the objectives, where it succeeded.
    pub values: Vec<f64>,
    /// Why it does not count, where it did not.
    pub reason: Option<String>,
}

/// The part of a [`NewRun`] that is kept as text; its notebook is a blob.
#[derive(Serialize, Deserialize)]
struct Common {
    pipeline: Pipeline,
    parameters: BTreeMap<String, Value>,
    diagnostics: Vec<Diagnostic>,
    options: RunOptions,
}

impl Store {
    /// Records a sweep as `pending`. Nothing runs until an engine claims it.
    pub fn create_sweep(&self, new: &NewSweep) -> Result<SweepId> {
        let NewRun { pipeline, parameters, source, notebook, diagnostics, options } = &new.run;
        let notebook = self.blobs.put(notebook)?;
        let common = Common {
            pipeline: pipeline.clone(),
            parameters: parameters.clone(),
            diagnostics: diagnostics.clone(),
            options: options.recorded_in(&self.root),
        };
        let created = now();
        self.database.write_durably(|transaction| {
            let id = unused_id(transaction, "sweeps", created)?;
            transaction.execute(
                "INSERT INTO sweeps (id, status, created, sweep, run, source, notebook, planned)
                 VALUES (?1, 'pending', ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    id,
                    created,
                    json(&new.sweep),
                    json(&common),
                    source.as_deref().map(Path::to_string_lossy),
                    notebook.as_str(),
                    new.planned,
                ],
            )?;
            Ok(SweepId(id))
        })
    }

    /// From the newest on: all of them, or those of one notebook, whose path is absolute, and no more than so many.
    pub fn sweep_ids(&self, source: Option<&Path>, limit: Option<usize>) -> Result<Vec<SweepId>> {
        self.database.read(|connection| {
            let sql = "SELECT id FROM sweeps WHERE (?1 IS NULL OR source = ?1) ORDER BY number DESC LIMIT ?2";
            let source = source.map(Path::to_string_lossy);
            let limit = limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map(params![source, limit], |row| row.get(0).map(SweepId))?;
            rows.collect()
        })
    }

    /// The sweep that `text` stands for: its id, the start of that, or `last`.
    pub fn find_sweep(&self, text: &str) -> Result<SweepId> {
        let ids = self.sweep_ids(None, None)?;
        let unknown = || StoreError::UnknownSweep(text.to_owned());
        if text == "last" {
            return ids.into_iter().next().ok_or_else(unknown);
        }
        match meant(ids.into_iter().map(|id| id.0), text) {
            Meant::One(id) => Ok(SweepId(id)),
            Meant::None => Err(unknown()),
            Meant::Several(candidates) => Err(StoreError::AmbiguousSweep { given: text.to_owned(), candidates }),
        }
    }

    pub fn sweep(&self, id: &SweepId) -> Result<SweepRecord> {
        let found = self.database.read(|connection| {
            let sql = "SELECT id, status, created, seconds, sweep, run, source, notebook, planned
                       FROM sweeps WHERE id = ?1";
            connection.query_row(sql, params![id.0], read_sweep).optional()
        })?;
        let (mut record, notebook) = found.ok_or_else(|| StoreError::UnknownSweep(id.0.clone()))?;
        record.run.notebook = self.blobs.read(&notebook)?;
        record.run.options = record.run.options.moved_beside(&self.root);
        Ok(record)
    }

    /// What sweeps name besides what their runs do.
    pub(crate) fn sweep_notebooks(&self) -> Result<Vec<Digest>> {
        let found: Vec<Option<Digest>> = self.database.read(|connection| {
            let mut statement = connection.prepare("SELECT notebook FROM sweeps")?;
            let rows = statement.query_map([], |row| read_digest(row, 0))?;
            rows.collect()
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Makes a sweep that is over or interrupted `pending` again, unless its engine lives.
    pub fn queue_sweep(&self, id: &SweepId) -> Result<()> {
        self.unless_held(Work::Sweep(id), false, |transaction| {
            let sql = "UPDATE sweeps SET status = 'pending', cancel = 0, started = ?2, engine_pid = NULL,
                           engine_started = NULL, reason = NULL WHERE id = ?1";
            transaction.execute(sql, params![id.0, now()]).map(drop)
        })
    }

    /// Notes which process was started to become the sweep's engine, so that its early death is seen.
    pub fn expect_sweep_engine(&self, id: &SweepId, pid: u32) -> Result<()> {
        self.expect(Work::Sweep(id), pid)
    }

    /// Where its engine leaves what it has to say.
    pub fn sweep_directory(&self, id: &SweepId) -> PathBuf {
        self.root.join("sweeps").join(&id.0)
    }

    /// Makes this process the sweep's engine, unless another one is. A wish to stop it that is older than its last end
    /// is forgotten.
    pub fn claim_sweep(&self, id: &SweepId) -> Result<()> {
        let own = ProcessIdentity::current();
        self.unless_held(Work::Sweep(id), true, |transaction| {
            let sql = "UPDATE sweeps SET status = 'running', started = ?2, engine_pid = ?3, engine_started = ?4,
                           cancel = CASE status WHEN 'pending' THEN cancel ELSE 0 END WHERE id = ?1";
            transaction.execute(sql, params![id.0, now(), own.pid, own.started]).map(drop)
        })
    }

    /// Records a trial together with its run: there is never one without the other.
    pub fn begin_trial(&self, id: &SweepId, new: &NewRun, trial: &NewTrial) -> Result<RunId> {
        let notebook = self.blobs.put(&new.notebook)?;
        self.database.write(|transaction| {
            let run = self.insert_run(transaction, new, &notebook)?;
            transaction.execute(
                "INSERT INTO trials (sweep, number, run, point, place, status) VALUES (?1, ?2, ?3, ?4, ?5, 'running')",
                params![id.0, trial.number, run.0, json(&trial.point), trial.place.as_ref().map(json)],
            )?;
            Ok(run)
        })
    }

    pub fn end_trial(&self, id: &SweepId, number: u64, end: &TrialEnd) -> Result<()> {
        self.database.write_durably(|transaction| {
            let sql = "UPDATE trials SET status = ?3, objectives = ?4, reason = ?5 WHERE sweep = ?1 AND number = ?2";
            let values = json(&end.values);
            transaction.execute(sql, params![id.0, number, end.status.as_str(), values, end.reason]).map(drop)
        })
    }

    /// In the order of their numbers.
    pub fn trials(&self, id: &SweepId) -> Result<Vec<TrialRecord>> {
        self.database.read(|connection| {
            let sql = "SELECT number, run, point, place, status, objectives, reason FROM trials WHERE sweep = ?1
                       ORDER BY number";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![id.0], read_trial)?;
            rows.collect()
        })
    }

    /// Which trial a run is, if it is one.
    pub(crate) fn trial_place(&self, run: &RunId) -> Result<Option<TrialPlace>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT sweep, number FROM trials WHERE run = ?1")?;
            let read = |row: &Row| Ok(TrialPlace { sweep_id: SweepId(row.get(0)?), trial: row.get(1)? });
            statement.query_row(params![run.0], read).optional()
        })
    }

    /// Whether a run is a trial of a sweep that is not over: what comes next follows from it.
    pub(crate) fn is_of_open_sweep(&self, view: &RunView) -> Result<bool> {
        let Some(place) = &view.trial else { return Ok(false) };
        Ok(!self.sweep_status(&place.sweep_id)?.is_finished())
    }

    pub(crate) fn trial_runs(&self) -> Result<BTreeSet<RunId>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare("SELECT run FROM trials")?;
            let rows = statement.query_map([], |row| row.get(0).map(RunId))?;
            rows.collect()
        })
    }

    /// Removes the sweeps that are over and none of whose trials is there any more.
    pub(crate) fn delete_empty_sweeps(&self) -> Result<()> {
        let gone: Vec<SweepId> = self.database.write(|transaction| {
            let sql = "DELETE FROM sweeps WHERE status IN ('succeeded', 'failed', 'cancelled') AND NOT EXISTS
                           (SELECT 1 FROM trials JOIN runs ON runs.id = trials.run WHERE trials.sweep = sweeps.id)
                       RETURNING id";
            let mut statement = transaction.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0).map(SweepId))?;
            rows.collect()
        })?;
        for sweep in &gone {
            let _ = fs::remove_dir_all(self.sweep_directory(sweep));
        }
        Ok(())
    }

    /// What a step with this fingerprint has left in a trial of the sweep: within one sweep it stands for every other
    /// one, also where it may not stand for a step of tomorrow.
    pub fn result_in_sweep(&self, id: &SweepId, fingerprint: &Digest) -> Result<Option<CachedResult>> {
        let row = self.database.read(|connection| {
            let sql = "SELECT steps.run, steps.name, steps.result, steps.snapshot
                       FROM trials JOIN steps ON steps.run = trials.run
                       WHERE trials.sweep = ?1 AND steps.fingerprint = ?2 AND steps.status IN ('succeeded', 'cached')
                       ORDER BY trials.number LIMIT 1";
            let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, read_digest(row, 3)?));
            connection.prepare_cached(sql)?.query_row(params![id.0, fingerprint.as_str()], read).optional()
        })?;
        // A result that this version cannot read is no result.
        Ok(row.and_then(|(run, step, text, snapshot)| {
            let result = serde_json::from_str(&text).ok()?;
            Some(CachedResult { run: RunId(run), step, result, snapshot })
        }))
    }

    /// Asks the sweep's engine to stop. A sweep that no engine holds is cancelled at once.
    pub fn request_cancel_of_sweep(&self, id: &SweepId) -> Result<()> {
        let status = self.sweep_status(id)?;
        self.database.write(|transaction| {
            let sql = "UPDATE sweeps SET cancel = 1, status = CASE ?2 WHEN 1 THEN 'cancelled' ELSE status END
                       WHERE id = ?1";
            transaction.execute(sql, params![id.0, status == RunStatus::Interrupted]).map(drop)
        })
    }

    pub fn cancel_of_sweep_requested(&self, id: &SweepId) -> Result<bool> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT cancel FROM sweeps WHERE id = ?1")?;
            statement.query_row(params![id.0], |row| row.get(0))
        })
    }

    /// Changes what was asked for, such as how many trials there are, unless an engine is at it.
    pub fn change_sweep(&self, id: &SweepId, sweep: &Sweep, planned: Option<u64>) -> Result<()> {
        self.unless_held(Work::Sweep(id), false, |transaction| {
            let sql = "UPDATE sweeps SET sweep = ?2, planned = ?3 WHERE id = ?1";
            transaction.execute(sql, params![id.0, json(sweep), planned]).map(drop)
        })
    }

    /// `reason`: why before its time.
    pub fn finish_sweep(&self, id: &SweepId, status: RunStatus, reason: Option<&str>) -> Result<()> {
        self.database.write_durably(|transaction| {
            let sql = "UPDATE sweeps SET status = ?2, seconds = seconds + COALESCE(?3 - started, 0), started = NULL,
                           engine_pid = NULL, engine_started = NULL, reason = ?4 WHERE id = ?1";
            transaction.execute(sql, params![id.0, status.as_str(), now(), reason]).map(drop)
        })
    }

    /// As it is recorded, and `interrupted` where its engine has died.
    pub fn sweep_status(&self, id: &SweepId) -> Result<RunStatus> {
        let found = self.database.read(|connection| {
            let sql = "SELECT status, engine_pid, engine_started, COALESCE(started, created) FROM sweeps WHERE id = ?1";
            let read = |row: &Row| Ok((read_word(row, 0)?, read_engine(row, 1)?, row.get(3)?));
            connection.prepare_cached(sql)?.query_row(params![id.0], read).optional()
        })?;
        let (status, engine, queued) = found.ok_or_else(|| StoreError::UnknownSweep(id.0.clone()))?;
        Ok(visible_status(status, engine.as_ref(), queued))
    }

    pub fn sweep_view(&self, id: &SweepId) -> Result<SweepView> {
        let Head { sweep, planned, reason } = self.sweep_head(id)?;
        let (trials, status) = (self.trials(id)?, self.sweep_status(id)?);
        let objectives = &sweep.objectives;
        let objective = &objectives[0];
        let told = |one: &Objective| ObjectiveView { metric: one.metric.clone(), direction: one.direction };
        let best = (trials.iter())
            .filter_map(|trial| Some((*trial.end.as_ref()?.values.first()?, trial)))
            .min_by(|(a, _), (b, _)| objective.direction.compare(*a, *b))
            .map(|(value, trial)| BestTrial {
                trial: trial.number,
                value,
                parameters: trial.point.clone(),
                run_id: trial.run.clone(),
            });
        Ok(SweepView {
            sweep_id: id.clone(),
            status,
            objective: told(objective),
            objectives: if objectives.len() > 1 { objectives.iter().map(told).collect() } else { vec![] },
            front: if objectives.len() > 1 { best_of(objectives, &trials) } else { vec![] },
            best,
            trials: self.trial_views(id, status, trials)?,
            step_executions: self.step_executions(id)?,
            planned_step_executions: planned,
            reason,
            definition: sweep,
        })
    }

    fn sweep_head(&self, id: &SweepId) -> Result<Head> {
        let found = self.database.read(|connection| {
            let read = |row: &Row| Ok(Head { sweep: read_json(row, 0)?, planned: row.get(1)?, reason: row.get(2)? });
            let sql = "SELECT sweep, planned, reason FROM sweeps WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row(params![id.0], read).optional()
        })?;
        found.ok_or_else(|| StoreError::UnknownSweep(id.0.clone()))
    }

    /// Of hundreds of trials, too, this is asked several times a second: those that are over are read together.
    fn trial_views(&self, id: &SweepId, sweep: RunStatus, trials: Vec<TrialRecord>) -> Result<Vec<TrialView>> {
        let (seconds, mut metrics) = (self.trial_seconds(id)?, self.trial_metrics(id)?);
        let view = |trial: TrialRecord| {
            let Some(end) = trial.end else { return self.open_trial_view(sweep, trial) };
            Ok(TrialView {
                trial: trial.number,
                metrics: metrics.remove(&trial.run).unwrap_or_default(),
                seconds: seconds.get(&trial.run).copied().unwrap_or_default(),
                run_id: trial.run,
                status: end.status,
                parameters: trial.point,
                reason: end.reason,
            })
        };
        trials.into_iter().map(view).collect()
    }

    /// One whose run says how it goes; what its end comes to is not told before the sweep knows.
    fn open_trial_view(&self, sweep: RunStatus, trial: TrialRecord) -> Result<TrialView> {
        let run = match self.run_view(&trial.run) {
            Ok(view) => Some(view),
            Err(StoreError::UnknownRun(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(TrialView {
            trial: trial.number,
            run_id: trial.run,
            status: match run.as_ref().map_or(RunStatus::Interrupted, |run| run.status) {
                RunStatus::Succeeded | RunStatus::Failed if sweep == RunStatus::Running => RunStatus::Running,
                RunStatus::Succeeded | RunStatus::Failed => RunStatus::Interrupted,
                status => status,
            },
            parameters: trial.point,
            seconds: run.as_ref().map_or(0.0, |run| run.seconds),
            metrics: run.map(|run| run.metrics).unwrap_or_default(),
            reason: None,
        })
    }

    fn trial_seconds(&self, id: &SweepId) -> Result<HashMap<RunId, f64>> {
        self.database.read(|connection| {
            let sql = "SELECT runs.id, runs.seconds FROM trials JOIN runs ON runs.id = trials.run
                       WHERE trials.sweep = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![id.0], |row| Ok((RunId(row.get(0)?), row.get(1)?)))?;
            rows.collect()
        })
    }

    /// The last value of each metric, by run.
    fn trial_metrics(&self, id: &SweepId) -> Result<HashMap<RunId, BTreeMap<String, Value>>> {
        let rows: Vec<(String, String, Value)> = self.database.read(|connection| {
            let sql = "SELECT metrics.run, metrics.name, metrics.value
                       FROM trials JOIN metrics ON metrics.run = trials.run
                       WHERE trials.sweep = ?1 ORDER BY metrics.run, metrics.position, metrics.sequence";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![id.0], |row| Ok((row.get(0)?, row.get(1)?, read_json(row, 2)?)))?;
            rows.collect()
        })?;
        let mut found: HashMap<RunId, BTreeMap<String, Value>> = HashMap::new();
        for (run, name, value) in rows {
            found.entry(RunId(run)).or_default().insert(name, value);
        }
        Ok(found)
    }

    /// Attempts at steps that were begun, in all trials.
    fn step_executions(&self, id: &SweepId) -> Result<u64> {
        self.database.read(|connection| {
            let sql = "SELECT COALESCE(SUM(steps.attempt), 0) FROM trials JOIN steps ON steps.run = trials.run
                       WHERE trials.sweep = ?1";
            connection.query_row(sql, params![id.0], |row| row.get(0))
        })
    }
}

/// A trial to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTrial {
    pub number: u64,
    pub point: Point,
    pub place: Option<Value>,
}

fn read_sweep(row: &Row) -> rusqlite::Result<(SweepRecord, Digest)> {
    let Common { pipeline, parameters, diagnostics, options } = read_json(row, 5)?;
    let source = row.get::<_, Option<String>>(6)?.map(PathBuf::from);
    let record = SweepRecord {
        id: SweepId(row.get(0)?),
        status: read_word(row, 1)?,
        created: row.get(2)?,
        seconds: row.get(3)?,
        sweep: read_json(row, 4)?,
        run: NewRun { pipeline, parameters, source, notebook: vec![], diagnostics, options },
        planned: row.get(8)?,
    };
    let notebook = read_digest(row, 7)?.expect("the column is never empty");
    Ok((record, notebook))
}

/// The numbers of the trials that no other is better than.
fn best_of(objectives: &[Objective], trials: &[TrialRecord]) -> Vec<u64> {
    let valued: Vec<(u64, &[f64])> = (trials.iter())
        .filter_map(|trial| Some((trial.number, trial.end.as_ref()?.values.as_slice())))
        .filter(|(_, values)| values.len() == objectives.len())
        .collect();
    let values: Vec<&[f64]> = valued.iter().map(|(_, values)| *values).collect();
    front(objectives, &values).into_iter().map(|index| valued[index].0).collect()
}

fn read_values(row: &Row, column: usize) -> rusqlite::Result<Vec<f64>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn read_trial(row: &Row) -> rusqlite::Result<TrialRecord> {
    let status: RunStatus = read_word(row, 4)?;
    let end = status.is_finished().then_some(TrialEnd { status, values: read_values(row, 5)?, reason: row.get(6)? });
    let place: Option<String> = row.get(3)?;
    Ok(TrialRecord {
        number: row.get(0)?,
        run: RunId(row.get(1)?),
        point: read_json(row, 2)?,
        place: place.and_then(|text| serde_json::from_str(&text).ok()),
        end,
    })
}
