//! The comment on top of the file: what is varied, and what a cluster needs for it.

use std::fmt::Write;

use kale_model::sweep::Direction;

use super::experiment::Experiment;
use super::{Trials, job};
use crate::graph::TaskGraph;
use crate::text::one_line;

pub fn comment(graph: &TaskGraph, trials: &Trials, experiment: &Experiment) -> String {
    let spec = &experiment.spec;
    let objective = &spec.objective;
    let mut lines = vec![
        "EXPERIMENT OF KATIB".to_owned(),
        format!("Name: {}", experiment.metadata.name),
        format!("Pipeline: {}", graph.pipeline.name),
        "Varied:".to_owned(),
    ];
    lines.extend(trials.sweep.space.0.iter().map(|one| format!("   {}={}", one.name, one.domain)));
    lines.push(format!("Objective: {} {}", direction(objective.direction), objective.objective_metric_name));
    lines.push(format!(
        "Trials: {}, {} beside each other, chosen by {}",
        spec.max_trial_count, spec.parallel_trial_count, spec.algorithm.algorithm_name
    ));
    let account = trials.service_account.as_deref().unwrap_or(job::SERVICE_ACCOUNT);
    lines.extend([
        "To begin:".to_owned(),
        "   kubectl apply --server-side -f THIS-FILE".to_owned(),
        "The namespace needs:".to_owned(),
        "   the label katib.kubeflow.org/metrics-collector-injection=enabled".to_owned(),
        format!("   the service account {account}, which may edit pipelines (--service-account names another one)"),
        "Kubeflow Pipelines is asked at KALE_KFP_URL, in the Experiment's template.".to_owned(),
    ]);
    let mut out = String::new();
    for line in lines {
        writeln!(out, "# {}", one_line(&line)).expect("a string takes any text");
    }
    out
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Minimize => "minimize",
        Direction::Maximize => "maximize",
    }
}
