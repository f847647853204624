//! Digests of files and folders that steps read.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kale_store::Digest;

/// What tells, without reading it, that a file is still the one that was read: size, times, place.
type Stamp = (u64, i64, i64, i64, i64, u64, u64);

/// Digests of one run, remembered while the files' stamps stay the same: a data set that ten steps read is read once.
/// Cheap to clone; shared between threads.
#[derive(Clone, Debug, Default)]
pub struct FileDigests {
    known: Arc<Mutex<HashMap<PathBuf, (Stamp, Digest)>>>,
}

impl FileDigests {
    /// The digest of what is at `path`: a file's content, or a folder's files with their names. `None` when there is
    /// nothing, which is a fact like any other: a step may look whether a file exists.
    pub fn of(&self, path: &Path) -> Option<Digest> {
        let metadata = fs::metadata(path).ok()?;
        if metadata.is_dir() {
            return self.of_folder(path).ok();
        }
        if !metadata.is_file() {
            return Some(Digest::of(b"special file"));
        }
        self.of_file(path, &metadata).ok()
    }

    fn of_file(&self, path: &Path, metadata: &Metadata) -> io::Result<Digest> {
        let stamp = stamp(metadata);
        let known = self.known.lock().expect("no thread panics with the lock").get(path).cloned();
        if let Some((_, digest)) = known.filter(|(known, _)| *known == stamp) {
            return Ok(digest);
        }
        let digest = Digest::of_file(path)?;
        let mut known = self.known.lock().expect("no thread panics with the lock");
        known.insert(path.to_owned(), (stamp, digest.clone()));
        Ok(digest)
    }

    /// Names and digests, sorted. Byte code that Python writes by itself is no content.
    fn of_folder(&self, folder: &Path) -> io::Result<Digest> {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        entries.sort();
        let mut text = Vec::new();
        for path in entries.iter().filter(|path| path.file_name().is_some_and(|name| name != "__pycache__")) {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            text.extend_from_slice(&name.len().to_le_bytes());
            text.extend_from_slice(name);
            // A broken link, or a file that vanished meanwhile, is nothing, as it would be for the reader.
            text.extend_from_slice(self.of(path).as_ref().map_or("nothing", Digest::as_str).as_bytes());
        }
        Ok(Digest::of(&text))
    }
}

/// The digest of the names in a folder: what a step that lists it, or matches a pattern there, depends on. Hidden
/// names are ours, the editor's and git's.
pub fn listing_digest(folder: &Path) -> Option<Digest> {
    let entries = fs::read_dir(folder).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| !is_hidden(name.as_encoded_bytes())).collect();
    names.sort();
    let joined: Vec<&[u8]> = names.iter().map(|name| name.as_encoded_bytes()).collect();
    Some(Digest::of(&joined.join(&0)))
}

fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") || name == b"__pycache__"
}

fn stamp(metadata: &Metadata) -> Stamp {
    (
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.dev(),
        metadata.ino(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_and_byte_code_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let digests = FileDigests::default();
        let file = folder.path().join("a.csv");
        assert_eq!(digests.of(&file), None);
        fs::write(&file, "1").unwrap();
        let (one, whole) = (digests.of(&file).unwrap(), digests.of(folder.path()).unwrap());
        assert_eq!(one, Digest::of(b"1"));
        fs::create_dir(folder.path().join("__pycache__")).unwrap();
        fs::write(folder.path().join("__pycache__/a.pyc"), "x").unwrap();
        assert_eq!(digests.of(folder.path()).unwrap(), whole);
        fs::write(&file, "2").unwrap();
        assert_ne!(digests.of(&file).unwrap(), one);
        assert_ne!(digests.of(folder.path()).unwrap(), whole);
    }
}
