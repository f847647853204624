//! Snapshots that somebody has written by hand, to do harm: all of them are refused, and the store is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kale_model::{Code, Pipeline, RunId, RunStatus, StepStatus};
use kale_remote::RemoteError;
use kale_remote::snapshot::{Progress, Pull, Pulled, Push, Pushed, Watch, pull, push};
use kale_store::{Digest, NewRun, PackedRun, RunOptions, StepEnd, StepResult, StepSnapshot, Store, StoreError};
use serde_json::{Value, json};

type Change = fn(&mut Value);

struct Patient;

impl Watch for Patient {
    fn goes_on(&mut self, _progress: Progress) -> bool {
        true
    }
}

/// Two stores, and a place between them.
struct Folders {
    top: tempfile::TempDir,
    from: Store,
    to: Store,
    run: RunId,
}

const NOTEBOOK: &str = r#"{"cells": [{"cell_type": "code", "source": "x = 1"}], "nbformat": 4}"#;

fn pipeline() -> Pipeline {
    let step = json!({
        "name": "load", "cells": [{"index": 0, "id": "c", "source": "x = 1", "first_line": 1}],
        "program": [{"do": "run", "cell": 0, "parameters": [], "metrics": []}, {"do": "save", "artifact": 0, "names": ["x"]}],
        "fingerprint_source": "", "parameters": [], "inputs": [], "outputs": [0], "needs_ipython": false,
        "requirements": [], "local_modules": [], "files": {"reads": [], "writes": []}, "environment_variables": [],
        "uncacheable": [], "config": {"resources": kale_model::Resources::default(), "caching": "automatic", "retries": 0,
            "labels": {}, "annotations": {}, "secrets": []},
    });
    serde_json::from_value(json!({
        "name": "n", "python": {"major": 3, "minor": 12}, "parameters": [], "steps": [step],
        "artifacts": [{"key": "x", "names": ["x"], "kind": "value", "producer": 0, "type": "artifact"}],
        "edges": [], "metrics": [], "volumes": [],
    }))
    .unwrap()
}

impl Folders {
    fn new() -> Folders {
        let top = tempfile::tempdir().unwrap();
        let open = |name: &str| Store::open(&top.path().join(name).join(".kale_rs")).unwrap();
        let (from, to) = (open("from"), open("to"));
        let run = made(&from);
        Folders { top, from, to, run }
    }

    fn place(&self) -> PathBuf {
        self.top.path().join("place")
    }

    fn push(&self) -> Pushed {
        let packed = self.from.pack(&self.run, |_| true).unwrap();
        let url = self.place().display().to_string();
        let request = Push { run: &packed, step: None, url: &url, directory: self.top.path() };
        push(&self.from, &request, &mut Patient).unwrap()
    }

    fn pull(&self) -> Result<Pulled, RemoteError> {
        let url = self.place().display().to_string();
        let home = self.to.root().parent().unwrap();
        pull(&self.to, &Pull { url: &url, directory: self.top.path(), home }, &mut Patient)
    }

    fn manifest(&self) -> PathBuf {
        self.place().join("snapshots").join(format!("{}.json", self.run))
    }

    fn change_manifest(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest: Value = serde_json::from_slice(&fs::read(self.manifest()).unwrap()).unwrap();
        change(&mut manifest);
        fs::write(self.manifest(), manifest.to_string()).unwrap();
    }

    fn put(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let path = self.place().join("blobs").join(&digest.as_str()[..2]).join(digest.as_str());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        digest
    }

    /// Another record under the manifest, with its digest put right.
    fn change_record(&self, change: impl FnOnce(&mut Value)) {
        let manifest: Value = serde_json::from_slice(&fs::read(self.manifest()).unwrap()).unwrap();
        let digest = manifest["record"].as_str().unwrap();
        let path = self.place().join("blobs").join(&digest[..2]).join(digest);
        let mut record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        change(&mut record);
        let digest = self.put(record.to_string().as_bytes());
        self.change_manifest(|manifest| {
            manifest["record"] = json!(digest);
            manifest["run"] = record["run_id"].clone();
        });
    }

