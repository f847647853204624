//! A service as it is shown: how it does, by its own word, and where its model comes from.

use std::time::Duration;

use kale_model::TrialPlace;
use kale_serve::{Client, Latency, ReplicaView, Requests, State};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::history::StoreChoice;
use crate::id;
use crate::serve::{Record, read_bundle};
use crate::session::Session;

/// So long a server may take to say how it does.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Serialize)]
pub struct ServiceView {
    #[serde(flatten)]
    pub record: Record,
    /// `starting`, `ready`, `degraded`, `stopping`; or `silent`, when it does not say.
    pub state: &'static str,
    /// `None`: it does not say, or wants a token that is not there.
    #[serde(flatten)]
    pub traffic: Option<Traffic>,
    /// What takes a look into its bundle and the store.
    #[serde(flatten)]
    pub known: Option<Known>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Traffic {
    pub requests: Requests,
    pub latency_seconds: Latency,
    pub replicas: Vec<ReplicaView>,
    /// Rows of several requests that go to the model together; 1: each request goes alone.
    pub batch_rows: usize,
}

impl ServiceView {
    pub fn of(record: Record) -> ServiceView {
        let client = client(&record, PATIENCE);
        let (state, traffic) = match client.status() {
            Ok(Some(status)) => {
                let kale_serve::Status { state, requests, latency_seconds, replicas, batch_rows, .. } = status;
                (word(state), Some(Traffic { requests, latency_seconds, replicas, batch_rows }))
            }
            // Whether it is ready is told to everybody.
            Ok(None) => match client.get("/v2/health/ready") {
                Ok(told) if told.status == 200 => ("ready", None),
                Ok(_) => ("starting", None),
                Err(_) => ("silent", None),
            },
            Err(_) => ("silent", None),
        };
        ServiceView { record, state, traffic, known: None }
    }
}

/// Asks the service with the token that this process's environment has for it.
pub fn client(record: &Record, patience: Duration) -> Client {
    let token = record.settings.token_env.as_ref().and_then(|variable| std::env::var(variable).ok());
    Client { url: record.url.clone(), token, patience }
}

fn word(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Ready => "ready",
        State::Degraded => "degraded",
        State::Stopping => "stopping",
    }
}

/// What its bundle says of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Known {
    /// `bundle.json`: the model, its functions, signature and example.
    pub about: Map<String, Value>,
    /// `None`: the model was the notebook's, or in a file.
    pub origin: Option<Origin>,
}

/// The variable of a run that is served.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    pub run: String,
    pub step: String,
    pub variable: String,
    /// The `kale://` ids of run and step, for as long as the run is stored.
    pub ids: Option<[String; 2]>,
    /// The trial that the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialPlace>,
}

impl Known {
    pub fn of(session: &Session, store: &StoreChoice, record: &Record) -> Known {
        let about = read_bundle(&record.bundle).map(|bundle| bundle.about).unwrap_or_default();
        let origin = about.get("origin").and_then(|origin| of_run(session, store, origin));
        Known { about, origin }
    }
}

fn of_run(session: &Session, store: &StoreChoice, origin: &Value) -> Option<Origin> {
    let text = |key: &str| origin[key].as_str().map(str::to_owned);
    let (run, step, variable) = (text("run")?, text("step")?, text("variable")?);
    let stored = store.find(session, &run).ok().and_then(|(store, run)| store.run_view(&run).ok());
    let trial = stored.as_ref().and_then(|run| run.trial.clone());
    let ids = stored.and_then(|stored| stored.run_id).map(|run| [id::run(&run), id::step(&run, &step)]);
    Some(Origin { run, step, variable, ids, trial })
}
