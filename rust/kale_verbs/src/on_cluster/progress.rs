//! From the cluster's tasks to the steps of the record.

use std::fs;

use kale_kubeflow::{Client, Run, RuntimeState, Task};
use kale_model::{RunStatus, StepStatus};
use kale_store::{RunRecord, StepEnd, Store, StoreError};

use super::ending;

/// What a cluster calls the task of a container, below the task of its step.
const EXECUTOR: &str = "executor";

pub struct Progress<'a> {
    store: &'a Store,
    record: &'a RunRecord,
    steps: Vec<Followed>,
}

/// A step as far as it is recorded.
struct Followed {
    name: String,
    /// What the cluster may call its task.
    task: String,
    status: StepStatus,
    pod: Option<String>,
    /// What it is known to have printed.
    log: String,
}

/// A step as the cluster tells it.
#[derive(Debug, PartialEq)]
struct Seen {
    state: RuntimeState,
    is_cached: bool,
    pod: Option<String>,
    seconds: f64,
    error: Option<String>,
}

impl<'a> Progress<'a> {
    pub fn new(store: &'a Store, record: &'a RunRecord) -> Result<Progress<'a>, StoreError> {
        let tasks = kale_targets::task_names(&record.pipeline);
        let followed = |(step, task): (kale_store::StepRecord, String)| Followed {
            name: step.name,
            task,
            status: step.status,
            pod: None,
            log: String::new(),
        };
        let steps = store.steps(&record.id)?.into_iter().zip(tasks).map(followed).collect();
        Ok(Progress { store, record, steps })
    }

    /// Records what is new; gives whether something is.
    pub fn record(&mut self, client: &Client, run: &Run) -> Result<bool, StoreError> {
        let mut has_changed = false;
        for position in 0..self.steps.len() {
            let step = &self.steps[position];
            if step.status.is_finished() {
                continue;
            }
            let Some(seen) = see(run.tasks(), &[&step.name, &step.task]) else { continue };
            let has_begun = seen.state == RuntimeState::Running || (seen.state.is_final() && !seen.is_cached);
            if has_begun && step.status != StepStatus::Running {
                self.store.begin_step(&self.record.id, position, &step.name, 1)?;
                self.steps[position].status = StepStatus::Running;
                has_changed = true;
            }
            self.steps[position].pod = seen.pod.clone().or_else(|| self.steps[position].pod.take());
            has_changed |= self.read_log(client, run, position)?;
            if let Some(status) = ended(&seen) {
                self.finish(position, status, seen.seconds, seen.error.as_deref())?;
                has_changed = true;
            }
        }
        Ok(has_changed)
    }

    /// Settles what the cluster has not told of a run that is over; gives whether a step has failed.
    pub fn close(&mut self, run: RunStatus) -> Result<bool, StoreError> {
        for position in 0..self.steps.len() {
            let status = self.steps[position].status;
            let unfinished = match (run, status) {
                _ if status.is_finished() => None,
                (RunStatus::Succeeded, _) => Some(StepStatus::Succeeded),
                (RunStatus::Cancelled, _) => Some(StepStatus::Cancelled),
                (_, StepStatus::Running) => Some(StepStatus::Failed),
                _ => Some(StepStatus::Skipped),
            };
            if let Some(status) = unfinished {
                self.finish(position, status, 0.0, None)?;
            }
        }
        Ok(self.steps.iter().any(|step| step.status == StepStatus::Failed))
    }

    fn finish(
        &mut self,
        position: usize,
        status: StepStatus,
        seconds: f64,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let step = &mut self.steps[position];
        step.status = status;
        let failed = (status == StepStatus::Failed).then(|| {
            ending::of_step(&self.record.pipeline, position, self.record.options.context.as_deref(), error, &step.log)
        });
        let end = StepEnd {
            status,
            seconds,
            result: None,
            diagnostics: failed.into_iter().collect(),
            reason: None,
            cacheable: false,
        };
        self.store.end_step(&self.record.id, position, &step.name, &end)
    }

    /// The whole of it each time: the server cannot be asked for a part. That there is none yet is no fault.
    fn read_log(&mut self, client: &Client, run: &Run, position: usize) -> Result<bool, StoreError> {
        let step = &mut self.steps[position];
        let Some(pod) = &step.pod else { return Ok(false) };
        let Ok(text) = client.log(&run.run_id, pod) else { return Ok(false) };
        if text == step.log {
            return Ok(false);
        }
        step.log = text;
        let folder = self.store.step_directory(&self.record.id, position, &step.name);
        let path = folder.join("log.txt");
        let unwritable =
            |error: std::io::Error| StoreError::Unwritable { path: path.clone(), reason: error.to_string() };
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &step.log)).map_err(unwritable)?;
        Ok(true)
    }
}

