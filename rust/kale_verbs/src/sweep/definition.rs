//! What is varied, and how, as it is asked for: the same words for a sweep on this machine and for one that Katib is to
//! carry out.

use std::hash::{BuildHasher, RandomState};

use kale_model::sweep::{
    Algorithm, AlgorithmError, Direction, EarlyStopping, Objective, Settings, Space, SpaceError, Sweep,
};
use kale_model::{ParameterName, Pipeline};
use kale_sweep::Sampler;
use serde::Deserialize;

use crate::error::VerbError;
use crate::parameters::GivenParameters;

const DEFAULT_TRIALS: u64 = 10;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SweepOptions {
    /// A file that says what these do not: `written.rs` has its form.
    #[serde(default)]
    pub file: Option<String>,
    /// `NAME=KIND:VALUES` each; none: ranges are guessed.
    #[serde(default)]
    pub vary: Vec<String>,
    /// Metrics, each with `:minimize` or `:maximize` behind it where it differs from `direction`; none: the notebook has
    /// one metric only.
    #[serde(default)]
    pub objectives: Vec<String>,
    #[serde(default)]
    pub direction: Option<Direction>,
    #[serde(default)]
    pub goal: Option<f64>,
    /// Under Katib's names; `None`: random.
    #[serde(default)]
    pub algorithm: Option<String>,
    /// `NAME=VALUE` each.
    #[serde(default)]
    pub settings: Vec<String>,
    #[serde(default)]
    pub early_stopping: Option<String>,
    /// `NAME=VALUE` each.
    #[serde(default)]
    pub early_stopping_settings: Vec<String>,
    #[serde(default)]
    pub trials: Option<u64>,
    #[serde(default)]
    pub parallel: Option<usize>,
    #[serde(default)]
    pub max_failed: Option<u64>,
    /// Seconds.
    #[serde(default)]
    pub timeout: Option<f64>,
    #[serde(default)]
    pub seed: Option<u64>,
}

/// What is asked for, compared with what the notebook has.
pub struct Defined {
    pub sweep: Sweep,
    /// Whether nobody has said what is varied.
    pub is_guessed: bool,
    /// What is not varied since nobody has named it, and random numbers begin there.
    pub seeds: Vec<ParameterName>,
}

impl Defined {
    /// What is to be said of guesses.
    pub fn remarks(&self) -> Vec<String> {
        let kept =
            |name| format!("`{name}` keeps its value, since random numbers begin there: give it a range to vary it");
        self.seeds.iter().map(kept).collect()
    }
}

impl SweepOptions {
    /// Whether somebody has said of each objective if it is to become smaller or larger.
    pub fn has_directions(&self) -> bool {
        let says = |text: &String| text.ends_with(":minimize") || text.ends_with(":maximize");
        self.direction.is_some() || (!self.objectives.is_empty() && self.objectives.iter().all(says))
    }

    /// Values that are `given` are not varied.
    pub fn definition(&self, pipeline: &Pipeline, given: &GivenParameters) -> Result<Defined, VerbError> {
        let space = self.space(pipeline, given)?;
        let algorithm = Algorithm::parse(self.algorithm.as_deref().unwrap_or("random")).map_err(in_algorithm)?;
        let settings = settings("--setting", &self.settings)?;
        algorithm.check(&settings).map_err(in_algorithm)?;
        let objectives = self.objectives(pipeline)?;
        if objectives.len() > 1 && !algorithm.takes_several_objectives() {
            return Err(VerbError::usage(
                format!("{} knows one objective, not {}", algorithm.as_str(), objectives.len()),
                "name one, or take random, grid, sobol, tpe or multivariate-tpe",
            ));
        }
        let mut definition = Sweep {
            trials: self.trials.unwrap_or(DEFAULT_TRIALS),
            parallel: self.parallel.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            seed: random_state(&settings).or(self.seed).unwrap_or_else(any_seed),
            objectives,
            space,
            algorithm,
            settings,
            early_stopping: self.early_stopping()?,
            max_failed: self.max_failed,
            timeout: self.timeout,
        };
        if self.trials.is_none() {
            definition.trials = whole_schedule(&definition).unwrap_or(DEFAULT_TRIALS);
        }
        refuse_numbers(&definition)?;
        let is_guessed = self.vary.is_empty();
        let seeds =
            pipeline.parameters.iter().filter(|one| is_guessed && one.is_seed() && !given.has(one.name.as_str()));
        Ok(Defined { sweep: definition, is_guessed, seeds: seeds.map(|one| one.name.clone()).collect() })
    }

    fn early_stopping(&self) -> Result<Option<(EarlyStopping, Settings)>, VerbError> {
        let settings = settings("--early-stopping-setting", &self.early_stopping_settings)?;
        let Some(name) = &self.early_stopping else {
            let unused = "early stopping has settings, and is not asked for";
            let refused = || VerbError::usage(unused, "say `--early-stopping medianstop`");
            return if settings.is_empty() { Ok(None) } else { Err(refused()) };
        };
        let rule = EarlyStopping::parse(name).map_err(in_algorithm)?;
        rule.check(&settings).map_err(in_algorithm)?;
        Ok(Some((rule, settings)))
    }

