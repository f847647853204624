//! A run as one value that can leave the store and enter another.
//!
//! What only concerns the machine stays behind: paths, the interpreter, the engine. A run that enters is not believed:
//! every name in it becomes a file name or an index somewhere, so it is checked before the store takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kale_model::{Diagnostic, Pipeline, RunId, RunStatus, StepStatus};
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blob::{Blobs, Digest};
use crate::error::{Result, StoreError};
use crate::record::{MetricPoint, RunOptions, RunRecord, StepRecord, StepResult};
use crate::run::json;
use crate::snapshot::StepSnapshot;
use crate::{Store, now, step};

const LEFT_OUT: &str = "not part of the snapshot";

/// A run without its blobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedRun {
    pub run_id: RunId,
    pub status: RunStatus,
    pub created: f64,
    pub seconds: f64,
    /// The notebook's file name.
    pub source: Option<String>,
    pub notebook: Option<Digest>,
    pub parameters: BTreeMap<String, Value>,
    pub diagnostics: Vec<Diagnostic>,
    pub python_version: String,
    pub code_version: Option<String>,
    pub pipeline: Pipeline,
    /// As many as the pipeline has.
    pub steps: Vec<PackedStep>,
}

/// Written out, though it resembles a step's record: what is stored here may change without a word to other stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedStep {
    pub name: String,
    pub cells: Vec<usize>,
    pub status: StepStatus,
    pub attempt: u32,
    pub started: Option<f64>,
    pub finished: Option<f64>,
    pub seconds: f64,
    pub fingerprint: Option<Digest>,
    pub identity: Option<Value>,
    pub result: Option<StepResult>,
    pub diagnostics: Vec<Diagnostic>,
    pub reason: Option<String>,
    /// The document of its snapshot (see [`StepSnapshot`]).
    pub snapshot: Option<Digest>,
}

impl PackedRun {
    /// The blobs that it names itself; documents of snapshots name more ([`PackedRun::values`]).
    pub fn documents(&self) -> BTreeSet<Digest> {
        let snapshots = self.steps.iter().filter_map(|step| step.snapshot.clone());
        snapshots.chain(self.notebook.clone()).collect()
    }

    /// What steps left: all blobs beside [`PackedRun::documents`], which have to be there to be read.
    pub fn values(&self, blobs: &Blobs) -> BTreeSet<Digest> {
        let results = self.steps.iter().filter_map(|step| step.result.as_ref());
        let kept = self.steps.iter().filter_map(|step| {
            let text = blobs.read(step.snapshot.as_ref()?).ok()?;
            serde_json::from_slice::<StepSnapshot>(&text).ok()
        });
        let groups = kept.flat_map(|snapshot| snapshot.groups).map(|group| group.content);
        results.flat_map(StepResult::blobs).chain(groups).collect()
    }

    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<String> {
        let names = self.pipeline.steps.iter().map(|step| step.name.as_str());
        let unique: BTreeSet<&str> = names.clone().collect();
        if !is_run_id(&self.run_id.0) {
            Some(format!("`{}` is no run id", self.run_id.0.escape_debug()))
        } else if !names.eq(self.steps.iter().map(|step| step.name.as_str())) || unique.len() != self.steps.len() {
            Some("its steps are not those of its pipeline".to_owned())
        } else if self.source.as_deref().is_some_and(|name| !is_file_name(name)) {
            Some("its notebook has no file name".to_owned())
        } else if self.metrics().any(|point| point.name.contains(char::is_control)) {
            Some("the name of a metric holds control characters".to_owned())
        } else {
            self.pipeline.loose_end()
        }
    }

    fn metrics(&self) -> impl Iterator<Item = &MetricPoint> {
        self.steps.iter().filter_map(|step| step.result.as_ref()).flat_map(|result| &result.metrics)
    }

    /// What is wrong with its notebook, which has to be there to be read.
    fn notebook_fault(&self, blobs: &Blobs) -> Option<String> {
        let cells = match self.notebook.as_ref().map(|digest| blobs.read(digest)) {
            None => return None,
            Some(Err(error)) => return Some(error.to_string()),
            Some(Ok(text)) => serde_json::from_slice::<Cells>(&text).map(|notebook| notebook.cells.len()),
        };
        let Ok(cells) = cells else { return Some("its notebook is none".to_owned()) };
        let beyond = self.steps.iter().flat_map(|step| &step.cells).find(|cell| **cell >= cells);
        beyond.map(|cell| format!("its notebook has no cell {cell}"))
    }
}

/// What is said of cells refers to these.
#[derive(Deserialize)]
struct Cells {
    cells: Vec<serde::de::IgnoredAny>,
}

/// `20261120-094815-3f9a`: it becomes the name of a folder.
fn is_run_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], [day, time, salt] if digits(day, 8) && digits(time, 6)
        && salt.len() == 4 && salt.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_file_name(text: &str) -> bool {
    Path::new(text).file_name().is_some_and(|name| name == text)
        && !text.contains(char::is_control)
        && text.len() <= 255
}

