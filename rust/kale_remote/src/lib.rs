//! What leaves this machine, and what comes from others, when somebody asks for it: snapshots to and from object stores.
//!
//! The only crate that opens connections. Credentials come from the environment and go nowhere else: not into the store,
//! not into a message, not into what is sent.

mod error;
pub mod snapshot;
mod tls;

pub use error::RemoteError;
