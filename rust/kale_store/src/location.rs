//! Where the store of a notebook is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError};

/// The folder's name.
pub const FOLDER: &str = ".kale_rs";
/// Environment variable that puts the store elsewhere.
pub const HOME_VARIABLE: &str = "KALE_RS_HOME";

/// `KALE_RS_HOME`, else the nearest `.kale_rs/` upwards from `near` (a notebook or a folder), else one beside it.
///
/// Nothing is created. What another user has put where everybody may write (`/tmp/.kale_rs`) is no store of ours: results
/// of a store are unpickled.
pub fn locate(near: &Path) -> PathBuf {
    if let Some(home) = std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        return PathBuf::from(home);
    }
    locate_from(near)
}

fn locate_from(near: &Path) -> PathBuf {
    let absolute = std::path::absolute(near).unwrap_or_else(|_| near.to_owned());
    // A notebook that is a link lies where the link does.
    let folder = if absolute.is_dir() { absolute.as_path() } else { absolute.parent().unwrap_or(&absolute) };
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder
        .ancestors()
        .map(|ancestor| ancestor.join(FOLDER))
        .find(|candidate| candidate.is_dir() && !is_planted(candidate))
        .unwrap_or_else(|| folder.join(FOLDER))
}

fn is_planted(store: &Path) -> bool {
    let (Ok(own), Some(Ok(around))) = (store.metadata(), store.parent().map(Path::metadata)) else { return false };
    // SAFETY: it has no preconditions and cannot fail.
    let user = unsafe { libc::geteuid() };
    around.mode() & 0o002 != 0 && own.uid() != user && own.uid() != 0
}

/// Makes the folder, hidden from git.
pub fn create_root(root: &Path) -> Result<()> {
    let fault = |error: &std::io::Error| StoreError::writing(root, error);
    for folder in [root.to_owned(), root.join("blobs"), root.join("runs")] {
        fs::create_dir_all(&folder).map_err(|error| match in_the_way(&folder) {
            Some(path) => StoreError::NoFolder { store: root.to_owned(), path: path.to_owned() },
            None => fault(&error),
        })?;
    }
    let ignore = root.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").map_err(|error| fault(&error))?;
    }
    Ok(())
}

/// What has the name of a folder and is none; a link that leads nowhere, too.
fn in_the_way(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|path| path.symlink_metadata().is_ok() && !path.is_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Only root can give a folder to somebody else; others see at least that their own counts.
    #[test]
    fn what_another_user_left_for_everybody_is_not_taken() {
        use std::os::unix::fs::{PermissionsExt, chown};

        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let (notebook, store) = (top.join("a/n.ipynb"), top.join(FOLDER));
        fs::create_dir(top.join("a")).unwrap();
        fs::create_dir(&store).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(locate_from(&notebook), store);
        if chown(&store, Some(12345), None).is_ok() {
            assert_eq!(locate_from(&notebook), top.join("a").join(FOLDER));
            fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(locate_from(&notebook), store);
        }
    }

    #[test]
    fn the_nearest_folder_upwards_wins() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let deep = top.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("n.ipynb"), "{}").unwrap();
        assert_eq!(locate_from(&deep.join("n.ipynb")), deep.join(FOLDER));
        fs::create_dir(top.join(FOLDER)).unwrap();
        assert_eq!(locate_from(&deep.join("n.ipynb")), top.join(FOLDER));
        fs::create_dir(top.join("a").join(FOLDER)).unwrap();
        assert_eq!(locate_from(&deep), top.join("a").join(FOLDER));
        let links = top.join("links");
        fs::create_dir(&links).unwrap();
        symlink(deep.join("n.ipynb"), links.join("n.ipynb")).unwrap();
        symlink(&deep, links.join("folder")).unwrap();
        assert_eq!(locate_from(&links.join("n.ipynb")), top.join(FOLDER));
        assert_eq!(locate_from(&links.join("folder")), top.join("a").join(FOLDER));
    }
}
