//! What steps made and were given, as far as it is known without a look into the values.

use kale_model::{ArtifactKind, ArtifactType, Pipeline};
use kale_store::{Digest, RunRecord, StepRecord, Store, StoreError};
use serde::Serialize;

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

/// What a step was given.
pub fn variables_given(store: &Store, record: &RunRecord, step: &StepRecord) -> Vec<ArtifactHead> {
    let inputs = step.identity.as_ref().and_then(|identity| identity["inputs"].as_object());
    let mut heads: Vec<ArtifactHead> = inputs
        .into_iter()
        .flatten()
        .filter_map(|(key, content)| {
            let content = Digest::try_from(content.as_str()?.to_owned()).ok()?;
            passed(store, &record.pipeline, key, &content)
        })
        .collect();
    heads.retain(ArtifactHead::is_variable);
    heads.sort_by(|a, b| a.names.cmp(&b.names));
    heads
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
