//! What can go wrong with a store, and the words for it.

use std::io;
use std::path::{Path, PathBuf};

use kale_model::{Code, Diagnostic};

use crate::database::backup_name;

pub type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Full disk, read-only file system, missing permission.
    #[error("the store `{}` cannot be written: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },
    /// A file (or a link that leads nowhere) has the name that a folder of the store has.
    #[error("the store `{}` cannot be made, since `{}` is no folder", store.display(), path.display())]
    NoFolder { store: PathBuf, path: PathBuf },
    /// Nothing is wrong with the store: the system does not start the run's engine.
    #[error("the engine of the run cannot be started: {reason}")]
    NoEngine { reason: String, help: String },
    #[error("the store `{}` has version {found}, and this kale_rs reads versions up to {supported}", path.display())]
    Newer { path: PathBuf, found: i64, supported: i64 },
    #[error("`{}` cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("the blob `{digest}` is missing or damaged: {reason}")]
    BadBlob { digest: String, reason: String },
    #[error("there is no run `{0}`")]
    UnknownRun(String),
    #[error("there is no sweep `{0}`")]
    UnknownSweep(String),
    #[error("`{given}` stands for several runs: {}", candidates.join(", "))]
    AmbiguousRun { given: String, candidates: Vec<String> },
    #[error("`{given}` stands for several sweeps: {}", candidates.join(", "))]
    AmbiguousSweep { given: String, candidates: Vec<String> },
    #[error("run `{run}` has no step `{step}`")]
    UnknownStep { run: String, step: String },
    #[error("run `{run}` is being executed by process {pid}")]
    Busy { run: String, pid: u32 },
    #[error("sweep `{sweep}` is being carried out by process {pid}")]
    SweepBusy { sweep: String, pid: u32 },
    #[error("run `{run}` was pulled from `{origin}`: only the store where it ran can go on with it")]
    MadeElsewhere { run: String, origin: String },
    #[error("this store has another run `{run}`")]
    OtherRun { run: String },
    #[error("what was pulled is no run that could be stored: {0}")]
    Unfit(String),
    #[error("the store's database says: {0}")]
    Database(String),
}

impl StoreError {
    /// The same as a diagnostic, with what to do about it.
    pub fn diagnostic(&self) -> Diagnostic {
        let (code, help) = match self {
            StoreError::Newer { path, supported, .. } => {
                let copy = path.with_file_name(backup_name(*supported));
                let back = format!(
                    " What this version knew is in `{}`: moved to `{}`, it is the store of before.",
                    copy.display(),
                    path.display()
                );
                let back = if copy.is_file() { back } else { String::new() };
                (Code::NewerStore, format!("Upgrade kale_rs, or point `KALE_RS_HOME` at another folder.{back}"))
            }
            StoreError::UnknownRun(_) => (Code::UnknownRun, "`kale-rs runs` lists the runs of this store.".to_owned()),
            StoreError::UnknownSweep(_) => {
                (Code::UnknownRun, "`kale-rs sweeps` lists the sweeps of this store.".to_owned())
            }
            StoreError::AmbiguousRun { .. } | StoreError::AmbiguousSweep { .. } => {
                (Code::UnknownRun, "Give more of the id.".to_owned())
            }
            StoreError::UnknownStep { .. } => {
                (Code::UnknownRun, "`kale-rs show RUN` lists the steps of a run.".to_owned())
            }
            StoreError::MadeElsewhere { .. } => {
                (Code::MadeElsewhere, "`kale-rs restore RUN STEP` writes its notebook as it was; run that.".to_owned())
            }
            StoreError::OtherRun { .. } => {
                (Code::OtherRun, "Pull into another store: `--store FOLDER`, or `KALE_RS_HOME`.".to_owned())
            }
            StoreError::Unfit(_) => (
                Code::SnapshotDamaged,
                "It is damaged, or nothing that `kale-rs snapshot push` has made; ask whoever pushed it.".to_owned(),
            ),
            StoreError::Busy { .. } => (Code::RunBusy, "Wait for it, or stop it with `kale-rs cancel RUN`.".to_owned()),
            StoreError::SweepBusy { .. } => {
                (Code::RunBusy, "Wait for it, or stop it with `kale-rs sweeps stop`.".to_owned())
            }
            StoreError::BadBlob { .. } => {
                (Code::StoreDamaged, "Run the notebook again with `--no-cache`: the value is made anew.".to_owned())
            }
            StoreError::Unreadable { .. } | StoreError::Database(_) => (
                Code::StoreDamaged,
                "Check the disk; a store that cannot be repaired may be moved away, a new one is made by itself."
                    .to_owned(),
            ),
            StoreError::NoEngine { help, .. } => (Code::EngineDied, help.clone()),
            StoreError::NoFolder { .. } => (
                Code::StoreUnwritable,
                "Move it away or give it another name, or let `KALE_RS_HOME` name another folder for the store."
                    .to_owned(),
            ),
            StoreError::Unwritable { .. } => (
                Code::StoreUnwritable,
                "Free space on the disk or make the folder writable, then try again (a run that was begun: `kale-rs \
                 resume RUN`); `KALE_RS_HOME` puts the store elsewhere."
                    .to_owned(),
            ),
        };
        Diagnostic::new(code, format!("{self}."), help)
    }

    /// Sorts an I/O error of a write below `path`.
    pub(crate) fn writing(path: &Path, error: &io::Error) -> StoreError {
        StoreError::Unwritable { path: path.to_owned(), reason: plain_reason(error) }
    }

    pub(crate) fn reading(path: &Path, error: &io::Error) -> StoreError {
        StoreError::Unreadable { path: path.to_owned(), reason: plain_reason(error) }
    }

    /// Sorts an error of SQLite: a full or read-only disk is the user's business, the rest is damage.
    pub(crate) fn database(path: &Path, error: &rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull | ReadOnly | CannotOpen | PermissionDenied | SystemIoFailure) => {
                // SQLite knows less than the system does.
                let reason = why_not_writable(path).unwrap_or_else(|| error.to_string());
                StoreError::Unwritable { path: path.to_owned(), reason }
            }
            _ => StoreError::Database(error.to_string()),
        }
    }
}

/// What keeps us from writing to a file, or from making it.
fn why_not_writable(path: &Path) -> Option<String> {
    let asked = if path.exists() { path } else { path.parent()? };
    let asked = std::ffi::CString::new(asked.as_os_str().as_encoded_bytes()).ok()?;
    // SAFETY: the path ends with a zero, and the call only reads it.
    let refused = unsafe { libc::access(asked.as_ptr(), libc::W_OK) } != 0;
    refused.then(|| plain_reason(&io::Error::last_os_error()))
}

fn plain_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "no space is left on the disk".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        io::ErrorKind::FileTooLarge => "the file would be larger than the limit of this process".to_owned(),
        _ => error.to_string(),
    }
}
