//! Notebook metadata about the pipeline as a whole: ours under `kale_rs`, and Kale's under `kubeflow_notebook`.
//!
//! ```json
//! {"kale_rs": {"version": 1, "name": "churn", "description": "...", "experiment": "...", "base_image": "...",
//!              "enable_caching": true, "step_defaults": ["memory:2Gi"],
//!              "volumes": [{"name": "data", "mount_point": "/data", "variable": "DATA", "size": "5Gi",
//!                           "storage_class": "fast", "access_mode": "ReadWriteMany"}]}}
//! ```
//!
//! A volume with a `size` is made for the run; without one it is an existing claim. Kale's metadata counts as version
//! 0 of ours: it is migrated like any older version, and ours wins where both say something. Unknown keys are
//! ignored, values of a wrong kind are too, with a warning.

mod migrate;
mod volume;

use kale_model::{Code, Diagnostic, PipelineName, Volume};
use serde_json::{Map, Value};

use crate::tag::{StepTag, Tag, TagError};

/// Version of `kale_rs` metadata that this compiler writes and reads.
pub const METADATA_VERSION: u64 = 1;

/// What the notebook's metadata says about the pipeline as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineMetadata {
    pub name: Option<PipelineName>,
    pub description: Option<String>,
    /// KFP's sense: the group that runs belong to.
    pub experiment: Option<String>,
    pub base_image: Option<String>,
    pub enable_caching: Option<bool>,
    pub volumes: Vec<Volume>,
    /// Apply to every step that does not say otherwise.
    pub step_defaults: Vec<StepTag>,
}

/// Reads the metadata of a notebook.
pub fn read(notebook_metadata: &Value) -> (PipelineMetadata, Vec<Diagnostic>) {
    let mut diagnostics = vec![];
    let mut metadata = PipelineMetadata::default();
    for (section, version) in [("kubeflow_notebook", Some(0)), ("kale_rs", None)] {
        match notebook_metadata.get(section) {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                let mut fields = Fields { section, map: Map::new(), diagnostics: &mut diagnostics };
                if let Some(map) = fields.migrated(map.clone(), version) {
                    fields.map = map;
                    fields.read_into(&mut metadata);
                }
            }
            Some(other) => diagnostics.push(wrong_kind(section, "an object", other)),
        }
    }
    (metadata, diagnostics)
}

/// One section of metadata, its values taken out one by one.
struct Fields<'a> {
    section: &'static str,
    map: Map<String, Value>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Fields<'_> {
    /// The section in the newest version's form; `None` when a newer compiler wrote it.
    fn migrated(&mut self, map: Map<String, Value>, version: Option<u64>) -> Option<Map<String, Value>> {
        let declared = map.get("version").map_or(Some(METADATA_VERSION), Value::as_u64);
        match version.or(declared) {
            Some(version) if version <= METADATA_VERSION => Some(migrate::to_newest(map, version)),
            _ => {
                let found = map.get("version").map(Value::to_string).unwrap_or_default();
                self.warn(
                    format!(
                        "the notebook's `{}` metadata is of version {found}, which is not known here",
                        self.section
                    ),
                    format!("it is ignored; install a newer kale_rs, or set `version` to {METADATA_VERSION}"),
                );
                None
            }
        }
    }

    fn read_into(&mut self, metadata: &mut PipelineMetadata) {
        let name = self.text("name").map(|name| self.pipeline_name(&name));
        metadata.name = name.or(metadata.name.take());
        metadata.description = self.text("description").or(metadata.description.take());
        metadata.experiment = self.text("experiment").or(metadata.experiment.take());
        metadata.base_image = self.text("base_image").or(metadata.base_image.take());
        metadata.enable_caching = self.switch("enable_caching").or(metadata.enable_caching);
        let step_defaults = self.step_defaults();
        metadata.step_defaults.extend(step_defaults);
        if self.map.contains_key("volumes") {
            metadata.volumes = self.volumes();
        }
    }

    fn pipeline_name(&mut self, given: &str) -> PipelineName {
        given.parse().unwrap_or_else(|error: kale_model::NameError| {
            let name = PipelineName::slug(given);
            self.warn(format!("{error}"), format!("`{name}` is used; change the name in the notebook's metadata"));
            name
        })
    }

    /// A text; an empty one says nothing, since Kale's panel writes such.
    fn text(&mut self, key: &str) -> Option<String> {
        match self.map.remove(key)? {
            Value::Null => None,
            Value::String(text) => Some(text).filter(|text| !text.trim().is_empty()),
            other => self.refuse(key, "a text", &other),
        }
    }

    fn switch(&mut self, key: &str) -> Option<bool> {
        match self.map.remove(key)? {
            Value::Null => None,
            Value::Bool(on) => Some(on),
            other => self.refuse(key, "true or false", &other),
        }
    }

    fn list(&mut self, key: &str) -> Vec<Value> {
        match self.map.remove(key) {
            None | Some(Value::Null) => vec![],
            Some(Value::Array(items)) => items,
            Some(other) => self.refuse(key, "a list", &other).unwrap_or_default(),
        }
    }

    fn step_defaults(&mut self) -> Vec<StepTag> {
        let mut tags = vec![];
        for (index, item) in self.list("step_defaults").into_iter().enumerate() {
            let Value::String(text) = item else {
                let _: Option<()> = self.refuse(&format!("step_defaults[{index}]"), "a tag", &item);
                continue;
            };
            match text.parse() {
                Ok(Tag::Config(tag)) => tags.push(tag),
                Ok(_) | Err(TagError::Foreign) => self.warn(
                    format!("`{text}` among the step defaults of `{}` is ignored", self.section),
                    "defaults are tags such as `memory:2Gi`, `retries:2` or `label:KEY:VALUE`".to_owned(),
                ),
                Err(TagError::Malformed { cause, help }) => {
                    self.warn(format!("the step default `{text}` is ignored: {cause}"), help);
                }
            }
        }
        tags
    }

    fn volumes(&mut self) -> Vec<Volume> {
        let items = self.list("volumes");
        let mut volumes = vec![];
        for (index, item) in items.iter().enumerate() {
            match volume::read(item) {
                Ok(volume) => volumes.push(volume),
                Err(cause) => self.warn(
                    format!("`volumes[{index}]` of the notebook's `{}` metadata is ignored: {cause}", self.section),
                    "a volume needs a `name` and a `mount_point`, and a `size` when it is to be made".to_owned(),
                ),
            }
        }
        volumes
    }

    fn refuse<T>(&mut self, key: &str, expected: &str, found: &Value) -> Option<T> {
        self.diagnostics.push(wrong_kind(&format!("{}.{key}", self.section), expected, found));
        None
    }

    fn warn(&mut self, message: String, help: String) {
        self.diagnostics.push(Diagnostic::new(Code::BadMetadata, message, help));
    }
}

fn wrong_kind(path: &str, expected: &str, found: &Value) -> Diagnostic {
    let mut found = found.to_string();
    if let Some((cut, _)) = found.char_indices().nth(40) {
        found.truncate(cut);
        found.push('…');
    }
    let message = format!("`{path}` in the notebook's metadata is `{found}`, not {expected}; it is ignored");
    Diagnostic::new(Code::BadMetadata, message, "change it in the panel, or remove it")
}
