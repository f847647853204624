//! The hidden verb `engine`: carries out a recorded run in this process, which `run` and `resume` start.

use std::path::Path;

use kale_model::{RunId, RunStatus};

use crate::error::VerbError;

pub fn engine(store: &Path, run: &str) -> Result<RunStatus, VerbError> {
    Ok(kale_engine::execute(store, &RunId(run.to_owned()))?)
}
