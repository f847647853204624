//! What steps hand on: the artifacts of a pipeline, with their numbers, keys and kinds.

use std::collections::BTreeMap;

use kale_model::name::slug;
use kale_model::{Artifact, ArtifactId, ArtifactKind, ArtifactType, StepId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::Analysis;
use crate::dataflow::hazard::kind_of;
use crate::dataflow::program::Action;
use crate::grouping::Groups;
use crate::python::facts::{CellId, Facts, Kind, VersionId};
use crate::python::names::{Name, NameSet};
use crate::python::pseudo;

#[derive(Default)]
pub struct Artifacts {
    pub list: Vec<Artifact>,
    versions: FxHashMap<VersionId, ArtifactId>,
    /// By path and by the cell that writes it.
    files: BTreeMap<(String, CellId), ArtifactId>,
}

impl Artifacts {
    /// Numbers the artifacts in the order in which steps save them.
    pub fn number(analysis: &Analysis, groups: &Groups) -> Artifacts {
        let (mut artifacts, mut keys) = (Artifacts::default(), Keys::default());
        for (group, actions) in groups.programs.actions.iter().enumerate() {
            for action in actions {
                let id = ArtifactId(artifacts.list.len());
                artifacts.list.push(match action {
                    Action::Save(version, names) => {
                        artifacts.versions.insert(*version, id);
                        value_artifact(&analysis.facts, group, *version, names, &mut keys)
                    }
                    Action::SaveFile { path, writer } => {
                        artifacts.files.insert((path.clone(), *writer), id);
                        Artifact {
                            key: keys.unique(&format!("file_{}", slug(path, '_'))),
                            names: vec![],
                            kind: ArtifactKind::File(path.clone()),
                            by_name: vec![],
                            producer: StepId(group),
                            artifact_type: ArtifactType::Artifact,
                        }
                    }
                    _ => continue,
                });
            }
        }
        artifacts
    }

    pub fn of_version(&self, version: VersionId) -> ArtifactId {
        self.versions[&version]
    }

    pub fn of_file(&self, path: &str, writer: CellId) -> ArtifactId {
        self.files[&(path.to_owned(), writer)]
    }
}

fn value_artifact(facts: &Facts, group: usize, version: VersionId, names: &NameSet, keys: &mut Keys) -> Artifact {
    let mut texts: Vec<String> = names.iter().map(|&name| facts.text(name).to_owned()).collect();
    texts.sort();
    let generator = texts.first().and_then(|text| pseudo::generator(text)).map(str::to_owned);
    let has_kind = |kinds: fn(Kind) -> bool| names.iter().any(|&name| kinds(kind_of(facts, name, version)));
    // A value that only refers to a class by name must find that very class, so it is not shipped with a copy.
    let by_value = has_kind(|kind| kind == Kind::Callable)
        || (facts.version(version).by_value && has_kind(|kind| kind != Kind::Immutable));
    let kind = match generator {
        Some(ref generator) => ArtifactKind::Rng(generator.clone()),
        None if by_value => ArtifactKind::Callable,
        None => ArtifactKind::Value,
    };
    let wanted = texts.iter().map(|text| slug(text, '_')).collect::<Vec<_>>().join("_");
    let wanted: String = wanted.chars().take(40).collect();
    Artifact {
        key: keys.unique(if wanted.is_empty() { "value" } else { &wanted }),
        names: if generator.is_some() { vec![] } else { texts },
        by_name: if kind == ArtifactKind::Callable { by_name(facts, version, names) } else { vec![] },
        kind,
        producer: StepId(group),
        artifact_type: artifact_type(facts, version, names),
    }
}

/// The definitions that a step has before it reads these names of the version: there, what refers to them finds them.
fn by_name(facts: &Facts, version: VersionId, names: &NameSet) -> Vec<String> {
    let needed = facts.version(version).needs.keys().filter(|name| !names.contains(name));
    let mut texts: Vec<String> = needed.map(|&name| facts.text(name).to_owned()).collect();
    texts.sort();
    texts
}

fn artifact_type(facts: &Facts, version: VersionId, names: &NameSet) -> ArtifactType {
    let of = |name: Name| match kind_of(facts, name, version) {
        Kind::Instance(path) => {
            let path = facts.text(path);
            let is_data = ["pandas.", "polars.", "pyarrow.", "numpy."].iter().any(|p| path.starts_with(p));
            let is_model = ["sklearn.", "xgboost.", "lightgbm.", "torch.nn", "keras.", "statsmodels."]
                .iter()
                .any(|prefix| path.starts_with(prefix));
            if is_data {
                ArtifactType::Dataset
            } else if is_model {
                ArtifactType::Model
            } else {
                ArtifactType::Artifact
            }
        }
        _ => ArtifactType::Artifact,
    };
    let types: Vec<ArtifactType> = names.iter().map(|&name| of(name)).collect();
    if types.contains(&ArtifactType::Model) {
        ArtifactType::Model
    } else if types.contains(&ArtifactType::Dataset) {
        ArtifactType::Dataset
    } else {
        ArtifactType::Artifact
    }
}

/// Keys of artifacts that are taken.
#[derive(Default)]
struct Keys {
    taken: FxHashSet<String>,
    /// By wanted key, the number that was given last: a name of which every cell makes a version wants one key for all.
    numbers: FxHashMap<String, usize>,
}

impl Keys {
    fn unique(&mut self, wanted: &str) -> String {
        let is_number = wanted.starts_with(|c: char| c.is_ascii_digit());
        let start = if is_number { format!("_{wanted}") } else { wanted.to_owned() };
        let number = self.numbers.entry(start.clone()).or_default();
        loop {
            *number += 1;
            let key = if *number == 1 { start.clone() } else { format!("{start}_{number}") };
            if self.taken.insert(key.clone()) {
                return key;
            }
        }
    }
}
