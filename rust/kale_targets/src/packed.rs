//! Files from beside the notebook that travel with a step: the modules it imports and the inputs it reads.
//!
//! This crate reads no files: [`wanted`] says which ones a pipeline needs, and the caller hands over what it found. A
//! step finds them in its working directory, as the notebook did. There is room for little, since they go on the
//! step's command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kale_model::{Code, Diagnostic, Pipeline, Step};
use serde::Serialize;

/// Content by path relative to the notebook.
pub type Files = BTreeMap<String, Vec<u8>>;

/// More than this, in bytes before compression, does not fit beside a step's code.
const ROOM: usize = 64 * 1024;

/// What the steps of a pipeline need from beside the notebook; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Module `m` is the file `m.py`, or every file below the folder `m`.
    pub modules: BTreeSet<String>,
    /// Files or folders, relative to the notebook unless absolute.
    pub paths: BTreeSet<String>,
}

pub fn wanted(pipeline: &Pipeline) -> Wanted {
    let mut wanted = Wanted::default();
    for step in &pipeline.steps {
        wanted.modules.extend(step.local_modules.iter().cloned());
        wanted.paths.extend(paths(pipeline, step).map(str::to_owned));
    }
    wanted
}

/// Files of one step, by path; what is not there, or does not fit, is told.
pub fn of_step<'a>(
    pipeline: &'a Pipeline,
    step: &'a Step,
    files: &'a Files,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<&'a str, &'a [u8]> {
    let mut packed = BTreeMap::new();
    let mut missing = vec![];
    let mut room = ROOM;
    let modules =
        step.local_modules.iter().map(|module| (module.as_str(), below(files, &format!("{module}.py"), module)));
    let inputs = paths(pipeline, step).map(|path| (path, below(files, path, path)));
    for (need, found) in modules.chain(inputs) {
        let size: usize = found.iter().map(|(_, content)| content.len()).sum();
        if found.is_empty() || size > room {
            missing.push(format!("`{need}`"));
        } else {
            room -= size;
            packed.extend(found.into_iter().map(|(path, content)| (path.as_str(), content.as_slice())));
        }
    }
    diagnostics.extend((!missing.is_empty()).then(|| missing_in_container(step, &missing)));
    packed
}

/// The file of that name, and all files in the folder.
fn below<'a>(files: &'a Files, file: &str, folder: &str) -> Vec<(&'a String, &'a Vec<u8>)> {
    let (file, folder) = (file.trim_start_matches("./"), format!("{}/", folder.trim_start_matches("./")));
    files.iter().filter(|(path, _)| *path == file || path.starts_with(&folder)).collect()
}

/// Inputs that lie beside the notebook: not on a volume, not behind a URI.
fn paths<'a>(pipeline: &'a Pipeline, step: &'a Step) -> impl Iterator<Item = &'a str> {
    let mounted =
        |path: &str| pipeline.volumes.iter().any(|volume| Path::new(path).starts_with(volume.mount_point.as_str()));
    step.files.reads.iter().map(String::as_str).filter(move |path| !path.contains("://") && !mounted(path))
}

fn missing_in_container(step: &Step, missing: &[String]) -> Diagnostic {
    let message =
        format!("Step `{}` needs {} of this machine, which a container does not have.", step.name, missing.join(", "));
    let help = format!(
        "Put it on a volume of the pipeline, read it from a URI, or use an image that holds it. Only {} kB of files \
         travel with a step.",
        ROOM / 1024
    );
    Diagnostic::new(Code::NotInTarget, message, help)
}
