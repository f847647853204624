//! Runs that a cluster carries out: this store has their record, and the cluster has an id of its own for each.

use kale_model::{Event, RemoteRun, RunId};
use rusqlite::{OptionalExtension, params};

use crate::error::Result;
use crate::{Store, event, now};

impl Store {
    /// Notes what the cluster calls a run, and tells whoever follows it.
    pub fn submitted(&self, run: &RunId, context: &str, remote: &RemoteRun) -> Result<()> {
        self.database.write_durably(|transaction| {
            let sql = "INSERT OR REPLACE INTO remote (run, id, url) VALUES (?1, ?2, ?3)";
            transaction.execute(sql, params![run.0, remote.id, remote.url])?;
            let RemoteRun { id, url } = remote.clone();
            event::append(transaction, run, &Event::Submitted { time: now(), context: context.to_owned(), id, url })
        })
    }

    /// `None`: it is carried out here, or the cluster has not been told of it yet.
    pub fn remote(&self, run: &RunId) -> Result<Option<RemoteRun>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, url FROM remote WHERE run = ?1")?;
            let read = |row: &rusqlite::Row| Ok(RemoteRun { id: row.get(0)?, url: row.get(1)? });
            statement.query_row(params![run.0], read).optional()
        })
    }
}
