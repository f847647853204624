//! What engine and warm process say to each other (`kale_runtime/warm.py`): each message is its length, 4 bytes, most
//! significant first, and so much JSON.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::key;
use crate::worker::Launch;

pub const VERSION: u32 = 1;
/// More than any answer; what claims to be longer is none.
const LONGEST: u32 = 1 << 20;

/// The process that a step needs.
#[derive(Serialize)]
pub struct Order<'a> {
    version: u32,
    marker: &'a str,
    request: &'a Path,
    directory: &'a Path,
    /// Variables that differ from run to run and that no import reads.
    environment: BTreeMap<&'static str, Option<String>>,
}

impl Order<'_> {
    pub fn new(launch: &Launch) -> Order<'_> {
        Order {
            version: VERSION,
            marker: &launch.marker,
            request: &launch.request,
            directory: &launch.directory,
            environment: key::fleeting(),
        }
    }
}

/// Asks a warm process to take no more orders, and to end.
#[derive(Serialize)]
pub struct Farewell {
    version: u32,
    end: bool,
}

impl Farewell {
    pub fn message() -> Vec<u8> {
        framed(&Farewell { version: VERSION, end: true })
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The step's process, and the one that has forked it.
    Pid { pid: i32, parent: i32 },
    /// For this order.
    Refused {
        #[allow(dead_code)]
        refused: String,
    },
    /// For all orders to come.
    Stale {
        #[allow(dead_code)]
        stale: String,
    },
}

#[derive(Deserialize)]
pub struct Ended {
    /// As `wait` gives it.
    pub status: i32,
    pub cpu_seconds: f64,
    pub peak_memory_bytes: u64,
}

pub async fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&framed(message)).await
}

fn framed(message: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(message).expect("plain data");
    let length = u32::try_from(text.len()).expect("orders are short").to_be_bytes();
    [&length[..], &text].concat()
}

pub async fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(io::Error::from)
}
