//! What leaves this machine, and what comes from others, when somebody asks for it: snapshots to and from object stores,
//! values that clusters have put there, and events of lineage to whoever collects them.
//!
//! The only crate that opens connections. Credentials come from the environment and go nowhere else: not into the store,
//! not into a message, not into what is sent.

pub mod artifact;
mod error;
pub mod openlineage;
pub mod snapshot;
mod tls;

pub use error::RemoteError;
