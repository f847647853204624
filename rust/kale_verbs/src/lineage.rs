//! `lineage`: where a run, a step, a value or a snapshot comes from, and what came of it.
//!
//! Everything is linked both ways: what a node says it was made by says that it made it.

use kale_model::{Pipeline, RunId};
use kale_store::{Digest, RunRecord, StepRecord, StepResult, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::id::{self, Id};
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct LineageRequest {
    /// See [`crate::id`].
    pub id: String,
    #[serde(flatten)]
    pub store: StoreChoice,
}

/// A node with its neighbours, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lineage {
    pub id: String,
    /// `run`, `step`, `artifact` or `snapshot`.
    pub kind: &'static str,
    pub facts: Map<String, Value>,
    pub made_by: Vec<String>,
    pub uses: Vec<String>,
    pub made: Vec<String>,
    pub used_by: Vec<String>,
}

pub fn lineage(session: &Session, request: &LineageRequest) -> Result<Lineage, VerbError> {
    match Id::parse(&request.id) {
        Some(Id::Run(_)) => {
            let (store, run) = request.store.find(session, &request.id)?;
            of_run(&store, &run)
        }
        Some(Id::Step(_, step)) => {
            let (store, run) = request.store.find(session, &request.id)?;
            let (record, found) = find_step(&store, &run, &step)?;
            Ok(of_step(&store, &record, &found)?)
        }
        Some(Id::Snapshot(_, step)) => {
            let (store, run) = request.store.find(session, &request.id)?;
            let (_, found) = find_step(&store, &run, &step)?;
            of_snapshot(&store, &run, &found)
        }
        Some(Id::Artifact(digest)) => of_artifact(session, &request.store, &digest),
        None => {
            let message = format!("`{}` names nothing", request.id);
            Err(VerbError::usage(
                message,
                "ids begin with `kale://run/` or `kale://artifact/`; a run's id will do, too",
            ))
        }
    }
}

