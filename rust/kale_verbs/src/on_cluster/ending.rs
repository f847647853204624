//! What there is to say of a run or step that a cluster could not finish.

use kale_kubeflow::{Client, KubeflowError, Run, RuntimeState, Task};
use kale_model::{CellIndex, Code, Diagnostic, Position, RemoteRun, Span};
use kale_store::RunRecord;

use crate::cluster;
use crate::render::inert;

/// The longest reason that is repeated: a line of a log may be all of it.
const LONGEST: usize = 600;

/// A failed step, with the cell and line of its traceback where its log has one.
pub fn of_step(record: &RunRecord, position: usize, error: Option<&str>, log: &str) -> Diagnostic {
    let RunRecord { id, pipeline, .. } = record;
    let (name, context) = (&pipeline.steps[position].name, cluster::called(record.options.context.as_deref()));
    let reason = last_line(log).or(error);
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", shown(reason)));
    let message = format!("Step `{name}` failed on `{context}`{reason}.");
    let help = format!(
        "`kale-rs logs {id} {name}` has what it printed. Mend the cell and run again, or `kale-rs resume {id}` to have it \
         tried again as it is."
    );
    let diagnostic = Diagnostic::new(Code::StepFailed, message, help);
    // Anything can print what looks like a place.
    let last = pipeline.steps.iter().flat_map(|step| &step.cells).map(|cell| cell.index.0).max();
    match place(log).filter(|span| last.is_some_and(|last| span.cell.0 <= last)) {
        Some(span) => diagnostic.at(span).shown_in(&pipeline.sub_cells),
        None => diagnostic,
    }
}

fn last_line(log: &str) -> Option<&str> {
    log.lines().rev().find(|line| !line.trim().is_empty())
}

/// A run that failed though none of its steps did: what brings code ahead of them, or makes a volume, did; or the cluster
/// says why.
pub fn of_run(client: &Client, run: &Run, context: &str, remote: &RemoteRun) -> Diagnostic {
    let failed = run.tasks().iter().find(|task| task.state == RuntimeState::Failed && is_of_the_graph(task));
    let what = failed.map_or_else(
        || format!("The run failed on `{context}`, though none of its steps did"),
        |task| format!("The task `{}`, which is none of the steps, failed on `{context}`", shown(&task.display_name)),
    );
    let log = failed.and_then(|task| log(client, run, task));
    let said = failed.and_then(Task::error).or(run.error());
    let reason = log.as_deref().and_then(last_line).or(said);
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", shown(reason)));
    let help = format!("Its page may say more: {}. `kale-rs resume` has what failed tried again.", remote.url);
    Diagnostic::new(Code::ClusterRefused, format!("{what}{reason}."), help)
}

/// Not what KFP has put around the tasks of a pipeline.
fn is_of_the_graph(task: &Task) -> bool {
    let name = task.display_name.as_str();
    !matches!(name, "root" | "executor") && !name.ends_with("-driver")
}

/// What the container of a task has printed.
fn log(client: &Client, run: &Run, task: &Task) -> Option<String> {
    let below = run.tasks().iter().filter(|other| other.parent_task_id == task.task_id);
    let pod = std::iter::once(task).chain(below).find_map(Task::pod)?;
    client.log(&run.run_id, pod).ok()
}

/// A run whose metrics and values the cluster keeps to itself.
pub fn without_values(error: &KubeflowError, context: &str) -> Diagnostic {
    let message = format!("`{context}` does not tell what the steps have left: {}.", shown(&error.message));
    let help = "Their metrics and values are not known here. They are asked for beside the pages of Kubeflow Pipelines: if \
                these have another address than its API, add the context again with `--ui URL`; `kale-rs show RUN STEP` \
                asks once more.";
    Diagnostic::new(Code::ClusterKeepsValues, message, help)
}

/// The last `cell 3, line 2` of a traceback, as the step runtime prints it.
fn place(log: &str) -> Option<Span> {
    let (before, rest) = log.rsplit_once(", line ")?;
    let cell = before.rsplit_once("cell ")?.1.parse().ok()?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let line = rest[..digits].parse().ok()?;
    let at = |column| Position { line, column };
    Some(Span { cell: CellIndex(cell), start: at(1), end: at(1) })
}

/// What others say, not too much of it.
fn shown(text: &str) -> String {
    inert(text.trim().trim_end_matches('.')).chars().take(LONGEST).collect()
}

/// Help texts of the client are parts of sentences.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let Some(first) = letters.next() else { return String::new() };
    format!("{}{}.", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use kale_kubeflow::Patience;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_failed_beside_the_steps_is_named() {
        let cluster = serde_json::from_value(json!({"kfp": "http://127.0.0.1:9", "auth": "none"})).unwrap();
        let client = Client::connect(&cluster, Patience::once()).unwrap();
        let remote = RemoteRun { id: "1".to_owned(), url: "http://127.0.0.1:9/#/runs/details/1".to_owned() };
        let told = |tasks: serde_json::Value| {
            let run = json!({"run_id": "1", "state": "FAILED", "run_details": {"task_details": tasks}});
            of_run(&client, &serde_json::from_value(run).unwrap(), "dev", &remote).message
        };
        let task = |name: &str, state: &str| json!({"task_id": name, "display_name": name, "state": state});
        let mut carrier = task("code", "FAILED");
        carrier["error"] = json!({"message": "OOMKilled\u{1b}[2J (137)."});
        let tasks = json!([task("root", "FAILED"), task("code-driver", "FAILED"), carrier, task("train", "SKIPPED")]);
        let named = "The task `code`, which is none of the steps, failed on `dev`: OOMKilled[2J (137).";
        assert_eq!(told(tasks), named);
        assert_eq!(told(json!([])), "The run failed on `dev`, though none of its steps did.");
    }

    #[test]
    fn the_place_of_a_traceback_is_found() {
        let log =
            "row 1\nTraceback (most recent call last):\n  cell 2, line 1, in f\n  cell 3, line 14\nValueError: x\n";
        let span = place(log).unwrap();
        assert_eq!((span.cell, span.start.line), (CellIndex(3), 14));
        assert_eq!(place("line of text, line two"), None);
    }
}
