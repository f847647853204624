//! Snapshots in an object store: pushed, and pulled into another store.
//!
//! ```text
//! URL/blobs/3f/3f9a...e1              contents by blake3 digest, as in a store: what is there is not sent again
//! URL/snapshots/RUN.json              a manifest: a run, with the state after each of its steps
//! URL/snapshots/RUN/STEP.json         one of the state after a step, with all that came before it
//! ```
//!
//! The manifest is written last and names everything by digest, so there is never a manifest of something incomplete;
//! a push or pull that was cut off is finished by the same command. Whoever pulls believes nothing: every digest is
//! computed anew, every size compared, every name checked before it becomes a path.

mod manifest;
mod place;
mod pull;
mod push;
mod transfer;

pub use manifest::MANIFEST_VERSION;
pub(crate) use place::Place;
pub use pull::{Pull, Pulled, pull};
pub use push::{Push, Pushed, push};
pub(crate) use transfer::block_on;
pub use transfer::{Amount, Progress, Watch};
