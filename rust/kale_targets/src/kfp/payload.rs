//! A step's command line: the step runtime and the step's plan, compressed, with nothing to install.
//!
//! Both travel as base64 of zlib, which leaves KFP and Argo no `{{...}}` to replace and kfp.local no interpreter name
//! to rewrite. The single template is the argument `{{$}}`, for which KFP puts the step's inputs and outputs as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use kale_model::{Pipeline, StepPlan};

use crate::graph::Task;

const RUNTIME: &str = include_str!("../../../../python/kale_runtime/step.py");
/// Only in steps that are asked for a report.
const REPORT: &str = include_str!("../../../../python/kale_runtime/report.py");

/// Compressed once: pipelines of a thousand steps carry it a thousand times.
static COMPRESSED_RUNTIME: LazyLock<String> = LazyLock::new(|| compressed(&shortened(RUNTIME)));
static PLAIN_BOOTSTRAP: LazyLock<String> = LazyLock::new(|| bootstrap(false, false));
static COMPRESSED_REPORT: LazyLock<String> = LazyLock::new(|| compressed(&shortened(REPORT)));

/// Placeholder for the ExecutorInput.
const EXECUTOR_INPUT: &str = "{{$}}";

pub fn command(task: &Task) -> Vec<Cow<'static, str>> {
    let program = match (task.files.is_empty(), task.reports()) {
        // What nearly every step has: one text for all of them.
        (true, false) => Cow::Borrowed(PLAIN_BOOTSTRAP.as_str()),
        (no_files, reports) => Cow::Owned(bootstrap(!no_files, reports)),
    };
    vec![Cow::Borrowed("python3"), Cow::Borrowed("-c"), program]
}

/// The ExecutorInput, the plan, and the files where there are any.
pub fn arguments(pipeline: &Pipeline, task: &Task) -> Vec<String> {
    let plan = serde_json::to_string(&StepPlan::new(pipeline, task.id)).expect("a plan is plain data");
    let mut arguments = vec![EXECUTOR_INPUT.to_owned(), compressed(&plan)];
    if !task.files.is_empty() {
        let encoded: BTreeMap<&str, String> =
            task.files.iter().map(|(path, content)| (*path, STANDARD.encode(content))).collect();
        arguments.push(compressed(&serde_json::to_string(&encoded).expect("a map of text is plain data")));
    }
    arguments
}

/// The SubprocessRunner of kfp.local refuses to start a command that does not name KFP's own executor; the comment
/// satisfies it.
fn bootstrap(with_files: bool, with_report: bool) -> String {
    let run = |code: &str| format!("exec(zlib.decompress(base64.b64decode(\"{code}\")))\n");
    let report = if with_report { run(&COMPRESSED_REPORT) } else { String::new() };
    format!(
        "# kale_rs step runtime. For kfp.local, which starts only what mentions it: kfp.dsl.executor_main\n\
         import base64, json, os, sys, zlib\n\
         {}\
         {}{report}\
         start(*sys.argv[1:])\n",
        if with_files { PLACE_FILES } else { "" },
        run(&COMPRESSED_RUNTIME)
    )
}

/// A file that is there already is the user's own: kfp.local runs beside the notebook.
const PLACE_FILES: &str = "\
for path, content in json.loads(zlib.decompress(base64.b64decode(sys.argv.pop()))).items():
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(path, 'wb') as file:
            file.write(base64.b64decode(content))
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

fn compressed(text: &str) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory takes any bytes");
    STANDARD.encode(encoder.finish().expect("memory takes any bytes"))
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
        for code in [bootstrap(false, false), bootstrap(true, true)] {
            assert!(code.contains("kfp.dsl.executor_main"));
            assert!(!code.contains(['{', '}']) && !code.contains("python3"), "{code}");
        }
    }
}
