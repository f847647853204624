//! The notebook of a run as it was at a point: a first cell that restores the namespace, the cells so far with what
//! they put out, the others empty.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kale_model::CellIndex;
use kale_store::{RunRecord, Store};
use serde_json::{Map, Value, json};

use super::{Point, RestoreRequest};
use crate::error::VerbError;
use crate::notebook::plain;
use crate::session::Session;

/// Writes the notebook, and says where.
pub fn write(
    session: &Session,
    request: &RestoreRequest,
    store: &Store,
    record: &RunRecord,
    point: Point,
    step: &str,
) -> Result<PathBuf, VerbError> {
    let filled = kale_engine::executed_until(store, &record.id, |cell| point.has(CellIndex(cell)))?;
    let Some(mut notebook) = filled else {
        return Err(VerbError::usage(format!("run `{}` has no notebook", record.id), "only notebooks are restored"));
    };
    let target = target(session, request, store, record, step)?;
    let near = target.parent().unwrap_or(Path::new("."));
    let elsewhere = kale_store::locate(near).canonicalize().ok().as_deref() != Some(store.root());
    let first = first_cell(&notebook, record, request, step, elsewhere.then(|| store.root()));
    let cells = notebook["cells"].as_array_mut().expect("what has run is a notebook");
    for (index, cell) in cells.iter_mut().enumerate().filter(|(index, _)| point.has(CellIndex(*index))) {
        mark(cell, record, index);
    }
    cells.insert(0, first);
    kale_engine::write_notebook(&notebook, &target).map_err(|error| {
        if request.output.is_none() {
            let _ = fs::remove_file(&target);
        }
        VerbError::writing(&target, plain(&error))
    })?;
    Ok(target)
}

/// Beside the notebook that was run, where its relative paths lead to the same files, under a name that no file has: a
/// notebook that is there may hold somebody's work, so only the user can say that it may be replaced.
fn target(
    session: &Session,
    request: &RestoreRequest,
    store: &Store,
    record: &RunRecord,
    step: &str,
) -> Result<PathBuf, VerbError> {
    if let Some(output) = &request.output {
        return Ok(session.directory.join(output));
    }
    let stem =
        record.source.as_deref().and_then(Path::file_stem).map_or("notebook".into(), |stem| stem.to_string_lossy());
    let when = if request.before { "before" } else { "after" };
    let (directory, mut number) = (super::place_now(store, record), 1);
    loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let target = directory.join(format!("{stem}-{when}-{step}{suffix}.ipynb"));
        // Taken at once, so that two that restore at one time get two notebooks.
        match OpenOptions::new().write(true).create_new(true).open(&target) {
            Ok(_) => return Ok(target),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(VerbError::writing(&target, plain(&error))),
        }
    }
}

/// Marked so that editors can show which cells need not be run.
fn mark(cell: &mut Value, record: &RunRecord, index: usize) {
    let Some(cell) = cell.as_object_mut() else { return };
    let metadata = cell.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("kale_rs".to_owned(), json!({"restored": {"run": record.id, "cell": index}}));
    }
}

/// `skip` keeps it out of pipelines. Cells have ids from nbformat 4.5 on.
fn first_cell(
    notebook: &Value,
    record: &RunRecord,
    request: &RestoreRequest,
    step: &str,
    store: Option<&Path>,
) -> Value {
    let quoted = |text: &str| serde_json::to_string(text).expect("text");
    let mut arguments = vec![quoted(&record.id.0), quoted(step)];
    if request.before {
        arguments.push("before=True".to_owned());
    }
    arguments.extend(store.map(|root| format!("store={}", quoted(&root.to_string_lossy()))));
    let mut cell = Map::new();
    cell.insert("cell_type".to_owned(), json!("code"));
    cell.insert("execution_count".to_owned(), Value::Null);
    if notebook["nbformat_minor"].as_u64().unwrap_or(0) >= 5 {
        cell.insert("id".to_owned(), json!("kale-rs-restore"));
    }
    cell.insert("metadata".to_owned(), json!({"tags": ["skip"]}));
    cell.insert("outputs".to_owned(), json!([]));
    let call = format!("kale_rs.restore({})", arguments.join(", "));
    cell.insert("source".to_owned(), json!(["import kale_rs\n", "\n", call]));
    Value::Object(cell)
}
