//! From the cluster's tasks to the steps of the record.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kale_kubeflow::{Client, KubeflowError, Run, RuntimeState, Task, TaskOutputs};
use kale_model::{Event, RunStatus, StepStatus};
use kale_store::{RunRecord, StepEnd, StepResult, Store, StoreError};

use super::{ending, values};

/// What a cluster calls the task of a container, below the task of its step.
const EXECUTOR: &str = "executor";
/// What follows a task's name in that of the pod that looks after it.
const DRIVER: &str = "-driver";
/// How much longer a log is left alone than it took to read.
const REST: u32 = 10;
/// Between two questions for what tasks have left, of which the first was in vain.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(120);
/// How often that is asked at the end of a run.
const AT_LAST: u32 = 3;

pub struct Progress<'a> {
    store: &'a Store,
    record: &'a RunRecord,
    steps: Vec<Followed>,
    /// Whether there are steps that are done, and of which it is not known what they have left.
    is_owed: bool,
    /// When it is worth asking again what tasks have left.
    values_due: Option<Instant>,
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
    /// When it is worth reading what it has printed again.
    log_due: Option<Instant>,
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
            log_due: None,
        };
        let steps = store.steps(&record.id)?.into_iter().zip(tasks).map(followed).collect();
        let is_owed = values::is_owed(store, record)?;
        Ok(Progress { store, record, steps, is_owed, values_due: None })
    }

    /// Records what is new; gives whether something is.
    pub fn record(&mut self, client: &Client, run: &Run) -> Result<bool, StoreError> {
        let (mut has_changed, mut outputs) = (false, None);
        let names = self.names(run.tasks());
        let known = names.iter().map(String::as_str).collect();
        for (position, name) in names.iter().enumerate() {
            let step = &self.steps[position];
            let Some(seen) = see(run.tasks(), name, &known) else { continue };
            if is_settled(step.status, &seen) {
                continue;
            }
            let has_begun = seen.state == RuntimeState::Running || (seen.state.is_final() && !seen.is_cached);
            if has_begun && step.status != StepStatus::Running {
                self.store.begin_step(&self.record.id, position, &step.name, 1)?;
                self.steps[position].status = StepStatus::Running;
                has_changed = true;
            }
            self.steps[position].pod = seen.pod.clone().or_else(|| self.steps[position].pod.take());
            let end = ended(&seen);
            has_changed |= self.read_log(client, run, position, end.is_some())?;
            if let Some(status) = end {
                let result = if values::has_left_something(status) {
                    self.result(client, run, position, &mut outputs)
                } else {
                    None
                };
                self.finish(position, status, seen.seconds, seen.error.as_deref(), result)?;
                has_changed = true;
            }
        }
        match self.catch_up(client, run, outputs) {
            Err(values::LearnError::Store(error)) => Err(error),
            // It is asked for again.
            Ok(()) | Err(values::LearnError::Cluster(_)) => Ok(has_changed),
        }
    }

    /// What a step has left. The run's tasks are asked for together, once for all steps that have ended since the last look.
    fn result(
        &mut self,
        client: &Client,
        run: &Run,
        position: usize,
        outputs: &mut Option<Vec<TaskOutputs>>,
    ) -> Option<StepResult> {
        if outputs.is_none() {
            *outputs = self.glance(client, run).and_then(Result::ok);
        }
        let found = outputs.iter().flatten().find(|found| found.task == self.steps[position].task);
        self.is_owed |= found.is_none();
        Some(values::result(&self.record.pipeline, found?))
    }

    /// Asks what the tasks have left, unless that was in vain lately: nothing is heard of the run meanwhile.
    fn glance(&mut self, client: &Client, run: &Run) -> Option<Result<Vec<TaskOutputs>, KubeflowError>> {
        let begun = Instant::now();
        if self.values_due.is_some_and(|due| begun < due) {
            return None;
        }
        let found = client.outputs_at_a_glance(&run.run_id);
        self.values_due = match &found {
            Ok(_) if !self.is_owed => None,
            _ => Some(Instant::now() + (begun.elapsed() * REST).clamp(SOON, LATE)),
        };
        Some(found)
    }

    /// Asks for what was not to be had when its step ended.
    fn catch_up(
        &mut self,
        client: &Client,
        run: &Run,
        outputs: Option<Vec<TaskOutputs>>,
    ) -> Result<(), values::LearnError> {
        if !self.is_owed {
            return Ok(());
        }
        let outputs = match outputs {
            Some(outputs) => outputs,
            None => match self.glance(client, run) {
                Some(outputs) => outputs?,
                None => return Ok(()),
            },
        };
        values::note(self.store, self.record, &outputs)?;
        self.is_owed = values::is_owed(self.store, self.record)?;
        Ok(())
    }

    /// Asks once more at the end, when nothing else is to be done.
    pub fn catch_up_at_last(&mut self, client: &Client, run: &Run) -> Result<(), values::LearnError> {
        self.is_owed = values::is_owed(self.store, self.record)?;
        let mut attempt = 1;
        loop {
            self.values_due = None;
            match self.catch_up(client, run, None) {
                Err(values::LearnError::Cluster(_)) if attempt < AT_LAST => sleep(SOON),
                other => return other,
            }
            attempt += 1;
        }
    }

    /// What the cluster calls the steps' tasks: some servers show the name that the step has here, some that of the task,
    /// and the one of a step may be the other of another.
    fn names(&self, tasks: &[Task]) -> Vec<String> {
        let is_shown = |step: &Followed| tasks.iter().any(|task| task.display_name == step.name);
        let is_task = |name: &str| self.steps.iter().any(|step| step.task == name);
        let by_step = self.steps.iter().any(|step| !is_task(&step.name) && is_shown(step));
        self.steps.iter().map(|step| if by_step { step.name.clone() } else { step.task.clone() }).collect()
    }

    /// Settles what the cluster has not told of a run that is over; gives whether a step has failed.
    pub fn close(&mut self, run: RunStatus) -> Result<bool, StoreError> {
        for position in 0..self.steps.len() {
            let status = self.steps[position].status;
            let unfinished = match (run, status) {
                // It was tried again, with success.
                (RunStatus::Succeeded, StepStatus::Failed | StepStatus::Cancelled) => Some(StepStatus::Succeeded),
                _ if status.is_finished() => None,
                (RunStatus::Succeeded, _) => Some(StepStatus::Succeeded),
                (RunStatus::Cancelled, _) => Some(StepStatus::Cancelled),
                (_, StepStatus::Running) => Some(StepStatus::Failed),
                _ => Some(StepStatus::Skipped),
            };
            if let Some(status) = unfinished {
                self.finish(position, status, 0.0, None, None)?;
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
        result: Option<StepResult>,
    ) -> Result<(), StoreError> {
        let step = &mut self.steps[position];
        step.status = status;
        let failed = (status == StepStatus::Failed).then(|| ending::of_step(self.record, position, error, &step.log));
        let metrics: Vec<Event> = result.iter().flat_map(|result| result.metric_events(&step.name)).collect();
        self.store.append_events(&self.record.id, &metrics)?;
        let end = StepEnd {
            status,
            seconds,
            result,
            diagnostics: failed.into_iter().collect(),
            reason: None,
            cacheable: false,
        };
        self.store.end_step(&self.record.id, position, &step.name, &end)
    }

    /// The whole of it each time: the server cannot be asked for a part. So one that takes long is read seldom, until its
    /// step has ended. That there is none yet is no fault.
    fn read_log(&mut self, client: &Client, run: &Run, position: usize, is_over: bool) -> Result<bool, StoreError> {
        let step = &mut self.steps[position];
        let Some(pod) = &step.pod else { return Ok(false) };
        let begun = Instant::now();
        if !is_over && step.log_due.is_some_and(|due| begun < due) {
            return Ok(false);
        }
        let read = client.log(&run.run_id, pod);
        step.log_due = Some(Instant::now() + begun.elapsed() * REST);
        let Ok(text) = read else { return Ok(false) };
        if text == step.log {
            return Ok(false);
        }
        let folder = self.store.step_directory(&self.record.id, position, &step.name);
        let path = folder.join("log.txt");
        let unwritable =
            |error: std::io::Error| StoreError::Unwritable { path: path.clone(), reason: error.to_string() };
        let written = fs::create_dir_all(&folder).and_then(|()| match text.strip_prefix(step.log.as_str()) {
            Some(news) if !step.log.is_empty() => {
                OpenOptions::new().append(true).create(true).open(&path)?.write_all(news.as_bytes())
            }
            _ => fs::write(&path, &text),
        });
        written.map_err(unwritable)?;
        step.log = text;
        Ok(true)
    }
}

/// What has failed or was skipped may be tried again, and a server tells of how it was for a while yet.
fn is_settled(status: StepStatus, seen: &Seen) -> bool {
    match status {
        StepStatus::Succeeded | StepStatus::Cached => true,
        status if status.is_finished() => match ended(seen) {
            Some(end) => end == status,
            None => seen.state != RuntimeState::Running,
        },
        _ => false,
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
fn see(tasks: &[Task], name: &str, names: &HashSet<&str>) -> Option<Seen> {
    let is_below = |task: &Task, above: &Task| {
        task.task_id != above.task_id
            && (task.parent_task_id == above.task_id
                || above.child_tasks.iter().any(|child| child.task_id == task.task_id))
    };
    // A step may have the name that containers have.
    let is_inner =
        |task: &Task| tasks.iter().any(|above| names.contains(above.display_name.as_str()) && is_below(task, above));
    let executor_of = |task: &Task| {
        tasks.iter().rev().find(|other| is_below(other, task) && other.display_name.starts_with(EXECUTOR))
    };
    // Or the name of another's driver, which has no container of a step below it.
    let is_ambiguous = name.strip_suffix(DRIVER).is_some_and(|other| names.contains(other));
    let is_it =
        |task: &Task| task.display_name == name && !is_inner(task) && (!is_ambiguous || executor_of(task).is_some());
    let task = tasks.iter().rev().find(|task| is_it(task))?;
    let executor = executor_of(task);
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
    fn a_steps_task_is_found_and_knows_its_pod() {
        let tasks = tasks(serde_json::json!([
            {"task_id": "d", "display_name": "load-data-driver", "state": "SUCCEEDED"},
            {"task_id": "t", "display_name": "load-data", "state": "RUNNING", "child_tasks": [{"pod_name": "pod-1"}],
             "start_time": "2026-11-21T00:00:00Z", "end_time": "0001-01-01T00:00:00Z"},
        ]));
        let seen = see(&tasks, "load-data", &HashSet::from(["load-data"])).unwrap();
        assert_eq!((seen.state, seen.pod.as_deref(), seen.is_cached), (RuntimeState::Running, Some("pod-1"), false));
        assert_eq!(see(&tasks, "train", &HashSet::from(["train"])), None);
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
        let train = |tasks: &[Task]| see(tasks, "train", &HashSet::from(["train"])).unwrap();
        let failed = train(&of("FAILED", "FAILED"));
        assert_eq!(
            (failed.error.as_deref(), failed.seconds, failed.pod.as_deref()),
            (Some("exit code 1"), 7.0, Some("pod-2"))
        );
        assert_eq!(ended(&failed), Some(StepStatus::Failed));
        assert_eq!(ended(&train(&of("SUCCEEDED", "SKIPPED"))), Some(StepStatus::Cached));
        assert_eq!(ended(&train(&of("SUCCEEDED", "SUCCEEDED"))), Some(StepStatus::Succeeded));
    }
}
