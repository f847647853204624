//! What steps of the same name came to in earlier runs.

use std::path::PathBuf;

use kale_model::RunId;
use rusqlite::{Row, params};
use serde_json::Value;

use crate::Store;
use crate::blob::Digest;
use crate::error::Result;
use crate::record::{CachedResult, StepResult};
use crate::run::read_digest;

/// A step of another run that has a result.
#[derive(Clone, Debug)]
pub struct EarlierStep {
    pub run: RunId,
    /// The notebook of that run.
    pub source: Option<PathBuf>,
    /// What its fingerprint is the digest of.
    pub identity: Value,
    pub result: StepResult,
    pub snapshot: Option<Digest>,
}

impl EarlierStep {
    pub fn into_cached(self, step: &str) -> CachedResult {
        CachedResult { run: self.run, step: step.to_owned(), result: self.result, snapshot: self.snapshot }
    }
}

impl Store {
    /// Steps of this name in other runs, newest first, no more than `limit`. What was made elsewhere is left out: steps
    /// would load its pickles.
    pub fn earlier_steps(&self, name: &str, but_not: &RunId, limit: usize) -> Result<Vec<EarlierStep>> {
        let rows = self.database.read(|connection| {
            let sql = "SELECT run, (SELECT source FROM runs WHERE id = run), identity, result, snapshot FROM steps
                       WHERE name = ?1 AND run <> ?2 AND status IN ('succeeded', 'cached') AND result IS NOT NULL
                             AND run NOT IN (SELECT run FROM pulled)
                       ORDER BY run DESC LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![name, but_not.0, limit], read)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        // What this version cannot read is of no use to it.
        Ok(rows.into_iter().flatten().collect())
    }
}

fn read(row: &Row) -> rusqlite::Result<Option<EarlierStep>> {
    let (identity, result): (Option<String>, String) = (row.get(2)?, row.get(3)?);
    let parsed = (serde_json::from_str(&identity.unwrap_or_default()), serde_json::from_str(&result));
    let (Ok(identity), Ok(result)) = parsed else { return Ok(None) };
    Ok(Some(EarlierStep {
        run: RunId(row.get(0)?),
        source: row.get::<_, Option<String>>(1)?.map(PathBuf::from),
        identity,
        result,
        snapshot: read_digest(row, 4)?,
    }))
}
