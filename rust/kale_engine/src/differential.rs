//! `run --differential`: the notebook from top to bottom in one process, held against what the pipeline did.
//!
//! The pipeline runs as always. Then the notebook runs as a whole, in a copy of its folder as it was before, and its
//! process compares what it has with what the steps stored (`kale_runtime/linear.py`); here, what cells put out and the
//! metrics are compared. If anything differs the notebook runs once more: what differs between these two runs the
//! notebook itself does not repeat, and says nothing about the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use kale_model::{CellIndex, Code, Diagnostic, RunStatus, Span, StepPlan};
use kale_store::Result;
use serde_json::{Map, Value, json};

use crate::attempt::{self, Limits};
use crate::execute::Execution;
use crate::folder;
use crate::publish;
use crate::report::Report;
use crate::request::Scratch;
use crate::visible::Visible;
use crate::worker::{self, Launch};

/// Folders in which the notebook runs.
pub(crate) struct Places {
    root: PathBuf,
    /// Why they are the notebook's own folder.
    remark: Option<Diagnostic>,
}

/// What one run of the whole notebook left.
struct Linear {
    scratch: Scratch,
    report: Report,
    /// Artifacts that differ from the pipeline's: key to cell and words.
    differing: BTreeMap<String, (usize, String)>,
    unrepeatable: BTreeSet<String>,
    uncompared: BTreeSet<String>,
    metrics: Map<String, Value>,
}

/// Copies the notebook's folder, before the pipeline can change it. One that is too large is run in as it is. A run that is
/// resumed has the copies of its first session, unless the notebook has begun to run in them.
pub(crate) fn prepare(execution: &Execution) -> Places {
    let root = execution.store.run_directory(&execution.record.id).join("differential");
    let source = &execution.record.options.directory;
    let copy = |name: &str| {
        let (place, whole) = (root.join(name), root.join(format!("{name}.whole")));
        if whole.exists() && !attempt_in(&root, name).exists() {
            return Ok(());
        }
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        folder::copy(source, &place, execution.store.root())?;
        fs::write(whole, "")
    };
    let remark = ["first", "second"].iter().find_map(|name| copy(name).err()).map(|error| {
        let _ = fs::remove_dir_all(&root);
        Diagnostic::new(
            Code::NotVerified,
            format!("The notebook's folder could not be copied ({error}), so the notebook runs in the folder itself."),
            "Files that it changes are changed again. Put the notebook into a folder of its own.",
        )
    });
    Places { root, remark }
}

/// Runs the notebook and compares; gives what differs.
pub(crate) async fn compare(execution: &Execution, places: &Places, status: RunStatus) -> Result<Vec<Diagnostic>> {
    let mut found: Vec<Diagnostic> = places.remark.iter().cloned().collect();
    let comparison = Comparison { execution, places, status };
    match comparison.run("first", &BTreeMap::new()).await {
        Ok(first) => found.extend(comparison.judge(first).await?),
        Err(reason) => found.push(not_compared(&reason)),
    }
    let _ = fs::remove_dir_all(&places.root);
    Ok(found)
}

/// Where the process of one run of the notebook leaves what it has to say.
fn attempt_in(root: &Path, name: &str) -> PathBuf {
    root.join(format!("{name}.attempt"))
}

struct Comparison<'a> {
    execution: &'a Execution,
    places: &'a Places,
    status: RunStatus,
}

