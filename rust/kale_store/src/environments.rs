//! Environments of isolated runs: made once, shared by all runs of one key, removed by `gc`.
//!
//! ```text
//! environments/3f9a...e1/               what is installed; whole only when it holds the mark
//! environments/3f9a...e1/kale_rs.json   the mark, written last, after the disk has all else
//! environments/3f9a...e1/kale_rs.files  what was there by then: a size and a path per line
//! environments/3f9a...e1.lock           held exclusively by who makes or removes it, shared by who uses it
//! ```
//!
//! Environments know their own path, so they are made where they stay. Whoever makes one gives its lock to the processes
//! that it starts: should it be killed, the lock is free when the last of them is gone, and who comes next begins anew.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Store;
use crate::blob::Digest;
use crate::error::{Result, StoreError};

const FOLDER: &str = "environments";
const MARK: &str = "kale_rs.json";
const FILES: &str = "kale_rs.files";
/// Hex digits of the key: paths in an environment get long enough without all of them.
const DIGITS: usize = 24;

/// The place of one environment.
#[derive(Clone, Debug)]
pub struct EnvironmentPlace {
    pub folder: PathBuf,
}

/// An environment that is whole, and stays so while this lives.
#[derive(Debug)]
pub struct EnvironmentInUse {
    pub folder: PathBuf,
    _lock: File,
}

/// The right to make an environment.
#[derive(Debug)]
pub struct EnvironmentInMaking {
    pub folder: PathBuf,
    lock: File,
}

/// What there is of an environment.
#[derive(Debug)]
pub enum EnvironmentState {
    Whole(EnvironmentInUse),
    /// It is not there: whoever sees this is to make it.
    Absent(EnvironmentInMaking),
    /// Another process makes or removes it.
    Busy,
}

impl Store {
    pub fn environment(&self, key: &Digest) -> EnvironmentPlace {
        EnvironmentPlace { folder: self.root().join(FOLDER).join(&key.as_str()[..DIGITS]) }
    }

    /// Those that are there, whole or not.
    pub(crate) fn environments(&self) -> Vec<EnvironmentPlace> {
        let entries = fs::read_dir(self.root().join(FOLDER)).into_iter().flatten().flatten();
        let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        folders.map(|folder| EnvironmentPlace { folder }).collect()
    }
}

impl EnvironmentPlace {
    /// Looks without waiting. One of which something has disappeared is made anew.
    pub fn look(&self) -> Result<EnvironmentState> {
        let lock = self.open_lock()?;
        let mark = self.folder.join(MARK);
        let is_whole = || mark.exists() && self.has_all_files();
        let was_whole = is_whole();
        let locked = try_lock(&lock, if was_whole { libc::LOCK_SH } else { libc::LOCK_EX });
        if !locked || (if was_whole { !mark.exists() } else { is_whole() }) {
            // Who was quicker is to be waited for.
            return Ok(EnvironmentState::Busy);
        }
        if was_whole {
            // For `gc`, which removes what is not used for long.
            let _ = File::open(mark).and_then(|mark| mark.set_modified(SystemTime::now()));
            return Ok(EnvironmentState::Whole(EnvironmentInUse { folder: self.folder.clone(), _lock: lock }));
        }
        self.clear().map_err(|error| StoreError::writing(&self.folder, &error))?;
        Ok(EnvironmentState::Absent(EnvironmentInMaking { folder: self.folder.clone(), lock }))
    }

    /// Whether what was installed is there: a cleaner of old files, an upgrade that takes the interpreter away, or a disk
    /// that lost some make every run fail for a reason that is not the notebook's.
    fn has_all_files(&self) -> bool {
        let listed = fs::read_to_string(self.folder.join(FILES)).unwrap_or_default();
        listed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .all(|(size, path)| fs::metadata(self.folder.join(path)).is_ok_and(|file| file.len().to_string() == size))
    }

    /// When it was last used; `None` while it is not whole.
    pub(crate) fn last_used(&self) -> Option<SystemTime> {
        fs::metadata(self.folder.join(MARK)).and_then(|mark| mark.modified()).ok()
    }

    pub(crate) fn bytes(&self) -> u64 {
        size(&self.folder)
    }

    /// Removes it unless it is in use.
    pub(crate) fn remove_if_idle(&self) -> bool {
        let Ok(lock) = self.open_lock() else { return false };
        try_lock(&lock, libc::LOCK_EX) && self.clear().is_ok()
    }

    /// The mark goes first: what is left of the rest, if this is interrupted, is not whole.
    fn clear(&self) -> io::Result<()> {
        let absent_is_fine = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        absent_is_fine(fs::remove_file(self.folder.join(MARK)))?;
        absent_is_fine(fs::remove_dir_all(&self.folder))
    }

    fn open_lock(&self) -> Result<File> {
        let path = self.folder.with_extension("lock");
        let opened = fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
        opened.map_err(|error| StoreError::writing(&path, &error))
    }
}

impl EnvironmentInMaking {
    /// To be left open in the processes that work on the environment.
    pub fn descriptor(&self) -> i32 {
        self.lock.as_raw_fd()
    }

