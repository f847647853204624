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
    /// The overlay of the context.
    Context,
    /// That of the command line.
    Overlay,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Default => "default",
            Origin::Notebook => "notebook",
            Origin::Context => "context",
            Origin::Overlay => "overlay",
        })
    }
}

pub struct Settings {
    /// Which overlay it is that is applied.
    pub origin: Origin,
    pub all: Vec<Setting>,
}

impl Settings {
    pub fn of(origin: Origin) -> Settings {
        Settings { origin, all: vec![] }
    }

    /// Notes the last of the layers that has a value, and gives it.
    pub fn settle(
        &mut self,
        step: Option<&StepName>,
        setting: &str,
        layers: Vec<(Origin, Option<String>)>,
    ) -> Option<(Origin, String)> {
        let mut given = layers.into_iter().filter_map(|(origin, value)| Some((origin, value?))).rev();
        let (from, value) = given.next()?;
        let before = given.find(|(origin, _)| *origin != self.origin).map(|(_, value)| value);
        let instead_of = before.filter(|before| from == self.origin && *before != value);
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
        let origins = [Origin::Notebook, self.origin, self.origin];
        let settled = names.into_iter().filter_map(|name| {
            let values = origins.into_iter().zip(&layers).map(|(origin, layer)| (origin, layer.get(&name).cloned()));
            let (_, value) = self.settle(step, &format!("{prefix}{name}"), values.collect())?;
            Some((name, value))
        });
        settled.collect()
    }
}

/// What an overlay has left as it was is from where it was before; what it adds stands behind what there was.
pub fn layered(before: Vec<Setting>, after: Vec<Setting>) -> Vec<Setting> {
    let earlier = |one: &Setting| before.iter().find(|old| old.step == one.step && old.setting == one.setting);
    let over = |mut setting: Setting| {
        let Some(old) = earlier(&setting) else { return setting };
        if matches!(setting.from, Origin::Default | Origin::Notebook) {
            return old.clone();
        }
        // Those of the pipeline take each other's place, also where the notebook has no words for them. (What steps have
        // without the notebook are tolerations, which add up.)
        if setting.step.is_none() && setting.instead_of.is_none() && old.value != setting.value {
            setting.instead_of = Some(old.value.clone());
        }
        setting
    };
    let mut settled: Vec<Setting> = vec![];
    for setting in after.into_iter().map(over) {
        // Tolerations of earlier layers are in the pipeline and not among what a layer settles.
        let is_next_step = settled.last().is_some_and(|last| last.step != setting.step);
        if is_next_step {
            let step = settled.last().and_then(|last| last.step.clone());
            settled.extend(missing(&before, &settled, step.as_ref()));
        }
        settled.push(setting);
    }
    let step = settled.last().and_then(|last| last.step.clone());
    let rest: Vec<Setting> = missing(&before, &settled, step.as_ref());
    settled.extend(rest);
    settled
}

/// What was settled before of a step, and is not again.
fn missing(before: &[Setting], settled: &[Setting], step: Option<&StepName>) -> Vec<Setting> {
    let of_step = before.iter().filter(|old| old.step.as_ref() == step);
    let is_missing = |old: &&Setting| !settled.iter().any(|new| new.step == old.step && new.setting == old.setting);
    of_step.filter(is_missing).cloned().collect()
}
