//! Why a verb gave no answer at all. Faults of the notebook are diagnostics inside an answer, not errors.

use std::path::PathBuf;
use std::{fmt, io};

use crate::notebook::plain;

#[derive(Debug)]
pub enum VerbError {
    /// The request itself is wrong: an unknown run, an option that contradicts the notebook.
    Usage { message: String, help: String },
    /// A file that cannot be read or written.
    File { path: PathBuf, action: &'static str, reason: String, help: &'static str },
    /// The store refuses: written by a newer version, not writable, damaged.
    Store { message: String, help: String },
    /// An object store or a cluster that cannot be reached, refuses, or holds what it should not.
    Remote { message: String, help: String },
    /// The user pressed Ctrl-C while the verb was at work.
    Interrupted,
}

impl VerbError {
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> VerbError {
        VerbError::Usage { message: message.into(), help: help.into() }
    }

    pub fn reading(path: impl Into<PathBuf>, reason: impl fmt::Display) -> VerbError {
        VerbError::File { path: path.into(), action: "read", reason: reason.to_string(), help: "" }
    }

    /// A file that the user names cannot be opened.
    pub fn opening(path: impl Into<PathBuf>, error: &io::Error) -> VerbError {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "see that the path is right: it begins in the current folder",
            io::ErrorKind::IsADirectory => "name a file in it",
            io::ErrorKind::PermissionDenied => "see that you may read the file",
            _ => "",
        };
        VerbError::File { path: path.into(), action: "read", reason: plain(error), help }
    }

    pub fn writing(path: impl Into<PathBuf>, reason: impl fmt::Display) -> VerbError {
        let help = "name a file in a folder that you may write to";
        VerbError::File { path: path.into(), action: "write", reason: reason.to_string(), help }
    }

    /// The process's exit status (DESIGN section 9).
    pub fn exit_status(&self) -> i32 {
        match self {
            VerbError::Store { .. } => 1,
            VerbError::Usage { .. } | VerbError::File { .. } | VerbError::Remote { .. } => 2,
            VerbError::Interrupted => 130,
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> &str {
        match self {
            VerbError::Usage { help, .. } | VerbError::Store { help, .. } | VerbError::Remote { help, .. } => help,
            VerbError::File { help, .. } => help,
            VerbError::Interrupted => "",
        }
    }
}

impl fmt::Display for VerbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerbError::Usage { message, .. } | VerbError::Store { message, .. } | VerbError::Remote { message, .. } => {
                f.write_str(message)
            }
            VerbError::File { path, action, reason, .. } => write!(f, "cannot {action} `{}`: {reason}", path.display()),
            VerbError::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for VerbError {}
