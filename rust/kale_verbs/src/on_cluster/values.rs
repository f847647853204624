//! What the steps of a run on a cluster have left: metrics, which are recorded as soon as they are known, and values,
//! which stay where the cluster has put them until somebody wants one (`fetching.rs`).

use kale_kubeflow::{Client, KubeflowError, OutputArtifact, Patience, TaskOutputs};
use kale_model::{Artifact, Pipeline, RunId, StepStatus};
use kale_store::{Elsewhere, MetricPoint, RunRecord, StepRecord, StepResult, Store, StoreError};
use serde_json::Value;

use crate::cluster;
use crate::render::inert;

/// What a task has left, as the result of its step. Values are where they are.
pub fn result(pipeline: &Pipeline, outputs: &TaskOutputs) -> StepResult {
    let metrics = outputs.artifacts.get(kale_targets::METRICS_OUTPUT).map(points);
    let names = kale_targets::artifact_names(pipeline);
    let place = |(name, artifact): (&String, &Artifact)| {
        let found = outputs.artifacts.get(name).filter(|found| !found.uri.is_empty())?;
        Some((
            artifact.key.clone(),
            Elsewhere { uri: found.uri.clone(), session: found.session.clone(), longer_than: None },
        ))
    };
    let elsewhere = names.iter().zip(&pipeline.artifacts).filter_map(place).collect();
    StepResult { metrics: metrics.unwrap_or_default(), elsewhere, ..StepResult::default() }
}

/// Numbers that JSON does not have travel as texts. Other texts are the cluster's own, such as a name for people.
fn points(found: &OutputArtifact) -> Vec<MetricPoint> {
    let numbers = found.numbers.iter().map(|(name, number)| (name, Value::from(*number)));
    let is_number = |text: &&String| matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity");
    let texts = found.texts.iter().filter(|(_, text)| is_number(text));
    let values = numbers.chain(texts.map(|(name, text)| (name, Value::from(text.as_str()))));
    values.map(|(name, value)| MetricPoint { name: inert(name), value, at: None }).collect()
}

pub fn has_left_something(status: StepStatus) -> bool {
    matches!(status, StepStatus::Succeeded | StepStatus::Cached)
}

/// Whether there are steps that are done, and of which it is not known what they have left.
pub fn is_owed(store: &Store, record: &RunRecord) -> Result<bool, StoreError> {
    Ok(store.steps(&record.id)?.iter().any(is_unknown))
}

fn is_unknown(step: &StepRecord) -> bool {
    has_left_something(step.status) && step.result.is_none()
}

/// Notes what steps have left of which that was not known.
pub fn note(store: &Store, record: &RunRecord, outputs: &[TaskOutputs]) -> Result<(), StoreError> {
    let tasks = kale_targets::task_names(&record.pipeline);
    for step in store.steps(&record.id)?.iter().filter(|step| is_unknown(step)) {
        if let Some(found) = outputs.iter().find(|found| found.task == tasks[step.position]) {
            store.add_result(&record.id, step.position, &result(&record.pipeline, found))?;
        }
    }
    Ok(())
}

/// Asks for it.
pub fn learn(client: &Client, store: &Store, record: &RunRecord, run_id: &str) -> Result<(), LearnError> {
    if is_owed(store, record)? {
        note(store, record, &client.outputs(run_id)?)?;
    }
    Ok(())
}

/// Asks once more where that was in vain at the end of the run: a service may have had a bad moment, and a decision hangs
/// on it. Gives whether all is known now.
pub fn learn_after_all(store: &Store, run: &RunId) -> Result<bool, StoreError> {
    let record = store.run(run)?;
    if let (Some(context), Some(remote)) = (&record.options.context, store.remote(run)?)
        && let Ok(client) = cluster::client(context, Patience::default())
        && let Err(LearnError::Store(error)) = learn(&client, store, &record, &remote.id)
    {
        return Err(error);
    }
    Ok(!is_owed(store, &record)?)
}

pub enum LearnError {
    Cluster(KubeflowError),
    Store(StoreError),
}

impl From<KubeflowError> for LearnError {
    fn from(error: KubeflowError) -> LearnError {
        LearnError::Cluster(error)
    }
}

impl From<StoreError> for LearnError {
    fn from(error: StoreError) -> LearnError {
        LearnError::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_numbers_and_what_json_has_no_number_for() {
        let mut found = OutputArtifact { uri: "s3://b/k".to_owned(), ..OutputArtifact::default() };
        found.numbers.insert("a\u{1b}cc".to_owned(), 0.5);
        found.texts.insert("loss".to_owned(), "NaN".to_owned());
        found.texts.insert("display_name".to_owned(), "kale_metrics".to_owned());
        let points = points(&found);
        let told: Vec<(&str, &Value)> = points.iter().map(|point| (point.name.as_str(), &point.value)).collect();
        assert_eq!(told, [("acc", &Value::from(0.5)), ("loss", &Value::from("NaN"))]);
    }
}
