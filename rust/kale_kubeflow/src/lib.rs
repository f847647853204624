//! Kubeflow, from outside: where clusters are, how one is let in, and the REST API of Kubeflow Pipelines (v2beta1).
//!
//! What a user has written down is a [`Context`]; the file of them is [`Contexts`]. A [`Cluster`] names its credentials
//! and does not hold them: they are looked up when a [`Client`] connects, in the environment, in a file, or in a
//! kubeconfig, and are forgotten with it. `check` says of a context, in one screen, what works and what does not.
//!
//! ```no_run
//! use kale_kubeflow::{Client, Context, Contexts, NewRun, Patience, Pipeline};
//!
//! # fn main() -> Result<(), kale_kubeflow::KubeflowError> {
//! # let ir = String::new();
//! let Context::Cluster(cluster) = Contexts::open_default()?.find("dev")? else { return Ok(()) };
//! let client = Client::connect(&cluster, Patience::default())?;
//! let version = client.upload(&Pipeline { name: "churn", description: None, ir: &ir })?;
//! let experiment = client.experiment("churn", None)?;
//! let run = client.create_run(&NewRun::of_version(&version, &experiment.experiment_id, "churn 1", "20261121-101500-3f9a"))?;
//! while !client.run(&run.run_id)?.state.is_final() { /* wait */ }
//! # Ok(())
//! # }
//! ```
//!
//! Every call waits until it has an answer, on a runtime of the client's own: call it from a thread that no other runtime
//! runs on. Reading is tried again; what makes something is sent again only where that can make no second one.
//!
//! *It does not know* notebooks, stores, Python, or what a pipeline's steps mean.

mod access;
mod api;
pub mod check;
mod client;
mod connection;
mod context;
mod contexts;
mod credentials;
mod cron;
mod error;
mod grpc_web;
mod kubeconfig;
mod limits;
mod making;
mod neighbours;
mod patience;
mod plugin;
mod request;
mod status;
mod time;

pub use api::{
    ArtifactPlace, ChildTask, Experiment, Health, NewRecurringRun, NewRun, OutputArtifact, Pipeline, PipelineRecord,
    RecurringRun, Run, RunQuery, RunSource, Runtime, RuntimeState, Task, TaskOutputs, Timetable, Timing, Trigger,
    Version,
};
pub use client::Client;
pub use context::{Address, Auth, Cluster, Context, ContextName, LOCAL, rooted};
pub use contexts::Contexts;
pub use error::{Kind, KubeflowError};
pub use limits::{namespace as check_namespace, schedule as check_schedule};
pub use patience::Patience;
