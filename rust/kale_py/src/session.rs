//! What Python knows about its own process.

use std::path::PathBuf;

use kale_model::PythonVersion;
use kale_verbs::{Interpreter, Session};
use pyo3::prelude::*;

pub fn session(py: Python<'_>) -> PyResult<Session> {
    let sys = py.import("sys")?;
    let package: PathBuf = py.import("kale_rs")?.getattr("__file__")?.extract()?;
    let package = package.parent().map(PathBuf::from).unwrap_or_default();
    let executable: PathBuf = sys.getattr("executable")?.extract()?;
    let (major, minor, micro): (u8, u8, u8) =
        sys.getattr("version_info")?.get_item(pyo3::types::PySlice::new(py, 0, 3, 1))?.extract()?;
    // Entries that are no directories (zip files, '', hooks) hold no installed distributions.
    let path = sys.getattr("path")?.try_iter()?.filter_map(|entry| entry.ok()?.extract::<PathBuf>().ok());
    Ok(Session {
        caller: Interpreter {
            version: PythonVersion { major, minor },
            full_version: format!("{major}.{minor}.{micro}"),
            prefix: sys.getattr("prefix")?.extract()?,
            base_prefix: sys.getattr("base_prefix")?.extract()?,
            path: path.filter(|entry| entry.is_absolute()).collect(),
            executable: executable.clone(),
        },
        // An engine is found by its path, and needs nothing of what is installed: Python comes up faster without a look.
        launcher: vec![executable.into(), "-S".into(), package.join("__main__.py").into()],
        runtime: package.with_file_name("kale_runtime"),
        directory: std::env::current_dir()?,
    })
}
