//! Runs that a cluster carries out: this store has their record, and the cluster has an id of its own for each.

use kale_model::{Event, RemoteRun, RunId};
use rusqlite::{OptionalExtension, params};

use crate::blob::Digest;
use crate::error::Result;
use crate::record::StepResult;
use crate::run::json;
use crate::step::insert_metrics;
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

    /// Notes what a step has left that is recorded as done already, and tells whoever follows the run of its metrics.
    pub fn add_result(&self, run: &RunId, position: usize, result: &StepResult) -> Result<()> {
        self.database.write(|transaction| {
            let sql = "UPDATE steps SET result = ?3 WHERE run = ?1 AND position = ?2";
            transaction.execute(sql, params![run.0, position, json(result)])?;
            transaction.execute("DELETE FROM metrics WHERE run = ?1 AND position = ?2", params![run.0, position])?;
            insert_metrics(transaction, run, position, result)?;
            let sql = "SELECT name FROM steps WHERE run = ?1 AND position = ?2";
            let step: String = transaction.query_row(sql, params![run.0, position], |row| row.get(0))?;
            result.metric_events(&step).try_for_each(|event| event::append(transaction, run, &event))
        })
    }

    /// Notes that an output which was elsewhere is here now, and that it is what a file at `path` held.
    pub fn keep_output(
        &self,
        run: &RunId,
        position: usize,
        key: &str,
        content: &Digest,
        path: Option<&str>,
    ) -> Result<()> {
        self.change_result(run, position, |result| {
            result.elsewhere.remove(key);
            result.outputs.insert(key.to_owned(), content.clone());
            result.files.extend(path.map(|path| (path.to_owned(), content.clone())));
        })
    }

    /// Notes that an output which is elsewhere has more than so many bytes.
    pub fn note_length(&self, run: &RunId, position: usize, key: &str, longer_than: u64) -> Result<()> {
        self.change_result(run, position, |result| {
            if let Some(place) = result.elsewhere.get_mut(key) {
                place.longer_than = Some(longer_than);
            }
        })
    }

    fn change_result(&self, run: &RunId, position: usize, change: impl FnOnce(&mut StepResult)) -> Result<()> {
        self.database.write(|transaction| {
            let sql = "SELECT result FROM steps WHERE run = ?1 AND position = ?2";
            let text: Option<String> = transaction.query_row(sql, params![run.0, position], |row| row.get(0))?;
            let Some(mut result) = text.and_then(|text| serde_json::from_str::<StepResult>(&text).ok()) else {
                return Ok(());
            };
            change(&mut result);
            let sql = "UPDATE steps SET result = ?3 WHERE run = ?1 AND position = ?2";
            transaction.execute(sql, params![run.0, position, json(&result)]).map(drop)
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
