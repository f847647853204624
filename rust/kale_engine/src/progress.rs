//! What a step tells while it runs: JSON lines in a file, passed on to the run's events.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use kale_model::{Event, StepId};
use serde_json::Value;

use crate::execute::Execution;

/// Follows the file of one attempt.
pub(crate) struct Progress<'a> {
    execution: &'a Execution,
    step: StepId,
    path: PathBuf,
    position: u64,
    /// The cell that ran last.
    pub cell: Option<usize>,
}

impl<'a> Progress<'a> {
    pub fn new(execution: &'a Execution, step: StepId, path: PathBuf) -> Progress<'a> {
        Progress { execution, step, path, position: 0, cell: None }
    }

    /// Passes on what is new. Progress is a courtesy: a store that cannot take it will say so when it counts.
    pub fn look(&mut self) {
        let lines = self.new_lines();
        let name = self.execution.step_name(self.step).to_owned();
        let events: Vec<Event> = lines.lines().filter_map(|line| event(&name, line)).collect();
        if let Some(Event::CellStarted { cell, .. }) =
            events.iter().rev().find(|event| matches!(event, Event::CellStarted { .. }))
        {
            self.cell = Some(*cell);
        }
        let _ = self.execution.store.append_events(&self.execution.record.id, &events);
    }

    /// Whole lines only: the last one may still be on its way.
    fn new_lines(&mut self) -> String {
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.position))?;
            file.read_to_end(&mut text)
        });
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if read.is_err() || end == 0 {
            return String::new();
        }
        self.position += end as u64;
        text.truncate(end);
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn event(step: &str, line: &str) -> Option<Event> {
    let told: Value = serde_json::from_str(line).ok()?;
    let number = |field: &str| told[field].as_u64().and_then(|number| usize::try_from(number).ok());
    match told["event"].as_str()? {
        "cell-started" => Some(Event::CellStarted {
            step: step.to_owned(),
            cell: number("cell")?,
            done: number("done")?,
            total: number("total")?,
        }),
        "metric" => Some(Event::Metric {
            step: step.to_owned(),
            name: told["name"].as_str()?.to_owned(),
            value: told["value"].clone(),
            at: told["at"].as_i64(),
        }),
        _ => None,
    }
}
