//! Steps that go wrong. None of them counts as succeeded; what is after them is skipped; the rest finishes.

use std::time::Instant;

use kale_model::{Code, RunStatus, RunView, SecretVariable, StepStatus};

use crate::project::{Project, StepSpec, left_over, pipeline, statuses, step};

/// Runs `bad -> after` beside `other`, checks what must hold for every bad step, and returns the view.
fn run_bad(project: &Project, bad: StepSpec) -> RunView {
    let bad = bad.saves(&["value"]);
    let view = project.run(&[
        bad,
        step("after", "print(value)").loads("bad", &["value"]),
        step("other", "import time; time.sleep(0.2); open('other.txt', 'w').write('done')"),
    ]);
    assert_eq!(view.status, RunStatus::Failed, "{:?}", view.diagnostics);
    assert_eq!(statuses(&view), [StepStatus::Failed, StepStatus::Skipped, StepStatus::Succeeded]);
    assert_eq!(project.read("other.txt"), "done");
    assert_eq!(view.diagnostics.len(), 1, "{:?}", view.diagnostics);
    assert_eq!(left_over(view.run_id.as_ref().unwrap()), Vec::<i32>::new());
    view
}

fn bad(source: &str) -> (Code, String) {
    let view = run_bad(&Project::new(), step("bad", source));
    (view.diagnostics[0].code, view.diagnostics[0].message.clone())
}

#[test]
fn raising() {
    let view = run_bad(&Project::new(), step("bad", "value = 1\n\nvalue = {}['key']"));
    let diagnostic = &view.diagnostics[0];
    assert_eq!(diagnostic.code, Code::StepFailed);
    assert!(diagnostic.message.contains("`KeyError` in cell 0, line 3"), "{}", diagnostic.message);
    assert_eq!(diagnostic.cell.unwrap().0, 0);
    assert_eq!(diagnostic.cell_id.as_deref(), Some("cell-0"));
    assert_eq!(diagnostic.start.unwrap().line, 3);
}

#[test]
fn killed() {
    let (code, message) = bad("value = 1\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)");
    assert_eq!(code, Code::StepDied);
    assert!(message.contains("signal 9 (SIGKILL)"), "{message}");
}

#[test]
fn exit_zero() {
    let (code, message) = bad("value = 1\nexit(0)");
    assert_eq!(code, Code::StepFailed);
    assert!(message.contains("exit(0)"), "{message}");
}

#[test]
fn leaving_without_a_word() {
    let (code, message) = bad("value = 1\nimport os\nprint('last words', flush=True)\nos._exit(0)");
    assert_eq!(code, Code::StepDied);
    assert!(message.contains("exit status 0"), "{message}");
}

#[test]
fn never_ending() {
    let began = Instant::now();
    let endless = step("bad", "value = 1\nwhile True: pass").config(|config| config.timeout_seconds = Some(1));
    let view = run_bad(&Project::new(), endless);
    assert_eq!(view.diagnostics[0].code, Code::StepTimedOut);
    assert!(view.diagnostics[0].message.contains("1 s"));
    assert!(began.elapsed().as_secs() < 10);
}

#[test]
fn deaf_to_signals() {
    let source = "import signal, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                  subprocess.Popen(['sleep', '600'], start_new_session=True)\nvalue = 1\nwhile True: pass";
    let view = run_bad(&Project::new(), step("bad", source).config(|config| config.timeout_seconds = Some(1)));
    assert_eq!(view.diagnostics[0].code, Code::StepTimedOut);
}

#[test]
fn eating_memory() {
    let source = "import time\nvalue = bytearray(400 << 20)\nvalue[::4096] = b'x' * len(value[::4096])\ntime.sleep(60)";
    let hungry = step("bad", source).config(|config| {
        config.resources.limits.insert("memory".to_owned(), kale_model::Quantity("200Mi".to_owned()));
    });
    let view = run_bad(&Project::new(), hungry);
    assert_eq!(view.diagnostics[0].code, Code::StepDied);
    assert!(view.diagnostics[0].message.contains("killed for memory"), "{}", view.diagnostics[0].message);
    assert!(view.diagnostics[0].message.contains("200.0 MiB"), "{}", view.diagnostics[0].message);
}

#[test]
fn unpicklable() {
    let (code, message) = bad("value = (i for i in range(3))");
    assert_eq!(code, Code::ValueNotStored);
    assert!(message.contains("`value`") && message.contains("generator"), "{message}");
}

