//! Outputs of a step that are hashed, and on their way to the disk, while its process still writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};

use kale_store::Arriving;
use tokio::task::spawn_blocking;

/// The large outputs of one attempt, as far as they have come. This only saves time: an output that is not here, or
/// that could not be followed, is taken in as a whole at the end.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Arc<Mutex<BTreeMap<PathBuf, Arriving>>>);

impl Arrivals {
    /// Something was written to this file.
    pub fn has_grown(&self, path: PathBuf) {
        if self.is_worth_following(&path) {
            let arrivals = self.clone();
            spawn_blocking(move || arrivals.follow(path));
        }
    }

    /// Not while that is being done already: the next piece comes soon, and the rest is taken in at the end.
    fn is_worth_following(&self, path: &Path) -> bool {
        match self.0.try_lock() {
            Ok(files) => files.get(path).map_or_else(|| Arriving::of_large(path).is_some(), Arriving::has_grown),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => false,
        }
    }

    fn follow(&self, path: PathBuf) {
        let Ok(mut files) = self.0.lock() else { return };
        let Some(mut arriving) = files.remove(&path).or_else(|| Arriving::of_large(&path)) else { return };
        if arriving.follow().is_ok() {
            files.insert(path, arriving);
        }
    }

    /// Waits for what is being done.
    pub fn take(&self, path: &Path) -> Option<Arriving> {
        self.0.lock().ok()?.remove(path)
    }
}
