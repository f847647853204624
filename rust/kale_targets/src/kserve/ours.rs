//! Our server as the container of a component: a Python image, and a command that installs what the bundle asks for.
//!
//! KServe's storage initializer leaves what is at `STORAGE_URI` below `/mnt/models`. The packages go into a virtual environment on top of what the
//! image has, which any user may make: what is there in the right version is not fetched.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Service, resource_name};

pub const PORT: u16 = 8080;
/// A server that loads a model may take long to begin: so many times ten seconds.
const PATIENCE: u32 = 60;

/// What the shell carries out; `ARGUMENTS` are those of `kale-rs serve`.
const START: &str = "set -e
cd /mnt/models
python3 -m venv --system-site-packages /tmp/kale
/tmp/kale/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check -r requirements.txt $(ls wheel/*.whl 2>/dev/null || echo kale-rs)
cd /
exec /tmp/kale/bin/kale-rs serve --bundle /mnt/models ARGUMENTS
";

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    pub name: &'static str,
    pub image: String,
    pub command: Vec<String>,
    pub env: Vec<Variable>,
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    pub readiness_probe: Probe,
    pub startup_probe: Probe,
}

#[derive(Clone, Debug, Serialize)]
pub struct Variable {
    pub name: &'static str,
    pub value: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    pub container_port: u16,
    pub protocol: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct Resources {
    pub limits: BTreeMap<String, String>,
    pub requests: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub http_get: Get,
    pub period_seconds: u32,
    pub failure_threshold: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Get {
    pub path: &'static str,
    pub port: u16,
}

/// What a container of ours does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// What comes before and after a model that is served elsewhere.
    Transformer,
    /// The model alone.
    Model,
}

pub fn image(service: &Service) -> String {
    service.image.clone().unwrap_or_else(|| format!("python:{}-slim", service.python))
}

pub fn container(service: &Service, part: Part, storage_uri: &str) -> Container {
    let mut arguments = format!("--host 0.0.0.0 --port {PORT} --open --name {}", service.name);
    match part {
        Part::All => {}
        Part::Model => arguments.push_str(" --model-only"),
        // The name of the service that KServe makes for the predictor.
        Part::Transformer => arguments.push_str(&format!(" --predictor http://{}-predictor", resource_name(service))),
    }
    Container {
        name: "kserve-container",
        image: image(service),
        command: vec!["sh".to_owned(), "-c".to_owned(), START.replace("ARGUMENTS", &arguments)],
        env: vec![Variable { name: "STORAGE_URI", value: storage_uri.to_owned() }],
        ports: vec![Port { container_port: PORT, protocol: "TCP" }],
        resources: resources(&service.limits),
        readiness_probe: probe("/v2/health/ready", 3),
        startup_probe: probe("/v2/health/live", PATIENCE),
    }
}

pub fn resources(limits: &BTreeMap<String, String>) -> Option<Resources> {
    (!limits.is_empty()).then(|| Resources { limits: limits.clone(), requests: limits.clone() })
}

fn probe(path: &'static str, failure_threshold: u32) -> Probe {
    Probe { http_get: Get { path, port: PORT }, period_seconds: 10, failure_threshold }
}
