//! What the tasks of a run have left: names and places of their artifacts, and the metrics among these.
//!
//! The REST API tells nothing of it. Kubeflow Pipelines keeps it in ML Metadata, whose service answers its pages; so it is
//! found beside these, as they find it (`neighbours.rs`). A run is a context there, a task an execution,
//! and an event says under which name an execution has made an artifact. A task whose result was there already has an
//! execution as well, with events for the artifacts of the one that made them.

use std::collections::{BTreeMap, HashMap};

use prost::{Message, Oneof};

use crate::client::{Client, MOST_PAGES};
use crate::error::KubeflowError;
use crate::request::Request;

const SERVICE: &str = "/ml_metadata.MetadataStoreService";
const RUN: &str = "system.PipelineRun";

/// The artifacts of a task that has succeeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOutputs {
    /// The task's name in the graph.
    pub task: String,
    pub artifacts: BTreeMap<String, OutputArtifact>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputArtifact {
    pub uri: String,
    /// What the server of the pages wants to know of where it lies, as it has written it down itself.
    pub session: Option<String>,
    /// What the task has said of it: numbers (those of a metric), and texts.
    pub numbers: BTreeMap<String, f64>,
    pub texts: BTreeMap<String, String>,
}

impl Client {
    /// What the tasks of a run have left so far; of a task that was tried several times, what the last one left.
    pub fn outputs(&self, run_id: &str) -> Result<Vec<TaskOutputs>, KubeflowError> {
        self.ask_for_outputs(run_id, false)
    }

    /// The same, for those who cannot wait: they ask again some time later.
    pub fn outputs_at_a_glance(&self, run_id: &str) -> Result<Vec<TaskOutputs>, KubeflowError> {
        self.ask_for_outputs(run_id, true)
    }

    fn ask_for_outputs(&self, run_id: &str, is_hurried: bool) -> Result<Vec<TaskOutputs>, KubeflowError> {
        let asked = RunRequest { type_name: RUN.to_owned(), context_name: run_id.to_owned() };
        let found: RunAnswer = self.metadata("GetContextByTypeAndName", &asked, is_hurried)?;
        let Some(run) = found.context else { return Ok(vec![]) };
        let tasks = self.finished_executions(run.id, is_hurried)?;
        if tasks.is_empty() {
            return Ok(vec![]);
        }
        let asked = EventsRequest { execution_ids: tasks.values().copied().collect() };
        let events: EventsAnswer = self.metadata("GetEventsByExecutionIDs", &asked, is_hurried)?;
        let made: Vec<Event> = events.events.into_iter().filter(|event| event.kind == OUTPUT).collect();
        let asked = ArtifactsRequest { artifact_ids: made.iter().map(|event| event.artifact_id).collect() };
        let artifacts: ArtifactsAnswer = self.metadata("GetArtifactsByID", &asked, is_hurried)?;
        let artifacts: HashMap<i64, Artifact> =
            artifacts.artifacts.into_iter().map(|artifact| (artifact.id, artifact)).collect();
        let outputs = |(task, execution): (String, i64)| {
            let mine = made.iter().filter(|event| event.execution_id == execution);
            let named = mine.filter_map(|event| Some((event.name()?, artifacts.get(&event.artifact_id)?.told())));
            TaskOutputs { task, artifacts: named.collect() }
        };
        Ok(tasks.into_iter().map(outputs).collect())
    }

    /// Of each task the newest execution that has succeeded.
    fn finished_executions(&self, context_id: i64, is_hurried: bool) -> Result<BTreeMap<String, i64>, KubeflowError> {
        let (mut found, mut token) = (BTreeMap::new(), String::new());
        for _ in 0..MOST_PAGES {
            let options = ListOptions { max_result_size: 100, next_page_token: token.clone() };
            let asked = ExecutionsRequest { context_id, options: Some(options) };
            let page: ExecutionsAnswer = self.metadata("GetExecutionsByContext", &asked, is_hurried)?;
            for execution in page.executions.iter().filter(|execution| FINISHED.contains(&execution.last_known_state)) {
                let Some(Kind::Text(task)) = execution.property("task_name") else { continue };
                let newest = found.entry(task.clone()).or_insert(execution.id);
                *newest = execution.id.max(*newest);
            }
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            if page.next_page_token == token {
                break;
            }
            token = page.next_page_token;
        }
        Err(self.list_without_end())
    }

