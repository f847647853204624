//! Modules that travel with the notebook: those beside it, and those that are installed from a folder of this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kale_model::Step;
use kale_store::RunOptions;

/// `helpers` is the package `helpers/` beside the notebook, else `helpers.py`.
pub fn place(directory: &Path, module: &str) -> PathBuf {
    let folder = directory.join(module);
    if folder.is_dir() { folder } else { directory.join(format!("{module}.py")) }
}

/// Copies the modules of a step, and nothing else, to where its process will look for them. One that is not there is
/// left out: importing it fails as it does for the notebook.
pub fn pack(step: &Step, options: &RunOptions, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    for module in &step.local_modules {
        let place = options.modules.get(module).cloned().unwrap_or_else(|| place(&options.directory, module));
        let Some(name) = place.file_name() else { continue };
        match copy(&place, &target.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::metadata(from)?.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        let inner = from.join(&name);
        let belongs = !name.as_encoded_bytes().starts_with(b".") && name != "__pycache__";
        if belongs && inner.canonicalize().is_ok_and(|target| !leads_up(&inner, &target)) {
            copy(&inner, &to.join(&name))?;
        }
    }
    Ok(())
}

/// Whether a link leads to a folder that it is in.
fn leads_up(link: &Path, target: &Path) -> bool {
    link.parent().and_then(|folder| folder.canonicalize().ok()).is_some_and(|folder| folder.starts_with(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_package_is_copied_without_what_is_no_part_of_it() {
        let top = tempfile::tempdir().unwrap();
        let package = top.path().join("tools");
        for path in ["__init__.py", "inner/data.csv", "__pycache__/x.pyc", ".git/x"] {
            fs::create_dir_all(package.join(path).parent().unwrap()).unwrap();
            fs::write(package.join(path), "1").unwrap();
        }
        symlink("..", package.join("inner/up")).unwrap();
        symlink("nowhere", package.join("gone")).unwrap();
        symlink("inner/data.csv", package.join("linked.csv")).unwrap();
        let to = top.path().join("to");
        copy(&package, &to).unwrap();
        let names = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&to), ["__init__.py", "inner", "linked.csv"]);
        assert_eq!(names(&to.join("inner")), ["data.csv"]);
    }
}
