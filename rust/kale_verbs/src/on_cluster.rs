//! A run that a cluster carries out. Its engine is a process here, as that of a local run, and does with the cluster what
//! others do with processes: it hands the pipeline over, asks how the steps are, and records what it hears. So terminal
//! and panel follow both kinds in the same way, and nobody has to stay for the run to go on.
//!
//! What may break off: whoever follows, the engine (`resume` takes the run up again), the network (the engine asks until
//! there is an answer). None of it starts a second run (`submission.rs`). As long as the cluster may have the run, no engine
//! calls it failed that only cannot go on: it leaves it `interrupted`, as if it had been killed, and what has become of it
//! is found out by `resume`.

mod ending;
pub mod fetching;
mod package;
mod progress;
mod submission;
mod values;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kale_kubeflow::{Auth, Client, Context, Contexts, Kind, KubeflowError, Patience, Run, RuntimeState};
use kale_model::{Code, Diagnostic, Event, RemoteRun, RunId, RunStatus};
use kale_store::{RunRecord, Store, StoreError, now};

use crate::cluster;

pub use package::Package;
use submission::Submission;
pub use submission::keep_pipeline;
pub use values::learn_after_all;

/// Soon after something has happened, more may follow; a run of hours is not asked about every second.
const SOON: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_secs(5);
/// How long a cluster is asked that does not let us in, or does not know the run: gateways do so for a moment, too.
const REFUSED: Duration = Duration::from_secs(30);

/// Hands the run over unless the cluster has it already, and follows it to its end.
pub fn carry_out(root: &Path, run: &RunId) -> Result<RunStatus, StoreError> {
    let store = Store::open(root)?;
    let has_ended_before = has_ended(&store, run)?;
    store.claim(run)?;
    let record = store.run(run)?;
    let steps = record.pipeline.steps.iter().map(|step| step.name.to_string()).collect();
    store.append_events(run, &[Event::RunStarted { time: now(), steps }])?;
    let context = cluster::called(record.options.context.as_deref());
    let engine = Engine { store: &store, record: &record, context, submission: Submission::new(&store, &record) };
    let outcome = match engine.submitted(has_ended_before) {
        Ok(Some((client, remote))) => engine.follow(client, &remote),
        Ok(None) => engine.cancelled(),
        Err(Refusal::Cluster(error)) => engine.refused(&error),
        Err(Refusal::Store(error)) => Err(error),
    };
    if let Err(error) = &outcome {
        let _ = engine.stopped(error);
    }
    outcome
}

/// Whether an engine has followed it to an end: then somebody wants what has failed to be tried again.
fn has_ended(store: &Store, run: &RunId) -> Result<bool, StoreError> {
    let events = store.events_after(run, 0)?;
    let last =
        events.iter().rev().find(|stored| matches!(stored.event, Event::RunStarted { .. } | Event::RunFinished { .. }));
    Ok(last.is_some_and(|stored| matches!(stored.event, Event::RunFinished { status, .. } if status.is_finished())))
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
    context: &'a str,
    submission: Submission<'a>,
}

