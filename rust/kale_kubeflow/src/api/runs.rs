//! Runs: started, followed, ended.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::states::RuntimeState;
use super::{Done, Version, is_marked, marked, or_default, path};
use crate::client::{Client, Paged, equals};
use crate::error::{Kind, KubeflowError};
use crate::limits;
use crate::request::Request;
use crate::time::epoch_seconds;

/// A run to be started.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    pub display_name: &'a str,
    pub description: Option<&'a str>,
    pub experiment_id: &'a str,
    /// What no other run has, such as our own id of it: by this one is found again when the network breaks off at the wrong
    /// moment, instead of starting a second one.
    pub marker: &'a str,
    pub source: RunSource<'a>,
    pub runtime: Runtime<'a>,
    pub service_account: Option<&'a str>,
}

impl<'a> NewRun<'a> {
    /// A run of an uploaded version, with the defaults of everything else.
    pub fn of_version(
        version: &'a Version,
        experiment_id: &'a str,
        display_name: &'a str,
        marker: &'a str,
    ) -> NewRun<'a> {
        let source = RunSource::of(version);
        let (runtime, description, service_account) = (Runtime::default(), None, None);
        NewRun { display_name, description, experiment_id, marker, source, runtime, service_account }
    }
}

/// What runs.
#[derive(Clone, Debug)]
pub enum RunSource<'a> {
    Version {
        pipeline_id: &'a str,
        version_id: &'a str,
    },
    /// The IR goes along: alone, or as `{"pipeline_spec": ..., "platform_spec": ...}` where it has a platform document.
    Spec(Value),
}

impl<'a> RunSource<'a> {
    pub fn of(version: &'a Version) -> RunSource<'a> {
        RunSource::Version { pipeline_id: &version.pipeline_id, version_id: &version.pipeline_version_id }
    }

    pub(super) fn put_into(&self, body: &mut Value) {
        match self {
            RunSource::Version { pipeline_id, version_id } => {
                body["pipeline_version_reference"] =
                    json!({"pipeline_id": pipeline_id, "pipeline_version_id": version_id});
            }
            RunSource::Spec(spec) => body["pipeline_spec"] = spec.clone(),
        }
    }
}

/// What a run is given.
#[derive(Clone, Debug, Default)]
pub struct Runtime<'a> {
    /// The server wants the kind that the pipeline declares, and no name that it does not.
    pub parameters: Map<String, Value>,
    /// Where outputs go, if not where the server puts them.
    pub pipeline_root: Option<&'a str>,
}

impl Runtime<'_> {
    pub(super) fn to_json(&self) -> Value {
        let mut body = json!({"parameters": self.parameters});
        if let Some(root) = self.pipeline_root {
            body["pipeline_root"] = root.into();
        }
        body
    }
}

/// A run as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Run {
    pub run_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub experiment_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// `AVAILABLE` or `ARCHIVED`.
    #[serde(default, deserialize_with = "or_default")]
    pub storage_state: String,
    #[serde(default, deserialize_with = "or_default")]
    pub state: RuntimeState,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub finished_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    error: Fault,
    #[serde(default, deserialize_with = "or_default")]
    run_details: Details,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Details {
    #[serde(deserialize_with = "or_default")]
    task_details: Vec<Task>,
}

/// `google.rpc.Status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Fault {
    #[serde(deserialize_with = "or_default")]
    message: String,
}

impl Fault {
    fn told(&self) -> Option<&str> {
        Some(self.message.trim()).filter(|message| !message.is_empty())
    }
}

impl Run {
    /// Why it failed, if the server says it.
    pub fn error(&self) -> Option<&str> {
        self.error.told()
    }

    /// Its tasks: steps, the drivers before them, and the graphs that hold them.
    pub fn tasks(&self) -> &[Task] {
        &self.run_details.task_details
    }

    /// When it was made, in seconds since 1970.
    pub fn created(&self) -> Option<f64> {
        epoch_seconds(self.created_at.as_deref()?)
    }

    /// When it ended, in seconds since 1970: a run that goes on has a time before that of all others here.
    pub fn finished(&self) -> Option<f64> {
        epoch_seconds(self.finished_at.as_deref()?).filter(|time| *time > 0.0)
    }
}

/// A node of a run's graph.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Task {
    #[serde(default, deserialize_with = "or_default")]
    pub task_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub state: RuntimeState,
    #[serde(default, deserialize_with = "or_default")]
    pub parent_task_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub start_time: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub end_time: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pod_name: String,
    #[serde(default, deserialize_with = "or_default")]
    error: Fault,
    #[serde(default, deserialize_with = "or_default")]
    pub child_tasks: Vec<ChildTask>,
}

/// What runs below a task: another task, or a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ChildTask {
    #[serde(deserialize_with = "or_default")]
    pub task_id: String,
    #[serde(deserialize_with = "or_default")]
    pub pod_name: String,
}

impl Task {
    pub fn error(&self) -> Option<&str> {
        self.error.told()
    }

