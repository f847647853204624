//! The command line as clap sees it: names, help and examples. What a verb does is in `verb/`.

mod context;
mod history;
mod schedule;
mod serve;
mod snapshot;
mod sweep;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use context::{AddArgs, ContextArgs, ContextVerb};
pub use history::{
    ArchiveArgs, ArtifactArgs, CancelArgs, DiffArgs, GcArgs, LineageArgs, LogsArgs, RestoreArgs, ResumeArgs, RunsArgs,
    ShowArgs,
};
pub use schedule::{AddScheduleArgs, ChosenArgs, ScheduleArgs, ScheduleVerb};
pub use serve::{KserveArgs, OfServiceArgs, PredictArgs, ServeArgs, ServerArgs, ServicesArgs, ServicesVerb};
pub use snapshot::{SnapshotArgs, SnapshotVerb};
pub use sweep::{
    ExportArgs, ExtendArgs, OfSweepArgs, ResumeSweepArgs, SweepArgs, SweepOptionArgs, SweepsArgs, SweepsVerb,
};

#[derive(Parser, Debug)]
#[command(
    name = "kale-rs",
    version,
    about = "Turn notebooks into pipelines and run them, here or on Kubeflow",
    disable_help_subcommand = true,
    after_help = "\
A first session:
  kale-rs check train.ipynb                    what is wrong, or worth knowing
  kale-rs graph train.ipynb                    the steps, and what flows between them
  kale-rs run train.ipynb -p epochs=20         run it on this machine
  kale-rs runs                                 what ran so far
  kale-rs compile train.ipynb -o train.yaml    the same pipeline for Kubeflow

Exit status: 0 done, 1 the notebook or run has errors, 2 wrong usage or unreadable input,
130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Say what is wrong, or worth knowing, about a notebook
    #[command(after_help = "\
Examples:
  kale-rs check train.ipynb
  kale-rs check train.ipynb --fix              mend what is mechanical, in the file
  kale-rs check train.ipynb --format github    annotations in a pull request
  cat train.ipynb | kale-rs check - --json")]
    Check(CheckArgs),
    /// Show the steps of a notebook and what flows between them
    #[command(after_help = "\
Examples:
  kale-rs graph train.ipynb
  kale-rs graph train.ipynb --format svg > train.svg
  kale-rs graph train.ipynb --why load train   which lines make `train` wait for `load`
  kale-rs graph train.ipynb --granularity heading")]
    Graph(GraphArgs),
    /// Write the pipeline in another system's format
    #[command(after_help = "\
Examples:
  kale-rs compile train.ipynb -o train.yaml
  kale-rs compile train.ipynb --target kfp-script -o pipeline.py
  kale-rs compile train.ipynb --target katib --param lr=loguniform:1e-5:1e-1 --objective loss
                                               a sweep for Katib: `kubectl apply --server-side -f`
  kale-rs compile .kale_rs/bundles/churn/3f9a41c07d2e --target kserve --storage-uri pvc://models/churn
                                               a service for KServe, from a bundle of `serve`
  kale-rs compile train.ipynb -o -             to standard output
  kale-rs compile train.ipynb --overlay prod.yaml -o prod.yaml
                                               larger machines, other parameters: `explain-overlay`
  kale-rs compile train.ipynb --kubernetes --namespace team -o - | kubectl apply -f -
  kale-rs compile train.ipynb --build-context image
  docker build --tag registry.example/train:1 image
                                               an image that has what steps need; an overlay with
                                               `image: registry.example/train:1` makes them use it

The context that `kale-rs context use` has chosen does not matter here, so that the same command
writes the same file everywhere; `--on CONTEXT` takes the overlay of one.")]
    Compile(Box<CompileArgs>),
    /// Run a notebook as a pipeline, on this machine or on a cluster
    #[command(after_help = "\
Independent steps run at the same time, each in a process of its own.
Steps whose code, inputs and environment are those of an earlier run are not run again.
Ctrl-C cancels; with --detach the run goes on without the terminal.
With --on a cluster carries it out: it is followed, shown and cancelled in the same way, and
`kale-rs resume` takes it up again when this machine was off meanwhile.