    fn objectives(&self, pipeline: &Pipeline) -> Result<Vec<Objective>, VerbError> {
        let direction = |metric: &str| self.direction.unwrap_or_else(|| Direction::guess(metric));
        if self.objectives.is_empty() {
            let metric = metric(None, pipeline)?;
            return Ok(vec![Objective { direction: direction(&metric), metric, goal: self.goal }]);
        }
        let mut found: Vec<Objective> = vec![];
        for text in &self.objectives {
            let (name, direction) = match text.rsplit_once(':') {
                Some((name, "minimize")) => (name, Direction::Minimize),
                Some((name, "maximize")) => (name, Direction::Maximize),
                _ => (text.as_str(), direction(text)),
            };
            let metric = metric(Some(name), pipeline)?;
            if found.iter().any(|one| one.metric == metric) {
                return Err(VerbError::usage(format!("`{metric}` is there twice"), "name each objective once"));
            }
            // A goal is the first one's.
            let goal = self.goal.filter(|_| found.is_empty());
            found.push(Objective { metric, direction, goal });
        }
        Ok(found)
    }

    fn space(&self, pipeline: &Pipeline, given: &GivenParameters) -> Result<Space, VerbError> {
        if self.vary.is_empty() {
            let free = pipeline.parameters.iter().filter(|parameter| !given.has(parameter.name.as_str()));
            return something(Space::guess(&free.cloned().collect::<Vec<_>>()));
        }
        let space = Space::parse(self.vary.iter().map(String::as_str), &pipeline.parameters).map_err(in_space)?;
        if let Some(dimension) = space.0.iter().find(|dimension| given.has(dimension.name.as_str())) {
            let message = format!("`{}` is varied, and has one value", dimension.name);
            return Err(VerbError::usage(message, "give it either a range, with `--param`, or a value, with `-p`"));
        }
        Ok(space)
    }
}

/// What is not found by the compiler, wherever it comes from.
pub(crate) fn refuse_numbers(sweep: &Sweep) -> Result<(), VerbError> {
    let Sweep { objectives, trials, parallel, timeout, .. } = sweep;
    let usage = |message: String, help: &str| Err(VerbError::usage(message, help));
    if *trials == 0 || *parallel == 0 {
        let what = if *trials == 0 { "no trials" } else { "no trials at one time" };
        return usage(format!("{what} are asked for, and nothing would be tried"), "ask for 1 or more");
    }
    if let Some(goal) = objectives.iter().find_map(|one| one.goal.filter(|goal| !goal.is_finite())) {
        return usage(format!("the goal is {goal}, which no trial is measured by"), "give a number");
    }
    if let Some(timeout) = timeout.filter(|timeout| !(timeout.is_finite() && *timeout > 0.0)) {
        return usage(format!("the timeout is {timeout} seconds"), "give a number above 0, or leave it out");
    }
    Ok(())
}

/// As many trials as the algorithm has by itself: what it is for is only there when all of them are run.
fn whole_schedule(sweep: &Sweep) -> Option<u64> {
    let Sweep { space, algorithm, settings, objectives, seed, .. } = sweep;
    let has_schedule = matches!(algorithm, Algorithm::Grid | Algorithm::Hyperband);
    let sampler = has_schedule.then(|| Sampler::new(space.clone(), *algorithm, settings, &objectives[0], *seed).ok());
    sampler.flatten()?.most_trials()
}

/// Katib's word for where random numbers begin.
fn random_state(settings: &Settings) -> Option<u64> {
    settings.get("random_state")?.parse().ok()
}

/// Another one each time, and short enough to be written down.
fn any_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) % (1 << 31)
}

fn something(space: Space) -> Result<Space, VerbError> {
    if space.0.is_empty() {
        return Err(VerbError::usage(
            "the notebook has nothing to vary",
            "tag the cell that sets its parameters with `pipeline-parameters`, or say what to vary: `--param \
             lr=loguniform:1e-5:1e-1`",
        ));
    }
    Ok(space)
}

/// A metric of the notebook: the one that is named, or the only one.
fn metric(name: Option<&str>, pipeline: &Pipeline) -> Result<String, VerbError> {
    let known: Vec<&str> = pipeline.metrics.iter().map(|metric| metric.name.as_str()).collect();
    let all = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let none = "tag the cell that prints it with `pipeline-metrics`, or call `kale_rs.metric(name, value)`";
    match (name, &known[..]) {
        (Some(name), known) if known.contains(&name) => Ok(name.to_owned()),
        (Some(name), []) => Err(VerbError::usage(format!("the notebook tells no metric, so also not `{name}`"), none)),
        (Some(name), _) => {
            let help = format!("its metrics are {}", all());
            Err(VerbError::usage(format!("the notebook tells no metric `{name}`"), help))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(VerbError::usage("the notebook tells no metric that could become better", none)),
        (None, _) => Err(VerbError::usage(
            "the notebook tells several metrics",
            format!("say which one: `--objective NAME`, one of {}", all()),
        )),
    }
}

fn settings(option: &str, texts: &[String]) -> Result<Settings, VerbError> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            VerbError::usage(format!("`{option} {text}` has no `=`"), format!("write `{option} NAME=VALUE`"))
        })?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    texts.iter().map(pair).collect()
}

fn in_space(error: SpaceError) -> VerbError {
    VerbError::usage(error.to_string(), "`kale-rs sweep --help` has examples of each kind of range")
}

fn in_algorithm(error: AlgorithmError) -> VerbError {
    VerbError::usage(error.to_string(), "names and settings are Katib's; `kale-rs sweep --help` lists them")
}