impl Store {
    /// The run with the results of those steps that `is_wanted` says; positions are those of the pipeline.
    pub fn pack(&self, run: &RunId, is_wanted: impl Fn(usize) -> bool) -> Result<PackedRun> {
        let record = self.run(run)?;
        let view = self.run_view(run)?;
        let packed = |step: StepRecord| -> Result<PackedStep> {
            let snapshot = self.snapshot_digest(run, step.position)?;
            Ok(if is_wanted(step.position) { PackedStep::of(step, snapshot) } else { PackedStep::left_out(step) })
        };
        Ok(PackedRun {
            run_id: run.clone(),
            status: if view.status.is_finished() { view.status } else { RunStatus::Interrupted },
            created: record.created,
            seconds: view.seconds,
            source: record.source.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()),
            notebook: record.notebook,
            parameters: record.parameters,
            diagnostics: record.diagnostics,
            python_version: record.options.python_version,
            code_version: record.options.code_version,
            pipeline: record.pipeline,
            steps: self.steps(run)?.into_iter().map(packed).collect::<Result<_>>()?,
        })
    }

    /// Takes a run in that was made elsewhere; its blobs are here already. A run that is known is completed by the steps,
    /// and outputs of steps, that it lacks. Says whether its pickles may be loaded.
    ///
    /// Its notebook is taken to be in `directory`.
    pub fn unpack(&self, packed: &PackedRun, directory: &Path, origin: &str) -> Result<bool> {
        let known = self.may_unpack(packed)?;
        if let Some(fault) = packed.notebook_fault(&self.blobs) {
            return Err(StoreError::Unfit(fault));
        }
        if !known {
            return self.database.write_durably(|transaction| insert(transaction, packed, directory, origin));
        }
        let Some(pulled) = self.pulled(&packed.run_id)? else { return Ok(true) };
        let added = self.added(packed)?;
        let packed = self.with_what_is_known(packed)?;
        self.database.write_durably(|transaction| complete(transaction, &packed, &added, origin))?;
        Ok(pulled.trusted && added.is_empty())
    }

    /// Whether the run is known here already; an error if the store would not take it, so that its blobs need not be
    /// fetched first.
    pub fn may_unpack(&self, packed: &PackedRun) -> Result<bool> {
        if let Some(fault) = packed.fault() {
            return Err(StoreError::Unfit(fault));
        }
        match self.run(&packed.run_id) {
            Ok(record) if is_same(&record, packed) => self.added(packed).map(|_| true),
            Ok(_) => Err(StoreError::OtherRun { run: packed.run_id.0.clone() }),
            Err(StoreError::UnknownRun(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A run of which something is here, with that.
    fn with_what_is_known(&self, packed: &PackedRun) -> Result<PackedRun> {
        let mut packed = packed.clone();
        for (known, new) in self.steps(&packed.run_id)?.into_iter().zip(&mut packed.steps) {
            let snapshot = self.snapshot_digest(&packed.run_id, known.position)?;
            new.snapshot = new.snapshot.take().or(snapshot);
            if let (Some(known), Some(new)) = (known.result, &mut new.result) {
                new.outputs.extend(known.outputs);
                new.files.extend(known.files);
            }
        }
        Ok(packed)
    }

    /// Positions of the steps that a run lacks which is here already, or of which it lacks outputs.
    fn added(&self, packed: &PackedRun) -> Result<Vec<usize>> {
        let other = || StoreError::OtherRun { run: packed.run_id.0.clone() };
        let mut added = vec![];
        for (known, new) in self.steps(&packed.run_id)?.iter().zip(&packed.steps) {
            let snapshot = self.snapshot_digest(&packed.run_id, known.position)?;
            let Some(result) = &new.result else { continue };
            let has_more = known.result.as_ref().map_or(Ok(true), |known| adds(known, result).ok_or_else(other))?;
            if has_more || (snapshot.is_none() && new.snapshot.is_some()) {
                added.push(known.position);
            }
        }
        Ok(added)
    }
}

/// Whether a result of a step has more of its outputs than what is known of them; `None`: it is another result. Of what a
/// cluster has made, more may have been fetched when it was pushed again.
fn adds(known: &StepResult, new: &StepResult) -> Option<bool> {
    let apart = |result: &StepResult| {
        let none = BTreeMap::new;
        StepResult { outputs: none(), files: none(), elsewhere: BTreeMap::new(), ..result.clone() }
    };
    let agrees = |known: &BTreeMap<String, Digest>, new: &BTreeMap<String, Digest>| {
        new.iter().all(|(name, content)| known.get(name).is_none_or(|known| known == content))
    };
    let is_same =
        apart(known) == apart(new) && agrees(&known.outputs, &new.outputs) && agrees(&known.files, &new.files);
    let has_more = |known: &BTreeMap<String, Digest>, new: &BTreeMap<String, Digest>| {
        new.keys().any(|name| !known.contains_key(name))
    };
    is_same.then(|| has_more(&known.outputs, &new.outputs) || has_more(&known.files, &new.files))
}

fn is_same(record: &RunRecord, packed: &PackedRun) -> bool {
    record.notebook == packed.notebook
        && record.parameters == packed.parameters
        && record.pipeline == packed.pipeline
        && record.created.to_bits() == packed.created.to_bits()
}

impl PackedStep {
    fn of(step: StepRecord, snapshot: Option<Digest>) -> PackedStep {
        let status = if step.status == StepStatus::Running { StepStatus::Interrupted } else { step.status };
        // Only here is it known how a cluster is reached.
        let result = step.result.map(|result| StepResult { elsewhere: BTreeMap::new(), ..result });
        PackedStep {
            name: step.name,
            cells: step.cells,
            status,
            attempt: step.attempt,
            started: step.started,
            finished: step.finished,
            seconds: step.seconds,
            fingerprint: step.fingerprint,
            identity: step.identity,
            result,
            diagnostics: step.diagnostics,
            reason: step.reason,
            snapshot,
        }
    }

    fn left_out(step: StepRecord) -> PackedStep {
        PackedStep {
            name: step.name,
            cells: step.cells,
            status: StepStatus::Skipped,
            attempt: 0,
            started: None,
            finished: None,
            seconds: 0.0,
            fingerprint: None,
            identity: None,
            result: None,
            diagnostics: vec![],
            reason: Some(LEFT_OUT.to_owned()),
            snapshot: None,
        }
    }
}

fn insert(transaction: &Transaction, packed: &PackedRun, directory: &Path, origin: &str) -> rusqlite::Result<bool> {
    let status = if packed.status.is_finished() { packed.status } else { RunStatus::Interrupted };
    // Nothing can be run with them: `must_be_own`.
    let nowhere = || Path::new("").to_owned();
    let options = RunOptions {
        code_version: packed.code_version.clone(),
        ..RunOptions::new(nowhere(), packed.python_version.clone(), nowhere(), directory.to_owned())
    };
    transaction.execute(
        "INSERT INTO runs (id, status, created, queued, seconds, pipeline, source, notebook, parameters, options,
             diagnostics)
         VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            packed.run_id.0,
            status.as_str(),
            packed.created,
            packed.seconds,
            json(&packed.pipeline),
            packed.source,
            packed.notebook.as_ref().map(Digest::as_str),
            json(&packed.parameters),
            json(&options),
            shown(&packed.diagnostics),
        ],
    )?;
    for position in 0..packed.steps.len() {
        write_step(transaction, packed, position)?;
    }
    let sql = "INSERT INTO pulled (run, origin, time, trusted) VALUES (?1, ?2, ?3, 0)";
    transaction.execute(sql, params![packed.run_id.0, origin, now()])?;
    Ok(false)
}

/// As JSON, without what would make a terminal do something.
fn shown(diagnostics: &[Diagnostic]) -> String {
    fn clean(value: &mut Value) {
        match value {
            Value::String(text) => *text = without_controls(text),
            Value::Array(items) => items.iter_mut().for_each(clean),
            Value::Object(fields) => fields.values_mut().for_each(clean),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(diagnostics).expect("plain data");
    clean(&mut value);
    json(&value)
}

/// What somebody else has printed, without what would make a terminal do something.
pub fn without_controls(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// What is added was not there when somebody said that the run may be trusted.
fn complete(transaction: &Transaction, packed: &PackedRun, added: &[usize], origin: &str) -> rusqlite::Result<()> {
    if added.is_empty() {
        return Ok(());
    }
    for position in added {
        write_step(transaction, packed, *position)?;
    }
    let sql = "UPDATE pulled SET origin = ?2, time = ?3, trusted = 0 WHERE run = ?1";
    transaction.execute(sql, params![packed.run_id.0, origin, now()]).map(drop)
}

fn write_step(transaction: &Transaction, packed: &PackedRun, position: usize) -> rusqlite::Result<()> {
    let (run, step) = (&packed.run_id, &packed.steps[position]);
    let status = if step.status == StepStatus::Running { StepStatus::Interrupted } else { step.status };
    transaction.execute(
        "INSERT OR REPLACE INTO steps (run, position, name, cells, status, attempt, started, finished, seconds,
             fingerprint, identity, result, diagnostics, reason, snapshot)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        params![
            run.0,
            position,
            step.name,
            json(&step.cells),
            status.as_str(),
            step.attempt,
            step.started,
            step.finished,
            step.seconds,
            step.fingerprint.as_ref().map(Digest::as_str),
            step.identity.as_ref().map(json),
            step.result.as_ref().map(json),
            shown(&step.diagnostics),
            step.reason.as_deref().map(without_controls),
            step.snapshot.as_ref().map(Digest::as_str),
        ],
    )?;
    transaction.execute("DELETE FROM metrics WHERE run = ?1 AND position = ?2", params![run.0, position])?;
    step.result.iter().try_for_each(|result| step::insert_metrics(transaction, run, position, result))
}
