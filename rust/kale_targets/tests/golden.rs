//! Every pipeline in `tests/golden/pipelines`, emitted for every target, against the files in `tests/golden/TARGET`.
//!
//! `KALE_BLESS=1 cargo test -p kale_targets` writes the files anew; read the difference before committing it.

#[path = "golden/katib.rs"]
mod katib;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use kale_model::{Code, Pipeline, Severity, Uncacheable, Volume, VolumeKind};
use kale_targets::{EmitOptions, Emitted, Files, Found, Manifests, TARGETS, Target, emit, emit_with_files, wanted};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// Name and value of every pipeline, sorted by name.
fn pipelines() -> Vec<(String, Pipeline)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(golden().join("pipelines")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let cases = paths.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
        (!name.ends_with(".runs")).then_some((name, path))
    });
    let read =
        |path: PathBuf| serde_json::from_str(&fs::read_to_string(&path).unwrap()).expect("a serialised pipeline");
    cases.map(|(name, path)| (name, read(path))).collect()
}

fn pipeline(name: &str) -> Pipeline {
    pipelines().into_iter().find(|(case, _)| case == name).expect("the case exists").1
}

/// The folder of a pipeline's name holds what lies beside its notebook.
fn files(name: &str) -> Files {
    let mut files = Files::new();
    let root = golden().join("pipelines").join(name);
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn text(emitted: &Emitted) -> &str {
    &emitted.files.as_ref().expect("files are emitted").files[0].1
}

/// Without the files of the step runtime, which have tests of their own: a change there is no change here.
fn reviewable(text: &str) -> String {
    let opening = "b64decode(\"";
    let mut parts = text.split(opening);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('"').expect("the literal is closed");
        out.push_str(&format!("{opening}<python/kale_runtime/{}.py>\"{rest}", file_of(code)));
    }
    out
}

fn file_of(code: &str) -> &'static str {
    let packed = STANDARD.decode(code).unwrap();
    let text = std::io::read_to_string(ZlibDecoder::new(packed.as_slice())).unwrap();
    let marks = [
        ("def with_uv", "install"),
        ("class Places", "memory"),
        ("def references", "classes"),
        ("class ReportingStep", "report"),
        ("class Step", "step"),
    ];
    marks.into_iter().find(|(mark, _)| text.contains(mark)).expect("it is one of them").1
}

#[test]
fn emitted_files_are_as_reviewed() {
    let mut changed = vec![];
    let cases = pipelines();
    assert!(cases.len() >= 9, "the cases are found by walking");
    for (name, pipeline) in &cases {
        // A sweep is more than a pipeline: see `katib`.
        for info in TARGETS.iter().filter(|info| info.target != Target::Katib) {
            let emit = || emit_with_files(pipeline, info.target, &EmitOptions::default(), &files(name).into());
            let emitted = emit();
            assert_eq!(text(&emitted), text(&emit()), "same bytes twice");
            let path = golden().join(info.name).join(format!("{name}{}", info.suffix));
            changed.extend(difference(&path, &reviewable(text(&emitted))));
        }
    }
    assert!(changed.is_empty(), "changed: {changed:?}; see the module's comment");
}

