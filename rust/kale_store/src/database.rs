//! The connection: journal mode, schema, and the version gate.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Result, StoreError};
use crate::filesystem;

/// Kept in SQLite's `user_version`: how many of [`MIGRATIONS`] the store has been through.
#[allow(clippy::cast_possible_wrap)]
pub const STORE_VERSION: i64 = MIGRATIONS.len() as i64;

const WAL: &str = "wal";
/// The journal file is emptied after each transaction, which costs less than making it anew.
const ROLLBACK: &str = "truncate";

/// How long a writer waits for another run's transaction; those take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// From an empty file to the present schema, a version at a time. What has been shipped never changes; a change of the
/// schema is one more. Times are seconds since the Unix epoch; digests are blake3 in hex; JSON is text.
const MIGRATIONS: &[&str] = &[FIRST, SNAPSHOTS, STEPS_BY_NAME, PULLED, REMOTE, SWEEPS];

/// Runs that were made elsewhere: see `pulled.rs`.
const PULLED: &str = "
CREATE TABLE pulled (
    run             TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    origin          TEXT NOT NULL,              -- the URL that it was pulled from
    time            REAL NOT NULL,
    trusted         INTEGER NOT NULL            -- whether somebody has said that its pickles may be loaded
) STRICT, WITHOUT ROWID;
";

