//! What tests of the store begin with.

use std::path::Path;

use kale_model::{
    CellIndex, Instruction, Parameter, ParameterType, Pipeline, Position, PythonVersion, RunId, RunStatus, Span, Step,
    StepCell, StepConfig, StepStatus,
};
use kale_store::{Digest, MetricPoint, NewRun, RunOptions, StepEnd, StepResult, Store};
use serde_json::{Value, json};

pub fn pipeline(names: &[&str]) -> Pipeline {
    let start = Position { line: 1, column: 1 };
    let step = |(index, name): (usize, &&str)| Step {
        name: name.parse().unwrap(),
        cells: vec![StepCell { index: CellIndex(index), id: "c".to_owned(), source: "1".to_owned(), first_line: 1 }],
        program: vec![Instruction::Run { cell: CellIndex(index), parameters: vec![], metrics: vec![] }],
        fingerprint_source: String::new(),
        parameters: vec![],
        inputs: vec![],
        outputs: vec![],
        needs_ipython: false,
        requirements: vec![],
        local_modules: vec![],
        files: Default::default(),
        environment_variables: vec![],
        uncacheable: vec![],
        claims: None,
        config: StepConfig::default(),
    };
    Pipeline {
        name: "example".to_owned().try_into().unwrap(),
        description: None,
        experiment: None,
        python: PythonVersion::default(),
        base_image: None,
        parameters: vec![Parameter {
            name: "k".parse().unwrap(),
            parameter_type: ParameterType::Int,
            default: json!(3),
            span: Span { cell: CellIndex(0), start, end: start },
        }],
        steps: names.iter().enumerate().map(step).collect(),
        artifacts: vec![],
        edges: vec![],
        metrics: vec![],
        volumes: vec![],
        package_index: None,
        prelude: vec![],
        definitions: vec![],
        bindings: Default::default(),
        sub_cells: kale_model::SubCells::default(),
        warm_up: vec![],
    }
}

pub fn new_run(parameters: Value) -> NewRun {
    NewRun {
        pipeline: pipeline(&["load", "train"]),
        parameters: serde_json::from_value(parameters).unwrap(),
        source: Some("/home/me/example.ipynb".into()),
        notebook: b"{}".to_vec(),
        diagnostics: vec![],
        options: RunOptions::new("python3".into(), "3.11.7".to_owned(), "/runtime".into(), "/home/me".into()),
    }
}

pub fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join(".kale_rs")).unwrap();
    (folder, store)
}

pub fn succeeded(result: StepResult) -> StepEnd {
    StepEnd {
        status: StepStatus::Succeeded,
        seconds: 1.5,
        result: Some(result),
        diagnostics: vec![],
        reason: None,
        cacheable: true,
    }
}

/// Carries a run out as an engine would, with a metric `loss`.
pub fn carry_out(store: &Store, run: &RunId, code: &str, loss: f64) {
    store.claim(run).unwrap();
    for (position, name) in ["load", "train"].into_iter().enumerate() {
        let identity =
            json!({"code": format!("{name} {code}"), "files": {"data.csv": "d1"}, "environment": {"python": "3"}});
        store.identify_step(run, position, &Digest::of(identity.to_string().as_bytes()), &identity).unwrap();
        store.begin_step(run, position, name, 1).unwrap();
        let metrics = if name == "train" {
            vec![
                MetricPoint { name: "loss".to_owned(), value: json!(9.0), at: Some(0) },
                MetricPoint { name: "loss".to_owned(), value: json!(loss), at: Some(1) },
            ]
        } else {
            vec![]
        };
        store.end_step(run, position, name, &succeeded(StepResult { metrics, ..StepResult::default() })).unwrap();
    }
    store.finish_run(run, RunStatus::Succeeded, Some(Path::new("/out.ipynb"))).unwrap();
}
