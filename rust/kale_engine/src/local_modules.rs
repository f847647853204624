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
        if !name.as_encoded_bytes().starts_with(b".") && name != "__pycache__" {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}
