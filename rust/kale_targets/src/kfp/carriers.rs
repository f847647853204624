//! Code that does not fit on a step's command line goes ahead of it.
//!
//! Linux allows 128 KiB for one argument, and KFP hands a step's whole container over as one. So a long plan, and files
//! from beside the notebook, are cut into pieces, each of which is the argument of a task of its own: a carrier, which
//! does nothing but write it into an artifact. The step reads the artifacts of its carriers, which need no more room on
//! its command line than their names. What several steps need is carried once, and goes ahead as well where the pipeline
//! would have too much of it: its workflow is one object of Kubernetes.
//!
//! The step knows the digest of all its pieces. It refuses others, and KFP, whose cache does not look into artifacts,
//! does not take the result of another code for this one's.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{Caching, StepId};

use super::payload::EXECUTOR_INPUT;
use super::pipeline::{component_name, executor_label};
use super::spec::{
    ArtifactDefinition, CachingOptions, ComponentRef, ComponentSpec, Container, Definitions, ExecutorSpec,
    PipelineSpec, RetryPolicy, TaskInfo, TaskInputs, TaskSpec,
};
use crate::graph::{Task, TaskGraph};
use crate::names::Unique;
use crate::text::sha256;

/// Up to this length a step carries its words itself.
const INLINE: usize = 45_000;
/// Up to this length all steps together carry what several of them need.
const REPEATED: usize = 150_000;
/// A piece leaves room for what else is in the container of a carrier.
const PIECE: usize = 90_000;
/// Where the plan is on a step's command line, behind the program and KFP's message.
const PLAN: usize = 2;
/// The output of a carrier.
pub const CODE: &str = "code";

/// A task that writes one piece of text into its artifact.
struct Carrier {
    task: String,
    /// The first step that needs it. Where that may run, and with which image, its carrier may too.
    step: StepId,
    image: String,
    piece: String,
    /// As its steps say: a run that takes nothing from a cache has its code written anew.
    reuse: bool,
    retries: u32,
}

/// What a step finds in the artifacts of its carriers.
#[derive(Debug, PartialEq)]
pub struct Load {
    /// Inputs of the step, in the order of the pieces.
    pub keys: Vec<String>,
    /// SHA-256 of all pieces.
    pub digest: String,
    /// Where they belong on the command line.
    pub place: usize,
}

/// How the words of a step get there.
pub struct Way {
    /// On its command line.
    pub arguments: Vec<String>,
    /// Ahead of it: the input, and the carrier that writes it.
    pub inputs: Vec<(String, String)>,
    pub load: Option<Load>,
}

/// The carriers of a pipeline.
pub struct Carriers {
    names: Unique,
    /// Positions in `all`.
    by_piece: BTreeMap<String, usize>,
    all: Vec<Carrier>,
    /// Words that go ahead whatever room a step has for them.
    repeated: BTreeSet<String>,
}

impl Carriers {
    /// For steps with these words.
    pub fn new(graph: &TaskGraph, words: &[Vec<String>]) -> Carriers {
        let mut names = Unique::joined_by("-");
        let claims = graph.claims.iter().flat_map(|claim| [&claim.create_task, &claim.delete_task]);
        graph.tasks.iter().map(|task| &task.name).chain(claims).for_each(|name| names.reserve(name));
        Carriers { names, by_piece: BTreeMap::new(), all: vec![], repeated: repeated_too_often(words) }
    }

    /// Sends the words of a step the way that they fit. Carriers are containers, which take their time to start: as much
    /// as possible is on the step's own command line.
    pub fn send(&mut self, task: &Task, words: Vec<String>) -> Way {
        let ahead = too_long(&words, &self.repeated);
        if ahead.is_empty() {
            return Way { arguments: words, inputs: vec![], load: None };
        }
        let (sent, arguments): (Vec<_>, Vec<_>) = words.into_iter().enumerate().partition(|(n, _)| ahead.contains(n));
        let place = if ahead.contains(&0) { PLAN } else { PLAN + 1 };
        // A space ends each word; none has one inside.
        let pieces: Vec<String> = sent.into_iter().flat_map(|(_, word)| cut(&format!("{word} "))).collect();
        let digest = sha256(pieces.concat().as_bytes());
        let mut keys = Unique::joined_by("_");
        task.inputs.iter().for_each(|artifact| keys.reserve(&artifact.key));
        let inputs: Vec<(String, String)> =
            pieces.into_iter().map(|piece| (keys.claim("kale_code"), self.carrier(task, piece))).collect();
        let load = Load { keys: inputs.iter().map(|(key, _)| key.clone()).collect(), digest, place };
        Way { arguments: arguments.into_iter().map(|(_, word)| word).collect(), inputs, load: Some(load) }
    }

    fn carrier(&mut self, user: &Task, piece: String) -> String {
        let position = *self.by_piece.entry(piece).or_insert_with_key(|piece| {
            let (task, image, piece) = (self.names.claim(CODE), user.image.clone(), piece.clone());
            self.all.push(Carrier { task, step: user.id, image, piece, reuse: false, retries: 0 });
            self.all.len() - 1
        });
        let carrier = &mut self.all[position];
        carrier.reuse |= user.step.config.caching != Caching::Disabled;
        carrier.retries = carrier.retries.max(user.step.config.retries);
        carrier.task.clone()
    }
}

