//! What the template is told: the task graph as names and lines of Python.

use std::collections::BTreeSet;

use kale_model::{TaintEffect, Toleration};
use serde::Serialize;

use super::body;
use super::python::{literal, string, strings};
use crate::graph::{Claim, Task, TaskGraph, task_base_name};
use crate::names::{METRICS_OUTPUT, Unique, is_keyword};
use crate::types::dsl_class;

/// Names that the script's own text uses at module level or inside the pipeline function.
const TAKEN: &[&str] =
    &["NamedTuple", "Outputs", "each_task", "compiler", "dsl", "float", "int", "json", "kubernetes", "str"];

#[derive(Serialize)]
pub struct Script {
    name: String,
    name_literal: String,
    file_literal: String,
    description_literal: Option<String>,
    version: &'static str,
    helpers: BTreeSet<&'static str>,
    uses_kubernetes: bool,
    function: String,
    parameters: Vec<String>,
    outputs: Vec<Output>,
    claims: Vec<ClaimView>,
    steps: Vec<StepView>,
    /// Arguments of `set_env_variable`, the same for every task.
    environment: Vec<String>,
}

#[derive(Serialize)]
struct StepView {
    name: String,
    cells: String,
    function: String,
    image: String,
    requirements: Option<String>,
    helpers: Vec<&'static str>,
    arguments: Vec<String>,
    statements: Vec<String>,
    task: String,
    /// Keyword arguments.
    call: Vec<String>,
    /// Calls on the task: waiting, limits, caching.
    settings: Vec<String>,
    /// Calls of `kfp.kubernetes` with the task.
    platform: Vec<String>,
}

#[derive(Serialize)]
struct Output {
    name: String,
    task: String,
    key: &'static str,
}

#[derive(Serialize)]
struct ClaimView {
    create: String,
    call: Vec<String>,
    after: String,
}

/// The Python names of one step.
struct Names {
    function: String,
    task: String,
}

pub fn script(graph: &TaskGraph) -> Script {
    let mut unique = Unique::joined_by("_");
    for name in TAKEN.iter().copied().chain(graph.parameters.iter().map(|parameter| parameter.argument.as_str())) {
        unique.reserve(name);
    }
    let functions = function_names(graph, &mut unique);
    let names: Vec<Names> = functions
        .into_iter()
        .map(|function| Names { task: unique.claim(&format!("{}_task", function.trim_matches('_'))), function })
        .collect();
    let claims: Vec<String> = graph
        .claims
        .iter()
        .map(|claim| unique.claim(&format!("{}_claim", kale_model::name::slug(&claim.volume.name, '_'))))
        .collect();
    let notebook = unique.claim("notebook");
    let steps: Vec<StepView> = graph.tasks.iter().map(|task| step(graph, task, &names, &claims, &notebook)).collect();
    Script {
        name: graph.pipeline.name.to_string(),
        name_literal: string(graph.pipeline.name.as_str()),
        file_literal: string(&format!("{}.yaml", graph.pipeline.name)),
        description_literal: graph.pipeline.description.as_deref().map(string),
        version: env!("CARGO_PKG_VERSION"),
        helpers: steps.iter().flat_map(|step| step.helpers.iter().copied()).collect(),
        uses_kubernetes: !claims.is_empty() || steps.iter().any(|step| !step.platform.is_empty()),
        function: unique.claim("pipeline"),
        parameters: parameters(graph),
        outputs: outputs(graph, &names),
        claims: graph.claims.iter().zip(&claims).map(|(claim, name)| claim_view(graph, claim, name, &names)).collect(),
        environment: graph
            .environment
            .iter()
            .map(|(name, value)| format!("{}, {}", string(name), string(value)))
            .collect(),
        steps,
    }
}

/// KFP names a task after its function, in lower case and without underscores at the ends; so a trailing underscore
/// keeps a function apart from a parameter or a keyword without changing the task's name.
fn function_names(graph: &TaskGraph, unique: &mut Unique) -> Vec<String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut functions = vec![];
    for task in &graph.tasks {
        let written = task.step.name.as_str().replace('-', "_");
        let mut name = if written.trim_matches('_').is_empty() { task_base_name(task.step) } else { written };
        while is_keyword(&name) || unique.is_taken(&name) || is_helper(&name) || taken.contains(&name) {
            name.push('_');
        }
        taken.insert(name.clone());
        functions.push(name);
    }
    for name in &functions {
        unique.reserve(name);
    }
    functions
}

fn is_helper(name: &str) -> bool {
    HELPERS.contains(&name)
}

/// The functions of the template that components carry.
pub const HELPERS: &[&str] = &[
    "load_file",
    "load_random_state",
    "load_values",
    "log_metric",
    "new_notebook",
    "place_file",
    "offer_kale_rs",
    "read_json",
    "restore_numbers",
    "run_cell",
    "save_file",
    "save_random_state",
    "save_values",
    "unindent",
    "use_ipython",
];

fn parameters(graph: &TaskGraph) -> Vec<String> {
    let parameters = graph.parameters.iter();
    parameters
        .map(|parameter| {
            format!("{}: {} = {}", parameter.argument, parameter.wire.annotation(), literal(&parameter.default))
        })
        .collect()
}

fn outputs(graph: &TaskGraph, names: &[Names]) -> Vec<Output> {
    let reporting = graph.tasks.iter().filter_map(|task| task.metrics_output.as_ref().map(|name| (name, task.id)));
    reporting
        .map(|(name, id)| Output { name: name.clone(), task: names[id.0].task.clone(), key: METRICS_OUTPUT })
        .collect()
}