#[test]
fn without_an_interpreter() {
    let mut project = Project::new();
    project.python = "/no/such/python".to_owned();
    let view = project.run(&[step("bad", "1")]);
    assert_eq!(statuses(&view), [StepStatus::Failed]);
    assert_eq!(view.diagnostics[0].code, Code::StepNotStarted);
    assert!(view.diagnostics[0].message.contains("/no/such/python"));
}

#[test]
fn with_an_interpreter_that_is_none() {
    let mut project = Project::new();
    project.write("python", "#!/bin/sh\necho 'python: version 3.99 is not installed' >&2\nexit 127\n");
    let script = project.path("python");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project.python = script.display().to_string();
    let view = project.run(&[step("bad", "1")]);
    assert_eq!(view.diagnostics[0].code, Code::StepNotStarted);
    assert!(view.diagnostics[0].message.contains("version 3.99 is not installed"), "{:?}", view.diagnostics);
}

#[test]
fn a_missing_secret_stops_the_run_before_it_starts() {
    let project = Project::new();
    let secret = SecretVariable {
        secret: "database".to_owned(),
        key: "password".to_owned(),
        variable: "KALE_TEST_NO_SUCH_VARIABLE".to_owned(),
    };
    let view = project.run(&[
        step("first", "open('first.txt', 'w').write('x')"),
        step("second", "1").config(|config| config.secrets.push(secret)),
    ]);
    assert_eq!(view.status, RunStatus::Failed);
    assert_eq!(statuses(&view), [StepStatus::Pending, StepStatus::Pending]);
    assert_eq!(view.diagnostics[0].code, Code::MissingSecret);
    assert!(!project.path("first.txt").exists());
}

#[test]
fn a_gpu_that_is_not_there_is_told_once_and_the_step_runs() {
    let there = cfg!(target_os = "macos")
        || ["nvidiactl", "kfd", "dxg"].iter().any(|name| std::path::Path::new("/dev").join(name).exists());
    let project = Project::new();
    let view = project.run(&[step("train", "1").config(|config| {
        config.resources.limits.insert("nvidia.com/gpu".to_owned(), kale_model::Quantity("1".to_owned()));
    })]);
    assert_eq!(view.status, RunStatus::Succeeded);
    let told = view.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::NoGpu).count();
    assert_eq!(told, usize::from(!there));
}

#[test]
fn a_value_that_finds_no_room() {
    // Stands for a full disk: the kernel refuses to write files beyond 64 kB, in the step as in the engine.
    let source = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n\
                  resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\nvalue = bytes(1 << 20)";
    let view = run_bad(&Project::new(), step("bad", source));
    assert!(matches!(view.diagnostics[0].code, Code::ValueNotStored | Code::StoreUnwritable));
    assert!(view.diagnostics[0].message.contains("`value`"), "{}", view.diagnostics[0].message);
}

#[test]
fn dying_words_are_kept() {
    let project = Project::new();
    let view = run_bad(&project, step("bad", "value = 1\nprint('last words')\nimport os\nos.abort()"));
    assert!(view.diagnostics[0].message.contains("SIGABRT"), "{:?}", view.diagnostics);
    let logs = project.store().logs(view.run_id.as_ref().unwrap(), Some("bad")).unwrap();
    assert!(logs.iter().any(|log| log.text.contains("last words")), "{logs:?}");
}

// Odd, but right: these steps succeed.