fn facts<const N: usize>(rows: [(&str, Value); N]) -> Map<String, Value> {
    rows.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn of_run(store: &Store, run: &RunId) -> Result<Lineage, VerbError> {
    let record = store.run(run)?;
    let pulled = store.pulled(run)?;
    let facts = facts([
        ("pulled_from", json!(pulled.as_ref().map(|pulled| &pulled.origin))),
        ("trusted", json!(pulled.as_ref().map(|pulled| pulled.trusted))),
        ("notebook", json!(record.source)),
        ("notebook_digest", json!(record.notebook)),
        ("code_version", json!(record.options.code_version)),
        ("created", json!(kale_store::rfc3339(record.created))),
        ("status", json!(store.run_status(run)?)),
        ("parameters", json!(record.parameters)),
        ("python", json!(record.options.python_version)),
    ]);
    let made = record.pipeline.steps.iter().map(|step| id::step(run, step.name.as_str())).collect();
    Ok(Lineage { id: id::run(run), kind: "run", facts, made, ..Lineage::default() })
}

fn find_step(store: &Store, run: &RunId, name: &str) -> Result<(RunRecord, StepRecord), VerbError> {
    let found = store.steps(run)?.into_iter().find(|step| step.name == name);
    let unknown = || kale_store::StoreError::UnknownStep { run: run.0.clone(), step: name.to_owned() };
    Ok((store.run(run)?, found.ok_or_else(unknown)?))
}

fn of_step(store: &Store, record: &RunRecord, step: &StepRecord) -> Result<Lineage, VerbError> {
    let identity = step.identity.clone().unwrap_or_default();
    let observed = step.result.as_ref().map(|result| &result.observed);
    let facts = facts([
        ("status", json!(step.status)),
        ("reason", json!(step.reason)),
        ("cells", json!(step.cells)),
        ("code", identity["code"].clone()),
        ("parameters", identity["parameters"].clone()),
        ("environment", identity["environment"].clone()),
        ("files", identity["files"].clone()),
        ("files_seen", json!(observed.map(|observed| &observed.files).filter(|files| !files.is_empty()))),
        ("files_written", json!(step.result.as_ref().map(|result| &result.files).filter(|files| !files.is_empty()))),
    ]);
    let run = &record.id;
    let mut made: Vec<String> = outputs(step).map(id::artifact).collect();
    if store.snapshot(run, step.position)?.is_some() {
        made.push(id::snapshot(run, &step.name));
    }
    Ok(Lineage {
        id: id::step(run, &step.name),
        kind: "step",
        facts,
        made_by: vec![id::run(run)],
        uses: inputs(step).iter().map(id::artifact).collect(),
        made,
        used_by: vec![],
    })
}

fn of_snapshot(store: &Store, run: &RunId, step: &StepRecord) -> Result<Lineage, VerbError> {
    let Some(snapshot) = store.snapshot(run, step.position)? else {
        let message = format!("step `{}` of run `{run}` has no snapshot", step.name);
        return Err(VerbError::usage(message, "a step has one when it has finished"));
    };
    let names: Vec<&String> = snapshot.groups.iter().flat_map(|group| &group.names).collect();
    Ok(Lineage {
        id: id::snapshot(run, &step.name),
        kind: "snapshot",
        facts: facts([("variables", json!(names)), ("lost", json!(snapshot.lost))]),
        made_by: vec![id::step(run, &step.name)],
        uses: vec![],
        made: snapshot.groups.iter().map(|group| id::artifact(&group.content)).collect(),
        used_by: vec![],
    })
}

/// Who made a value, and who was given it, in all runs of the store.
pub fn of_artifact(session: &Session, store: &StoreChoice, digest: &str) -> Result<Lineage, VerbError> {
    let mut found: Option<(Digest, Lineage)> = None;
    let Some(store) = store.open(session)? else { return Err(unknown(digest)) };
    for run in store.run_ids()?.iter().rev() {
        for step in store.steps(run)? {
            let (given, made) = (inputs(&step), outputs(&step).cloned().collect::<Vec<_>>());
            let snapshot = store.snapshot(run, step.position)?.unwrap_or_default();
            let kept = || snapshot.groups.iter().map(|group| &group.content);
            let all = given.iter().chain(&made).chain(kept());
            let Some(content) = all.clone().find(|content| content.as_str().starts_with(digest)).cloned() else {
                continue;
            };
            if found.as_ref().is_some_and(|(known, _)| *known != content) {
                return Err(VerbError::usage(
                    format!("`{digest}` stands for several values"),
                    "give more of the digest",
                ));
            }
            let (_, lineage) = found.get_or_insert_with(|| (content.clone(), new_artifact(&store, &content)));
            if made.contains(&content) {
                lineage.made_by.push(id::step(run, &step.name));
                // A run's pipeline may be megabytes, and most runs have nothing to do with the value.
                note_names(&mut lineage.facts, &store.run(run)?.pipeline, &step, &content);
            }
            if kept().any(|other| *other == content) {
                lineage.made_by.push(id::snapshot(run, &step.name));
            }
            if given.contains(&content) {
                lineage.used_by.push(id::step(run, &step.name));
            }
        }
    }
    found.map(|(_, lineage)| lineage).ok_or_else(|| unknown(digest))
}

fn unknown(digest: &str) -> VerbError {
    VerbError::usage(format!("there is no value `{digest}`"), "`kale-rs lineage RUN` leads to those of a run")
}

fn new_artifact(store: &Store, content: &Digest) -> Lineage {
    let path = store.blobs().path(content);
    let bytes = std::fs::metadata(&path).map(|metadata| metadata.len()).ok();
    let facts = facts([("bytes", json!(bytes)), ("path", json!(path))]);
    Lineage { id: id::artifact(content), kind: "artifact", facts, ..Lineage::default() }
}

fn note_names(facts: &mut Map<String, Value>, pipeline: &Pipeline, step: &StepRecord, content: &Digest) {
    let outputs = step.result.as_ref().map(|result| &result.outputs);
    let key = outputs.and_then(|outputs| outputs.iter().find(|(_, digest)| *digest == content)).map(|(key, _)| key);
    let artifact = pipeline.artifacts.iter().find(|artifact| Some(&artifact.key) == key);
    if let Some(artifact) = artifact {
        facts.insert("variables".to_owned(), json!(artifact.names));
    }
}

/// What it passed on, and the files that it wrote.
fn outputs(step: &StepRecord) -> impl Iterator<Item = &Digest> + Clone {
    let passed_on = |result: &&StepResult, content: &&Digest| !result.outputs.values().any(|other| other == *content);
    step.result.iter().flat_map(move |result| {
        result.outputs.values().chain(result.files.values().filter(move |content| passed_on(&result, content)))
    })
}

fn inputs(step: &StepRecord) -> Vec<Digest> {
    let inputs = step.identity.as_ref().and_then(|identity| identity["inputs"].as_object());
    let texts = inputs.into_iter().flat_map(Map::values).filter_map(Value::as_str);
    texts.filter_map(|text| Digest::try_from(text.to_owned()).ok()).collect()
}
