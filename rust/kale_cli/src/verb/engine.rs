//! `kale-rs engine`, which `run` and `resume` start as a process of its own.

use kale_model::RunStatus;
use kale_verbs::engine::engine as carry_out;

use super::{Done, status};
use crate::args::EngineArgs;

pub fn engine(args: &EngineArgs) -> Done {
    Ok(status(carry_out(&args.store, &args.run)? == RunStatus::Succeeded))
}
