//! Sweeps: trials beside each other, what they have in common run once. Executions are counted by the steps themselves.

use std::time::Instant;

use kale_engine::execute_sweep;
use kale_model::sweep::{Algorithm, Dimension, Direction, Domain, Objective, Scale, Space, Sweep, SweepId, SweepView};
use kale_model::{Pipeline, RunStatus, StepStatus};
use kale_store::{NewRun, NewSweep};
use serde_json::json;

use crate::project::{Project, add_parameter, count, counting, notebook_of, pipeline, step};

fn varied(low: i64, high: i64) -> Space {
    let domain = Domain::Int { low, high, step: 1, scale: Scale::Linear };
    Space(vec![Dimension { name: "k".parse().unwrap(), domain }])
}

fn of(space: Space, trials: u64, parallel: usize) -> Sweep {
    Sweep {
        space,
        objectives: vec![Objective { metric: "loss".to_owned(), direction: Direction::Minimize, goal: None }],
        algorithm: Algorithm::Grid,
        settings: Default::default(),
        early_stopping: None,
        trials,
        parallel,
        max_failed: None,
        timeout: None,
        seed: 1,
    }
}

fn create(project: &Project, pipeline: &Pipeline, sweep: Sweep) -> SweepId {
    let run = NewRun {
        pipeline: pipeline.clone(),
        parameters: Default::default(),
        source: Some(project.path("example.ipynb")),
        notebook: notebook_of(pipeline).to_string().into_bytes(),
        diagnostics: vec![],
        options: project.options(),
    };
    project.store().create_sweep(&NewSweep { sweep, run, planned: None }).unwrap()
}

fn carry_out(project: &Project, id: &SweepId) -> SweepView {
    let status = execute_sweep(&project.root(), id).unwrap();
    let view = project.store().sweep_view(id).unwrap();
    assert_eq!(view.status, status);
    view
}

/// Two steps that nothing is varied of, and two that everything changes.
fn four_steps(project: &Project) -> Pipeline {
    let mut pipeline = pipeline(&[
        counting(project, "load", "rows = 40"),
        counting(project, "split", "half = 20").after("load"),
        counting(project, "train", "loss = (k - 3.25) ** 2").after("split").saves(&["loss"]),
        counting(project, "test", "import kale_rs; kale_rs.metric('loss', loss)").loads("train", &["loss"]),
    ]);
    add_parameter(&mut pipeline, "k", 1, 2);
    pipeline
}

#[test]
fn what_nothing_varied_reaches_is_run_once() {
    let project = Project::new();
    let id = create(&project, &four_steps(&project), of(varied(1, 5), 5, 4));
    let view = carry_out(&project, &id);
    assert_eq!(view.status, RunStatus::Succeeded, "{view:#?}");
    let counts = ["load", "split", "train", "test"].map(|name| count(&project, name));
    assert_eq!(counts, [1, 1, 5, 5]);
    assert_eq!(view.step_executions, 12);
    let best = view.best.unwrap();
    assert_eq!((best.value, &best.parameters["k"]), (0.0625, &json!(3)));
}

#[test]
fn trials_run_beside_each_other() {
    let project = Project::new();
    let mut pipeline =
        pipeline(&[step("train", "import time; time.sleep(1); k; import kale_rs; kale_rs.metric('loss', k)")]);
    add_parameter(&mut pipeline, "k", 1, 0);
    let id = create(&project, &pipeline, of(varied(1, 8), 8, 4));
    let began = Instant::now();
    let view = carry_out(&project, &id);
    assert_eq!(view.trials.len(), 8);
    assert!(began.elapsed().as_secs_f64() < 7.0, "one after another they would take 8 s");
}

#[test]
fn a_trial_that_fails_says_why_and_the_others_go_on() {
    let project = Project::new();
    let source = "import kale_rs\nif k == 1: 1 / 0\nif k == 2: kale_rs.metric('other', 1)\n\
                  if k == 3: kale_rs.metric('loss', float('nan'))\nif k == 4: kale_rs.metric('loss', 7)";
    let mut pipeline = pipeline(&[step("train", source)]);
    add_parameter(&mut pipeline, "k", 1, 0);
    let id = create(&project, &pipeline, of(varied(1, 4), 4, 1));
    let view = carry_out(&project, &id);
    assert_eq!(view.status, RunStatus::Succeeded);
    let reasons: Vec<String> = view.trials.iter().map(|trial| trial.reason.clone().unwrap_or_default()).collect();
    assert!(reasons[0].contains("ZeroDivisionError"), "{reasons:?}");
    assert_eq!(reasons[1], "it has not told the metric `loss`, only other");
    assert_eq!(reasons[2], "its `loss` is NaN");
    assert_eq!(view.trials[3].status, RunStatus::Succeeded);
    assert_eq!(view.best.unwrap().trial, 3);
}

#[test]
fn a_sweep_that_is_over_does_nothing_again() {
    let project = Project::new();
    let id = create(&project, &four_steps(&project), of(varied(1, 3), 3, 2));
    carry_out(&project, &id);
    let view = carry_out(&project, &id);
    assert_eq!((count(&project, "load"), count(&project, "test")), (1, 3));
    assert_eq!(view.trials.len(), 3);
    let runs = project.store().run_ids().unwrap();
    assert_eq!(runs.len(), 3);
    let statuses: Vec<StepStatus> = project.store().steps(&runs[0]).unwrap().iter().map(|step| step.status).collect();
    assert!(statuses.iter().all(|status| matches!(status, StepStatus::Succeeded | StepStatus::Cached)));
}
