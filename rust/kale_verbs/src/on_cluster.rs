//! A run that a cluster carries out. Its engine is a process here, as that of a local run, and does with the cluster what
//! others do with processes: it hands the pipeline over, asks how the steps are, and records what it hears. So terminal
//! and panel follow both kinds in the same way, and nobody has to stay for the run to go on.
//!
//! What may break off: whoever follows, the engine (`resume` takes the run up again), the network (the engine asks until
//! there is an answer). None of it starts a second run: the cluster's run bears our id, and is looked for by that first.

mod ending;
mod progress;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use kale_kubeflow::{
    Client, Context, Contexts, Kind, KubeflowError, NewRun, Patience, Pipeline as Upload, Run, RuntimeState,
};
use kale_model::{Caching, Code, Diagnostic, Event, Pipeline, RemoteRun, RunId, RunStatus};
use kale_store::{RunRecord, Store, StoreError, now};
use kale_targets::{EmitOptions, Target};

use crate::compile;
use crate::error::VerbError;
use crate::source::Compiled;

/// Soon after something has happened, more may follow; a run of hours is not asked about every second.
const SOON: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_secs(5);
/// In a run's folder: what was compiled for it.
const PIPELINE: &str = "pipeline.yaml";

/// The cluster that is meant, by its context's name (`None`: by the context in use); `None`: this machine is.
pub fn context(name: Option<&str>) -> Result<Option<String>, VerbError> {
    let contexts = Contexts::open_default()?;
    let name = name.unwrap_or_else(|| contexts.current());
    Ok(match contexts.find(name)? {
        Context::Local => None,
        Context::Cluster(_) => Some(name.to_owned()),
    })
}

/// The pipeline as the cluster is given it; none where it cannot be.
pub fn emit(compiled: &Compiled, pipeline: &mut Pipeline, no_cache: bool) -> (Vec<Diagnostic>, Option<String>) {
    if no_cache {
        pipeline.steps.iter_mut().for_each(|step| step.config.caching = Caching::Disabled);
    }
    let emitted = compile::emit(compiled, pipeline, Target::Kfp, &EmitOptions::default());
    let text = emitted.files.and_then(|bundle| bundle.files.into_iter().next()).map(|(_, text)| text);
    (emitted.diagnostics, text)
}

/// Keeps what is to be handed over.
pub fn keep_pipeline(store: &Store, run: &RunId, ir: &str) -> Result<(), StoreError> {
    let folder = store.run_directory(run);
    let path = folder.join(PIPELINE);
    let unwritable = |error: std::io::Error| StoreError::Unwritable { path: path.clone(), reason: error.to_string() };
    fs::create_dir_all(&folder).and_then(|()| fs::write(&path, ir)).map_err(unwritable)
}

/// Hands the run over unless the cluster has it already, and follows it to its end.
pub fn carry_out(root: &Path, run: &RunId) -> Result<RunStatus, StoreError> {
    let store = Store::open(root)?;
    let has_ended_before = has_ended(&store, run)?;
    store.claim(run)?;
    let record = store.run(run)?;
    let steps = record.pipeline.steps.iter().map(|step| step.name.to_string()).collect();
    store.append_events(run, &[Event::RunStarted { time: now(), steps }])?;
    let engine = Engine { store: &store, record: &record };
    let outcome = match engine.submitted(has_ended_before) {
        Ok((client, remote)) => engine.follow(client, &remote),
        Err(Refusal::Cluster(error)) => engine.give_up(&error),
        Err(Refusal::Store(error)) => Err(error),
    };
    if let Err(error) = &outcome {
        let _ = store.fail_run(run, &error.diagnostic());
    }
    outcome
}

/// Whether an engine has followed it to an end: then somebody wants what has failed to be tried again.
fn has_ended(store: &Store, run: &RunId) -> Result<bool, StoreError> {
    let events = store.events_after(run, 0)?;
    let last =
        events.iter().rev().find(|stored| matches!(stored.event, Event::RunStarted { .. } | Event::RunFinished { .. }));
    Ok(last.is_some_and(|stored| matches!(stored.event, Event::RunFinished { .. })))
}

enum Refusal {
    Cluster(KubeflowError),
    Store(StoreError),
}

