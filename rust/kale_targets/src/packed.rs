//! Files from beside the notebook that travel with a step: the modules it imports and the inputs it reads.
//!
//! This crate reads no files: [`wanted`] says which ones a pipeline needs, and the caller hands over what it has [`Found`].
//! A step finds them in its working directory, as the notebook did. What they need in the emitted file is bounded for the
//! pipeline as a whole, whose workflow has to fit an object of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kale_model::{Code, Diagnostic, Pipeline, Severity, Step, Uncacheable};
use serde::Serialize;
use serde_json::{Value, json};

use crate::text::compressed;

/// Content by path relative to the notebook.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What the caller has found of what is [`wanted`]; paths as above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub files: Files,
    /// What lies there as well, and is too large.
    pub left_out: BTreeSet<String>,
    /// What the image of the steps is known to hold.
    pub in_image: BTreeSet<String>,
}

impl From<Files> for Found {
    fn from(files: Files) -> Found {
        Found { files, ..Found::default() }
    }
}

/// What all files of a pipeline may need together, compressed and as text.
const ROOM: usize = 600_000;

/// What one module, or one input, brings along.
pub struct Packed<'a> {
    pub files: BTreeMap<&'a str, &'a [u8]>,
    /// Base64 of zlib of a line of JSON, and of the contents of the files. The line is a list: the folder all of whose
    /// files they are, if they are that, then path and size of each.
    pub text: String,
}

/// The room that is left while a pipeline's steps are packed. What several steps need is counted once.
#[derive(Default)]
pub struct Room {
    sizes: BTreeMap<String, usize>,
}

impl Room {
    fn takes(&mut self, need: &str, size: usize) -> bool {
        let used: usize = self.sizes.values().sum();
        let fits = self.sizes.contains_key(need) || used + size <= ROOM;
        if fits {
            self.sizes.insert(need.to_owned(), size);
        }
        fits
    }
}

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

/// What one step needs; what is not there, or does not fit, is told.
pub fn of_step<'a>(
    pipeline: &'a Pipeline,
    step: &'a Step,
    found: &'a Found,
    room: &mut Room,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Packed<'a>> {
    let mut packed = vec![];
    let mut absent = Absent::default();
    let modules = step.local_modules.iter().map(|module| (module.as_str(), format!("{module}.py")));
    let inputs = paths(pipeline, step).map(|path| (path, path.trim_start_matches("./").to_owned()));
    for (need, file) in modules.chain(inputs) {
        let folder = format!("{}/", need.trim_start_matches("./"));
        let belongs = |path: &String| *path == file || path.starts_with(&folder);
        let files: BTreeMap<&str, &[u8]> = found.files.iter().filter(|(path, _)| belongs(path)).map(borrowed).collect();
        let left_out: BTreeSet<&str> = found.left_out.iter().filter(|path| belongs(path)).map(String::as_str).collect();
        let is_whole_folder = left_out.is_empty() && files.keys().any(|path| path.starts_with(&folder));
        let one = pack(is_whole_folder.then_some(folder.as_str()), files);
        if one.files.is_empty() || !room.takes(need, one.text.len()) {
            let all: BTreeSet<&str> = one.files.keys().copied().chain(left_out).collect();
            let is_in_image = !all.is_empty() && all.iter().all(|path| found.in_image.contains(*path));
            absent.note(need, is_in_image);
        } else {
            left_out.into_iter().for_each(|path| absent.note(path, found.in_image.contains(path)));
            packed.push(one);
        }
    }
    diagnostics.extend(absent.told(step));
    packed
}

fn borrowed<'a>((path, content): (&'a String, &'a Vec<u8>)) -> (&'a str, &'a [u8]) {
    (path.as_str(), content.as_slice())
}

fn pack<'a>(folder: Option<&str>, files: BTreeMap<&'a str, &'a [u8]>) -> Packed<'a> {
    let head = files.iter().map(|(path, content)| json!([path, content.len()]));
    let head: Vec<Value> = std::iter::once(json!(folder)).chain(head).collect();
    let mut bytes = serde_json::to_vec(&head).expect("a list of texts is plain data");
    bytes.push(b'\n');
    bytes.extend(files.values().copied().flatten());
    Packed { text: compressed(&bytes), files }
}

/// Inputs that lie beside the notebook: not on a volume, not behind a URI.
fn paths<'a>(pipeline: &'a Pipeline, step: &'a Step) -> impl Iterator<Item = &'a str> {
    let mounted =
        |path: &str| pipeline.volumes.iter().any(|volume| Path::new(path).starts_with(volume.mount_point.as_str()));
    step.files.reads.iter().map(String::as_str).filter(move |path| !path.contains("://") && !mounted(path))
}

/// Steps that find out which files they use only when they run: a listing of a folder, a path that is computed. What lies
/// beside the notebook, or what another step has written, is not there in a container, and a listing is short without a
/// word. A volume has it.
pub fn unknown_files(pipeline: &Pipeline) -> Option<Diagnostic> {
    let uses = |step: &&Step| step.uncacheable.contains(&Uncacheable::UnknownFiles);
    let names: Vec<&str> = pipeline.steps.iter().filter(uses).map(|step| step.name.as_str()).collect();
    if names.is_empty() || !pipeline.volumes.is_empty() {
        return None;
    }
    let (steps, use_, they) = if names.len() == 1 { ("Step", "uses", "it runs") } else { ("Steps", "use", "they run") };
    let message = format!(
        "{steps} {} {use_} files that are known only when {they}: they do not travel, and each container has its own.",
        listed(&names)
    );
    let help = "Write paths as texts, so that the files travel; or mount a volume (`volumes` of the notebook's metadata or \
                of an overlay) and use files there.";
    Some(Diagnostic::new(Code::NotInTarget, message, help))
}

/// What a step needs and does not bring along.
#[derive(Default)]
struct Absent<'a> {
    nowhere: Vec<&'a str>,
    in_image: Vec<&'a str>,
}

impl<'a> Absent<'a> {
    fn note(&mut self, path: &'a str, is_in_image: bool) {
        if is_in_image { self.in_image.push(path) } else { self.nowhere.push(path) }
    }

    fn told(&self, step: &Step) -> Vec<Diagnostic> {
        let mut told = vec![];
        if !self.nowhere.is_empty() {
            let what = listed(&self.nowhere);
            let message =
                format!("Step `{}` needs {what} of this machine, which a container does not have.", step.name);
            let help = format!(
                "Put it on a volume of the pipeline, read it from a URI, or use an image that holds it. Files of {} kB, \
                 compressed, travel with a pipeline.",
                ROOM / 1000
            );
            told.push(Diagnostic::new(Code::NotInTarget, message, help));
        }
        if !self.in_image.is_empty() {
            let what = listed(&self.in_image);
            let message = format!("Step `{}` has {what} from its image alone: it is too large to travel.", step.name);
            let help = "Build the image again when it has changed: nothing else tells the step.";
            let mut diagnostic = Diagnostic::new(Code::NotInTarget, message, help);
            diagnostic.severity = Severity::Info;
            told.push(diagnostic);
        }
        told
    }
}

/// The first ones by name.
fn listed(paths: &[&str]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    let rest = if paths.len() > SHOWN { format!(" and {} more", paths.len() - SHOWN) } else { String::new() };
    format!("{}{rest}", names.join(", "))
}
