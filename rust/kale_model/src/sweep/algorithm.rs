//! How the next trial is chosen, under the names that Katib has for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Settings by name, as they were given. Katib's are texts, also where they are numbers.
pub type Settings = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    Random,
    Grid,
    Sobol,
    Hyperband,
    Tpe,
    MultivariateTpe,
    #[serde(rename = "cmaes")]
    CmaEs,
    #[serde(rename = "bayesianoptimization")]
    BayesianOptimization,
}

/// When a trial is given up that does worse than others did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarlyStopping {
    MedianStop,
}

/// A setting that Katib's services accept; they refuse any other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    pub name: &'static str,
    pub kind: SettingKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingKind {
    /// A whole number that is at least this.
    Whole(u64),
    /// A number between these, both excluded.
    Between(f64, f64),
    OneOf(&'static [&'static str]),
    /// The name of a varied parameter.
    Parameter,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    #[error("there is no algorithm `{0}`: {known}", known = list(Algorithm::ALL.iter().map(|each| each.as_str())))]
    Unknown(String),
    #[error("there is no early stopping `{0}`: medianstop")]
    UnknownStopping(String),
    #[error("{algorithm} has no setting `{name}`{known}", known = known(.settings))]
    NoSetting { algorithm: &'static str, name: String, settings: Vec<&'static str> },
    #[error("{name} is {expected}, not `{given}`")]
    Value { name: String, expected: String, given: String },
    #[error("{algorithm} needs {name}: {meaning}")]
    Missing { algorithm: &'static str, name: &'static str, meaning: &'static str },
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn known(settings: &[&str]) -> String {
    match settings {
        [] => ": it has none".to_owned(),
        names => format!(": it has {}", names.join(", ")),
    }
}

const fn whole(name: &'static str, least: u64) -> Setting {
    Setting { name, kind: SettingKind::Whole(least) }
}

const fn between(name: &'static str, low: f64, high: f64) -> Setting {
    Setting { name, kind: SettingKind::Between(low, high) }
}

const fn one_of(name: &'static str, values: &'static [&'static str]) -> Setting {
    Setting { name, kind: SettingKind::OneOf(values) }
}

const RANDOM_STATE: Setting = whole("random_state", 0);

impl Algorithm {
    pub const ALL: [Algorithm; 8] = [
        Algorithm::Random,
        Algorithm::Grid,
        Algorithm::Sobol,
        Algorithm::Hyperband,
        Algorithm::Tpe,
        Algorithm::MultivariateTpe,
        Algorithm::CmaEs,
        Algorithm::BayesianOptimization,
    ];

    pub fn parse(text: &str) -> Result<Algorithm, AlgorithmError> {
        let found = Algorithm::ALL.into_iter().find(|each| each.as_str() == text);
        found.ok_or_else(|| AlgorithmError::Unknown(text.to_owned()))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Random => "random",
            Algorithm::Grid => "grid",
            Algorithm::Sobol => "sobol",
            Algorithm::Hyperband => "hyperband",
            Algorithm::Tpe => "tpe",
            Algorithm::MultivariateTpe => "multivariate-tpe",
            Algorithm::CmaEs => "cmaes",
            Algorithm::BayesianOptimization => "bayesianoptimization",
        }
    }

    /// Whether trials can be better in one thing and worse in another.
    pub fn takes_several_objectives(self) -> bool {
        !matches!(self, Algorithm::Hyperband | Algorithm::CmaEs | Algorithm::BayesianOptimization)
    }

    /// Of `bayesianoptimization` and `tpe`, the spelling of Katib's engines, which is not that of the libraries here.
    pub fn settings(self) -> &'static [Setting] {
        match self {
            Algorithm::Random | Algorithm::Grid => &[RANDOM_STATE],
            Algorithm::Sobol => &[],
            Algorithm::Hyperband => {
                const {
                    &[
                        Setting { name: "resource_name", kind: SettingKind::Parameter },
                        between("r_l", 0.0, f64::INFINITY),
                        whole("eta", 2),
                    ]
                }
            }
            Algorithm::Tpe => {
                const {
                    &[
                        between("gamma", 0.0, 1.0),
                        between("prior_weight", 0.0, f64::INFINITY),
                        whole("n_EI_candidates", 1),
                        RANDOM_STATE,
                    ]
                }
            }
            Algorithm::MultivariateTpe => {
                const { &[whole("n_startup_trials", 1), whole("n_ei_candidates", 1), RANDOM_STATE] }
            }
            Algorithm::CmaEs => {
                const {
                    &[
                        RANDOM_STATE,
                        between("sigma", 0.0, f64::INFINITY),
                        one_of("restart_strategy", &["none", "ipop", "bipop"]),
                    ]
                }
            }
            Algorithm::BayesianOptimization => {
                const {
                    &[
                        one_of("base_estimator", &["GP", "RF", "ET", "GBRT"]),
                        whole("n_initial_points", 1),
                        one_of("acq_func", &["gp_hedge", "LCB", "EI", "PI", "EIps", "PIps"]),
                        one_of("acq_optimizer", &["auto", "sampling", "lbfgs"]),
                        RANDOM_STATE,
                    ]
                }
            }
        }
    }

    /// Refuses what Katib's services would refuse, in words.
    pub fn check(self, settings: &Settings) -> Result<(), AlgorithmError> {
        check(self.as_str(), self.settings(), settings)?;
        if self == Algorithm::Hyperband {
            for (name, meaning) in HYPERBAND_NEEDS {
                if !settings.contains_key(name) {
                    return Err(AlgorithmError::Missing { algorithm: self.as_str(), name, meaning });
                }
            }
        }
        Ok(())
    }
}

