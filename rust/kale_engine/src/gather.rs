//! Moving what a step left behind into blobs, and putting back what a reused result wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kale_model::{Caching, Pipeline, Step, StepId};
use kale_store::{Blobs, Digest, Observed, StepResult, StoreError};

use crate::arrivals::Arrivals;
use crate::digests::{FileDigests, listing_digest};
use crate::fingerprint::variable_digest;
use crate::last_words;
use crate::report::Report;
use crate::request::Scratch;

/// What one attempt left, with all that is needed to take it in: owned, so that a thread can do it.
pub struct Harvest {
    pub pipeline: Arc<Pipeline>,
    pub step: StepId,
    pub scratch: Scratch,
    pub log: PathBuf,
    pub directory: PathBuf,
    pub blobs: Blobs,
    pub files: FileDigests,
    pub report: Report,
    pub snapshot_bytes: u64,
    /// What of the outputs was taken in while they were written.
    pub arrivals: Arrivals,
    /// Whether the process is there still, and may write to its log.
    pub at_work: bool,
}

/// Why a result is not complete.
pub enum Missing {
    Store(StoreError),
    /// The process said that it succeeded, and this artifact is not there.
    Output(String),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Missing {
        Missing::Store(error)
    }
}

impl Harvest {
    /// Everything, for a step that succeeded.
    pub fn all(&self) -> Result<StepResult, Missing> {
        let mut result = self.shown()?;
        if self.has_printed() {
            let take = if self.at_work { Blobs::copy_in } else { Blobs::adopt };
            result.log = Some(take(&self.blobs, &self.log)?);
        }
        for id in &self.step().outputs {
            let key = &self.pipeline.artifact(*id).key;
            let path = self.scratch.output(key);
            if !path.is_file() {
                return Err(Missing::Output(key.clone()));
            }
            let content = match self.arrivals.take(&path) {
                Some(arriving) => self.blobs.adopt_arrived(arriving)?,
                None => self.blobs.adopt(&path)?,
            };
            result.outputs.insert(key.clone(), content);
        }
        result.files = self.files()?;
        result.metrics.clone_from(&self.report.metrics);
        result.observed = self.observed();
        Ok(result)
    }

    /// What people can look at of an attempt that did not succeed. The log stays where it is: another attempt may
    /// add to it.
    pub fn remains(&self) -> Result<StepResult, StoreError> {
        last_words::append(&self.scratch.result(), &self.log);
        let log = if self.has_printed() { Some(self.blobs.copy_in(&self.log)?) } else { None };
        Ok(StepResult { log, ..self.shown()? })
    }

    fn has_printed(&self) -> bool {
        fs::metadata(&self.log).is_ok_and(|metadata| metadata.len() > 0)
    }

    fn shown(&self) -> Result<StepResult, StoreError> {
        Ok(StepResult {
            cells: self.cells()?,
            cpu_seconds: self.report.cpu_seconds,
            peak_memory_bytes: self.report.peak_memory_bytes,
            ..StepResult::default()
        })
    }

    fn step(&self) -> &Step {
        self.pipeline.step(self.step)
    }

    /// The cells' outputs in the order of the step's cells.
    fn cells(&self) -> Result<Option<Digest>, StoreError> {
        let indices: Vec<usize> = self.step().cells.iter().map(|cell| cell.index.0).collect();
        let outputs = self.report.cell_outputs(&self.scratch.cells(), &indices);
        if outputs.iter().all(Option::is_none) {
            return Ok(None);
        }
        self.blobs.put(&serde_json::to_vec(&outputs).expect("plain data")).map(Some)
    }

    /// Files that the step was known to write, or was seen to write, and that are there. A folder stands for what is
    /// in it.
    fn written_files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let seen = self.report.writes.iter().chain(&self.report.changes);
        for path in self.step().files.writes.iter().chain(seen) {
            collect_files(&self.directory, path, &mut found);
        }
        found
    }

    /// All that a step wrote whose result may stand for it: they are part of that. Of others, for `restore --files` and
    /// `run --from`, what can be had and as much as a snapshot may hold: what a step downloads may be large.
    fn files(&self) -> Result<BTreeMap<String, Digest>, StoreError> {
        let take = |path: String| Ok((path.clone(), self.blobs.copy_in(&self.directory.join(path))?));
        if self.step().may_reuse() {
            return self.written_files().into_iter().map(take).collect();
        }
        let mut room = self.snapshot_bytes;
        let mut fits = |path: &String| {
            let size = fs::metadata(self.directory.join(path)).map_or(0, |metadata| metadata.len());
            let left = room.checked_sub(size);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let taken = self.written_files().into_iter().filter(|path| fits(path)).map(take);
        Ok(taken.filter_map(Result::<_, StoreError>::ok).collect())
    }

    /// What it was seen to read, without what is part of its fingerprint anyway, what it made itself, and secrets.
    fn observed(&self) -> Observed {
        let step = self.step();
        let own = self.written_files();
        let file = |path: &&String| !step.files.reads.contains(path) && !own.contains(*path);
        let secret = |name: &str| step.config.secrets.iter().any(|secret| secret.variable == name);
        let variable = |name: &&String| !step.environment_variables.contains(name) && !secret(name);
        let files = self.report.reads.iter().filter(file);
        let variables = self.report.variables.iter().filter(variable);
        Observed {
            files: files.map(|path| (path.clone(), self.files.of(&self.directory.join(path)))).collect(),
            listings: (self.report.listings.iter())
                .map(|path| (path.clone(), listing_digest(&self.directory.join(path))))
                .collect(),
            environment: variables.map(|name| (name.clone(), variable_digest(name))).collect(),
        }
    }
}

/// Whether a stored result can stand for running the step again, from what the step was seen to do. A tag that
/// enables caching is the user's word that it can.
pub fn is_repeatable(step: &Step, report: &Report, directory: &Path) -> bool {
    if step.config.caching == Caching::Enabled {
        return true;
    }
    // What it read and then wrote was both input and output: a counter, a log that grows.
    let updated = report.reads.iter().any(|path| report.writes.contains(path));
    // What it removed cannot be removed again, unless it had made that itself.
    let removed = |path: &String| !report.writes.contains(path) && !directory.join(path).exists();
    step.may_reuse() && !report.reached_out && !updated && !report.changes.iter().any(removed)
}

fn collect_files(directory: &Path, path: &str, found: &mut BTreeSet<String>) {
    let full = directory.join(path);
    if full.is_file() {
        found.insert(path.to_owned());
        return;
    }
    let entries = fs::read_dir(&full).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        collect_files(directory, &format!("{}/{name}", path.trim_end_matches('/')), found);
    }
}

/// Puts files back as the step left them; one that has not changed since is not touched.
pub fn put_back(
    written: &BTreeMap<String, Digest>,
    directory: &Path,
    blobs: &Blobs,
    files: &FileDigests,
) -> Result<(), StoreError> {
    for (path, digest) in written {
        let target = directory.join(path);
        if files.of(&target).as_ref() != Some(digest) {
            blobs.copy_out(digest, &target)?;
        }
    }
    Ok(())
}