    /// The pod that carries it out, whose log there may be.
    pub fn pod(&self) -> Option<&str> {
        Some(self.pod_name.as_str()).filter(|name| !name.is_empty())
    }

    pub fn started(&self) -> Option<f64> {
        epoch_seconds(self.start_time.as_deref()?).filter(|time| *time > 0.0)
    }

    pub fn ended(&self) -> Option<f64> {
        epoch_seconds(self.end_time.as_deref()?).filter(|time| *time > 0.0)
    }
}

#[derive(Deserialize)]
struct Runs {
    #[serde(default, deserialize_with = "or_default")]
    runs: Vec<Run>,
    #[serde(default, deserialize_with = "or_default")]
    next_page_token: String,
}

impl Paged for Runs {
    type Item = Run;

    fn parts(self) -> (Vec<Run>, String) {
        (self.runs, self.next_page_token)
    }
}

/// Which runs.
#[derive(Clone, Debug)]
pub struct RunQuery<'a> {
    /// Those of one experiment, else those of the namespace.
    pub experiment_id: Option<&'a str>,
    /// Those of this name.
    pub display_name: Option<&'a str>,
    pub limit: usize,
}

impl Client {
    /// Starts a run, once: where the network breaks off, the run is looked for by its marker before anything is sent again.
    pub fn create_run(&self, run: &NewRun<'_>) -> Result<Run, KubeflowError> {
        limits::run_name(run.display_name)?;
        let mut body = json!({
            "experiment_id": run.experiment_id,
            "display_name": run.display_name,
            "description": marked(run.description, run.marker),
            "runtime_config": run.runtime.to_json(),
        });
        run.source.put_into(&mut body);
        if let Some(account) = run.service_account {
            body["service_account"] = account.into();
        }
        let request = Request::post(path(&["runs"]), format!("start the run `{}`", run.display_name)).json(body);
        self.connection.create(&request, || self.marked_run(run.experiment_id, run.display_name, run.marker))
    }

    /// The run that was started with a marker, for whoever has lost its id.
    pub fn marked_run(
        &self,
        experiment_id: &str,
        display_name: &str,
        marker: &str,
    ) -> Result<Option<Run>, KubeflowError> {
        let query =
            RunQuery { experiment_id: Some(experiment_id), display_name: Some(display_name), limit: usize::MAX };
        Ok(self.runs(&query)?.into_iter().find(|run| is_marked(&run.description, marker)))
    }

    /// A run as it is now, with its tasks.
    pub fn run(&self, run_id: &str) -> Result<Run, KubeflowError> {
        self.connection.ask(&Request::get(path(&["runs", run_id]), format!("see how the run {run_id} is")))
    }

    /// Runs, newest first.
    pub fn runs(&self, query: &RunQuery<'_>) -> Result<Vec<Run>, KubeflowError> {
        let namespace = self.namespace().filter(|_| query.experiment_id.is_none());
        let request = Request::get(path(&["runs"]), "list runs")
            .with("experiment_id", query.experiment_id)
            .with("namespace", namespace)
            .with("sort_by", Some("created_at desc"))
            .with("filter", query.display_name.map(|name| equals("display_name", name)));
        self.list::<Runs>(&request, query.limit)
    }

    /// Ends a run: it is `CANCELING` first. One that has ended stays as it is.
    pub fn terminate(&self, run_id: &str) -> Result<(), KubeflowError> {
        self.change_run(run_id, "terminate")
    }

    /// Runs again what has failed of a run.
    pub fn retry(&self, run_id: &str) -> Result<(), KubeflowError> {
        let path = format!("{}:retry", path(&["runs", run_id]));
        let request = Request::post(path, format!("retry the run {run_id}"));
        // It makes nothing, but may not be done twice: the run could have failed again in between.
        self.connection
            .create(&request, || Ok((!self.run(run_id)?.state.is_final()).then_some(Done {})))
            .map(|Done {}| ())
    }

    pub fn archive(&self, run_id: &str) -> Result<(), KubeflowError> {
        self.change_run(run_id, "archive")
    }

    pub fn unarchive(&self, run_id: &str) -> Result<(), KubeflowError> {
        self.change_run(run_id, "unarchive")
    }

    /// Removes a run; one that is not there is removed already.
    pub fn delete_run(&self, run_id: &str) -> Result<(), KubeflowError> {
        self.remove(&Request::delete(path(&["runs", run_id]), format!("remove the run {run_id}")))
    }

    /// Carried out twice it is as carried out once.
    fn change_run(&self, run_id: &str, verb: &str) -> Result<(), KubeflowError> {
        let path = format!("{}:{verb}", path(&["runs", run_id]));
        let done = self.connection.ask(&Request::post(path, format!("{verb} the run {run_id}")));
        match done {
            Ok(Done {}) => Ok(()),
            // A server refuses to end what has ended.
            Err(error) if error.kind == Kind::Refused && verb == "terminate" && self.run(run_id)?.state.is_final() => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
