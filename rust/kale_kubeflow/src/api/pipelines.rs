//! Pipelines and their versions.
//!
//! A version is named after its content, so that uploading what is there already is nothing to do. That is why a pipeline
//! is made first and its first version uploaded like every other: where both are made at once, the version is named after
//! the pipeline.

use serde::Deserialize;
use serde_json::json;

use super::{Done, or_default, path};
use crate::client::{Client, Paged, equals};
use crate::error::{Kind, KubeflowError};
use crate::limits;
use crate::request::Request;

/// What is uploaded.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline<'a> {
    pub name: &'a str,
    pub description: Option<&'a str>,
    /// The IR in YAML, with its platform document where there is one.
    pub ir: &'a str,
}

impl Pipeline<'_> {
    /// The name of its version: equal for equal content. It is one that Kubernetes takes as well, where servers keep
    /// pipelines.
    pub fn version_name(&self) -> String {
        format!("{}-{}", &self.name[..self.name.len().min(60)], &blake3::hash(self.ir.as_bytes()).to_hex()[..16])
    }
}

/// A pipeline as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PipelineRecord {
    pub pipeline_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub namespace: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Version {
    pub pipeline_id: String,
    pub pipeline_version_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: Option<String>,
}

#[derive(Deserialize)]
struct Pipelines {
    #[serde(default, deserialize_with = "or_default")]
    pipelines: Vec<PipelineRecord>,
    #[serde(default, deserialize_with = "or_default")]
    next_page_token: String,
}

impl Paged for Pipelines {
    type Item = PipelineRecord;

    fn parts(self) -> (Vec<PipelineRecord>, String) {
        (self.pipelines, self.next_page_token)
    }
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default, deserialize_with = "or_default")]
    pipeline_versions: Vec<Version>,
    #[serde(default, deserialize_with = "or_default")]
    next_page_token: String,
}

impl Paged for Versions {
    type Item = Version;

    fn parts(self) -> (Vec<Version>, String) {
        (self.pipeline_versions, self.next_page_token)
    }
}

impl Client {
    /// The version that holds this content, uploaded where it is not there yet.
    pub fn upload(&self, pipeline: &Pipeline<'_>) -> Result<Version, KubeflowError> {
        limits::pipeline_name(pipeline.name)?;
        limits::package(pipeline.ir)?;
        let pipeline_id = self.pipeline(pipeline.name, pipeline.description)?.pipeline_id;
        let name = pipeline.version_name();
        limits::version_name(&name)?;
        if let Some(found) = self.find_version(&pipeline_id, &name)? {
            return Ok(found);
        }
        let action = format!("upload the pipeline `{}`", pipeline.name);
        let request = Request::post(path(&["pipelines", "upload_version"]), action)
            .with("name", Some(&name))
            .with("pipelineid", Some(&pipeline_id))
            .with("description", pipeline.description)
            .file("pipeline.yaml", pipeline.ir.as_bytes().to_vec());
        self.connection.create_named(&request, || self.find_version(&pipeline_id, &name))
    }

    /// The pipeline of a name, which is made where there is none.
    fn pipeline(&self, name: &str, description: Option<&str>) -> Result<PipelineRecord, KubeflowError> {
        if let Some(found) = self.find_pipeline(name)? {
            return Ok(found);
        }
        let mut body = json!({"display_name": name});
        if let Some(description) = description {
            body["description"] = description.into();
        }
        if let Some(namespace) = self.namespace() {
            body["namespace"] = namespace.into();
        }
        let request = Request::post(path(&["pipelines"]), format!("make the pipeline `{name}`")).json(body);
        self.connection.create_named(&request, || self.find_pipeline(name))
    }

    fn find_pipeline(&self, name: &str) -> Result<Option<PipelineRecord>, KubeflowError> {
        let request = Request::get(path(&["pipelines"]), format!("look for the pipeline `{name}`"))
            .with("filter", Some(equals("display_name", name)))
            .with("namespace", self.namespace());
        let found = self.list::<Pipelines>(&request, usize::MAX)?;
        Ok(found.into_iter().find(|pipeline| pipeline.display_name == name))
    }

    fn find_version(&self, pipeline_id: &str, name: &str) -> Result<Option<Version>, KubeflowError> {
        let request = Request::get(path(&["pipelines", pipeline_id, "versions"]), "look for the pipeline's version")
            .with("filter", Some(equals("display_name", name)));
        let found = self.list::<Versions>(&request, usize::MAX)?;
        Ok(found.into_iter().find(|version| version.display_name == name))
    }

    /// At most `limit` of them, newest first.
    pub fn pipelines(&self, limit: usize) -> Result<Vec<PipelineRecord>, KubeflowError> {
        let request = Request::get(path(&["pipelines"]), "list pipelines")
            .with("sort_by", Some("created_at desc"))
            .with("namespace", self.namespace());
        self.list::<Pipelines>(&request, limit)
    }

    /// At most `limit` of them, newest first.
    pub fn versions(&self, pipeline_id: &str, limit: usize) -> Result<Vec<Version>, KubeflowError> {
        let request = Request::get(path(&["pipelines", pipeline_id, "versions"]), "list the pipeline's versions")
            .with("sort_by", Some("created_at desc"));
        self.list::<Versions>(&request, limit)
    }

    /// Removes a version; one that is not there is removed already.
    pub fn delete_version(&self, pipeline_id: &str, version_id: &str) -> Result<(), KubeflowError> {
        let path = path(&["pipelines", pipeline_id, "versions", version_id]);
        self.remove(&Request::delete(path, "remove the pipeline's version"))
    }

    pub(super) fn remove(&self, request: &Request) -> Result<(), KubeflowError> {
        match self.connection.ask(request) {
            Ok(Done {}) => Ok(()),
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
