//! Watching a run through its store: the engine is another process, and may outlive or precede this one.

use std::thread::sleep;
use std::time::{Duration, Instant};

use kale_model::{RunId, RunStatus};
use kale_store::Store;

use crate::error::VerbError;
use crate::listener::{Interrupt, Listener};

/// Short enough for a live display; a poll is one indexed query.
const POLL: Duration = Duration::from_millis(60);
/// Where something has just happened, more is likely to follow soon.
const SOON: Duration = Duration::from_millis(4);
/// A Python process on a machine under load takes seconds to come up.
const START: Duration = Duration::from_secs(30);

/// Hands every event after `after` to the listener until the run has ended.
///
/// On Ctrl-C the listener decides: the run is cancelled and followed to its end, or left to itself.
pub fn follow(store: &Store, run: &RunId, after: i64, listener: &mut dyn Listener) -> Result<RunStatus, VerbError> {
    let mut seen = after;
    let mut cancelled = false;
    let mut pause = SOON;
    loop {
        // The status first: what an engine that has ended wrote before is then surely among the events.
        let status = store.run_status(run)?;
        for stored in store.events_after(run, seen)? {
            listener.event(&stored.event);
            seen = stored.sequence;
            pause = SOON;
        }
        if status.is_finished() || status == RunStatus::Interrupted {
            return Ok(status);
        }
        if !cancelled && let Some(interrupt) = listener.interrupted() {
            match interrupt {
                Interrupt::Leave => return Err(VerbError::Interrupted),
                Interrupt::Cancel => store.request_cancel(run)?,
            }
            cancelled = true;
        }
        sleep(pause);
        pause = (pause * 5 / 4).min(POLL);
    }
}

/// The number of the last event so far.
pub fn last_event(store: &Store, run: &RunId) -> Result<i64, VerbError> {
    Ok(store.events_after(run, 0)?.last().map_or(0, |stored| stored.sequence))
}

/// Waits until a new engine has taken the run over: until then its status is still that of before.
pub fn await_engine(store: &Store, run: &RunId, after: i64) -> Result<(), VerbError> {
    let launched = Instant::now();
    while store.events_after(run, after)?.is_empty() {
        if launched.elapsed() > START {
            let log = store.run_directory(run).join("engine.log");
            return Err(VerbError::Store {
                message: format!("the engine of run `{run}` did not start"),
                help: format!("its last words are in `{}`", log.display()),
            });
        }
        sleep(POLL);
    }
    Ok(())
}
