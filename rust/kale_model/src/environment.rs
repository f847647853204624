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

/// An installed distribution at an exact version: `scikit-learn==1.9.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    pub name: String,
    pub version: String,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.name, self.version)
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
