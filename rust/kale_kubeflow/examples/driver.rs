//! The client for a program of another language: `tests/kubeflow` lets it do what the official client does.
//!
//! A line of JSON on standard input is a call, `{"call": NAME, ...}`; a line on standard output is what came of it,
//! `{"ok": ...}` or `{"error": {"kind", "message", "help"}}`. The arguments are a context's name (contexts are found as
//! always) and the first wait and the patience for answers, in milliseconds.

use std::io::{BufRead, Write};
use std::time::Duration;

use kale_kubeflow::{
    ArtifactPlace, Client, Context, Contexts, KubeflowError, NewRecurringRun, NewRun, OutputArtifact, Patience,
    Pipeline, Run, RunQuery, RunSource, Runtime, TaskOutputs, Timing, Trigger, Version,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
enum Call {
    Health,
    Experiment { name: String, description: Option<String> },
    Experiments { limit: usize },
    ArchiveExperiment { id: String },
    UnarchiveExperiment { id: String },
    Upload { name: String, description: Option<String>, ir: String },
    Pipelines { limit: usize },
    Versions { pipeline_id: String, limit: usize },
    DeleteVersion { pipeline_id: String, version_id: String },
    CreateRun(New),
    Run { id: String },
    Runs { experiment_id: Option<String>, limit: usize },
    Terminate { id: String },
    Retry { id: String },
    Archive { id: String },
    Unarchive { id: String },
    DeleteRun { id: String },
    CreateRecurringRun { new: New, schedule: When, enabled: bool, catch_up: bool },
    RecurringRun { id: String },
    RecurringRuns { experiment_id: Option<String>, limit: usize },
    Enable { id: String },
    Disable { id: String },
    DeleteRecurringRun { id: String },
    Log { run_id: String, pod: String },
    Artifact { uri: String, session: Option<String>, limit: Option<u64> },
    Outputs { run_id: String },
}

#[derive(Deserialize)]
struct New {
    display_name: String,
    experiment_id: String,
    marker: String,
    pipeline_id: Option<String>,
    version_id: Option<String>,
    spec: Option<Value>,
    #[serde(default)]
    parameters: Map<String, Value>,
    pipeline_root: Option<String>,
    service_account: Option<String>,
}

impl New {
    fn source(&self) -> RunSource<'_> {
        match (&self.spec, &self.pipeline_id, &self.version_id) {
            (None, Some(pipeline_id), Some(version_id)) => RunSource::Version { pipeline_id, version_id },
            (spec, ..) => RunSource::Spec(spec.clone().unwrap_or_default()),
        }
    }

    fn runtime(&self) -> Runtime<'_> {
        Runtime { parameters: self.parameters.clone(), pipeline_root: self.pipeline_root.as_deref() }
    }
}