With --then the same notebook goes on to the next context, with that one's overlay, when its run has
succeeded and every --gate holds on its metrics. It is this command that starts the next run: leave
it at work until the last one. When it is ended before, the run that is under way goes on, and
`kale-rs resume RUN` waits for it and goes on from there, with the notebook as it was at the beginning.

While a step runs, it is held against what the compiler assumed: which variables, objects, files
and settings its cells change and use. A cell that does more stops the run. `--verify inputs`
looks at large values in part; `full` looks at all of them, at objects that variables share, and
at whether stored values are read back the same; `off` looks at nothing.

Examples:
  kale-rs run train.ipynb
  kale-rs run train.ipynb -p epochs=20 -p title='first try'
  kale-rs run train.ipynb --on dev             `kale-rs context` has the clusters
  kale-rs run train.ipynb --on dev --then test --then prod --gate 'acc >= 0.9'
  kale-rs run train.ipynb --on prod --overlay larger.yaml
  kale-rs run train.ipynb --params settings.yaml --output-notebook out.ipynb
  kale-rs run train.ipynb --from train         after mending `train`: nothing before it runs again
  kale-rs run train.ipynb --json > result.json")]
    Run(RunArgs),
    /// List runs, newest first
    #[command(after_help = "\
Examples:
  kale-rs runs
  kale-rs runs --notebook train.ipynb
  kale-rs runs --json")]
    Runs(RunsArgs),
    /// Show a run: its steps, metrics and executed notebook; or one of its steps
    #[command(after_help = "\
Examples:
  kale-rs show last
  kale-rs show last train                      one step: its variables, files, and what its cells put out
  kale-rs show 20261120-094815-3f9a --json")]
    Show(ShowArgs),
    /// Print what the steps of a run wrote
    #[command(after_help = "\
Examples:
  kale-rs logs last
  kale-rs logs last train -f                   go on while the run does")]
    Logs(LogsArgs),
    /// Finish a run that was interrupted, cancelled or failed; finished steps are not run again
    #[command(after_help = "\
A run of `run --then` that nobody waits for any more is waited for, and then it goes on to the next
context, if the run has succeeded and every gate holds.

Examples:
  kale-rs resume last")]
    Resume(ResumeArgs),
    /// Stop a run and every process of it
    #[command(after_help = "\
Examples:
  kale-rs cancel last")]
    Cancel(CancelArgs),
    /// Put a run of a cluster out of the way there, into the archive
    #[command(after_help = "\
Its record here stays: `kale-rs gc` is for that.

Examples:
  kale-rs archive last
  kale-rs unarchive last                       out of the archive again")]
    Archive(ArchiveArgs),
    /// Take a run of a cluster out of the archive there
    #[command(after_help = "\
Examples:
  kale-rs unarchive last")]
    Unarchive(ArchiveArgs),
    /// Compare two runs: code, parameters, data, environment, metrics
    #[command(after_help = "\
Examples:
  kale-rs diff 20261120-094815-3f9a last
  kale-rs diff 20261120-094815-3f9a last --markdown >> report.md")]
    Diff(DiffArgs),
    /// Write the notebook of a run as it was after a step, or before it, ready to go on from there
    #[command(after_help = "\
The notebook's first cell puts every variable back when it is run; the cells so far keep what they
put out. In a kernel, `kale_rs.restore(RUN, STEP)` does the same at once.

Examples:
  kale-rs restore last train                   the state after `train`
  kale-rs restore last train --before          before a step that failed: mend its cell and go on
  kale-rs restore last train -o again.ipynb --files")]
    Restore(RestoreArgs),
    /// Send a run's variables to an object store, or fetch those of another's run
    #[command(after_help = "\
A place is `s3://BUCKET/PREFIX`, `file:///FOLDER`, or the path of a folder. Values go by their
digest: what is there is not sent again, and a transfer that was cut off goes on where it stopped.
For S3, credentials and server are those of the environment: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL.

What was pulled is listed by `kale-rs runs` and restored by `kale-rs restore`, after a `--trust`.

