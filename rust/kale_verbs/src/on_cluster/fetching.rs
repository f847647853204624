//! Values that are where a cluster has put them, and that somebody wants: they are taken into the store, and are as those of
//! any other run from then on. What cannot be had is told with its reason.

use std::fs::File;
use std::io::{Read, Seek};

use kale_kubeflow::{ArtifactPlace, Client, Kind, KubeflowError, Patience};
use kale_model::{Artifact, ArtifactKind};
use kale_remote::RemoteError;
use kale_store::{Elsewhere, RunRecord, StepRecord, Store, StoreError};
use tempfile::NamedTempFile;

use super::values::{self, LearnError};
use crate::cluster;
use crate::error::VerbError;
use crate::render;

/// What a look at a step fetches of a value at most.
pub const GLANCE: u64 = 64 << 20;

/// Outputs that could not be had.
#[must_use = "whoever wanted them is to be told"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfetched(pub Vec<UnfetchedOutput>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfetchedOutput {
    /// The step that made it.
    pub position: usize,
    pub key: String,
    /// Where it is, as far as that is known.
    pub uri: Option<String>,
    pub reason: String,
}

impl Unfetched {
    pub fn reason(&self, position: usize, key: &str) -> Option<&str> {
        self.0.iter().find(|one| (one.position, one.key.as_str()) == (position, key)).map(|one| one.reason.as_str())
    }
}

impl UnfetchedOutput {
    fn artifact<'r>(&self, record: &'r RunRecord) -> Option<&'r Artifact> {
        record.pipeline.artifacts.iter().find(|artifact| artifact.key == self.key)
    }

    /// The path, where it is a file.
    pub fn file<'r>(&self, record: &'r RunRecord) -> Option<&'r str> {
        match &self.artifact(record)?.kind {
            ArtifactKind::File(path) => Some(path),
            _ => None,
        }
    }

    /// Its variables, or the path of the file that it is.
    pub fn names(&self, record: &RunRecord) -> Vec<String> {
        let path = self.file(record).map(|path| vec![path.to_owned()]);
        let names = || self.artifact(record).map(|artifact| artifact.names.clone()).filter(|names| !names.is_empty());
        path.or_else(names).unwrap_or_else(|| vec![self.key.clone()])
    }
}

/// Takes what steps have left into the store, of those that are `wanted`, unless one is longer than `limit` bytes. A
/// cluster that cannot be asked is no error here: what is missing is told.
pub fn fetch(
    store: &Store,
    record: &RunRecord,
    limit: Option<u64>,
    wanted: impl Fn(&StepRecord) -> bool,
) -> Result<Unfetched, VerbError> {
    let (Some(context), Some(remote)) = (&record.options.context, store.remote(&record.id)?) else {
        return Ok(Unfetched::default());
    };
    let has_more = |step: &StepRecord| {
        values::has_left_something(step.status)
            && step.result.as_ref().is_none_or(|result| !result.elsewhere.is_empty())
    };
    let is_wanted = |step: &StepRecord| wanted(step) && has_more(step);
    if !store.steps(&record.id)?.iter().any(is_wanted) {
        return Ok(Unfetched::default());
    }
    // Who looks at a page does not wait for long.
    let is_hurried = limit.is_some() || cluster::patience()?.is_zero();
    let client = cluster::client(context, if is_hurried { Patience::once() } else { Patience::default() });
    let learned = match client.as_ref().map(|client| values::learn(client, store, record, &remote.id)) {
        Ok(Ok(())) => "the cluster does not know what the step has left".to_owned(),
        Ok(Err(LearnError::Cluster(error))) => reason(&error),
        Ok(Err(LearnError::Store(error))) => return Err(error.into()),
        Err(error) => reason(error),
    };
    let (mut sources, mut unfetched) = (Sources { client, direct: Ok(()), limit }, vec![]);
    for step in store.steps(&record.id)?.iter().filter(|step| is_wanted(step)) {
        let position = step.position;
        let Some(result) = &step.result else {
            let made = record.pipeline.artifacts.iter().filter(|artifact| artifact.producer.0 == position);
            unfetched.extend(made.map(|artifact| UnfetchedOutput {
                position,
                key: artifact.key.clone(),
                uri: None,
                reason: learned.clone(),
            }));
            continue;
        };
        for (key, place) in &result.elsewhere {
            let file = store.blobs().scratch()?;
            match sources.fetch(place, file.as_file()) {
                Ok(()) => keep(store, record, position, key, file)?,
                Err(missed) => {
                    if let Missed::TooLong(length) = missed {
                        store.note_length(&record.id, position, key, length)?;
                    }
                    let (uri, reason) = (Some(place.uri.clone()), missed.reason(record, step));
                    unfetched.push(UnfetchedOutput { position, key: key.clone(), uri, reason });
                }
            }
        }
    }
    Ok(Unfetched(unfetched))
}

