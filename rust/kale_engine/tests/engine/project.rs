//! A folder with a notebook, its store, and pipelines written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kale_engine::{RunOptions, execute, launch};
use kale_model::{
    Artifact, ArtifactId, ArtifactKind, ArtifactType, Caching, CellIndex, Edge, Instruction, Pipeline, Position,
    PythonVersion, RunId, RunStatus, RunView, Span, Step, StepCell, StepConfig, StepId, StepStatus,
};
use kale_store::{NewRun, Store};
use serde_json::{Value, json};

/// A step of one cell.
#[derive(Clone, Default)]
pub struct StepSpec {
    pub name: &'static str,
    pub source: String,
    pub saves: &'static [&'static str],
    pub loads: Vec<(&'static str, &'static [&'static str])>,
    pub after: Vec<&'static str>,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
    pub variables: Vec<String>,
    pub fingerprint_source: String,
    pub config: StepConfig,
}

pub fn step(name: &'static str, source: impl Into<String>) -> StepSpec {
    StepSpec { name, source: source.into(), ..StepSpec::default() }
}

impl StepSpec {
    pub fn saves(mut self, names: &'static [&'static str]) -> StepSpec {
        self.saves = names;
        self
    }

    /// Names that another step saves.
    pub fn loads(mut self, from: &'static str, names: &'static [&'static str]) -> StepSpec {
        self.loads.push((from, names));
        self
    }

    pub fn after(mut self, step: &'static str) -> StepSpec {
        self.after.push(step);
        self
    }

    pub fn reads(mut self, path: &str) -> StepSpec {
        self.reads.push(path.to_owned());
        self
    }

    pub fn writes(mut self, path: &str) -> StepSpec {
        self.writes.push(path.to_owned());
        self
    }

    pub fn variable(mut self, name: &str) -> StepSpec {
        self.variables.push(name.to_owned());
        self
    }

    pub fn config(mut self, change: impl FnOnce(&mut StepConfig)) -> StepSpec {
        change(&mut self.config);
        self
    }

    pub fn uncached(self) -> StepSpec {
        self.config(|config| config.caching = Caching::Disabled)
    }
}

/// The pipeline of the given steps; step `i` is cell `i`.
pub fn pipeline(specs: &[StepSpec]) -> Pipeline {
    let id_of = |name: &str| StepId(specs.iter().position(|spec| spec.name == name).expect("a step of that name"));
    let saving: Vec<&StepSpec> = specs.iter().filter(|spec| !spec.saves.is_empty()).collect();
    let artifact_of =
        |name: &str| ArtifactId(saving.iter().position(|spec| spec.name == name).expect("a step that saves something"));
    let artifact = |spec: &&StepSpec| Artifact {
        key: format!("{}_values", spec.name),
        names: spec.saves.iter().map(ToString::to_string).collect(),
        kind: ArtifactKind::Value,
        by_name: vec![],
        producer: id_of(spec.name),
        artifact_type: ArtifactType::Artifact,
    };
    let mut edges = BTreeSet::new();
    for (index, spec) in specs.iter().enumerate() {
        let upstream = spec.loads.iter().map(|(from, _)| *from).chain(spec.after.iter().copied());
        edges.extend(upstream.map(|from| (id_of(from), StepId(index))));
    }
    Pipeline {
        name: "example".to_owned().try_into().unwrap(),
        description: None,
        experiment: None,
        python: PythonVersion::default(),
        base_image: None,
        parameters: vec![],
        steps: specs.iter().enumerate().map(|(index, spec)| model_step(index, spec, artifact_of)).collect(),
        artifacts: saving.iter().map(artifact).collect(),
        edges: edges
            .into_iter()
            .map(|(from, to)| Edge { from, to, variables: vec![], resources: vec![], declared: false })
            .collect(),
        metrics: vec![],
        volumes: vec![],
        package_index: None,
        prelude: vec![],
        definitions: vec![],
        bindings: BTreeMap::new(),
        sub_cells: kale_model::SubCells::default(),
        warm_up: vec![],
    }
}

fn model_step(index: usize, spec: &StepSpec, artifact_of: impl Fn(&str) -> ArtifactId) -> Step {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<String>>();
    let mut program: Vec<Instruction> = spec
        .loads
        .iter()
        .map(|(from, loaded)| Instruction::Load { artifact: artifact_of(from), names: names(loaded) })
        .collect();
    program.push(Instruction::Run { cell: CellIndex(index), parameters: vec![], metrics: vec![] });
    let mut outputs = vec![];
    if !spec.saves.is_empty() {
        outputs.push(artifact_of(spec.name));
        program.push(Instruction::Save { artifact: artifact_of(spec.name), names: names(spec.saves) });
    }
    Step {
        name: spec.name.to_owned().try_into().unwrap(),
        cells: vec![StepCell {
            index: CellIndex(index),
            id: format!("cell-{index}"),
            source: spec.source.clone(),
            first_line: 1,
        }],
        program,
        fingerprint_source: spec.fingerprint_source.clone(),
        parameters: vec![],
        inputs: spec.loads.iter().map(|(from, _)| artifact_of(from)).collect(),
        outputs,
        needs_ipython: false,
        requirements: vec![],
        local_modules: vec![],
        files: kale_model::FileUse { reads: spec.reads.clone(), writes: spec.writes.clone() },
        environment_variables: spec.variables.clone(),
        uncacheable: vec![],
        claims: None,
        config: spec.config.clone(),
    }
}

/// Adds an int parameter that cell 0 declares and `step` reads.
pub fn add_parameter(pipeline: &mut Pipeline, name: &str, default: i64, step: usize) {
    let start = Position { line: 1, column: 1 };
    pipeline.parameters.push(kale_model::Parameter {
        name: name.parse().unwrap(),
        parameter_type: kale_model::ParameterType::Int,
        default: json!(default),
        span: Span { cell: CellIndex(0), start, end: start },
    });
    let step = &mut pipeline.steps[step];
    step.parameters.push(name.parse().unwrap());
    step.program.insert(0, Instruction::Parameter { name: name.parse().unwrap() });
}

pub struct Project {
    folder: tempfile::TempDir,
    pub parameters: BTreeMap<String, Value>,
    pub jobs: Option<usize>,
    pub cache: bool,
    pub python: String,
    /// When it is not just the steps' cells.
    pub notebook: Option<Value>,
}

impl Project {
    pub fn new() -> Project {
        let folder = tempfile::tempdir().unwrap();
        Project { folder, parameters: BTreeMap::new(), jobs: Some(2), cache: true, python: python(), notebook: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path(".kale_rs")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.root()).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// How often a step that appends its name to `executions` was really executed.
    pub fn executions(&self, name: &str) -> usize {
        self.read("executions").lines().filter(|line| *line == name).count()
    }

    pub fn options(&self) -> RunOptions {
        let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/kale_runtime");
        let folder = self.folder.path().canonicalize().unwrap();
        let mut options = RunOptions::new(self.python.clone().into(), "3".to_owned(), runtime, folder);
        options.jobs = self.jobs;
        options.cache = self.cache;
        options
    }

    pub fn create(&self, pipeline: &Pipeline) -> RunId {
        self.create_with(pipeline, self.options())
    }

    pub fn create_with(&self, pipeline: &Pipeline, options: RunOptions) -> RunId {
        let new = NewRun {
            pipeline: pipeline.clone(),
            parameters: self.parameters.clone(),
            source: Some(self.path("example.ipynb")),
            notebook: self.notebook.clone().unwrap_or_else(|| notebook_of(pipeline)).to_string().into_bytes(),
            diagnostics: vec![],
            options,
        };
        self.store().create_run(&new).unwrap()
    }

    /// Runs in this process.
    pub fn run(&self, specs: &[StepSpec]) -> RunView {
        self.run_pipeline(&pipeline(specs))
    }

    pub fn run_pipeline(&self, pipeline: &Pipeline) -> RunView {
        let id = self.create(pipeline);
        let status = execute(&self.root(), &id).unwrap();
        let view = self.store().run_view(&id).unwrap();
        assert_eq!(view.status, status);
        view
    }

    /// Runs in an engine process.
    pub fn launch(&self, id: &RunId) -> u32 {
        launch(&self.store(), id, &engine_command(&self.root(), id)).unwrap()
    }

    pub fn wait_until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let patience = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < patience, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_for_end(&self, id: &RunId) -> RunView {
        let store = self.store();
        self.wait_until("the run is over", || {
            !matches!(store.run_status(id).unwrap(), RunStatus::Pending | RunStatus::Running)
        });
        store.run_view(id).unwrap()
    }
}

/// The Python that the steps run under. One with IPython and nbformat shows more.
pub fn python() -> String {
    std::env::var("KALE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// This test program, told to be an engine (see `engine_process` in `main.rs`).
pub fn engine_command(root: &Path, id: &RunId) -> Vec<OsString> {
    let mut command = vec![std::env::current_exe().unwrap().into_os_string()];
    command.extend(["engine_process", "--exact", "--nocapture"].map(OsString::from));
    command.push(format!("store={}", root.display()).into());
    command.push(format!("run={id}").into());
    command
}

pub fn notebook_of(pipeline: &Pipeline) -> Value {
    let cell = |step: &Step| {
        json!({"cell_type": "code", "id": step.cells[0].id, "metadata": {}, "source": step.cells[0].source,
               "outputs": [], "execution_count": null})
    };
    let cells: Vec<Value> = pipeline.steps.iter().map(cell).collect();
    json!({"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5})
}

pub fn statuses(view: &RunView) -> Vec<StepStatus> {
    view.steps.iter().map(|step| step.status).collect()
}

/// Processes of the run that are still there.
pub fn left_over(id: &RunId) -> Vec<i32> {
    let marker = format!("{}={}/", kale_engine::MARKER, id);
    let carries = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(marker.as_bytes()))
        })
    };
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(carries).collect()
}

/// A step that counts itself in a folder that the audit hook takes for temporary, so that counting does not make the step
/// uncacheable.
pub fn counting(project: &Project, name: &'static str, source: &str) -> StepSpec {
    let line = format!("_f = open({:?}, 'a'); _f.write('{name}\\n'); _f.close()\n{source}", counter(project));
    step(name, line)
}

fn counter(project: &Project) -> String {
    let name = project.path("x").parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    std::env::temp_dir().join(format!("kale-count-{name}")).display().to_string()
}

pub fn count(project: &Project, name: &str) -> usize {
    let text = fs::read_to_string(counter(project)).unwrap_or_default();
    text.lines().filter(|line| *line == name).count()
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_file(counter(self));
    }
}
