//! Follows a run in its store and tells what happens there, from a thread of its own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kale_model::{Code, Diagnostic, Event, RunId, StepStatus};
use kale_store::{Result, RunRecord, StepRecord, Store};
use serde_json::Value;

use super::event::{Events, Kind};
use super::sink::{Sink, Target};

/// The variable that OpenLineage's own clients read it from.
const NAMESPACE_VARIABLE: &str = "OPENLINEAGE_NAMESPACE";
const NAMESPACE: &str = "kale_rs";
const POLL: Duration = Duration::from_millis(50);
/// A server that has not taken an event is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// What is left when the run has ended is tried for so long.
const LAST_TRIES: Duration = Duration::from_secs(4);

pub struct Reporter {
    run_is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reporter {
    /// Begins to tell what comes, if that is what the run was asked for.
    pub fn start(root: &Path, run: &RunId) -> Option<Reporter> {
        let store = Store::open(root).ok()?;
        let record = store.run(run).ok()?;
        let target = record.options.openlineage.clone()?;
        let target = Target::parse(&target, &record.options.directory).ok()?;
        let seen = store.last_event(run).ok()?;
        let run_is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&run_is_over);
        // A connection to SQLite belongs to one thread; it is this one's from here on.
        let thread = std::thread::spawn(move || {
            let mut following = Following { store, record, target, seen, unsent: VecDeque::new(), has_warned: false };
            // Without a store there is nothing to tell, and nobody to tell it to.
            let _ = following.follow(&over);
        });
        Some(Reporter { run_is_over, thread })
    }

    /// Returns when all has been told, or cannot be.
    pub fn finish(self) {
        self.run_is_over.store(true, Ordering::Release);
        let _ = self.thread.join();
    }
}

struct Following {
    store: Store,
    record: RunRecord,
    target: Target,
    /// The number of the last event of the run that was looked at.
    seen: i64,
    unsent: VecDeque<String>,
    has_warned: bool,
}

impl Following {
    fn follow(&mut self, run_is_over: &AtomicBool) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let sink =
            runtime.map_err(|error| error.to_string()).and_then(|runtime| Ok((runtime, Sink::open(&self.target)?)));
        let (runtime, sink) = match sink {
            Ok(opened) => opened,
            Err(reason) => return self.warn(&reason),
        };
        runtime.block_on(async {
            let mut not_before = Instant::now();
            let mut deadline = None;
            loop {
                // Looked at first: what was recorded before is surely among the events.
                let is_over = run_is_over.load(Ordering::Acquire);
                self.look()?;
                if Instant::now() >= not_before && !self.send(&sink).await? {
                    not_before = Instant::now() + PAUSE;
                }
                if is_over {
                    let until = *deadline.get_or_insert_with(|| Instant::now() + LAST_TRIES);
                    if self.unsent.is_empty() || Instant::now() >= until {
                        return Ok(());
                    }
                }
                tokio::time::sleep(POLL).await;
            }
        })
    }

    /// Words what has happened since the last look.
    fn look(&mut self) -> Result<()> {
        let new = self.store.events_after(&self.record.id, self.seen)?;
        self.seen = new.last().map_or(self.seen, |stored| stored.sequence);
        if !new.iter().any(|stored| is_told(&stored.event)) {
            return Ok(());
        }
        // What a step has come to is recorded with the event that says so.
        let steps = self.store.steps(&self.record.id)?;
        for stored in new {
            self.unsent.extend(self.worded(&stored.event, &steps).iter().map(Value::to_string));
        }
        Ok(())
    }

    fn worded(&self, event: &Event, steps: &[StepRecord]) -> Vec<Value> {
        let namespace = std::env::var(NAMESPACE_VARIABLE).ok().filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or_else(|| NAMESPACE.to_owned());
        let events = Events { record: &self.record, namespace };
        let named = |name: &String| steps.iter().find(|step| step.name == *name);
        match event {
            Event::RunStarted { time, .. } => vec![events.of_run(Kind::Start, *time, &[])],
            Event::RunFinished { time, status } => vec![events.of_run(Kind::of_run(*status), *time, steps)],
            Event::StepStarted { time, step, attempt: 1 } => {
                named(step).map(|step| events.of_step(Kind::Start, *time, step)).into_iter().collect()
            }
            Event::StepFinished { time, step, status, .. } => {
                let (Some(kind), Some(step)) = (Kind::of_step(*status), named(step)) else { return vec![] };
                let has_begun = step.attempt > 0 && *status != StepStatus::Cached;
                if !has_begun && kind == Kind::Abort {
                    return vec![];
                }
                // Nobody has been told that a step with a stored result begins.
                let start = (!has_begun).then(|| events.of_step(Kind::Start, *time, step));
                start.into_iter().chain([events.of_step(kind, *time, step)]).collect()
            }
            _ => vec![],
        }
    }

    /// Whether all is sent.
    async fn send(&mut self, sink: &Sink) -> Result<bool> {
        while let Some(event) = self.unsent.front() {
            if let Err(reason) = sink.send(event).await {
                self.warn(&reason)?;
                return Ok(false);
            }
            self.unsent.pop_front();
        }
        Ok(true)
    }

    /// Once: the run is what matters.
    fn warn(&mut self, reason: &str) -> Result<()> {
        if self.has_warned {
            return Ok(());
        }
        self.has_warned = true;
        let message = format!("`{}` does not take events of the run: {reason}.", self.target);
        let help = "The run goes on, and the events are tried again until it has ended. See that the folder exists, or \
                    that the server is up and accepts `OPENLINEAGE_API_KEY`.";
        self.store.add_diagnostics(&self.record.id, &[Diagnostic::new(Code::LineageUnsent, message, help)])
    }
}

/// Cells and metrics are nothing that OpenLineage asks for.
fn is_told(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted { .. } | Event::RunFinished { .. } | Event::StepStarted { .. } | Event::StepFinished { .. }
    )
}
