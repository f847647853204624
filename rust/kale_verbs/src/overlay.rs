//! Overlays: a file with what one place wants otherwise than the notebook says, such as a larger machine in production.
//!
//! ```yaml
//! image: registry.example/team/python:3.12   # of every step
//! resources: {memory: 4Gi}
//! node_selector: {pool: batch}
//! tolerations: [{key: batch, operator: Exists}]
//! steps:
//!   train: {resources: {gpu: 1, memory: 32Gi}}   # of one step
//! volumes: [{name: datasets, mount_point: /data}]
//! parameters: {trees: 500}
//! packages: {index_url: https://pypi.example.org/simple}   # or `secret: {name: N, key: K}` where it holds credentials
//! schedule: {cron: "0 30 6 * * MON-FRI", max_concurrency: 1}   # for `schedule add`
//! ```
//!
//! What it says wins over tags and metadata, what it says of one step over what it says of all; the notebook stays as it
//! is. [`Settings`] keeps where each value came from.

mod packages;
mod schedule;
mod settings;
mod volumes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kale_model::{Pipeline, Quantity, Step, StepConfig, TaintEffect, Toleration};
use serde::Deserialize;
use serde_json::{Number, Value};

use kale_kubeflow::{Context, Contexts};

use crate::error::VerbError;
use crate::session::Session;
use packages::Packages;
pub use schedule::ScheduleSettings;
use settings::Settings;
pub use settings::{Origin, Setting};
use volumes::VolumeOverlay;

/// Kubernetes' name for what people call a GPU, as in the tag `gpu:`.
const GPU: (&str, &str) = ("gpu", "nvidia.com/gpu");

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overlay {
    image: Option<String>,
    resources: BTreeMap<String, Scalar>,
    node_selector: BTreeMap<String, Scalar>,
    tolerations: Vec<Toleration>,
    steps: BTreeMap<String, StepOverlay>,
    volumes: Vec<VolumeOverlay>,
    parameters: BTreeMap<String, Value>,
    packages: Packages,
    pub schedule: ScheduleSettings,
    /// What it is called in words about it.
    #[serde(skip)]
    called: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StepOverlay {
    image: Option<String>,
    resources: BTreeMap<String, Scalar>,
    node_selector: BTreeMap<String, Scalar>,
    tolerations: Vec<Toleration>,
}

/// Text that people write without quotes: `cpu: 2`, `ssd: true`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Text(String),
    Number(Number),
    Bool(bool),
}

impl From<String> for Scalar {
    fn from(text: String) -> Scalar {
        Scalar::Text(text)
    }
}

impl Scalar {
    pub fn text(&self) -> String {
        match self {
            Scalar::Text(text) => text.trim().to_owned(),
            Scalar::Number(number) => number.to_string(),
            Scalar::Bool(flag) => flag.to_string(),
        }
    }
}

