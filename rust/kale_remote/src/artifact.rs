//! One object of an object store, such as an artifact that a cluster has put there, into a file.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use futures_util::StreamExt;
use object_store::ObjectStoreExt;

use crate::RemoteError;
use crate::snapshot::{Place, block_on};

/// Whether this machine's environment has credentials for object stores.
pub fn has_credentials() -> bool {
    std::env::var_os("AWS_ACCESS_KEY_ID").is_some()
}

/// Writes what is at `url` (`s3://BUCKET/KEY`) to a file, unless it is longer than `limit` bytes.
pub fn fetch(url: &str, into: &File, limit: Option<u64>) -> Result<(), RemoteError> {
    let place = Place::open(url, Path::new("/"), false)?;
    block_on(fetch_from(&place, into, limit.unwrap_or(u64::MAX)))
}

async fn fetch_from(place: &Place, mut into: &File, limit: u64) -> Result<(), RemoteError> {
    let (path, url) = (place.itself(), place.url.clone());
    let fault = |error: object_store::Error| match place.fault(path, &error) {
        RemoteError::NoSnapshot { url } => RemoteError::Url { url, reason: "there is nothing".to_owned() },
        other => other,
    };
    let unwritable = |error: io::Error| RemoteError::Url { url: url.clone(), reason: error.to_string() };
    let found = place.objects.get(path).await.map_err(fault)?;
    if found.meta.size > limit {
        return Err(RemoteError::Url { url, reason: format!("it is longer than {limit} bytes") });
    }
    into.set_len(0).and_then(|()| into.rewind()).map_err(unwritable)?;
    let mut pieces = found.into_stream();
    while let Some(piece) = pieces.next().await {
        into.write_all(&piece.map_err(fault)?).map_err(unwritable)?;
    }
    Ok(())
}
