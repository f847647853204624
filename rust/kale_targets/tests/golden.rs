//! Every pipeline in `tests/golden/pipelines`, emitted for every target, against the files in `tests/golden/TARGET`.
//!
//! `KALE_BLESS=1 cargo test -p kale_targets` writes the files anew; read the difference before committing it.

use std::fs;
use std::path::{Path, PathBuf};

use kale_model::{Code, Pipeline, Severity};
use kale_targets::{EmitOptions, Emitted, Files, Manifests, TARGETS, Target, emit, emit_with_files, wanted};

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

/// Without the step runtime and its report, which have tests of their own: a change there is no change here.
fn reviewable(text: &str) -> String {
    let opening = "b64decode(\"";
    let mut parts = text.split(opening);
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut runtime = None;
    for part in parts {
        let (code, rest) = part.split_once('"').expect("the literal is closed");
        let name = if *runtime.get_or_insert(code) == code { "step" } else { "report" };
        out.push_str(&format!("{opening}<python/kale_runtime/{name}.py>\"{rest}"));
    }
    out
}

#[test]
fn emitted_files_are_as_reviewed() {
    let mut changed = vec![];
    let cases = pipelines();
    assert!(cases.len() >= 9, "the cases are found by walking");
    for (name, pipeline) in &cases {
        for info in TARGETS {
            let emit = || emit_with_files(pipeline, info.target, &EmitOptions::default(), &files(name));
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
        let emitted = emit_with_files(&pipeline(name), Target::Kfp, &options, &files(name));
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

/// A pipeline whose first step holds `bytes` of text that does not compress.
fn large(bytes: usize) -> Pipeline {
    let mut pipeline = pipeline("hello");
    let mut state = 1_u64;
    let noise: String = (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'0' + (state >> 33) as u8 % 64)
        })
        .collect();
    pipeline.steps[0].cells[0].source.push_str(&format!("\n# {noise}"));
    pipeline
}

#[test]
fn files_travel_or_are_missed() {
    let pipeline = pipeline("packed");
    let needs = wanted(&pipeline);
    assert!(needs.modules.iter().eq(["helpers", "tools"]) && needs.paths.iter().eq(["data/words.txt"]));
    let messages = |files: &Files| -> Vec<String> {
        let emitted = emit_with_files(&pipeline, Target::Kfp, &EmitOptions::default(), files);
        emitted.diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect()
    };
    let mut files = files("packed");
    assert!(messages(&files).is_empty());
    files.insert("data/words.txt".into(), vec![b'a'; 70_000]);
    assert!(messages(&files)[0].contains("`read` needs `data/words.txt`"));
    files.remove("helpers.py");
    assert!(messages(&files)[0].contains("`read` needs `helpers`, `data/words.txt`"));
}

#[test]
fn sizes_are_checked() {
    let verdicts = |bytes: usize, allow_oversize: bool| -> (bool, Vec<Severity>) {
        let emitted = emit(&large(bytes), Target::Kfp, &EmitOptions { allow_oversize, ..EmitOptions::default() });
        assert!(emitted.diagnostics.iter().all(|diagnostic| diagnostic.code == Code::TooLarge));
        (emitted.files.is_some(), emitted.diagnostics.iter().map(|diagnostic| diagnostic.severity).collect())
    };
    assert_eq!(verdicts(40_000, false), (true, vec![]));
    assert_eq!(verdicts(70_000, false), (true, vec![Severity::Warning]));
    assert_eq!(verdicts(150_000, false), (false, vec![Severity::Error]));
    assert_eq!(verdicts(150_000, true), (true, vec![Severity::Warning]));
    assert_eq!(verdicts(1_000_000, false), (false, vec![Severity::Error, Severity::Error]));
    assert_eq!(verdicts(1_000_000, true), (true, vec![Severity::Warning, Severity::Warning]));
}

#[test]
fn targets_are_named() {
    for info in TARGETS {
        assert_eq!(info.name.parse(), Ok(info.target));
        assert_eq!(info.target.to_string(), info.name);
    }
    let fault = "katib".parse::<Target>().unwrap_err();
    assert_eq!(fault, "there is no target `katib`; there are `kfp` and `kfp-script`");
}
