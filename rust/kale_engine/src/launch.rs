//! Starting an engine process. Whoever wants to know what it does follows the run's events in the store.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use kale_model::RunId;
use kale_model::sweep::SweepId;
use kale_store::{Result, Store, StoreError};

use crate::process;

/// Starts `argv` as the engine of a new run, or of one that is to be resumed: in a session of its own, without a
/// terminal, so that neither Ctrl-C nor the end of the kernel or terminal that started it reaches it. What it writes goes
/// to the run's `engine.log`. Returns its process id.
pub fn launch(store: &Store, run: &RunId, argv: &[OsString]) -> Result<u32> {
    store.queue(run)?;
    let pid = detached(&store.run_directory(run), argv)?;
    store.expect_engine(run, pid)?;
    Ok(pid)
}

/// The same for the engine of a sweep.
pub fn launch_sweep(store: &Store, sweep: &SweepId, argv: &[OsString]) -> Result<u32> {
    store.queue_sweep(sweep)?;
    let pid = detached(&store.sweep_directory(sweep), argv)?;
    store.expect_sweep_engine(sweep, pid)?;
    Ok(pid)
}

fn detached(folder: &Path, argv: &[OsString]) -> Result<u32> {
    let log_path = folder.join("engine.log");
    let unwritable = |error: io::Error| StoreError::Unwritable { path: log_path.clone(), reason: error.to_string() };
    fs::create_dir_all(folder).map_err(unwritable)?;
    let log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(unwritable)?;
    let copy = log.try_clone().map_err(unwritable)?;
    let (program, arguments) = argv.split_first().expect("an engine has a command line");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(copy).stderr(log);
    // SAFETY: `setsid` is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from));
    }
    let mut child = command.spawn().map_err(|error| StoreError::NoEngine {
        reason: format!("`{}`: {error}", program.display()),
        help: process::what_to_raise(&error).unwrap_or("See that this Python can be started.").to_owned(),
    })?;
    let pid = child.id();
    // Whoever starts an engine and lives on must not keep its zombie.
    std::thread::spawn(move || child.wait());
    Ok(pid)
}
