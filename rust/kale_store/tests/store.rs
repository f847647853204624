//! The store as its users see it: names, views, differences, other processes, disks that refuse.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use kale_model::{Code, Diagnostic, Event, RunId, RunStatus, StepStatus};
use kale_store::{Digest, Observed, StepEnd, StepResult, Store, StoreError, Wanted, locate, now};
use serde_json::json;
use support::{carry_out, new_run, open, succeeded};

#[test]
fn the_store_ignores_itself_and_is_found_again() {
    let (folder, store) = open();
    assert_eq!(std::fs::read_to_string(store.root().join(".gitignore")).unwrap(), "*\n");
    let deep = folder.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    assert_eq!(locate(&deep).canonicalize().unwrap(), store.root());
    assert_eq!(store.journal_mode(), "wal");
    assert!(Store::open_existing(&deep).unwrap().is_none());
    assert!(!deep.join("store.db").exists(), "looking makes nothing");
}

#[test]
fn a_view_says_what_happened() {
    let (_folder, store) = open();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    let pending = store.run_view(&run).unwrap();
    assert_eq!(pending.status, RunStatus::Pending);
    assert_eq!(pending.parameters["k"], json!(3), "defaults are shown");
    carry_out(&store, &run, "v1", 0.25);
    let view = store.run_view(&run).unwrap();
    assert_eq!(view.status, RunStatus::Succeeded);
    assert_eq!(view.metrics, BTreeMap::from([("loss".to_owned(), json!(0.25))]), "the last value of a series");
    assert_eq!(view.steps[1].seconds, 1.5);
    assert_eq!(view.notebook.as_deref(), Some("/out.ipynb"));
    assert_eq!(view.source.as_deref(), Some("/home/me/example.ipynb"));
    assert_eq!(store.metric_series(&run, "loss").unwrap(), [(Some(0), json!(9.0)), (Some(1), json!(0.25))]);
}

#[test]
fn runs_are_found_by_what_is_unique() {
    let (_folder, store) = open();
    assert!(matches!(store.find_run("last"), Err(StoreError::UnknownRun(_))));
    let runs: Vec<RunId> = (0..3).map(|_| store.create_run(&new_run(json!({}))).unwrap()).collect();
    let newest_first: Vec<RunId> = runs.iter().rev().cloned().collect();
    assert_eq!(store.run_ids().unwrap(), newest_first);
    assert_eq!(store.list(&Wanted { limit: Some(2), ..Wanted::default() }).unwrap().len(), 2);
    assert_eq!(store.find_run("last").unwrap(), runs[2]);
    assert_eq!(store.find_run(&runs[0].0).unwrap(), runs[0]);
    assert!(matches!(store.find_run("2"), Err(StoreError::AmbiguousRun { .. })));
    assert!(matches!(store.find_run(""), Err(StoreError::AmbiguousRun { .. })));
    let unknown = store.find_run("1999").unwrap_err();
    assert_eq!(unknown.diagnostic().code, Code::UnknownRun);
    assert!(matches!(store.logs(&runs[0], Some("nope")), Err(StoreError::UnknownStep { .. })));
    assert!(store.run_view(&RunId("nope".to_owned())).is_err());
}

#[test]
fn events_are_numbered_without_gaps() {
    let (_folder, store) = open();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    let other = store.create_run(&new_run(json!({}))).unwrap();
    let event = |cell| Event::CellStarted { step: "load".to_owned(), cell, done: 0, total: 1 };
    store.append_events(&run, &[event(1), event(2)]).unwrap();
    store.append_events(&other, &[event(9)]).unwrap();
    store.append_events(&run, &[event(3)]).unwrap();
    let sequences: Vec<i64> = store.events_after(&run, 0).unwrap().iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    let newer = store.events_after(&run, 2).unwrap();
    assert_eq!(newer[0].event, event(3));
    assert_eq!(store.last_event(&run).unwrap(), 3);
}

