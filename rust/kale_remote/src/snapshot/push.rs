//! From a store to a place: blobs first, then the record, and the manifest when all is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use kale_model::RunId;
use kale_store::{Blobs, Digest, PackedRun, Store, StoreError};
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use serde::Serialize;

use super::manifest::Manifest;
use super::place::Place;
use super::transfer::{Amount, Counter, Watch, all, block_on};
use crate::RemoteError;

/// What is larger goes in parts of this size.
const PART: u64 = 8 << 20;
/// S3 takes no more than 10,000.
const MOST_PARTS: u64 = 9_000;
/// Parts of one blob on their way at the same time.
const PARTS_AT_ONCE: usize = 2;

pub struct Push<'p> {
    pub run: &'p PackedRun,
    /// The step whose state it is.
    pub step: Option<&'p str>,
    pub url: &'p str,
    /// Where relative paths start.
    pub directory: &'p Path,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pushed {
    pub run_id: RunId,
    /// The step whose state it is; `None`: those of all steps.
    pub step: Option<String>,
    /// What to pull.
    pub url: String,
    /// All that the snapshot is made of.
    pub all: Amount,
    /// What was not there yet.
    pub sent: Amount,
    /// Values that are no longer in the store, and that the snapshot lacks.
    pub missing: usize,
}

pub fn push(store: &Store, push: &Push, watch: &mut dyn Watch) -> Result<Pushed, RemoteError> {
    let place = Place::open(push.url, push.directory, true)?;
    let blobs = store.blobs();
    // Finding them keeps the garbage collector off them.
    let named = push.run.documents().into_iter().chain(push.run.values(blobs));
    let (found, missing): (Vec<Digest>, Vec<Digest>) = named.partition(|digest| blobs.contains(digest));
    let sizes = found.into_iter().map(|digest| Ok((digest.clone(), size(blobs, &digest)?)));
    let sizes: BTreeMap<Digest, u64> = sizes.collect::<Result<_, StoreError>>()?;
    let record = serde_json::to_vec(push.run).expect("plain data");
    let manifest = Manifest::new(push.run, push.step, Digest::of(&record), sizes);
    let path = place.manifest(&manifest.run, push.step);
    let sent = block_on(async {
        let sent = send(&place, blobs, &manifest, watch).await?;
        put(&place, &place.blob(&manifest.record), record).await?;
        put(&place, &path, manifest.bytes()).await?;
        Ok(sent)
    })?;
    let (run_id, step, url) = (push.run.run_id.clone(), push.step.map(str::to_owned), place.url_of(&path));
    Ok(Pushed { run_id, step, url, all: manifest.amount(), sent, missing: missing.len() })
}

fn size(blobs: &Blobs, digest: &Digest) -> Result<u64, StoreError> {
    let path = blobs.path(digest);
    let metadata = std::fs::metadata(&path);
    metadata.map(|metadata| metadata.len()).map_err(|error| StoreError::Unreadable { path, reason: error.to_string() })
}

async fn send(place: &Place, blobs: &Blobs, manifest: &Manifest, watch: &mut dyn Watch) -> Result<Amount, RemoteError> {
    let (seen, sent) = (Counter::default(), Counter::default());
    let jobs = manifest.blobs.iter().map(|(digest, size)| {
        let (place, blobs, digest, size) = (place.clone(), blobs.clone(), digest.clone(), *size);
        let (seen, sent) = (seen.clone(), sent.clone());
        async move {
            if is_there(&place, &digest, size).await? {
                seen.add_bytes(size);
            } else {
                send_blob(&place, &blobs, &digest, size, &seen).await?;
                sent.add_bytes(size);
                sent.add_blob();
            }
            seen.add_blob();
            Ok(())
        }
    });
    all(jobs, &seen, manifest.amount(), watch).await?;
    Ok(sent.amount())
}

/// What has the right name and size counts as the right content; whoever pulls it looks closer.
async fn is_there(place: &Place, digest: &Digest, size: u64) -> Result<bool, RemoteError> {
    let path = place.blob(digest);
    match place.objects.head(&path).await {
        Ok(meta) => Ok(meta.size == size),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(place.fault(&path, &error)),
    }
}

/// Puts a small object where it is not yet as it should be.
async fn put(place: &Place, path: &object_store::path::Path, bytes: Vec<u8>) -> Result<(), RemoteError> {
    if has_content(place, path, &bytes).await? {
        return Ok(());
    }
    place.objects.put(path, bytes.into()).await.map(drop).map_err(|error| place.fault_of_writing(path, &error))
}

async fn has_content(place: &Place, path: &object_store::path::Path, bytes: &[u8]) -> Result<bool, RemoteError> {
    match place.objects.head(path).await {
        Ok(meta) if meta.size == bytes.len() as u64 => {}
        Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(place.fault(path, &error)),
    }
    let found = place.objects.get(path).await.map_err(|error| place.fault(path, &error))?;
    let found = found.bytes().await.map_err(|error| place.fault(path, &error))?;
    Ok(found == bytes)
}

/// Sends a blob, if it is what its name says: a damaged one must not spread.
async fn send_blob(
    place: &Place,
    blobs: &Blobs,
    digest: &Digest,
    size: u64,
    seen: &Counter,
) -> Result<(), RemoteError> {
    let path = place.blob(digest);
    if size <= PART {
        let bytes = blobs.read_verified(digest)?;
        place
            .objects
            .put(&path, PutPayload::from(bytes))
            .await
            .map_err(|error| place.fault_of_writing(&path, &error))?;
        seen.add_bytes(size);
        return Ok(());
    }
    let part = PART.max(size / MOST_PARTS);
    let fault = |error: &object_store::Error| place.fault_of_writing(&path, error);
    let upload = place.objects.put_multipart(&path).await.map_err(|error| fault(&error))?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, usize::try_from(part).unwrap_or(usize::MAX));
    match send_parts(&mut upload, blobs, digest, part, seen).await {
        // Until here nobody sees it.
        Ok(()) => upload.finish().await.map(drop).map_err(|error| fault(&error)),
        Err(stopped) => {
            let _ = upload.abort().await;
            Err(stopped.into_error(|error| fault(&error)))
        }
    }
}

enum Stopped {
    Here(StoreError),
    There(object_store::Error),
}

impl Stopped {
    fn into_error(self, there: impl FnOnce(object_store::Error) -> RemoteError) -> RemoteError {
        match self {
            Stopped::Here(error) => error.into(),
            Stopped::There(error) => there(error),
        }
    }
}

async fn send_parts(
    upload: &mut WriteMultipart,
    blobs: &Blobs,
    digest: &Digest,
    part: u64,
    seen: &Counter,
) -> Result<(), Stopped> {
    let path = blobs.path(digest);
    let unreadable =
        |error: std::io::Error| Stopped::Here(StoreError::Unreadable { path: path.clone(), reason: error.to_string() });
    let mut file = File::open(&path).map_err(unreadable)?;
    let mut hashing = Digest::hasher();
    loop {
        let mut bytes = vec![];
        file.by_ref().take(part).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.is_empty() {
            break;
        }
        hashing.update(&bytes);
        upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(Stopped::There)?;
        seen.add_bytes(bytes.len() as u64);
        upload.put(bytes.into());
    }
    hashing.expect(digest).map_err(Stopped::Here)
}
