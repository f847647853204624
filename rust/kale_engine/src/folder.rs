//! A copy of the notebook's folder, to run the notebook in.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

/// What a copy may hold.
const BYTES: u64 = 256 << 20;
const ENTRIES: usize = 20_000;

/// How many of the folders around it the copy has around itself, and how many entries of each it shows.
const AROUND: usize = 2;
const BESIDE: usize = 1_000;

/// Copies a folder to where [`place`] says, so that a cell that looks around finds there what it finds in the original,
/// and what it writes there stays in the copy. Links lead to where they led, or to the copy of it. What is installed, a
/// repository of git, what is no file, and what lies around the folder is linked: what is written to `../data` is written
/// where the notebook itself writes it. The store is an empty folder. What is larger than the limits is an error.
pub fn copy(from: &Path, to: &Path, store: &Path) -> io::Result<()> {
    let from = &from.canonicalize()?;
    let place = &place(from, to);
    let mut copying = Copying { from, to: place, store, budget: Budget { bytes: BYTES, entries: ENTRIES } };
    copying.folder(Path::new(""))?;
    for (original, shown) in from.ancestors().zip(place.ancestors()).skip(1).take_while(|(_, shown)| *shown != to) {
        show(original, shown)?;
    }
    Ok(())
}

/// Where the copy of a folder is: in folders of the same names as those around the original.
pub fn place(from: &Path, to: &Path) -> PathBuf {
    let from = from.canonicalize().unwrap_or_else(|_| from.to_owned());
    let names: Vec<_> = from.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let known = names.len().saturating_sub(AROUND + 1);
    to.join(names[known..].iter().collect::<PathBuf>())
}

/// Links to what a folder holds, but for what is there already. Of one that may not be read, or holds very much, nothing.
fn show(original: &Path, shown: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(original) else { return Ok(()) };
    let names: Vec<OsString> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).take(BESIDE + 1).collect();
    for name in names.iter().filter(|_| names.len() <= BESIDE) {
        if !shown.join(name).exists() {
            symlink(original.join(name), shown.join(name))?;
        }
    }
    Ok(())
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

struct Copying<'a> {
    from: &'a Path,
    to: &'a Path,
    store: &'a Path,
    budget: Budget,
}

impl Copying<'_> {
    /// `inner` is its path in the folder that is copied.
    fn folder(&mut self, inner: &Path) -> io::Result<()> {
        fs::create_dir_all(self.to.join(inner))?;
        for entry in fs::read_dir(self.from.join(inner))? {
            let entry = entry?;
            let inner = inner.join(entry.file_name());
            let (path, target, kind) = (entry.path(), self.to.join(&inner), entry.file_type()?);
            if entry.file_name() == "__pycache__" {
                continue;
            }
            if path == self.store {
                fs::create_dir(target)?;
            } else if kind.is_symlink() {
                symlink(self.aim(&path)?, target)?;
            } else if kind.is_file() {
                self.budget.take(entry.metadata()?.len())?;
                fs::copy(&path, &target)?;
            } else if kind.is_dir() && !is_linked(&path) {
                self.folder(&inner)?;
            } else {
                symlink(path, target)?;
            }
        }
        Ok(())
    }

    /// Where the copy of a link leads. What it names within the folder is named in the copy.
    fn aim(&self, link: &Path) -> io::Result<PathBuf> {
        let aim = fs::read_link(link)?;
        let aim = link.parent().unwrap_or(Path::new("/")).join(aim);
        let Ok(real) = aim.canonicalize() else { return Ok(aim) };
        Ok(real.strip_prefix(self.from).map_or(real.clone(), |inner| self.to.join(inner)))
    }
}

/// What is large and only read: installed packages, and the history of the folder.
fn is_linked(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    name == ".git" || name == "node_modules" || folder.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_belongs_to_the_notebook_is_copied() {
        let top = tempfile::tempdir().unwrap();
        let (from, copies) = (top.path().join("project/from"), top.path().join("to"));
        let to = place(&from, &copies);
        for path in ["data/a.csv", ".env", ".git/x", "venv/pyvenv.cfg", "store/y", "__pycache__/z"] {
            let path = from.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        fs::write(top.path().join("project/outside"), "1").unwrap();
        for (aim, link) in [("data/a.csv", "link"), ("..", "data/up"), ("../outside", "out"), ("nowhere", "broken")] {
            symlink(aim, from.join(link)).unwrap();
        }
        nix::unistd::mkfifo(&from.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        copy(&from, &copies, &from.join("store")).unwrap();
        let names = |folder: &Path| {
            let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name != "__pycache__").collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&to), names(&from), "a cell that lists the folder sees no difference");
        assert_eq!(names(&to.join("store")), BTreeSet::new());
        for path in ["data/a.csv", ".env", "link", ".git/x", "venv/pyvenv.cfg", "out", "../outside", "../from/.env"] {
            assert_eq!(fs::read(to.join(path)).unwrap(), b"1");
        }
        fs::write(to.join("link"), "2").unwrap();
        fs::write(to.join("data/up/.env"), "2").unwrap();
        assert_eq!(fs::read(from.join("data/a.csv")).unwrap(), b"1", "what is written stays in the copy");
        assert_eq!(fs::read(from.join(".env")).unwrap(), b"1");
        assert_eq!(fs::read(to.join(".env")).unwrap(), b"2");
    }
}
