//! What the store keeps of runs and steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kale_model::{Diagnostic, Event, Lock, Pipeline, RunId, RunStatus, StepStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blob::Digest;
use crate::liveness::ProcessIdentity;

/// How much the engine checks of what cannot be decided before the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    Off,
    #[default]
    Inputs,
    Full,
}

/// How a run is to be carried out. It is recorded with the run, so that `resume` does the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOptions {
    /// The interpreter that runs the steps: a path, or a name to be found on `PATH`.
    pub python: PathBuf,
    /// Its full version, such as `3.11.7`: part of every step's identity.
    pub python_version: String,
    /// The folder of the `kale_runtime` package.
    pub runtime: PathBuf,
    /// Steps work here, as the notebook's kernel would: the notebook's folder.
    pub directory: PathBuf,
    /// Its path from the folder that holds the store, if it is in that (see [`RunOptions::moved_beside`]).
    #[serde(default)]
    pub beside_store: Option<PathBuf>,
    /// Steps at one time; `None` is the number of CPUs.
    pub jobs: Option<usize>,
    /// Whether stored results of equal steps may be used.
    pub cache: bool,
    pub verify: Verify,
    /// Whether the notebook is run from top to bottom as well, and compared.
    #[serde(default)]
    pub differential: bool,
    /// The git commit that the notebook's folder was at.
    #[serde(default)]
    pub code_version: Option<String>,
    /// Steps that neither are this one nor come after it are taken from earlier runs, whatever they read.
    #[serde(default)]
    pub from: Option<String>,
    /// Where events of OpenLineage go: the path of a file, or a URL.
    #[serde(default)]
    pub openlineage: Option<String>,
    /// What each step may store of its namespace beyond what it ships, for `restore`.
    #[serde(default = "snapshot_bytes")]
    pub snapshot_bytes: u64,
    /// `PYTHONHASHSEED` of every step: the order of sets reaches the bytes of values.
    pub hash_seed: u32,
    /// Where the executed notebook is wanted besides the store.
    pub output_notebook: Option<PathBuf>,
    /// Modules that do not lie beside the notebook but are not from a package index either, to where they are.
    #[serde(default)]
    pub modules: BTreeMap<String, PathBuf>,
    /// What the environment holds that an isolated run makes for its steps; `None`: they run in the notebook's.
    #[serde(default)]
    pub isolated: Option<Lock>,
    /// Whether processes of steps may be forked from one that has done the imports.
    #[serde(default = "yes")]
    pub warm: bool,
    /// The cluster that carries the run out, by its context's name; `None`: this machine does.
    #[serde(default)]
    pub context: Option<String>,
}

fn yes() -> bool {
    true
}

/// A gibibyte: the variables of nearly all notebooks.
fn snapshot_bytes() -> u64 {
    1 << 30
}

impl RunOptions {
    /// The defaults of `kale-rs run`.
    pub fn new(python: PathBuf, python_version: String, runtime: PathBuf, directory: PathBuf) -> RunOptions {
        RunOptions {
            python,
            python_version,
            runtime,
            directory,
            beside_store: None,
            jobs: None,
            cache: true,
            verify: Verify::default(),
            differential: false,
            code_version: None,
            from: None,
            openlineage: None,
            snapshot_bytes: snapshot_bytes(),
            hash_seed: 0,
            output_notebook: None,
            modules: BTreeMap::new(),
            isolated: None,
            warm: true,
            context: None,
        }
    }

    /// Notes where the notebook lies, as seen from the store.
    pub(crate) fn recorded_in(&self, store: &Path) -> RunOptions {
        let beside = store.parent().and_then(|folder| self.directory.strip_prefix(folder).ok());
        RunOptions { beside_store: beside.map(Path::to_owned), ..self.clone() }
    }

    /// A project that was moved or copied together with its store takes its runs along: what they read and write is
    /// where the store is now, and nothing is done to the original.
    pub(crate) fn moved_beside(self, store: &Path) -> RunOptions {
        let (Some(beside), Some(folder)) = (&self.beside_store, store.parent()) else { return self };
        let directory = if beside.as_os_str().is_empty() { folder.to_owned() } else { folder.join(beside) };
        let moved = |path: &PathBuf| match path.strip_prefix(&self.directory) {
            Ok(inner) => directory.join(inner),
            Err(_) => path.clone(),
        };
        let output_notebook = self.output_notebook.as_ref().map(moved);
        RunOptions { output_notebook, directory, ..self }
    }

    /// What the environment of an isolated run is made of: runs of equal keys share one.
    pub fn environment_key(&self) -> Option<Digest> {
        const VERSION: u32 = 1;
        let packages = self.isolated.as_ref()?.text();
        let machine = [std::env::consts::OS, std::env::consts::ARCH];
        let key = serde_json::json!([VERSION, machine, self.python, self.python_version, packages]);
        Some(Digest::of(key.to_string().as_bytes()))
    }
}

