//! Results that may stand for running a step again.

use kale_model::RunId;
use rusqlite::{Connection, params};

use crate::blob::Digest;
use crate::error::Result;
use crate::record::{CachedResult, StepResult};
use crate::run::read_digest;
use crate::{Store, now};

impl Store {
    /// Results of steps with this fingerprint, newest first. Several, since a step may have read files that only the
    /// run revealed: the caller picks the one whose observations still hold.
    pub fn cached_results(&self, fingerprint: &Digest) -> Result<Vec<CachedResult>> {
        let rows: Vec<(String, String, String, Option<Digest>)> = self.database.read(|connection| {
            let sql =
                "SELECT run, step, result, snapshot FROM cache WHERE fingerprint = ?1 ORDER BY created DESC, observed";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![fingerprint.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, read_digest(row, 3)?))
            })?;
            rows.collect()
        })?;
        // A result that this version cannot read is no result.
        let read = |(run, step, text, snapshot): (String, String, String, Option<Digest>)| {
            serde_json::from_str(&text).ok().map(|result| CachedResult { run: RunId(run), step, result, snapshot })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Gives a step that uses a stored result the snapshot that belongs to that.
    pub fn share_snapshot(&self, run: &RunId, position: usize, of: &CachedResult) -> Result<()> {
        let Some(digest) = &of.snapshot else { return Ok(()) };
        self.database.write(|transaction| {
            let sql = "UPDATE steps SET snapshot = ?3 WHERE run = ?1 AND position = ?2";
            transaction.execute(sql, params![run.0, position, digest.as_str()]).map(drop)
        })
    }

    /// Whether every blob of the result is there.
    pub fn is_complete(&self, result: &StepResult) -> bool {
        result.blobs().all(|digest| self.blobs.contains(&digest))
    }
}

pub(crate) fn keep(
    connection: &Connection,
    fingerprint: &str,
    run: &RunId,
    step: &str,
    result: &StepResult,
) -> rusqlite::Result<()> {
    let observed = serde_json::to_string(&result.observed).expect("plain data");
    let text = serde_json::to_string(result).expect("plain data");
    let sql = "INSERT OR REPLACE INTO cache (fingerprint, observed, created, run, step, result)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let observed = Digest::of(observed.as_bytes());
    let values = params![fingerprint, observed.as_str(), now(), run.0, step, text];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}
