//! A step's command line: the step runtime and the step's plan, compressed, with nothing to install.
//!
//! Both travel as base64 of zlib, which leaves KFP and Argo no `{{...}}` to replace and kfp.local no interpreter name
//! to rewrite. The single template is the argument `{{$}}`, for which KFP puts the step's inputs and outputs as JSON.
//! A plan, and files, that are too long for a command line go ahead of the step: see [`super::carriers`].

use std::borrow::Cow;
use std::sync::LazyLock;

use kale_model::{ArtifactKind, Pipeline, StepPlan};

use super::carriers::Load;
use crate::graph::Task;
use crate::text::compressed;

const RUNTIME: &str = include_str!("../../../../python/kale_runtime/step.py");
/// Only in steps that require something.
const INSTALL: &str = include_str!("../../../../python/kale_runtime/install.py");
/// Only in steps that store values and require something: without numpy there are no arrays.
const MEMORY: &str = include_str!("../../../../python/kale_runtime/memory.py");
/// Only in steps that store functions or classes by value.
const CLASSES: &str = include_str!("../../../../python/kale_runtime/classes.py");
/// Only in steps that are asked for a report.
const REPORT: &str = include_str!("../../../../python/kale_runtime/report.py");

/// Compressed once: pipelines of a thousand steps carry it a thousand times.
static COMPRESSED_RUNTIME: LazyLock<String> = LazyLock::new(|| compressed(shortened(RUNTIME).as_bytes()));
static COMPRESSED_INSTALL: LazyLock<String> = LazyLock::new(|| compressed(shortened(INSTALL).as_bytes()));
static COMPRESSED_MEMORY: LazyLock<String> = LazyLock::new(|| compressed(shortened(MEMORY).as_bytes()));
static COMPRESSED_CLASSES: LazyLock<String> = LazyLock::new(|| compressed(shortened(CLASSES).as_bytes()));
static COMPRESSED_REPORT: LazyLock<String> = LazyLock::new(|| compressed(shortened(REPORT).as_bytes()));
/// What nearly every step has: one text for all that install something and store values, one for all others.
static PLAIN: LazyLock<[String; 2]> = LazyLock::new(|| [false, true].map(|full| bootstrap(&Parts::plain(full))));

/// Placeholder for the ExecutorInput.
pub const EXECUTOR_INPUT: &str = "{{$}}";

/// What a step's program is made of, beside the runtime.
#[derive(Default, PartialEq)]
struct Parts<'a> {
    installs: bool,
    stores_arrays: bool,
    stores_classes: bool,
    reports: bool,
    /// Whether files come behind the plan.
    has_files: bool,
    /// What has gone ahead.
    load: Option<&'a Load>,
}

impl Parts<'_> {
    fn plain(full: bool) -> Self {
        Parts { installs: full, stores_arrays: full, ..Parts::default() }
    }
}

/// The plan, then what comes from beside the notebook.
pub fn words(pipeline: &Pipeline, task: &Task) -> Vec<String> {
    let plan = serde_json::to_string(&StepPlan::new(pipeline, task.id)).expect("a plan is plain data");
    std::iter::once(compressed(plan.as_bytes())).chain(task.packed.iter().map(|packed| packed.text.clone())).collect()
}

/// The command; `load` is what has gone ahead of the step.
pub fn command(task: &Task, load: Option<&Load>) -> Vec<Cow<'static, str>> {
    let installs = !task.step.requirements.is_empty();
    let stores = |kind: ArtifactKind| task.outputs.iter().any(|artifact| artifact.kind == kind);
    let parts = Parts {
        installs,
        stores_arrays: installs && (stores(ArtifactKind::Value) || stores(ArtifactKind::Callable)),
        stores_classes: stores(ArtifactKind::Callable),
        reports: task.reports(),
        has_files: !task.packed.is_empty(),
        load,
    };
    let program = match parts == Parts::plain(installs) {
        true => Cow::Borrowed(PLAIN[usize::from(installs)].as_str()),
        false => Cow::Owned(bootstrap(&parts)),
    };
    vec![Cow::Borrowed("python3"), Cow::Borrowed("-c"), program]
}