const HYPERBAND_NEEDS: [(&str, &str); 2] = [
    ("resource_name", "the parameter that says how much a trial may use, such as the number of epochs"),
    ("r_l", "as much of it as one trial may use at most"),
];

impl EarlyStopping {
    pub fn parse(text: &str) -> Result<EarlyStopping, AlgorithmError> {
        match text {
            "medianstop" => Ok(EarlyStopping::MedianStop),
            _ => Err(AlgorithmError::UnknownStopping(text.to_owned())),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            EarlyStopping::MedianStop => "medianstop",
        }
    }

    pub fn settings(self) -> &'static [Setting] {
        match self {
            EarlyStopping::MedianStop => const { &[whole("min_trials_required", 1), whole("start_step", 1)] },
        }
    }

    pub fn check(self, settings: &Settings) -> Result<(), AlgorithmError> {
        check(self.as_str(), self.settings(), settings)
    }
}

fn check(algorithm: &'static str, known: &'static [Setting], given: &Settings) -> Result<(), AlgorithmError> {
    for (name, value) in given {
        let setting = known.iter().find(|setting| setting.name == name).ok_or_else(|| {
            let settings = known.iter().map(|setting| setting.name).collect();
            AlgorithmError::NoSetting { algorithm, name: name.clone(), settings }
        })?;
        setting.kind.check(value).map_err(|expected| AlgorithmError::Value {
            name: name.clone(),
            expected,
            given: value.clone(),
        })?;
    }
    Ok(())
}

impl SettingKind {
    fn check(self, value: &str) -> Result<(), String> {
        let (fits, expected) = match self {
            SettingKind::Whole(least) => {
                (value.parse::<u64>().is_ok_and(|n| n >= least), format!("a whole number from {least} on"))
            }
            SettingKind::Between(low, high) => {
                let words = if high.is_finite() {
                    format!("a number between {low} and {high}")
                } else {
                    format!("a number above {low}")
                };
                (value.parse::<f64>().is_ok_and(|x| low < x && x < high), words)
            }
            SettingKind::OneOf(values) => (values.contains(&value), format!("one of {}", values.join(", "))),
            SettingKind::Parameter => (!value.is_empty(), "the name of a parameter".to_owned()),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}
