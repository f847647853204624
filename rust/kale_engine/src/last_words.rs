//! What a step wrote just before it died.
//!
//! The runtime has standard output and error written to files beside the result, and moves them on to the log five
//! times a second. Of a process that is killed in between, the rest is still there: these are the words that matter
//! most. `RESULT.drained` says how far the runtime had come, as two numbers; an orderly end removes all three files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Of a process that printed faster than anybody could read, the end is enough.
const LONGEST: u64 = 4 << 20;

/// Appends to the log what did not get there. The log is a courtesy: a disk that is full is told elsewhere.
pub fn append(result: &Path, log: &Path) {
    let beside = |suffix: &str| PathBuf::from(format!("{}.{suffix}", result.display()));
    let drained = fs::read_to_string(beside("drained")).unwrap_or_default();
    let mut positions = drained.split_whitespace().map(|position| position.parse().unwrap_or(0));
    for stream in ["stdout", "stderr"] {
        let _ = append_rest(&beside(stream), positions.next().unwrap_or(0), log);
    }
}

fn append_rest(spool: &Path, position: u64, log: &Path) -> io::Result<u64> {
    let mut spool = File::open(spool)?;
    let mut log = OpenOptions::new().create(true).append(true).open(log)?;
    let left_out = spool.metadata()?.len().saturating_sub(position).saturating_sub(LONGEST);
    if left_out > 0 {
        writeln!(log, "\n[{left_out} bytes are left out here]")?;
    }
    spool.seek(SeekFrom::Start(position + left_out))?;
    io::copy(&mut spool, &mut log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        append(&path("result.json"), &path("log"));
        assert!(!path("log").exists());
        fs::write(path("log"), "one\n").unwrap();
        fs::write(path("result.json.stdout"), "one\ntwo\n").unwrap();
        fs::write(path("result.json.stderr"), "warned\n").unwrap();
        fs::write(path("result.json.drained"), "4 0").unwrap();
        append(&path("result.json"), &path("log"));
        assert_eq!(fs::read_to_string(path("log")).unwrap(), "one\ntwo\nwarned\n");
    }

    #[test]
    fn of_much_the_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let printed = "x".repeat(usize::try_from(LONGEST).unwrap() + 10) + "the end";
        fs::write(path("result.json.stdout"), &printed).unwrap();
        append(&path("result.json"), &path("log"));
        let log = fs::read_to_string(path("log")).unwrap();
        assert!(log.starts_with("\n[17 bytes are left out here]\nxxx") && log.ends_with("xthe end"));
    }
}