/// Why a value is not here.
enum Missed {
    /// It has more bytes than these.
    TooLong(u64),
    Refused(String),
}

impl Missed {
    fn reason(self, record: &RunRecord, step: &StepRecord) -> String {
        match self {
            Missed::TooLong(length) => {
                let (run, step) = (&record.id, &step.name);
                format!("it is longer than {}: `kale-rs restore {run} {step}` fetches it", render::bytes(length))
            }
            Missed::Refused(reason) => reason,
        }
    }
}

/// Where values can be had. One that does not answer is not asked for the next value: that would take as long again.
struct Sources {
    client: Result<Client, KubeflowError>,
    direct: Result<(), String>,
    limit: Option<u64>,
}

impl Sources {
    /// Through the pages of the cluster; where they do not give it out, from the object store, by this machine's
    /// credentials.
    fn fetch(&mut self, place: &Elsewhere, into: &File) -> Result<(), Missed> {
        if let Some(length) = place.longer_than.filter(|length| self.limit.is_some_and(|limit| limit <= *length)) {
            return Err(Missed::TooLong(length));
        }
        let from_pages = self.client.as_ref().map_err(Clone::clone).and_then(|client| {
            client.artifact(&ArtifactPlace::parse(&place.uri)?, place.session.as_deref(), into, self.limit)
        });
        let Err(refusal) = from_pages else { return Ok(()) };
        match (refusal.kind, self.limit) {
            (Kind::TooLong, Some(limit)) => return Err(Missed::TooLong(limit)),
            (Kind::Unreachable, _) => self.client = Err(refusal.clone()),
            _ => {}
        }
        let Some(url) = direct(&place.uri) else { return Err(Missed::Refused(reason(&refusal))) };
        let from_store = self.direct.clone().and_then(|()| {
            kale_remote::artifact::fetch(&url, into, self.limit).map_err(|error| {
                if matches!(error, RemoteError::Unreachable { .. }) {
                    self.direct = Err(error.to_string());
                }
                error.to_string()
            })
        });
        from_store.map_err(|error| Missed::Refused(format!("{}; {error}", refusal.message)))
    }
}

/// On one line, with what to do.
fn reason(error: &KubeflowError) -> String {
    if error.help.is_empty() { error.message.clone() } else { format!("{} ({})", error.message, error.help) }
}

/// What the object store calls it, where there are credentials for one. A server of one's own is named by the environment.
fn direct(uri: &str) -> Option<String> {
    if !kale_remote::artifact::has_credentials() {
        return None;
    }
    let minio = || std::env::var_os("AWS_ENDPOINT_URL").and_then(|_| uri.strip_prefix("minio://"));
    uri.strip_prefix("s3://").or_else(minio).map(|rest| format!("s3://{rest}"))
}

fn keep(store: &Store, record: &RunRecord, position: usize, key: &str, file: NamedTempFile) -> Result<(), StoreError> {
    let artifact = record.pipeline.artifacts.iter().find(|artifact| artifact.key == key);
    let path = match artifact.map(|artifact| &artifact.kind) {
        Some(ArtifactKind::File(path)) if is_plain_file(file.as_file()) => Some(path.as_str()),
        _ => None,
    };
    let content = store.blobs().adopt(file.path())?;
    store.keep_output(&record.id, position, key, &content, path)
}

/// Steps hand on a file as it is, a folder as an archive with a mark, and what is not there as a mark alone
/// (`pack` in `kale_runtime/step.py`).
fn is_plain_file(mut file: &File) -> bool {
    let mut head = vec![];
    let read = file.rewind().and_then(|()| file.take(1024).read_to_end(&mut head));
    let is_folder = head.windows(18).any(|part| part == b" kale_rs=directory");
    read.is_ok() && head != b"kale_rs: no file" && !is_folder
}
