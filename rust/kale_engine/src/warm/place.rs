//! Where warm processes listen: sockets in a folder that only its user can enter.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::getuid;

use super::protocol::Farewell;

/// How many warm processes a user has at most: each holds the libraries of a notebook.
const MOST: usize = 4;

/// `$XDG_RUNTIME_DIR/kale_rs`, else `/tmp/kale_rs-UID`.
pub fn folder() -> io::Result<PathBuf> {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
    let folder = match runtime {
        Some(runtime) => runtime.join("kale_rs"),
        None => std::env::temp_dir().join(format!("kale_rs-{}", getuid())),
    };
    make_private(&folder)?;
    Ok(folder)
}

/// Made when it is not there, refused when it is not ours alone.
fn make_private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == getuid().as_raw() && found.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is not private", folder.display())))
    }
}

/// Held while a warm process is started, so that two engines do not start the same.
pub fn lock(folder: &Path) -> io::Result<Flock<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))
}

/// Ends those that were not used for longest, until there is room for one more.
pub fn make_room(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let paths = entries.flatten().map(|entry| entry.path());
    let sockets = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sock"));
    let used = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let mut living: Vec<(Option<SystemTime>, UnixStream)> =
        sockets.filter_map(|path| Some((used(&path), UnixStream::connect(&path).ok()?))).collect();
    living.sort_by_key(|(used, _)| *used);
    let surplus = (living.len() + 1).saturating_sub(MOST);
    for (_, stream) in &mut living[..surplus] {
        let _ = stream.write_all(&Farewell::message());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let made = top.path().join("kale_rs");
        make_private(&made).unwrap();
        make_private(&made).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(make_private(&made).is_err());
        fs::remove_dir(&made).unwrap();
        std::os::unix::fs::symlink("/tmp", &made).unwrap();
        assert!(make_private(&made).is_err());
    }
}