impl Carriers {
    /// Adds their tasks to the pipeline, and tells the first step that each is for.
    pub fn add(self, spec: &mut PipelineSpec) -> Vec<(String, StepId)> {
        let users = self.all.iter().map(|carrier| (carrier.task.clone(), carrier.step)).collect();
        for Carrier { task, image, piece, reuse, retries, .. } in self.all {
            let container = Container {
                image,
                command: vec!["python3".into(), "-c".into(), WRITE.into()],
                args: vec![EXECUTOR_INPUT.to_owned(), piece],
                ..Container::default()
            };
            spec.executors.insert(executor_label(&task), ExecutorSpec { container });
            let mut outputs = Definitions::default();
            outputs.artifacts.insert(CODE.to_owned(), ArtifactDefinition::of("system.Artifact"));
            let component = ComponentSpec {
                executor_label: executor_label(&task),
                input_definitions: Definitions::default(),
                output_definitions: outputs,
            };
            spec.components.insert(component_name(&task), component);
            let body = TaskSpec {
                task_info: TaskInfo { name: task.clone() },
                component_ref: ComponentRef { name: component_name(&task) },
                caching_options: CachingOptions { enable_cache: reuse },
                dependent_tasks: vec![],
                inputs: TaskInputs::default(),
                retry_policy: (retries > 0).then(|| RetryPolicy::times(retries)),
            };
            spec.root.dag.tasks.insert(task, body);
        }
        users
    }
}

/// The program of a carrier. It is as the step runtime where it deals with KFP.
const WRITE: &str = "\
# kale_rs code of steps. For kfp.local, which starts only what mentions it: kfp.dsl.executor_main
import json, os, sys
outputs = json.loads(sys.argv[1])['outputs']
artifact = outputs['artifacts']['code']['artifacts'][0]
path, separator, rest = (artifact.get('customPath') or artifact['uri']).partition('://')
if separator:
    path = '/%s/%s' % ('gcs' if path == 'gs' else path, rest)
report = json.dumps(dict(artifacts=dict(code=dict(artifacts=[artifact]))))
for name, text in (path, sys.argv[2]), (outputs['outputFile'], report):
    os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
    with open(name, 'w') as file:
        file.write(text)
";

impl Load {
    /// Lines of the step's program, behind the runtime: the words in place, as if they had been on the command line.
    pub fn unload(&self) -> String {
        let (keys, digest, place) = (self.keys.join(" "), &self.digest, self.place);
        format!(
            "import hashlib\n\
             code = json.loads(sys.argv[1])['inputs']['artifacts']\n\
             code = [open(local_path(code[key]['artifacts'][0])).read() for key in '{keys}'.split()]\n\
             code = ''.join(code)\n\
             if hashlib.sha256(code.encode()).hexdigest() != '{digest}':\n \
             sys.exit('the code of this step has not arrived as it was sent: run again with `--no-cache`')\n\
             sys.argv[{place}:{place}] = code.split()\n"
        )
    }
}

/// Words that steps together carry too often: those first that need the most room.
fn repeated_too_often(words: &[Vec<String>]) -> BTreeSet<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words.iter().flatten().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut room: Vec<(usize, &str)> =
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(word, count)| (count * word.len(), word)).collect();
    room.sort();
    let mut used = 0;
    let is_too_much = |(size, _): &&(usize, &str)| {
        used += size;
        used > REPEATED
    };
    room.iter().filter(is_too_much).map(|(_, word)| (*word).to_owned()).collect()
}

/// Positions of the words for which there is no room, if the shortest ones have theirs first; and of those that go ahead
/// in any case.
fn too_long(words: &[String], repeated: &BTreeSet<String>) -> BTreeSet<usize> {
    let (mut ahead, mut rest): (Vec<usize>, Vec<usize>) = (0..words.len()).partition(|&n| repeated.contains(&words[n]));
    rest.sort_by_key(|&n| words[n].len());
    let mut used = 0;
    let goes_ahead = |n: &usize| {
        used += words[*n].len();
        used > INLINE
    };
    ahead.extend(rest.into_iter().filter(goes_ahead));
    ahead.into_iter().collect()
}

/// Base64 has one byte per character.
fn cut(text: &str) -> Vec<String> {
    let pieces = text.as_bytes().chunks(PIECE);
    pieces.map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_hold_nothing_that_kfp_rewrites() {
        let load = Load { keys: vec!["kale_code".into(), "kale_code_2".into()], digest: sha256(b""), place: PLAN };
        for program in [WRITE.to_owned(), load.unload()] {
            assert!(!program.contains(['{', '}']) && !program.contains("python3"), "{program}");
        }
    }

    #[test]
    fn only_what_is_too_long_goes_ahead() {
        let words = |lengths: &[usize]| lengths.iter().map(|length| "a".repeat(*length)).collect::<Vec<_>>();
        let too_long = |lengths: &[usize]| too_long(&words(lengths), &BTreeSet::new());
        assert!(too_long(&[INLINE - 10, 10]).is_empty());
        assert_eq!(too_long(&[10, INLINE, 10]), BTreeSet::from([1]));
        assert_eq!(too_long(&[INLINE, 10, INLINE + 1]), BTreeSet::from([0, 2]));
    }

    #[test]
    fn what_many_steps_need_goes_ahead() {
        let (large, small) = ("l".repeat(REPEATED / 5), "s".repeat(100));
        let steps = |count: usize| -> Vec<Vec<String>> {
            (0..count).map(|n| vec![format!("plan {n}"), large.clone(), small.clone()]).collect()
        };
        assert!(repeated_too_often(&steps(1)).is_empty() && repeated_too_often(&steps(4)).is_empty());
        let ahead = repeated_too_often(&steps(6));
        assert_eq!(ahead, BTreeSet::from([large.clone()]), "what is small stays");
        assert_eq!(too_long(&steps(6)[0], &ahead), BTreeSet::from([1]));
    }

    #[test]
    fn pieces_are_all_of_the_text() {
        let text = "ab".repeat(PIECE);
        let pieces = cut(&text);
        assert!(pieces.len() == 2 && pieces.concat() == text && pieces.iter().all(|piece| piece.len() <= PIECE));
    }
}
