//! Sweeps in the store: what was asked for, the log of trials, and what is shown of both.

mod support;

use std::time::Duration;

use kale_model::sweep::{Algorithm, Direction, Objective, Point, Space, Sweep};
use kale_model::{RunStatus, StepStatus};
use kale_store::{Digest, NewRun, NewSweep, NewTrial, Policy, StoreError, TrialEnd, now};
use serde_json::json;
use support::{carry_out, new_run, open};

fn sweep() -> Sweep {
    Sweep {
        space: Space::default(),
        objectives: vec![Objective { metric: "loss".to_owned(), direction: Direction::Minimize, goal: None }],
        algorithm: Algorithm::Random,
        settings: Default::default(),
        early_stopping: None,
        trials: 3,
        parallel: 2,
        max_failed: None,
        timeout: None,
        seed: 1,
    }
}

fn new_sweep() -> NewSweep {
    NewSweep { sweep: sweep(), run: new_run(json!({})), planned: Some(6) }
}

fn trial(number: u64, k: i64) -> NewTrial {
    let point: Point = [("k".to_owned(), json!(k))].into_iter().collect();
    NewTrial { number, point, place: None }
}

fn ended(value: f64) -> TrialEnd {
    TrialEnd { status: RunStatus::Succeeded, values: vec![value], reason: None }
}

fn of(k: i64) -> NewRun {
    new_run(json!({"k": k}))
}

#[test]
fn a_sweep_comes_back_as_it_was_asked_for() {
    let (_folder, store) = open();
    let id = store.create_sweep(&new_sweep()).unwrap();
    let record = store.sweep(&id).unwrap();
    assert_eq!((record.status, record.sweep, record.planned), (RunStatus::Pending, sweep(), Some(6)));
    assert_eq!(record.run.notebook, b"{}");
    assert_eq!(record.run.pipeline, new_run(json!({})).pipeline);
    assert_eq!(store.sweep_ids(None, None).unwrap(), [id]);
    let unknown = store.sweep(&kale_model::sweep::SweepId("x".to_owned()));
    assert!(matches!(unknown, Err(StoreError::UnknownSweep(_))));
}

#[test]
fn trials_are_runs_and_the_best_one_is_known() {
    let (_folder, store) = open();
    let id = store.create_sweep(&new_sweep()).unwrap();
    store.claim_sweep(&id).unwrap();
    for (number, loss) in [(0, 0.5), (1, 0.25), (2, 0.75)] {
        let run = store.begin_trial(&id, &of(10 + number), &trial(number as u64, 10 + number)).unwrap();
        carry_out(&store, &run, &format!("k={number}"), loss);
        store.end_trial(&id, number as u64, &ended(loss)).unwrap();
    }
    store.finish_sweep(&id, RunStatus::Succeeded, None).unwrap();
    let view = store.sweep_view(&id).unwrap();
    assert_eq!((view.status, view.step_executions, view.planned_step_executions), (RunStatus::Succeeded, 6, Some(6)));
    let best = view.best.unwrap();
    assert_eq!((best.trial, best.value, &best.parameters["k"]), (1, 0.25, &json!(11)));
    assert_eq!(best.run_id, view.trials[1].run_id);
    assert_eq!(view.trials[2].metrics["loss"], json!(0.75));
    // Each of them is a run like any other.
    assert_eq!(store.run_view(&best.run_id).unwrap().parameters["k"], json!(11));
}

#[test]
fn what_a_trial_has_done_stands_for_the_others() {
    let (_folder, store) = open();
    let (id, other) = (store.create_sweep(&new_sweep()).unwrap(), store.create_sweep(&new_sweep()).unwrap());
    let run = store.begin_trial(&id, &of(1), &trial(0, 1)).unwrap();
    carry_out(&store, &run, "same", 0.5);
    let identity = &store.steps(&run).unwrap()[0];
    assert_eq!(identity.status, StepStatus::Succeeded);
    let fingerprint = json!({"code": "load same", "files": {"data.csv": "d1"}, "environment": {"python": "3"}});
    let fingerprint = Digest::of(fingerprint.to_string().as_bytes());
    let found = store.result_in_sweep(&id, &fingerprint).unwrap().unwrap();
    assert_eq!((found.run, found.step.as_str()), (run, "load"));
    assert!(store.result_in_sweep(&other, &fingerprint).unwrap().is_none(), "another sweep is another experiment");
    assert!(store.result_in_sweep(&id, &Digest::of(b"other")).unwrap().is_none());
}

