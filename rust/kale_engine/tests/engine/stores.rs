//! Stores that several engines share when they die, and stores that cannot be written.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kale_model::{Code, RunStatus, StepStatus};
use kale_store::Store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::project::{Project, StepSpec, left_over, pipeline, step};

/// A step that counts its executions under its own name; two pipelines of other names have nothing in common.
fn counting(name: &'static str, source: &str) -> StepSpec {
    step(name, format!("with open('executions', 'a') as f: f.write('{name}\\n')\n{source}")).uncached()
}

#[test]
fn two_engines_killed_together_lose_nothing_and_repeat_nothing() {
    for moment in [60, 150, 250, 400] {
        let project = Project::new();
        let one = [
            counting("a", "a = bytes(3_000_000)").saves(&["a"]),
            counting("b", "b = len(a)").loads("a", &["a"]).saves(&["b"]),
            counting("c", "print(b)").loads("b", &["b"]),
        ];
        let other = [
            counting("x", "x = list(range(100_000))").saves(&["x"]),
            counting("y", "y = sum(x)").loads("x", &["x"]).saves(&["y"]),
            counting("z", "print(y)").loads("y", &["y"]),
        ];
        let runs = [&one[..], &other[..]].map(|steps| project.create(&pipeline(steps)));
        let engines = runs.each_ref().map(|run| project.launch(run));
        std::thread::sleep(Duration::from_millis(moment));
        for engine in engines {
            // It may have come to its end before.
            let _ = kill(Pid::from_raw(i32::try_from(engine).unwrap()), Signal::SIGKILL);
        }
        let store = project.store();
        let mut finished = vec![];
        for run in &runs {
            project.wait_until("nothing of the run is left", || left_over(run).is_empty());
            project.wait_until("the engine's death is seen", || {
                !matches!(store.run_status(run).unwrap(), RunStatus::Pending | RunStatus::Running)
            });
            for record in store.steps(run).unwrap().iter().filter(|record| record.status == StepStatus::Succeeded) {
                assert!(store.is_complete(record.result.as_ref().unwrap()));
                finished.push((record.name.clone(), project.executions(&record.name)));
            }
        }
        for run in runs.iter().filter(|run| !store.run_status(run).unwrap().is_finished()) {
            project.launch(run);
        }
        for (run, (last, printed)) in runs.iter().zip([("c", "3000000\n"), ("z", "4999950000\n")]) {
            assert_eq!(project.wait_for_end(run).status, RunStatus::Succeeded);
            assert_eq!(store.logs(run, Some(last)).unwrap()[0].text, printed);
        }
        for (name, executions) in finished {
            assert_eq!(project.executions(&name), executions, "`{name}` ran again after it had finished");
        }
    }
}

fn mount(arguments: &[&str], place: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(place).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Needs the right to mount: root may write wherever it is not the file system that forbids it.
#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    let project = Project::new();
    let place = project.path("small");
    std::fs::create_dir(&place).unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=10m", "tmpfs"], &place) {
        return;
    }
    let result = std::panic::catch_unwind(|| read_only(&project, &place));
    Command::new("umount").arg("-l").arg(&place).status().unwrap();
    result.unwrap();
}

fn read_only(project: &Project, place: &Path) {
    let root = place.join("store");
    let new = kale_store::NewRun {
        pipeline: pipeline(&[counting("a", "print('said')\na = 1").saves(&["a"]), counting("b", "b").after("a")]),
        parameters: Default::default(),
        source: None,
        notebook: b"{}".to_vec(),
        diagnostics: vec![],
        options: project.options(),
    };
    let store = Store::open(&root).unwrap();
    let id = store.create_run(&new).unwrap();
    drop(store);
    assert_eq!(kale_engine::execute(&root, &id).unwrap(), RunStatus::Failed, "`b` is not defined");
    assert!(mount(&["-o", "remount,ro"], place));

    let store = Store::open_existing(&root).unwrap().unwrap();
    assert_eq!(store.run_view(&id).unwrap().status, RunStatus::Failed);
    assert_eq!(store.logs(&id, Some("a")).unwrap()[0].text, "said\n");
    assert_eq!(store.create_run(&new).unwrap_err().diagnostic().code, Code::StoreUnwritable);
    let error = kale_engine::execute(&root, &id).unwrap_err();
    assert_eq!(error.diagnostic().code, Code::StoreUnwritable, "{error}");
    assert_eq!(project.executions("b"), 1, "nothing ran");

    assert!(mount(&["-o", "remount,rw"], place));
    assert_eq!(kale_engine::execute(&root, &id).unwrap(), RunStatus::Failed);
    assert_eq!([project.executions("a"), project.executions("b")], [1, 2]);
}
