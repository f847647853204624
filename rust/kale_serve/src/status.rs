//! How a server does, as it tells it to whoever shows services to people.

use serde::{Deserialize, Serialize};

use crate::metrics::Latency;
use crate::pool::ReplicaView;

/// Where it is asked for.
pub const STATUS: &str = "/kale/status";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No replica has the model loaded.
    Starting,
    Ready,
    /// Some of the replicas are missing.
    Degraded,
    /// What is under way is answered, and nothing else.
    Stopping,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub name: String,
    pub version: Option<String>,
    pub state: State,
    pub url: String,
    pub uptime_seconds: f64,
    pub replicas: Vec<ReplicaView>,
    /// Rows of several requests that go to the model together; 1: each request goes alone.
    pub batch_rows: usize,
    pub requests: Requests,
    /// Of the last 1,024 predictions.
    pub latency_seconds: Latency,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Predictions that were asked for.
    pub total: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Turned away because too many were waiting.
    pub rejected: u64,
    /// Of all kinds.
    pub in_flight: i64,
    pub queued: usize,
}
