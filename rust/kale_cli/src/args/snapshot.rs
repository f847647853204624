//! `snapshot` has verbs of its own.

use clap::{Args, Subcommand};

use super::StoreArgs;

#[derive(Args, Debug)]
pub struct SnapshotArgs {
    #[command(subcommand)]
    pub verb: SnapshotVerb,
}

#[derive(Subcommand, Debug)]
pub enum SnapshotVerb {
    /// Send a run's variables, and what it takes to restore them
    #[command(after_help = "\
Examples:
  kale-rs snapshot push last s3://team/churn           the state after each step
  kale-rs snapshot push last:train /mnt/share/churn    the state after `train`")]
    Push(PushArgs),
    /// Fetch a snapshot into this store
    #[command(after_help = "\
Examples:
  kale-rs snapshot pull s3://team/churn
  kale-rs restore last train --trust           after that: see what it is before you trust it")]
    Pull(PullArgs),
}

#[derive(Args, Debug)]
pub struct PushArgs {
    /// A run, or a step of one: the state that it left
    #[arg(value_name = "RUN[:STEP]")]
    pub run: String,
    /// Where to: `s3://BUCKET/PREFIX`, `file:///FOLDER`, or a folder
    pub url: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PullArgs {
    /// What `snapshot push` has printed, or the place if it holds just one snapshot
    pub url: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
