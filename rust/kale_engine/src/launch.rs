//! Starting an engine process, and following what it does through the store.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use kale_model::{RunId, RunStatus};
use kale_store::{Result, Store, StoreError, StoredEvent};

/// How often a follower looks. People see no difference to less, and the processor sees none to nothing.
const LOOK: Duration = Duration::from_millis(50);

/// Starts `argv` as the engine of a new run, or of one that is to be resumed: in a session of its own, without a terminal, so that neither Ctrl-C nor the end
/// of the kernel or terminal that started it reaches it. What it writes goes to the run's `engine.log`. Returns its
/// process id.
pub fn launch(store: &Store, run: &RunId, argv: &[OsString]) -> Result<u32> {
    store.queue(run)?;
    let folder = store.run_directory(run);
    let log_path = folder.join("engine.log");
    let unwritable = |error: io::Error| StoreError::Unwritable { path: log_path.clone(), reason: error.to_string() };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    let log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(unwritable)?;
    let copy = log.try_clone().map_err(unwritable)?;
    let (program, arguments) = argv.split_first().ok_or_else(|| cannot_start("no program was given".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(copy).stderr(log);
    // SAFETY: `setsid` is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from));
    }
    let mut child = command.spawn().map_err(|error| cannot_start(format!("{}: {error}", program.display())))?;
    let pid = child.id();
    store.expect_engine(run, pid)?;
    // Whoever starts an engine and lives on must not keep its zombie.
    std::thread::spawn(move || child.wait());
    Ok(pid)
}

fn cannot_start(reason: String) -> StoreError {
    StoreError::Unreadable { path: "the engine process".into(), reason }
}

/// Hands every event numbered above `after` to `listener` until the run is over, its engine has died, or the
/// listener returns false. Returns the run's status then.
pub fn follow(
    store: &Store,
    run: &RunId,
    mut after: i64,
    mut listener: impl FnMut(&StoredEvent) -> bool,
) -> Result<RunStatus> {
    loop {
        // The status first: all events of a run that is over were there before it was.
        let status = store.run_status(run)?;
        for event in store.events_after(run, after)? {
            after = event.sequence;
            if !listener(&event) {
                return Ok(status);
            }
        }
        if !matches!(status, RunStatus::Pending | RunStatus::Running) {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}
