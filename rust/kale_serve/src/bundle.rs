//! What is served: `bundle.json` of a folder, as far as the server looks at it.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ServeError;

pub const ABOUT: &str = "bundle.json";
/// The newest format that is understood here.
pub const FORMAT_VERSION: u64 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bundle {
    pub format_version: u64,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub model: Model,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<Functions>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub assets: BTreeMap<String, Asset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Whether the model answers rows of several requests together as it answers each alone; `None`: nobody has tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batchable: Option<bool>,
    /// What is there besides; it belongs to whoever has packed it.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    pub flavour: String,
    pub file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What of the notebook comes along, and which of it goes before and behind the model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Functions {
    pub file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default)]
    pub preprocess: Option<String>,
    #[serde(default)]
    pub postprocess: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asset {
    pub file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Signature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    #[serde(default)]
    pub inputs: Vec<TensorType>,
    #[serde(default)]
    pub outputs: Vec<TensorType>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    Array,
    Dataframe,
    List,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
}

/// An axis of -1 may have any length.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TensorType {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Environment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wheel: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Bundle {
    pub fn load(folder: &Path) -> Result<Bundle, ServeError> {
        let wrong = |reason: String| ServeError::Bundle { folder: folder.to_owned(), reason };
        let text = std::fs::read_to_string(folder.join(ABOUT)).map_err(|error| wrong(error.to_string()))?;
        let bundle: Bundle = serde_json::from_str(&text).map_err(|error| wrong(format!("bundle.json: {error}")))?;
        bundle.check(folder).map_err(wrong)?;
        Ok(bundle)
    }

    fn check(&self, folder: &Path) -> Result<(), String> {
        if self.format_version > FORMAT_VERSION {
            let version = self.format_version;
            return Err(format!("it has format {version}, and this kale_rs knows formats up to {FORMAT_VERSION}"));
        }
        check_name(&self.name)
            .map_err(|rule| format!("`{}` cannot be a model's name: {rule}", crate::protocol::shown(&self.name)))?;
        for file in self.files() {
            if !Path::new(file).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(format!("`{file}` is not within the bundle"));
            }
            if !folder.join(file).exists() {
                return Err(format!("`{file}` is missing"));
            }
        }
        Ok(())
    }

    /// What it names of its folder, and needs.
    fn files(&self) -> impl Iterator<Item = &str> {
        let functions = self.functions.iter().map(|functions| functions.file.as_str());
        let modules = self.environment.iter().filter_map(|environment| environment.modules.as_deref());
        let assets = self.assets.values().map(|asset| asset.file.as_str());
        std::iter::once(self.model.file.as_str()).chain(functions).chain(modules).chain(assets)
    }

    /// Without what comes before and behind the model; what the signature says of these is not for the model.
    pub fn model_only(mut self) -> Bundle {
        let calls = |functions: &Functions| functions.preprocess.is_some() || functions.postprocess.is_some();
        if self.functions.as_ref().is_some_and(calls) {
            self.signature = None;
        }
        if let Some(functions) = &mut self.functions {
            functions.preprocess = None;
            functions.postprocess = None;
        }
        self
    }

    /// Whether instances go to Python as they were sent.
    pub fn wants_plain_rows(&self) -> bool {
        let preprocesses = self.functions.as_ref().is_some_and(|functions| functions.preprocess.is_some());
        let container = self.signature.as_ref().and_then(|signature| signature.container);
        match container {
            Some(container) => container == Container::List,
            None => preprocesses,
        }
    }
}

/// What stands in URLs, and is the name of a service in Kubernetes, too, when it is in lower case. The error is the rule.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= 63 && name.bytes().all(fits) {
        return Ok(());
    }
    Err("a name has letters, digits, `.`, `_` and `-`, 63 at most, the first a letter or digit".to_owned())
}
