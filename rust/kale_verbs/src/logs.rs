//! `logs`: what the steps of a run wrote, as a terminal would have shown it.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use kale_model::{RunId, RunStatus};
use kale_store::{Store, without_controls};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::listener::Listener;
use crate::session::Session;

/// Logs are read as a whole, so less often than events.
const POLL: Duration = Duration::from_millis(250);

/// Bytes of a log in one answer.
const PART: usize = 1 << 20;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct LogsRequest {
    pub run: String,
    /// `None`: all steps.
    #[serde(default)]
    pub step: Option<String>,
    #[serde(flatten)]
    pub store: StoreChoice,
    /// Only what comes from this byte on, and at most a megabyte of each step's.
    #[serde(default)]
    pub offset: Option<u64>,
    /// Hand new text to the listener until the run has ended.
    #[serde(default)]
    pub follow: bool,
}

#[derive(Debug, Serialize)]
pub struct Logs {
    pub logs: Vec<Log>,
}

#[derive(Debug, Serialize)]
pub struct Log {
    pub step: String,
    pub text: String,
    /// Where a part begins (see [`kale_store::LogPart`]), and where one goes on from.
    #[serde(flatten)]
    pub place: Option<Place>,
}

#[derive(Debug, Serialize)]
pub struct Place {
    pub offset: u64,
    pub next: u64,
    pub complete: bool,
}

impl Log {
    fn new(step: String, text: String, place: Option<Place>) -> Log {
        Log { step, text, place }
    }
}

pub fn logs(session: &Session, request: &LogsRequest, listener: &mut dyn Listener) -> Result<Logs, VerbError> {
    let (store, id) = request.store.find(session, &request.run)?;
    if request.follow {
        follow(&store, &id, request.step.as_deref(), listener)?;
    }
    let is_strange = store.pulled(&id)?.is_some_and(|pulled| !pulled.trusted);
    let shown = |text: String| if is_strange { without_controls(&text) } else { text };
    let step = request.step.as_deref();
    let logs = match request.offset {
        None => store.logs(&id, step)?.into_iter().map(|log| Log::new(log.step, shown(log.text), None)).collect(),
        Some(offset) => {
            let parts = store.log_parts(&id, step, offset, PART)?.into_iter();
            parts
                .map(|part| {
                    Log::new(
                        part.step,
                        shown(part.text),
                        Some(Place { offset: part.offset, next: part.next, complete: part.complete }),
                    )
                })
                .collect()
        }
    };
    Ok(Logs { logs })
}

fn follow(store: &Store, run: &RunId, step: Option<&str>, listener: &mut dyn Listener) -> Result<(), VerbError> {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let status = store.run_status(run)?;
        for log in store.logs(run, step)? {
            let before = told.insert(log.step.clone(), log.text.clone()).unwrap_or_default();
            let new = news(&before, &log.text);
            if !new.is_empty() {
                listener.log(&log.step, new);
            }
        }
        if status.is_finished() || status == RunStatus::Interrupted {
            return Ok(());
        }
        if listener.interrupted().is_some() {
            return Err(VerbError::Interrupted);
        }
        sleep(POLL);
    }
}

/// What `now` has beyond `before`. A finished step's log is its cells' output in order, which may not begin with
/// what was seen while it ran: then the part they have in common is not told again.
fn news<'a>(before: &str, now: &'a str) -> &'a str {
    let common: usize = before.chars().zip(now.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    &now[common..]
}

#[cfg(test)]
mod tests {
    use super::news;

    #[test]
    fn only_what_is_new_is_told() {
        assert_eq!(news("", "a\n"), "a\n");
        assert_eq!(news("a\n", "a\nb\n"), "b\n");
        assert_eq!(news("é1", "é2"), "2");
        assert_eq!(news("a\n", "a\n"), "");
    }
}
