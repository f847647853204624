//! The `katib` target: an Experiment v1beta1 of Katib, each of whose trials is a run of the pipeline.
//!
//! The file has two resources. The ConfigMap ([`files`]) holds the pipeline as KFP takes it, and `trial.py`, a launcher
//! of the standard library. The Experiment ([`experiment`]) holds the template of a Job ([`job`]) that runs it: a cluster
//! needs nothing of ours. What Katib chooses reaches the launcher by environment variables ([`choices`]).
//!
//! Katib tells what is wrong with an Experiment when it is applied ([`admission`]) or, worse, when its algorithm begins
//! ([`engines`]). Both are told here before, and so is what its engines do otherwise than what is asked.
//!
//! A trial's run has the trial's name, and an Experiment names its pipeline in a label: whoever follows an Experiment on
//! a cluster finds the runs of its trials by that alone.

mod admission;
mod choices;
mod engines;
mod experiment;
mod files;
mod header;
mod job;

use kale_model::sweep::Sweep;
use kale_model::{Code, Diagnostic, Namespace};
use serde_json::{Map, Value};

use crate::EmitOptions;
use crate::graph::TaskGraph;
use crate::kfp;
use crate::yaml;

/// What Katib is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    /// How many trials run beside each other, and where random numbers begin, are below: what a sweep has for them is
    /// this machine's.
    pub sweep: Sweep,
    /// `None`: as many as Katib's own default, or as the algorithm needs.
    pub parallel: Option<usize>,
    pub seed: Option<u64>,
    /// Values of parameters that are not varied, in KFP's types.
    pub arguments: Map<String, Value>,
    /// `None` leaves it to whoever applies the resources.
    pub namespace: Option<Namespace>,
    /// As whom trials ask Kubeflow Pipelines for runs; `None`: as the editor that Kubeflow's profiles have.
    pub service_account: Option<String>,
}

/// What is wrong, and what to do.
type Fault = (String, String);

pub fn emit(graph: &TaskGraph, options: &EmitOptions, diagnostics: &mut Vec<Diagnostic>) -> String {
    let Some(trials) = options.trials.as_ref().filter(|trials| !trials.sweep.objectives.is_empty()) else {
        let help = "Say both, such as `--param lr=loguniform:1e-5:1e-1 --objective loss`.";
        diagnostics.push(refused((NOTHING_ASKED.to_owned(), help.to_owned())));
        return String::new();
    };
    let choices = choices::of(graph, &trials.sweep.space);
    diagnostics.extend(choices.iter().filter_map(|choice| choice.fault.clone()).map(refused));
    let (pipeline, report) = kfp::inline(graph);
    let name = experiment::name(graph.pipeline.name.as_str());
    let files = files::Files::new(graph, trials, &choices, &name, &pipeline, report.as_deref());
    kfp::limits::check(graph, files.pipeline.len(), options, diagnostics);
    diagnostics.extend(kfp::limits::config_map(files.size()));
    let experiment = experiment::of(graph, trials, &choices, &name, &files);
    diagnostics.extend(admission::faults(&experiment).into_iter().map(refused));
    diagnostics.extend(engines::faults(&trials.sweep, &experiment.spec).into_iter().map(refused));
    diagnostics.extend(engines::quirks(trials).into_iter().map(otherwise));
    let mut text = header::comment(graph, trials, &experiment);
    text.push_str(&yaml::write(&files.config_map(trials.namespace.as_ref())));
    text.push_str("---\n");
    text.push_str(&yaml::write(&serde_json::to_value(&experiment).expect("an Experiment is plain data")));
    text
}

const NOTHING_ASKED: &str = "An Experiment varies parameters, and has an objective.";

fn refused((message, help): Fault) -> Diagnostic {
    Diagnostic::new(Code::KatibRefuses, message, help)
}

fn otherwise((message, help): Fault) -> Diagnostic {
    Diagnostic::new(Code::KatibDiffers, message, help)
}