/// A run to be recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewRun {
    pub pipeline: Pipeline,
    /// Values that differ from the defaults; already checked against the declared types.
    pub parameters: BTreeMap<String, Value>,
    /// The notebook's path, absolute.
    pub source: Option<PathBuf>,
    /// The notebook's bytes, as compiled.
    #[serde(skip)]
    pub notebook: Vec<u8>,
    /// What the compiler had to say.
    pub diagnostics: Vec<Diagnostic>,
    pub options: RunOptions,
}

/// A run as stored.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub id: RunId,
    /// As written by its engine; [`crate::Store::run_view`] also knows whether that engine still lives.
    pub status: RunStatus,
    /// Seconds since the Unix epoch.
    pub created: f64,
    pub pipeline: Pipeline,
    pub source: Option<PathBuf>,
    pub notebook: Option<Digest>,
    /// Every parameter's value, defaults included.
    pub parameters: BTreeMap<String, Value>,
    pub options: RunOptions,
    pub diagnostics: Vec<Diagnostic>,
    pub executed: Option<PathBuf>,
    pub engine: Option<ProcessIdentity>,
}

/// A step of a run as stored.
#[derive(Clone, Debug)]
pub struct StepRecord {
    pub position: usize,
    pub name: String,
    pub cells: Vec<usize>,
    pub status: StepStatus,
    pub attempt: u32,
    pub started: Option<f64>,
    pub finished: Option<f64>,
    pub seconds: f64,
    pub fingerprint: Option<Digest>,
    /// What the fingerprint is the digest of.
    pub identity: Option<Value>,
    pub result: Option<StepResult>,
    pub diagnostics: Vec<Diagnostic>,
    /// Why it has its status, in words: where a cached result comes from, which step failed before a skipped one.
    pub reason: Option<String>,
}

/// What an executed step left behind. All digests name blobs that are on the disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Artifact key to content.
    pub outputs: BTreeMap<String, Digest>,
    /// Outputs that are still where a cluster has put them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<String, Elsewhere>,
    /// Files that it wrote: path to content.
    pub files: BTreeMap<String, Digest>,
    /// JSON: for each of the step's cells its nbformat outputs, `null` for one that was not run. By position and not
    /// by index in the notebook, so that a result can be reused after a cell was inserted above.
    pub cells: Option<Digest>,
    /// All that it printed.
    pub log: Option<Digest>,
    pub metrics: Vec<MetricPoint>,
    pub observed: Observed,
    pub cpu_seconds: f64,
    pub peak_memory_bytes: u64,
}

impl StepResult {
    /// Its metrics, for whoever follows the run.
    pub fn metric_events<'r>(&'r self, step: &'r str) -> impl Iterator<Item = Event> + 'r {
        self.metrics.iter().map(move |MetricPoint { name, value, at }| Event::Metric {
            step: step.to_owned(),
            name: name.clone(),
            value: value.clone(),
            at: *at,
        })
    }

    /// Every blob that it names.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        self.outputs.values().chain(self.files.values()).chain(&self.cells).chain(&self.log).cloned()
    }
}

/// Where a cluster has put an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// In an object store.
    pub uri: String,
    /// What the cluster has to be told to find it.
    #[serde(default)]
    pub session: Option<String>,
    /// It was seen to have more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<u64>,
}

/// One reported value: `value` is a finite number, or the string `NaN`, `Infinity` or `-Infinity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    pub name: String,
    pub value: Value,
    /// The `step=` of `kale_rs.metric`, for series.
    pub at: Option<i64>,
}

/// What a step was seen to depend on while it ran, besides what the compiler knew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Files read: path to the digest of the content; `None`: there was no such file.
    pub files: BTreeMap<String, Option<Digest>>,
    /// Folders listed: path to the digest of the names in it.
    #[serde(default)]
    pub listings: BTreeMap<String, Option<Digest>>,
    /// Environment variables read: name to the digest of the value, never the value itself.
    pub environment: BTreeMap<String, Option<Digest>>,
}

/// A step's end, to be recorded in one transaction.
#[derive(Clone, Debug)]
pub struct StepEnd {
    pub status: StepStatus,
    pub seconds: f64,
    pub result: Option<StepResult>,
    pub diagnostics: Vec<Diagnostic>,
    pub reason: Option<String>,
    /// Keep the result for other runs, under the step's fingerprint.
    pub cacheable: bool,
}

/// A result of an earlier run.
#[derive(Clone, Debug)]
pub struct CachedResult {
    pub run: RunId,
    pub step: String,
    pub result: StepResult,
    /// The document of its snapshot (see [`crate::StepSnapshot`]), if it has one.
    pub snapshot: Option<Digest>,
}
