//! Engines that are killed, cancelled, doubled; stores that are full or too new.

use std::time::Duration;

use kale_model::{Code, Event, RunStatus, StepStatus};
use kale_store::{Store, StoreError, Wanted};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::project::{Project, StepSpec, engine_command, left_over, pipeline, statuses, step};

const COUNT: &str = "with open('executions', 'a') as f: f.write(NAME + '\\n')\n";

fn counting(name: &'static str, source: &str) -> StepSpec {
    step(name, format!("{}{source}", COUNT.replace("NAME", &format!("'{name}'")))).uncached()
}

fn kill_engine(pid: u32) {
    // It may have come to its end before.
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
}

#[test]
fn branches_overlap_in_time() {
    let project = Project::new();
    // Each branch waits for a sign of the other one: in a row, both would give up.
    let branch = |own: &str, other: &str| {
        format!(
            "import os, time\nopen('{own}', 'w').close()\nfor _ in range(1000):\n    if os.path.exists('{other}'): break\n    \
             time.sleep(0.01)\nelse:\n    raise TimeoutError"
        )
    };
    let view = project.run(&[
        step("load", "1"),
        step("left", branch("l", "r")).after("load"),
        step("right", branch("r", "l")).after("load"),
    ]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
}

#[test]
fn one_job_is_one_at_a_time() {
    let mut project = Project::new();
    project.jobs = Some(1);
    let exclusive = "import os, time\nos.mkdir('lock')\ntime.sleep(0.1)\nos.rmdir('lock')";
    let view = project.run(&[step("a", exclusive), step("b", exclusive), step("c", exclusive)]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
}

#[test]
fn a_snapshot_is_written_beside_the_next_step() {
    let project = Project::new();
    let slow = "class Slow:\n    def __getstate__(self):\n        import time\n        time.sleep(1)\n        \
                open('pickled', 'w').close()\n        return {'a': 1}\nprint('printed')\ns = Slow()";
    let view = project.run(&[
        step("slow", slow),
        step("next", "import os\nprint(os.path.exists('pickled'))").after("slow"),
        step("writes", "f = open('open.txt', 'w')\nprint(f.write('kept'))").after("next"),
        step("reads", "print(open('open.txt').read())").after("writes"),
        step("hands_over", "import atexit\natexit.register(lambda: open('left.txt', 'w').write('x'))").after("reads"),
        step("finds", "print(open('left.txt').read())").after("hands_over"),
    ]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    let (store, id) = (project.store(), view.run_id.unwrap());
    let printed = |step: &str| store.logs(&id, Some(step)).unwrap()[0].text.clone();
    assert_eq!(["slow", "next", "reads", "finds"].map(printed), ["printed\n", "False\n", "kept\n", "x\n"]);
    let snapshot = store.snapshot(&id, 0).unwrap().unwrap();
    assert!(snapshot.groups.iter().any(|group| group.names.contains(&"s".to_owned())), "{snapshot:?}");
}

#[test]
fn a_killed_engine_is_resumed() {
    let project = Project::new();
    let slow = "import os, subprocess, time\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n\
                open('started', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)\nb = a + 1";
    let id = project.create(&pipeline(&[
        counting("load", "a = 1").saves(&["a"]),
        counting("slow", slow).loads("load", &["a"]).saves(&["b"]),
        counting("last", "print(b)").loads("slow", &["b"]),
    ]));
    let engine = project.launch(&id);
    project.wait_until("the second step runs", || project.path("started").exists());
    kill_engine(engine);
    project.wait_until("nothing of the run is left", || left_over(&id).is_empty());
    let store = project.store();
    // A process that was killed is there until the system has taken it down.
    project.wait_until("the engine is gone", || store.run_status(&id).unwrap() == RunStatus::Interrupted);
    let view = store.run_view(&id).unwrap();
    assert_eq!(statuses(&view), [StepStatus::Succeeded, StepStatus::Interrupted, StepStatus::Pending]);

    project.write("go", "");
    let seen = store.last_event(&id).unwrap();
    project.launch(&id);
    let view = project.wait_for_end(&id);
    assert_eq!(view.status, RunStatus::Succeeded);
    assert_eq!(statuses(&view), [StepStatus::Succeeded; 3]);
    let news = store.events_after(&id, seen).unwrap();
    assert!(matches!(news.first().unwrap().event, Event::RunStarted { .. }));
    assert!(matches!(news.last().unwrap().event, Event::RunFinished { .. }), "with the status, all events are there");
    let executions = ["load", "slow", "last"].map(|name| project.executions(name));
    assert_eq!(executions, [1, 2, 1], "what was finished did not run again");
    assert_eq!(store.logs(&id, Some("last")).unwrap()[0].text, "2\n");
}

#[test]
fn an_engine_killed_at_any_moment_leaves_a_readable_store() {
    let project = Project::new();
    let steps = [
        counting("a", "a = list(range(1000))").saves(&["a"]),
        counting("b", "b = sum(a)").loads("a", &["a"]).saves(&["b"]),
        counting("c", "c = len(a)").loads("a", &["a"]).saves(&["c"]),
        counting("d", "print(b, c)").loads("b", &["b"]).loads("c", &["c"]),
    ];
    let id = project.create(&pipeline(&steps));
    let mut finished_before = std::collections::BTreeMap::new();
    for moment in [0_u64, 5, 20, 60, 100, 140, 180, 230, 280, 340] {
        let engine = project.launch(&id);
        std::thread::sleep(Duration::from_millis(moment));
        kill_engine(engine);
        project.wait_until("nothing of the run is left", || left_over(&id).is_empty());
        let store = project.store();
        project.wait_until("the engine's death is seen", || {
            !matches!(store.run_status(&id).unwrap(), RunStatus::Pending | RunStatus::Running)
        });
        for record in store.steps(&id).unwrap() {
            if record.status == StepStatus::Succeeded {
                assert!(store.is_complete(record.result.as_ref().unwrap()), "a published step has its blobs");
                finished_before.entry(record.name.clone()).or_insert_with(|| project.executions(&record.name));
            }
        }
        if store.run_status(&id).unwrap().is_finished() {
            break;
        }
    }
    if !project.store().run_status(&id).unwrap().is_finished() {
        project.launch(&id);
    }
    let view = project.wait_for_end(&id);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    assert_eq!(project.store().logs(&id, Some("d")).unwrap()[0].text, "499500 1000\n");
    for (name, executions) in finished_before {
        assert_eq!(project.executions(&name), executions, "`{name}` ran again after it was finished");
    }
}

#[test]
fn nobody_who_cancels_waits_for_a_snapshot() {
    let project = Project::new();
    let source = "class Slow:\n    def __reduce__(self):\n        import time\n        time.sleep(60)\ns = Slow()";
    let id = project.create(&pipeline(&[step("only", source)]));
    project.launch(&id);
    let store = project.store();
    project.wait_until("the step has its result", || store.steps(&id).unwrap()[0].status == StepStatus::Succeeded);
    assert_eq!(store.run_status(&id).unwrap(), RunStatus::Running);
    store.request_cancel(&id).unwrap();
    let view = project.wait_for_end(&id);
    assert_eq!(view.status, RunStatus::Succeeded, "all that was to be done is done");
    project.wait_until("nothing of the run is left", || left_over(&id).is_empty());
}

#[test]
fn cancelling_leaves_no_process() {
    let project = Project::new();
    let endless = "import subprocess, time\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n\
                   open('started', 'w').close()\nprint('so far', flush=True)\ntime.sleep(600)";
    let id = project.create(&pipeline(&[step("endless", endless), step("never", "1").after("endless")]));
    project.launch(&id);
    let store = project.store();
    let printed = || store.logs(&id, None).unwrap().iter().any(|log| log.text.contains("so far"));
    project.wait_until("the log of the running step can be read", printed);
    store.request_cancel(&id).unwrap();
    let view = project.wait_for_end(&id);
    assert_eq!(view.status, RunStatus::Cancelled);
    assert_eq!(statuses(&view), [StepStatus::Cancelled, StepStatus::Cancelled]);
    assert_eq!(left_over(&id), Vec::<i32>::new());
    assert!(printed(), "and also when it is over");
}

#[test]
fn an_engine_that_cannot_start_is_noticed() {
    let project = Project::new();
    let id = project.create(&pipeline(&[step("a", "1")]));
    let command = ["sh", "-c", "echo no luck >&2; exit 3"].map(std::ffi::OsString::from);
    kale_engine::launch(&project.store(), &id, &command).unwrap();
    let store = project.store();
    assert_eq!(project.wait_for_end(&id).status, RunStatus::Interrupted);
    let log = std::fs::read_to_string(store.run_directory(&id).join("engine.log")).unwrap();
    assert_eq!(log, "no luck\n");
    assert!(kale_engine::launch(&store, &id, &["/no/such/program".into()]).is_err());
}

#[test]
fn a_launcher_may_stand_between() {
    let project = Project::new();
    let id = project.create(&pipeline(&[step("a", "1")]));
    let mut command: Vec<std::ffi::OsString> = ["sh", "-c", "\"$@\"; exit", "sh"].map(Into::into).to_vec();
    command.extend(engine_command(&project.root(), &id));
    kale_engine::launch(&project.store(), &id, &command).unwrap();
    assert_eq!(project.wait_for_end(&id).status, RunStatus::Succeeded);
}

#[test]
fn two_runs_at_one_time_both_succeed() {
    let project = Project::new();
    let steps = [
        counting("a", "a = 1").saves(&["a"]),
        counting("b", "b = a + 1").loads("a", &["a"]).saves(&["b"]),
        counting("c", "print(a + b)").loads("a", &["a"]).loads("b", &["b"]),
    ];
    let ids: Vec<_> = (0..3).map(|_| project.create(&pipeline(&steps))).collect();
    for id in &ids {
        project.launch(id);
    }
    for id in &ids {
        assert_eq!(project.wait_for_end(id).status, RunStatus::Succeeded);
        assert_eq!(project.store().logs(id, Some("c")).unwrap()[0].text, "3\n");
    }
    let listed: Vec<_> =
        project.store().list(&Wanted::default()).unwrap().into_iter().filter_map(|view| view.run_id).collect();
    assert_eq!(listed, ids.into_iter().rev().collect::<Vec<_>>(), "newest first");
}

#[test]
fn a_run_has_one_engine() {
    let project = Project::new();
    let id = project.create(&pipeline(&[step("wait", "open('started', 'w').close()\nimport time\ntime.sleep(600)")]));
    project.launch(&id);
    project.wait_until("the step runs", || project.path("started").exists());
    let second = kale_engine::execute(&project.root(), &id);
    assert!(matches!(second, Err(StoreError::Busy { .. })), "{second:?}");
    project.store().request_cancel(&id).unwrap();
    project.wait_for_end(&id);
}

#[test]
fn a_failed_run_is_resumed_where_it_failed() {
    let project = Project::new();
    let id = project.create(&pipeline(&[
        counting("load", "a = 1").saves(&["a"]),
        counting("use", "print(open('needed').read(), a)").loads("load", &["a"]),
    ]));
    assert_eq!(kale_engine::execute(&project.root(), &id).unwrap(), RunStatus::Failed);
    project.write("needed", "here");
    assert_eq!(kale_engine::execute(&project.root(), &id).unwrap(), RunStatus::Succeeded);
    assert_eq!([project.executions("load"), project.executions("use")], [1, 2]);
    assert!(project.store().run_view(&id).unwrap().diagnostics.is_empty(), "old errors are forgotten");

    let store = project.store();
    let result = store.steps(&id).unwrap()[0].result.clone().unwrap();
    std::fs::remove_file(store.blobs().path(&result.outputs["load_values"])).unwrap();
    assert_eq!(kale_engine::execute(&project.root(), &id).unwrap(), RunStatus::Succeeded);
    assert_eq!(project.executions("load"), 2, "a value that is gone is made again");
}

#[test]
fn a_newer_store_is_refused() {
    let project = Project::new();
    let id = project.create(&pipeline(&[step("a", "1")]));
    let script = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 99')";
    let database = project.root().join("store.db");
    let changed = std::process::Command::new("python3").args(["-c", script]).arg(&database).status().unwrap();
    assert!(changed.success());
    let error = kale_engine::execute(&project.root(), &id).unwrap_err();
    assert_eq!(error.diagnostic().code, Code::NewerStore);
}

/// Needs the right to mount; without it (no root) the test with the file size limit has to do.
#[test]
fn a_full_disk_is_told_and_resumed() {
    let project = Project::new();
    let small = project.path("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        let status = std::process::Command::new("mount")
            .args(arguments)
            .arg(&small)
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"]) {
        return;
    }
    let result = std::panic::catch_unwind(|| fill_up(&project, &small.join("store")));
    std::process::Command::new("umount").arg("-l").arg(&small).status().unwrap();
    result.unwrap();
}

fn fill_up(project: &Project, root: &std::path::Path) {
    let store = Store::open(root).unwrap();
    let new = kale_store::NewRun {
        pipeline: pipeline(&[
            counting("load", "a = 1").saves(&["a"]),
            counting("big", "import os\nb = os.urandom(4 << 20)").loads("load", &["a"]).saves(&["b"]),
        ]),
        parameters: Default::default(),
        source: None,
        notebook: b"{}".to_vec(),
        diagnostics: vec![],
        options: project.options(),
    };
    let id = store.create_run(&new).unwrap();
    assert_eq!(kale_engine::execute(root, &id).unwrap(), RunStatus::Failed);
    let view = store.run_view(&id).unwrap();
    assert_eq!(view.diagnostics[0].code, Code::StoreUnwritable, "{:?}", view.diagnostics);
    assert_eq!(statuses(&view), [StepStatus::Succeeded, StepStatus::Failed]);
    let larger = std::process::Command::new("mount")
        .args(["-o", "remount,size=30m"])
        .arg(root.parent().unwrap())
        .status()
        .unwrap();
    assert!(larger.success());
    assert_eq!(kale_engine::execute(root, &id).unwrap(), RunStatus::Succeeded);
    assert_eq!(project.executions("load"), 1);
}