impl Overlay {
    /// Reads a YAML or JSON file.
    pub fn read(session: &Session, file: &Path) -> Result<Overlay, VerbError> {
        let text =
            fs::read_to_string(session.directory.join(file)).map_err(|error| VerbError::opening(file, &error))?;
        // Maps of our own keep the last of two equal names without a word; a value of YAML refuses them.
        let _: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).map_err(|error| malformed(file, &error))?;
        let overlay: Option<Overlay> = serde_yaml_ng::from_str(&text).map_err(|error| malformed(file, &error))?;
        let called = format!("the overlay `{}`", file.display());
        Ok(Overlay { called, ..overlay.unwrap_or_default() })
    }

    /// What it says of every container, for that of a service.
    pub fn place_service(&self, service: &mut kale_targets::kserve::Service) {
        service.image = self.image.clone().or(service.image.take());
        service.limits.extend(limits(&self.resources));
        service.node_selector.extend(texts(&self.node_selector));
        service.tolerations.extend(self.tolerations.iter().cloned());
    }

    /// Changes the pipeline, and tells of every value that it could have changed where it is from.
    fn apply(&self, origin: Origin, pipeline: &mut Pipeline) -> Result<Vec<Setting>, VerbError> {
        let mut settings = Settings::of(origin);
        self.change(pipeline, &mut settings).map_err(|error| match error {
            VerbError::Usage { message, help } => VerbError::usage(format!("{}: {message}", self.called), help),
            other => other,
        })?;
        Ok(settings.all)
    }

    fn change(&self, pipeline: &mut Pipeline, settings: &mut Settings) -> Result<(), VerbError> {
        // One of a context is for all notebooks that go there; one for this notebook knows it.
        if settings.origin == Origin::Overlay {
            self.refuse_unknown(pipeline)?;
        }
        self.schedule.read()?;
        self.parameters(pipeline, settings)?;
        volumes::apply(&self.volumes, pipeline, settings)?;
        self.packages.apply(pipeline, settings)?;
        for (name, value) in self.schedule.rows() {
            settings.settle(None, name, vec![(settings.origin, Some(value))]);
        }
        let default_image = format!("python:{}-slim", pipeline.python);
        let base_image = pipeline.base_image.clone();
        for step in &mut pipeline.steps {
            let images = [(Origin::Default, Some(default_image.clone())), (Origin::Notebook, base_image.clone())];
            self.step(step, images, settings)?;
        }
        Ok(())
    }

    /// Steps and parameters of which it says something, and which the notebook does not have.
    fn unknown(&self, pipeline: &Pipeline) -> Vec<String> {
        let has_step = |name: &String| pipeline.steps.iter().any(|step| step.name.as_str() == name);
        let has_parameter = |name: &String| pipeline.parameters.iter().any(|parameter| parameter.name.as_str() == name);
        let steps = self.steps.keys().filter(|name| !has_step(name)).map(|name| format!("step `{name}`"));
        let parameters = self.parameters.keys().filter(|name| !has_parameter(name));
        steps.chain(parameters.map(|name| format!("parameter `{name}`"))).collect()
    }

    fn refuse_unknown(&self, pipeline: &Pipeline) -> Result<(), VerbError> {
        let Some(unknown) = self.unknown(pipeline).into_iter().next() else { return Ok(()) };
        let (what, names): (_, Vec<&str>) = if unknown.starts_with("step") {
            ("steps", pipeline.steps.iter().map(|step| step.name.as_str()).collect())
        } else {
            ("parameters", pipeline.parameters.iter().map(|parameter| parameter.name.as_str()).collect())
        };
        let help = match names.as_slice() {
            [] => format!("it has no {what}"),
            names => format!("its {what} are `{}`", names.join("`, `")),
        };
        Err(VerbError::usage(format!("the notebook has no {unknown}"), help))
    }

    fn parameters(&self, pipeline: &mut Pipeline, settings: &mut Settings) -> Result<(), VerbError> {
        for parameter in &mut pipeline.parameters {
            let before = parameter.default.to_string();
            let mut layers = vec![(Origin::Notebook, Some(before))];
            if let Some(value) = self.parameters.get(parameter.name.as_str()) {
                parameter.default = parameter.parameter_type.accept(value.clone()).map_err(|error| {
                    let help = format!("mend `{}` below `parameters:`", parameter.name);
                    VerbError::usage(format!("parameter `{}`: {error}", parameter.name), help)
                })?;
                layers.push((settings.origin, Some(parameter.default.to_string())));
            }
            settings.settle(None, &format!("parameter {}", parameter.name), layers);
        }
        Ok(())
    }

    fn step(
        &self,
        step: &mut Step,
        images: [(Origin, Option<String>); 2],
        settings: &mut Settings,
    ) -> Result<(), VerbError> {
        let own = self.steps.get(step.name.as_str()).cloned().unwrap_or_default();
        let StepConfig { image, resources, node_selector, tolerations, .. } = &mut step.config;
        let name = Some(&step.name);
        let mut layers = images.to_vec();
        layers.extend([
            (Origin::Notebook, image.clone()),
            (settings.origin, self.image.clone()),
            (settings.origin, own.image),
        ]);
        let (origin, chosen) = settings.settle(name, "image", layers).expect("there is a default");
        if origin == settings.origin {
            *image = Some(chosen);
        }
        let notebook = resources.limits.iter().map(|(resource, amount)| (resource.clone(), amount.0.clone())).collect();
        let layers = [notebook, limits(&self.resources), limits(&own.resources)];
        for (resource, amount) in settings.merge(name, "", layers) {
            let amount = Quantity(amount);
            if amount.value().is_none() {
                let message = format!("`{resource}: {}` for step `{}` is no amount", amount.0, step.name);
                return Err(VerbError::usage(message, "write it as for Kubernetes: `500m`, `2`, `4Gi`"));
            }
            resources.limits.insert(resource, amount);
        }
        let layers = [std::mem::take(node_selector), texts(&self.node_selector), texts(&own.node_selector)];
        *node_selector = settings.merge(name, "node label ", layers);
        for toleration in self.tolerations.iter().chain(&own.tolerations) {
            let key = toleration.key.as_deref().unwrap_or("every taint");
            let words = [toleration.value.as_deref(), toleration.effect.map(TaintEffect::as_str)];
            let words = std::iter::once(toleration.operator.as_str()).chain(words.into_iter().flatten());
            let text = words.collect::<Vec<_>>().join(" ");
            settings.settle(name, &format!("toleration of {key}"), vec![(settings.origin, Some(text))]);
            tolerations.push(toleration.clone());
        }
        Ok(())
    }
}

/// Overlays one over the other, the last one on top. Each value is from the last one that says something of it.
pub fn apply(layers: &[(Origin, &Overlay)], pipeline: &mut Pipeline) -> Result<Vec<Setting>, VerbError> {
    let mut settled = Overlay::default().apply(Origin::Overlay, pipeline)?;
    for (origin, overlay) in layers {
        settled = settings::layered(settled, overlay.apply(*origin, pipeline)?);
    }
    Ok(settled)
}

/// What overlays say of steps and parameters that the notebook does not have, each with the overlay's name.
pub fn unused(layers: &[(Origin, &Overlay)], pipeline: &Pipeline) -> Vec<String> {
    let of_one = |overlay: &Overlay| -> Vec<String> {
        overlay.unknown(pipeline).iter().map(|what| format!("{what} of {}", overlay.called)).collect()
    };
    layers.iter().flat_map(|(_, overlay)| of_one(overlay)).collect()
}

/// The overlay of a context, if it has one.
pub fn of_context(session: &Session, name: &str) -> Result<Option<Overlay>, VerbError> {
    let Context::Cluster(cluster) = Contexts::open_default()?.find(name)? else { return Ok(None) };
    let Some(file) = cluster.overlay.as_deref() else { return Ok(None) };
    let called = format!("the overlay of the context `{name}` (`{}`)", file.display());
    Ok(Some(Overlay { called, ..Overlay::read(session, file)? }))
}

fn malformed(file: &Path, error: &serde_yaml_ng::Error) -> VerbError {
    let help = "`kale-rs explain-overlay --help` has the form of an overlay";
    VerbError::File { path: file.to_owned(), action: "read", reason: error.to_string(), help }
}

fn texts(values: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.text())).collect()
}

fn limits(resources: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    let named = |name: String| if name == GPU.0 { GPU.1.to_owned() } else { name };
    texts(resources).into_iter().map(|(name, amount)| (named(name), amount)).collect()
}