#[derive(Deserialize)]
struct When {
    cron: Option<String>,
    interval: Option<u32>,
    start: Option<String>,
    end: Option<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [name, base, read] = <[String; 3]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|_| "usage: driver CONTEXT BASE READ")?;
    let Context::Cluster(cluster) = Contexts::open_default()?.find(&name)? else { return Err("no cluster".into()) };
    let [base, read] = [Duration::from_millis(base.parse()?), Duration::from_millis(read.parse()?)];
    let client = Client::connect(&cluster, Patience { base, read, ..Patience::default() })?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match carry_out(&client, &serde_json::from_str(&line?)?) {
            Ok(value) => json!({ "ok": value }),
            Err(KubeflowError { kind, message, help }) => {
                json!({"error": {"kind": format!("{kind:?}"), "message": message, "help": help}})
            }
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn carry_out(client: &Client, call: &Call) -> Result<Value, KubeflowError> {
    let done = |()| Value::Null;
    match call {
        Call::Health => client.health().map(|health| json!(health)),
        Call::Experiment { name, description } => {
            client.experiment(name, description.as_deref()).map(|experiment| json!(experiment.experiment_id))
        }
        Call::Experiments { limit } => {
            Ok(client.experiments(*limit)?.into_iter().map(|experiment| experiment.experiment_id).collect())
        }
        Call::ArchiveExperiment { id } => client.archive_experiment(id).map(done),
        Call::UnarchiveExperiment { id } => client.unarchive_experiment(id).map(done),
        Call::Upload { name, description, ir } => client
            .upload(&Pipeline { name, description: description.as_deref(), ir })
            .map(|version| shown_version(&version)),
        Call::Pipelines { limit } => {
            Ok(client.pipelines(*limit)?.into_iter().map(|pipeline| pipeline.pipeline_id).collect())
        }
        Call::Versions { pipeline_id, limit } => {
            Ok(client.versions(pipeline_id, *limit)?.iter().map(shown_version).collect())
        }
        Call::DeleteVersion { pipeline_id, version_id } => client.delete_version(pipeline_id, version_id).map(done),
        Call::CreateRun(new) => {
            let run = NewRun {
                display_name: &new.display_name,
                description: None,
                experiment_id: &new.experiment_id,
                marker: &new.marker,
                source: new.source(),
                runtime: new.runtime(),
                service_account: new.service_account.as_deref(),
            };
            client.create_run(&run).map(|run| shown(&run))
        }
        Call::Run { id } => client.run(id).map(|run| shown(&run)),
        Call::Runs { experiment_id, limit } => {
            let query = RunQuery { experiment_id: experiment_id.as_deref(), display_name: None, limit: *limit };
            Ok(client.runs(&query)?.iter().map(shown).collect())
        }
        Call::Terminate { id } => client.terminate(id).map(done),
        Call::Retry { id } => client.retry(id).map(done),
        Call::Archive { id } => client.archive(id).map(done),
        Call::Unarchive { id } => client.unarchive(id).map(done),
        Call::DeleteRun { id } => client.delete_run(id).map(done),
        Call::CreateRecurringRun { new, schedule, enabled, catch_up } => {
            create_recurring_run(client, new, schedule, *enabled, *catch_up)
        }
        Call::RecurringRun { id } => client.recurring_run(id).map(|found| json!([found.status, found.no_catchup])),
        Call::RecurringRuns { experiment_id, limit } => {
            let found = client.recurring_runs(experiment_id.as_deref(), *limit)?;
            Ok(found.into_iter().map(|each| each.recurring_run_id).collect())
        }
        Call::Enable { id } => client.enable_recurring_run(id).map(done),
        Call::Disable { id } => client.disable_recurring_run(id).map(done),
        Call::DeleteRecurringRun { id } => client.delete_recurring_run(id).map(done),
        Call::Log { run_id, pod } => client.log(run_id, pod).map(Value::from),
        Call::Outputs { run_id } => {
            let told = |task: TaskOutputs| {
                (task.task, json!(task.artifacts.into_iter().map(shown_artifact).collect::<Map<_, _>>()))
            };
            client.outputs(run_id).map(|tasks| tasks.into_iter().map(told).collect::<Map<_, _>>().into())
        }
        Call::Artifact { uri, session, limit } => {
            let file = tempfile::NamedTempFile::new().expect("there is room");
            client.artifact(&ArtifactPlace::parse(uri)?, session.as_deref(), file.as_file(), *limit)?;
            Ok(String::from_utf8_lossy(&std::fs::read(file.path()).expect("it was written")).into())
        }
    }
}

fn shown_artifact((name, artifact): (String, OutputArtifact)) -> (String, Value) {
    let OutputArtifact { uri, session, numbers, texts } = artifact;
    (name, json!({"uri": uri, "session": session, "numbers": numbers, "texts": texts}))
}

fn create_recurring_run(
    client: &Client,
    new: &New,
    when: &When,
    enabled: bool,
    catch_up: bool,
) -> Result<Value, KubeflowError> {
    let trigger = match (&when.cron, when.interval) {
        (Some(cron), _) => Trigger::Cron(cron),
        (None, interval) => Trigger::Interval(interval.unwrap_or_default()),
    };
    let recurring = NewRecurringRun {
        display_name: &new.display_name,
        description: None,
        experiment_id: &new.experiment_id,
        marker: &new.marker,
        source: new.source(),
        runtime: new.runtime(),
        service_account: new.service_account.as_deref(),
        timing: Timing { trigger, start: when.start.as_deref(), end: when.end.as_deref() },
        enabled,
        catch_up,
        max_concurrency: 1,
    };
    client.create_recurring_run(&recurring).map(|made| json!(made.recurring_run_id))
}

fn shown(run: &Run) -> Value {
    let task = |task: &kale_kubeflow::Task| {
        json!({
            "name": task.display_name, "state": task.state, "pod": task.pod(), "error": task.error(),
            "started": task.started(), "ended": task.ended(),
        })
    };
    let tasks: Vec<Value> = run.tasks().iter().map(task).collect();
    json!({
        "run_id": run.run_id, "state": run.state, "error": run.error(), "created": run.created(), "finished": run.finished(),
        "storage_state": run.storage_state, "tasks": tasks,
    })
}

fn shown_version(version: &Version) -> Value {
    json!([version.pipeline_id, version.pipeline_version_id, version.display_name])
}
