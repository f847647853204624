//! `sweep`, and the verbs of `sweeps`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kale_model::sweep::Direction;
use kale_verbs::parameters::ParameterInputs;
use kale_verbs::sweep::definition::SweepOptions;

use super::{SourceArgs, StoreArgs};

#[derive(Args, Debug)]
pub struct SweepArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub options: SweepOptionArgs,
    /// Run every step, also those with a stored result of an earlier run
    #[arg(long)]
    pub no_cache: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub plan: bool,
    /// A file with what is wanted otherwise than the notebook says: `explain-overlay` has its form
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// Return as soon as it has begun
    #[arg(long)]
    pub detach: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What is varied, and how: the same for a sweep here and for one of Katib's.
#[derive(Args, Debug)]
pub struct SweepOptionArgs {
    /// Vary a parameter: NAME=uniform:A:B[:STEP], loguniform:A:B, int:A:B[:STEP], logint:A:B, discrete:1,2,4 or
    /// choice:a,b; may be given again [default: ranges around the notebook's own values]
    #[arg(long = "param", value_name = "NAME=RANGE")]
    pub vary: Vec<String>,
    /// Set a parameter that is not varied; may be given again
    #[arg(short = 'p', long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Set parameters from a JSON or YAML file that holds one object
    #[arg(long, value_name = "FILE")]
    pub params: Option<String>,
    /// The metric that becomes better [default: the only one]. Several are weighed against each other: give it again,
    /// with `:minimize` or `:maximize` behind each
    #[arg(long = "objective", value_name = "METRIC")]
    pub objectives: Vec<String>,
    /// Smaller is better [default: by the metric's name: larger for accuracy, auc, f1, score and the like]
    #[arg(long, conflicts_with = "maximize")]
    pub minimize: bool,
    /// Larger is better
    #[arg(long)]
    pub maximize: bool,
    /// Begin no more trials once one is as good as this
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub goal: Option<f64>,
    /// How trials are chosen: random, grid, sobol, hyperband; tpe, multivariate-tpe, cmaes, bayesianoptimization
    /// (these need `pip install 'kale-rs[sweep]'`) [default: random]
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
    /// A setting of the algorithm, under Katib's name; may be given again
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// Give up trials that do worse than others did by then: medianstop
    #[arg(long, value_name = "NAME")]
    pub early_stopping: Option<String>,
    /// A setting of early stopping, under Katib's name; may be given again
    #[arg(long = "early-stopping-setting", value_name = "NAME=VALUE")]
    pub early_stopping_settings: Vec<String>,
    /// How many trials at most [default: 10; of grid and hyperband, all]
    #[arg(long, value_name = "N")]
    pub trials: Option<u64>,
    /// How many at the same time [default: one for each CPU; for Katib 3, or as many as the algorithm needs]
    #[arg(long, value_name = "N")]
    pub parallel: Option<NonZeroUsize>,
    /// End when more than these have failed
    #[arg(long, value_name = "N")]
    pub max_failed: Option<u64>,
    /// Begin no more trials after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Where the algorithm's random numbers begin [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// All of this from a YAML or JSON file; what is given here counts more, the notebook's metadata less
    #[arg(long, value_name = "FILE")]
    pub file: Option<String>,
}

impl SweepOptionArgs {
    /// Values of parameters that are not varied.
    pub fn parameters(&mut self) -> ParameterInputs {
        let (assignments, file) = (std::mem::take(&mut self.parameters), self.params.take());
        ParameterInputs { assignments, file, ..Default::default() }
    }

    pub fn options(self) -> SweepOptions {
        let maximize = self.maximize.then_some(Direction::Maximize);
        SweepOptions {
            file: self.file,
            vary: self.vary,
            objectives: self.objectives,
            direction: maximize.or(self.minimize.then_some(Direction::Minimize)),
            goal: self.goal,
            algorithm: self.algorithm,
            settings: self.settings,
            early_stopping: self.early_stopping,
            early_stopping_settings: self.early_stopping_settings,
            trials: self.trials,
            parallel: self.parallel.map(usize::from),
            max_failed: self.max_failed,
            timeout: self.timeout,
            seed: self.seed,
        }
    }
}

#[derive(Args, Debug)]
pub struct SweepsArgs {
    #[command(subcommand)]
    pub verb: Option<SweepsVerb>,
    /// Only sweeps of this notebook
    #[arg(long, value_name = "NOTEBOOK")]
    pub notebook: Option<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// List no more than this many
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum SweepsVerb {
    /// Show the trials of a sweep, and the best of them
    #[command(after_help = "\
Examples:
  kale-rs sweeps show
  kale-rs sweeps show 20261121-1042 --json")]
    Show(OfSweepArgs),
    /// Stop a sweep and its trials, and wait until they have stopped
    #[command(after_help = "\
Examples:
  kale-rs sweeps stop last")]
    Stop(OfSweepArgs),
    /// Go on with a sweep that was stopped or interrupted, or has failed
    #[command(after_help = "\
Finished trials are not run again, and those that were begun go on with the steps that they have not finished.

Examples:
  kale-rs sweeps resume last")]
    Resume(ResumeSweepArgs),
    /// Have a sweep try more, or from other ranges; all its trials so far count
    #[command(after_help = "\
Examples:
  kale-rs sweeps extend last --trials 100
  kale-rs sweeps extend last --trials 100 --param lr=loguniform:1e-4:1e-2")]
    Extend(ExtendArgs),
    /// Write the trials into a study of Optuna's, which its dashboard opens
    #[command(after_help = "\
A study that is there already is completed with the trials that it does not have.

Examples:
  kale-rs sweeps export last --optuna sqlite:///study.db
  optuna-dashboard sqlite:///study.db")]
    Export(ExportArgs),
}

#[derive(Args, Debug)]
pub struct OfSweepArgs {
    /// A sweep's id, the start of one, or `last`
    #[arg(default_value = "last")]
    pub sweep: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ResumeSweepArgs {
    #[command(flatten)]
    pub of: OfSweepArgs,
    /// Return as soon as it goes on
    #[arg(long)]
    pub detach: bool,
}

#[derive(Args, Debug)]
pub struct ExtendArgs {
    #[command(flatten)]
    pub of: OfSweepArgs,
    /// How many trials there are at most, the finished ones included
    #[arg(long, value_name = "N")]
    pub trials: Option<u64>,
    /// Another range of a parameter that is varied; may be given again
    #[arg(long = "param", value_name = "NAME=RANGE")]
    pub vary: Vec<String>,
    /// How many at the same time
    #[arg(long, value_name = "N")]
    pub parallel: Option<NonZeroUsize>,
    /// End when more than these have failed
    #[arg(long, value_name = "N")]
    pub max_failed: Option<u64>,
    /// Begin no more trials once one is as good as this
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub goal: Option<f64>,
    /// Begin no more trials after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Return as soon as it goes on
    #[arg(long)]
    pub detach: bool,
}

#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    pub of: OfSweepArgs,
    /// The database, as Optuna names it
    #[arg(long, value_name = "URL")]
    pub optuna: String,
    /// What the study is called there [default: the sweep's id]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}