impl Comparison<'_> {
    async fn run(&self, name: &str, against: &BTreeMap<String, PathBuf>) -> std::result::Result<Linear, String> {
        let scratch = Scratch::prepare(attempt_in(&self.places.root, name)).map_err(|error| error.to_string())?;
        let options = &self.execution.record.options;
        let copy = folder::place(&options.directory, &self.places.root.join(name));
        let directory = if self.places.remark.is_some() { options.directory.clone() } else { copy };
        fs::write(scratch.request(), self.request(&scratch, &directory, against).to_string())
            .map_err(|error| error.to_string())?;
        let launch = self.launch(&scratch, &directory, name);
        let stop = self.execution.stop_signal();
        let ending =
            attempt::run(&launch, None, Limits::default(), stop, || {}).await.map_err(|error| error.to_string())?;
        let text = fs::read(scratch.result()).ok();
        let document: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let document = document.ok_or_else(|| format!("its process ended without a result: {ending:?}"))?;
        Ok(Linear {
            report: Report::from_json(&document),
            differing: rows(&document["compared"]).filter_map(differing).collect(),
            unrepeatable: keys(&document["unrepeatable"]),
            uncompared: keys(&document["uncompared"]),
            metrics: document["metrics"].as_object().cloned().unwrap_or_default(),
            scratch,
        })
    }

    fn request(&self, scratch: &Scratch, directory: &Path, against: &BTreeMap<String, PathBuf>) -> Value {
        let pipeline = &self.execution.pipeline;
        let results = self.execution.results.borrow();
        let place = |path: PathBuf| json!({"artifacts": [{"name": "", "uri": path}]});
        let stored: Map<String, Value> = pipeline
            .artifacts
            .iter()
            .filter_map(|artifact| {
                let digest = results.get(&artifact.producer)?.outputs.get(&artifact.key)?;
                Some((artifact.key.clone(), place(self.execution.store.blobs().path(digest))))
            })
            .collect();
        let own: Map<String, Value> =
            pipeline.artifacts.iter().map(|a| (a.key.clone(), place(scratch.output(&a.key)))).collect();
        json!({
            "plan": StepPlan::linear(pipeline),
            "executor_input": {
                "inputs": {"parameterValues": self.execution.record.parameters, "artifacts": stored},
                "outputs": {"artifacts": own},
            },
            "directory": directory,
            "result": scratch.result(),
            "events": null,
            "cells": null,
            "log": null,
            "rich": true,
            "linear": {"against": against},
        })
    }

    fn launch(&self, scratch: &Scratch, directory: &Path, name: &str) -> Launch {
        let options = &self.execution.record.options;
        let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        Launch {
            withheld: &[],
            python: worker::notebook_python(options),
            runtime: options.runtime.clone(),
            request: scratch.request(),
            directory: directory.to_owned(),
            log: scratch.request().with_file_name("log.txt"),
            marker: format!("{}/{name}/1", self.execution.owner.marker),
            environment: vec![
                variable("KALE_INSTALL", "0"),
                variable("PYTHONHASHSEED", &options.hash_seed.to_string()),
            ],
            processors: vec![],
        }
    }

    async fn judge(&self, first: Linear) -> Result<Vec<Diagnostic>> {
        let cells = publish::cell_outputs(&self.execution.store, &self.execution.record)?.outputs;
        let unlike = |a: &BTreeMap<usize, Vec<Value>>, b: &BTreeMap<usize, Vec<Value>>| -> BTreeMap<usize, String> {
            let both = a.iter().filter_map(|(index, outputs)| Some((*index, outputs, b.get(index)?)));
            both.filter_map(|(index, a, b)| Some((index, Visible::of(a).difference(&Visible::of(b))?))).collect()
        };
        let ours = self.execution.store.run_view(&self.execution.record.id)?.metrics;
        let shown = first.cells();
        let outputs = unlike(&shown, &cells);
        let unequal = |name: &&String| !same_number(first.metrics.get(*name), ours.get(*name));
        let metrics: Vec<&String> = ours.keys().filter(|_| first.report.succeeded).filter(unequal).collect();
        let mut found: Vec<Diagnostic> = first.uncompared.iter().map(|key| uncompared(key)).collect();
        found.extend(self.endings(&first));
        if outputs.is_empty() && first.differing.is_empty() && metrics.is_empty() {
            return Ok(found);
        }
        let kept = first.differing.keys().map(|key| (key.clone(), first.scratch.output(key)));
        let second = match self.run("second", &kept.filter(|(_, path)| path.is_file()).collect()).await {
            Ok(second) => second,
            Err(reason) => {
                found.push(not_compared(&reason));
                return Ok(found);
            }
        };
        let mut unrepeated: BTreeSet<usize> = unlike(&shown, &second.cells()).into_keys().collect();
        let (noise, faults): (Vec<_>, Vec<_>) =
            first.differing.iter().partition(|(key, _)| second.unrepeatable.contains(*key));
        unrepeated.extend(noise.iter().map(|(_, (cell, _))| *cell));
        found.extend(faults.iter().map(|(_, (cell, words))| self.differs(Some(*cell), words)));
        found.extend(
            outputs
                .iter()
                .filter(|(cell, _)| !unrepeated.contains(cell))
                .map(|(cell, words)| self.differs(Some(*cell), &format!("cell {cell} {words}"))),
        );
        let is_repeated = |name: &&String| same_number(first.metrics.get(*name), second.metrics.get(*name));
        for name in metrics.into_iter().filter(is_repeated) {
            let value = |of: Option<&Value>| of.map_or("missing".to_owned(), ToString::to_string);
            let (theirs, mine) = (value(first.metrics.get(name)), value(ours.get(name)));
            found.push(self.differs(None, &format!("metric `{name}` is {theirs} in the notebook and {mine} here")));
        }
        found.extend(unrepeated.iter().map(|&cell| self.unrepeatable(cell)));
        Ok(found)
    }

    /// The one stops and the other does not.
    fn endings(&self, linear: &Linear) -> Option<Diagnostic> {
        match (&linear.report.error, self.status) {
            (Some(error), RunStatus::Succeeded) => {
                let words = format!("the notebook stops with `{}`: {}", error.kind, error.message);
                Some(self.differs(error.cell, &words))
            }
            (None, RunStatus::Failed) => Some(self.differs(None, "the notebook does not stop, and the pipeline does")),
            _ => None,
        }
    }

    fn differs(&self, cell: Option<usize>, words: &str) -> Diagnostic {
        let diagnostic = Diagnostic::new(
            Code::DiffersFromNotebook,
            format!("Run from top to bottom, {words}."),
            "Report it, please. Until then, put the cells that take part into one step.",
        );
        cell.map_or(diagnostic.clone(), |cell| self.placed(diagnostic, cell))
    }

    fn unrepeatable(&self, cell: usize) -> Diagnostic {
        let diagnostic = Diagnostic::new(
            Code::NotRepeatable,
            format!("Cell {cell} gives something else each time the notebook is run, so it was not compared."),
            "To have it compared, seed the random generators that it uses, and keep the clock out of what it shows.",
        );
        self.placed(diagnostic, cell)
    }

    fn placed(&self, diagnostic: Diagnostic, cell: usize) -> Diagnostic {
        let mut cells = self.execution.pipeline.steps.iter().flat_map(|step| &step.cells);
        let id = cells.find(|each| each.index.0 == cell).map(|cell| cell.id.clone());
        Diagnostic { cell_id: id, ..diagnostic.at(Span::of_cell(CellIndex(cell))) }
    }
}

