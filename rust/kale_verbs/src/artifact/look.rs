//! A look into a value, by a short-lived process of the interpreter that made it (`python/kale_runtime/preview.py`).
//!
//! Values are pickles: they are as large as they like, and run what they like. So this process never loads one.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kale_store::{RunRecord, Store};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::ArtifactHead;
use crate::notebook::plain;
use crate::restore::definitions;
use crate::session::Session;

/// For a look; writing a file may take as long as it takes to write.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_FOR_FILES: Duration = Duration::from_secs(600);

#[derive(Debug, Default, Deserialize)]
pub struct Seen {
    /// Its type in Python.
    #[serde(rename = "type")]
    pub artifact_type: Option<String>,
    #[serde(default)]
    pub summary: String,
    /// `png`, or `html` and `text`, or `text` alone.
    pub preview: Value,
    /// Why there is none, or why the file was not written.
    pub error: Option<String>,
}

impl Seen {
    pub fn nothing(why: String) -> Seen {
        Seen { preview: json!({"text": why}), ..Seen::default() }
    }

    fn failed(why: String) -> Seen {
        Seen { error: Some(why), preview: json!({"text": ""}), ..Seen::default() }
    }
}

/// What there is to be seen of the value; with `output`, it is written there as well.
pub fn look(session: &Session, store: &Store, record: &RunRecord, head: &ArtifactHead, output: Option<&Path>) -> Seen {
    let looked = tempfile::tempdir().and_then(|folder| {
        let answer = folder.path().join("answer.json");
        let request = json!({
            "path": store.blobs().path(&head.content),
            "kind": head.kind,
            "names": head.names,
            "definitions": definitions(&record.pipeline, &record.parameters, |_| true).collect::<Vec<_>>(),
            "directory": record.options.directory,
            "output": output,
            "answer": answer,
        });
        let mut process = start(session, record, &request, folder.path())?;
        let patience = if output.is_some() { PATIENCE_FOR_FILES } else { PATIENCE };
        if !ends_within(&mut process, patience)? {
            return Ok(Seen::failed(format!("it took more than {} seconds", patience.as_secs())));
        }
        let seen = fs::read(&answer).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Ok(seen.unwrap_or_else(|| Seen::failed("the process that read it died".to_owned())))
    });
    looked.unwrap_or_else(|error| Seen::failed(plain(&error)))
}

fn start(session: &Session, record: &RunRecord, request: &Value, folder: &Path) -> io::Result<Child> {
    // The run may be from another machine, or the environment be gone.
    let own = &record.options.python;
    let python = if own.is_file() { own } else { &session.caller.executable };
    let directory: PathBuf =
        Some(record.options.directory.clone()).filter(|each| each.is_dir()).unwrap_or(folder.to_owned());
    let mut process = Command::new(python)
        .arg(&session.runtime)
        .arg("--preview")
        .current_dir(directory)
        .env("MPLBACKEND", "agg")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    // A process that has died already says so by its exit.
    let _ = process.stdin.take().map(|mut input| input.write_all(request.to_string().as_bytes()));
    Ok(process)
}

/// Waits, and leaves nothing behind.
fn ends_within(process: &mut Child, patience: Duration) -> io::Result<bool> {
    let began = Instant::now();
    let ended = loop {
        if process.try_wait()?.is_some() {
            break true;
        }
        if began.elapsed() > patience {
            break false;
        }
        sleep(Duration::from_millis(5));
    };
    if let Ok(leader) = i32::try_from(process.id()) {
        let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
    }
    process.wait()?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_ended() {
        let began = Instant::now();
        let mut process = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        assert!(!ends_within(&mut process, Duration::from_millis(50)).unwrap());
        assert!(began.elapsed() < Duration::from_secs(30));
        let mut process = Command::new("true").process_group(0).spawn().unwrap();
        assert!(ends_within(&mut process, Duration::from_secs(60)).unwrap());
    }
}
