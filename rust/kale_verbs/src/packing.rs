//! Files from beside the notebook for a container: the modules and small inputs that its steps need.

use std::fs;
use std::path::{Path, PathBuf};

use kale_targets::{Found, Wanted};

use crate::notebook::is_beside;

/// Larger files do not travel with a pipeline; the target tells which.
pub const LARGEST: u64 = 1 << 20;
/// More files are no modules and no small inputs.
const MOST: usize = 2_000;

/// Reads what is there of `wanted`, without files of more than `largest` bytes. `place_of` says where a module lies that
/// does not lie beside the notebook.
pub fn read(wanted: &Wanted, directory: &Path, largest: u64, place_of: impl Fn(&str) -> Option<PathBuf>) -> Found {
    let mut reader = Reader { largest, found: Found::default() };
    for module in &wanted.modules {
        let place = place_of(module).unwrap_or_else(|| kale_engine::module_place(directory, module));
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        reader.add(&place, &name);
    }
    for path in wanted.paths.iter().filter(|path| is_beside(path)) {
        reader.add(&directory.join(path), path.trim_start_matches("./"));
    }
    reader.found
}

struct Reader {
    largest: u64,
    found: Found,
}

impl Reader {
    fn add(&mut self, place: &Path, name: &str) {
        let Ok(metadata) = fs::metadata(place) else { return };
        // A link within a folder may lead to where it lies itself.
        let is_link_within = name.contains('/') && place.is_symlink();
        if metadata.is_dir() && !is_link_within {
            self.add_folder(place, name);
        } else if metadata.is_file()
            && metadata.len() <= self.largest
            && let Ok(content) = fs::read(place)
        {
            self.found.files.insert(name.to_owned(), content);
        } else {
            self.leave_out(name);
        }
    }

    fn add_folder(&mut self, place: &Path, name: &str) {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let mut inner: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        inner.retain(|inner| !inner.starts_with('.') && inner != "__pycache__");
        inner.sort();
        for inner in inner {
            let name = format!("{name}/{inner}");
            match self.found.files.len() < MOST {
                true => self.add(&place.join(inner), &name),
                false => self.leave_out(&name),
            }
        }
    }

    fn leave_out(&mut self, name: &str) {
        self.found.left_out.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("large.csv"), "12345").unwrap();
        fs::write(data.join("small.csv"), "1").unwrap();
        let wanted = Wanted { paths: ["./data".to_owned(), "gone".to_owned()].into(), ..Wanted::default() };
        let found = read(&wanted, directory.path(), 4, |_| None);
        assert!(found.files.keys().eq(["data/small.csv"]) && found.left_out.iter().eq(["data/large.csv"]));
        assert_eq!(read(&wanted, directory.path(), 5, |_| None).files.len(), 2);
    }
}