#[test]
fn what_only_a_newer_kale_rs_knows_is_passed_over() {
    let (_folder, store) = open();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    store.append_events(&run, &[Event::RunStarted { time: 1.0, steps: vec![] }]).unwrap();
    let newer = r#"[{"id": "never-heard-of", "severity": "error", "message": "m", "help": "h"}]"#;
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    let sql = "INSERT INTO events (run, sequence, event) VALUES (?1, 9, ?2)";
    database.execute(sql, [&run.0, r#"{"event": "never-heard-of"}"#]).unwrap();
    database.execute("UPDATE runs SET diagnostics = ?2 WHERE id = ?1", [&run.0, newer]).unwrap();
    store.append_events(&run, &[Event::RunStarted { time: 2.0, steps: vec![] }]).unwrap();
    let numbers: Vec<i64> = store.events_after(&run, 0).unwrap().iter().map(|stored| stored.sequence).collect();
    assert_eq!(numbers.last(), Some(&10));
    assert!(!numbers.contains(&9));
    assert!(store.run(&run).unwrap().diagnostics.is_empty());
    database.execute("UPDATE events SET event = 'torn' WHERE sequence = 9", []).unwrap();
    assert!(matches!(store.events_after(&run, 0), Err(StoreError::Database(_))));
}

#[test]
fn recorded_diagnostics_name_their_run() {
    let (_folder, store) = open();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    let diagnostic = Diagnostic::new(Code::StepFailed, "It failed.", "`kale-rs logs RUN load` says more.");
    let end = StepEnd { status: StepStatus::Failed, diagnostics: vec![diagnostic], ..succeeded(StepResult::default()) };
    store.end_step(&run, 0, "load", &end).unwrap();
    store
        .fail_run(&run, &StoreError::Unwritable { path: "/x".into(), reason: "full".to_owned() }.diagnostic())
        .unwrap();
    let view = store.run_view(&run).unwrap();
    let said = |help: &str| view.diagnostics.iter().any(|diagnostic| diagnostic.help.contains(help));
    assert!(said(&format!("`kale-rs logs {run} load`")), "{:?}", view.diagnostics);
    assert!(said(&format!("`kale-rs resume {run}`")), "{:?}", view.diagnostics);
}

#[test]
fn a_difference_names_what_differs() {
    let (_folder, store) = open();
    let left = store.create_run(&new_run(json!({}))).unwrap();
    let right = store.create_run(&new_run(json!({"k": 4}))).unwrap();
    carry_out(&store, &left, "v1", 0.25);
    carry_out(&store, &right, "v2", 0.5);
    let diff = store.diff(&left, &right).unwrap();
    assert_eq!(diff.code.iter().map(|change| change.step.as_str()).collect::<Vec<_>>(), ["load", "train"]);
    assert_eq!((&diff.parameters[0].left, &diff.parameters[0].right), (&Some(json!(3)), &Some(json!(4))));
    assert_eq!(diff.metrics[0].name, "loss");
    assert!(diff.data.is_empty() && diff.environment.is_empty());
    let same = store.diff(&left, &left).unwrap();
    assert!(same.code.is_empty() && same.parameters.is_empty() && same.metrics.is_empty());
}

#[test]
fn results_are_kept_by_fingerprint_and_observation() {
    let (_folder, store) = open();
    let fingerprint = Digest::of(b"fingerprint");
    let observed = |content: &[u8]| Observed {
        files: BTreeMap::from([("data.csv".to_owned(), Some(Digest::of(content)))]),
        ..Observed::default()
    };
    for content in [b"1", b"2", b"1"] {
        let run = store.create_run(&new_run(json!({}))).unwrap();
        store.claim(&run).unwrap();
        store.identify_step(&run, 0, &fingerprint, &json!({})).unwrap();
        let result = StepResult { observed: observed(content), ..StepResult::default() };
        store.end_step(&run, 0, "load", &succeeded(result)).unwrap();
    }
    let kept = store.cached_results(&fingerprint).unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].result.observed, observed(b"1"), "newest first");
    assert!(store.is_complete(&kept[0].result));
    let missing = StepResult { cells: Some(Digest::of(b"nowhere")), ..StepResult::default() };
    assert!(!store.is_complete(&missing));
}

#[test]
fn a_run_that_no_engine_holds_is_cancelled_at_once() {
    let (_folder, store) = open();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    let mut dead = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    store.expect_engine(&run, dead.id()).unwrap();
    // Its input ends, and so does it.
    drop(dead.stdin.take());
    dead.wait().unwrap();
    assert_eq!(store.run_status(&run).unwrap(), RunStatus::Interrupted);
    store.request_cancel(&run).unwrap();
    let view = store.run_view(&run).unwrap();
    assert_eq!(view.status, RunStatus::Cancelled);
    assert!(view.steps.iter().all(|step| step.status == StepStatus::Cancelled));
}

