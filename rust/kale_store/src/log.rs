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

    /// The scratch log while it is there, else the stored one: also what a cached result brought with it.
    fn step_log(&self, run: &RunId, step: &StepRecord) -> String {
        let mut text = String::new();
        if let Some(cells) = step.result.as_ref().and_then(|result| result.cells.as_ref()) {
            text.push_str(&self.blobs.read(cells).map(|bytes| printed(&bytes)).unwrap_or_default());
        }
        let stored = step.result.as_ref().and_then(|result| result.log.as_ref());
        let outside = match stored {
            Some(digest) => self.blobs.read(digest).unwrap_or_default(),
            None => fs::read(self.step_directory(run, step.position, &step.name).join("log.txt")).unwrap_or_default(),
        };
        text.push_str(&String::from_utf8_lossy(&outside));
        text
    }
}

/// Streams, plain-text results and tracebacks of the cells, in order.
fn printed(cells: &[u8]) -> String {
    let Ok(Value::Object(cells)) = serde_json::from_slice(cells) else { return String::new() };
    let outputs = cells.values().filter_map(Value::as_array).flatten();
    outputs.filter_map(text_of_output).collect()
}

fn text_of_output(output: &Value) -> Option<String> {
    match output.get("output_type")?.as_str()? {
        "stream" => Some(joined(output.get("text")?)),
        "error" => {
            let lines = output.get("traceback")?.as_array()?;
            Some(lines.iter().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect())
        }
        _ => Some(joined(output.get("data")?.get("text/plain")?) + "\n"),
    }
}

/// nbformat's multi-line strings: one string or a list of lines.
fn joined(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}
