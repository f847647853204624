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
//! ```
//!
//! What it says wins over tags and metadata, what it says of one step over what it says of all; the notebook stays as it
//! is. [`Settings`] keeps where each value came from.

mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kale_model::{Pipeline, Quantity, Step, StepConfig, TaintEffect, Toleration, Volume, VolumeKind};
use serde::Deserialize;
use serde_json::{Number, Value};

use crate::error::VerbError;
use crate::session::Session;
use settings::Settings;
pub use settings::{Origin, Setting};

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
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StepOverlay {
    image: Option<String>,
    resources: BTreeMap<String, Scalar>,
    node_selector: BTreeMap<String, Scalar>,
    tolerations: Vec<Toleration>,
}

/// An existing claim, or with a size one that is made for the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VolumeOverlay {
    name: String,
    mount_point: String,
    size: Option<Scalar>,
    storage_class: Option<String>,
    access_mode: Option<String>,
}

/// Text that people write without quotes: `cpu: 2`, `ssd: true`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(Number),
    Bool(bool),
}

impl Scalar {
    fn text(&self) -> String {
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
        let overlay: Option<Overlay> =
            serde_yaml_ng::from_str(&text).map_err(|error| VerbError::reading(file, error))?;
        Ok(overlay.unwrap_or_default())
    }

    /// Changes the pipeline, and tells of every value that it could have changed where it is from.
    pub fn apply(&self, pipeline: &mut Pipeline) -> Result<Vec<Setting>, VerbError> {
        self.known_steps(pipeline)?;
        let mut settings = Settings::default();
        self.parameters(pipeline, &mut settings)?;
        self.volumes(pipeline, &mut settings)?;
        let default_image = format!("python:{}-slim", pipeline.python);
        let base_image = pipeline.base_image.clone();
        for step in &mut pipeline.steps {
            let images = [(Origin::Default, Some(default_image.clone())), (Origin::Notebook, base_image.clone())];
            self.step(step, images, &mut settings)?;
        }
        Ok(settings.all)
    }

    fn known_steps(&self, pipeline: &Pipeline) -> Result<(), VerbError> {
        let names: Vec<&str> = pipeline.steps.iter().map(|step| step.name.as_str()).collect();
        match self.steps.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let message = format!("the overlay is for a step `{name}`, which the notebook does not have");
                Err(VerbError::usage(message, format!("its steps are `{}`", names.join("`, `"))))
            }
        }
    }

    fn parameters(&self, pipeline: &mut Pipeline, settings: &mut Settings) -> Result<(), VerbError> {
        for parameter in &mut pipeline.parameters {
            let before = parameter.default.to_string();
            let mut layers = vec![(Origin::Notebook, Some(before))];
            if let Some(value) = self.parameters.get(parameter.name.as_str()) {
                parameter.default = parameter.parameter_type.accept(value.clone()).map_err(|error| {
                    let help = format!("mend `{}` below `parameters:` in the overlay", parameter.name);
                    VerbError::usage(format!("the overlay's parameter `{}`: {error}", parameter.name), help)
                })?;
                layers.push((Origin::Overlay, Some(parameter.default.to_string())));
            }
            settings.settle(None, &format!("parameter {}", parameter.name), layers);
        }
        let declared = |name: &&String| pipeline.parameters.iter().any(|parameter| parameter.name.as_str() == **name);
        match self.parameters.keys().find(|name| !declared(name)) {
            None => Ok(()),
            Some(name) => {
                let names: Vec<&str> = pipeline.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let message = format!("the overlay sets a parameter `{name}`, which the notebook does not have");
                Err(VerbError::usage(message, format!("its parameters are `{}`", names.join("`, `"))))
            }
        }
    }

    fn volumes(&self, pipeline: &mut Pipeline, settings: &mut Settings) -> Result<(), VerbError> {
        let before = std::mem::take(&mut pipeline.volumes);
        let wanted = self.volumes.iter().map(|volume| volume.name.as_str());
        let names: BTreeSet<&str> = before.iter().map(|volume| volume.name.as_str()).chain(wanted).collect();
        for name in names {
            let notebook = before.iter().find(|volume| volume.name == name);
            let overlay = self.volumes.iter().find(|volume| volume.name == name);
            let overlay = overlay.map(|volume| volume.read(notebook)).transpose()?;
            let layers =
                vec![(Origin::Notebook, notebook.map(describe)), (Origin::Overlay, overlay.as_ref().map(describe))];
            settings.settle(None, &format!("volume {name}"), layers);
            pipeline.volumes.extend(overlay.or_else(|| notebook.cloned()));
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
            (Origin::Overlay, self.image.clone()),
            (Origin::Overlay, own.image),
        ]);
        let (origin, chosen) = settings.settle(name, "image", layers).expect("there is a default");
        if origin == Origin::Overlay {
            *image = Some(chosen);
        }
        let notebook = resources.limits.iter().map(|(resource, amount)| (resource.clone(), amount.0.clone())).collect();
        let layers = [notebook, limits(&self.resources), limits(&own.resources)];
        for (resource, amount) in settings.merge(name, "", layers) {
            let amount = Quantity(amount);
            if amount.value().is_none() {
                let message = format!("the overlay's `{resource}: {}` for step `{}` is no amount", amount.0, step.name);
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
            settings.settle(name, &format!("toleration of {key}"), vec![(Origin::Overlay, Some(text))]);
            tolerations.push(toleration.clone());
        }
        Ok(())
    }
}

impl VolumeOverlay {
    fn read(&self, notebook: Option<&Volume>) -> Result<Volume, VerbError> {
        if !self.mount_point.starts_with('/') {
            let message = format!("the overlay mounts `{}` at `{}`", self.name, self.mount_point);
            return Err(VerbError::usage(message, "`mount_point` must begin with `/`"));
        }
        let kind = match &self.size {
            None => VolumeKind::Existing,
            Some(size) => VolumeKind::New {
                size: Quantity(size.text()),
                storage_class: self.storage_class.clone(),
                access_mode: self.access_mode.clone().unwrap_or_else(|| "ReadWriteOnce".to_owned()),
            },
        };
        let variable = notebook.and_then(|volume| volume.variable.clone());
        Ok(Volume { name: self.name.clone(), mount_point: self.mount_point.clone(), kind, variable })
    }
}

fn describe(volume: &Volume) -> String {
    match &volume.kind {
        VolumeKind::Existing => format!("at {}", volume.mount_point),
        VolumeKind::New { size, .. } => format!("{} at {}", size.0, volume.mount_point),
    }
}

fn texts(values: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.text())).collect()
}

fn limits(resources: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    let named = |name: String| if name == GPU.0 { GPU.1.to_owned() } else { name };
    texts(resources).into_iter().map(|(name, amount)| (named(name), amount)).collect()
}