    /// Declares it whole; `note` says what it is.
    pub fn finish(self, note: &str) -> Result<()> {
        let mark = self.folder.join(MARK);
        let mut files = String::new();
        list(&self.folder, Path::new(""), &mut files);
        let listed = fs::write(self.folder.join(FILES), files);
        let written = listed.and_then(|()| flush_all(&self.folder)).and_then(|()| {
            let mut part = tempfile::NamedTempFile::new_in(&self.folder)?;
            part.write_all(note.as_bytes())?;
            part.as_file().sync_all()?;
            part.persist(&mark).map_err(|error| error.error)?;
            File::open(&self.folder)?.sync_all()
        });
        written.map_err(|error| StoreError::writing(&mark, &error))
    }
}

/// Where locks do not work (some network file systems), everybody has them: two runs that need the same new environment
/// at the same time may then disturb each other, and the one that fails is run again.
fn try_lock(file: &File, kind: i32) -> bool {
    // SAFETY: a system call on a descriptor that is open.
    let done = unsafe { libc::flock(file.as_raw_fd(), kind | libc::LOCK_NB) };
    done == 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock
}

/// Installers do not flush what they write, and a power cut must not leave a mark on half an environment.
#[cfg(target_os = "linux")]
fn flush_all(folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    // SAFETY: a system call on a descriptor that is open.
    if unsafe { libc::syncfs(folder.as_raw_fd()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn flush_all(_folder: &Path) -> io::Result<()> {
    // SAFETY: it takes no arguments and cannot fail.
    unsafe { libc::sync() };
    Ok(())
}

/// Writes down every file below `inner`, without what Python compiles by itself. Of a link, what it leads to.
fn list(folder: &Path, inner: &Path, files: &mut String) {
    for entry in fs::read_dir(folder.join(inner)).into_iter().flatten().flatten() {
        let path = inner.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name() != "__pycache__" {
                list(folder, &path, files);
            }
        } else if let (Some(path), Ok(file)) = (path.to_str(), fs::metadata(entry.path())) {
            // A path with a line break would be two.
            if file.is_file() && !path.contains('\n') {
                let _ = writeln!(files, "{} {path}", file.len());
            }
        }
    }
}

/// Bytes of the files below a folder; links are not followed.
pub(crate) fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { size(&entry.path()) } else { metadata.len() })
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(store: &Store) -> EnvironmentPlace {
        store.environment(&Digest::of(b"lock"))
    }

    /// A process that another test is starting holds our locks for a moment: those of its parent, until it executes.
    fn making(place: &EnvironmentPlace) -> EnvironmentInMaking {
        for _ in 0..200 {
            match place.look().unwrap() {
                EnvironmentState::Absent(making) => return making,
                EnvironmentState::Busy => std::thread::sleep(std::time::Duration::from_millis(10)),
                other => panic!("{other:?}"),
            }
        }
        panic!("it is still held");
    }

    #[test]
    fn an_environment_is_whole_when_it_is_said_to_be() {
        let top = tempfile::tempdir().unwrap();
        let store = Store::open(top.path()).unwrap();
        let half = making(&place(&store));
        fs::create_dir_all(half.folder.join("lib")).unwrap();
        assert!(matches!(place(&store).look().unwrap(), EnvironmentState::Busy), "one makes it");
        drop(half);
        let next = making(&place(&store));
        assert!(!next.folder.exists(), "half of one is none");
        fs::create_dir_all(next.folder.join("bin")).unwrap();
        next.finish("{}").unwrap();
        let EnvironmentState::Whole(used) = place(&store).look().unwrap() else { panic!("it is whole") };
        assert!(!place(&store).remove_if_idle(), "it is in use");
        assert!(matches!(place(&store).look().unwrap(), EnvironmentState::Whole(_)), "many may use it");
        drop(used);
        assert!(place(&store).remove_if_idle() && !place(&store).folder.exists());
    }

    #[test]
    fn an_environment_that_has_lost_something_is_made_anew() {
        let top = tempfile::tempdir().unwrap();
        let store = Store::open(top.path()).unwrap();
        fs::write(top.path().join("python"), "binary").unwrap();
        let package = Path::new("lib/package/a module.py");
        let damages: [&dyn Fn(&Path); 3] = [
            &|folder| fs::remove_file(folder.join(package)).unwrap(),
            &|folder| fs::write(folder.join(package), "").unwrap(),
            &|_| fs::remove_file(top.path().join("python")).unwrap(),
        ];
        for damage in damages {
            let half = making(&place(&store));
            fs::create_dir_all(half.folder.join("lib/package/__pycache__")).unwrap();
            fs::write(half.folder.join(package), "x = 1").unwrap();
            fs::write(half.folder.join("lib/package/__pycache__/a.pyc"), "1").unwrap();
            std::os::unix::fs::symlink(top.path().join("python"), half.folder.join("python")).unwrap();
            half.finish("{}").unwrap();
            fs::remove_dir_all(place(&store).folder.join("lib/package/__pycache__")).unwrap();
            fs::write(place(&store).folder.join("lib/more"), "").unwrap();
            let EnvironmentState::Whole(used) = place(&store).look().unwrap() else { panic!("it is whole") };
            damage(&used.folder);
            assert!(matches!(place(&store).look().unwrap(), EnvironmentState::Busy), "it is in use");
            drop(used);
            assert!(!making(&place(&store)).folder.exists());
        }
    }
}
