//! Where a value came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kale_model::StepName;
use serde::Serialize;

/// A value that an overlay could have set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `None`: of the pipeline.
    pub step: Option<StepName>,
    pub setting: String,
    pub value: String,
    pub from: Origin,
    /// What it would be without the overlay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Default,
    /// Its tags and metadata.
    Notebook,
    Overlay,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Default => "default",
            Origin::Notebook => "notebook",
            Origin::Overlay => "overlay",
        })
    }
}

#[derive(Default)]
pub struct Settings {
    pub all: Vec<Setting>,
}

impl Settings {
    /// Notes the last of the layers that has a value, and gives it.
    pub fn settle(
        &mut self,
        step: Option<&StepName>,
        setting: &str,
        layers: Vec<(Origin, Option<String>)>,
    ) -> Option<(Origin, String)> {
        let mut given = layers.into_iter().filter_map(|(origin, value)| Some((origin, value?))).rev();
        let (from, value) = given.next()?;
        let before = given.find(|(origin, _)| *origin != Origin::Overlay).map(|(_, value)| value);
        let instead_of = before.filter(|before| from == Origin::Overlay && *before != value);
        let (step, setting) = (step.cloned(), setting.to_owned());
        self.all.push(Setting { step, setting, value: value.clone(), from, instead_of });
        Some((from, value))
    }

    /// Settles each name of three maps: what the notebook says, and the overlay of all steps and of this one.
    pub fn merge(
        &mut self,
        step: Option<&StepName>,
        prefix: &str,
        layers: [BTreeMap<String, String>; 3],
    ) -> BTreeMap<String, String> {
        let names: BTreeSet<String> = layers.iter().flat_map(BTreeMap::keys).cloned().collect();
        let origins = [Origin::Notebook, Origin::Overlay, Origin::Overlay];
        let settled = names.into_iter().filter_map(|name| {
            let values = origins.into_iter().zip(&layers).map(|(origin, layer)| (origin, layer.get(&name).cloned()));
            let (_, value) = self.settle(step, &format!("{prefix}{name}"), values.collect())?;
            Some((name, value))
        });
        settled.collect()
    }
}
