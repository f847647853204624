//! What the steps of a run printed.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use kale_model::RunId;
use serde_json::Value;

use crate::Store;
use crate::error::{Result, StoreError};
use crate::record::StepRecord;

/// The text of one step, as a terminal would have shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLog {
    pub step: String,
    pub text: String,
}

/// A part of a step's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    pub step: String,
    /// Where it begins, in bytes; 0 instead of where it was asked for, if the log has become shorter than that.
    pub offset: u64,
    pub text: String,
    /// Where the next part begins.
    pub next: u64,
    /// Whether the step has ended, so that its log will not change any more.
    pub complete: bool,
}

impl Store {
    /// The logs of the run's steps (or of one) in the pipeline's order, without steps that have printed nothing. For
    /// a step that runs, what there is so far.
    pub fn logs(&self, run: &RunId, step: Option<&str>) -> Result<Vec<StepLog>> {
        let wanted = self.steps_called(run, step)?;
        let text = |record: &StepRecord| String::from_utf8_lossy(&self.step_log(run, record)).into_owned();
        let logs = wanted.iter().map(|record| StepLog { step: record.name.clone(), text: text(record) });
        Ok(logs.filter(|log| !log.text.is_empty()).collect())
    }

    /// As [`Store::logs`], from byte `offset` on, and of each log no more than `limit` bytes (at least 4).
    pub fn log_parts(&self, run: &RunId, step: Option<&str>, offset: u64, limit: usize) -> Result<Vec<LogPart>> {
        let wanted = self.steps_called(run, step)?;
        Ok(wanted.iter().map(|record| self.log_part(run, record, offset, limit)).collect())
    }

    /// How long a step's log is.
    pub fn log_bytes(&self, run: &RunId, step: &StepRecord) -> u64 {
        match step.result {
            Some(_) => self.step_log(run, step).len() as u64,
            None => fs::metadata(self.scratch_log(run, step)).map_or(0, |metadata| metadata.len()),
        }
    }

    fn steps_called(&self, run: &RunId, step: Option<&str>) -> Result<Vec<StepRecord>> {
        let steps = match step {
            Some(name) => self.step(run, name)?.into_iter().collect(),
            None => self.steps(run)?,
        };
        if steps.is_empty() {
            self.run_status(run)?;
        }
        if let (Some(name), true) = (step, steps.is_empty()) {
            return Err(StoreError::UnknownStep { run: run.0.clone(), step: name.to_owned() });
        }
        Ok(steps)
    }

    /// Of a step that runs, only what is asked for is read: its log may be long, and is asked for again and again.
    fn log_part(&self, run: &RunId, step: &StepRecord, offset: u64, limit: usize) -> LogPart {
        let (offset, mut bytes) = if step.result.is_none() {
            let read = |offset| part_of_file(&self.scratch_log(run, step), offset, limit);
            read(offset).map_or_else(|| (0, read(0).unwrap_or_default()), |bytes| (offset, bytes))
        } else {
            let whole = self.step_log(run, step);
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let start = if start > whole.len() { 0 } else { start };
            (start as u64, whole[start..whole.len().min(start.saturating_add(limit))].to_vec())
        };
        bytes.truncate(whole_characters(&bytes));
        let next = offset + bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        LogPart { step: step.name.clone(), offset, text, next, complete: step.status.is_finished() }
    }

    fn scratch_log(&self, run: &RunId, step: &StepRecord) -> PathBuf {
        self.step_directory(run, step.position, &step.name).join("log.txt")
    }

    /// The scratch log while it is there, else the stored one (which a cached result brought with it), and then the
    /// traceback of a cell that raised: that went to the notebook and not to a stream.
    fn step_log(&self, run: &RunId, step: &StepRecord) -> Vec<u8> {
        let result = step.result.as_ref();
        let mut text = match result.and_then(|result| result.log.as_ref()) {
            Some(digest) => self.blobs.read(digest).unwrap_or_default(),
            None => fs::read(self.scratch_log(run, step)).unwrap_or_default(),
        };
        let cells = result.and_then(|result| result.cells.as_ref()).and_then(|digest| self.blobs.read(digest).ok());
        for traceback in cells.iter().flat_map(|cells| tracebacks(cells)) {
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            text.extend(traceback.into_bytes());
        }
        text
    }
}

/// `None`: the file is shorter than that.
fn part_of_file(path: &Path, offset: u64, limit: usize) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    if file.metadata().ok()?.len() < offset {
        return None;
    }
    let mut bytes = vec![];
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.take(limit as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// How many bytes there are without a last character that is still on its way.
fn whole_characters(bytes: &[u8]) -> usize {
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let Some(start) = bytes.iter().rposition(is_start).filter(|start| bytes.len() - start < 4) else {
        return bytes.len();
    };
    let length = match bytes[start] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if bytes.len() - start < length { start } else { bytes.len() }
}

/// See [`crate::StepResult::cells`].
fn tracebacks(cells: &[u8]) -> Vec<String> {
    let cells: Vec<Option<Vec<Value>>> = serde_json::from_slice(cells).unwrap_or_default();
    let lines = |output: &Value| {
        let lines = output.get("traceback")?.as_array()?;
        Some(lines.iter().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect::<String>())
    };
    cells.iter().flatten().flatten().filter_map(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_character_is_not_cut() {
        let text = "aé€😀".as_bytes();
        let whole: Vec<usize> = (0..=text.len()).map(|end| whole_characters(&text[..end])).collect();
        assert_eq!(whole, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
    }

    #[test]
    fn what_is_no_text_does_not_hold_the_rest_up() {
        assert_eq!(whole_characters(b"\xff"), 1);
        assert_eq!(whole_characters(b"\x80\x80\x80\x80\x80"), 5);
    }
}
