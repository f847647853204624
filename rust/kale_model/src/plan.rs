//! What the step runtime (`python/kale_runtime`) is told: one step of a pipeline, compact and self-contained.
//!
//! As JSON, positional rows keep it small, since on a cluster it travels on a command line:
//!
//! ```json
//! {"version": 2, "pipeline": "churn", "step": "train", "parameters": {"lr": "float"},
//!  "program": [["parameter", "lr"],
//!              ["define", 0, 1, "import numpy as np"],
//!              ["load", "df", "value", ["df"]],
//!              ["run", 3, 1, "model = fit(df, lr)", [], [["accuracy", 0, 0]]],
//!              ["save", "model", "value", ["model"]]],
//!  "metrics": true, "ipython": false, "requirements": ["numpy==2.4.1"]}
//! ```
//!
//! Rows: `["parameter", name]`, `["define", cell, line, source]`, `["load", key, kind, names]`,
//! `["save", key, kind, names, names of the definitions that it writes by name]` (the last may be missing),
//! `["run", cell, first line, source, parameters overridden in it, [[metric, statement, argument or null]...]]`.
//! A kind is `value`, `callable`, `rng:NAME` or `file:PATH`.
//!
//! `defaults` has the defaults that hold an int where a value from JSON may not: of `list` and `dict` parameters, and of
//! `float` ones whose literal is an int (`rate: float = 1`). KFP makes doubles of all numbers, so a value that equals
//! the default stands for the default, with its ints and floats.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::artifact::ArtifactId;
use crate::cell::CellIndex;
use crate::name::ParameterName;
use crate::parameter::{Parameter, ParameterType};
use crate::pipeline::Pipeline;
use crate::step::{Instruction, StepId};

/// Bump it when the runtime must change with it: it enters every step's fingerprint.
pub const PLAN_VERSION: u32 = 2;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepPlan {
    pub version: u32,
    pub pipeline: String,
    pub step: String,
    /// Name to type of the parameters that the step reads.
    pub parameters: BTreeMap<String, &'static str>,
    /// Defaults of those whose numbers JSON may change between int and float.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, Value>,
    pub program: Vec<Value>,
    /// Whether the step declares metrics.
    pub metrics: bool,
    /// Whether the cells need IPython itself, and not only Python.
    pub ipython: bool,
    pub requirements: Vec<String>,
}

impl StepPlan {
    pub fn new(pipeline: &Pipeline, id: StepId) -> StepPlan {
        let step = pipeline.step(id);
        let read = || pipeline.parameters.iter().filter(|parameter| step.parameters.contains(&parameter.name));
        StepPlan {
            version: PLAN_VERSION,
            pipeline: pipeline.name.to_string(),
            step: step.name.to_string(),
            parameters: types(read()),
            defaults: defaults(read()),
            program: step.program.iter().map(|instruction| row(pipeline, id, instruction)).collect(),
            metrics: pipeline.metrics_of(id).next().is_some(),
            ipython: step.needs_ipython,
            requirements: step.requirements.iter().map(ToString::to_string).collect(),
        }
    }

    /// The notebook from top to bottom as one program. Where a step stores an artifact there is a row
    /// `["compare", key, kind, names]`.
    pub fn linear(pipeline: &Pipeline) -> StepPlan {
        let mut rows: BTreeMap<CellIndex, Vec<Value>> = BTreeMap::new();
        for cell in &pipeline.prelude {
            let declared = pipeline.parameters.iter().filter(|parameter| parameter.span.cell == cell.index);
            let parameters: Vec<&ParameterName> = declared.map(|parameter| &parameter.name).collect();
            let none: [Value; 0] = [];
            rows.insert(cell.index, vec![json!(["run", cell.index, cell.first_line, cell.source, parameters, none])]);
        }
        for id in pipeline.step_ids() {
            let mut last = None;
            for instruction in &pipeline.step(id).program {
                match instruction {
                    Instruction::Run { cell, .. } => {
                        last = Some(*cell);
                        rows.entry(*cell).or_default().insert(0, row(pipeline, id, instruction));
                    }
                    Instruction::Save { artifact, names } => {
                        let artifact = pipeline.artifact(*artifact);
                        let cell = last.expect("only what a cell has made is saved");
                        let compare = json!(["compare", artifact.key, artifact.kind.word(), names]);
                        rows.entry(cell).or_default().push(compare);
                    }
                    _ => {}
                }
            }
        }
        StepPlan {
            version: PLAN_VERSION,
            pipeline: pipeline.name.to_string(),
            step: "notebook".to_owned(),
            parameters: types(pipeline.parameters.iter()),
            defaults: defaults(pipeline.parameters.iter()),
            program: rows.into_values().flatten().collect(),
            metrics: !pipeline.metrics.is_empty(),
            ipython: pipeline.steps.iter().any(|step| step.needs_ipython),
            requirements: vec![],
        }
    }
}

fn types<'p>(parameters: impl Iterator<Item = &'p Parameter>) -> BTreeMap<String, &'static str> {
    parameters.map(|parameter| (parameter.name.to_string(), parameter.parameter_type.as_str())).collect()
}

/// Of those whose numbers JSON may change between int and float.
fn defaults<'p>(parameters: impl Iterator<Item = &'p Parameter>) -> BTreeMap<String, Value> {
    let ambiguous = |parameter: &&Parameter| match parameter.parameter_type {
        ParameterType::List | ParameterType::Dict => true,
        ParameterType::Float => parameter.default.is_i64() || parameter.default.is_u64(),
        ParameterType::Int | ParameterType::Bool | ParameterType::Str | ParameterType::Json => false,
    };
    parameters.filter(ambiguous).map(|parameter| (parameter.name.to_string(), parameter.default.clone())).collect()
}

fn row(pipeline: &Pipeline, id: StepId, instruction: &Instruction) -> Value {
    let artifact = |id: ArtifactId| {
        let artifact = pipeline.artifact(id);
        (artifact.key.as_str(), artifact.kind.word())
    };
    match instruction {
        Instruction::Parameter { name } => json!(["parameter", name]),
        Instruction::Define { cell, line, source } => json!(["define", cell, line, source]),
        Instruction::Load { artifact: id, names } => {
            let (key, kind) = artifact(*id);
            json!(["load", key, kind, names])
        }
        Instruction::Save { artifact: id, names } => {
            let (key, kind) = artifact(*id);
            match &pipeline.artifact(*id).by_name {
                none if none.is_empty() => json!(["save", key, kind, names]),
                by_name => json!(["save", key, kind, names, by_name]),
            }
        }
        Instruction::Run { cell, parameters, metrics } => {
            let step = pipeline.step(id);
            let code = step.cells.iter().find(|c| c.index == *cell).expect("a step runs its own cells only");
            let sites: Vec<Value> = metrics.iter().map(|m| json!([m.name, m.statement, m.argument])).collect();
            json!(["run", cell, code.first_line, code.source, parameters, sites])
        }
    }
}
