//! Services that run: each has a folder in the store, `services/NAME`, with a record and its log. The record is there as
//! long as the server is; that of one that was killed is told by its process.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kale_store::ProcessIdentity;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::server::Settings;
use crate::error::VerbError;
use crate::notebook::plain;

/// What is under way is answered in this time; the server itself waits no longer than half a minute.
const PATIENCE: Duration = Duration::from_secs(45);
const RECORD: &str = "service.json";
const LOG: &str = "log.jsonl";
const LOCK: &str = "lock";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    pub url: String,
    pub version: String,
    pub pid: u32,
    /// When the process began, as the system counts.
    pub process: String,
    pub bundle: PathBuf,
    /// `None`: the terminal that it runs in shows it.
    pub log: Option<PathBuf>,
    /// When it was ready.
    pub since: String,
    /// What it was started with, for another one like it.
    #[serde(default)]
    pub settings: Settings,
}

impl Record {
    pub fn is_alive(&self) -> bool {
        ProcessIdentity { pid: self.pid, started: self.process.clone() }.is_alive()
    }

    /// Asks it to end, and waits until it has.
    pub fn end(&self) {
        let Ok(pid) = i32::try_from(self.pid) else { return };
        let began = Instant::now();
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        while self.is_alive() {
            if began.elapsed() > PATIENCE {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            sleep(Duration::from_millis(10));
        }
    }
}

fn service_folder(root: &Path, name: &str) -> PathBuf {
    root.join("services").join(name)
}

pub fn service_log(root: &Path, name: &str) -> PathBuf {
    service_folder(root, name).join(LOG)
}

/// The services of a store that run, by name.
pub fn running(root: &Path) -> Vec<Record> {
    let folders = fs::read_dir(root.join("services")).into_iter().flatten().flatten();
    let mut found: Vec<Record> = folders.filter_map(|entry| read(&entry.path().join(RECORD))).collect();
    found.retain(Record::is_alive);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The one of a name.
pub fn named(root: &Path, name: &str) -> Option<Record> {
    read(&service_folder(root, name).join(RECORD)).filter(Record::is_alive)
}

/// One that was ended from outside: a server that ends by itself takes its record along.
pub fn lost(root: &Path, name: &str) -> Option<Record> {
    read(&service_folder(root, name).join(RECORD)).filter(|record| !record.is_alive())
}

/// The right to a name, for as long as the process lives that has it: two may be started at the same time.
pub struct Claim {
    folder: PathBuf,
    _lock: File,
}

impl Claim {
    /// The folder of the name is there then.
    pub fn of(root: &Path, name: &str) -> Result<Claim, VerbError> {
        let folder = service_folder(root, name);
        fs::create_dir_all(&folder).map_err(|error| VerbError::writing(&folder, plain(&error)))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(|error| VerbError::writing(&path, plain(&error)))?;
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                refuse_taken(root, name, &[])?;
                let help = "wait until it is there, or choose another name (`--name`)";
                Err(VerbError::usage(format!("a service `{name}` is being started by another process"), help))
            }
            // Where locks do not work, everybody has them.
            _ => Ok(Claim { folder, _lock: lock }),
        }
    }

    pub fn write(&self, record: &Record) -> Result<(), VerbError> {
        let path = self.folder.join(RECORD);
        let text = serde_json::to_string_pretty(record).expect("a record is plain data");
        kale_engine::replace_file(&path, |file| file.write_all(text.as_bytes()))
            .map_err(|error| VerbError::writing(&path, plain(&error)))
    }

    /// When the server has ended. Another one of the name may be there by then.
    pub fn remove(&self, record: &Record) {
        let path = self.folder.join(RECORD);
        if read(&path).is_some_and(|found| found.pid == record.pid) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Servers of these processes make room.
pub fn refuse_taken(root: &Path, name: &str, replaced: &[u32]) -> Result<(), VerbError> {
    match named(root, name).filter(|record| !replaced.contains(&record.pid)) {
        Some(record) => Err(VerbError::usage(
            format!("a service `{name}` is running already, at {} (process {})", record.url, record.pid),
            format!("stop it (`kale-rs services stop {name}`), or choose another name (`--name`)"),
        )),
        None => Ok(()),
    }
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}
