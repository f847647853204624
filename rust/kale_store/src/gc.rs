//! Garbage collection: which runs go by policy, and then which blobs, environments and bundles nobody names any more.
//!
//! A run that stays keeps every blob that it names, snapshots included, and so do results that may still be used again.
//! Engines may be at work meanwhile. They write blobs before they record who names them, and find blobs that are there
//! already; so a blob that was written or found lately is left alone. *Found* means touched ([`crate::Blobs::contains`]),
//! and the collector looks at the time once more after it has moved a blob aside: whoever looks for the blob in between
//! either touched it before, and it is moved back, or does not find it, and writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use kale_model::{RunId, RunStatus};
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::blob::Digest;
use crate::environments::EnvironmentPlace;
use crate::error::Result;
use crate::pulled::Pulled;
use crate::record::StepResult;
use crate::snapshot::StepSnapshot;

const DAY: f64 = 86_400.0;

/// Which finished runs may go. Without a limit none does, and only what no run names is collected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Policy {
    /// Runs younger than this stay.
    #[serde(default)]
    pub keep_days: Option<f64>,
    /// Of each notebook and metric, so many runs with the highest values and so many with the lowest stay.
    #[serde(default)]
    pub keep_best: usize,
    /// The oldest runs go until the values that the others name take no more than this.
    #[serde(default)]
    pub max_bytes: Option<u64>,
    /// Say what would go, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Collected {
    pub runs: Vec<RunId>,
    pub blobs: usize,
    /// Environments of isolated runs.
    pub environments: usize,
    /// Bundles of models.
    pub bundles: usize,
    pub bytes: u64,
    /// What is left.
    pub kept_runs: usize,
    pub kept_bytes: u64,
    /// Values that no run names, and that were written or found too lately to go.
    pub young: usize,
    pub dry_run: bool,
}

/// What the policy has to know of a run.
struct Candidate {
    id: RunId,
    source: Option<String>,
    created: f64,
    going_on: bool,
    metrics: BTreeMap<String, f64>,
    blobs: BTreeSet<Digest>,
    environment: Option<EnvironmentPlace>,
}

impl Store {
    /// `grace` is the age from which a blob that nobody names is garbage.
    pub fn collect_garbage(&self, policy: &Policy, grace: Duration, now: f64) -> Result<Collected> {
        let candidates = self.candidates()?;
        let sizes = self.blobs.sizes();
        let going: Vec<&Candidate> = chosen(policy, &candidates, &sizes, now);
        let gone: BTreeSet<&RunId> = going.iter().map(|run| &run.id).collect();
        let staying = || candidates.iter().filter(|run| !gone.contains(&run.id));
        if !policy.dry_run {
            self.delete_runs(&gone)?;
            self.delete_empty_sweeps()?;
        }
        let mut live: BTreeSet<Digest> = staying().flat_map(|run| run.blobs.iter().cloned()).collect();
        live.extend(self.sweep_notebooks()?);
        live.extend(self.prune_cache(&gone, &live, policy.dry_run)?);
        let mut collected = Collected {
            runs: gone.iter().map(|run| (*run).clone()).collect(),
            kept_runs: staying().count(),
            dry_run: policy.dry_run,
            ..Collected::default()
        };
        for (digest, size) in &sizes {
            let unnamed = !live.contains(digest);
            if unnamed && (policy.dry_run || self.blobs.remove_if_idle(digest, grace)) {
                collected.blobs += 1;
                collected.bytes += size;
            } else {
                collected.kept_bytes += size;
                collected.young += usize::from(unnamed);
            }
        }
        let named: BTreeSet<&PathBuf> = staying().filter_map(|run| Some(&run.environment.as_ref()?.folder)).collect();
        self.collect_environments(policy, &named, now, &mut collected);
        let kept: BTreeSet<&RunId> = staying().map(|run| &run.id).collect();
        self.collect_bundles(policy, &kept, (grace, now), &mut collected);
        Ok(collected)
    }

    /// Those that no run names, that nobody has used for as long as runs are kept, or that were never finished. Any of
    /// them can be made again from its run.
    fn collect_environments(&self, policy: &Policy, named: &BTreeSet<&PathBuf>, now: f64, collected: &mut Collected) {
        for place in self.environments() {
            let used = place.last_used().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let is_old = |days: f64| used.is_some_and(|used| now - used.as_secs_f64() > days * DAY);
            let garbage = used.is_none() || !named.contains(&place.folder) || policy.keep_days.is_some_and(is_old);
            let bytes = place.bytes();
            if garbage && (policy.dry_run || place.remove_if_idle()) {
                collected.environments += 1;
                collected.bytes += bytes;
            } else {
                collected.kept_bytes += bytes;
            }
        }
    }

