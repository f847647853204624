//! The git commit that a notebook's folder is at, read from git's own files: no program is started for it.

use std::fs;
use std::path::{Path, PathBuf};

/// The commit's hash; `None` outside of a repository, or before its first commit.
pub fn commit(folder: &Path) -> Option<String> {
    let git = folder.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    let git = if git.is_dir() { git } else { linked(&git)? };
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    match head.trim().strip_prefix("ref: ") {
        None => hash(head.trim()),
        Some(name) => {
            // The branches of a linked worktree are those of the repository that it is linked to.
            let common =
                fs::read_to_string(git.join("commondir")).map_or_else(|_| git.clone(), |path| git.join(path.trim()));
            let loose = fs::read_to_string(common.join(name)).ok().and_then(|text| hash(text.trim()));
            loose.or_else(|| packed(&common, name))
        }
    }
}

/// `gitdir: PATH` in a file `.git`.
fn linked(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    Some(file.parent()?.join(text.trim().strip_prefix("gitdir: ")?))
}

fn packed(git: &Path, name: &str) -> Option<String> {
    let refs = fs::read_to_string(git.join("packed-refs")).ok()?;
    let line = refs.lines().find(|line| line.split(' ').nth(1) == Some(name))?;
    hash(line.split(' ').next()?)
}

fn hash(text: &str) -> Option<String> {
    (text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let top = tempfile::tempdir().unwrap();
        let (git, work) = (top.path().join(".git"), top.path().join("a/b"));
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::create_dir_all(&work).unwrap();
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(commit(&work), None, "nothing is committed");
        fs::write(git.join("packed-refs"), format!("# pack-refs\n{one} refs/heads/main\n")).unwrap();
        assert_eq!(commit(&work), Some(one.clone()));
        fs::write(git.join("refs/heads/main"), format!("{two}\n")).unwrap();
        assert_eq!(commit(&work), Some(two));
        fs::write(git.join("HEAD"), format!("{one}\n")).unwrap();
        assert_eq!(commit(&work), Some(one), "a detached head");
    }
}
