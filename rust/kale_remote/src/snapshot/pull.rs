//! From a place into a store: the manifest, the record, the blobs that the record names, and then the run.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::StreamExt;
use kale_model::RunId;
use kale_store::{Blobs, Digest, PackedRun, Store, StoreError};
use object_store::{ObjectStore, ObjectStoreExt};
use serde::Serialize;

use super::manifest::Manifest;
use super::place::{Place, of_manifest};
use super::transfer::{Amount, Counter, Watch, all, block_on, receive_bytes};
use crate::RemoteError;

/// So many snapshots of a place are listed for a user to choose from.
const LISTED: usize = 10;
/// A blob that was collected as garbage while others came is fetched again.
const ROUNDS: usize = 4;
/// What a disk needs beside the blobs.
const RESERVE: u64 = 16 << 20;

pub struct Pull<'p> {
    pub url: &'p str,
    /// Where relative paths start.
    pub directory: &'p Path,
    /// Where the run's notebook is taken to be.
    pub home: &'p Path,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pulled {
    pub run_id: RunId,
    /// The step whose state it is; `None`: those of all steps.
    pub step: Option<String>,
    /// Where it is.
    pub url: String,
    pub all: Amount,
    /// What was not here yet.
    pub received: Amount,
    /// Whether its pickles may be loaded: they may be when it ran here, or somebody has said so.
    pub trusted: bool,
}

pub fn pull(store: &Store, pull: &Pull, watch: &mut dyn Watch) -> Result<Pulled, RemoteError> {
    block_on(receive(store, pull, watch))
}

async fn receive(store: &Store, pull: &Pull<'_>, watch: &mut dyn Watch) -> Result<Pulled, RemoteError> {
    let (place, path) = find(pull).await?;
    let url = place.url_of(&path);
    let manifest = Manifest::fetch(&place, &path).await?;
    let run = manifest.fetch_record(&place).await?;
    store.may_unpack(&run).map_err(|error| unfit(&url, error))?;
    let (blobs, counter) = (store.blobs(), Counter::default());
    // The documents of snapshots say what else there is.
    let mut wanted = run.documents();
    fetch(&place, &manifest, blobs, &wanted, &counter, watch).await?;
    wanted.extend(run.values(blobs));
    fetch(&place, &manifest, blobs, &wanted, &counter, watch).await?;
    let trusted = store.unpack(&run, pull.home, &url).map_err(|error| unfit(&url, error))?;
    let sizes = || wanted.iter().filter_map(|digest| manifest.blobs.get(digest));
    let all = Amount { blobs: sizes().count() as u64, bytes: sizes().sum() };
    let PackedRun { run_id, .. } = run;
    Ok(Pulled { run_id, step: manifest.step, url, all, received: counter.amount(), trusted })
}

fn unfit(url: &str, error: StoreError) -> RemoteError {
    match error {
        StoreError::Unfit(reason) => RemoteError::Damaged { url: url.to_owned(), reason },
        other => other.into(),
    }
}

/// The manifest that a URL means: its own, or the only one of a place.
async fn find(pull: &Pull<'_>) -> Result<(Place, object_store::path::Path), RemoteError> {
    if let Some((place, manifest)) = of_manifest(pull.url) {
        let place = Place::open(place, pull.directory, false)?;
        let parts = manifest.trim_end_matches(".json").split('/').collect::<Vec<_>>();
        let path = match parts[..] {
            [run] => place.manifest(run, None),
            [run, step] => place.manifest(run, Some(step)),
            _ => return Err(RemoteError::NoSnapshot { url: pull.url.to_owned() }),
        };
        return Ok((place, path));
    }
    let place = Place::open(pull.url, pull.directory, false)?;
    let folder = place.snapshots();
    let mut found = vec![];
    let mut listed = place.objects.list(Some(&folder));
    while let Some(object) = listed.next().await {
        let object = object.map_err(|error| place.fault(&folder, &error))?;
        found.extend(Some(object.location).filter(|path| path.as_ref().ends_with(".json")));
        if found.len() > LISTED {
            break;
        }
    }
    drop(listed);
    match found.len() {
        0 => Err(RemoteError::NoSnapshot { url: place.url }),
        1 => Ok((place, found.remove(0))),
        _ => {
            found.sort();
            let more = found.len() > LISTED;
            let mut found: Vec<String> = found.iter().take(LISTED).map(|path| place.url_of(path)).collect();
            found.extend(more.then(|| "...".to_owned()));
            Err(RemoteError::Several { url: place.url, found })
        }
    }
}

/// Fetches what is not here. What the manifest does not name was lost before it was pushed.
async fn fetch(
    place: &Place,
    manifest: &Manifest,
    blobs: &Blobs,
    wanted: &BTreeSet<Digest>,
    counter: &Counter,
    watch: &mut dyn Watch,
) -> Result<(), RemoteError> {
    for _ in 0..ROUNDS {
        // Looking for a blob makes it young for the garbage collector, so what is found now will be there.
        let named = wanted.iter().filter_map(|digest| manifest.blobs.get_key_value(digest));
        let lacking: Vec<(Digest, u64)> =
            named.filter(|(digest, _)| !blobs.contains(digest)).map(|(digest, size)| (digest.clone(), *size)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let bytes = lacking.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
        must_fit(blobs, bytes)?;
        let before = counter.amount();
        let total = Amount { blobs: before.blobs + lacking.len() as u64, bytes: before.bytes.saturating_add(bytes) };
        let jobs = lacking.into_iter().map(|(digest, size)| {
            let (place, blobs, counter) = (place.clone(), blobs.clone(), counter.clone());
            async move { fetch_blob(&place, &blobs, &digest, size, &counter).await }
        });
        all(jobs, counter, total, watch).await?;
    }
    let reason = "what was fetched disappears from the store again".to_owned();
    Err(StoreError::Unwritable { path: blobs.folder().to_owned(), reason }.into())
}

/// A size that somebody else has written down may be anything.
fn must_fit(blobs: &Blobs, needed: u64) -> Result<(), RemoteError> {
    let Ok(disk) = nix::sys::statvfs::statvfs(blobs.folder()) else { return Ok(()) };
    #[allow(clippy::useless_conversion)]
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    if needed.saturating_add(RESERVE) > free { Err(RemoteError::NoSpace { needed, free }) } else { Ok(()) }
}

async fn fetch_blob(
    place: &Place,
    blobs: &Blobs,
    digest: &Digest,
    size: u64,
    counter: &Counter,
) -> Result<(), RemoteError> {
    let path = place.blob(digest);
    let found = place.objects.get(&path).await.map_err(|error| lost(place, &path, &error))?;
    let mut incoming = blobs.receive()?;
    receive_bytes(place, &path, found, size, |piece| {
        counter.add_bytes(piece.len() as u64);
        Ok(incoming.write(piece)?)
    })
    .await?;
    incoming.finish(digest).map_err(|error| match error {
        StoreError::BadBlob { reason, .. } => RemoteError::Damaged { url: place.url_of(&path), reason },
        other => other.into(),
    })?;
    counter.add_blob();
    Ok(())
}

fn lost(place: &Place, path: &object_store::path::Path, error: &object_store::Error) -> RemoteError {
    match place.fault(path, error) {
        RemoteError::NoSnapshot { url } => {
            RemoteError::Damaged { url, reason: "it is missing, though the manifest names it".to_owned() }
        }
        other => other,
    }
}