fn ended(seen: &Seen) -> Option<StepStatus> {
    match seen.state {
        RuntimeState::Succeeded if seen.is_cached => Some(StepStatus::Cached),
        RuntimeState::Succeeded => Some(StepStatus::Succeeded),
        RuntimeState::Skipped if seen.is_cached => Some(StepStatus::Cached),
        RuntimeState::Skipped => Some(StepStatus::Skipped),
        RuntimeState::Failed => Some(StepStatus::Failed),
        RuntimeState::Canceled => Some(StepStatus::Cancelled),
        RuntimeState::Pending
        | RuntimeState::Running
        | RuntimeState::Canceling
        | RuntimeState::Paused
        | RuntimeState::Unspecified => None,
    }
}

/// The step's task, with what lies below it. A step whose result was there has a task that is done, or skipped, above a
/// container that was skipped.
fn see(tasks: &[Task], names: &[&str]) -> Option<Seen> {
    let task = tasks.iter().rev().find(|task| names.contains(&task.display_name.as_str()))?;
    let is_child = |other: &&Task| {
        other.parent_task_id == task.task_id || task.child_tasks.iter().any(|child| child.task_id == other.task_id)
    };
    let executor = tasks.iter().filter(is_child).rev().find(|other| other.display_name.starts_with(EXECUTOR));
    let pods = task.child_tasks.iter().rev().map(|child| child.pod_name.as_str()).filter(|name| !name.is_empty());
    let pod = executor.and_then(Task::pod).or_else(|| task.pod()).or_else(|| pods.clone().next());
    let is_cached = executor.is_some_and(|executor| executor.state == RuntimeState::Skipped);
    let times = executor.filter(|executor| executor.ended().is_some()).unwrap_or(task);
    let seconds = times.started().zip(times.ended()).map_or(0.0, |(started, ended)| (ended - started).max(0.0));
    let error = executor.and_then(Task::error).or_else(|| task.error()).map(str::to_owned);
    Some(Seen { state: task.state, is_cached, pod: pod.map(str::to_owned), seconds, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(json: serde_json::Value) -> Vec<Task> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_steps_task_is_found_by_either_name_and_knows_its_pod() {
        let tasks = tasks(serde_json::json!([
            {"task_id": "d", "display_name": "load-data-driver", "state": "SUCCEEDED"},
            {"task_id": "t", "display_name": "load-data", "state": "RUNNING", "child_tasks": [{"pod_name": "pod-1"}],
             "start_time": "2026-11-21T00:00:00Z", "end_time": "0001-01-01T00:00:00Z"},
        ]));
        let seen = see(&tasks, &["load_data", "load-data"]).unwrap();
        assert_eq!((seen.state, seen.pod.as_deref(), seen.is_cached), (RuntimeState::Running, Some("pod-1"), false));
        assert_eq!(see(&tasks, &["train"]), None);
        assert_eq!(ended(&seen), None);
    }

    #[test]
    fn the_container_below_tells_of_errors_times_and_caching() {
        let of = |state: &str, executor: &str| {
            tasks(serde_json::json!([
                {"task_id": "t", "display_name": "train", "state": state, "child_tasks": [{"task_id": "e"}]},
                {"task_id": "e", "display_name": "executor", "state": executor, "pod_name": "pod-2",
                 "start_time": "2026-11-21T00:00:00Z", "end_time": "2026-11-21T00:00:07Z",
                 "error": {"message": "exit code 1"}},
            ]))
        };
        let failed = see(&of("FAILED", "FAILED"), &["train"]).unwrap();
        assert_eq!(
            (failed.error.as_deref(), failed.seconds, failed.pod.as_deref()),
            (Some("exit code 1"), 7.0, Some("pod-2"))
        );
        assert_eq!(ended(&failed), Some(StepStatus::Failed));
        assert_eq!(ended(&see(&of("SUCCEEDED", "SKIPPED"), &["train"]).unwrap()), Some(StepStatus::Cached));
        assert_eq!(ended(&see(&of("SUCCEEDED", "SUCCEEDED"), &["train"]).unwrap()), Some(StepStatus::Succeeded));
    }
}
