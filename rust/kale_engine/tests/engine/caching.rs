//! When a stored result stands for running a step. Executions are counted by the steps themselves.

use kale_model::{RunStatus, StepStatus};

use crate::project::{Project, StepSpec, add_parameter, count, counting, engine_command, pipeline, statuses, step};

fn chain(project: &Project) -> Vec<StepSpec> {
    vec![
        counting(project, "load", "a = 20").saves(&["a"]),
        counting(project, "train", "print('training'); b = a + 1").loads("load", &["a"]).saves(&["b"]),
        counting(project, "test", "b").loads("train", &["b"]),
    ]
}

#[test]
fn nothing_changed_nothing_runs() {
    let project = Project::new();
    let steps = chain(&project);
    let first = project.run(&steps);
    assert_eq!(first.status, RunStatus::Succeeded, "{:?}", first.diagnostics);
    let second = project.run(&steps);
    assert_eq!(statuses(&second), [StepStatus::Cached; 3]);
    assert_eq!(count(&project, "train"), 1);
    let (first_id, second_id) = (first.run_id.unwrap(), second.run_id.unwrap());
    let store = project.store();
    assert_eq!(store.logs(&second_id, Some("train")).unwrap()[0].text, "training\n");
    let reason = store.steps(&second_id).unwrap()[1].reason.clone().unwrap();
    assert!(reason.contains(&first_id.0), "{reason}");
    let outputs = |path: Option<String>| {
        let text = std::fs::read_to_string(path.unwrap()).unwrap();
        let notebook: serde_json::Value = serde_json::from_str(&text).unwrap();
        notebook["cells"].clone()
    };
    assert_eq!(outputs(first.notebook), outputs(second.notebook), "also in the executed notebook");
}

#[test]
fn a_change_runs_what_depends_on_it() {
    let project = Project::new();
    let mut steps = chain(&project);
    project.run(&steps);
    steps[1].source.push_str("\nb = b + 0");
    let view = project.run(&steps);
    assert_eq!(statuses(&view)[..2], [StepStatus::Cached, StepStatus::Succeeded]);
    // `test` gets the same value as before, whatever made it.
    assert_eq!(statuses(&view)[2], StepStatus::Cached);
    steps[0].source.push_str("\na = 21");
    let view = project.run(&steps);
    assert_eq!(statuses(&view), [StepStatus::Succeeded; 3]);
}

#[test]
fn the_normalised_source_decides() {
    let project = Project::new();
    let mut steps = vec![counting(&project, "load", "a = 1")];
    steps[0].fingerprint_source = "a=1".to_owned();
    project.run(&steps);
    steps[0].source.push_str("   # a comment");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Cached]);
    steps[0].fingerprint_source = "a=2".to_owned();
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Succeeded]);
}

#[test]
fn an_input_file_that_changed_runs_the_step() {
    let project = Project::new();
    let steps = [counting(&project, "load", "a = open('data.csv').read()").reads("data.csv").saves(&["a"])];
    project.write("data.csv", "1");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Succeeded]);
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Cached]);
    project.write("data.csv", "2");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Succeeded]);
    project.write("data.csv", "1");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Cached]);
    assert_eq!(count(&project, "load"), 2);
}

#[test]
fn a_file_that_only_the_run_revealed_counts_too() {
    let project = Project::new();
    let steps = [counting(&project, "load", "a = open('da' + 'ta.csv').read()").saves(&["a"])];
    project.write("data.csv", "1");
    project.run(&steps);
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Cached]);
    project.write("data.csv", "2");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Succeeded]);
    project.write("data.csv", "1");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Cached]);
}

#[test]
fn files_are_put_back() {
    let project = Project::new();
    let source = "import os\nos.makedirs('out', exist_ok=True)\nopen('out/a.txt', 'w').write('A')\n\
                  open('declared.txt', 'w').write('D')\nopen('part', 'w').write('R')\nos.replace('part', 'renamed')";
    let steps = [counting(&project, "write", source).writes("declared.txt")];
    let first = project.run(&steps);
    assert_eq!(first.status, RunStatus::Succeeded, "{:?}", first.diagnostics);
    std::fs::remove_dir_all(project.path("out")).unwrap();
    std::fs::remove_file(project.path("renamed")).unwrap();
    project.write("declared.txt", "changed by hand");
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Cached]);
    assert_eq!(project.read("out/a.txt"), "A");
    assert_eq!(project.read("declared.txt"), "D");
    assert_eq!(project.read("renamed"), "R");
}