impl Engine<'_> {
    fn client(&self) -> Result<Client, KubeflowError> {
        cluster::client(self.context, Patience::default())
    }

    fn is_to_end(&self) -> Result<bool, StoreError> {
        self.store.cancel_requested(&self.record.id)
    }

    /// The cluster's run: the one that it has, else a new one. `None`: it is to be cancelled, and is not there.
    fn submitted(&self, has_ended_before: bool) -> Result<Option<(Client, RemoteRun)>, Refusal> {
        if self.is_to_end()? && !self.submission.may_be_there()? {
            return Ok(None);
        }
        let client = self.client()?;
        let remote = match self.store.remote(&self.record.id)? {
            Some(remote) => {
                let failed = [RuntimeState::Failed, RuntimeState::Canceled];
                if has_ended_before && failed.contains(&client.run(&remote.id)?.state) && !self.is_to_end()? {
                    client.retry(&remote.id)?;
                }
                remote
            }
            None => match self.submission.run(&client)? {
                Some(id) => RemoteRun { url: client.run_url(&id), id },
                None => return Ok(None),
            },
        };
        self.store.submitted(&self.record.id, self.context, &remote)?;
        Ok(Some((client, remote)))
    }

    /// Asks until the run has ended. That the cluster cannot be asked is told once and waited out: the run goes on there.
    fn follow(&self, mut client: Client, remote: &RemoteRun) -> Result<RunStatus, StoreError> {
        let mut progress = progress::Progress::new(self.store, self.record)?;
        let (mut pause, mut has_asked_to_end, mut lost) = (SOON, false, None);
        loop {
            let wants_end = self.is_to_end()?;
            match self.look(&client, remote, wants_end && !has_asked_to_end) {
                Ok(run) => {
                    (has_asked_to_end, lost) = (wants_end, None);
                    let has_changed = progress.record(&client, &run)?;
                    if run.state.is_final() {
                        return self.end(&mut progress, &client, &run, remote);
                    }
                    pause = if has_changed { SOON } else { (pause * 3 / 2).min(LATE) };
                }
                Err(error)
                    if lost.map_or(Duration::ZERO, |since: Instant| since.elapsed()) < self.patience(error.kind) =>
                {
                    if lost.is_none() {
                        lost = Some(Instant::now());
                        self.store.add_diagnostics(&self.record.id, &[self.lost(&error)])?;
                    }
                    pause = (pause * 2).min(LATE);
                    // Credentials may have been renewed meanwhile.
                    client = self.client().unwrap_or(client);
                }
                Err(error) => return self.leave(&error),
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

    fn end(
        &self,
        progress: &mut progress::Progress,
        client: &Client,
        run: &Run,
        remote: &RemoteRun,
    ) -> Result<RunStatus, StoreError> {
        let status = match run.state {
            RuntimeState::Succeeded | RuntimeState::Skipped => RunStatus::Succeeded,
            RuntimeState::Canceled => RunStatus::Cancelled,
            _ => RunStatus::Failed,
        };
        let has_failed_step = progress.close(status)?;
        if status == RunStatus::Failed && !has_failed_step {
            self.store.add_diagnostics(&self.record.id, &[ending::of_run(client, run, self.context, remote)])?;
        }
        match progress.catch_up_at_last(client, run) {
            Ok(()) => {}
            Err(values::LearnError::Cluster(error)) => {
                self.store.add_diagnostics(&self.record.id, &[ending::without_values(&error, self.context)])?;
            }
            Err(values::LearnError::Store(error)) => return Err(error),
        }
        self.store.finish_run(&self.record.id, status, None)?;
        Ok(status)
    }

    /// It was to be cancelled before it was there.
    fn cancelled(&self) -> Result<RunStatus, StoreError> {
        progress::Progress::new(self.store, self.record)?.close(RunStatus::Cancelled)?;
        self.store.finish_run(&self.record.id, RunStatus::Cancelled, None)?;
        Ok(RunStatus::Cancelled)
    }

    /// The run could not be handed over.
    fn refused(&self, error: &KubeflowError) -> Result<RunStatus, StoreError> {
        if self.submission.may_be_there()? {
            return if self.is_to_end()? && cluster::is_removed(self.context) {
                self.let_go()
            } else {
                self.leave(error)
            };
        }
        let message = format!("The context `{}`: {error}.", self.context);
        let diagnostic = Diagnostic::new(Code::ClusterRefused, message, ending::sentence(&error.help));
        self.store.fail_run(&self.record.id, &diagnostic)?;
        Ok(RunStatus::Failed)
    }

    /// A run that is to be cancelled, on a cluster of which nobody knows any more where it is.
    fn let_go(&self) -> Result<RunStatus, StoreError> {
        let (context, run) = (self.context, &self.record.id);
        let page = self.store.remote(run)?.map_or_else(String::new, |remote| format!(" ({})", remote.url));
        let message =
            format!("The run was not ended on `{context}`, which is no context any more: it may go on there.");
        let help = format!(
            "End it on its page{page}; or add the context again, then `kale-rs resume {run}` follows it, and \
             `kale-rs cancel {run}` ends it."
        );
        self.store.add_diagnostics(run, &[Diagnostic::new(Code::ClusterUnreachable, message, help)])?;
        self.cancelled()
    }

    /// Nothing more can be heard of a run that the cluster has, or may have: `resume` finds out what has become of it.
    fn leave(&self, error: &KubeflowError) -> Result<RunStatus, StoreError> {
        let (context, run) = (self.context, &self.record.id);
        let message = format!("The context `{context}`: {error}.");
        let help = ending::sentence(&error.help);
        if error.kind == Kind::NotFound {
            let help = format!(
                "It was deleted there, or `{context}` is another server now: `kale-rs context test {context}` says which one. \
                 `kale-rs resume {run}` looks for it again, and starts no second one."
            );
            self.store.fail_run(run, &Diagnostic::new(Code::ClusterRefused, message, help))?;
            return Ok(RunStatus::Failed);
        }
        let help = format!("{help} It is not asked any more. {}", self.way_on()?);
        self.store.leave_run(run, &Diagnostic::new(Code::ClusterUnreachable, message, help.trim_start()))?;
        Ok(RunStatus::Interrupted)
    }

    /// What ends an engine here, such as a full disk, does not end the run there.
    fn stopped(&self, error: &StoreError) -> Result<(), StoreError> {
        let diagnostic = error.diagnostic();
        if !self.submission.may_be_there()? {
            return self.store.fail_run(&self.record.id, &diagnostic);
        }
        let help = format!("{} {}", diagnostic.help, self.way_on()?);
        self.store.leave_run(&self.record.id, &Diagnostic { help: help.trim_start().to_owned(), ..diagnostic })
    }

    /// What to do about a run that was left.
    fn way_on(&self) -> Result<String, StoreError> {
        let run = &self.record.id;
        Ok(if self.store.remote(run)?.is_some() {
            format!(
                "The run may go on there: `kale-rs resume {run}` follows it again, with what you have set by then, and \
                 starts no second one."
            )
        } else {
            format!(
                "The run may be there: `kale-rs resume {run}` looks for it, and starts it only if it is not; \
                 `kale-rs cancel {run}` ends it if it is."
            )
        })
    }

    /// How long such a failure is waited out.
    fn patience(&self, kind: Kind) -> Duration {
        // What is no time was refused before the engine was started.
        let patience = cluster::patience().unwrap_or(REFUSED);
        match kind {
            Kind::Unreachable | Kind::Busy | Kind::Server | Kind::Foreign | Kind::Credentials => patience,
            Kind::Unauthorized if self.can_renew() => patience,
            Kind::Unauthorized | Kind::Forbidden | Kind::NotFound => patience.min(REFUSED),
            Kind::Usage | Kind::File | Kind::TooLong | Kind::Exists | Kind::Refused | Kind::Unknown => Duration::ZERO,
        }
    }

    /// Whether what lets us in can be renewed while we wait. The environment of a process stays as it was.
    fn can_renew(&self) -> bool {
        let context = Contexts::open_default().and_then(|contexts| contexts.find(self.context));
        !matches!(context, Ok(Context::Cluster(cluster)) if matches!(cluster.auth, Auth::TokenEnv(_) | Auth::CookieEnv(_)))
    }

    fn lost(&self, error: &KubeflowError) -> Diagnostic {
        let message = format!("The context `{}` cannot be asked how the run is: {error}.", self.context);
        let help =
            format!("{} The run goes on there, and it is asked again until it answers.", ending::sentence(&error.help));
        Diagnostic::new(Code::ClusterUnreachable, message, help.trim_start())
    }
}
