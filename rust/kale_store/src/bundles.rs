//! Bundles of models, as far as `gc` looks at them: which run each is of, whether a server has it, and since when nobody
//! did. What is in a bundle is known to `kale_verbs` and to the server.
//!
//! ```text
//! bundles/churn/3f9a41c07d2e/              a bundle, complete since it has this name
//! bundles/churn/3f9a41c07d2e/bundle.json   locked, shared, by whoever serves it
//! bundles/churn/.3f9a41c07d2e.python       the interpreter that it was packed by; as old as its last use
//! bundles/.packing-x1y2z3/                 one on its way, or left behind
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kale_model::RunId;
use serde::Deserialize;

use crate::Store;
use crate::environments::size;

const FOLDER: &str = "bundles";
const ABOUT: &str = "bundle.json";

#[derive(Debug)]
pub(crate) struct BundlePlace {
    pub folder: PathBuf,
    /// `None`: it was made of no run, or not finished.
    pub run: Option<RunId>,
    pub is_finished: bool,
    pub last_used: SystemTime,
}

#[derive(Deserialize)]
struct About {
    #[serde(default)]
    origin: Origin,
}

#[derive(Default, Deserialize)]
struct Origin {
    run: Option<String>,
}

/// A file beside a bundle, of this machine: by which interpreter it was packed, and when it was last used.
pub fn bundle_note(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.python"))
}

impl Store {
    pub(crate) fn bundles(&self) -> Vec<BundlePlace> {
        let folders = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let (unfinished, names): (Vec<_>, Vec<_>) = folders(&self.root().join(FOLDER)).into_iter().partition(is_hidden);
        let finished = names.iter().flat_map(|name| folders(name));
        finished.map(BundlePlace::finished).chain(unfinished.into_iter().map(BundlePlace::unfinished)).collect()
    }
}

impl BundlePlace {
    fn finished(folder: PathBuf) -> BundlePlace {
        let about: Option<About> =
            fs::read(folder.join(ABOUT)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let run = about.and_then(|about| about.origin.run).map(RunId);
        let last_used = changed(&bundle_note(&folder)).max(changed(&folder.join(ABOUT)));
        BundlePlace { folder, run, is_finished: true, last_used }
    }

    fn unfinished(folder: PathBuf) -> BundlePlace {
        let last_used = changed(&folder);
        BundlePlace { folder, run: None, is_finished: false, last_used }
    }

    pub fn bytes(&self) -> u64 {
        size(&self.folder)
    }

    /// Whether no server has it.
    pub fn is_idle(&self) -> bool {
        self.lock().is_some()
    }

    /// Where there is nothing to lock, nobody serves it.
    fn lock(&self) -> Option<Option<File>> {
        let about = File::open(self.folder.join(ABOUT)).ok();
        let is_taken = |about: &File| matches!(about.try_lock(), Err(fs::TryLockError::WouldBlock));
        (!about.as_ref().is_some_and(is_taken)).then_some(about)
    }

    /// Removes it unless a server has it. It is moved aside first: half a bundle never has the name of one.
    pub fn remove_if_idle(&self) -> bool {
        let (Some(_lock), Some(name)) = (self.lock(), self.folder.parent()) else { return false };
        let mut gone = self.folder.clone();
        if self.is_finished {
            let version = self.folder.file_name().unwrap_or_default().to_string_lossy();
            gone = name.with_file_name(format!(".removing-{}-{version}", std::process::id()));
            if fs::rename(&self.folder, &gone).is_err() {
                return false;
            }
            let _ = fs::remove_file(bundle_note(&self.folder));
            // Where it was the last of its name.
            let _ = fs::remove_dir(name);
        }
        fs::remove_dir_all(gone).is_ok()
    }
}

fn changed(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