#[test]
fn what_a_sweep_needs_is_no_garbage() {
    let (_folder, store) = open();
    let id = store.create_sweep(&new_sweep()).unwrap();
    store.collect_garbage(&Policy::default(), Duration::ZERO, now()).unwrap();
    assert_eq!(store.sweep(&id).unwrap().run.notebook, b"{}");
}

#[test]
fn a_sweep_whose_engine_has_died_is_interrupted_and_can_be_claimed() {
    let (_folder, store) = open();
    let id = store.create_sweep(&new_sweep()).unwrap();
    store.claim_sweep(&id).unwrap();
    assert_eq!(store.sweep_status(&id).unwrap(), RunStatus::Running);
    // Claimed again by the same process: nobody else is there.
    store.claim_sweep(&id).unwrap();
    store.request_cancel_of_sweep(&id).unwrap();
    assert!(store.cancel_of_sweep_requested(&id).unwrap());
    store.finish_sweep(&id, RunStatus::Cancelled, None).unwrap();
    // Whoever goes on with it does not find the wish of before.
    store.claim_sweep(&id).unwrap();
    assert!(!store.cancel_of_sweep_requested(&id).unwrap());
}

#[test]
fn a_trial_is_over_when_the_sweep_has_judged_it() {
    let (_folder, store) = open();
    let id = store.create_sweep(&new_sweep()).unwrap();
    store.claim_sweep(&id).unwrap();
    let run = store.begin_trial(&id, &of(1), &trial(0, 1)).unwrap();
    carry_out(&store, &run, "k=1", 0.5);
    assert_eq!(store.run_status(&run).unwrap(), RunStatus::Succeeded);
    assert_eq!(store.sweep_view(&id).unwrap().trials[0].status, RunStatus::Running);
    let failed = TrialEnd { status: RunStatus::Failed, values: vec![], reason: Some("its `loss` is NaN".to_owned()) };
    store.end_trial(&id, 0, &failed).unwrap();
    assert_eq!(store.sweep_view(&id).unwrap().trials[0].status, RunStatus::Failed);
}

#[test]
fn an_engine_that_lives_is_not_passed_over() {
    let (_folder, store) = open();
    let id = store.create_sweep(&new_sweep()).unwrap();
    let mut engine = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    store.expect_sweep_engine(&id, engine.id()).unwrap();
    let queued = store.queue_sweep(&id);
    let changed = store.change_sweep(&id, &sweep(), None);
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert!(matches!(queued, Err(StoreError::SweepBusy { .. })), "{queued:?}");
    assert!(matches!(changed, Err(StoreError::SweepBusy { .. })), "{changed:?}");
    assert_eq!(store.sweep_status(&id).unwrap(), RunStatus::Interrupted);
    store.queue_sweep(&id).unwrap();
    assert_eq!(store.sweep_status(&id).unwrap(), RunStatus::Pending);
}

#[test]
fn a_sweep_is_named_by_how_its_id_begins() {
    let (_folder, store) = open();
    let (first, second) = (store.create_sweep(&new_sweep()).unwrap(), store.create_sweep(&new_sweep()).unwrap());
    assert_eq!(store.find_sweep(&first.0).unwrap(), first);
    assert_eq!(store.find_sweep("last").unwrap(), second);
    assert!(matches!(store.find_sweep("2"), Err(StoreError::AmbiguousSweep { .. })));
    assert!(matches!(store.find_sweep("x"), Err(StoreError::UnknownSweep(_))));
    assert_eq!(store.sweep_ids(None, Some(1)).unwrap(), [second]);
    assert!(store.sweep_ids(Some("/nowhere.ipynb".as_ref()), None).unwrap().is_empty());
}