#[test]
fn what_a_stored_result_cannot_stand_for_runs_again() {
    let project = Project::new();
    let sources = [
        ("program", "import subprocess; subprocess.run(['true'])"),
        ("counter", "n = int(open('n').read()); f = open('n', 'w'); f.write(str(n + 1)); f.close()"),
        ("remover", "import os; os.path.exists('gone') and os.remove('gone')"),
    ];
    project.write("n", "1");
    project.write("gone", "");
    let steps: Vec<StepSpec> = sources.iter().map(|(name, source)| step(name, *source)).collect();
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Succeeded; 3]);
    assert_eq!(statuses(&project.run(&steps)), [StepStatus::Succeeded; 3]);
    assert_eq!(project.read("n"), "3");
}

#[test]
fn tags_and_options_have_the_last_word() {
    let mut project = Project::new();
    let never = [counting(&project, "never", "1").uncached()];
    project.run(&never);
    assert_eq!(statuses(&project.run(&never)), [StepStatus::Succeeded]);
    let plain = [counting(&project, "plain", "1")];
    project.run(&plain);
    project.cache = false;
    assert_eq!(statuses(&project.run(&plain)), [StepStatus::Succeeded]);
}

#[test]
fn parameters_count_where_they_are_read() {
    let mut project = Project::new();
    let specs = [counting(&project, "free", "1"), counting(&project, "bound", "print(k)")];
    let mut pipeline = pipeline(&specs);
    add_parameter(&mut pipeline, "k", 3, 1);
    let first = project.run_pipeline(&pipeline);
    assert_eq!(first.status, RunStatus::Succeeded, "{:?}", first.diagnostics);
    project.parameters.insert("k".to_owned(), serde_json::json!(4));
    let second = project.run_pipeline(&pipeline);
    assert_eq!(statuses(&second), [StepStatus::Cached, StepStatus::Succeeded]);
    let store = project.store();
    assert_eq!(store.logs(second.run_id.as_ref().unwrap(), Some("bound")).unwrap()[0].text, "4\n");
    let diff = store.diff(&first.run_id.unwrap(), &second.run_id.unwrap()).unwrap();
    assert_eq!(diff.parameters.len(), 1);
    assert!(diff.code.is_empty() && diff.data.is_empty() && diff.environment.is_empty(), "{diff:?}");
}

#[test]
fn environment_variables_count() {
    let project = Project::new();
    // One is known beforehand, the other one only the run reveals.
    let steps = [
        counting(&project, "known", "import os; a = os.environ.get('KALE_TEST_A')").variable("KALE_TEST_A"),
        counting(&project, "seen", "import os; b = os.environ.get('KALE_TEST_' + 'B')"),
    ];
    let run = |setting: &str| {
        let id = project.create(&pipeline(&steps));
        let mut command: Vec<std::ffi::OsString> = vec!["env".into(), setting.into()];
        command.extend(engine_command(&project.root(), &id));
        kale_engine::launch(&project.store(), &id, &command).unwrap();
        statuses(&project.wait_for_end(&id))
    };
    assert_eq!(run("KALE_TEST_NONE=1"), [StepStatus::Succeeded, StepStatus::Succeeded]);
    assert_eq!(run("KALE_TEST_NONE=1"), [StepStatus::Cached, StepStatus::Cached]);
    assert_eq!(run("KALE_TEST_A=1"), [StepStatus::Succeeded, StepStatus::Cached]);
    assert_eq!(run("KALE_TEST_B=1"), [StepStatus::Cached, StepStatus::Succeeded]);
}

#[test]
fn metrics_are_repeated() {
    let project = Project::new();
    let source = "import kale_rs\nfor i in range(3): kale_rs.metric('loss', 1 / (i + 1), step=i)";
    let steps = [counting(&project, "train", source)];
    let first = project.run(&steps);
    let second = project.run(&steps);
    assert_eq!(statuses(&second), [StepStatus::Cached]);
    assert_eq!(first.metrics, second.metrics);
    assert_eq!(first.metrics["loss"], serde_json::json!(1.0 / 3.0));
    let series = project.store().metric_series(second.run_id.as_ref().unwrap(), "loss").unwrap();
    assert_eq!(series.len(), 3);
    assert_eq!(series[1], (Some(1), serde_json::json!(0.5)));
}

#[test]
fn a_damaged_store_costs_time_and_not_the_result() {
    let project = Project::new();
    let steps = chain(&project);
    let first = project.run(&steps);
    let store = project.store();
    let result = store.steps(first.run_id.as_ref().unwrap()).unwrap()[0].result.clone().unwrap();
    std::fs::remove_file(store.blobs().path(&result.outputs["load_values"])).unwrap();
    let second = project.run(&steps);
    assert_eq!(statuses(&second)[0], StepStatus::Succeeded);
    assert_eq!(second.status, RunStatus::Succeeded);
}
