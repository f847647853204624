//! The connection: journal mode, schema, and the version gate.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Result, StoreError};
use crate::filesystem;

/// Kept in SQLite's `user_version`. A change of the schema adds one and a migration.
pub const STORE_VERSION: i64 = 1;

const WAL: &str = "wal";
/// The journal file is emptied after each transaction, which costs less than making it anew.
const ROLLBACK: &str = "truncate";

/// How long a writer waits for another run's transaction; those take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Times are seconds since the Unix epoch; digests are blake3 in hex; JSON is text.
const SCHEMA: &str = "
CREATE TABLE runs (
    number          INTEGER PRIMARY KEY,        -- order of creation, also within one second
    id              TEXT NOT NULL UNIQUE,
    status          TEXT NOT NULL,
    created         REAL NOT NULL,
    queued          REAL NOT NULL,              -- when an engine was last asked for
    started         REAL,                       -- of the present or last engine
    seconds         REAL NOT NULL DEFAULT 0,    -- spent by engines that have ended in order
    pipeline        TEXT NOT NULL,
    source          TEXT,
    notebook        TEXT,                       -- blob: the input as it was
    parameters      TEXT NOT NULL,
    options         TEXT NOT NULL,
    diagnostics     TEXT NOT NULL,
    executed        TEXT,                       -- path of the executed notebook
    engine_pid      INTEGER,                    -- the one that was started for it, or holds it
    engine_started  TEXT,
    cancel          INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE steps (
    run             TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    name            TEXT NOT NULL,
    cells           TEXT NOT NULL,
    status          TEXT NOT NULL,
    attempt         INTEGER NOT NULL DEFAULT 0,
    started         REAL,
    finished        REAL,
    seconds         REAL NOT NULL DEFAULT 0,
    fingerprint     TEXT,
    identity        TEXT,                       -- what the fingerprint is the digest of
    result          TEXT,
    diagnostics     TEXT NOT NULL DEFAULT '[]',
    reason          TEXT,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE metrics (
    run             TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,           -- of the step
    sequence        INTEGER NOT NULL,
    name            TEXT NOT NULL,
    at              INTEGER,                    -- the step= of kale_rs.metric
    value           TEXT NOT NULL,              -- a number, or NaN, Infinity, -Infinity as JSON strings
    PRIMARY KEY (run, position, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    run             TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    sequence        INTEGER NOT NULL,
    event           TEXT NOT NULL,
    PRIMARY KEY (run, sequence)
) STRICT, WITHOUT ROWID;

-- One fingerprint may have several results: they differ in the files that the step was seen to read.
CREATE TABLE cache (
    fingerprint     TEXT NOT NULL,
    observed        TEXT NOT NULL,
    created         REAL NOT NULL,
    run             TEXT NOT NULL,
    step            TEXT NOT NULL,
    result          TEXT NOT NULL,
    PRIMARY KEY (fingerprint, observed)
) STRICT, WITHOUT ROWID;
";

#[derive(Debug)]
pub(crate) struct Database {
    pub connection: Connection,
    path: std::path::PathBuf,
    /// Whether a commit reaches the disk only at the next checkpoint, which is so with a WAL unless asked otherwise.
    deferred_flush: bool,
}

impl Database {
    /// Opens or makes `store.db`. A store of a newer version is left exactly as it is.
    pub fn open(path: &Path) -> Result<Database> {
        let fault = |error: &rusqlite::Error| StoreError::database(path, error);
        let connection = Connection::open(path).map_err(|error| fault(&error))?;
        connection.busy_timeout(PATIENCE).map_err(|error| fault(&error))?;
        check_version(&connection, path)?;
        let network = filesystem::is_network(path.parent().unwrap_or(path));
        let deferred_flush = set_journal(&connection, network).map_err(|error| fault(&error))?;
        connection.pragma_update(None, "foreign_keys", true).map_err(|error| fault(&error))?;
        let database = Database { connection, path: path.to_owned(), deferred_flush };
        database.migrate()?;
        Ok(database)
    }

    pub fn journal_mode(&self) -> &'static str {
        if self.deferred_flush { WAL } else { ROLLBACK }
    }

    fn migrate(&self) -> Result<()> {
        if version(&self.connection).map_err(|error| self.fault(&error))? == STORE_VERSION {
            return Ok(());
        }
        self.write(|transaction| {
            // Another process may have been quicker between the look and the lock.
            if version(transaction)? == 0 {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", STORE_VERSION)?;
            }
            Ok(())
        })
    }

    /// One transaction, holding the write lock from its start: a reader that became a writer could be refused.
    pub fn write<T>(&self, body: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        let run = || {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let value = body(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|error| self.fault(&error))
    }

    /// As [`Database::write`], and on the disk when it returns: for what must outlast a power cut.
    pub fn write_durably<T>(&self, body: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        if !self.deferred_flush {
            return self.write(body);
        }
        self.set_synchronous("FULL")?;
        let result = self.write(body);
        self.set_synchronous("NORMAL")?;
        result
    }

    pub fn read<T>(&self, body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        body(&self.connection).map_err(|error| self.fault(&error))
    }

    fn set_synchronous(&self, mode: &str) -> Result<()> {
        self.connection.pragma_update(None, "synchronous", mode).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::database(&self.path, error)
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn check_version(connection: &Connection, path: &Path) -> Result<()> {
    let found = version(connection).map_err(|error| StoreError::database(path, &error))?;
    if found > STORE_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, supported: STORE_VERSION });
    }
    Ok(())
}

/// A WAL where it works: readers never wait, and a commit costs no flush. A rollback journal on network file systems,
/// or where SQLite declines the WAL. Says whether it is a WAL.
fn set_journal(connection: &Connection, network: bool) -> rusqlite::Result<bool> {
    let present: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let wanted = if network { ROLLBACK } else { WAL };
    let mode = if present == wanted {
        present
    } else {
        connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0))?
    };
    let wal = mode == WAL;
    connection.pragma_update(None, "synchronous", if wal { "NORMAL" } else { "FULL" })?;
    Ok(wal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_gets_a_rollback_journal() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("a.db")).unwrap();
        assert!(set_journal(&connection, false).unwrap());
        assert!(!set_journal(&connection, true).unwrap(), "also when it had a WAL before");
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "truncate");
        connection.execute_batch("CREATE TABLE t (a) STRICT").unwrap_err();
        connection.execute_batch("CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (1)").unwrap();
    }

    #[test]
    fn a_newer_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        drop(Database::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", STORE_VERSION + 1).unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        let error = Database::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, .. }));
        assert_eq!(error.diagnostic().code, kale_model::Code::NewerStore);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
