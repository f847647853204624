//! The document that makes objects a snapshot.

use std::collections::BTreeMap;

use kale_store::{Digest, PackedRun};
use object_store::path::Path;
use object_store::{GetResult, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::transfer::{Amount, receive_bytes};
use crate::RemoteError;

pub const MANIFEST_VERSION: u64 = 1;
const FORMAT: &str = "kale_rs snapshot";
/// A manifest names each blob in some 90 bytes; a pipeline is a fraction of its notebook.
const LARGEST_MANIFEST: u64 = 16 << 20;
const LARGEST_RECORD: u64 = 64 << 20;

/// Its bytes are a function of what it names, so pushing again changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    pub version: u64,
    pub run: String,
    /// The step whose state it is; `None`: those of all steps.
    pub step: Option<String>,
    /// The blob that holds the [`PackedRun`].
    pub record: Digest,
    /// All that the record names and that was there, with sizes.
    pub blobs: BTreeMap<Digest, u64>,
}

/// What every version of a manifest has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

impl Manifest {
    pub fn new(run: &PackedRun, step: Option<&str>, record: Digest, blobs: BTreeMap<Digest, u64>) -> Manifest {
        let step = step.map(str::to_owned);
        Manifest {
            format: FORMAT.to_owned(),
            version: MANIFEST_VERSION,
            run: run.run_id.0.clone(),
            step,
            record,
            blobs,
        }
    }

    pub fn amount(&self) -> Amount {
        Amount { blobs: self.blobs.len() as u64, bytes: self.blobs.values().sum() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain data")
    }

    pub async fn fetch(place: &Place, path: &Path) -> Result<Manifest, RemoteError> {
        let found = place.objects.get(path).await.map_err(|error| place.fault(path, &error))?;
        let bytes = limited(place, path, found, LARGEST_MANIFEST).await?;
        let damaged = |reason: String| RemoteError::Damaged { url: place.url_of(path), reason };
        let head: Head = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if head.format != FORMAT {
            return Err(damaged("it is no manifest of a snapshot".to_owned()));
        }
        if head.version > MANIFEST_VERSION {
            let (version, supported) = (head.version, MANIFEST_VERSION);
            return Err(RemoteError::Newer { url: place.url_of(path), version, supported });
        }
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }

    /// The run that it is of, once its digest is known to be right.
    pub async fn fetch_record(&self, place: &Place) -> Result<PackedRun, RemoteError> {
        let path = place.blob(&self.record);
        let damaged = |reason: String| RemoteError::Damaged { url: place.url_of(&path), reason };
        let found = place.objects.get(&path).await.map_err(|error| place.fault(&path, &error))?;
        let bytes = limited(place, &path, found, LARGEST_RECORD).await?;
        let digest = Digest::of(&bytes);
        if digest != self.record {
            return Err(damaged(format!("its content has the digest {digest}")));
        }
        let run: PackedRun = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let has_step = |name: &String| run.steps.iter().any(|step| step.name == *name);
        if run.run_id.0 != self.run || !self.step.iter().all(has_step) {
            return Err(damaged("it is another run than the manifest says".to_owned()));
        }
        Ok(run)
    }
}

/// The content of a small object, which may lie about being small.
async fn limited(place: &Place, path: &Path, found: GetResult, limit: u64) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = vec![];
    let length = found.meta.size;
    if length > limit {
        let reason = format!("it has {length} bytes, which is too many for what it is");
        return Err(RemoteError::Damaged { url: place.url_of(path), reason });
    }
    receive_bytes(place, path, found, length, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })
    .await?;
    Ok(bytes)
}
