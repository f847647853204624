//! What the command line, Python and the panel can do: one file per verb, each a function from a request to an answer.
//!
//! A verb reads and writes files and starts processes; it prints nothing, colours nothing, and knows neither clap nor
//! pyo3. Long verbs tell a [`Listener`] what happens. Faults of the notebook are diagnostics inside the answer; a
//! [`VerbError`] means that there is no answer. [`render`] turns answers into text.

pub mod archive;
pub mod artifact;
mod beside;
mod build_context;
pub mod cancel;
pub mod check;
mod cluster;
mod code_version;
pub mod compile;
pub mod context;
pub mod diff;
mod distributions;
pub mod doctor;
pub mod engine;
mod environment;
mod error;
pub mod explain;
pub mod explain_overlay;
mod follow;
pub mod gc;
pub mod graph;
mod history;
pub mod id;
mod interpreter;
mod interrupted;
pub mod lineage;
mod listener;
mod lock;
pub mod logs;
mod modules;
mod notebook;
mod on_cluster;
mod overlay;
mod packing;
pub mod parameters;
pub mod predict;
mod promotion;
pub mod render;
pub mod restore;
pub mod resume;
pub mod run;
pub mod runs;
pub mod schedule;
pub mod serve;
pub mod services;
mod session;
pub mod show;
mod size;
pub mod snapshot;
mod source;
pub mod sweep;
pub mod sweeps;

pub use error::VerbError;
pub use history::StoreChoice;
pub use listener::{Interrupt, Listener, Prepared};
pub use notebook::Listing;
pub use overlay::{Scalar, ScheduleSettings};
pub use promotion::Stage;
pub use session::{Interpreter, Session};
pub use source::Source;
