//! What verbs about past runs are told.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

#[derive(Args, Debug)]
pub struct RunsArgs {
    /// Only runs of this notebook
    #[arg(long, value_name = "NOTEBOOK")]
    pub notebook: Option<PathBuf>,
    /// Also the trials of sweeps
    #[arg(long)]
    pub trials: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    /// List no more than this many
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// A run's id, the start of one, `last`, or `best` (the best trial of the newest sweep)
    pub run: String,
    /// One of its steps
    pub step: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document: the run
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct LogsArgs {
    /// A run's id, the start of one, `last`, or `best` (the best trial of the newest sweep)
    pub run: String,
    /// Only this step
    pub step: Option<String>,
    /// Go on while the run does
    #[arg(short, long)]
    pub follow: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long, conflicts_with = "follow")]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// A run's id, the start of one, `last`, or `best` (the best trial of the newest sweep)
    pub run: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Start the run and return at once
    #[arg(long)]
    pub detach: bool,
    /// Print one JSON document: the run
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct CancelArgs {
    /// A run's id, the start of one, `last`, or `best` (the best trial of the newest sweep)
    pub run: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document: the run
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ArchiveArgs {
    /// A run's id, the start of one, `last`, or `best` (the best trial of the newest sweep)
    pub run: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document: the run on the cluster
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct DiffArgs {
    /// The run to compare with
    pub before: String,
    /// The run that is compared
    pub after: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print Markdown tables
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// A run's id, the start of one, `last`, or `best` (the best trial of the newest sweep)
    pub run: String,
    /// The step, unless the id is that of a step
    pub step: Option<String>,
    /// Before the step's first cell, instead of after its last
    #[arg(long)]
    pub before: bool,
    /// Where to write the notebook [default: beside the notebook that was run]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Put back the files that the steps wrote
    #[arg(long)]
    pub files: bool,
    /// Load variables of a run that was pulled, now and later: you trust whoever made it
    #[arg(long)]
    pub trust: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct LineageArgs {
    /// A run's id, the start of one, `last`, or a kale:// id
    pub id: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ArtifactArgs {
    /// The value's id, such as kale://artifact/3f9a41
    pub id: String,
    /// Write the value to this file, in the format of its suffix
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Load values of a run that was pulled, now and later: you trust whoever made it
    #[arg(long)]
    pub trust: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct GcArgs {
    /// Remove runs that are older than this many days
    #[arg(long, value_name = "N")]
    pub keep_days: Option<f64>,
    /// Keep the N runs with the highest and the N with the lowest value of each metric, per notebook
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub keep_best: usize,
    /// Remove the oldest runs until the values of the others fit, such as 500MB or 20GiB
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
