//! Many objects on their way at once, somebody who watches, and the right to stop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::GetResult;
use object_store::path::Path;
use serde::Serialize;
use tokio::task::JoinSet;

use super::place::Place;
use crate::RemoteError;

/// So many objects travel at once: a small one costs a round trip, of which some can be waited for together.
const AT_ONCE: usize = 6;
/// How often those who watch are told, and asked whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// How much has been sent or received, or will have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub blobs: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub done: Amount,
    pub total: Amount,
}

/// Told how far it is; says whether to go on.
pub trait Watch {
    fn goes_on(&mut self, progress: Progress) -> bool;
}

/// Counts what has travelled. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    blobs: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Counter {
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn add_blob(&self) {
        self.blobs.fetch_add(1, Ordering::Relaxed);
    }

    pub fn amount(&self) -> Amount {
        Amount { blobs: self.blobs.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// Carries `jobs` out, some at a time, until one fails or the watcher has had enough.
pub async fn all<F>(
    jobs: impl IntoIterator<Item = F>,
    counter: &Counter,
    total: Amount,
    watch: &mut dyn Watch,
) -> Result<(), RemoteError>
where
    F: Future<Output = Result<(), RemoteError>> + 'static,
{
    let mut jobs = jobs.into_iter();
    let mut running = JoinSet::new();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        while running.len() < AT_ONCE {
            let Some(job) = jobs.next() else { break };
            running.spawn_local(job);
        }
        tokio::select! {
            joined = running.join_next() => match joined {
                // Jobs that are still running are dropped with the set, and leave nothing under a name.
                Some(ended) => ended.expect("jobs do not panic and are not aborted")?,
                None => return Ok(()),
            },
            _ = looks.tick() => {
                if !watch.goes_on(Progress { done: counter.amount(), total }) {
                    return Err(RemoteError::Interrupted);
                }
            }
        }
    }
}

/// Hands an object's content on, which must be exactly as long as it should be: nobody reads more than that.
pub async fn receive_bytes(
    place: &Place,
    path: &Path,
    found: GetResult,
    length: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), RemoteError>,
) -> Result<(), RemoteError> {
    let damaged = |found: u64| RemoteError::Damaged {
        url: place.url_of(path),
        reason: format!("it has {found} bytes, and {length} are expected"),
    };
    if found.meta.size != length {
        return Err(damaged(found.meta.size));
    }
    let (mut stream, mut seen) = (found.into_stream(), 0_u64);
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| place.fault(path, &error))?;
        seen = seen.saturating_add(piece.len() as u64);
        if seen > length {
            return Err(damaged(seen));
        }
        take(&piece)?;
    }
    if seen == length { Ok(()) } else { Err(damaged(seen)) }
}

/// Runs a transfer to its end on this thread.
pub fn block_on<T>(transfer: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        let reason = error.to_string();
        RemoteError::Unreachable { url: "the network".to_owned(), reason }
    })?;
    tokio::task::LocalSet::new().block_on(&runtime, transfer)
}
