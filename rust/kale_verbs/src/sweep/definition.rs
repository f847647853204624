//! What is varied, and how, as it is asked for: the same words for a sweep on this machine and for one that Katib is to
//! carry out.

use kale_model::Pipeline;
use kale_model::sweep::{
    Algorithm, AlgorithmError, Direction, EarlyStopping, Objective, Settings, Space, SpaceError, Sweep,
};
use serde::Deserialize;

use crate::error::VerbError;

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

impl SweepOptions {
    /// What is asked for, compared with what the notebook has; and whether its ranges are guessed.
    pub fn definition(&self, pipeline: &Pipeline) -> Result<(Sweep, bool), VerbError> {
        let space = self.space(pipeline)?;
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
        let all_of_a_grid = || (algorithm == Algorithm::Grid).then(|| space.cardinality()).flatten();
        let definition = Sweep {
            objectives,
            trials: self.trials.or_else(all_of_a_grid).unwrap_or(10),
            space,
            algorithm,
            settings,
            early_stopping: self.early_stopping()?,
            parallel: self.parallel.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            max_failed: self.max_failed,
            timeout: self.timeout,
            seed: self.seed.unwrap_or_else(|| u64::from(std::process::id())),
        };
        Ok((definition, self.vary.is_empty()))
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
        let direction = self.direction.unwrap_or(Direction::Minimize);
        if self.objectives.is_empty() {
            return Ok(vec![Objective { metric: metric(None, pipeline)?, direction, goal: self.goal }]);
        }
        let mut found: Vec<Objective> = vec![];
        for text in &self.objectives {
            let (name, direction) = match text.rsplit_once(':') {
                Some((name, "minimize")) => (name, Direction::Minimize),
                Some((name, "maximize")) => (name, Direction::Maximize),
                _ => (text.as_str(), direction),
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

    fn space(&self, pipeline: &Pipeline) -> Result<Space, VerbError> {
        let space = match &self.vary[..] {
            [] => Space::guess(&pipeline.parameters),
            texts => Space::parse(texts.iter().map(String::as_str), &pipeline.parameters).map_err(in_space)?,
        };
        if space.0.is_empty() {
            return Err(VerbError::usage(
                "the notebook has nothing to vary",
                "tag the cell that sets its parameters with `pipeline-parameters`, or say what to vary: `--param \
                 lr=loguniform:1e-5:1e-1`",
            ));
        }
        Ok(space)
    }
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
