//! What Katib's admission webhook refuses, and what would be accepted and never work: told before anything is applied.
//!
//! Some of it users can ask for; what we emit keeps to the rest by construction. All of it is looked at here, in what is
//! about to be written down.

use std::collections::BTreeSet;

use kale_model::kubernetes::is_dns_name;
use serde_json::Value;

use super::Fault;
use super::experiment::{Experiment, LONGEST_NAME, ParameterKind, ParameterSpec, Spec, TrialTemplate, is_collected};

pub fn faults(experiment: &Experiment) -> Vec<Fault> {
    let spec = &experiment.spec;
    let mut faults = vec![];
    faults.extend(name(&experiment.metadata.name));
    faults.extend(objective(spec));
    faults.extend(counts(spec));
    faults.extend(parameters(&spec.parameters));
    faults.extend(template(spec));
    faults.extend(job(&spec.trial_template));
    faults
}

fn fault(message: impl Into<String>, help: impl Into<String>) -> Fault {
    (message.into(), help.into())
}

fn name(name: &str) -> Option<Fault> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_good = name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(inner);
    (!is_good).then(|| {
        let message = format!("`{name}` cannot be the name of an Experiment.");
        fault(message, "Use at most 40 lower-case letters, digits and `-`, a letter first.")
    })
}

fn objective(spec: &Spec) -> Vec<Fault> {
    let objective = &spec.objective;
    let metric = &objective.objective_metric_name;
    let mut faults = vec![];
    if !is_collected(metric) {
        let message = format!("Katib's collector does not find a metric of the name `{}`.", metric.escape_debug());
        faults
            .push(fault(message, "Name it with letters, digits, `_` and `-`: `kale_rs.metric(\"val_loss\", value)`."));
    }
    if objective.additional_metric_names.contains(metric) {
        let message = format!("`{metric}` is both the objective and a metric beside it.");
        faults.push(fault(message, "Give the metrics different names."));
    }
    if objective.goal.is_some_and(|goal| !goal.is_finite()) {
        faults.push(fault("The goal is no number.", "Give a number, or leave `--goal` out."));
    }
    faults
}

fn counts(spec: &Spec) -> Vec<Fault> {
    let Spec { parallel_trial_count: parallel, max_trial_count: most, max_failed_trial_count: failed, .. } = spec;
    let mut faults = vec![];
    if *most == 0 || *parallel == 0 {
        faults.push(fault("An Experiment has at least one trial.", "Give a greater number to `--trials`."));
    } else if parallel > most {
        let message = format!("{parallel} trials are to run beside each other, of {most} altogether.");
        faults.push(fault(message, format!("Katib takes at most `--parallel {most}` then.")));
    }
    if let Some(failed) = failed.filter(|failed| failed > most) {
        let message = format!("{failed} trials may fail, of {most} altogether.");
        faults
            .push(fault(message, format!("Katib takes at most `--max-failed {most}` then; without it, all may fail.")));
    }
    // Its counts have 32 bits.
    if [Some(*most), Some(*parallel), *failed].into_iter().flatten().any(|count| i32::try_from(count).is_err()) {
        faults.push(fault("There are more trials than Katib can count.", "Give a smaller number to `--trials`."));
    }
    faults
}

fn parameters(parameters: &[ParameterSpec]) -> Vec<Fault> {
    let mut faults = vec![];
    if parameters.is_empty() {
        faults.push(fault("An Experiment varies at least one parameter.", "Give a `--param NAME=RANGE`."));
    }
    let mut names = BTreeSet::new();
    for ParameterSpec { name, parameter_type, feasible_space: space } in parameters {
        if !names.insert(name) {
            faults.push(fault(format!("`{name}` is varied twice."), "Give one range only."));
        }
        let has_ends = space.min.is_some() || space.max.is_some();
        let message = match parameter_type {
            ParameterKind::Int | ParameterKind::Double if !space.list.is_empty() => "is a range, and has a list",
            ParameterKind::Int | ParameterKind::Double if !has_ends => "is a range without ends",
            ParameterKind::Discrete | ParameterKind::Categorical if has_ends || space.step.is_some() => {
                "is a list, and has ends"
            }
            ParameterKind::Discrete | ParameterKind::Categorical if space.list.is_empty() => "is a list of nothing",
            _ => continue,
        };
        faults.push(fault(
            format!("`{name}` {message}."),
            "Give a range such as `uniform:0:1`, or a list: `choice:a,b`.",
        ));
    }
    faults
}