    /// Those of runs that are gone, and those that nobody has used for as long as runs are kept, unless their run is.
    /// What was packed in a notebook is nowhere else, and goes by its age only. What a server has stays.
    fn collect_bundles(
        &self,
        policy: &Policy,
        kept: &BTreeSet<&RunId>,
        (grace, now): (Duration, f64),
        collected: &mut Collected,
    ) {
        for place in self.bundles() {
            let used = place.last_used.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            let is_old = policy.keep_days.is_some_and(|days| now - used > days * DAY);
            let garbage = match &place.run {
                _ if now - used <= grace.as_secs_f64() => false,
                _ if !place.is_finished => now - used > DAY,
                Some(run) => !kept.contains(run),
                None => is_old,
            };
            let bytes = place.bytes();
            if garbage && if policy.dry_run { place.is_idle() } else { place.remove_if_idle() } {
                collected.bundles += 1;
                collected.bytes += bytes;
            } else {
                collected.kept_bytes += bytes;
            }
        }
    }

    /// Whether an engine is at work on this store.
    pub fn is_at_work(&self) -> Result<bool> {
        let statuses = self.run_ids()?.iter().map(|run| self.run_status(run)).collect::<Result<Vec<_>>>()?;
        Ok(statuses.iter().any(|status| matches!(status, RunStatus::Pending | RunStatus::Running)))
    }

    fn candidates(&self) -> Result<Vec<Candidate>> {
        let (ids, pulled) = (self.run_ids()?, self.pulled_runs()?);
        ids.into_iter().map(|id| self.candidate(pulled.get(&id), id)).collect()
    }

    /// What was made elsewhere is as old as it has been here: it was pulled because it is still of use.
    fn candidate(&self, pulled: Option<&Pulled>, id: RunId) -> Result<Candidate> {
        let view = self.run_view(&id)?;
        let number = |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_f64()?));
        let (created, notebook) = self.database.read(|connection| {
            let sql = "SELECT created, notebook FROM runs WHERE id = ?1";
            connection.query_row(sql, params![id.0], |row| Ok((row.get(0)?, crate::run::read_digest(row, 1)?)))
        })?;
        let mut blobs: BTreeSet<Digest> = notebook.into_iter().collect();
        for step in self.steps(&id)? {
            blobs.extend(step.result.iter().flat_map(StepResult::blobs));
            blobs.extend(self.snapshot_blobs(&self.snapshot_digest(&id, step.position)?));
        }
        Ok(Candidate {
            source: view.source.clone(),
            created: pulled.map_or(created, |pulled| pulled.time),
            // One that lost its engine goes on where a cluster has it, or may have it.
            going_on: matches!(view.status, RunStatus::Pending | RunStatus::Running)
                || (view.status == RunStatus::Interrupted && view.context.is_some())
                || self.is_of_open_sweep(&view)?,
            metrics: view.metrics.iter().filter_map(number).collect(),
            environment: self.run(&id)?.options.environment_key().map(|key| self.environment(&key)),
            blobs,
            id,
        })
    }

    /// The document of a snapshot, and all that it names.
    fn snapshot_blobs(&self, document: &Option<Digest>) -> Vec<Digest> {
        let Some(digest) = document else { return vec![] };
        let text = self.blobs.read(digest).unwrap_or_default();
        let snapshot: StepSnapshot = serde_json::from_slice(&text).unwrap_or_default();
        snapshot.groups.into_iter().map(|group| group.content).chain([digest.clone()]).collect()
    }

    /// Rows first: a run without files is gone, files without a run are garbage. A run that has been taken up again
    /// since it was looked at stays.
    fn delete_runs(&self, gone: &BTreeSet<&RunId>) -> Result<()> {
        for run in gone {
            if matches!(self.run_status(run)?, RunStatus::Pending | RunStatus::Running) {
                continue;
            }
            self.database.write(|transaction| {
                transaction.execute("DELETE FROM runs WHERE id = ?1 AND status <> 'running'", params![run.0]).map(drop)
            })?;
            let _ = fs::remove_dir_all(self.run_directory(run));
        }
        Ok(())
    }

    /// A result of a run that is gone may still be used if other runs keep all its blobs. Gives what the results name
    /// that stay.
    fn prune_cache(&self, gone: &BTreeSet<&RunId>, live: &BTreeSet<Digest>, dry_run: bool) -> Result<BTreeSet<Digest>> {
        type Row = (String, String, RunId, String, Option<Digest>);
        let rows: Vec<Row> = self.database.read(|connection| {
            let sql = "SELECT fingerprint, observed, run, result, snapshot FROM cache";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, RunId(row.get(2)?), row.get(3)?, crate::run::read_digest(row, 4)?))
            })?;
            rows.collect()
        })?;
        let mut kept = BTreeSet::new();
        for (fingerprint, observed, run, text, snapshot) in rows {
            let result: StepResult = serde_json::from_str(&text).unwrap_or_default();
            let blobs: Vec<Digest> = result.blobs().chain(self.snapshot_blobs(&snapshot)).collect();
            if !gone.contains(&run) || blobs.iter().all(|digest| live.contains(digest)) {
                kept.extend(blobs);
            } else if !dry_run {
                self.database.write(|transaction| {
                    let sql = "DELETE FROM cache WHERE fingerprint = ?1 AND observed = ?2 AND run = ?3";
                    transaction.execute(sql, params![fingerprint, observed, run.0]).map(drop)
                })?;
            }
        }
        Ok(kept)
    }
}

