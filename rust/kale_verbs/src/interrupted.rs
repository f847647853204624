//! A run, or a sweep, whose engine has ended before it: what is known of the reason. Whoever was killed could not say it, and a store
//! on a full disk takes no word; so it is found out when somebody looks.

use std::fs;
use std::path::Path;

use kale_model::sweep::{SweepId, SweepView};
use kale_model::{Code, Diagnostic, Event, RunId, RunStatus, RunView};
use kale_store::{Result, Store};

use crate::listener::Listener;
use crate::promotion::way;

/// Less room than this, and neither a row nor a log can be written.
const ROOM: u64 = 128 * 1024;
/// What an engine says at its end is a line or two.
const LAST_WORDS: usize = 2_000;

/// The run as it is, with the reason where it was cut short.
pub fn view(store: &Store, run: &RunId) -> Result<RunView> {
    let mut view = store.run_view(run)?;
    if view.status == RunStatus::Interrupted && store.pulled(run)?.is_none() && !has_left(store, run)? {
        view.diagnostics.push(reason(store, run));
    }
    view.diagnostics.extend(way::abandoned(store, run, view.status)?);
    Ok(view)
}

/// The same, and whoever watches is told.
pub fn told(store: &Store, run: &RunId, listener: &mut dyn Listener) -> Result<RunView> {
    let view = view(store, run)?;
    for diagnostic in view.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::EngineDied) {
        listener.event(&Event::Diagnostic { diagnostic: diagnostic.clone() });
    }
    Ok(view)
}

/// Whether its engine has ended on purpose, and said why.
fn has_left(store: &Store, run: &RunId) -> Result<bool> {
    let events = store.events_after(run, 0)?;
    let sessions = events.iter().rev().map(|stored| &stored.event);
    let mut ends = sessions.filter(|event| matches!(event, Event::RunStarted { .. } | Event::RunFinished { .. }));
    Ok(matches!(ends.next(), Some(Event::RunFinished { .. })))
}

/// A sweep as it is, with the reason where it was cut short.
pub fn sweep_view(store: &Store, sweep: &SweepId) -> Result<SweepView> {
    let mut view = store.sweep_view(sweep)?;
    if view.status == RunStatus::Interrupted {
        let (why, what) = cause(store.root(), &store.sweep_directory(sweep));
        view.reason = Some(format!(
            "The engine of the sweep has ended before the sweep did: {why}. {what}; `kale-rs sweeps resume {sweep}` goes \
             on where it stopped."
        ));
    }
    Ok(view)
}

fn reason(store: &Store, run: &RunId) -> Diagnostic {
    let (why, what) = cause(store.root(), &store.run_directory(run));
    let help = format!("{what}; `kale-rs resume {run}` goes on where it stopped.");
    Diagnostic::new(Code::EngineDied, format!("The engine of the run has ended before the run did: {why}."), help)
}

/// Why an engine that left its words in `folder` has ended, and what to do.
fn cause(root: &Path, folder: &Path) -> (String, &'static str) {
    if is_full(root) {
        (format!("no space is left on the disk of `{}`", root.display()), "Free space on the disk")
    } else if let Some(words) = last_words(&folder.join("engine.log")) {
        (format!("it said: {words}"), "See to that")
    } else {
        ("it was killed, or the machine had no memory left".to_owned(), "Nothing that was finished is lost")
    }
}

#[allow(clippy::unnecessary_cast)] // The counts are narrower on some systems.
fn is_full(folder: &Path) -> bool {
    let free = |disk: nix::sys::statvfs::Statvfs| disk.blocks_available() as u64 * disk.fragment_size() as u64;
    nix::sys::statvfs::statvfs(folder).is_ok_and(|disk| free(disk) < ROOM)
}

/// The last error that it told, without what it would have the user do about it.
fn last_words(log: &Path) -> Option<String> {
    let text = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&text);
    if text.lines().any(|line| line.starts_with("memory allocation of")) {
        return Some("there was no more memory to be had (`ulimit -v` shows what a process may have)".to_owned());
    }
    let line = text.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with("help:"))?;
    let words = line.trim().trim_start_matches("error: ").trim_end_matches('.');
    Some(words.chars().take(LAST_WORDS).collect())
}