/// What clusters call the runs that they carry out: see `remote.rs`.
const REMOTE: &str = "
CREATE TABLE remote (
    run             TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    id              TEXT NOT NULL,
    url             TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Sweeps and their trials, each of which is a run: see `sweep.rs`.
const SWEEPS: &str = "
CREATE TABLE sweeps (
    number          INTEGER PRIMARY KEY,        -- order of creation, also within one second
    id              TEXT NOT NULL UNIQUE,
    status          TEXT NOT NULL,
    created         REAL NOT NULL,
    started         REAL,                       -- of the present or last engine
    seconds         REAL NOT NULL DEFAULT 0,    -- spent by engines that have ended in order
    sweep           TEXT NOT NULL,              -- what is varied, and how
    run             TEXT NOT NULL,              -- what its runs have in common
    source          TEXT,
    notebook        TEXT NOT NULL,              -- blob
    planned         INTEGER,                    -- executions of steps
    reason          TEXT,                       -- why it ended before its time
    engine_pid      INTEGER,
    engine_started  TEXT,
    cancel          INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE trials (
    sweep           TEXT NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    number          INTEGER NOT NULL,
    run             TEXT NOT NULL,              -- it may be collected before the sweep is
    point           TEXT NOT NULL,
    place           TEXT,                       -- in the algorithm's schedule
    status          TEXT NOT NULL,
    objectives      TEXT,                       -- their values
    reason          TEXT,                       -- why it does not count
    PRIMARY KEY (sweep, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX trials_by_run ON trials (run);
";

const STEPS_BY_NAME: &str = "CREATE INDEX steps_by_name ON steps (name, run);";

/// `snapshot` is a blob: see `snapshot.rs`.
const SNAPSHOTS: &str = "
ALTER TABLE steps ADD COLUMN snapshot TEXT;
ALTER TABLE cache ADD COLUMN snapshot TEXT;
";

const FIRST: &str = "
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

    /// Opens a database that cannot be written. A WAL needs files beside it; where those cannot be made, the database is
    /// read as it was at its last checkpoint, which an engine makes when it ends.
    pub fn open_to_read(path: &Path) -> Result<Database> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let text: String = path.to_string_lossy().chars().map(escaped_in_uri).collect();
        let open = |parameters: &str| {
            let connection = Connection::open_with_flags(format!("file:{text}{parameters}"), flags)?;
            version(&connection).map(|found| (connection, found))
        };
        let opened = open("").or_else(|_| open("?immutable=1"));
        let (connection, found) = opened.map_err(|error| StoreError::database(path, &error))?;
        check_version(&connection, path)?;
        if found < STORE_VERSION {
            let reason = "it has to be brought up to date first".to_owned();
            return Err(StoreError::Unwritable { path: path.to_owned(), reason });
        }
        Ok(Database { connection, path: path.to_owned(), deferred_flush: false })
    }

    pub fn journal_mode(&self) -> &'static str {
        if self.deferred_flush { WAL } else { ROLLBACK }
    }

    fn migrate(&self) -> Result<()> {
        let before = version(&self.connection).map_err(|error| self.fault(&error))?;
        if before == STORE_VERSION {
            return Ok(());
        }
        if before > 0 {
            self.back_up(before)?;
        }
        self.write_durably(|transaction| {
            // Another process may have been quicker between the look and the lock.
            let done = usize::try_from(version(transaction)?).unwrap_or_default();
            for migration in MIGRATIONS.iter().skip(done) {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "user_version", STORE_VERSION)
        })
    }

    /// The database as the older version knows it stays beside the new one: whoever goes back to that version puts it
    /// in place. Runs recorded since are missing there; no blob is.
    fn back_up(&self, version: i64) -> Result<()> {
        let copy = self.path.with_file_name(backup_name(version));
        if copy.exists() {
            return Ok(());
        }
        let part = copy.with_extension(format!("{}.part", std::process::id()));
        self.read(|connection| connection.execute("VACUUM INTO ?1", [part.to_string_lossy()]).map(drop))?;
        std::fs::rename(&part, &copy).map_err(|error| StoreError::writing(&copy, &error))
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

    pub fn write_as<T>(&self, durable: bool, body: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        if durable { self.write_durably(body) } else { self.write(body) }
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

/// `store-v1.db`: the database before it was brought to a later version than 1.
pub fn backup_name(version: i64) -> String {
    format!("store-v{version}.db")
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// What has a meaning in a URI stands for itself.
fn escaped_in_uri(c: char) -> String {
    match c {
        '%' | '?' | '#' => format!("%{:02x}", u32::from(c)),
        other => other.to_string(),
    }
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
        patiently(|| connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0)))?
    };
    let wal = mode == WAL;
    connection.pragma_update(None, "synchronous", if wal { "NORMAL" } else { "FULL" })?;
    Ok(wal)
}

/// SQLite itself does not wait where a reader is to become the writer, as when several processes open a new store.
fn patiently<T>(change: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match change() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
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
    fn many_make_one_store_at_the_same_moment() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store.db");
            let gate = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                let open = || {
                    gate.wait();
                    Database::open(&path).map(drop)
                };
                let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                openers.into_iter().for_each(|opener| opener.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn an_older_store_is_brought_up_to_date_and_kept_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(FIRST).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch("INSERT INTO cache VALUES ('f', 'o', 1.0, 'r', 's', '{}')").unwrap();
        drop(old);
        let migrated = Database::open(&path).unwrap();
        let row = |connection: &Connection| -> rusqlite::Result<(String, Option<String>)> {
            connection.query_row("SELECT run, snapshot FROM cache", [], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        assert_eq!(row(&migrated.connection).unwrap(), ("r".to_owned(), None));
        let made = Database::open(&folder.path().join("new.db")).unwrap();
        let schema = |connection: &Connection| -> Vec<String> {
            let sql = "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1";
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        assert_eq!(schema(&migrated.connection), schema(&made.connection));
        drop(migrated);
        // The way back: the copy takes its place, and an older kale_rs finds what it left.
        let backup = Connection::open(folder.path().join(backup_name(1))).unwrap();
        assert_eq!(version(&backup).unwrap(), 1);
        assert!(row(&backup).is_err(), "the old schema");
        assert_eq!(backup.query_row("SELECT run FROM cache", [], |row| row.get::<_, String>(0)).unwrap(), "r");
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
        assert!(matches!(error, StoreError::Newer { found, .. } if found == STORE_VERSION + 1));
        assert_eq!(error.diagnostic().code, kale_model::Code::NewerStore);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
