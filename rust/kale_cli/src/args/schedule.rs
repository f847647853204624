//! `schedule` has verbs of its own.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SourceArgs;

#[derive(Args, Debug)]
pub struct ScheduleArgs {
    #[command(subcommand)]
    pub verb: ScheduleVerb,
}

#[derive(Subcommand, Debug)]
pub enum ScheduleVerb {
    /// Have a cluster run a notebook by the clock
    #[command(after_help = "\
Adding the same notebook twice makes two schedules. What an overlay says of the time, too, counts
less than what is said here. `--paused` is for a look at its page before anything starts; with
`--catch-up` a schedule that was paused from Monday to Friday starts all those runs on Friday.

Examples:
  kale-rs schedule add train.ipynb --on dev --cron '0 30 6 * * MON-FRI' -p trees=300
  kale-rs schedule add train.ipynb --on dev --every 6h --start 2026-12-01T00:00:00Z --catch-up
  kale-rs schedule add train.ipynb --on dev --cron @daily --name nightly --paused
  kale-rs schedule resume nightly --on dev     from now on it starts runs")]
    Add(Box<AddScheduleArgs>),
    /// List the schedules of a cluster, newest first
    #[command(after_help = "\
Examples:
  kale-rs schedule list --on dev
  kale-rs schedule list --json")]
    List(ListSchedulesArgs),
    /// Start no runs until it is resumed
    #[command(after_help = "\
Examples:
  kale-rs schedule pause train --on dev
  kale-rs schedule pause 0f3c9c1e-2b1d-4c1f-9a53-1d6c8d0f7a11
                                               by its id, where several have the name")]
    Pause(ChosenArgs),
    /// Start runs again
    #[command(after_help = "\
Examples:
  kale-rs schedule resume train --on dev
  kale-rs schedule resume 0f3c9c1e-2b1d-4c1f-9a53-1d6c8d0f7a11
                                               by its id, where several have the name")]
    Resume(ChosenArgs),
    /// Remove a schedule; runs that it has started stay
    #[command(after_help = "\
Examples:
  kale-rs schedule remove train --on dev
  kale-rs schedule remove 0f3c9c1e-2b1d-4c1f-9a53-1d6c8d0f7a11
                                               by its id, where several have the name")]
    Remove(ChosenArgs),
}

#[derive(Args, Debug)]
pub struct AddScheduleArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// When: six fields, seconds first, such as `0 30 6 * * MON-FRI`, or `@daily` and the like; in the cluster's time zone,
    /// which mostly is UTC
    #[arg(long, value_name = "CRON", conflicts_with = "every")]
    pub cron: Option<String>,
    /// How much time from one run to the next: seconds, or a time such as `30m` or `1h30m`
    #[arg(long, value_name = "TIME")]
    pub every: Option<String>,
    /// Not before this instant, such as `2026-11-20T06:30:00Z`
    #[arg(long, value_name = "INSTANT")]
    pub start: Option<String>,
    /// Not after this instant
    #[arg(long, value_name = "INSTANT")]
    pub end: Option<String>,
    /// Start runs later that were missed, while it was paused or the cluster was down
    #[arg(long)]
    pub catch_up: bool,
    /// How many of its runs may go on at the same time, at most 10 [default: 1]
    #[arg(long, value_name = "N")]
    pub max_concurrency: Option<u32>,
    /// Start nothing until it is resumed
    #[arg(long)]
    pub paused: bool,
    /// What it is called [default: the pipeline's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Set a parameter of the notebook; may be given again
    #[arg(short = 'p', long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Set parameters from a JSON or YAML file that holds one object
    #[arg(long, value_name = "FILE")]
    pub params: Option<String>,
    /// A file with what is wanted otherwise than the notebook says: `explain-overlay` has its form
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// The context [default: the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub on: Option<String>,
    /// Print one JSON document: the schedule and the diagnostics
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ListSchedulesArgs {
    /// The context [default: the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub on: Option<String>,
    /// Print one JSON document: the schedules
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ChosenArgs {
    /// The schedule's id, or its name
    pub schedule: String,
    /// The context [default: the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub on: Option<String>,
    /// Print one JSON document: the schedule
    #[arg(long)]
    pub json: bool,
}
