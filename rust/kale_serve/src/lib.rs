//! The model server: HTTP in front of processes that hold the model.
//!
//! ```text
//!   client --HTTP--> routes (protocol/v1, v2: JSON and binary -> tensors) --> queue --batch--> pool: a replica each
//!                                                                                                |  frames, on a socket
//!                                                                                   python kale_runtime --serve BUNDLE
//! ```
//!
//! It speaks KServe's protocols V1 and V2. User code only runs in the workers, which are its children: what they do to
//! themselves costs the requests they have, and another one is started. *It does not know* notebooks, stores, how a
//! bundle is made, or who starts it.

mod app;
mod body;
pub mod bundle;
mod client;
mod connections;
mod error;
mod frames;
mod guard;
mod log;
mod metrics;
mod openapi;
mod options;
mod pool;
pub mod protocol;
mod queue;
mod routes;
mod server;
mod status;
mod stream;
mod worker;

pub use client::{Client, Response};
pub use error::ServeError;
pub use metrics::Latency;
pub use options::{Batching, Event, Limits, Log, Options, Stop, TOGETHER};
pub use pool::ReplicaView;
pub use server::{check, check_port, serve};
pub use status::{Requests, State, Status};