/// What the template refers to, and what it is said to refer to.
fn template(spec: &Spec) -> Vec<Fault> {
    let template = &spec.trial_template;
    let (mut names, mut references, mut faults) = (BTreeSet::new(), BTreeSet::new(), vec![]);
    let mut wrong = |message: String| faults.push(fault(message, "The template of the trials is at fault."));
    for parameter in &template.trial_parameters {
        let (name, reference) = (parameter.name.as_str(), parameter.reference.as_str());
        if !names.insert(name) || !references.insert(reference) {
            wrong(format!("`{name}` (`{reference}`) is in the template's parameters twice."));
        }
        let is_of_trial = reference.starts_with("${trialSpec.");
        if !is_of_trial && !spec.parameters.iter().any(|varied| varied.name == reference) {
            wrong(format!("`{name}` refers to `{reference}`, which is not varied."));
        }
    }
    let used = placeholders(&template.trial_spec);
    for name in names.iter().filter(|name| !used.contains(**name)) {
        wrong(format!("The template does not use `{name}`."));
    }
    for name in used.iter().filter(|name| !names.contains(name.as_str())) {
        wrong(format!("The template uses `{name}`, which is none of its parameters."));
    }
    faults
}

/// Names in `${trialParameters.NAME}`, wherever they stand.
fn placeholders(value: &Value) -> BTreeSet<String> {
    let text = value.to_string();
    let parts = text.split("${trialParameters.").skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

/// What Katib asks of a Job, and what its rewriting of the command would break.
fn job(template: &TrialTemplate) -> Vec<Fault> {
    let job = &template.trial_spec;
    let mut faults = vec![];
    let mut wrong = |message: String, help: &str| faults.push(fault(message, help));
    for field in ["name", "namespace"] {
        if !job["metadata"][field].is_null() {
            wrong(format!("The template of a trial has a {field} of its own."), "Katib gives it one.");
        }
    }
    let pod = &job["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].as_str().unwrap_or_default();
    if !is_dns_name(account) {
        wrong(
            format!("`{}` is no service account.", account.escape_debug()),
            "`kubectl get serviceaccounts` lists them.",
        );
    }
    let containers = pod["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(primary) = containers.iter().find(|one| one["name"] == *template.primary_container_name) else {
        wrong("The template has no container of the name that it gives.".to_owned(), "The template is at fault.");
        return faults;
    };
    let words: Vec<&str> = ["command", "args"].iter().flat_map(|key| texts(&primary[*key])).collect();
    if words.is_empty() {
        let help = "Katib would ask the image's registry for it.";
        wrong("The container of the trials has no command.".to_owned(), help);
    }
    for word in words.into_iter().filter(|word| !survives_shell(word)) {
        let help = "Katib puts the command behind `sh -c` without quotes.";
        wrong(format!("A shell would not take `{}` as one word.", word.escape_debug()), help);
    }
    faults
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn survives_shell(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:,@%+".contains(c))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kale_model::sweep::Direction;
    use serde_json::json;

    use super::super::experiment::{
        AlgorithmSpec, Collector, FeasibleSpace, Metadata, MetricsCollectorSpec, Objective, TrialParameter,
    };
    use super::*;

    fn varied(name: &str) -> ParameterSpec {
        let feasible_space = FeasibleSpace { min: Some("0".into()), max: Some("1".into()), ..FeasibleSpace::default() };
        ParameterSpec { name: name.to_owned(), parameter_type: ParameterKind::Double, feasible_space }
    }

    fn refers(name: &str, reference: &str) -> TrialParameter {
        TrialParameter { name: name.to_owned(), reference: reference.to_owned() }
    }

    /// One that Katib takes.
    fn experiment() -> Experiment {
        let container = json!({"name": "trial", "command": ["python3", "/kale/trial.py"], "env": [
            {"name": "RATE", "value": "${trialParameters.rate}"}, {"name": "TRIAL", "value": "${trialParameters.trial}"},
        ]});
        let pod = json!({"serviceAccountName": "default-editor", "containers": [container]});
        let spec = Spec {
            objective: Objective {
                direction: Direction::Minimize,
                goal: None,
                objective_metric_name: "loss".to_owned(),
                additional_metric_names: vec!["size".to_owned()],
            },
            algorithm: AlgorithmSpec { algorithm_name: "random".to_owned(), algorithm_settings: vec![] },
            early_stopping: None,
            parallel_trial_count: 3,
            max_trial_count: 12,
            max_failed_trial_count: Some(12),
            resume_policy: "Never",
            parameters: vec![varied("rate")],
            metrics_collector_spec: MetricsCollectorSpec { collector: Collector { kind: "StdOut" } },
            trial_template: TrialTemplate {
                retain: true,
                primary_container_name: "trial".to_owned(),
                trial_parameters: vec![refers("rate", "rate"), refers("trial", "${trialSpec.Name}")],
                trial_spec: json!({"spec": {"template": {"spec": pod}}}),
            },
        };
        let metadata = Metadata { name: "churn".to_owned(), namespace: None, labels: BTreeMap::new() };
        Experiment { api_version: "kubeflow.org/v1beta1", kind: "Experiment", metadata, spec }
    }

    /// A change of it, and words of what is told then.
    type Broken = (&'static str, fn(&mut Experiment));

    const BROKEN: &[Broken] = &[
        ("cannot be the name", |e| e.metadata.name = "a".repeat(LONGEST_NAME + 1)),
        ("cannot be the name", |e| e.metadata.name = "1st".to_owned()),
        ("cannot be the name", |e| e.metadata.name = "Churn".to_owned()),
        ("cannot be the name", |e| e.metadata.name = "churn-".to_owned()),
        ("does not find a metric", |e| e.spec.objective.objective_metric_name.clear()),
        ("both the objective and", |e| e.spec.objective.additional_metric_names.push("loss".to_owned())),
        ("The goal is no number", |e| e.spec.objective.goal = Some(f64::INFINITY)),
        ("at least one trial", |e| e.spec.parallel_trial_count = 0),
        ("13 trials are to run beside each other", |e| e.spec.parallel_trial_count = 13),
        ("13 trials may fail", |e| e.spec.max_failed_trial_count = Some(13)),
        ("`rate` is varied twice", |e| e.spec.parameters.push(varied("rate"))),
        ("is a range, and has a list", |e| space(e).list.push("1".to_owned())),
        ("is a range without ends", |e| *space(e) = FeasibleSpace::default()),
        ("is a list, and has ends", |e| {
            space(e).list.push("1".to_owned());
            e.spec.parameters[0].parameter_type = ParameterKind::Discrete;
        }),
        ("is a list, and has ends", |e| {
            *space(e) = FeasibleSpace { step: Some("1".into()), list: vec!["a".into()], ..FeasibleSpace::default() };
            e.spec.parameters[0].parameter_type = ParameterKind::Categorical;
        }),
        ("is a list of nothing", |e| {
            *space(e) = FeasibleSpace::default();
            e.spec.parameters[0].parameter_type = ParameterKind::Categorical;
        }),
        ("`rate` (`other`) is in the template's parameters twice", |e| {
            e.spec.parameters.push(varied("other"));
            e.spec.trial_template.trial_parameters.push(refers("rate", "other"));
        }),
        ("`again` (`rate`) is in the template's parameters twice", |e| {
            e.spec.trial_template.trial_parameters.push(refers("again", "rate"));
            variable(e, "AGAIN", "${trialParameters.again}");
        }),
        ("refers to `depth`, which is not varied", |e| {
            e.spec.trial_template.trial_parameters.push(refers("depth", "depth"));
            variable(e, "DEPTH", "${trialParameters.depth}");
        }),
        ("does not use `depth`", |e| {
            e.spec.parameters.push(varied("depth"));
            e.spec.trial_template.trial_parameters.push(refers("depth", "depth"));
        }),
        ("uses `depth`, which is none", |e| variable(e, "DEPTH", "${trialParameters.depth}")),
        ("a name of its own", |e| e.spec.trial_template.trial_spec["metadata"]["name"] = json!("mine")),
        ("a namespace of its own", |e| e.spec.trial_template.trial_spec["metadata"]["namespace"] = json!("mine")),
        ("no container of the name", |e| e.spec.trial_template.primary_container_name = "main".to_owned()),
        ("has no command", |e| container(e)["command"] = json!([])),
        ("would not take `a b`", |e| container(e)["command"] = json!(["python3", "a b"])),
        ("would not take `${HOME}`", |e| container(e)["args"] = json!(["${HOME}"])),
        ("would not take `a&&b`", |e| container(e)["args"] = json!(["a&&b"])),
    ];

    fn space(experiment: &mut Experiment) -> &mut FeasibleSpace {
        &mut experiment.spec.parameters[0].feasible_space
    }

    fn container(experiment: &mut Experiment) -> &mut Value {
        &mut experiment.spec.trial_template.trial_spec["spec"]["template"]["spec"]["containers"][0]
    }

    fn variable(experiment: &mut Experiment, name: &str, value: &str) {
        let variables = container(experiment)["env"].as_array_mut().unwrap();
        variables.push(json!({"name": name, "value": value}));
    }

    #[test]
    fn each_rule_is_broken_by_an_example() {
        assert_eq!(faults(&experiment()), []);
        for (words, change) in BROKEN {
            let mut broken = experiment();
            change(&mut broken);
            let told = faults(&broken);
            assert!(told.len() == 1 && told[0].0.contains(words), "{words}: {told:?}");
        }
    }
}
