//! What a step left in its namespace besides what it shipped: what the time machine is made of.
//!
//! The document is a blob that names other blobs; `steps` and `cache` name the document. It comes after the step's
//! result, and a step that has none (its engine was killed in between, it was too large) is as good as any other: only
//! [`crate::StepSnapshot::lost`] is longer then.

use kale_model::RunId;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::blob::Digest;
use crate::error::Result;

/// Variables that a step bound or changed, as they were when it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepSnapshot {
    pub groups: Vec<SnapshotGroup>,
    pub unbound: Vec<Unbound>,
    pub lost: Vec<Lost>,
}

/// Variables that were pickled together, since they may share objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotGroup {
    /// None for the state of a generator.
    pub names: Vec<String>,
    /// `value`, `callable` or `rng:NAME`, as in the step's program.
    pub kind: String,
    /// The last cell that bound or changed one of them.
    pub cell: usize,
    pub content: Digest,
}

/// A variable that the step deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbound {
    pub name: String,
    pub cell: usize,
}

/// A variable that could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub name: String,
    pub cell: usize,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub reason: String,
}

impl Store {
    /// Adds a snapshot to a step that has succeeded, and to the result that other runs may use.
    pub fn add_snapshot(&self, run: &RunId, position: usize, name: &str, snapshot: &StepSnapshot) -> Result<()> {
        let digest = self.blobs.put(&serde_json::to_vec(snapshot).expect("plain data"))?;
        self.database.write(|transaction| {
            let sql = "UPDATE steps SET snapshot = ?3 WHERE run = ?1 AND position = ?2";
            transaction.execute(sql, params![run.0, position, digest.as_str()])?;
            let sql = "UPDATE cache SET snapshot = ?3 WHERE run = ?1 AND step = ?2";
            transaction.execute(sql, params![run.0, name, digest.as_str()]).map(drop)
        })
    }

    /// `None`: the step has none.
    pub fn snapshot(&self, run: &RunId, position: usize) -> Result<Option<StepSnapshot>> {
        let Some(digest) = self.snapshot_digest(run, position)? else { return Ok(None) };
        Ok(serde_json::from_slice(&self.blobs.read(&digest)?).ok())
    }

    pub(crate) fn snapshot_digest(&self, run: &RunId, position: usize) -> Result<Option<Digest>> {
        let digest = self.database.read(|connection| {
            let sql = "SELECT snapshot FROM steps WHERE run = ?1 AND position = ?2";
            let read = |row: &rusqlite::Row| crate::run::read_digest(row, 0);
            connection.query_row(sql, params![run.0, position], read).optional()
        })?;
        Ok(digest.flatten())
    }
}