Examples:
  kale-rs snapshot push last s3://team/churn           the state after each step
  kale-rs snapshot push last:train /mnt/share/churn    the state after `train`
  kale-rs snapshot pull s3://team/churn")]
    Snapshot(SnapshotArgs),
    /// Say where a run, a step, a stored value or a snapshot comes from, and what came of it
    #[command(after_help = "\
What it names are ids of the form kale://run/ID/step/NAME or kale://artifact/DIGEST, each of which
can be asked about again. Verbs that take a run take its kale:// id as well.

Examples:
  kale-rs lineage last
  kale-rs lineage kale://run/20261120-094815-3f9a/step/train --json")]
    Lineage(LineageArgs),
    /// Show a stored value: what it is, who made it, who was given it; or write it to a file
    #[command(after_help = "\
The values of a step, with their ids, are listed by `kale-rs show RUN STEP`. The file's suffix says
how a value is written: .csv or .parquet for tables, .npy for arrays, .png for figures and images,
.json, .txt, .pkl, .joblib, .pt, .keras.

Examples:
  kale-rs artifact kale://artifact/3f9a41
  kale-rs artifact kale://artifact/3f9a41 -o table.csv")]
    Artifact(ArtifactArgs),
    /// Remove old runs by policy, and stored values that no run names
    #[command(after_help = "\
Nothing that a remaining run needs is removed: its values, snapshots, logs and executed notebook
stay. Runs that are at work stay. Without a policy only values that no run names are removed.
Bundles of models go with their run, those of no run when nobody has served them for --keep-days;
what is served stays.

Examples:
  kale-rs gc --keep-days 30
  kale-rs gc --keep-days 30 --keep-best 3      and the best runs of each notebook and metric
  kale-rs gc --max-size 20GB --dry-run         say what would go")]
    Gc(GcArgs),
    /// Say where else pipelines run: clusters with Kubeflow, by name
    #[command(after_help = "\
A context says where a cluster is and where its credentials are kept; the credentials themselves are
never stored or shown, and only sent to `--kfp`, and `--ui` where that says so. `local` is this
machine, and always there. The others are in `contexts.toml` below KALE_RS_CONFIG,
XDG_CONFIG_HOME/kale_rs or ~/.config/kale_rs.

  --auth token-env:VAR     a bearer token in the environment variable VAR
  --auth token-file:PATH   a bearer token in a file, read anew for every request
  --auth cookie-env:VAR    a gateway's session cookie in VAR, NAME=VALUE as the browser sends it
  --auth in-cluster        the token that Kubernetes projects into this pod
  --auth kubeconfig        what kubectl uses; without --kfp, through the API server of Kubernetes

Examples:
  kale-rs context add dev --kfp https://kf.example.org/pipeline --namespace team \\
      --auth token-env:KFP_TOKEN
  kale-rs context add prod --namespace team --auth kubeconfig:prod
  kale-rs context test dev                     network, TLS, version, rights, services
  kale-rs context use dev
  kale-rs context list --json")]
    Context(ContextArgs),
    /// Have a cluster run notebooks by the clock
    #[command(after_help = "\
