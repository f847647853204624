//! A copy of the notebook's folder, to run the notebook in.

use std::fs;
use std::io;
use std::path::Path;

/// What a copy may hold.
const BYTES: u64 = 256 << 20;
const ENTRIES: usize = 20_000;

/// Copies a folder without what is hidden, installed, or the store's. Links stay links. What is larger than the limits
/// is an error.
pub fn copy(from: &Path, to: &Path, store: &Path) -> io::Result<()> {
    let mut budget = Budget { bytes: BYTES, entries: ENTRIES };
    copy_into(from, to, store, &mut budget)
}

struct Budget {
    bytes: u64,
    entries: usize,
}

impl Budget {
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.bytes || self.entries == 0 {
            let limit = format!("it holds more than {} MiB or {ENTRIES} files", BYTES >> 20);
            return Err(io::Error::other(limit));
        }
        self.bytes -= bytes;
        self.entries -= 1;
        Ok(())
    }
}

fn copy_into(from: &Path, to: &Path, store: &Path, budget: &mut Budget) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if is_left_out(&path, store) {
            continue;
        }
        if kind.is_symlink() {
            let aim = fs::read_link(&path)?;
            std::os::unix::fs::symlink(from.join(aim), &target)?;
        } else if kind.is_dir() {
            copy_into(&path, &target, store, budget)?;
        } else if kind.is_file() {
            budget.take(entry.metadata()?.len())?;
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

fn is_left_out(path: &Path, store: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let name = path.file_name().unwrap_or_default();
    hidden || name == "__pycache__" || name == "node_modules" || path == store || path.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_notebook_is_copied() {
        let top = tempfile::tempdir().unwrap();
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        for path in ["data/a.csv", ".git/x", "venv/pyvenv.cfg", "store/y", "__pycache__/z"] {
            let path = from.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        std::os::unix::fs::symlink("data/a.csv", from.join("link")).unwrap();
        copy(&from, &to, &from.join("store")).unwrap();
        let mut names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["data", "link"]);
        assert_eq!(fs::read(to.join("data/a.csv")).unwrap(), b"1");
        assert_eq!(fs::read(to.join("link")).unwrap(), b"1");
    }
}
