//! Files from beside the notebook for a container: the modules and small inputs that its steps need.

use std::fs;
use std::path::{Path, PathBuf};

use kale_targets::{Files, Wanted};

use crate::notebook::is_beside;

/// Larger files do not fit on a step's command line; the target tells that they are missing.
const LARGEST: u64 = 1 << 20;
/// A folder of more entries is no module and no small input.
const MOST: usize = 2_000;

/// Reads what is there of `wanted`. `place_of` says where a module lies that does not lie beside the notebook.
pub fn read(wanted: &Wanted, directory: &Path, place_of: impl Fn(&str) -> Option<PathBuf>) -> Files {
    let mut files = Files::new();
    for module in &wanted.modules {
        let place = place_of(module).unwrap_or_else(|| kale_engine::module_place(directory, module));
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        add(&place, &name, &mut files);
    }
    for path in wanted.paths.iter().filter(|path| is_beside(path)) {
        add(&directory.join(path), path.trim_start_matches("./"), &mut files);
    }
    files
}

fn add(place: &Path, name: &str, files: &mut Files) {
    let Ok(metadata) = fs::metadata(place) else { return };
    if metadata.is_dir() && name.contains('/') && place.is_symlink() {
        // It may lead to where it lies itself.
        return;
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let mut inner: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        inner.retain(|inner| !inner.starts_with('.') && inner != "__pycache__");
        inner.sort();
        for inner in inner.iter().take(MOST.saturating_sub(files.len())) {
            add(&place.join(inner), &format!("{name}/{inner}"), files);
        }
    } else if metadata.len() <= LARGEST
        && let Ok(content) = fs::read(place)
    {
        files.insert(name.to_owned(), content);
    }
}