A schedule lives on its cluster: this machine may be off. It runs the notebook as it is now; to have
a changed one run, remove the schedule and add it again (`add` never replaces: added twice, it is
there twice). An overlay may hold what is said of the time, and what stands on the command line
counts more:
  schedule: {cron: \"0 30 6 * * MON-FRI\", max_concurrency: 1}

Examples:
  kale-rs schedule add train.ipynb --on dev --cron '0 30 6 * * MON-FRI' -p trees=300
  kale-rs schedule add train.ipynb --on dev --every 6h --end 2027-01-01T00:00:00Z
  kale-rs schedule list --on dev
  kale-rs schedule pause train --on dev        also `resume` and `remove`")]
    Schedule(ScheduleArgs),
    /// Run a notebook with many values of its parameters, and find the best
    #[command(after_help = "\
Each trial is a run: `show`, `logs` and `restore` work on it. What trials have in common is run once.
Settings of algorithms, under Katib's names:
  random, grid: random_state       hyperband: resource_name, r_l, eta
  tpe: gamma, prior_weight, n_EI_candidates, random_state
  multivariate-tpe: n_startup_trials, n_ei_candidates, random_state
  cmaes: sigma, restart_strategy, random_state
  bayesianoptimization: base_estimator, n_initial_points, acq_func, acq_optimizer, random_state
  medianstop (early stopping): min_trials_required, start_step

Examples:
  kale-rs sweep train.ipynb --plan                        what is varied, and what it will cost
  kale-rs sweep train.ipynb --param lr=loguniform:1e-5:1e-1 --param layers=int:1:8 --objective loss --trials 50
  kale-rs sweep train.ipynb --param opt=choice:adam,sgd --param lr=uniform:0.1:1:0.1 --algorithm grid --maximize
  kale-rs sweep train.ipynb --param trees=int:10:300 --param depth=int:1:12 --algorithm tpe --trials 50 --parallel 4
  kale-rs sweep train.ipynb --objective loss:minimize --objective accuracy:maximize    two, weighed against each other
  kale-rs sweep train.ipynb --file sweep.yaml             {parameters: {lr: 'loguniform:1e-5:1e-1'}, trials: 50}")]
    Sweep(Box<SweepArgs>),
    /// List sweeps, newest first; show, stop, go on with, extend or export one
    #[command(after_help = "\
Examples:
  kale-rs sweeps
  kale-rs sweeps show last
  kale-rs sweeps stop last
  kale-rs sweeps resume last
  kale-rs sweeps extend last --trials 100 --param lr=loguniform:1e-4:1e-2
  kale-rs sweeps export last --optuna sqlite:///study.db      then: optuna-dashboard sqlite:///study.db")]
    Sweeps(SweepsArgs),
    /// Serve a model: from a run, a file or a bundle to an endpoint on this machine
    #[command(after_help = "\
The model is packed with the functions and variables that it needs, and the versions of the packages
that are installed, into a bundle: a folder that is served in the same way here and on a cluster
(`kale-rs compile BUNDLE --target kserve`). A process that has never seen the notebook must answer
as the run did. It speaks KServe's protocols V1 (/v1/models/NAME:predict) and V2
(/v2/models/NAME/infer), to this machine only unless `--host` says otherwise.

The file of a model and a bundle can run any code, as a script can: serve those whose maker you trust.

In a notebook, `kale_rs.serve(model, preprocess=function)` does the same with what is in the kernel.

Examples:
  kale-rs serve last:train:model
  kale-rs serve last:train:model --preprocess clean --asset tokenizer --port 8080
  kale-rs serve best:train:model               that of the newest sweep's best trial
  kale-rs serve model.joblib --name churn --detach --json
  kale-rs serve .kale_rs/bundles/churn/3f9a41c07d2e")]
    Serve(Box<ServeArgs>),
    /// List the services that run; show or stop one, or print its log
    #[command(after_help = "\
Examples:
  kale-rs services
  kale-rs services logs churn
  kale-rs services stop churn")]
    Services(ServicesArgs),
    /// Ask a service, and print what it answers
    #[command(after_help = "\
Rows are a JSON list: of lists, of objects by column, of texts. A service of the current folder's
store is meant; one elsewhere is asked by its URL, with any client of KServe's protocols.

Examples:
  kale-rs predict churn                        the example that it was packed with
  kale-rs predict churn '[[5.1, 3.5], [6.2, 2.9]]'
  kale-rs predict churn --file rows.json --json
  cat body.json | kale-rs predict churn -      also a whole body, of V1 or V2")]
    Predict(PredictArgs),
    /// Check that this machine can run notebooks, and say what to do where it cannot
    #[command(after_help = "\
Examples:
  kale-rs doctor
  kale-rs doctor train.ipynb                   also the kernel that this notebook asks for")]
    Doctor(DoctorArgs),
    /// Explain a diagnostic
    #[command(after_help = "\
Examples:
  kale-rs explain                              list all of them
  kale-rs explain missing-prev")]
    Explain(ExplainArgs),
    /// Say which values a notebook's pipeline has, and whether an overlay, the notebook or nobody set them
    #[command(after_help = "\
Examples:
  kale-rs explain-overlay train.ipynb --overlay production.yaml
  kale-rs explain-overlay train.ipynb --on dev the overlay of a context
  kale-rs explain-overlay train.ipynb --on local
                                               what an overlay could set

An overlay is a YAML file; it wins over tags, and the notebook stays as it is:
  image: registry.example/team/python:3.12
  resources: {memory: 4Gi}                     of every step
  node_selector: {pool: batch}
  tolerations: [{key: batch, operator: Exists}]
  steps:
    train: {resources: {gpu: 1}}               of one step, over what all have
  volumes: [{name: datasets, mount_point: /data}]
  parameters: {trees: 500}
  packages: {index_url: https://pypi.example.org/simple}
  schedule: {cron: \"0 30 6 * * MON-FRI\"}     for `schedule add`

A context may have one (`context add --overlay`), which lies below that of the command line. It may
speak of steps and parameters that only some of the notebooks have that go there.")]
    ExplainOverlay(ExplainOverlayArgs),
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  kale-rs completion bash > ~/.local/share/bash-completion/completions/kale-rs
  kale-rs completion zsh > ~/.zfunc/_kale-rs
  kale-rs completion fish > ~/.config/fish/completions/kale-rs.fish")]
    Completion(CompletionArgs),
    /// Carry out a service: the process behind `serve --detach`
    #[command(hide = true)]
    Server(ServerArgs),
    /// Carry out a recorded run or sweep: the process behind `run`, `resume` and `sweep`
    #[command(hide = true)]
    Engine(EngineArgs),
}

/// Which notebook, and how to read it.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// The notebook, or `-` for standard input
    pub notebook: String,
    /// How to cut a notebook without `step:` tags into steps [default: auto]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["auto", "heading", "cell"]))]
    pub granularity: Option<String>,
    /// The Python to compile for and run under [default: that of the notebook's kernel]
    #[arg(long, value_name = "PYTHON")]
    pub python: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Carry out the fixes that are offered, and write the notebook
    #[arg(long)]
    pub fix: bool,
    /// For people, programs, annotations in a pull request, or code scanning
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFormat {
    Text,
    Json,
    Github,
    Sarif,
}

#[derive(Args, Debug)]
pub struct GraphArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// For people, programs, Graphviz, or a web page
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
    /// Say why step TO comes after step FROM: what flows, the line that produces it, the line that consumes it
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    pub why: Option<Vec<String>>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphFormat {
    Text,
    Json,
    Dot,
    Svg,
}

#[derive(Args, Debug)]
pub struct CompileArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// What to write: `kfp` is KFP v2 IR, `kfp-script` a readable Python file, `katib` a sweep for Katib, `kserve` a
    /// service of KServe (NOTEBOOK is then the folder of a bundle) [default: kfp, and of a bundle kserve]
    #[arg(long, value_parser = PossibleValuesParser::new(target_names()))]
    pub target: Option<String>,
    /// Where to write it, or `-` for standard output [default: the pipeline's name]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A file with what is wanted otherwise than the notebook says: `explain-overlay` has its form
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// A context whose overlay counts as well, below `--overlay`
    #[arg(long, value_name = "CONTEXT")]
    pub on: Option<String>,
    /// Write what an image for the steps is built from: a Dockerfile, requirements, and files from beside the notebook
    #[arg(long, value_name = "DIR")]
    pub build_context: Option<PathBuf>,
    /// Write the file even when it is over a size limit of Kubernetes or KFP
    #[arg(long)]
    pub allow_oversize: bool,
    /// Write the resources `Pipeline` and `PipelineVersion`, for `kubectl apply` and GitOps
    #[arg(long)]
    pub kubernetes: bool,
    /// The namespace that these resources name, or Katib's [default: whichever they are applied to]
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Print one JSON document: the files and the diagnostics
    #[arg(long)]
    pub json: bool,
    #[command(flatten, next_help_heading = "Sweeps for Katib")]
    pub options: SweepOptionArgs,
    /// As whom trials ask Kubeflow Pipelines for runs [default: default-editor], or KServe reads a bundle
    #[arg(long, value_name = "NAME")]
    pub service_account: Option<String>,
    #[command(flatten, next_help_heading = "Services of KServe")]
    pub kserve: KserveArgs,
}

fn target_names() -> Vec<&'static str> {
    kale_verbs::compile::target_names()
}

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Set a parameter of the notebook; may be given again
    #[arg(short = 'p', long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Set parameters from a JSON or YAML file that holds one object
    #[arg(long, value_name = "FILE")]
    pub params: Option<String>,
    /// A file with what is wanted otherwise than the notebook says: `explain-overlay` has its form
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// Steps that may run at the same time [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Run every step, also those with a stored result
    #[arg(long)]
    pub no_cache: bool,
    /// Start an interpreter for every step, instead of forking one that has done the notebook's imports
    #[arg(long)]
    pub no_warm: bool,
    /// Run this step, and those after it that it gives something new; what comes before is taken from earlier runs
    #[arg(long, value_name = "STEP", conflicts_with = "no_cache")]
    pub from: Option<String>,
    /// How closely steps are held against what the compiler assumed
    #[arg(long, value_name = "HOW", value_enum, default_value_t = VerifyLevel::Inputs)]
    pub verify: VerifyLevel,
    /// Run the notebook from top to bottom as well, and compare values, outputs and metrics
    #[arg(long)]
    pub differential: bool,
    /// Run the steps in a virtual environment of their own, made of the packages that they need and nothing else
    #[arg(long)]
    pub isolated: bool,
    /// How much of its variables a step may store for `restore`, beyond what later steps need; 0 for nothing [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub snapshot_limit: Option<String>,
    /// Write the executed notebook here as well
    #[arg(long, value_name = "FILE")]
    pub output_notebook: Option<PathBuf>,
    /// Tell a file, or a server of OpenLineage, what runs and what it reads and writes
    #[arg(long, value_name = "FILE|URL")]
    pub openlineage: Option<String>,
    /// Where it runs: a context, or `local` [default: the one that `kale-rs context use` has chosen]
    #[arg(long, value_name = "CONTEXT")]
    pub on: Option<String>,
    /// Where it runs after that, if it has succeeded, and this command still waits; may be given several times
    #[arg(long, value_name = "CONTEXT")]
    pub then: Vec<String>,
    /// A condition on a metric, such as 'acc >= 0.9', before each next context; may be given several times
    #[arg(long, value_name = "CONDITION", allow_hyphen_values = true)]
    pub gate: Vec<String>,
    /// Start the run and return at once
    #[arg(long)]
    pub detach: bool,
    /// Print one JSON document: the run
    #[arg(long)]
    pub json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyLevel {
    Off,
    Inputs,
    Full,
}

