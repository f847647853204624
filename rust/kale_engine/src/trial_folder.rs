//! A copy of the notebook's folder for each trial of a notebook that writes files: beside each other in one folder, each
//! would find what the others have written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kale_model::{Pipeline, Step, Uncacheable};

use crate::folder;

/// Whether trials can meet in files.
pub(crate) fn is_needed(pipeline: &Pipeline) -> bool {
    let may_write = |kind: &Uncacheable| {
        matches!(kind, Uncacheable::UnknownFiles | Uncacheable::Database | Uncacheable::Subprocess)
    };
    let writes = |step: &Step| !step.files.writes.is_empty() || step.uncacheable.iter().any(may_write);
    pipeline.steps.iter().any(writes)
}

/// Where a trial runs. One that is gone on with has the copy that it began with.
pub(crate) fn prepare(folders: &Path, number: u64, original: &Path, store: &Path) -> io::Result<PathBuf> {
    let (copies, whole) = (folders.join(number.to_string()), folders.join(format!("{number}.whole")));
    let place = folder::place(original, &copies);
    if whole.exists() {
        return Ok(place);
    }
    if copies.exists() {
        fs::remove_dir_all(&copies)?;
    }
    folder::copy(original, &copies, store)?;
    fs::write(whole, "")?;
    Ok(place)
}

/// Once a trial is over: what it wrote is in the store.
pub(crate) fn remove(folders: &Path, number: u64) {
    // What cannot be removed goes with the sweep.
    let _ = fs::remove_file(folders.join(format!("{number}.whole")));
    let _ = fs::remove_dir_all(folders.join(number.to_string()));
}