impl From<KubeflowError> for Refusal {
    fn from(error: KubeflowError) -> Refusal {
        Refusal::Cluster(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

struct Engine<'a> {
    store: &'a Store,
    record: &'a RunRecord,
}

impl Engine<'_> {
    fn context(&self) -> &str {
        self.record.options.context.as_deref().unwrap_or(kale_kubeflow::LOCAL)
    }

    fn client(&self) -> Result<Client, KubeflowError> {
        match Contexts::open_default()?.find(self.context())? {
            Context::Cluster(cluster) => Client::connect(&cluster, Patience::default()),
            Context::Local => Err(KubeflowError::usage(
                format!("`{}` is no cluster any more", self.context()),
                "add the context again, and `kale-rs resume` the run",
            )),
        }
    }

    /// The cluster's run: the one that it has, else a new one.
    fn submitted(&self, has_ended_before: bool) -> Result<(Client, RemoteRun), Refusal> {
        let client = self.client()?;
        let remote = match self.store.remote(&self.record.id)? {
            Some(remote) => {
                let failed = [RuntimeState::Failed, RuntimeState::Canceled];
                if has_ended_before && failed.contains(&client.run(&remote.id)?.state) {
                    client.retry(&remote.id)?;
                }
                remote
            }
            None => {
                let id = self.create(&client)?;
                RemoteRun { url: client.run_url(&id), id }
            }
        };
        self.store.submitted(&self.record.id, self.context(), &remote)?;
        Ok((client, remote))
    }

    fn create(&self, client: &Client) -> Result<String, KubeflowError> {
        let RunRecord { id, pipeline, .. } = self.record;
        let path = self.store.run_directory(id).join(PIPELINE);
        let ir = fs::read_to_string(&path).map_err(|error| KubeflowError::file("read", &path, &error))?;
        let (name, description) = (pipeline.name.as_str(), pipeline.description.as_deref());
        let experiment = client.experiment(pipeline.experiment.as_deref().unwrap_or(name), None)?;
        let display_name = format!("{name} {id}");
        // An engine that was killed may have come as far as this before.
        if let Some(found) = client.marked_run(&experiment.experiment_id, &display_name, &id.0)? {
            return Ok(found.run_id);
        }
        let version = client.upload(&Upload { name, description, ir: &ir })?;
        let mut new = NewRun::of_version(&version, &experiment.experiment_id, &display_name, &id.0);
        new.description = description;
        new.runtime.parameters = kale_targets::arguments(pipeline, &self.record.parameters)
            .map_err(|message| KubeflowError::usage(message, "give another value, or write the default as text"))?;
        Ok(client.create_run(&new)?.run_id)
    }

    /// Asks until the run has ended. That the cluster cannot be asked is told once and waited out: the run goes on there.
    fn follow(&self, mut client: Client, remote: &RemoteRun) -> Result<RunStatus, StoreError> {
        let mut progress = progress::Progress::new(self.store, self.record)?;
        let (mut pause, mut has_asked_to_end, mut is_lost) = (SOON, false, false);
        loop {
            let wants_end = self.store.cancel_requested(&self.record.id)?;
            match self.look(&client, remote, wants_end && !has_asked_to_end) {
                Ok(run) => {
                    (has_asked_to_end, is_lost) = (wants_end, false);
                    let has_changed = progress.record(&client, &run)?;
                    if run.state.is_final() {
                        return self.end(&mut progress, &run, remote);
                    }
                    pause = if has_changed { SOON } else { (pause * 3 / 2).min(LATE) };
                }
                Err(error) if is_worth_waiting(error.kind) => {
                    if !std::mem::replace(&mut is_lost, true) {
                        self.store.add_diagnostics(&self.record.id, &[self.lost(&error)])?;
                    }
                    pause = (pause * 2).min(LATE);
                    // Credentials may have been renewed meanwhile.
                    client = self.client().unwrap_or(client);
                }
                Err(error) => return self.give_up(&error),
            }
            sleep(pause);
        }
    }

    fn look(&self, client: &Client, remote: &RemoteRun, is_to_end: bool) -> Result<Run, KubeflowError> {
        if is_to_end {
            client.terminate(&remote.id)?;
        }
        client.run(&remote.id)
    }

    fn end(&self, progress: &mut progress::Progress, run: &Run, remote: &RemoteRun) -> Result<RunStatus, StoreError> {
        let status = match run.state {
            RuntimeState::Succeeded | RuntimeState::Skipped => RunStatus::Succeeded,
            RuntimeState::Canceled => RunStatus::Cancelled,
            _ => RunStatus::Failed,
        };
        let has_failed_step = progress.close(status)?;
        if status == RunStatus::Failed && !has_failed_step {
            self.store.add_diagnostics(&self.record.id, &[ending::of_run(run, self.context(), remote)])?;
        }
        self.store.finish_run(&self.record.id, status, None)?;
        Ok(status)
    }

    fn give_up(&self, error: &KubeflowError) -> Result<RunStatus, StoreError> {
        let message = format!("The context `{}`: {error}.", self.context());
        let diagnostic = Diagnostic::new(Code::ClusterRefused, message, ending::sentence(&error.help));
        self.store.fail_run(&self.record.id, &diagnostic)?;
        Ok(RunStatus::Failed)
    }

    fn lost(&self, error: &KubeflowError) -> Diagnostic {
        let message = format!("The context `{}` cannot be asked how the run is: {error}.", self.context());
        let help = "The run goes on there, and it is asked again until it answers.";
        Diagnostic::new(Code::ClusterUnreachable, message, help)
    }
}

fn is_worth_waiting(kind: Kind) -> bool {
    match kind {
        Kind::Unreachable | Kind::Unauthorized | Kind::Busy | Kind::Server | Kind::Foreign | Kind::Credentials => true,
        Kind::Usage | Kind::File | Kind::Forbidden | Kind::NotFound | Kind::Exists | Kind::Refused | Kind::Unknown => {
            false
        }
    }
}
