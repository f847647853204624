//! The `kserve` target: an InferenceService v1beta1 that serves a bundle.
//!
//! The predictor is our own server in a plain Python image ([`ours`]): it installs the bundle's lock and wheel, and starts
//! the command that serves the bundle on the laptop. A runtime of KServe's own ([`runtimes`]) takes its place when it is
//! asked for and has the versions that the model was made with. [`rules`] are what KServe refuses when a service is
//! applied, or later and without a word; all of it is told here.

mod ours;
mod rules;
mod runtimes;
mod shape;

use std::collections::BTreeMap;

use kale_model::{Code, Diagnostic, Namespace, Toleration, name::slug};

use crate::yaml;
use crate::{Bundle as Files, Emitted};
pub use runtimes::Model;

/// The target's name; it is emitted from a bundle, and not from a notebook.
pub const NAME: &str = "kserve";
pub const SUFFIX: &str = "-kserve.yaml";

/// Who answers for the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// Our server.
    #[default]
    Ours,
    /// A runtime of KServe's, whichever fits, or the one of this name.
    Native(Option<String>),
}

/// What starts and ends pods, and who is in front of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Deployments of Kubernetes.
    #[default]
    Standard,
    Knative,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Standard => "Standard",
            Mode::Knative => "Knative",
        }
    }
}

/// How many pods there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scaling {
    /// `hpa`, `keda`, `external` or `none`; in the mode Standard.
    pub class: Option<String>,
    pub min: Option<u32>,
    pub max: Option<u32>,
    /// `cpu`, `memory`, `concurrency` or `rps`.
    pub metric: Option<String>,
    pub target: Option<u32>,
}

/// A share of the requests for this bundle, beside one that serves already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    pub percent: u8,
    /// Where the bundle is that has the rest; Knative remembers it.
    pub stable_uri: Option<String>,
}

/// A bundle, and what is wanted of its service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    pub name: String,
    pub version: String,
    pub model: Model,
    /// Of Python, such as `3.12`.
    pub python: String,
    pub image: Option<String>,
    pub storage_uri: String,
    pub namespace: Option<Namespace>,
    pub runtime: Runtime,
    pub mode: Mode,
    pub scaling: Scaling,
    pub canary: Option<Canary>,
    /// What comes before and after the model runs in pods of its own.
    pub transformer: bool,
    /// Requests that a pod takes at the same time.
    pub concurrency: Option<u32>,
    /// Seconds.
    pub timeout: Option<u32>,
    /// As whom the storage is read.
    pub service_account: Option<String>,
    pub limits: BTreeMap<String, String>,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
}

/// Writes the resource; faults are in the diagnostics.
pub fn emit(service: &Service) -> Emitted {
    let mut diagnostics: Vec<Diagnostic> = rules::faults(service).into_iter().map(refused).collect();
    if let Runtime::Native(_) = service.runtime
        && let Err(fault) = runtimes::choose(service)
    {
        diagnostics.push(refused(fault));
    }
    diagnostics.extend(rules::quirks(service).into_iter().map(otherwise));
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Emitted { files: None, diagnostics };
    }
    let resource = serde_json::to_value(shape::of(service)).expect("an InferenceService is plain data");
    let text = format!("{}{}", header(service), yaml::write(&resource));
    Emitted { files: Some(Files { files: vec![(SUFFIX.to_owned(), text)] }), diagnostics }
}

/// What Kubernetes calls it: pods and hosts have names made of this.
fn resource_name(service: &Service) -> String {
    let name = slug(&service.name, '-');
    name[..name.len().min(rules::LONGEST_NAME)].trim_end_matches('-').to_owned()
}

fn header(service: &Service) -> String {
    let who = match runtimes::choose(service) {
        Ok(Some(runtime)) => format!("the runtime {} of KServe", runtime.name),
        _ => format!("kale_rs in {}", ours::image(service)),
    };
    let lines = [
        format!("INFERENCESERVICE OF KSERVE: {} {}", service.name, service.version),
        format!("Served by: {who}"),
        format!("The bundle is to be at: {}", service.storage_uri),
        "To begin: kubectl apply --server-side -f THIS-FILE".to_owned(),
    ];
    lines.iter().map(|line| format!("# {}\n", crate::text::one_line(line))).collect()
}

/// What is wrong, and what to do.
type Fault = (String, String);

fn refused((message, help): Fault) -> Diagnostic {
    Diagnostic::new(Code::KserveRefuses, message, help)
}

fn otherwise((message, help): Fault) -> Diagnostic {
    Diagnostic::new(Code::KserveDiffers, message, help)
}
