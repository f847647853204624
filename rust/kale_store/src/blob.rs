//! Content-addressed objects.
//!
//! A blob's name is the blake3 digest of its bytes. It is written to a temporary file beside the place where it will
//! live, flushed to the disk, and renamed into place, and then the folder itself is flushed: there is never a moment
//! at which a half-written blob has a blob's name, so no locks are needed and two writers of one blob do no harm.
//! Blobs are read-only, since steps map them.
//!
//! ```text
//! blobs/3f/3f9a...e1        64 hex digits, below their first two
//! blobs/.writing-Xk29       left over by a process that died; swept when the store is opened a day later
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};

const TEMPORARY: &str = ".writing-";
/// Large enough that the system calls do not count, small enough to stay in the processor's cache.
const CHUNK: usize = 256 * 1024;
/// From this size on, work on a file is shared between processors.
pub(crate) const LARGE: u64 = 8 << 20;
/// What several processors hash at one time.
pub(crate) const LARGE_CHUNK: usize = 4 << 20;

/// The blake3 digest of a blob, as 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(blake3::hash(bytes).to_hex().to_string())
    }

    /// The digest of a file's content, read in pieces.
    pub fn of_file(path: &Path) -> io::Result<Digest> {
        copy_hashing(&mut File::open(path)?, &mut io::sink())
    }

    /// The digest of what comes in pieces.
    pub fn hasher() -> Hashing {
        Hashing(blake3::Hasher::new())
    }

    pub(crate) fn of_hasher(hasher: &blake3::Hasher) -> Digest {
        Digest(hasher.finalize().to_hex().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Digest, String> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid { Ok(Digest(text)) } else { Err(format!("`{text}` is no digest")) }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

/// A digest in the making.
#[derive(Debug)]
pub struct Hashing(blake3::Hasher);

impl Hashing {
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Whether it came to what was expected.
    pub fn expect(&self, expected: &Digest) -> Result<()> {
        let found = Digest::of_hasher(&self.0);
        let reason = || format!("its content has the digest {found}");
        if found == *expected { Ok(()) } else { Err(bad_blob(expected, &reason())) }
    }
}

/// The folder `blobs/`. Cheap to clone, and free of the database, so that a thread can hash while another publishes.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    pub(crate) fn new(folder: PathBuf) -> Blobs {
        Blobs { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the blob is (or would be).
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(&digest.0[..2]).join(&digest.0)
    }

    /// Whether it is there. Whoever asks may be about to name it, so from now on the garbage collector (`gc.rs`) takes it
    /// for new; where the store cannot be written, nothing is collected either.
    pub fn contains(&self, digest: &Digest) -> bool {
        let Ok(blob) = File::open(self.path(digest)) else { return false };
        let _ = blob.set_modified(SystemTime::now());
        true
    }

    /// Every blob with its size.
    pub(crate) fn sizes(&self) -> BTreeMap<Digest, u64> {
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
        let blob = |file: fs::DirEntry| {
            let digest = Digest::try_from(file.file_name().into_string().ok()?).ok()?;
            Some((digest, file.metadata().ok()?.len()))
        };
        files.filter_map(blob).collect()
    }

    /// Removes a blob that nobody has written or found for `grace`. It is moved aside first: see `gc.rs`.
    pub(crate) fn remove_if_idle(&self, digest: &Digest, grace: Duration) -> bool {
        let path = self.path(digest);
        let aside = self.folder.join(format!("{TEMPORARY}{digest}"));
        if !is_idle(&path, grace) || fs::rename(&path, &aside).is_err() {
            return false;
        }
        if is_idle(&aside, grace) {
            return fs::remove_file(&aside).is_ok();
        }
        let _ = fs::rename(&aside, &path);
        false
    }

    /// Whether what lies there is what the name says. Asked by those who have the right content at hand: a blob that the
    /// disk has spoilt would otherwise stay, and making its value anew would not help.
    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.contains(digest) && Digest::of_file(&self.path(digest)).is_ok_and(|found| found == *digest)
    }

    /// Removes a blob that is not what its name says, so that whoever needs its value makes it anew; says whether it was
    /// one.
    pub fn discard_if_damaged(&self, digest: &Digest) -> bool {
        let path = self.path(digest);
        let is_damaged = Digest::of_file(&path).is_ok_and(|found| found != *digest);
        is_damaged && fs::remove_file(&path).is_ok()
    }

    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if self.holds(&digest) {
            return Ok(digest);
        }
        let fault = |error: &io::Error| StoreError::writing(&self.folder, error);
        let mut temporary = new_temporary(&self.folder).map_err(|error| fault(&error))?;
        temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all()).map_err(|error| fault(&error))?;
        self.place(&digest, |target| temporary.persist(target).map(drop).map_err(|error| error.error))?;
        Ok(digest)
    }

    /// Copies a file in, in pieces.
    pub fn copy_in(&self, path: &Path) -> Result<Digest> {
        let mut source = File::open(path).map_err(|error| StoreError::reading(path, &error))?;
        let fault = |error: &io::Error| StoreError::writing(&self.folder, error);
        let mut temporary = new_temporary(&self.folder).map_err(|error| fault(&error))?;
        let digest = copy_hashing(&mut source, temporary.as_file_mut()).map_err(|error| fault(&error))?;
        if self.holds(&digest) {
            return Ok(digest);
        }
        temporary.as_file().sync_all().map_err(|error| fault(&error))?;
        self.place(&digest, |target| temporary.persist(target).map(drop).map_err(|error| error.error))?;
        Ok(digest)
    }

    /// A file on the same disk, for what may become a blob ([`Blobs::adopt`]).
    pub fn scratch(&self) -> Result<tempfile::NamedTempFile> {
        new_temporary(&self.folder).map_err(|error| StoreError::writing(&self.folder, &error))
    }

    /// Begins a blob whose content comes in pieces from elsewhere.
    pub fn receive(&self) -> Result<Incoming> {
        let temporary = self.scratch()?;
        Ok(Incoming { blobs: self.clone(), temporary, hashing: Digest::hasher() })
    }

    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        fs::read(self.path(digest)).map_err(|error| bad_blob(digest, &error.to_string()))
    }

    /// As [`Blobs::read`], for bytes that must be the right ones.
    pub fn read_verified(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = self.read(digest)?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(bad_blob(digest, "its content has changed")) }
    }

    /// Puts a blob's content at `target`, over what is there, by a rename: a reader sees the old file or the new one.
    pub fn copy_out(&self, digest: &Digest, target: &Path) -> Result<()> {
        let fault = |error: &io::Error| StoreError::writing(target, error);
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| fault(&error))?;
        let mut source = File::open(self.path(digest)).map_err(|error| bad_blob(digest, &error.to_string()))?;
        let mut temporary = new_temporary(folder).map_err(|error| fault(&error))?;
        let found = copy_hashing(&mut source, temporary.as_file_mut()).map_err(|error| fault(&error))?;
        if found != *digest {
            return Err(bad_blob(digest, "its content has changed"));
        }
        let mode = fs::metadata(target).map_or(0o644, |old| old.permissions().mode() & 0o777);
        let permissions = fs::Permissions::from_mode(mode);
        temporary.as_file().set_permissions(permissions).map_err(|error| fault(&error))?;
        temporary.persist(target).map_err(|error| fault(&error.error))?;
        Ok(())
    }

    /// Renames flushed content into place and flushes the folder that names it.
    pub(crate) fn place(&self, digest: &Digest, rename: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
        let target = self.path(digest);
        let folder = target.parent().expect("a blob lies in a folder");
        make_folder(folder)
            .and_then(|()| rename(&target))
            .and_then(|()| fs::set_permissions(&target, fs::Permissions::from_mode(0o444)))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| StoreError::writing(folder, &error))
    }

    /// Removes temporary files that no living writer can still be busy with.
    pub(crate) fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let left_over = |entry: &fs::DirEntry| {
            let old = |entry: &fs::DirEntry| {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > Duration::from_secs(86_400)))
            };
            entry.file_name().to_string_lossy().starts_with(TEMPORARY) && old(entry)
        };
        for entry in entries.flatten().filter(left_over) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A blob on its way in: nothing until [`Incoming::finish`] has found that it is what it should be.
