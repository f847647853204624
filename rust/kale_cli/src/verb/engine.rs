//! `kale-rs engine`, which `run` and `resume` start as a process of its own.

use kale_model::RunStatus;
use kale_verbs::engine::{engine as carry_out, sweep_engine};

use super::{Done, status};
use crate::args::EngineArgs;

pub fn engine(args: &EngineArgs) -> Done {
    let carry_out = if args.sweep { sweep_engine } else { carry_out };
    Ok(status(carry_out(&args.store, &args.id)? == RunStatus::Succeeded))
}
