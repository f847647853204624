//! A run's events: appended by its engine, polled by whoever follows.
//!
//! Kinds of events may be added without a new version of the store: who does not know one passes over it. What counts
//! (status, results, metrics) is in tables of its own, so nothing that is known is wrong for it.

use kale_model::{Event, RunId};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::{Store, StoreError};

/// An event with its number in the run, from 1 without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    pub sequence: i64,
    pub event: Event,
}

impl Store {
    /// Appends events in one transaction.
    pub fn append_events(&self, run: &RunId, events: &[Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        self.database.write(|transaction| events.iter().try_for_each(|event| append(transaction, run, event)))
    }

    /// The number of the newest event, 0 without any: where to begin when only what comes is of interest.
    pub fn last_event(&self, run: &RunId) -> Result<i64> {
        self.database.read(|connection| {
            let sql = "SELECT COALESCE(MAX(sequence), 0) FROM events WHERE run = ?1";
            connection.prepare_cached(sql)?.query_row(params![run.0], |row| row.get(0))
        })
    }

    /// Events numbered above `after`, in order. Begin with 0 and go on with the last number seen.
    pub fn events_after(&self, run: &RunId, after: i64) -> Result<Vec<StoredEvent>> {
        let rows: Vec<(i64, String)> = self.database.read(|connection| {
            let sql = "SELECT sequence, event FROM events WHERE run = ?1 AND sequence > ?2 ORDER BY sequence";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![run.0, after], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let known = rows.into_iter().filter_map(|(sequence, text)| {
            let unreadable = |error| StoreError::Database(format!("event {sequence} of run `{run}`: {error}"));
            let event = read(&text).map_err(unreadable).transpose()?;
            Some(event.map(|event| StoredEvent { sequence, event }))
        });
        known.collect()
    }
}

/// `None` for one of a newer kale_rs.
fn read(text: &str) -> serde_json::Result<Option<Event>> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    Ok(serde_json::from_value(value).ok())
}

pub(crate) fn append(connection: &Connection, run: &RunId, event: &Event) -> rusqlite::Result<()> {
    let text = serde_json::to_string(event).expect("events are plain data");
    let sql = "INSERT INTO events (run, sequence, event)
               SELECT ?1, 1 + COALESCE(MAX(sequence), 0), ?2 FROM events WHERE run = ?1";
    connection.prepare_cached(sql)?.execute(params![run.0, text]).map(drop)
}
