//! What differs between two runs, and why a step ran again.
//!
//! The engine records with each step what its fingerprint is made of (an object whose fields are `code`,
//! `parameters`, `files`, `environment`, `variables`, ...); the difference of two runs is the difference of these
//! objects and of what the runs report.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::RunId;
use serde::Serialize;
use serde_json::Value;

use crate::Store;
use crate::error::Result;
use crate::record::StepRecord;

/// One named thing that is not the same; `None`: one side does not have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    pub name: String,
    pub left: Option<Value>,
    pub right: Option<Value>,
}

/// A step whose code differs, or that only one run has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepChange {
    pub step: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
}

/// Empty lists: nothing differs in that respect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDiff {
    pub left: RunId,
    pub right: RunId,
    pub code: Vec<StepChange>,
    /// Input files by path; the values are digests of their contents.
    pub data: Vec<Change>,
    pub parameters: Vec<Change>,
    /// Interpreter, distributions, runtime and environment variables; the latter as digests.
    pub environment: Vec<Change>,
    pub metrics: Vec<Change>,
}

impl Store {
    pub fn diff(&self, left: &RunId, right: &RunId) -> Result<RunDiff> {
        let (left_view, right_view) = (self.run_view(left)?, self.run_view(right)?);
        let (left_steps, right_steps) = (self.steps(left)?, self.steps(right)?);
        Ok(RunDiff {
            left: left.clone(),
            right: right.clone(),
            code: code_changes(&left_steps, &right_steps),
            data: changes(&files(&left_steps), &files(&right_steps)),
            parameters: changes(&left_view.parameters, &right_view.parameters),
            environment: changes(&environment(&left_steps), &environment(&right_steps)),
            metrics: changes(&left_view.metrics, &right_view.metrics),
        })
    }
}

fn changes(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> Vec<Change> {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let change =
        |name: &String| Change { name: name.clone(), left: left.get(name).cloned(), right: right.get(name).cloned() };
    names.into_iter().filter(|name| left.get(*name) != right.get(*name)).map(change).collect()
}

/// Steps that were not reached in one of the runs have no identity there, and say nothing about their code.
fn code_changes(left: &[StepRecord], right: &[StepRecord]) -> Vec<StepChange> {
    let code = |step: &StepRecord| step.identity.as_ref().and_then(|identity| identity.get("code")).cloned();
    let find = |steps: &[StepRecord], name: &str| steps.iter().find(|step| step.name == name).map(code);
    let change = |step: &StepRecord, change| StepChange { step: step.name.clone(), change };
    let mut found = vec![];
    for step in left {
        match (code(step), find(right, &step.name)) {
            (_, None) => found.push(change(step, "removed")),
            (Some(old), Some(Some(new))) if old != new => found.push(change(step, "changed")),
            _ => {}
        }
    }
    found.extend(right.iter().filter(|step| find(left, &step.name).is_none()).map(|step| change(step, "added")));
    found
}

fn files(steps: &[StepRecord]) -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    for step in steps {
        files.extend(section(step, "files"));
        let observed = step.result.iter().flat_map(|result| &result.observed.files);
        files.extend(observed.map(|(path, digest)| (path.clone(), digest_value(digest.as_ref()))));
    }
    files
}

fn environment(steps: &[StepRecord]) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::new();
    for step in steps {
        facts.extend(section(step, "environment"));
        let prefixed = |(name, value)| (format!("${name}"), value);
        facts.extend(section(step, "variables").into_iter().map(prefixed));
        let observed = step.result.iter().flat_map(|result| &result.observed.environment);
        facts.extend(observed.map(|(name, digest)| prefixed((name.clone(), digest_value(digest.as_ref())))));
    }
    facts
}

fn digest_value(digest: Option<&crate::Digest>) -> Value {
    digest.map_or(Value::Null, |digest| Value::String(digest.to_string()))
}

/// A map of the identity.
fn section(step: &StepRecord, name: &str) -> Vec<(String, Value)> {
    let map = step.identity.as_ref().and_then(|identity| identity.get(name)).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}
