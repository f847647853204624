//! The executed notebook: the input with what its cells put out, as Jupyter would have stored it.
//!
//! The input's JSON is kept as it is, unknown keys included; only `outputs` and `execution_count` of code cells, values
//! of parameters that were given (`overrides.rs`), and our key of the metadata are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kale_model::{Instruction, Pipeline, RunId, RunStatus};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What a run did to the notebook's cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellOutputs {
    /// Cell index to its nbformat outputs, for each cell that was run.
    pub outputs: BTreeMap<usize, Vec<Value>>,
    /// Cells that were run without being part of a step: definitions and parameters, repeated where needed.
    pub replayed: BTreeSet<usize>,
}

impl CellOutputs {
    /// Marks what the given steps repeated.
    pub fn mark_replayed(&mut self, pipeline: &Pipeline, steps: impl Iterator<Item = usize>) {
        for index in steps {
            for instruction in &pipeline.steps[index].program {
                match instruction {
                    Instruction::Define { cell, .. } => {
                        self.replayed.insert(pipeline.sub_cells.visible(*cell).0);
                    }
                    Instruction::Parameter { name } => {
                        let declared = pipeline.parameters.iter().find(|parameter| parameter.name == *name);
                        let cell = declared.map(|parameter| pipeline.sub_cells.visible(parameter.span.cell));
                        self.replayed.extend(cell.map(|cell| cell.0));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Fills a notebook in. Execution counts are those of a run from top to bottom.
pub fn fill(
    mut notebook: Value,
    cells: &CellOutputs,
    run: &RunId,
    status: RunStatus,
    parameters: &BTreeMap<String, Value>,
) -> Value {
    let mut count = 0;
    for (index, cell) in notebook["cells"].as_array_mut().into_iter().flatten().enumerate() {
        let Some(cell) = cell.as_object_mut().filter(|cell| cell.get("cell_type") == Some(&json!("code"))) else {
            continue;
        };
        let outputs = cells.outputs.get(&index);
        let executed = outputs.is_some() || cells.replayed.contains(&index);
        count += i64::from(executed);
        let number = if executed { json!(count) } else { Value::Null };
        let outputs = outputs.into_iter().flatten().map(|output| as_stored(output, &number)).collect();
        cell.insert("execution_count".to_owned(), number);
        cell.insert("outputs".to_owned(), Value::Array(outputs));
    }
    note_run(&mut notebook, run, status, parameters);
    notebook
}

fn note_run(notebook: &mut Value, run: &RunId, status: RunStatus, parameters: &BTreeMap<String, Value>) {
    let Some(notebook) = notebook.as_object_mut() else { return };
    let metadata = notebook.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let ours = metadata.entry("kale_rs").or_insert_with(|| json!({}));
    if !ours.is_object() {
        *ours = json!({});
    }
    ours["run_id"] = json!(run);
    ours["status"] = json!(status);
    ours["parameters"] = json!(parameters);
}

/// Texts as lists of lines, the way Jupyter writes files; the execution count of the cell.
fn as_stored(output: &Value, number: &Value) -> Value {
    let mut output = output.clone();
    let Some(fields) = output.as_object_mut() else { return output };
    if let Some(text) = fields.get_mut("text") {
        split_lines(text);
    }
    if let Some(data) = fields.get_mut("data").and_then(Value::as_object_mut) {
        split_data(data);
    }
    if fields.get("output_type") == Some(&json!("execute_result")) {
        fields.insert("execution_count".to_owned(), number.clone());
    }
    output
}

fn split_data(data: &mut Map<String, Value>) {
    for (kind, value) in data.iter_mut() {
        let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
        if !is_json {
            split_lines(value);
        }
    }
}

fn split_lines(text: &mut Value) {
    if let Value::String(whole) = text {
        let lines = whole.split_inclusive('\n').map(|line| Value::String(line.to_owned())).collect();
        *text = Value::Array(lines);
    }
}

/// Writes the notebook in Jupyter's own layout (one space of indent, a new line at the end), over what is there.
pub fn write(notebook: &Value, path: &Path) -> io::Result<()> {
    replace_file(path, |file| {
        let mut writer = io::BufWriter::new(file);
        let layout = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut writer, layout);
        notebook.serialize(&mut serializer).map_err(io::Error::from)?;
        writer.write_all(b"\n")?;
        writer.flush()
    })
}

/// Puts a file at a place that a user has named, by a rename: a reader sees the old text or the new one. What a link leads
/// to is replaced, and not the link; what is no file (`/dev/stdout`, a pipe) is written to, and stays what it is.
pub fn replace_file(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fill(&mut OpenOptions::new().write(true).open(path)?);
    }
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut part = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o644)).tempfile_in(folder)?;
    fill(part.as_file_mut())?;
    part.as_file().sync_all()?;
    part.persist(&target).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let put = |name: &str| replace_file(&path(name), |file| file.write_all(b"new"));
        fs::write(path("file"), "old").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        put("link").unwrap();
        assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "new");
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let pipe = path("pipe");
        let reader = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
        put("pipe").unwrap();
        assert_eq!(reader.join().unwrap(), "new");
        assert!(fs::metadata(path("pipe")).unwrap().file_type().is_fifo());
    }

    fn filled(cells: &CellOutputs) -> Value {
        let notebook = json!({
            "cells": [
                {"cell_type": "markdown", "metadata": {}, "source": "# x", "attachments": {"a": 1}},
                {"cell_type": "code", "metadata": {}, "source": "a", "outputs": [{"old": 1}], "execution_count": 9},
                {"cell_type": "code", "metadata": {}, "source": "b", "strange": true},
                {"cell_type": "code", "metadata": {}, "source": "c", "outputs": []},
            ],
            "metadata": {"kale_rs": {"version": 1}}, "nbformat": 4, "nbformat_minor": 5,
        });
        fill(notebook, cells, &RunId("r".to_owned()), RunStatus::Failed, &BTreeMap::new())
    }

    #[test]
    fn only_what_ran_has_counts_and_outputs() {
        let output = json!({"output_type": "execute_result", "data": {"text/plain": "1\n2", "application/json": "x"},
                            "metadata": {}, "execution_count": 77});
        let cells = CellOutputs { outputs: BTreeMap::from([(3, vec![output])]), replayed: BTreeSet::from([1]) };
        let notebook = filled(&cells);
        assert_eq!(notebook["cells"][0]["attachments"], json!({"a": 1}));
        assert_eq!(notebook["cells"][1]["execution_count"], json!(1));
        assert_eq!(notebook["cells"][1]["outputs"], json!([]));
        assert_eq!(notebook["cells"][2]["execution_count"], Value::Null);
        assert_eq!(notebook["cells"][2]["strange"], json!(true));
        assert_eq!(notebook["cells"][3]["execution_count"], json!(2));
        let stored = &notebook["cells"][3]["outputs"][0];
        assert_eq!(stored["execution_count"], json!(2));
        assert_eq!(stored["data"], json!({"text/plain": ["1\n", "2"], "application/json": "x"}));
        assert_eq!(
            notebook["metadata"]["kale_rs"],
            json!({"version": 1, "run_id": "r", "status": "failed", "parameters": {}})
        );
    }
}
