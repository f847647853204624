//! The process that chooses trials with the algorithms of Python's libraries: `kale_runtime/suggestions.py`, which has the
//! protocol.
//!
//! It keeps nothing: whoever goes on with a sweep tells a new one the whole log, in the order in which it came about.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use kale_model::sweep::{Algorithm, Point, Sweep};
use kale_store::{RunOptions, TrialRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::process::MARKER;
use crate::runtime_module::runtime_module;
use crate::worker::{die_with_the_engine, notebook_python};

/// Whether the algorithm is one of a library of Python's.
pub fn is_of_library(algorithm: Algorithm) -> bool {
    use Algorithm::{BayesianOptimization, CmaEs, Grid, Hyperband, MultivariateTpe, Random, Sobol, Tpe};
    match algorithm {
        Tpe | MultivariateTpe | CmaEs | BayesianOptimization => true,
        Random | Grid | Sobol | Hyperband => false,
    }
}

/// What the user has to know, and to do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Unable {
    #[serde(rename = "error")]
    pub message: String,
    pub help: String,
}

impl From<io::Error> for Unable {
    fn from(error: io::Error) -> Unable {
        Unable {
            message: format!("the process that chooses trials cannot be talked to: {error}"),
            help: "`kale-rs sweeps resume` goes on where it stopped".to_owned(),
        }
    }
}

/// The trials that had newly ended when one was chosen, in the order in which the library was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub told: Vec<u64>,
}

pub(crate) struct Suggestions {
    // Killed when dropped.
    _process: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    asked: usize,
    told: BTreeSet<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Point {
        point: Point,
    },
    Ready {
        #[allow(dead_code)]
        versions: Value,
    },
    Unable(Unable),
}

impl Suggestions {
    /// Starts the notebook's Python, and the library in it.
    pub async fn start(sweep: &Sweep, options: &RunOptions, marker: &str) -> Result<Suggestions, Unable> {
        let python = notebook_python(options);
        let mut process = spawn(&python, &options.runtime, marker).map_err(|error| Unable {
            message: format!("{} cannot be started: {error}", python.display()),
            help: "say which Python has the libraries: `--python PATH`".to_owned(),
        })?;
        let input = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let mut suggestions = Suggestions { _process: process, input, answers, asked: 0, told: BTreeSet::new() };
        let directions: Vec<_> = sweep.objectives.iter().map(|objective| objective.direction).collect();
        let begin = json!({
            "algorithm": sweep.algorithm, "settings": sweep.settings, "seed": sweep.seed, "directions": directions,
            "space": sweep.space,
        });
        suggestions.exchange(&begin).await?;
        Ok(suggestions)
    }

    /// The trial after these, and what was known when it was chosen.
    pub async fn next(&mut self, trials: &[TrialRecord]) -> Result<(Point, Told), Unable> {
        while let Some(trial) = trials.get(self.asked) {
            let place = trial.place.clone().and_then(|place| serde_json::from_value(place).ok());
            self.ask(place.unwrap_or_default(), Some(&trial.point), trials).await?;
        }
        let is_new = |trial: &&TrialRecord| trial.end.is_some() && !self.told.contains(&trial.number);
        let told = Told { told: trials.iter().filter(is_new).map(|trial| trial.number).collect() };
        let point = self.ask(told.clone(), None, trials).await?;
        Ok((point, told))
    }

    async fn ask(&mut self, told: Told, was: Option<&Point>, trials: &[TrialRecord]) -> Result<Point, Unable> {
        let values = |number: &u64| {
            let trial = trials.iter().find(|trial| trial.number == *number);
            trial.and_then(|trial| Some(trial.end.as_ref()?.values.clone())).unwrap_or_default()
        };
        let ended: Vec<Value> =
            told.told.iter().map(|number| json!({"number": number, "values": values(number)})).collect();
        let answer = self.exchange(&json!({"ended": ended, "was": was})).await?;
        let Answer::Point { point } = answer else { return Err(io::Error::other("it gave no point").into()) };
        self.told.extend(told.told);
        self.asked += 1;
        Ok(point)
    }

    async fn exchange(&mut self, document: &Value) -> Result<Answer, Unable> {
        // One that has ended cannot be written to, but has left its reason.
        let written = self.input.write_all(format!("{document}\n").as_bytes()).await;
        let line = self.answers.next_line().await?;
        let line = line.ok_or_else(|| written.err().unwrap_or_else(|| io::Error::other("it has ended")))?;
        match serde_json::from_str(&line).map_err(io::Error::other)? {
            Answer::Unable(unable) => Err(unable),
            answer => Ok(answer),
        }
    }
}

fn spawn(python: &Path, runtime: &Path, marker: &str) -> io::Result<Child> {
    let mut command = runtime_module(python, runtime, "suggestions");
    command.env(MARKER, marker);
    die_with_the_engine(&mut command);
    Command::from(command).kill_on_drop(true).spawn()
}
