//! The hidden verb `engine`: carries out a recorded run in this process, which `run` and `resume` start.

use std::path::Path;

use kale_model::sweep::SweepId;
use kale_model::{RunId, RunStatus};
use kale_remote::openlineage::Reporter;
use kale_store::Store;

use crate::error::VerbError;
use crate::on_cluster;

pub fn engine(store: &Path, run: &str) -> Result<RunStatus, VerbError> {
    let (run, mut reporter) = (RunId(run.to_owned()), None);
    let status = if Store::open(store)?.run(&run)?.options.context.is_some() {
        reporter = Reporter::start(store, &run);
        on_cluster::carry_out(store, &run)
    } else {
        kale_engine::execute_watched(store, &run, || reporter = Reporter::start(store, &run))
    };
    if let Some(reporter) = reporter {
        reporter.finish();
    }
    Ok(status?)
}

/// The same for a recorded sweep.
pub fn sweep_engine(store: &Path, sweep: &str) -> Result<RunStatus, VerbError> {
    Ok(kale_engine::execute_sweep(store, &SweepId(sweep.to_owned()))?)
}