#[derive(Debug)]
pub struct Incoming {
    blobs: Blobs,
    temporary: tempfile::NamedTempFile,
    hashing: Hashing,
}

impl Incoming {
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.hashing.update(piece);
        self.temporary.write_all(piece).map_err(|error| StoreError::writing(&self.blobs.folder, &error))
    }

    /// Gives the blob its name, if its content is that of the name.
    pub fn finish(self, expected: &Digest) -> Result<()> {
        self.hashing.expect(expected)?;
        let Incoming { blobs, temporary, .. } = self;
        temporary.as_file().sync_all().map_err(|error| StoreError::writing(&blobs.folder, &error))?;
        blobs.place(expected, |target| temporary.persist(target).map(drop).map_err(|error| error.error))
    }
}

fn is_idle(path: &Path, grace: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= grace))
}

fn bad_blob(digest: &Digest, reason: &str) -> StoreError {
    StoreError::BadBlob { digest: digest.to_string(), reason: reason.to_owned() }
}

fn new_temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)
}

/// Makes `blobs/3f`, durably: a folder that a power cut undoes takes its blobs with it.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => File::open(folder.parent().unwrap_or(folder))?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn copy_hashing(source: &mut File, target: &mut dyn Write) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    read_hashing(source, &mut hasher, |piece| target.write_all(piece))?;
    Ok(Digest::of_hasher(&hasher))
}

