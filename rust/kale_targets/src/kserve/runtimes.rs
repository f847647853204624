//! Runtimes that KServe brings: what each loads, and in which versions. They only fit a model that is alone: what comes
//! before or after it, and methods other than `predict`, need our server.

use std::collections::BTreeMap;

use super::{Fault, Runtime, Service};

/// What a bundle says of its model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub flavour: String,
    pub format: String,
    /// Its class, by its full name.
    pub class: String,
    pub method: String,
    /// The file, within the bundle.
    pub file: String,
    /// It is given tables, by the names of their columns.
    pub takes_tables: bool,
    /// Functions of the notebook come before or after it.
    pub has_functions: bool,
    /// Its file refers to code that only the bundle has.
    pub has_code: bool,
    /// Packages that it was made with.
    pub versions: BTreeMap<String, String>,
}

/// A runtime of KServe 0.21, by what its image has.
pub struct Native {
    pub name: &'static str,
    /// As `modelFormat` has it.
    pub model_format: &'static str,
    pub model_version: &'static str,
    flavour: &'static str,
    /// The package that reads the model, and the versions that read it right: from the first, up to the second.
    package: &'static str,
    versions: ([u32; 3], [u32; 3]),
    suffixes: &'static [&'static str],
    /// Classes whose `predict` is the runtime's; all of them, when there are none.
    classes: &'static [&'static str],
}

const RUNTIMES: &[Native] = &[
    Native {
        name: "kserve-sklearnserver",
        model_format: "sklearn",
        model_version: "1",
        flavour: "sklearn",
        package: "scikit-learn",
        versions: ([1, 5, 1], [1, 6, 0]),
        suffixes: &[".joblib", ".pkl"],
        classes: &[],
    },
    // Its `predict` is that of a Booster: a classifier's gives classes, and this one probabilities.
    Native {
        name: "kserve-xgbserver",
        model_format: "xgboost",
        model_version: "2",
        flavour: "xgboost",
        package: "xgboost",
        versions: ([2, 1, 1], [2, 2, 0]),
        suffixes: &[".ubj"],
        classes: &["xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"],
    },
    Native {
        name: "kserve-lgbserver",
        model_format: "lightgbm",
        model_version: "4",
        flavour: "lightgbm",
        package: "lightgbm",
        versions: ([4, 6, 0], [4, 7, 0]),
        suffixes: &[".bst"],
        classes: &["lightgbm.basic.Booster"],
    },
];

/// The runtime that is wanted; `None` is our own server.
pub fn choose(service: &Service) -> Result<Option<&'static Native>, Fault> {
    let Runtime::Native(wanted) = &service.runtime else { return Ok(None) };
    let model = &service.model;
    let named = |runtime: &&Native| wanted.as_ref().is_none_or(|name| name == runtime.name);
    let Some(runtime) = RUNTIMES.iter().filter(named).find(|runtime| runtime.flavour == model.flavour) else {
        let names: Vec<String> = RUNTIMES.iter().map(|runtime| format!("`{}`", runtime.name)).collect();
        let asked = wanted.as_ref().map_or_else(|| "No runtime of KServe's".to_owned(), |name| format!("Not `{name}`"));
        let message =
            format!("{asked} serves a model of `{}` from a bundle; there are {}.", model.flavour, names.join(", "));
        return Err((message, LEAVE_IT.to_owned()));
    };
    match runtime.refuses(service) {
        Some(why) => Err((format!("`{}` cannot serve this bundle: {why}.", runtime.name), LEAVE_IT.to_owned())),
        None => Ok(Some(runtime)),
    }
}

const LEAVE_IT: &str = "Leave the runtime out: the server of kale_rs has the versions that the model was made with.";

impl Native {
    fn refuses(&self, service: &Service) -> Option<String> {
        let model = &service.model;
        if model.has_functions && !service.transformer {
            return Some(
                "functions of the notebook come before or after its model (a transformer would have them)".to_owned(),
            );
        }
        if model.has_code || !self.suffixes.iter().any(|suffix| model.file.ends_with(suffix)) {
            return Some("its model refers to code of the notebook".to_owned());
        }
        if model.method != "predict" {
            return Some(format!("it answers by `{}`, and the runtime by `predict`", model.method));
        }
        if !self.classes.is_empty() && !self.classes.contains(&model.class.as_str()) {
            return Some(format!("its model is a `{}`, whose `predict` is another than the runtime's", model.class));
        }
        if model.takes_tables && self.flavour == "xgboost" {
            return Some("its model knows columns by name, and the runtime has arrays".to_owned());
        }
        let installed = model
            .versions
            .iter()
            .find(|(name, _)| *name == self.package || name.starts_with(&format!("{}-", self.package)));
        let (from, to) = self.versions;
        match installed.map(|(_, version)| (version, numbers(version))) {
            Some((_, version)) if from <= version && version < to => None,
            found => {
                let found = found.map_or_else(|| "unknown".to_owned(), |(version, _)| version.clone());
                let wanted = format!("{}.{}.{} up to below {}.{}", from[0], from[1], from[2], to[0], to[1]);
                Some(format!("its model was made with {} {found}, and the runtime has {wanted}", self.package))
            }
        }
    }
}

fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    [0; 3].map(|_: u32| parts.next().unwrap_or(0))
}

/// The folder of a bundle that a runtime is given: it has the model's file and nothing else.
pub fn model_uri(storage_uri: &str) -> String {
    format!("{}/model", storage_uri.trim_end_matches('/'))
}
