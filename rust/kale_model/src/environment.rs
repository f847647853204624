//! The Python environment that a notebook runs in, as plain facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PythonVersion {
    pub major: u8,
    pub minor: u8,
}

impl Default for PythonVersion {
    fn default() -> Self {
        PythonVersion { major: 3, minor: 11 }
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A distribution that a step needs, as installed: `scikit-learn==1.9.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    /// Normalised: lower case, `-`.
    pub name: String,
    /// Empty when it is not installed.
    pub version: String,
    /// What stands for `name==version` where that says too little: `name @ git+https://...@commit`, or `name>=2` of a
    /// `%pip install` line for what is not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spelling: Option<String>,
}

impl Requirement {
    pub fn pinned(name: impl Into<String>, version: impl Into<String>) -> Requirement {
        Requirement { name: name.into(), version: version.into(), spelling: None }
    }

    /// Whether it is known which version is meant.
    pub fn is_exact(&self) -> bool {
        !self.version.is_empty()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spelling {
            Some(spelling) => f.write_str(spelling),
            None => write!(f, "{}=={}", self.name, self.version),
        }
    }
}

/// All that the steps of a run need of an environment, and what these need in turn, at the versions that the notebook's
/// own environment has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Sorted by name.
    pub packages: Vec<Requirement>,
    /// By step, the names of those that it may see.
    pub steps: BTreeMap<String, BTreeSet<String>>,
}

impl Lock {
    /// The lines of a file of requirements.
    pub fn text(&self) -> String {
        self.packages.iter().map(|package| format!("{package}\n")).collect()
    }

    pub fn of_step(&self, step: &str) -> impl Iterator<Item = &Requirement> {
        let seen = self.steps.get(step);
        self.packages.iter().filter(move |package| seen.is_some_and(|names| names.contains(&package.name)))
    }

    /// Packages that are there for other steps only.
    pub fn hidden_from(&self, step: &str) -> Vec<&str> {
        let seen = self.steps.get(step);
        let others = self.packages.iter().filter(|package| !seen.is_some_and(|names| names.contains(&package.name)));
        others.map(|package| package.name.as_str()).collect()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub python: PythonVersion,
    /// Top-level module to the distribution that installs it: `sklearn` to `scikit-learn==1.9.0`.
    pub modules: BTreeMap<String, Requirement>,
    /// Every installed distribution by normalised name (lower case, `-`) to version.
    pub distributions: BTreeMap<String, String>,
    /// Modules (files `x.py` or packages) that lie beside the notebook.
    pub local_modules: Vec<String>,
    /// Modules of distributions that were installed from a folder or file of this machine, to where they lie.
    pub unpublished: BTreeMap<String, String>,
    /// What the sources of local and unpublished modules import, dotted, with the top-level module.
    pub local_imports: BTreeMap<String, BTreeSet<String>>,
    /// What `from module import *` binds, by module: of those that the notebook so imports and that could be read.
    pub exports: BTreeMap<String, BTreeMap<String, Export>>,
    /// By full name, modules beside the notebook of which functions or the notebook may change something.
    pub module_states: BTreeMap<String, ModuleState>,
}

/// What may change of a module while it is imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleState {
    pub variables: BTreeSet<String>,
    /// Functions and classes that look at the variables.
    pub readers: BTreeSet<String>,
    /// Those that change them.
    pub writers: BTreeSet<String>,
    /// Those that may return one, or a part of one.
    pub leakers: BTreeSet<String>,
    /// By function or class: the functions of libraries that it calls, itself or through others.
    pub calls: BTreeMap<String, BTreeSet<String>>,
}

/// A name that a star import binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Where it comes from, as far as known: `numpy.linalg.norm`.
    pub path: String,
    /// Whether it is bound on every path through the module.
    pub certain: bool,
}
