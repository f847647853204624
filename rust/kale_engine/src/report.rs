//! What the runtime says of an attempt (`result.json`; `python/kale_runtime/local.py` describes it).
//!
//! Written once, at the very end: no file, no success. User code ran in the process that wrote it, so it is taken
//! with care: a field of the wrong kind is a field that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kale_model::{CellIndex, Code, Diagnostic};
use kale_store::MetricPoint;
use serde_json::{Map, Value};

use crate::worker::Usage;

/// Programs that libraries ask about the machine; the answer decides no result.
const QUESTIONS: &[&str] = &["lscpu", "ldconfig", "/sbin/ldconfig", "uname", "nproc", "fc-list", "gcc", "cc", "ld"];

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub succeeded: bool,
    /// Whether all that the process still does is to write its snapshot.
    pub settled: bool,
    pub error: Option<ReportedError>,
    pub metrics: Vec<MetricPoint>,
    pub warnings: Vec<Diagnostic>,
    /// Files read before the step itself wrote them.
    pub reads: BTreeSet<String>,
    pub writes: BTreeSet<String>,
    /// Paths made, moved or removed.
    pub changes: BTreeSet<String>,
    /// Folders listed.
    pub listings: BTreeSet<String>,
    /// Environment variables asked for by name.
    pub variables: BTreeSet<String>,
    /// Whether it touched the network, a database, another program, or its environment as a whole.
    pub reached_out: bool,
    /// What each cell used of the world outside.
    pub touches: Vec<Touch>,
    pub cpu_seconds: f64,
    pub peak_memory_bytes: u64,
    /// Cell index to `{"outputs": [...]}`.
    cells: Map<String, Value>,
}

/// A file, an address or a program that a cell used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    pub cell: CellIndex,
    pub how: How,
    pub what: String,
    /// Whether the compiler had said so.
    pub claimed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Read,
    Write,
    List,
    Network,
    Process,
    Database,
}

#[derive(Clone, Debug)]
pub struct ReportedError {
    pub code: Code,
    pub kind: String,
    pub message: String,
    pub cell: Option<usize>,
    pub line: Option<usize>,
    pub column: Option<usize>,
    /// A variable that it asks for in vain and that the step was not given.
    pub missing: Option<String>,
}

impl Report {
    /// `None` when the process left none, or not a whole one.
    pub fn read(path: &Path) -> Option<Report> {
        let text = fs::read(path).ok()?;
        serde_json::from_slice(&text).ok().map(|document| Report::from_json(&document))
    }

    /// Of a process that left no report: what the system says of it.
    pub fn of_usage(usage: Option<Usage>) -> Report {
        let (cpu_seconds, peak_memory_bytes) =
            usage.map_or((0.0, 0), |usage| (usage.cpu_seconds, usage.peak_memory_bytes));
        Report { cpu_seconds, peak_memory_bytes, ..Report::default() }
    }

    pub fn from_json(document: &Value) -> Report {
        let observed = &document["observed"];
        let asked_only = |name: &String| QUESTIONS.contains(&name.as_str());
        let reached_out = !texts(&observed["network"]).is_empty()
            || !texts(&observed["databases"]).is_empty()
            || observed["whole_environment"] == true
            || !texts(&observed["processes"]).iter().all(asked_only);
        Report {
            succeeded: document["status"] == "succeeded",
            settled: document["settled"] == true,
            error: ReportedError::from_json(&document["error"]),
            metrics: document["metric_steps"].as_array().into_iter().flatten().filter_map(metric_point).collect(),
            warnings: document["warnings"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|warning| serde_json::from_value(warning.clone()).ok())
                .collect(),
            reads: texts(&document["reads"]),
            writes: texts(&document["writes"]),
            changes: texts(&observed["changes"]),
            listings: texts(&observed["listings"]),
            variables: texts(&document["environment_reads"]),
            reached_out,
            touches: document["touched"].as_array().into_iter().flatten().filter_map(touch).collect(),
            cpu_seconds: document["cpu_seconds"].as_f64().unwrap_or_default(),
            peak_memory_bytes: document["peak_memory_bytes"].as_u64().unwrap_or_default(),
            cells: document["cells"].as_object().cloned().unwrap_or_default(),
        }
    }

    pub fn cell_indices(&self) -> Vec<usize> {
        self.cells.keys().filter_map(|index| index.parse().ok()).collect()
    }