/// Reads to the end of a file; each piece is passed on, and hashed.
pub(crate) fn read_hashing(
    source: &mut File,
    hasher: &mut blake3::Hasher,
    mut pass_on: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let large = is_large(source);
    let mut chunk = vec![0; if large { LARGE_CHUNK } else { CHUNK }];
    loop {
        let length = match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        pass_on(&chunk[..length])?;
        if large {
            hasher.update_rayon(&chunk[..length]);
        } else {
            hasher.update(&chunk[..length]);
        }
    }
}

pub(crate) fn is_large(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() >= LARGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().to_owned());
        (folder, blobs)
    }

    #[test]
    fn equal_content_is_one_read_only_blob() {
        let (folder, blobs) = blobs();
        let digest = blobs.put(b"abc").unwrap();
        assert_eq!(blobs.put(b"abc").unwrap(), digest);
        let file = folder.path().join("file");
        fs::write(&file, b"abc").unwrap();
        assert_eq!(blobs.copy_in(&file).unwrap(), digest);
        assert!(file.exists());
        assert_eq!(blobs.adopt(&file).unwrap(), digest);
        assert!(!file.exists(), "an adopted file is gone, also when its content was there already");
        assert_eq!(blobs.read_verified(&digest).unwrap(), b"abc");
        assert_eq!(fs::metadata(blobs.path(&digest)).unwrap().permissions().mode() & 0o777, 0o444);
    }

    #[test]
    fn a_large_file_is_moved_in_and_copied_out() {
        let (folder, blobs) = blobs();
        let content: Vec<u8> = (0..LARGE as usize + 7).map(|i| (i % 251) as u8).collect();
        let file = folder.path().join("file");
        fs::write(&file, &content).unwrap();
        let digest = blobs.adopt(&file).unwrap();
        assert_eq!(digest, Digest::of(&content));
        let out = folder.path().join("new/out.bin");
        blobs.copy_out(&digest, &out).unwrap();
        assert_eq!(fs::read(&out).unwrap(), content);
        fs::write(&out, "the copy can be changed").unwrap();
        assert_eq!(blobs.read_verified(&digest).unwrap(), content);
    }

    #[test]
    fn damage_is_seen() {
        let (folder, blobs) = blobs();
        let digest = blobs.put(b"abc").unwrap();
        fs::remove_file(blobs.path(&digest)).unwrap();
        assert!(matches!(blobs.read(&digest), Err(StoreError::BadBlob { .. })));
        fs::write(blobs.path(&digest), b"abd").unwrap();
        assert!(matches!(blobs.read_verified(&digest), Err(StoreError::BadBlob { .. })));
        let target = folder.path().join("target");
        fs::write(&target, "old").unwrap();
        assert!(blobs.copy_out(&digest, &target).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "old", "a damaged blob replaces nothing");
    }

    #[test]
    fn what_is_damaged_is_made_anew() {
        let (folder, blobs) = blobs();
        let digest = blobs.put(b"abc").unwrap();
        let spoil = || {
            fs::remove_file(blobs.path(&digest)).unwrap();
            fs::write(blobs.path(&digest), b"abd").unwrap();
        };
        let file = folder.path().join("file");
        fs::write(&file, b"abc").unwrap();
        spoil();
        blobs.put(b"abc").unwrap();
        assert_eq!(blobs.read_verified(&digest).unwrap(), b"abc");
        spoil();
        blobs.copy_in(&file).unwrap();
        assert_eq!(blobs.read_verified(&digest).unwrap(), b"abc");
        spoil();
        blobs.adopt(&file).unwrap();
        assert_eq!(blobs.read_verified(&digest).unwrap(), b"abc");
        assert!(!blobs.discard_if_damaged(&digest) && blobs.contains(&digest));
        spoil();
        assert!(blobs.discard_if_damaged(&digest) && !blobs.contains(&digest));
    }

    #[test]
    fn names_are_digests() {
        assert!(Digest::try_from("../../etc/passwd".to_owned()).is_err());
        assert!(Digest::try_from("A".repeat(64)).is_err());
        assert!(Digest::try_from("a".repeat(64)).is_ok());
    }
}