impl Linear {
    /// The outputs of its cells; that of a cell that raised says no more than the error.
    fn cells(&self) -> BTreeMap<usize, Vec<Value>> {
        let indices = self.report.cell_indices();
        let outputs = self.report.cell_outputs(&self.scratch.cells(), &indices);
        let stopped = self.report.error.as_ref().and_then(|error| error.cell);
        let indices = indices.into_iter().zip(outputs).filter(|(index, _)| stopped != Some(*index));
        indices.filter_map(|(index, outputs)| Some((index, outputs?))).collect()
    }
}

/// JSON may write a float without its point.
fn same_number(left: Option<&Value>, right: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64).map(f64::to_bits);
    left == right || (number(left).is_some() && number(left) == number(right))
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn keys(list: &Value) -> BTreeSet<String> {
    rows(list).filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

fn differing(row: &Value) -> Option<(String, (usize, String))> {
    let cell = usize::try_from(row["cell"].as_u64()?).ok()?;
    let (place, theirs, ours) = (row["place"].as_str()?, row["notebook"].as_str()?, row["pipeline"].as_str()?);
    let place = if place.contains('`') { place.to_owned() } else { format!("`{place}`") };
    let words = format!("{place} is {theirs} after cell {cell}, and the pipeline stored {ours}");
    Some((row["key"].as_str()?.to_owned(), (cell, words)))
}

fn not_compared(reason: &str) -> Diagnostic {
    Diagnostic::new(
        Code::NotVerified,
        format!("The pipeline was not compared with the notebook: {reason}."),
        "Run it again; if that does not help, run the notebook from top to bottom in Jupyter.",
    )
}

fn uncompared(key: &str) -> Diagnostic {
    Diagnostic::new(
        Code::NotVerified,
        format!("The stored value `{key}` could not be compared with the notebook's."),
        "Its class cannot be read back, or comparing took too long.",
    )
}