fn run_odd(project: &Project, source: &str) -> RunView {
    let view = project
        .run(&[step("odd", source).saves(&["value"]), step("after", "print('got', value)").loads("odd", &["value"])]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    assert_eq!(left_over(view.run_id.as_ref().unwrap()), Vec::<i32>::new());
    view
}

#[test]
fn printing_a_lot() {
    let project = Project::new();
    let view = run_odd(&project, "line = 'x' * 999\nfor _ in range(100_000): print(line)\nvalue = 5");
    let logs = project.store().logs(view.run_id.as_ref().unwrap(), Some("odd")).unwrap();
    assert_eq!(logs[0].text.len(), 100_000_000, "the log has all of it");
    let notebook = std::fs::metadata(view.notebook.unwrap()).unwrap();
    assert!(notebook.len() < 4_000_000, "the notebook has the beginning and the end");
}

#[test]
fn forking() {
    let project = Project::new();
    let view = run_odd(&project, "import os\nvalue = os.fork()\nprint('parent' if value else 'child')\nvalue = 7");
    let logs = project.store().logs(view.run_id.as_ref().unwrap(), Some("after")).unwrap();
    assert_eq!(logs[0].text, "got 7\n");
}

#[test]
fn closing_stdout() {
    let project = Project::new();
    let view = run_odd(&project, "import os, sys\nprint('before')\nsys.stdout.close()\nos.close(1)\nvalue = 3");
    let logs = project.store().logs(view.run_id.as_ref().unwrap(), None).unwrap();
    assert!(logs.iter().any(|log| log.text == "got 3\n"), "{logs:?}");
}

#[test]
fn crashing_after_the_work_is_done() {
    run_odd(&Project::new(), "import atexit, os\natexit.register(os.abort)\nvalue = 1");
}

#[test]
fn a_forgotten_thread() {
    let source = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\nvalue = 1";
    let project = Project::new();
    let odd = step("odd", source).config(|config| config.timeout_seconds = Some(2));
    assert_eq!(project.run(&[odd]).status, RunStatus::Succeeded, "its work was done in time");
}

#[test]
fn a_folder_that_is_gone() {
    let project = Project::new();
    let mut options = project.options();
    options.directory = project.path("gone");
    let id = project.create_with(&pipeline(&[step("a", "1")]), options);
    assert_eq!(kale_engine::execute(&project.root(), &id).unwrap(), RunStatus::Failed);
    let view = project.store().run_view(&id).unwrap();
    assert_eq!(view.diagnostics[0].code, Code::StepNotStarted);
    assert!(view.diagnostics[0].message.contains("/gone`"));
}

#[test]
fn leaving_processes_behind() {
    let source = "import os, subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n\
                  if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execvp('sleep', ['sleep', '600'])\n\
                  \x20   os._exit(0)\nos.wait()\nvalue = 1";
    run_odd(&Project::new(), source);
}

#[test]
fn a_retry_heals() {
    let project = Project::new();
    let source = "n = len(open('executions').read().split()) if __import__('os').path.exists('executions') else 0\n\
                  open('executions', 'a').write('flaky\\n')\nassert n >= 1, 'not yet'";
    let view = project.run(&[step("flaky", source).config(|config| config.retries = 2)]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    assert_eq!(project.executions("flaky"), 2);
    assert_eq!(project.store().steps(view.run_id.as_ref().unwrap()).unwrap()[0].attempt, 2);
}

#[test]
fn retries_are_used_up() {
    let project = Project::new();
    let source = "open('executions', 'a').write('bad\\n')\nraise ValueError('always')";
    let view = project.run(&[step("bad", source).config(|config| config.retries = 1)]);
    assert_eq!(view.status, RunStatus::Failed);
    assert_eq!(project.executions("bad"), 2);
    assert_eq!(view.diagnostics.len(), 1, "one failure is one error, however many attempts it took");
}

#[test]
fn a_definition_of_no_steps_is_done_at_once() {
    let project = Project::new();
    assert_eq!(project.run_pipeline(&pipeline(&[])).status, RunStatus::Succeeded);
}

#[test]
fn a_cpu_limit_binds_a_step_to_as_many_processors() {
    let project = Project::new();
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let look = "import os\nwith open('seen', 'a') as f: f.write(str(len(os.sched_getaffinity(0))))";
    let limited = step("limited", look).config(|config| {
        config.resources.limits.insert("cpu".to_owned(), kale_model::Quantity("500m".to_owned()));
    });
    let view = project.run(&[limited, step("free", look).after("limited")]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    assert_eq!(project.read("seen"), format!("1{available}"));
}

#[test]
fn mapped_files_are_no_memory_of_a_step() {
    let limit = |config: &mut kale_model::StepConfig| {
        config.resources.limits.insert("memory".to_owned(), kale_model::Quantity("200Mi".to_owned()));
    };
    let source = "import mmap, time\nwith open('big', 'wb') as f: f.truncate(400 << 20)\n\
                  f = open('big', 'rb')\nm = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\n\
                  n = sum(m[i] for i in range(0, len(m), 4096))\ntime.sleep(0.5)\nm.close()\nassert n == 0";
    let view = Project::new().run(&[step("maps", source).config(limit)]);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
}