/// One pipeline with a platform document, and one with a description; `test_kfp_manifests.py` knows what the SDK makes
/// of them.
#[test]
fn resources_of_kubernetes_are_as_reviewed() {
    let namespaces = [("cluster", None), ("branches", Some("team-a".parse().unwrap()))];
    let changed = namespaces.into_iter().filter_map(|(name, namespace)| {
        let options = EmitOptions { manifests: Some(Manifests { namespace }), ..EmitOptions::default() };
        let emitted = emit_with_files(&pipeline(name), Target::Kfp, &options, &files(name).into());
        difference(&golden().join("kfp-kubernetes").join(format!("{name}.yaml")), &steady(&reviewable(text(&emitted))))
    });
    assert_eq!(changed.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

/// Without the digest in the version's name, in which the step runtime is.
fn steady(text: &str) -> String {
    let (before, version) = text.split_once("kind: PipelineVersion").expect("there is a version");
    let name = version.lines().find_map(|line| line.strip_prefix("  name: ")).expect("it has a name");
    let (stem, digest) = name.rsplit_once('-').expect("it ends with a digest");
    assert!(digest.len() == 12 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{digest}");
    format!("{before}kind: PipelineVersion{}", version.replace(name, &format!("{stem}-<digest>")))
}

/// The file, if its text is another; `KALE_BLESS` makes it the same.
fn difference(path: &Path, text: &str) -> Option<PathBuf> {
    if std::env::var_os("KALE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (fs::read_to_string(path).unwrap_or_default() != text).then(|| path.to_owned())
}

#[test]
fn what_kfp_cannot_express_is_said() {
    let messages = |name: &str| -> Vec<String> {
        let emitted = emit(&pipeline(name), Target::Kfp, &EmitOptions::default());
        assert!(emitted.diagnostics.iter().all(|d| d.code == Code::NotInTarget && d.severity == Severity::Warning));
        emitted.diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect()
    };
    let cluster = messages("cluster");
    assert_eq!(cluster.len(), 2, "{cluster:?}");
    assert!(cluster[0].contains("`ephemeral-storage: 5Gi`"));
    assert!(cluster[1].contains("`helpers`, `tokens.txt`") && !cluster[1].contains("train.csv"));
    assert!(messages("claims")[0].contains("Volume `scratch` names no storage class"));
    assert!(messages("hello").is_empty());
    let script = emit(&pipeline("line_break"), Target::KfpScript, &EmitOptions::default());
    assert!(script.diagnostics[0].message.contains("`text` has a line break"));
}

/// Text of six bits per byte.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + (state >> 33) as u8 % 64)
    };
    (0..bytes).map(next).collect()
}

/// A pipeline whose first step holds so many bytes of text that does not compress.
fn large(bytes: usize) -> Pipeline {
    let mut pipeline = pipeline("hello");
    pipeline.steps[0].cells[0].source.push_str(&format!("\n# {}", noise(bytes)));
    pipeline
}

#[test]
fn files_travel_or_are_missed() {
    let pipeline = pipeline("packed");
    let needs = wanted(&pipeline);
    assert!(needs.modules.iter().eq(["helpers", "tools"]) && needs.paths.iter().eq(["data/words.txt"]));
    let messages = |files: &Files| -> Vec<String> {
        let emitted = emit_with_files(&pipeline, Target::Kfp, &EmitOptions::default(), &files.clone().into());
        let missed = emitted.diagnostics.into_iter().filter(|diagnostic| diagnostic.code == Code::NotInTarget);
        missed.map(|diagnostic| diagnostic.message).collect()
    };
    let mut files = files("packed");
    assert!(messages(&files).is_empty());
    files.insert("data/words.txt".into(), noise(400_000).into_bytes());
    assert!(messages(&files).is_empty(), "what is long goes ahead");
    files.insert("data/words.txt".into(), noise(700_000).into_bytes());
    assert!(messages(&files)[0].contains("`read` needs `data/words.txt`"));
    files.remove("helpers.py");
    assert!(messages(&files)[0].contains("`read` needs `helpers`, `data/words.txt`"));
}

/// A listing of a folder would be an empty one in a container.
#[test]
fn files_that_only_a_run_knows_are_told() {
    let mut pipeline = pipeline("packed");
    pipeline.steps[0].uncacheable.push(Uncacheable::UnknownFiles);
    let told = |pipeline: &Pipeline| -> Vec<String> {
        let emitted = emit_with_files(pipeline, Target::Kfp, &EmitOptions::default(), &files("packed").into());
        emitted.diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect()
    };
    let [message] = &told(&pipeline)[..] else { panic!("{:?}", told(&pipeline)) };
    assert!(message.starts_with("Step `read` uses files that are known only when it runs"), "{message}");
    pipeline.volumes.push(Volume {
        name: "data".to_owned(),
        mount_point: "/data".to_owned(),
        kind: VolumeKind::Existing,
        variable: None,
    });
    assert!(told(&pipeline).is_empty(), "they may be there");
}

#[test]
fn what_does_not_travel_may_be_in_the_image() {
    let mut pipeline = pipeline("packed");
    pipeline.steps[0].files.reads = vec!["data".to_owned()];
    let mut found = Found::from(files("packed"));
    found.left_out.insert("data/large.csv".to_owned());
    let told = |found: &Found| -> Vec<(Severity, String)> {
        let emitted = emit_with_files(&pipeline, Target::Kfp, &EmitOptions::default(), found);
        emitted.diagnostics.into_iter().map(|diagnostic| (diagnostic.severity, diagnostic.message)).collect()
    };
    let missing = "Step `read` needs `data/large.csv` of this machine, which a container does not have.";
    assert_eq!(told(&found), [(Severity::Warning, missing.to_owned())], "though the rest of the folder travels");
    found.in_image.insert("data/large.csv".to_owned());
    let there = "Step `read` has `data/large.csv` from its image alone: it is too large to travel.";
    assert_eq!(told(&found), [(Severity::Info, there.to_owned())]);
}

#[test]
fn sizes_are_checked() {
    let verdicts = |bytes: usize, allow_oversize: bool| -> (bool, Vec<Severity>) {
        let emitted = emit(&large(bytes), Target::Kfp, &EmitOptions { allow_oversize, ..EmitOptions::default() });
        assert!(emitted.diagnostics.iter().all(|diagnostic| diagnostic.code == Code::TooLarge));
        (emitted.files.is_some(), emitted.diagnostics.iter().map(|diagnostic| diagnostic.severity).collect())
    };
    assert_eq!(verdicts(150_000, false), (true, vec![]), "what is long goes ahead of the step");
    assert_eq!(verdicts(400_000, false), (true, vec![Severity::Warning]));
    assert_eq!(verdicts(1_000_000, false), (false, vec![Severity::Error]));
    assert_eq!(verdicts(1_000_000, true), (true, vec![Severity::Warning]));
    let script = emit(&large(150_000), Target::KfpScript, &EmitOptions::default());
    assert!(script.files.is_none() && script.diagnostics[0].code == Code::TooLarge, "a script has nothing ahead of it");
}

/// Whatever the size of its code, no container is longer than an argument may be, and equal pieces go once.
#[test]
fn long_code_goes_ahead_of_the_step() {
    let mut pipeline = pipeline("packed");
    let second = pipeline.steps[0].clone();
    let mut files = files("packed");
    files.insert("data/words.txt".into(), noise(200_000).into_bytes());
    let spec = |pipeline: &Pipeline, files: &Files| -> serde_json::Value {
        let emitted = emit_with_files(pipeline, Target::Kfp, &EmitOptions::default(), &files.clone().into());
        serde_yaml_ng::from_str(text(&emitted)).unwrap()
    };
    let one = spec(&pipeline, &files);
    let executors = one["deploymentSpec"]["executors"].as_object().unwrap();
    assert!(executors.values().all(|executor| executor.to_string().len() < 110_000));
    let carriers = |spec: &serde_json::Value| -> Vec<String> {
        let tasks = spec["root"]["dag"]["tasks"].as_object().unwrap().keys();
        tasks.filter(|name| name.starts_with("code")).cloned().collect()
    };
    assert_eq!(carriers(&one), ["code", "code-2", "code-3"]);
    pipeline.steps[0].config.node_selector.insert("pool".to_owned(), "batch".to_owned());
    let emitted = emit_with_files(&pipeline, Target::Kfp, &EmitOptions::default(), &files.clone().into());
    let platform = text(&emitted).split("\n---\n").nth(1).unwrap();
    assert!(platform.contains("exec-code-3:") && platform.matches("pool: batch").count() == 4, "{platform}");
    pipeline.steps[0].config.node_selector.clear();
    pipeline.steps.push(kale_model::Step { name: "again".parse().unwrap(), outputs: vec![], ..second });
    let two = spec(&pipeline, &files);
    assert_eq!(carriers(&two).len(), 3, "its files are the same");
    files.insert("data/words.txt".into(), noise(200_001).into_bytes());
    let three = spec(&pipeline, &files);
    let command = |spec: &serde_json::Value| spec["deploymentSpec"]["executors"]["exec-read"]["container"].clone();
    assert_eq!(command(&one), command(&two));
    assert_ne!(
        command(&one),
        command(&three),
        "a step knows the digest of what comes, so that no cache takes one for the other"
    );
}

/// A module that thirty steps import is in the pipeline once: inline it would be there thirty times.
#[test]
fn what_many_steps_share_goes_once() {
    let mut pipeline = pipeline("packed");
    let mut files = files("packed");
    files.insert("helpers.py".into(), noise(30_000).into_bytes());
    for number in 0..29 {
        let name = format!("again_{number}").parse().unwrap();
        pipeline.steps.push(kale_model::Step { name, outputs: vec![], ..pipeline.steps[0].clone() });
    }
    let emitted = emit_with_files(&pipeline, Target::Kfp, &EmitOptions::default(), &files.into());
    assert!(!emitted.diagnostics.iter().any(|diagnostic| diagnostic.is_error()), "{:?}", emitted.diagnostics);
    let spec: serde_json::Value = serde_yaml_ng::from_str(text(&emitted)).unwrap();
    let carriers = spec["root"]["dag"]["tasks"].as_object().unwrap().keys().filter(|name| name.starts_with("code"));
    assert_eq!(carriers.count(), 1);
}

/// Whoever takes nothing from a cache wants the code written anew as well: its artifact may be gone.
#[test]
fn carriers_do_as_their_steps() {
    let mut pipeline = pipeline("packed");
    let mut files = files("packed");
    files.insert("data/words.txt".into(), noise(60_000).into_bytes());
    let carrier = |pipeline: &Pipeline| {
        let emitted = emit_with_files(pipeline, Target::Kfp, &EmitOptions::default(), &files.clone().into());
        let spec: serde_json::Value = serde_yaml_ng::from_str(text(&emitted)).unwrap();
        let task = &spec["root"]["dag"]["tasks"]["code"];
        (task["cachingOptions"].clone(), task["retryPolicy"]["maxRetryCount"].clone())
    };
    assert_eq!(carrier(&pipeline), (serde_json::json!({"enableCache": true}), serde_json::Value::Null));
    pipeline.steps[0].config.caching = kale_model::Caching::Disabled;
    pipeline.steps[0].config.retries = 2;
    assert_eq!(carrier(&pipeline), (serde_json::json!({}), serde_json::json!(2)));
}

#[test]
fn targets_are_named() {
    for info in TARGETS {
        assert_eq!(info.name.parse(), Ok(info.target));
        assert_eq!(info.target.to_string(), info.name);
    }
    let fault = "kubeflow".parse::<Target>().unwrap_err();
    assert_eq!(fault, "there is no target `kubeflow`; there are `kfp`, `kfp-script`, `katib`");
}