    /// The outputs of the given cells; `None` for one that was not run. A process that died left those of its
    /// finished cells in `beside`.
    pub fn cell_outputs(&self, beside: &Path, indices: &[usize]) -> Vec<Option<Vec<Value>>> {
        let left = if self.cells.is_empty() { fs::read(beside).ok() } else { None };
        let left: Option<Map<String, Value>> = left.and_then(|text| serde_json::from_slice(&text).ok());
        let cells = left.as_ref().unwrap_or(&self.cells);
        let outputs = |index: &usize| cells.get(&index.to_string())?.get("outputs")?.as_array().cloned();
        indices.iter().map(outputs).collect()
    }
}

impl ReportedError {
    fn from_json(error: &Value) -> Option<ReportedError> {
        let number = |field: &str| error[field].as_u64().and_then(|number| usize::try_from(number).ok());
        error.as_object()?;
        Some(ReportedError {
            code: error["code"].as_str().and_then(|id| id.parse().ok()).unwrap_or(Code::StepFailed),
            kind: readable(error["type"].as_str().unwrap_or("Exception")),
            message: readable(error["message"].as_str().unwrap_or_default()),
            cell: number("cell"),
            line: number("line"),
            column: number("column"),
            missing: error["missing"].as_str().map(str::to_owned),
        })
    }
}

/// What an exception says, fit for a terminal: it may hold whatever was in the data. The log has all of it.
fn readable(text: &str) -> String {
    const LONGEST: usize = 4_000;
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            let left_out = text.chars().count() - LONGEST;
            shown.push_str(&format!(" ... [{left_out} characters more]"));
            break;
        }
        if character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A program that libraries only ask about the machine is left out.
fn touch(row: &Value) -> Option<Touch> {
    let how = match row[1].as_str()? {
        "read" => How::Read,
        "write" => How::Write,
        "list" => How::List,
        "network" => How::Network,
        "process" => How::Process,
        "database" => How::Database,
        _ => return None,
    };
    let what = row[2].as_str()?.to_owned();
    if how == How::Process && QUESTIONS.contains(&what.as_str()) {
        return None;
    }
    Some(Touch { cell: CellIndex(usize::try_from(row[0].as_u64()?).ok()?), how, what, claimed: row[3].as_bool()? })
}

fn metric_point(row: &Value) -> Option<MetricPoint> {
    let row = row.as_array()?;
    Some(MetricPoint {
        name: row.first()?.as_str()?.to_owned(),
        value: row.get(1)?.clone(),
        at: row.get(2).and_then(Value::as_i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_the_wrong_kind_are_not_there() {
        let report = Report::from_json(&json!({
            "status": 3, "error": "x", "metric_steps": [["a", 1.5, null], ["b"], 7, ["c", "NaN", 2]], "reads": [1, "f"],
            "cells": [], "warnings": [{}], "cpu_seconds": "long",
        }));
        assert!(!report.succeeded && report.error.is_none() && report.warnings.is_empty());
        let names: Vec<&str> = report.metrics.iter().map(|point| point.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(report.reads.len(), 1);
    }

    #[test]
    fn what_an_exception_says_is_fit_for_a_terminal() {
        let long = "x".repeat(10_000);
        let said = |message: &str| {
            let error = json!({"type": "E\u{1b}[2J", "message": message});
            ReportedError::from_json(&error).map(|error| (error.kind, error.message)).unwrap()
        };
        assert_eq!(said("a\u{1b}]0;b\u{7}\r\n\tc"), ("E\\u{1b}[2J".into(), "a\\u{1b}]0;b\\u{7}\\r\n\tc".into()));
        let (_, message) = said(&long);
        assert!(message.len() < 4_100 && message.ends_with(" ... [6000 characters more]"));
    }

    #[test]
    fn asking_about_the_machine_is_not_reaching_out() {
        let reached = |processes: Value| Report::from_json(&json!({"observed": {"processes": processes}})).reached_out;
        assert!(!reached(json!(["lscpu"])));
        assert!(reached(json!(["lscpu", "git"])));
    }

    #[test]
    fn cells_of_a_dead_process_come_from_its_last_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.json");
        fs::write(&path, r#"{"4": {"outputs": [{"output_type": "stream"}], "execution_count": 1}}"#).unwrap();
        let outputs = Report::default().cell_outputs(&path, &[2, 4]);
        assert_eq!(outputs, [None, Some(vec![json!({"output_type": "stream"})])]);
    }
}
