//! What steps made and were given, as far as it is known without a look into the values.

use kale_model::{ArtifactId, ArtifactKind, ArtifactType, Pipeline};
use kale_store::{Digest, RunRecord, StepRecord, Store, StoreError};
use serde::Serialize;
use serde_json::Value;

use crate::id;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArtifactHead {
    pub id: String,
    /// Its variables.
    pub names: Vec<String>,
    /// `None`: it is no longer there.
    pub bytes: Option<u64>,
    /// As in the step's program: `value`, `callable`, `rng:NAME` or `file:PATH`.
    pub kind: String,
    /// What it is as far as it is known: KFP's word, or the type in Python once somebody has looked.
    #[serde(rename = "type")]
    pub artifact_type: String,
    #[serde(skip)]
    pub content: Digest,
}

impl ArtifactHead {
    fn new(
        store: &Store,
        content: &Digest,
        names: &[String],
        kind: String,
        artifact_type: ArtifactType,
    ) -> ArtifactHead {
        ArtifactHead {
            id: id::artifact(content),
            names: names.to_vec(),
            bytes: bytes(store, content),
            kind,
            artifact_type: format!("{artifact_type:?}"),
            content: content.clone(),
        }
    }

    fn is_variable(&self) -> bool {
        !self.names.is_empty()
    }
}

/// What a step passed on, and what else it left in its variables.
pub fn variables_made(store: &Store, record: &RunRecord, step: &StepRecord) -> Result<Vec<ArtifactHead>, StoreError> {
    let passed_on = step.result.iter().flat_map(|result| &result.outputs);
    let mut heads: Vec<ArtifactHead> =
        passed_on.filter_map(|(key, content)| passed(store, &record.pipeline, key, content)).collect();
    for group in store.snapshot(&record.id, step.position)?.unwrap_or_default().groups {
        if !heads.iter().any(|head| head.content == group.content) {
            let of_any_type = ArtifactType::Artifact;
            heads.push(ArtifactHead::new(store, &group.content, &group.names, group.kind, of_any_type));
        }
    }
    heads.retain(ArtifactHead::is_variable);
    heads.sort_by(|a, b| a.names.cmp(&b.names));
    Ok(heads)
}

/// What a step was given: as was noted before it ran, or, of a step that ran on a cluster, what others had passed on.
pub fn variables_given(store: &Store, record: &RunRecord, step: &StepRecord) -> Result<Vec<ArtifactHead>, StoreError> {
    let given = match step.identity.as_ref().and_then(|identity| identity["inputs"].as_object()) {
        Some(inputs) => {
            let content = |content: &Value| Digest::try_from(content.as_str()?.to_owned()).ok();
            inputs.iter().filter_map(|(key, text)| Some((key.clone(), content(text)?))).collect()
        }
        None => passed_to(store, record, step)?,
    };
    let heads = given.iter().filter_map(|(key, content)| passed(store, &record.pipeline, key, content));
    let mut heads: Vec<ArtifactHead> = heads.filter(ArtifactHead::is_variable).collect();
    heads.sort_by(|a, b| a.names.cmp(&b.names));
    Ok(heads)
}

fn passed_to(store: &Store, record: &RunRecord, step: &StepRecord) -> Result<Vec<(String, Digest)>, StoreError> {
    let steps = store.steps(&record.id)?;
    let content = |id: &ArtifactId| {
        let artifact = record.pipeline.artifact(*id);
        let result = steps.get(artifact.producer.0)?.result.as_ref()?;
        Some((artifact.key.clone(), result.outputs.get(&artifact.key)?.clone()))
    };
    Ok(record.pipeline.steps[step.position].inputs.iter().filter_map(content).collect())
}

/// A file that a step wrote.
pub fn file(store: &Store, path: &str, content: &Digest) -> ArtifactHead {
    let kind = ArtifactKind::File(path.to_owned()).word();
    ArtifactHead::new(store, content, &[], kind, ArtifactType::Artifact)
}

fn passed(store: &Store, pipeline: &Pipeline, key: &str, content: &Digest) -> Option<ArtifactHead> {
    let artifact = pipeline.artifacts.iter().find(|artifact| artifact.key == key)?;
    Some(ArtifactHead::new(store, content, &artifact.names, artifact.kind.word(), artifact.artifact_type))
}

pub fn bytes(store: &Store, content: &Digest) -> Option<u64> {
    std::fs::metadata(store.blobs().path(content)).ok().map(|metadata| metadata.len())
}
