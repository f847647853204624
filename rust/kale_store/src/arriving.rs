//! Taking a file in while it is still being written.
//!
//! Hashing a gigabyte takes as long as writing it, and so does bringing it to the disk. Whoever follows the writer has
//! done most of both by the time the file is complete:
//!
//! ```text
//! writer   |=== copies into the page cache ===|
//! here        |=== hashes, piece by piece ======|
//! disk           |=== takes the same pieces =======|
//! ```
//!
//! This is for files that are written from their beginning to their end, as those of steps are: what has been hashed is
//! not looked at again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::blob::{Blobs, Digest, LARGE, LARGE_CHUNK, is_large, read_hashing};
use crate::error::{Result, StoreError};

/// A file of which the first bytes are hashed.
#[derive(Debug)]
pub struct Arriving {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    hashed: u64,
}

impl Arriving {
    /// Of a file that is worth following, by its size so far.
    pub fn of_large(path: &Path) -> Option<Arriving> {
        let large = fs::metadata(path).is_ok_and(|metadata| metadata.len() >= LARGE);
        if large { Arriving::of(path).ok() } else { None }
    }

    fn of(path: &Path) -> io::Result<Arriving> {
        Ok(Arriving { path: path.to_owned(), file: File::open(path)?, hasher: blake3::Hasher::new(), hashed: 0 })
    }

    /// Whether there is enough that is new for [`Arriving::follow`].
    pub fn has_grown(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() >= self.hashed + LARGE_CHUNK as u64)
    }

    /// Hashes what has been written since the last time, and has the system begin to bring it to the disk.
    pub fn follow(&mut self) -> io::Result<()> {
        let (file, hashed, large) = (self.file.try_clone()?, &mut self.hashed, is_large(&self.file));
        read_hashing(&mut self.file, &mut self.hasher, |piece| {
            if large {
                begin_to_flush(&file, *hashed, piece.len());
            }
            *hashed += piece.len() as u64;
            Ok(())
        })
    }

    /// Whether the file of this name is the one that was followed, and has lost nothing.
    fn is_still_there(&self) -> io::Result<bool> {
        let (followed, there) = (self.file.metadata()?, fs::metadata(&self.path)?);
        Ok((followed.dev(), followed.ino()) == (there.dev(), there.ino()) && there.len() >= self.hashed)
    }

    /// Hashes the rest, beside which the file goes to the disk when it is large: both take long.
    fn finish(&mut self) -> io::Result<(Digest, Option<io::Result<()>>)> {
        let flushing = if is_large(&self.file) { Some(self.file.try_clone()?) } else { None };
        std::thread::scope(|scope| {
            let flushing = flushing.map(|file| scope.spawn(move || file.sync_all()));
            let hashed = self.follow();
            let flushed = flushing.map(|thread| thread.join().expect("flushing does not panic"));
            hashed.map(|()| (Digest::of_hasher(&self.hasher), flushed))
        })
    }
}

impl Blobs {
    /// Takes a file of the store's own scratch space over: it is hashed and moved, not copied.
    pub fn adopt(&self, path: &Path) -> Result<Digest> {
        self.adopt_arrived(Arriving::of(path).map_err(|error| StoreError::reading(path, &error))?)
    }

    /// As [`Blobs::adopt`], of a file that has been followed and is complete now.
    pub fn adopt_arrived(&self, mut arriving: Arriving) -> Result<Digest> {
        let path = arriving.path.clone();
        let reading = |error: &io::Error| StoreError::reading(&path, error);
        if !arriving.is_still_there().map_err(|error| reading(&error))? {
            arriving = Arriving::of(&path).map_err(|error| reading(&error))?;
        }
        let (digest, flushed) = arriving.finish().map_err(|error| reading(&error))?;
        if self.holds(&digest) {
            let _ = fs::remove_file(&path);
            return Ok(digest);
        }
        let flushed = flushed.unwrap_or_else(|| arriving.file.sync_all());
        flushed.map_err(|error| StoreError::writing(&path, &error))?;
        self.place(&digest, |target| fs::rename(&path, target))?;
        Ok(digest)
    }
}

/// A hint: what is on its way already need not be waited for later.
#[cfg(target_os = "linux")]
fn begin_to_flush(file: &File, from: u64, length: usize) {
    use std::os::fd::AsRawFd;
    let (Ok(from), Ok(length)) = (libc::off64_t::try_from(from), libc::off64_t::try_from(length)) else { return };
    // SAFETY: the descriptor is open, and no memory is passed.
    unsafe { libc::sync_file_range(file.as_raw_fd(), from, length, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(not(target_os = "linux"))]
fn begin_to_flush(_file: &File, _from: u64, _length: usize) {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().to_owned());
        (folder, blobs)
    }

    #[test]
    fn a_file_that_is_followed_while_it_grows_is_the_same_blob() {
        let (folder, blobs) = blobs();
        let path = folder.path().join("file");
        let content = content(3 * LARGE as usize + 5);
        let mut writer = File::create(&path).unwrap();
        writer.write_all(&content[..1000]).unwrap();
        assert!(Arriving::of_large(&path).is_none(), "what is small is not worth it");
        writer.write_all(&content[1000..LARGE as usize + 1]).unwrap();
        let mut arriving = Arriving::of_large(&path).unwrap();
        assert!(arriving.has_grown());
        arriving.follow().unwrap();
        assert_eq!(arriving.hashed, LARGE + 1);
        assert!(!arriving.has_grown());
        writer.write_all(&content[LARGE as usize + 1..]).unwrap();
        assert!(arriving.has_grown());
        let digest = blobs.adopt_arrived(arriving).unwrap();
        assert_eq!(digest, Digest::of(&content));
        assert!(!path.exists());
        assert_eq!(blobs.read_verified(&digest).unwrap(), content);
    }

    #[test]
    fn a_file_that_was_replaced_or_cut_is_hashed_anew() {
        let (folder, blobs) = blobs();
        let path = folder.path().join("file");
        for replace in [true, false] {
            fs::write(&path, content(LARGE as usize)).unwrap();
            let mut arriving = Arriving::of_large(&path).unwrap();
            arriving.follow().unwrap();
            if replace {
                fs::remove_file(&path).unwrap();
            }
            fs::write(&path, b"another").unwrap();
            assert_eq!(blobs.adopt_arrived(arriving).unwrap(), Digest::of(b"another"));
        }
    }
}