/// Newest first, as the runs are: the oldest go first where the size decides.
fn chosen<'c>(policy: &Policy, runs: &'c [Candidate], sizes: &BTreeMap<Digest, u64>, now: f64) -> Vec<&'c Candidate> {
    let best = best(policy.keep_best, runs);
    let may_go = |run: &&Candidate| !run.going_on && !best.contains(&run.id);
    let old = |run: &&Candidate| policy.keep_days.is_some_and(|days| now - run.created > days * DAY);
    let mut going: Vec<&Candidate> = runs.iter().filter(may_go).filter(old).collect();
    let Some(limit) = policy.max_bytes else { return going };
    let young = |run: &&Candidate| policy.keep_days.is_some_and(|days| now - run.created <= days * DAY);
    let mut oldest_first = runs.iter().rev().filter(may_go).filter(|run| !young(run) && !old(run));
    while kept_bytes(runs, &going, sizes) > limit {
        let Some(next) = oldest_first.next() else { break };
        going.push(next);
    }
    going
}

fn kept_bytes(runs: &[Candidate], going: &[&Candidate], sizes: &BTreeMap<Digest, u64>) -> u64 {
    let gone: BTreeSet<&RunId> = going.iter().map(|run| &run.id).collect();
    let named: BTreeSet<&Digest> =
        runs.iter().filter(|run| !gone.contains(&run.id)).flat_map(|run| &run.blobs).collect();
    named.into_iter().filter_map(|digest| sizes.get(digest)).sum()
}

fn best(number: usize, runs: &[Candidate]) -> BTreeSet<RunId> {
    type Series<'r> = (Option<&'r str>, &'r str);
    let mut by_metric: BTreeMap<Series, Vec<(f64, &RunId)>> = BTreeMap::new();
    for run in runs {
        for (name, value) in &run.metrics {
            by_metric.entry((run.source.as_deref(), name)).or_default().push((*value, &run.id));
        }
    }
    let mut found = BTreeSet::new();
    for mut values in by_metric.into_values() {
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ends = values.iter().take(number).chain(values.iter().rev().take(number));
        found.extend(ends.map(|(_, run)| (*run).clone()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, created: f64, metric: f64, blobs: &[&str]) -> Candidate {
        Candidate {
            id: RunId(id.to_owned()),
            source: None,
            created,
            going_on: id == "running",
            metrics: BTreeMap::from([("m".to_owned(), metric)]),
            blobs: blobs.iter().map(|text| Digest::of(text.as_bytes())).collect(),
            environment: None,
        }
    }

    fn names(policy: &Policy, runs: &[Candidate]) -> Vec<String> {
        let sizes = ["a", "b", "shared"].map(|text| (Digest::of(text.as_bytes()), 100)).into();
        chosen(policy, runs, &sizes, 100.0 * DAY).into_iter().map(|run| run.id.0.clone()).collect()
    }

    #[test]
    fn the_policy_chooses() {
        let runs = [
            run("new", 99.0 * DAY, 0.5, &["a", "shared"]),
            run("running", 10.0 * DAY, 0.5, &[]),
            run("best", 20.0 * DAY, 0.9, &["shared"]),
            run("worst", 15.0 * DAY, 0.1, &[]),
            run("old", 10.0 * DAY, 0.5, &["b"]),
        ];
        assert_eq!(names(&Policy::default(), &runs), [""; 0]);
        let days = Policy { keep_days: Some(30.0), ..Policy::default() };
        assert_eq!(names(&days, &runs), ["best", "worst", "old"]);
        assert_eq!(names(&Policy { keep_best: 1, ..days.clone() }, &runs), ["old"]);
        let size = Policy { max_bytes: Some(200), ..Policy::default() };
        assert_eq!(names(&size, &runs), ["old"], "what two runs name counts once");
        let both = Policy { max_bytes: Some(0), keep_days: Some(30.0), ..Policy::default() };
        assert_eq!(names(&both, &runs), ["best", "worst", "old"], "what is young stays, however large");
    }
}