/// Python's own SQLite as the other process: it holds the write lock for a while, and reads what we wrote.
#[test]
fn writers_wait_for_each_other() {
    let (_folder, store) = open();
    let script = "import sqlite3, sys, time\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  c.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\ntime.sleep(0.5)\nc.execute('COMMIT')";
    let mut other = Command::new("python3")
        .args(["-c", script])
        .arg(store.root().join("store.db"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.take().unwrap()), &mut line).unwrap();
    let began = now();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    assert!(now() - began > 0.2, "it waited");
    assert!(other.wait().unwrap().success());
    assert_eq!(store.run_status(&run).unwrap(), RunStatus::Pending);
}

#[test]
fn a_place_that_cannot_be_written_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = Store::open(&folder.path().join("file/.kale_rs")).unwrap_err();
    assert_eq!(error.diagnostic().code, Code::StoreUnwritable);
    assert!(error.to_string().contains("file/.kale_rs"), "{error}");
}

/// Needs the right to mount a small file system; a machine where that is not allowed cannot show it.
fn on_a_small_disk(test: impl FnOnce(&Path) + std::panic::UnwindSafe) {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        return;
    }
    let path = folder.path().to_owned();
    let outcome = std::panic::catch_unwind(move || test(&path));
    Command::new("umount").arg("-l").arg(folder.path()).status().unwrap();
    outcome.unwrap();
}

#[test]
fn a_full_disk_is_told_and_the_store_stays_readable() {
    on_a_small_disk(|disk| fill_up(&disk.join(".kale_rs")));
}

#[test]
fn a_disk_that_cannot_be_written_can_be_looked_at() {
    on_a_small_disk(|disk| {
        let root = disk.join("a%3f #?/.kale_rs");
        let store = Store::open(&root).unwrap();
        let run = store.create_run(&new_run(json!({}))).unwrap();
        carry_out(&store, &run, "v1", 0.25);
        let kept = store.blobs().put(b"kept").unwrap();
        drop(store);
        let made = Command::new("mount").args(["-o", "remount,ro"]).arg(disk).status().unwrap();
        assert!(made.success());
        let store = Store::open_existing(&root).unwrap().unwrap();
        assert_eq!(store.run_view(&run).unwrap().status, RunStatus::Succeeded);
        assert_eq!(store.blobs().read_verified(&kept).unwrap(), b"kept");
        assert!(store.blobs().contains(&kept));
        for error in [store.request_cancel(&run).unwrap_err(), Store::open(&root).unwrap_err()] {
            assert_eq!(error.diagnostic().code, Code::StoreUnwritable, "{error}");
            assert!(error.to_string().contains("the file system is read-only"), "{error}");
        }
    });
}

fn fill_up(root: &Path) {
    let store = Store::open(root).unwrap();
    let run = store.create_run(&new_run(json!({}))).unwrap();
    let kept = store.blobs().put(b"kept").unwrap();
    let noise: Vec<u8> = (0..4 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let error = store.blobs().put(&noise).unwrap_err();
    assert_eq!(error.diagnostic().code, Code::StoreUnwritable);
    assert!(error.to_string().contains("no space is left"), "{error}");
    // Now to the last byte: the database, too, says what is the matter.
    while std::fs::write(root.join(format!("filler-{}", now())), vec![1; 4096]).is_ok() {}
    let event = Event::CellStarted { step: "x".repeat(20_000), cell: 1, done: 0, total: 1 };
    let error = (0..1000).find_map(|_| store.append_events(&run, std::slice::from_ref(&event)).err()).unwrap();
    assert_eq!(error.diagnostic().code, Code::StoreUnwritable, "{error}");
    assert_eq!(store.blobs().read_verified(&kept).unwrap(), b"kept");
    assert_eq!(store.run_status(&run).unwrap(), RunStatus::Pending);
}

#[test]
fn a_database_that_is_none_is_told_from_a_bug() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join(".kale_rs");
    drop(Store::open(&root).unwrap());
    for leftover in ["store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(root.join(leftover));
    }
    std::fs::write(root.join("store.db"), "not a database ".repeat(1000)).unwrap();
    let Err(error) = Store::open(&root) else { panic!("it was opened") };
    assert_eq!(error.diagnostic().code, Code::StoreDamaged, "{error}");
}
