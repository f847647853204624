//! Bodies of requests: read within limits of size, time, and of the memory that all of them share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::options::Limits;

/// So long, and so much, of a body that is refused is taken in all the same.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 8 << 20;
/// Less has room in the buffers that the system has for a connection anyway.
const LARGE: usize = 64 << 10;

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
#[derive(Debug)]
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
#[derive(Debug)]
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

/// An answer, which has its share until the last of it was taken.
struct Held {
    answer: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

/// An answer as it is sent. A large one may be in memory for as long as its client takes.
pub fn answer(answer: Vec<u8>, room: &Arc<Room>) -> Result<Bytes, BodyError> {
    if answer.len() < LARGE {
        return Ok(answer.into());
    }
    let mut share = Share { room: room.clone(), bytes: 0 };
    share.grow(answer.len())?;
    Ok(Bytes::from_owner(Held { answer, _share: share }))
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The whole body. Only what has really come counts: who announces much and sends little takes nothing from others.
pub async fn read(mut body: Body, room: &Arc<Room>, limits: &Limits) -> Result<(Bytes, Share), BodyError> {
    let most = limits.max_body;
    let share = Share { room: room.clone(), bytes: 0 };
    let found = if body.size_hint().lower() > most as u64 {
        Err(BodyError::TooLarge { most })
    } else {
        timeout(limits.body_timeout, gather(&mut body, share, most)).await.unwrap_or(Err(BodyError::TooSlow))
    };
    if matches!(found, Err(BodyError::TooLarge { .. } | BodyError::NoRoom)) {
        let _ = timeout(LINGER, let_go(&mut body)).await;
    }
    found
}

/// Lets what a client is still sending come and go. A connection that is closed before has the client fail at sending,
/// and never read why.
async fn let_go(body: &mut Body) {
    let mut left = LINGER_BYTES;
    while left > 0
        && let Some(Ok(frame)) = body.frame().await
    {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
}

async fn gather(body: &mut Body, mut share: Share, most: usize) -> Result<(Bytes, Share), BodyError> {
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