impl From<VerifyLevel> for kale_verbs::run::Verify {
    fn from(level: VerifyLevel) -> kale_verbs::run::Verify {
        match level {
            VerifyLevel::Off => kale_verbs::run::Verify::Off,
            VerifyLevel::Inputs => kale_verbs::run::Verify::Inputs,
            VerifyLevel::Full => kale_verbs::run::Verify::Full,
        }
    }
}

/// Where the store is looked for.
#[derive(Args, Debug)]
pub struct StoreArgs {
    /// A notebook or folder whose store to use [default: the current folder]
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// A notebook whose kernel and store to check too
    pub notebook: Option<String>,
    /// The Python to check instead
    #[arg(long, value_name = "PYTHON")]
    pub python: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ExplainOverlayArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// A file with what is wanted otherwise than the notebook says
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// A context whose overlay counts as well, below `--overlay`; or `local` [default: the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub on: Option<String>,
    /// Print one JSON document: the values, each with where it is from
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The diagnostic's id, such as `missing-prev`
    pub id: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct CompletionArgs {
    pub shell: Shell,
}

#[derive(Args, Debug)]
pub struct EngineArgs {
    /// It is a sweep
    #[arg(long)]
    pub sweep: bool,
    /// The store's folder
    pub store: PathBuf,
    /// The run or sweep
    pub id: String,
}
