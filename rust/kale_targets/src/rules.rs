//! What every cluster refuses, told before anything is sent: texts of the notebook's metadata and of overlays that
//! Kubernetes or Kubeflow Pipelines does not take. (Sizes are [`crate::kfp`]'s; tags are checked where they are read.)
//!
//! `tests/cli/test_server_rules.py` lists all rules of servers, with what breaks each.

use std::collections::BTreeMap;

use kale_model::kubernetes::{is_dns_name, is_image, is_label_value, is_qualified_name, is_secret_key, is_variable};
use kale_model::{Code, Diagnostic, StepConfig, Toleration, TolerationOperator, Volume, VolumeKind};

use crate::graph::{Task, TaskGraph};

/// An experiment's name has so many bytes.
const EXPERIMENT: usize = 128;
/// Kubernetes counts seconds and attempts in 32 bits.
const LARGEST: u64 = i32::MAX as u64;
const ACCESS_MODES: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

/// Argo replaces what stands between such braces, wherever it finds them.
const TEMPLATE: &str = "{{";

/// What is wrong, and what to do.
type Fault = (String, &'static str);

pub fn check(graph: &TaskGraph, diagnostics: &mut Vec<Diagnostic>) {
    let pipeline = graph.pipeline;
    let experiment = pipeline.experiment.as_deref().and_then(experiment);
    let volumes = pipeline.volumes.iter().flat_map(volume).chain(same_place(&pipeline.volumes));
    diagnostics.extend(experiment.into_iter().chain(volumes).map(|(message, help)| refused(message, help)));
    // What all steps have is said once.
    let mut by_fault: BTreeMap<Fault, Vec<&str>> = BTreeMap::new();
    for task in &graph.tasks {
        for fault in step(graph, task) {
            by_fault.entry(fault).or_default().push(task.step.name.as_str());
        }
    }
    diagnostics.extend(by_fault.into_iter().map(|((message, help), steps)| {
        let steps = format!("{} `{}`", if steps.len() == 1 { "Step" } else { "Steps" }, steps.join("`, `"));
        refused(format!("{steps}: {message}"), help)
    }));
}

fn refused(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(Code::ClusterValue, message, help)
}

fn experiment(name: &str) -> Option<Fault> {
    let is_good = name.len() <= EXPERIMENT && !name.chars().any(char::is_control);
    let shown: String = name.chars().take(60).collect();
    (!is_good).then(|| {
        let message = format!("`{}` cannot be the name of an experiment.", shown.escape_debug());
        (message, "Use a text of one line, at most 128 bytes, in the notebook's metadata.")
    })
}

fn step(graph: &TaskGraph, task: &Task) -> Vec<Fault> {
    let StepConfig { labels, annotations, node_selector, tolerations, timeout_seconds, retries, .. } =
        &task.step.config;
    let mut faults = vec![];
    if !is_image(&task.image) {
        let message = format!("`{}` is no reference of an image.", task.image.escape_debug());
        faults.push((message, "Write it like `registry.example.org/team/python:3.12`."));
    }
    let pairs = labels.iter().map(|pair| ("label", pair)).chain(node_selector.iter().map(|pair| ("node label", pair)));
    faults.extend(pairs.filter_map(|(what, (key, value))| label(what, key, value)));
    faults.extend(annotations.keys().filter_map(|key| label("annotation", key, "")));
    faults.extend(annotations.iter().filter(|(_, value)| value.contains(TEMPLATE)).map(|(key, _)| {
        let message = format!("the annotation `{}` holds `{TEMPLATE}`, which Argo would replace.", key.escape_debug());
        (message, "Write it without, or with a blank between the braces.")
    }));
    faults.extend(tolerations.iter().filter_map(toleration));
    for secret in graph.secrets(task) {
        let is_good = is_dns_name(&secret.secret) && is_secret_key(&secret.key) && is_variable(&secret.variable);
        if !is_good {
            let text = format!("{}:{}:{}", secret.secret, secret.key, secret.variable);
            faults.push((format!("`{text}` names no key of a secret."), "Write `secret:NAME:KEY:ENV`."));
        }
    }
    if timeout_seconds.is_some_and(|seconds| seconds > LARGEST) || u64::from(*retries) > LARGEST {
        let help = "Kubernetes counts seconds and attempts in 32 bits: write fewer, or leave it out.";
        faults.push(("it has more seconds, or more retries, than can be counted.".to_owned(), help));
    }
    faults
}

fn label(what: &str, key: &str, value: &str) -> Option<Fault> {
    let help = "Keys are letters, digits, `-`, `_` and `.`, at most 63, with an optional domain and `/` before them; \
                values are such texts without a domain.";
    let message = format!("the {what} `{}: {}` is none.", key.escape_debug(), value.escape_debug());
    (!is_qualified_name(key) || !is_label_value(value)).then_some((message, help))
}

fn toleration(toleration: &Toleration) -> Option<Fault> {
    let Toleration { key, operator, value, .. } = toleration;
    let exists = *operator == TolerationOperator::Exists;
    let fault = |message: String, help| Some((message, help));
    let (key, value) =
        (key.as_deref().filter(|key| !key.is_empty()), value.as_deref().filter(|value| !value.is_empty()));
    if key.is_none() && !exists {
        return fault(
            "a toleration without a key is of every taint.".to_owned(),
            "Add `operator: Exists`, or a `key`.",
        );
    }
    if exists && value.is_some() {
        let help = "Leave the `value` out, or write `operator: Equal`.";
        let shown = key.unwrap_or("every taint");
        return fault(format!("the toleration of {shown} has a value, and `Exists` takes any."), help);
    }
    label("toleration", key.unwrap_or("any"), value.unwrap_or_default())
}

fn volume(volume: &Volume) -> Vec<Fault> {
    let Volume { name, mount_point, kind, variable } = volume;
    let mut faults = vec![];
    let mut fault = |what: String, help| faults.push((format!("Volume `{}`: {what}", name.escape_debug()), help));
    if *kind == VolumeKind::Existing && !is_dns_name(name) {
        let help = "Name the claim as Kubernetes has it: lower-case letters, digits, `-` and `.`.";
        fault("there cannot be a claim of this name.".to_owned(), help);
    }
    let holds = mount_point.trim_matches('/');
    let is_path =
        mount_point.starts_with('/') && !holds.is_empty() && !holds.contains(|c: char| c == ':' || c.is_control());
    let is_path = is_path && !holds.contains(TEMPLATE);
    if !is_path {
        fault(
            format!("`{}` is no place to mount it at.", mount_point.escape_debug()),
            "Write the path of a folder of its own, such as `/data`, without `:` and `{{`.",
        );
    }
    if variable.as_deref().is_some_and(|variable| !is_variable(variable)) {
        let text = variable.as_deref().unwrap_or_default().escape_debug();
        fault(format!("`{text}` is no environment variable."), "Use letters, digits and `_`.");
    }
    if let VolumeKind::New { size, storage_class, access_mode } = kind {
        if size.value().is_none_or(|bytes| bytes < 1.0) {
            fault(format!("`{}` is no size.", size.0.escape_debug()), "Write it like `10Gi`.");
        }
        if storage_class.as_deref().is_some_and(|class| !is_dns_name(class)) {
            let class = storage_class.as_deref().unwrap_or_default().escape_debug();
            fault(format!("`{class}` is no storage class."), "`kubectl get storageclass` lists those of a cluster.");
        }
        if !ACCESS_MODES.contains(&access_mode.as_str()) {
            let help = "There are `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` and `ReadWriteOncePod`.";
            fault(format!("`{}` is no way to share it.", access_mode.escape_debug()), help);
        }
    }
    faults
}

/// Kubernetes mounts one volume at a path.
fn same_place(volumes: &[Volume]) -> impl Iterator<Item = Fault> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for volume in volumes {
        places.entry(volume.mount_point.trim_end_matches('/')).or_default().push(&volume.name);
    }
    let shared = places.into_iter().filter(|(_, names)| names.len() > 1);
    shared.map(|(place, names)| {
        let message = format!("Volumes `{}` are mounted at the same place, `{place}`.", names.join("`, `"));
        (message, "Give each a `mount_point` of its own.")
    })
}
