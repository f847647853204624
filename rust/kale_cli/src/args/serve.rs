//! `serve`, and the process behind it.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use kale_verbs::compile::KserveOptions;

use super::StoreArgs;

#[derive(Args, Debug)]
pub struct ServeArgs {
    /// RUN:STEP:VARIABLE, best:STEP:VARIABLE (of the newest sweep's best trial; best@SWEEP of another's), the file of a
    /// model, or the folder of a bundle that was packed before
    #[arg(required_unless_present = "bundle", conflicts_with = "bundle")]
    pub model: Option<String>,
    /// Serve the bundle in this folder
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
    /// What the service is called, in URLs too [default: as the variable, file or bundle]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The run's function that makes of a request what the model takes
    #[arg(long, value_name = "NAME")]
    pub preprocess: Option<String>,
    /// The run's function that makes of the model's answer what is sent
    #[arg(long, value_name = "NAME")]
    pub postprocess: Option<String>,
    /// A variable of the run that these functions use as a global name; may be given again
    #[arg(long = "asset", value_name = "NAME")]
    pub assets: Vec<String>,
    /// A variable of the run with rows to try it with
    #[arg(long, value_name = "NAME")]
    pub example: Option<String>,
    /// The model's method that answers, such as predict_proba [default: predict]
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// The Python that loads the model [default: that of the run, else the one that calls]
    #[arg(long, value_name = "PYTHON")]
    pub python: Option<PathBuf>,
    /// Load variables of a run that was pulled: they are pickles, which can run any code
    #[arg(long)]
    pub trust: bool,
    /// Where to listen [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<IpAddr>,
    /// The port, or 0 for any that is free [default: 0]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The environment variable with the token that requests show (`Authorization: Bearer TOKEN`)
    #[arg(long, value_name = "VARIABLE")]
    pub token_env: Option<String>,
    /// Let other machines ask without a token: something in front of it guards it
    #[arg(long)]
    pub open: bool,
    /// How many processes have the model [default: 1]
    #[arg(long, value_name = "N")]
    pub replicas: Option<usize>,
    /// Predict up to so many rows of several requests together; 1: each request alone [default: 32 where the model was
    /// seen to answer rows together as it answers them alone, else 1]
    #[arg(long, value_name = "ROWS")]
    pub batch: Option<usize>,
    /// How long a request waits for others, in milliseconds [default: 0]
    #[arg(long, value_name = "MS")]
    pub batch_delay: Option<f64>,
    /// Give a request up after so many seconds [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Refuse requests that are larger, such as 200MB [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub max_body: Option<String>,
    /// Replace a process of the model that has more memory, such as 4GB, once another one is ready
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Only do what comes before and after the model, which is served at this URL
    #[arg(long, value_name = "URL")]
    pub predictor: Option<String>,
    /// Serve the model alone, for a service in front of it that has the bundle's functions (`--predictor`)
    #[arg(long, conflicts_with = "predictor")]
    pub model_only: bool,
    /// Let pages of this origin ask; may be given again
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,
    /// Only pack the bundle, and say where it is
    #[arg(long, conflicts_with = "detach")]
    pub pack: bool,
    /// Return as soon as it is ready; it goes on by itself
    #[arg(long)]
    pub detach: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ServerArgs {
    /// What it is told
    pub request: String,
}

#[derive(Args, Debug)]
pub struct ServicesArgs {
    #[command(subcommand)]
    pub verb: Option<ServicesVerb>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum ServicesVerb {
    /// Show where a service is, and what it serves
    #[command(after_help = "\
Examples:
  kale-rs services show churn --json")]
    Show(OfServiceArgs),
    /// Print what a service has logged
    #[command(after_help = "\
Examples:
  kale-rs services logs churn
  kale-rs services logs churn -f               go on while the service does")]
    Logs(ServiceLogArgs),
    /// Stop a service, and wait until it has answered what is under way
    #[command(after_help = "\
Examples:
  kale-rs services stop churn")]
    Stop(OfServiceArgs),
}

#[derive(Args, Debug)]
pub struct OfServiceArgs {
    /// What the service is called
    pub name: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ServiceLogArgs {
    #[command(flatten)]
    pub of: OfServiceArgs,
    /// Go on with what it logs until it ends
    #[arg(short, long, conflicts_with = "json")]
    pub follow: bool,
}

#[derive(Args, Debug)]
pub struct PredictArgs {
    /// What the service is called
    pub name: String,
    /// Rows as JSON, or the body of a request; `-` reads them from standard input [default: the service's example]
    #[arg(conflicts_with = "file")]
    pub data: Option<String>,
    /// The file that has them
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What is wanted of a service on a cluster.
#[derive(Args, Debug)]
pub struct KserveArgs {
    /// What the service is called [default: as the bundle]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the bundle will be: pvc://CLAIM/PATH, s3://BUCKET/PATH, gs://... [default: pvc://models/NAME/VERSION]
    #[arg(long, value_name = "URI")]
    pub storage_uri: Option<String>,
    /// The image of the server [default: the overlay's, else python:3.X-slim]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Have one of KServe's runtimes serve the model: `native` for whichever fits, or its name
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    /// standard (Deployments of Kubernetes) or knative [default: standard]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// Have the bundle's functions run in pods of their own, in front of the model's
    #[arg(long)]
    pub transformer: bool,
    /// Keep at least so many pods
    #[arg(long, value_name = "N")]
    pub min_replicas: Option<u32>,
    /// Start at most so many pods
    #[arg(long, value_name = "N")]
    pub max_replicas: Option<u32>,
    /// What the number of pods follows: cpu or memory; with knative or keda concurrency or rps as well
    #[arg(long, value_name = "METRIC", value_parser = PossibleValuesParser::new(["cpu", "memory", "concurrency", "rps"]))]
    pub scale_metric: Option<String>,
    /// How much of it one pod should have
    #[arg(long, value_name = "N")]
    pub scale_target: Option<u32>,
    /// Who follows it in the mode standard [default: hpa]
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(["hpa", "keda", "external", "none"]))]
    pub autoscaler: Option<String>,
    /// Give this bundle so many percent of the requests
    #[arg(long, value_name = "PERCENT")]
    pub canary: Option<u8>,
    /// Where the bundle is that has the other requests, in the mode standard
    #[arg(long, value_name = "URI", requires = "canary")]
    pub stable_uri: Option<String>,
    /// Let a pod take so many requests at the same time
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u32>,
}

impl KserveArgs {
    pub fn options(self) -> KserveOptions {
        KserveOptions {
            name: self.name,
            storage_uri: self.storage_uri,
            image: self.image,
            runtime: self.runtime,
            mode: self.mode,
            transformer: self.transformer,
            min_replicas: self.min_replicas,
            max_replicas: self.max_replicas,
            scale_metric: self.scale_metric,
            scale_target: self.scale_target,
            autoscaler: self.autoscaler,
            canary: self.canary,
            stable_uri: self.stable_uri,
            concurrency: self.concurrency,
        }
    }
}
