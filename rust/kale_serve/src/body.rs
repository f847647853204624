//! Bodies of requests: read within limits of size, time, and of the memory that all of them share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::options::Limits;

#[derive(Debug)]
pub enum BodyError {
    TooLarge {
        most: usize,
    },
    TooSlow,
    /// Too many bytes of others are there already.
    NoRoom,
    /// The client has gone.
    Broken(String),
}

/// Bytes of all bodies that are in memory.
pub struct Room {
    used: AtomicUsize,
    most: usize,
}

impl Room {
    pub fn new(most: usize) -> Arc<Room> {
        Arc::new(Room { used: AtomicUsize::new(0), most })
    }
}

/// What one of them uses; given back when it goes.
pub struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Share {
    /// What was made of the body counts, too: numbers may be longer than their text.
    pub fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        let used = self.room.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if used + bytes > self.room.most { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The whole body. Only what has really come counts: who announces much and sends little takes nothing from others.
pub async fn read(body: Body, room: &Arc<Room>, limits: &Limits) -> Result<(Bytes, Share), BodyError> {
    let most = limits.max_body;
    if body.size_hint().lower() > most as u64 {
        return Err(BodyError::TooLarge { most });
    }
    let share = Share { room: room.clone(), bytes: 0 };
    timeout(limits.body_timeout, gather(body, share, most)).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn gather(mut body: Body, mut share: Share, most: usize) -> Result<(Bytes, Share), BodyError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        share.grow(data.len())?;
        if first.len() + all.len() + data.len() > most {
            return Err(BodyError::TooLarge { most });
        }
        // Most bodies are of one piece.
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok((if all.is_empty() { first } else { all.freeze() }, share))
}
