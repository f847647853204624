//! `kale-rs show RUN STEP`.

use kale_verbs::artifact::ArtifactHead;
use kale_verbs::render::{self, table};
use kale_verbs::show::{CellPage, StepPage, Unfetched, WrittenFile};
use serde_json::Value;

use crate::output;

pub fn text(page: &StepPage) -> String {
    let (step, progress, style) = (&page.step.view, &page.step.progress, output::stdout_style());
    let mut out = format!("step      {} of run {}\n", style.bold(&step.name), page.run_id);
    out.push_str(&format!("status    {} in {}\n", step.status.as_str(), render::seconds(step.seconds)));
    let facts = [
        ("cpu", progress.cpu_seconds.map(render::seconds)),
        ("memory", progress.peak_memory_bytes.map(render::bytes)),
        ("attempt", (progress.attempt > 1).then(|| progress.attempt.to_string())),
        ("why", progress.reason.clone()),
    ];
    for (name, value) in facts {
        out.extend(value.map(|value| format!("{name:<9} {value}\n")));
    }
    out.push_str(&values("given", &page.inputs));
    out.push_str(&values("made", &page.artifacts));
    out.push_str(&unfetched(&page.unfetched));
    if !page.files.is_empty() {
        let row = |file: &WrittenFile| vec![file.path.clone(), size(file.bytes), file.id.clone()];
        out.push_str(&rows("file", page.files.iter().map(row)));
    }
    out.extend(page.cells.iter().map(cell));
    out
}

fn values(word: &str, heads: &[ArtifactHead]) -> String {
    if heads.is_empty() {
        return String::new();
    }
    rows(word, heads.iter().map(|head| vec![head.names.join(", "), size(head.bytes), head.id.clone()]))
}

/// What a cluster has not given out.
fn unfetched(values: &[Unfetched]) -> String {
    let row = |value: &Unfetched| [value.names.join(", "), value.uri.clone().unwrap_or_default(), value.reason.clone()];
    let shown = |row: [String; 3]| row.map(|text| render::without_controls(&text)).to_vec();
    if values.is_empty() {
        return String::new();
    }
    let heading = ["not here", "place", "why"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(values.iter().map(|value| shown(row(value)))).collect();
    format!("\n{}", table::table(&rows))
}

fn rows(word: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let heading = [word, "size", "id"].map(str::to_owned).to_vec();
    format!("\n{}", table::table(&[heading].into_iter().chain(rows).collect::<Vec<_>>()))
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "gone".to_owned(), render::bytes)
}

/// A cell with what it put out, as far as a terminal can show it.
fn cell(page: &CellPage) -> String {
    let style = output::stdout_style();
    let mut out = format!("\n{}\n", style.cyan(&format!("── cell {} ──", page.cell)));
    out.extend(page.source.lines().map(|line| format!("{}\n", style.dim(&format!("  {line}")))));
    for put_out in &page.outputs {
        let told = [&put_out["text"], &put_out["data"]["text/plain"], &put_out["traceback"]];
        let told: String = told.into_iter().map(joined).collect();
        let told = render::without_controls(&told);
        out.extend(Some(told).filter(|told| !told.is_empty()).map(|told| format!("{}\n", told.trim_end())));
    }
    out
}

/// A text, or its lines: tracebacks have no line breaks of their own.
fn joined(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        Value::Array(lines) => {
            let lines = lines.iter().filter_map(Value::as_str);
            lines.map(|line| if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") }).collect()
        }
        _ => String::new(),
    }
}