    fn metadata<M: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
        is_hurried: bool,
    ) -> Result<M, KubeflowError> {
        let request = Request::post(format!("{SERVICE}/{method}"), "see what the run has left").hurried(is_hurried);
        self.connection.call(&request.at(&self.neighbours.metadata), message)
    }
}

// --- ML Metadata's own shapes, as far as they are read: the numbers are those of its `metadata_store.proto` ------------

const OUTPUT: i32 = 4;
/// Complete, and taken from another run.
const FINISHED: [i32; 2] = [3, 5];

#[derive(Clone, PartialEq, Message)]
struct RunRequest {
    #[prost(string, tag = "1")]
    type_name: String,
    #[prost(string, tag = "2")]
    context_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct RunAnswer {
    #[prost(message, optional, tag = "1")]
    context: Option<Context>,
}

#[derive(Clone, PartialEq, Message)]
struct Context {
    #[prost(int64, tag = "1")]
    id: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ListOptions {
    #[prost(int32, tag = "1")]
    max_result_size: i32,
    #[prost(string, tag = "3")]
    next_page_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct ExecutionsRequest {
    #[prost(int64, tag = "1")]
    context_id: i64,
    #[prost(message, optional, tag = "2")]
    options: Option<ListOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct ExecutionsAnswer {
    #[prost(message, repeated, tag = "1")]
    executions: Vec<Execution>,
    #[prost(string, tag = "2")]
    next_page_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct Execution {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int32, tag = "3")]
    last_known_state: i32,
    #[prost(btree_map = "string, message", tag = "5")]
    custom_properties: BTreeMap<String, Value>,
}

impl Execution {
    fn property(&self, name: &str) -> Option<&Kind> {
        self.custom_properties.get(name)?.kind.as_ref()
    }
}

#[derive(Clone, PartialEq, Message)]
struct EventsRequest {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    execution_ids: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct EventsAnswer {
    #[prost(message, repeated, tag = "1")]
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(int64, tag = "1")]
    artifact_id: i64,
    #[prost(int64, tag = "2")]
    execution_id: i64,
    #[prost(message, optional, tag = "3")]
    path: Option<Path>,
    #[prost(int32, tag = "4")]
    kind: i32,
}

impl Event {
    /// Under which name the execution has made the artifact.
    fn name(&self) -> Option<String> {
        self.path.as_ref()?.steps.first()?.key.clone()
    }
}

#[derive(Clone, PartialEq, Message)]
struct Path {
    #[prost(message, repeated, tag = "1")]
    steps: Vec<PathStep>,
}

#[derive(Clone, PartialEq, Message)]
struct PathStep {
    #[prost(string, optional, tag = "2")]
    key: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ArtifactsRequest {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    artifact_ids: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct ArtifactsAnswer {
    #[prost(message, repeated, tag = "1")]
    artifacts: Vec<Artifact>,
}

#[derive(Clone, PartialEq, Message)]
struct Artifact {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(string, tag = "3")]
    uri: String,
    #[prost(btree_map = "string, message", tag = "5")]
    custom_properties: BTreeMap<String, Value>,
}

impl Artifact {
    fn told(&self) -> OutputArtifact {
        let mut told = OutputArtifact { uri: self.uri.clone(), ..OutputArtifact::default() };
        for (name, value) in &self.custom_properties {
            match &value.kind {
                Some(Kind::Number(number)) => drop(told.numbers.insert(name.clone(), *number)),
                Some(Kind::Text(text)) if name == "store_session_info" => told.session = Some(text.clone()),
                Some(Kind::Text(text)) => drop(told.texts.insert(name.clone(), text.clone())),
                None => {}
            }
        }
        told
    }
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(oneof = "Kind", tags = "2, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
}
