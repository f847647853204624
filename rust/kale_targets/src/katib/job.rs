//! The Job that is a trial: one container, which runs the launcher.
//!
//! Katib puts the container's command behind `sh -c`, its words joined by spaces and not quoted: so there is nothing in
//! them that a shell would take for something else, and what varies comes in variables. The shell does not pass SIGTERM
//! on. Kubernetes therefore calls the launcher once more before it deletes a pod (`preStop`).

use serde_json::{Value, json};

use super::Trials;
use super::choices::Choice;
use super::experiment::{TRIAL_NAME, placeholder};
use super::files::LAUNCHER_FILE;
use crate::graph::TaskGraph;

pub const CONTAINER: &str = "trial";
/// Where the ConfigMap is mounted.
const FOLDER: &str = "/kale";
const TOKEN_FOLDER: &str = "/var/run/secrets/kubeflow/pipelines";
/// Kubeflow Pipelines accepts tokens that are for it.
const AUDIENCE: &str = "pipelines.kubeflow.org";
/// Where Kubeflow Pipelines is in a cluster.
const SERVER: &str = "http://ml-pipeline.kubeflow.svc.cluster.local:8888";
/// Every profile of Kubeflow has it, with the right to edit pipelines.
pub const SERVICE_ACCOUNT: &str = "default-editor";
/// Seconds for ending the run.
const GRACE: u64 = 60;

pub fn template(graph: &TaskGraph, trials: &Trials, choices: &[Choice], files: &str) -> Value {
    let service_account = trials.service_account.as_deref().unwrap_or(SERVICE_ACCOUNT);
    let program = format!("{FOLDER}/{LAUNCHER_FILE}");
    let container = json!({
        "name": CONTAINER,
        "image": image(graph),
        "command": ["python3", "-I", "-u", program],
        "env": environment(choices),
        "lifecycle": { "preStop": { "exec": { "command": ["python3", "-I", "-u", program, "stop"] } } },
        "resources": {
            "limits": { "cpu": "500m", "memory": "256Mi" },
            "requests": { "cpu": "50m", "memory": "64Mi" },
        },
        "volumeMounts": [
            { "name": "files", "mountPath": FOLDER, "readOnly": true },
            { "name": "token", "mountPath": TOKEN_FOLDER, "readOnly": true },
        ],
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            // Katib counts trials that failed, and the launcher looks for the run that it may have started.
            "backoffLimit": 0,
            "template": {
                // A sidecar of Istio would never end, and the Job with it.
                "metadata": { "labels": { "sidecar.istio.io/inject": "false" } },
                "spec": {
                    "containers": [container],
                    "restartPolicy": "Never",
                    "serviceAccountName": service_account,
                    "terminationGracePeriodSeconds": GRACE,
                    "volumes": [
                        { "name": "files", "configMap": { "name": files } },
                        { "name": "token", "projected": { "sources": [{ "serviceAccountToken": {
                            "audience": AUDIENCE, "expirationSeconds": 3600, "path": "token",
                        } }] } },
                    ],
                },
            },
        },
    })
}

/// The image that steps have where nobody chose one for them.
fn image(graph: &TaskGraph) -> String {
    let pipeline = graph.pipeline;
    pipeline.base_image.clone().unwrap_or_else(|| format!("python:{}-slim", pipeline.python))
}

fn environment(choices: &[Choice]) -> Vec<Value> {
    let of_katib = |name: &str, parameter: &str| json!({ "name": name, "value": placeholder(parameter) });
    let mut environment = vec![
        of_katib("KALE_TRIAL", TRIAL_NAME),
        json!({ "name": "KALE_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } }),
        json!({ "name": "KALE_KFP_URL", "value": SERVER }),
        json!({ "name": "KF_PIPELINES_SA_TOKEN_PATH", "value": format!("{TOKEN_FOLDER}/token") }),
        json!({ "name": "KALE_POLL_SECONDS", "value": "5" }),
        json!({ "name": "KALE_PATIENCE_SECONDS", "value": "600" }),
    ];
    environment.extend(choices.iter().map(|choice| of_katib(&choice.variable, &choice.name)));
    environment
}
