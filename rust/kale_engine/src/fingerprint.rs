//! Everything that decides what a step computes, in one struct.
//!
//! Two steps of equal fingerprint compute the same, so the stored result of one stands for the other. What is not
//! known before a step runs (a file whose name it computes) is observed while it runs and checked when the result is
//! looked up; see [`holds`].

use std::collections::BTreeMap;
use std::path::Path;

use kale_model::{Instruction, PLAN_VERSION, Pipeline, Step, StepId, StepPlan};
use kale_store::{Digest, Observed, RunOptions};
use serde::Serialize;
use serde_json::{Value, json};

use crate::digests::{FileDigests, listing_digest};
use crate::local_modules;

/// A change to how results are made or stored that makes older ones unusable.
const VERSION: u32 = 1;

/// A step's identity. Field names are known to `kale_store`'s `diff`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fingerprint {
    pub version: u32,
    /// Digest of the normalised source and of what is loaded, saved, and reported.
    pub code: Digest,
    /// Values of the parameters that it reads.
    pub parameters: BTreeMap<String, Value>,
    /// Artifact key to content.
    pub inputs: BTreeMap<String, Digest>,
    /// Files and local modules that it is known to read, by path; `None`: there is nothing.
    pub files: BTreeMap<String, Option<Digest>>,
    /// Environment variables that it is known to read: digests, never values.
    pub variables: BTreeMap<String, Option<Digest>>,
    /// Interpreter, distributions (of an isolated run all that the step may see), runtime, hash seed.
    pub environment: BTreeMap<String, Value>,
}

impl Fingerprint {
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).expect("plain data"))
    }
}

/// What a fingerprint is made from. All owned, so that a thread can read the files.
pub struct Ingredients {
    pub pipeline: std::sync::Arc<Pipeline>,
    pub step: StepId,
    pub parameters: BTreeMap<String, Value>,
    pub inputs: BTreeMap<String, Digest>,
    pub options: RunOptions,
    pub runtime: Digest,
    pub files: FileDigests,
}

impl Ingredients {
    pub fn fingerprint(&self) -> Fingerprint {
        let step = self.pipeline.step(self.step);
        let read = |name: &kale_model::ParameterName| {
            (name.to_string(), self.parameters.get(name.as_str()).cloned().unwrap_or_default())
        };
        let known_files = step.files.reads.iter().cloned().chain(local_module_paths(step, &self.options));
        Fingerprint {
            version: VERSION,
            code: code_digest(&self.pipeline, self.step),
            parameters: step.parameters.iter().map(read).collect(),
            inputs: self.inputs.clone(),
            files: known_files
                .map(|path| {
                    let digest = self.files.of(&self.options.directory.join(&path));
                    (path, digest)
                })
                .collect(),
            variables: variables(step),
            environment: self.environment(step),
        }
    }

    fn environment(&self, step: &Step) -> BTreeMap<String, Value> {
        let mut facts = BTreeMap::from([
            ("python".to_owned(), json!(self.options.python_version)),
            ("kale_runtime".to_owned(), json!(self.runtime)),
            ("plan".to_owned(), json!(PLAN_VERSION)),
            ("PYTHONHASHSEED".to_owned(), json!(self.options.hash_seed)),
        ]);
        facts
            .extend(step.requirements.iter().map(|requirement| (requirement.name.clone(), json!(requirement.version))));
        if let Some(lock) = &self.options.isolated {
            // It sees these and nothing else, which is more than a step in the notebook's environment can say.
            facts.extend(
                lock.of_step(step.name.as_str()).map(|package| {
                    (package.name.clone(), json!(package.spelling.as_ref().unwrap_or(&package.version)))
                }),
            );
            facts.insert("isolated".to_owned(), json!(true));
        }
        facts
    }
}

/// Whether what a stored step was seen to read is still the same.
pub fn holds(observed: &Observed, directory: &Path, files: &FileDigests) -> bool {
    changed_variables(observed).is_empty() && changed_files(observed, directory, files).is_empty()
}

/// Environment variables that a step read and that have another value now.
pub fn changed_variables(observed: &Observed) -> Vec<String> {
    let changed = observed.environment.iter().filter(|(name, digest)| variable_digest(name) != **digest);
    changed.map(|(name, _)| name.clone()).collect()
}

/// Folders and files that a step read and that are not what they were.
pub fn changed_files(observed: &Observed, directory: &Path, files: &FileDigests) -> Vec<String> {
    let listed = observed.listings.iter().filter(|(path, digest)| listing_digest(&directory.join(path)) != **digest);
    let read = observed.files.iter().filter(|(path, digest)| files.of(&directory.join(path)) != **digest);
    listed.chain(read).map(|(path, _)| path.clone()).collect()
}

pub fn variable_digest(name: &str) -> Option<Digest> {
    std::env::var_os(name).map(|value| Digest::of(value.as_encoded_bytes()))
}

/// The digest of the runtime package, so that a new version of it reuses nothing of an older one.
pub fn runtime_digest(runtime: &Path, files: &FileDigests) -> Digest {
    files.of(runtime).unwrap_or_else(|| Digest::of(b"no runtime"))
}

/// Source without what does not matter, then the rows of the program that are not source. A pipeline from a frontend
/// that does not normalise is taken as written.
fn code_digest(pipeline: &Pipeline, id: StepId) -> Digest {
    let step = pipeline.step(id);
    let plan = StepPlan::new(pipeline, id);
    let rows: Vec<Value> = step
        .program
        .iter()
        .zip(plan.program)
        .map(|(instruction, row)| match instruction {
            Instruction::Run { parameters, metrics, .. } if is_normalised(step) => json!(["run", parameters, metrics]),
            Instruction::Define { .. } if is_normalised(step) => json!(["define"]),
            _ => row,
        })
        .collect();
    let text = json!([step.fingerprint_source, rows, plan.parameters, step.needs_ipython, step.files.writes]);
    Digest::of(text.to_string().as_bytes())
}

fn is_normalised(step: &Step) -> bool {
    !step.fingerprint_source.is_empty()
}

/// Secrets are left out: they open doors and decide no result, and not even their digests belong on a disk.
fn variables(step: &Step) -> BTreeMap<String, Option<Digest>> {
    let secret = |name: &str| step.config.secrets.iter().any(|secret| secret.variable == name);
    let read = step.environment_variables.iter().filter(|name| !secret(name));
    read.map(|name| (name.clone(), variable_digest(name))).collect()
}

/// Where each module lies: relative to the notebook, or where it is installed from.
fn local_module_paths(step: &Step, options: &RunOptions) -> Vec<String> {
    let path = |module: &String| match options.modules.get(module) {
        Some(place) => place.to_string_lossy().into_owned(),
        None => {
            let place = local_modules::place(&options.directory, module);
            place.file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
    };
    step.local_modules.iter().map(path).collect()
}
