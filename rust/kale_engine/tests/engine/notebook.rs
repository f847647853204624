//! The executed notebook.

use kale_model::{CellIndex, Instruction, RunStatus, StepStatus};
use serde_json::{Value, json};

use crate::project::{Project, add_parameter, notebook_of, pipeline, python, statuses, step};

#[test]
fn cells_have_what_their_steps_put_out() {
    let project = Project::new();
    let mut options = project.options();
    options.output_notebook = Some(project.path("out/executed.ipynb"));
    let id = project.create_with(
        &pipeline(&[
            step("good", "print('hello')\n6 * 7"),
            step("bad", "print('so far')\n1 / 0").after("good"),
            step("skipped", "1").after("bad"),
        ]),
        options,
    );
    kale_engine::execute(&project.root(), &id).unwrap();
    let view = project.store().run_view(&id).unwrap();
    assert_eq!(statuses(&view), [StepStatus::Succeeded, StepStatus::Failed, StepStatus::Skipped]);
    let path = view.notebook.unwrap();
    assert_eq!(path, project.path("out/executed.ipynb").display().to_string());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, std::fs::read_to_string(project.store().run_directory(&id).join("example.ipynb")).unwrap());
    let notebook: Value = serde_json::from_str(&text).unwrap();
    let cells = &notebook["cells"];
    assert_eq!(cells[0]["execution_count"], json!(1));
    assert_eq!(cells[0]["outputs"][0], json!({"output_type": "stream", "name": "stdout", "text": ["hello\n"]}));
    assert_eq!(cells[0]["outputs"][1]["data"]["text/plain"], json!(["42"]));
    assert_eq!(cells[0]["outputs"][1]["execution_count"], json!(1));
    assert_eq!(cells[1]["execution_count"], json!(2));
    assert_eq!(cells[1]["outputs"][0]["text"], json!(["so far\n"]));
    assert_eq!(cells[1]["outputs"][1]["ename"], json!("ZeroDivisionError"));
    assert_eq!(cells[2]["execution_count"], Value::Null);
    assert_eq!(cells[2]["outputs"], json!([]));
    assert_eq!(notebook["metadata"]["kale_rs"]["run_id"], json!(id));
    assert_eq!(notebook["metadata"]["kale_rs"]["status"], json!("failed"));
    validate(&path);
}

#[test]
fn definitions_that_steps_repeat_count_as_run() {
    let mut project = Project::new();
    let mut pipeline =
        pipeline(&[step("imports", "import math"), step("unused", "x = 1"), step("use", "math.floor(k)")]);
    project.notebook = Some(notebook_of(&pipeline));
    // Cell 0 is a prelude, cell 1 is skipped: only the last one is a step.
    pipeline.steps.drain(..2);
    let define = Instruction::Define { cell: CellIndex(0), line: 1, source: "import math".to_owned() };
    pipeline.steps[0].program.insert(0, define);
    add_parameter(&mut pipeline, "k", 7, 0);
    let view = project.run_pipeline(&pipeline);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    let path = view.notebook.unwrap();
    let notebook: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let counts: Vec<&Value> = (0..3).map(|index| &notebook["cells"][index]["execution_count"]).collect();
    assert_eq!(counts, [&json!(1), &Value::Null, &json!(2)]);
    assert_eq!(notebook["cells"][2]["outputs"][0]["data"]["text/plain"], json!(["7"]));
    assert_eq!(notebook["metadata"]["kale_rs"]["parameters"], json!({"k": 7}));
    validate(&path);
}

#[test]
fn a_step_that_died_keeps_its_finished_cells_and_its_log() {
    let project = Project::new();
    let mut pipeline = pipeline(&[step("two", "print('first')"), step("x", "import os\nprint('then')\nos._exit(1)")]);
    // One step of two cells, of which the second one dies.
    let second = pipeline.steps.pop().unwrap();
    pipeline.steps[0].cells.extend(second.cells);
    pipeline.steps[0].program.extend(second.program);
    let view = project.run_pipeline(&pipeline);
    assert_eq!(view.status, RunStatus::Failed);
    assert_eq!(view.diagnostics[0].cell.map(|cell| cell.0), Some(1), "{:?}", view.diagnostics);
    let logs = project.store().logs(view.run_id.as_ref().unwrap(), None).unwrap();
    assert!(logs[0].text.starts_with("first\n"), "{logs:?}");
}

#[test]
fn a_place_that_cannot_be_written_costs_a_warning() {
    let project = Project::new();
    let mut options = project.options();
    project.write("file", "");
    options.output_notebook = Some(project.path("file/executed.ipynb"));
    let id = project.create_with(&pipeline(&[step("a", "1")]), options);
    assert_eq!(kale_engine::execute(&project.root(), &id).unwrap(), RunStatus::Succeeded);
    let view = project.store().run_view(&id).unwrap();
    assert_eq!(view.diagnostics[0].severity, kale_model::Severity::Warning);
    assert!(view.diagnostics[0].message.contains("file/executed.ipynb"));
}

/// By nbformat itself, where the Python has it.
fn validate(path: &str) {
    let script = "import sys\ntry: import nbformat\nexcept ImportError: sys.exit()\n\
                  nbformat.validate(nbformat.read(sys.argv[1], as_version=4))";
    let status = std::process::Command::new(python()).args(["-c", script, path]).status().unwrap();
    assert!(status.success());
}
