//! What the steps of a run printed.

use std::fs;

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

impl Store {
    /// The logs of the run's steps (or of one) in the pipeline's order, without steps that have printed nothing. For
    /// a step that runs, what there is so far.
    pub fn logs(&self, run: &RunId, step: Option<&str>) -> Result<Vec<StepLog>> {
        let steps = self.steps(run)?;
        if steps.is_empty() {
            self.run_status(run)?;
        }
        if let Some(name) = step.filter(|name| !steps.iter().any(|step| step.name == *name)) {
            return Err(StoreError::UnknownStep { run: run.0.clone(), step: name.to_owned() });
        }
        let wanted = steps.iter().filter(|record| step.is_none_or(|name| record.name == name));
        let logs = wanted.map(|record| StepLog { step: record.name.clone(), text: self.step_log(run, record) });
        Ok(logs.filter(|log| !log.text.is_empty()).collect())
    }

    /// The scratch log while it is there, else the stored one (which a cached result brought with it), and then the
    /// traceback of a cell that raised: that went to the notebook and not to a stream.
    fn step_log(&self, run: &RunId, step: &StepRecord) -> String {
        let result = step.result.as_ref();
        let printed = match result.and_then(|result| result.log.as_ref()) {
            Some(digest) => self.blobs.read(digest).unwrap_or_default(),
            None => fs::read(self.step_directory(run, step.position, &step.name).join("log.txt")).unwrap_or_default(),
        };
        let mut text = String::from_utf8_lossy(&printed).into_owned();
        let cells = result.and_then(|result| result.cells.as_ref()).and_then(|digest| self.blobs.read(digest).ok());
        for traceback in cells.iter().flat_map(|cells| tracebacks(cells)) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&traceback);
        }
        text
    }
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