    fn is_untouched(&self) -> bool {
        let beside: Vec<_> = fs::read_dir(self.top.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        let runs = fs::read_dir(self.to.root().join("runs")).unwrap().count();
        self.to.run_ids().unwrap().is_empty() && runs == 0 && beside.len() == 3
    }
}

/// A run with one step, as an engine would have recorded it.
fn made(store: &Store) -> RunId {
    let run = store
        .create_run(&NewRun {
            pipeline: pipeline(),
            parameters: BTreeMap::new(),
            source: Some("/home/alice/n.ipynb".into()),
            notebook: NOTEBOOK.as_bytes().to_vec(),
            diagnostics: vec![],
            options: RunOptions::new("python3".into(), "3.12.1".to_owned(), "/r".into(), "/home/alice".into()),
        })
        .unwrap();
    store.claim(&run).unwrap();
    store.begin_step(&run, 0, "load", 1).unwrap();
    let outputs = BTreeMap::from([("x".to_owned(), store.blobs().put(&[7; 1000]).unwrap())]);
    let result = StepResult { outputs, ..StepResult::default() };
    let status = StepStatus::Succeeded;
    let end =
        StepEnd { status, seconds: 1.0, result: Some(result), diagnostics: vec![], reason: None, cacheable: true };
    store.end_step(&run, 0, "load", &end).unwrap();
    store.add_snapshot(&run, 0, "load", &StepSnapshot::default()).unwrap();
    store.finish_run(&run, RunStatus::Succeeded, None).unwrap();
    run
}

fn is_damaged(result: &Result<Pulled, RemoteError>) -> bool {
    matches!(result, Err(RemoteError::Damaged { .. }))
}

#[test]
fn what_is_pulled_is_what_was_pushed() {
    let folders = Folders::new();
    let pushed = folders.push();
    let pulled = folders.pull().unwrap();
    assert_eq!((pulled.all, pulled.received, pulled.trusted), (pushed.all, pushed.all, false));
    let packed = |store: &Store| -> PackedRun { store.pack(&folders.run, |_| true).unwrap() };
    assert_eq!(packed(&folders.from), packed(&folders.to));
    assert!(!serde_json::to_string(&packed(&folders.from)).unwrap().contains("alice"), "paths are nobody's business");
    let error = folders.to.claim(&folders.run).unwrap_err();
    assert_eq!(error.diagnostic().code, Code::MadeElsewhere);
    let fingerprint = Digest::of(b"");
    assert!(folders.to.cached_results(&fingerprint).unwrap().is_empty());
    assert!(folders.to.earlier_steps("load", &RunId("another".to_owned()), 9).unwrap().is_empty());
}

#[test]
fn records_that_lead_astray_are_refused() {
    let changes: &[(&str, Change)] = &[
        ("a path for an id", |r| r["run_id"] = json!("../../evil")),
        ("an id that goes on as a path", |r| r["run_id"] = json!("20261120-094815-3f9a/../../../evil")),
        ("no id", |r| r["run_id"] = json!("")),
        ("a step that is a path", |r| {
            r["steps"][0]["name"] = json!("../evil");
            r["pipeline"]["steps"][0]["name"] = json!("../evil");
        }),
        ("steps of another pipeline", |r| r["steps"][0]["name"] = json!("other")),
        ("no steps", |r| r["steps"] = json!([])),
        ("a notebook elsewhere", |r| r["source"] = json!("../../evil.ipynb")),
        ("a notebook at the root", |r| r["source"] = json!("/etc/passwd")),
        ("an edge to nowhere", |r| {
            r["pipeline"]["edges"] =
                json!([{"from": 0, "to": 99, "variables": [], "resources": [], "declared": false}]);
        }),
        ("an artifact of nowhere", |r| r["pipeline"]["steps"][0]["outputs"] = json!([99])),
        ("a program of nowhere", |r| r["pipeline"]["steps"][0]["program"][1]["artifact"] = json!(99)),
        ("cells of nowhere", |r| r["steps"][0]["cells"] = json!([u64::MAX])),
        ("a digest that is a path", |r| r["notebook"] = json!("../../../../etc/passwd")),
        ("a digest that is a path", |r| r["steps"][0]["result"]["outputs"]["x"] = json!("../../x")),
    ];
    for (what, change) in changes {
        let folders = Folders::new();
        folders.push();
        folders.change_record(change);
        let result = folders.pull();
        assert!(is_damaged(&result), "{what}: {result:?}");
        assert!(folders.is_untouched(), "{what}");
    }
}

#[test]
fn notebooks_that_are_none_are_refused() {
    for text in ["[1, 2]", "{}", "3", "", "\u{0}"] {
        let folders = Folders::new();
        folders.push();
        let digest = folders.put(text.as_bytes());
        folders.change_record(|record| record["notebook"] = json!(digest));
        folders.change_manifest(|manifest| manifest["blobs"][digest.as_str()] = json!(text.len()));
        assert!(is_damaged(&folders.pull()), "{text}");
        assert!(folders.is_untouched(), "{text}");
    }
}

#[test]
fn manifests_that_lie_are_refused() {
    let changes: &[(&str, Change)] = &[
        ("another format", |m| m["format"] = json!("something")),
        ("a path for a digest", |m| m["record"] = json!("../../../etc/passwd")),
        ("a path among the blobs", |m| m["blobs"] = json!({"../../../etc/passwd": 3})),
        ("negative sizes", |m| m["blobs"] = json!({Digest::of(b"x").as_str(): -1})),
        ("another run", |m| m["run"] = json!("20261120-094815-ffff")),
        ("a step that there is not", |m| m["step"] = json!("other")),
        ("blobs of another size", |m| {
            for size in m["blobs"].as_object_mut().unwrap().values_mut() {
                *size = json!(5);
            }
        }),
    ];
    for (what, change) in changes {
        let folders = Folders::new();
        folders.push();
        folders.change_manifest(change);
        let result = folders.pull();
        assert!(is_damaged(&result), "{what}: {result:?}");
        assert!(folders.is_untouched(), "{what}");
    }
}

#[test]
fn huge_sizes_are_refused_before_anything_is_fetched() {
    let folders = Folders::new();
    folders.push();
    folders.change_manifest(|manifest| {
        for size in manifest["blobs"].as_object_mut().unwrap().values_mut() {
            *size = json!(u64::MAX / 2);
        }
    });
    assert!(matches!(folders.pull(), Err(RemoteError::NoSpace { .. })));
    assert!(folders.is_untouched());
    // A sparse file: nobody reads it to its end to find that it is no manifest.
    fs::File::create(folders.manifest()).unwrap().set_len(1 << 40).unwrap();
    assert!(is_damaged(&folders.pull()));
    fs::write(folders.manifest(), "[".repeat(1 << 20)).unwrap();
    assert!(is_damaged(&folders.pull()), "deep nesting");
}

#[test]
fn a_terminal_is_not_told_what_to_do() {
    let folders = Folders::new();
    folders.push();
    folders.change_record(|record| record["steps"][0]["reason"] = json!("\u{1b}]0;title\u{7}why\n"));
    folders.pull().unwrap();
    assert_eq!(folders.to.steps(&folders.run).unwrap()[0].reason.as_deref(), Some("]0;titlewhy\n"));
}

#[test]
fn newer_manifests_are_told_from_damaged_ones() {
    let folders = Folders::new();
    folders.push();
    folders.change_manifest(|manifest| *manifest = json!({"format": "kale_rs snapshot", "version": 2, "new": {}}));
    assert!(matches!(folders.pull(), Err(RemoteError::Newer { version: 2, supported: 1, .. })));
}

#[test]
fn a_record_that_no_store_has_written_is_damaged() {
    let folders = Folders::new();
    let mut packed = folders.from.pack(&folders.run, |_| true).unwrap();
    packed.steps.clear();
    assert_eq!(folders.to.may_unpack(&packed).unwrap_err().diagnostic().code, Code::SnapshotDamaged);
}

#[test]
fn another_run_of_the_same_id_is_refused() {
    let folders = Folders::new();
    folders.push();
    folders.pull().unwrap();
    folders.to.trust(&folders.run).unwrap();
    assert!(folders.pull().unwrap().trusted, "the same again changes nothing");
    let other = folders.put(b"something else");
    folders.change_record(|record| record["steps"][0]["result"]["outputs"]["x"] = json!(other));
    folders.change_manifest(|manifest| manifest["blobs"][other.as_str()] = json!(14));
    assert!(matches!(folders.pull(), Err(RemoteError::Store(StoreError::OtherRun { .. }))));
    folders.change_record(|record| record["created"] = json!(5.0));
    let Err(RemoteError::Store(error)) = folders.pull() else { panic!("it was taken in") };
    assert_eq!(error.diagnostic().code, Code::OtherRun);
    assert!(folders.to.pulled(&folders.run).unwrap().unwrap().trusted);
}

#[test]
fn what_a_killed_push_has_left_is_swept_a_day_later() {
    let folders = Folders::new();
    folders.push();
    let blob = folders.put(b"another");
    let path = folders.place().join("blobs").join(&blob.as_str()[..2]);
    let staged = |number: u32| path.join(format!("{blob}#{number}"));
    for number in [1, 2] {
        fs::write(staged(number), "half").unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(90_000);
    for old in [staged(1), path.join(blob.as_str())] {
        fs::File::options().write(true).open(old).unwrap().set_modified(yesterday).unwrap();
    }
    folders.push();
    assert!(!staged(1).exists() && staged(2).exists() && path.join(blob.as_str()).exists());
}

#[test]
fn whoever_watches_may_stop() {
    struct Impatient;
    impl Watch for Impatient {
        fn goes_on(&mut self, _progress: Progress) -> bool {
            false
        }
    }
    let folders = Folders::new();
    let packed = folders.from.pack(&folders.run, |_| true).unwrap();
    let url = folders.place().display().to_string();
    let request = Push { run: &packed, step: None, url: &url, directory: Path::new("/") };
    assert!(matches!(push(&folders.from, &request, &mut Impatient), Err(RemoteError::Interrupted)));
    assert!(!folders.manifest().exists());
}
