//! Runs that were made elsewhere and pulled into this store.
//!
//! Their values are pickles, and a pickle is a program. So a pulled run can be looked at, compared, and collected as any
//! other, but nothing of it is loaded until somebody has said that it may be ([`Store::trust`]); steps never use its
//! results, and it cannot be resumed.

use std::collections::BTreeMap;

use kale_model::RunId;
use rusqlite::params;
use serde::Serialize;

use crate::Store;
use crate::error::{Result, StoreError};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pulled {
    /// The URL that it was pulled from.
    pub origin: String,
    /// When, in seconds since the Unix epoch.
    pub time: f64,
    /// Whether its pickles may be loaded.
    pub trusted: bool,
}

impl Store {
    /// `None`: the run was made here.
    pub fn pulled(&self, run: &RunId) -> Result<Option<Pulled>> {
        Ok(self.pulled_runs()?.remove(run))
    }

    pub(crate) fn pulled_runs(&self) -> Result<BTreeMap<RunId, Pulled>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT run, origin, time, trusted FROM pulled")?;
            let rows = statement.query_map([], |row| {
                let pulled = Pulled { origin: row.get(1)?, time: row.get(2)?, trusted: row.get(3)? };
                Ok((RunId(row.get(0)?), pulled))
            })?;
            rows.collect()
        })
    }

    /// Somebody says that what a pulled run holds may be loaded.
    pub fn trust(&self, run: &RunId) -> Result<()> {
        self.database.write_durably(|transaction| {
            transaction.execute("UPDATE pulled SET trusted = 1 WHERE run = ?1", params![run.0]).map(drop)
        })
    }

    /// Only the store where a run was made has what it takes to go on with it.
    pub(crate) fn must_be_own(&self, run: &RunId) -> Result<()> {
        match self.pulled(run)? {
            Some(pulled) => Err(StoreError::MadeElsewhere { run: run.0.clone(), origin: pulled.origin }),
            None => Ok(()),
        }
    }
}
