//! Local runs: one engine process per run, one process per step, everything that lasts in the store.
//!
//! ```text
//!   kale-rs run / kernel / panel --launch--> engine process: execute(store, run)
//!            ^                                  |    isolated.rs    an environment of their own for the steps
//!            |                                  |    scheduler.rs   which step may run (pure)
//!            |                                  |    execute.rs     the loop that obeys it
//!            |                                  |    step.rs        look up, run, publish one step
//!            |                                  |    attempt.rs     one process: limits, stop, nothing left behind
//!            |                                  v    worker.rs      how a process is started
//!            |                                  |    warm.rs        ... or forked from one with the imports done
//!            +---- events and status ------- store <------------- python3 kale_runtime REQUEST.json
//! ```
//!
//! Invariants: user Python only ever runs in child processes. The one who started a run may die; the run goes on. The
//! engine may be killed at any instant; the store stays readable, nothing of the run keeps running, and [`execute`]
//! resumes it without running a finished step again. A step counts as succeeded only when its process
//! said so at its very end and every output is safely stored.

mod arrivals;
mod attempt;
mod chooser;
mod differential;
mod digests;
mod early_stopping;
mod execute;
mod executed;
mod fault;
mod fingerprint;
mod folder;
mod gather;
mod guardian;
mod isolated;
mod kept;
mod last_words;
mod launch;
mod limit;
mod local_modules;
mod memory;
mod overrides;
mod preflight;
mod process;
mod processors;
mod progress;
mod publish;
mod report;
mod request;
mod runtime_module;
pub mod scheduler;
mod sharing;
mod step;
mod suggestions;
mod sweep;
mod trespass;
mod trial_folder;
mod visible;
mod warm;
mod watch;
mod why;
mod worker;

pub use execute::{execute, execute_watched};
pub use executed::{replace_file, write as write_notebook};
pub use kale_store::{RunOptions, Verify};
pub use launch::{launch, launch_sweep};
pub use limit::Limit;
pub use local_modules::place as module_place;
pub use preflight::preflight;
pub use process::MARKER;
pub use publish::{executed_until, stored_outputs};
pub use runtime_module::runtime_module;
pub use suggestions::{Unable, is_of_library};
pub use sweep::{check_algorithm, execute_sweep};