fn claim_view(graph: &TaskGraph, claim: &Claim, name: &str, names: &[Names]) -> ClaimView {
    let leaves: Vec<&str> = graph.leaves().map(|task| names[task.id.0].task.as_str()).collect();
    ClaimView {
        create: name.to_owned(),
        call: vec![
            format!("access_modes={}", strings([&claim.access_mode])),
            format!("pvc_name_suffix={}", string(&claim.name_suffix)),
            format!("size={}", string(&claim.size)),
            format!("storage_class_name={}", string(&claim.storage_class)),
        ],
        after: leaves.join(", "),
    }
}

fn step(graph: &TaskGraph, task: &Task, names: &[Names], claims: &[String], notebook: &str) -> StepView {
    let body = body::body(graph, task, notebook);
    let cells: Vec<String> = graph.pipeline.visible_cells(task.step).iter().map(ToString::to_string).collect();
    let pins = &task.step.requirements;
    StepView {
        name: task.step.name.to_string(),
        cells: match cells.len() {
            0 => String::new(),
            1 => format!(" (cell {})", cells[0]),
            _ => format!(" (cells {})", cells.join(", ")),
        },
        function: names[task.id.0].function.clone(),
        image: string(&task.image),
        requirements: (!pins.is_empty()).then(|| strings(pins.iter().map(ToString::to_string))),
        helpers: body.helpers.into_iter().collect(),
        arguments: arguments(graph, task),
        statements: body.statements,
        task: names[task.id.0].task.clone(),
        call: call(graph, task, names),
        settings: settings(task, names),
        platform: platform(graph, task, &names[task.id.0].task, claims),
    }
}

fn arguments(graph: &TaskGraph, task: &Task) -> Vec<String> {
    let parameters =
        graph.parameters_of(task).map(|parameter| format!("{}: {}", parameter.argument, parameter.wire.annotation()));
    let inputs = task.inputs.iter().map(|a| format!("{}: dsl.Input[dsl.{}]", a.key, dsl_class(a.artifact_type)));
    let outputs = task.outputs.iter().map(|a| format!("{}: dsl.Output[dsl.{}]", a.key, dsl_class(a.artifact_type)));
    let metrics = task.metrics_key().map(|key| format!("{key}: dsl.Output[dsl.Metrics]"));
    parameters.chain(inputs).chain(outputs).chain(metrics).collect()
}

fn call(graph: &TaskGraph, task: &Task, names: &[Names]) -> Vec<String> {
    let parameters = graph.parameters_of(task).map(|parameter| format!("{0}={0}", parameter.argument));
    let inputs = task.inputs.iter().map(|artifact| {
        format!("{}={}.outputs[{}]", artifact.key, names[artifact.producer.0].task, string(&artifact.key))
    });
    parameters.chain(inputs).collect()
}

fn settings(task: &Task, names: &[Names]) -> Vec<String> {
    let mut settings = vec![];
    let after: Vec<&str> = task.ordering().map(|id| names[id.0].task.as_str()).collect();
    if !after.is_empty() {
        settings.push(format!("after({})", after.join(", ")));
    }
    if task.step.name.as_str() != task.name {
        settings.push(format!("set_display_name({})", string(task.step.name.as_str())));
    }
    if let Some(cpu) = &task.limits.cpu {
        settings.push(format!("set_cpu_limit({})", string(&cpu.text)));
    }
    if let Some(memory) = &task.limits.memory {
        settings.push(format!("set_memory_limit({})", string(&memory.text)));
    }
    if let Some((kind, count)) = &task.limits.accelerator {
        settings.push(format!("set_accelerator_type({})", string(kind)));
        settings.push(format!("set_accelerator_limit({count})"));
    }
    if task.step.config.retries > 0 {
        settings.push(format!("set_retry({})", task.step.config.retries));
    }
    if !task.reuse {
        settings.push("set_caching_options(False)".to_owned());
    }
    settings
}

fn platform(graph: &TaskGraph, task: &Task, variable: &str, claims: &[String]) -> Vec<String> {
    let config = &task.step.config;
    let mut calls = vec![];
    for volume in &graph.mounts {
        let (name, path) = (string(&volume.name), string(&volume.mount_point));
        calls.push(format!("mount_pvc({variable}, {name}, {path})"));
    }
    for (claim, name) in graph.claims.iter().zip(claims) {
        calls.push(format!("mount_pvc({variable}, {name}.outputs[\"name\"], {})", string(&claim.volume.mount_point)));
    }
    for secret in &graph.secrets(task) {
        let keys = format!("{{{}: {}}}", string(&secret.key), string(&secret.variable));
        calls.push(format!("use_secret_as_env({variable}, {}, {keys})", string(&secret.secret)));
    }
    for (key, value) in &config.labels {
        calls.push(format!("add_pod_label({variable}, {}, {})", string(key), string(value)));
    }
    for (key, value) in &config.annotations {
        calls.push(format!("add_pod_annotation({variable}, {}, {})", string(key), string(value)));
    }
    for (key, value) in &config.node_selector {
        calls.push(format!("add_node_selector({variable}, {}, {})", string(key), string(value)));
    }
    for toleration in &config.tolerations {
        calls.push(format!("add_toleration({variable}, {})", toleration_arguments(toleration)));
    }
    if let Some(seconds) = task.timeout() {
        calls.push(format!("set_timeout({variable}, {seconds})"));
    }
    calls
}

fn toleration_arguments(toleration: &Toleration) -> String {
    let operator = Some(toleration.operator.as_str());
    let effect = toleration.effect.map(TaintEffect::as_str);
    let given = [
        ("key", toleration.key.as_deref()),
        ("operator", operator),
        ("value", toleration.value.as_deref()),
        ("effect", effect),
    ];
    let arguments: Vec<String> =
        given.iter().filter_map(|(name, value)| value.map(|value| format!("{name}={}", string(value)))).collect();
    arguments.join(", ")
}
