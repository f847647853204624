//! Who calls: the facts about the calling process that no verb may guess.

use std::ffi::OsString;
use std::path::PathBuf;

use kale_model::PythonVersion;
use serde::{Deserialize, Serialize};

/// A Python interpreter as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    pub executable: PathBuf,
    pub version: PythonVersion,
    /// All of it, such as `3.12.1`.
    pub full_version: String,
    pub prefix: PathBuf,
    /// Differs from `prefix` in a virtual environment.
    pub base_prefix: PathBuf,
    /// `sys.path` without the directory of the script.
    pub path: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Session {
    /// The interpreter that loaded us.
    pub caller: Interpreter,
    /// The command that starts `kale-rs` anew, for the engine process.
    pub launcher: Vec<OsString>,
    /// The package `kale_runtime`.
    pub runtime: PathBuf,
    /// Where relative paths start.
    pub directory: PathBuf,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A session of an interpreter with nothing installed.
    pub fn in_directory(directory: &std::path::Path) -> Session {
        let version = PythonVersion { major: 3, minor: 12 };
        let (prefix, base_prefix) = (PathBuf::from("/nowhere"), PathBuf::from("/nowhere"));
        let (executable, full_version) = (PathBuf::from("/nowhere/bin/python3"), "3.12.1".to_owned());
        let caller = Interpreter { executable, version, full_version, prefix, base_prefix, path: vec![] };
        let launcher = vec!["/nowhere/bin/kale-rs".into()];
        Session { caller, launcher, runtime: "/nowhere".into(), directory: directory.to_owned() }
    }
}
