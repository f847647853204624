//! The document layer, from the text of a notebook to blocks, parameters and metrics.

mod any_text;
mod blocks;
mod cells;
mod fixes;
mod metadata;
mod notebook;
mod tags;
mod values;

use kale_frontend::blocks::{Blocks, blocks};
use kale_frontend::notebook::Notebook;
use kale_model::{Diagnostic, PythonVersion, Severity};
use serde_json::{Value, json};

const PYTHON: PythonVersion = PythonVersion { major: 3, minor: 11 };

/// A notebook of code cells, each with its tags (separated by blanks) and source. `# ` as tags: a markdown cell.
fn notebook_of(cells: &[(&str, &str)]) -> Notebook {
    notebook_with(json!({}), cells)
}

fn notebook_with(metadata: Value, cells: &[(&str, &str)]) -> Notebook {
    let cell = |(tags, source): &(&str, &str)| match *tags {
        "#" => json!({"cell_type": "markdown", "metadata": {}, "source": source}),
        _ => {
            let tags: Vec<&str> = tags.split(' ').filter(|tag| !tag.is_empty()).collect();
            json!({"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": []})
        }
    };
    let cells: Vec<Value> = cells.iter().map(cell).collect();
    let text = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}).to_string();
    Notebook::read(&text).expect("the notebook is well formed")
}

fn blocks_of(cells: &[(&str, &str)]) -> (Blocks, Vec<Diagnostic>) {
    blocks(&notebook_of(cells), PYTHON)
}

/// One line per diagnostic: severity, id, place, message.
fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(line).collect()
}

fn line(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let place = match (diagnostic.cell, diagnostic.start, diagnostic.end) {
        (Some(cell), Some(start), Some(end)) => {
            format!("[{}] {}:{}-{}:{} ", cell.0, start.line, start.column, end.line, end.column)
        }
        _ => String::new(),
    };
    assert!(!diagnostic.help.is_empty(), "every diagnostic says what to do");
    format!("{severity} {} {place}{}", diagnostic.code, diagnostic.message)
}
