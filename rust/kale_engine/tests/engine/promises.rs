//! Pipelines whose claims are wrong: the run says which cell does what nobody promised.

use kale_model::{CellClaims, CellIndex, Claims, Code, Pipeline, RunStatus, RunView};

use crate::project::{Project, StepSpec, pipeline, step};

/// The pipeline of the given steps with claims as the compiler would make them: step `i` is cell `i`.
fn claimed(specs: &[StepSpec], change: impl Fn(usize, &mut CellClaims)) -> Pipeline {
    let mut pipeline = pipeline(specs);
    for (index, (step, spec)) in pipeline.steps.iter_mut().zip(specs).enumerate() {
        let mut claims = CellClaims::nothing(CellIndex(index));
        claims.binds = spec.saves.iter().map(ToString::to_string).collect();
        claims.reads = spec.loads.iter().flat_map(|(_, names)| names.iter().map(ToString::to_string)).collect();
        claims.files = step.files.clone();
        change(index, &mut claims);
        for name in &claims.binds {
            pipeline.bindings.entry(name.clone()).or_insert(CellIndex(index));
        }
        step.claims = Some(Claims { cells: vec![claims] });
    }
    pipeline
}

/// The run's only error: its code, cell, and message.
fn violation(view: &RunView) -> (Code, usize, &str) {
    assert_eq!(view.status, RunStatus::Failed, "{:?}", view.diagnostics);
    let errors: Vec<_> = view.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].cell_id, errors[0].cell.map(|cell| format!("cell-{}", cell.0)));
    (errors[0].code, errors[0].cell.unwrap().0, &errors[0].message)
}

#[test]
fn a_change_that_nobody_promised() {
    let project = Project::new();
    let specs = [
        step("make", "values = [2, 1]").saves(&["values"]),
        step("sort", "values.sort()").loads("make", &["values"]),
        step("show", "print(values)").loads("make", &["values"]),
    ];
    let view = project.run_pipeline(&claimed(&specs, |_, _| {}));
    let (code, cell, message) = violation(&view);
    assert_eq!((code, cell), (Code::UndeclaredChange, 1));
    assert!(message.contains("`values[0]` changes here from 2 to 1"), "{message}");
    let right = claimed(&specs, |cell, claims| claims.changes = vec!["values".to_owned(); usize::from(cell == 1)]);
    assert_eq!(project.run_pipeline(&right).status, RunStatus::Succeeded);
}

#[test]
fn a_variable_that_the_step_was_not_given() {
    let specs = [step("make", "value = 1").saves(&["value"]), step("show", "x = 1\nprint(value)").after("make")];
    let view = Project::new().run_pipeline(&claimed(&specs, |_, _| {}));
    let (code, cell, message) = violation(&view);
    assert_eq!((code, cell), (Code::UndeclaredRead, 1));
    assert!(message.contains("cell 1, line 2 reads `value`, which cell 0 binds"), "{message}");
    // Nobody binds this one: the notebook would raise, too.
    let view = Project::new().run_pipeline(&claimed(&[step("show", "nobody")], |_, _| {}));
    assert_eq!(violation(&view).0, Code::StepFailed);
}

#[test]
fn files_that_meet() {
    let write = "open('shared.txt', 'w').write('x')";
    let read = "import os, time\nwhile not os.path.exists('shared.txt'): time.sleep(0.01)\nopen('shared.txt').read()";
    let specs = [step("write", write), step("read", read).reads("shared.txt")];
    let view = Project::new().run_pipeline(&claimed(&specs, |_, _| {}));
    let (code, cell, message) = violation(&view);
    assert_eq!((code, cell), (Code::UndeclaredResource, 0));
    assert!(message.contains("Cell 0 writes `shared.txt`, which cell 1 of step `read` reads"), "{message}");
    // In order they are the notebook's, whoever knows of it.
    let ordered = [step("write", write), step("read", read).after("write")];
    let view = Project::new().run_pipeline(&claimed(&ordered, |_, _| {}));
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    // Two that nobody foresaw.
    let unforeseen = [step("write", write), step("read", read)];
    let view = Project::new().run_pipeline(&claimed(&unforeseen, |_, _| {}));
    assert_eq!(violation(&view).0, Code::UndeclaredResource);
}

#[test]
fn files_that_nobody_minds_are_told() {
    let specs = [step("write", "open('a.txt', 'w').close()"), step("read", "open('b.txt').read()").reads("b.txt")];
    let project = Project::new();
    project.write("b.txt", "b");
    let view = project.run_pipeline(&claimed(&specs, |_, _| {}));
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    let told: Vec<_> = view.diagnostics.iter().map(|d| (d.code, d.cell.unwrap().0, d.message.as_str())).collect();
    let message = "Cell 0 writes `a.txt`, which could not be seen before the run.";
    assert_eq!(told, [(Code::UnforeseenResource, 0, message)]);
}