/// The SubprocessRunner of kfp.local refuses to start a command that does not name KFP's own executor; the comment
/// satisfies it.
fn bootstrap(parts: &Parts) -> String {
    let run = |code: &str| format!("exec(zlib.decompress(base64.b64decode(\"{code}\")))\n");
    let mut program = String::from(
        "# kale_rs step runtime. For kfp.local, which starts only what mentions it: kfp.dsl.executor_main\n\
         import base64, json, os, sys, zlib\n",
    );
    program.push_str(&run(&COMPRESSED_RUNTIME));
    let further = [
        (parts.installs, &COMPRESSED_INSTALL),
        (parts.stores_arrays, &COMPRESSED_MEMORY),
        (parts.stores_classes, &COMPRESSED_CLASSES),
        (parts.reports, &COMPRESSED_REPORT),
    ];
    for (_, code) in further.iter().filter(|(travels, _)| *travels) {
        program.push_str(&run(code));
    }
    if let Some(load) = parts.load {
        program.push_str(&load.unload());
    }
    if parts.has_files {
        program.push_str(PLACE_FILES);
    }
    program.push_str("start(*sys.argv[1:3])\n");
    program
}

/// What travels is as the notebook had it. A file that is there already is the user's own (kfp.local runs beside the
/// notebook) and stays, unless it is as an image of ours has brought it: then it is older, and gives way.
const PLACE_FILES: &str = "\
import hashlib
ours = '.kale_rs_files.json'
ours = json.load(open(ours)) if os.path.exists(ours) else dict()
def content_of(path):
    with open(path, 'rb') as file:
        return file.read()
for files in sys.argv[3:]:
    head, _, rest = zlib.decompress(base64.b64decode(files)).partition(b'\\n')
    folder, *sizes = json.loads(head)
    contents = dict()
    for path, size in sizes:
        contents[path], rest = rest[:size], rest[size:]
    for path, digest in ours.items():
        if (path in contents or folder and path.startswith(folder)) and os.path.isfile(path):
            there = content_of(path)
            if there != contents.get(path) and hashlib.sha256(there).hexdigest() == digest:
                os.remove(path)
    for path, content in contents.items():
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
            with open(path, 'wb') as file:
                file.write(content)
        elif content_of(path) != content:
            print('kale_rs: `%s` is there already, and stays; beside the notebook it is another one' % path)
";

/// The same program in fewer bytes: no blank lines, comments or docstrings, and one space per level. `step.py` is
/// written so that this line-by-line rule is exact; its package's docs state it, and its tests check it.
fn shortened(source: &str) -> String {
    const QUOTES: &str = "\"\"\"";
    let mut text = String::with_capacity(source.len());
    let mut in_docstring = false;
    for line in source.lines() {
        let code = line.trim();
        if in_docstring || code.starts_with(QUOTES) {
            let closes = code.ends_with(QUOTES) && (in_docstring || code.len() >= 2 * QUOTES.len());
            in_docstring = !closes;
        } else if !code.is_empty() && !code.starts_with('#') {
            let level = (line.len() - line.trim_start().len()) / 4;
            text.extend(std::iter::repeat_n(' ', level));
            text.push_str(code);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortening_keeps_the_code() {
        let source = "\"\"\"Docs.\"\"\"\n\ndef f():\n    \"\"\"More\n    docs.\"\"\"\n    # why\n    if x:\n        return 1  # kept\n";
        assert_eq!(shortened(source), "def f():\n if x:\n  return 1  # kept\n");
    }

    #[test]
    fn the_runtime_stays_small() {
        let size = COMPRESSED_RUNTIME.len();
        assert!(size <= 8_192, "the step runtime is {size} bytes as base64, and every step carries it");
    }

    #[test]
    fn the_bootstrap_holds_nothing_that_kfp_rewrites() {
        let load = Load { keys: vec!["kale_code".to_owned()], digest: "0".repeat(64), place: 2 };
        let all =
            Parts { stores_classes: true, reports: true, has_files: true, load: Some(&load), ..Parts::plain(true) };
        for code in [bootstrap(&Parts::default()), bootstrap(&all)] {
            assert!(code.contains("kfp.dsl.executor_main"));
            assert!(!code.contains(['{', '}']) && !code.contains("python3"), "{code}");
        }
    }
}
