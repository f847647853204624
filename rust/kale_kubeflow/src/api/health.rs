//! Whether it is Kubeflow Pipelines that answers, and which one.

use serde::{Deserialize, Serialize};

use super::path;
use crate::client::Client;
use crate::error::{Kind, KubeflowError};
use crate::request::Request;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether everybody has a namespace of their own.
    #[serde(default)]
    pub multi_user: Option<bool>,
    /// Where pipelines are kept: `database` or `kubernetes`.
    #[serde(default)]
    pub pipeline_store: Option<String>,
    /// Older servers say it here, newer ones only to the older API.
    #[serde(default, rename = "tag_name")]
    pub version: Option<String>,
}

impl Client {
    pub fn health(&self) -> Result<Health, KubeflowError> {
        self.connection.ask(&Request::get(path(&["healthz"]), "see how the server is"))
    }

    /// The version of the server, where the older API is there to tell.
    pub fn version(&self) -> Result<Option<String>, KubeflowError> {
        let request = Request::get("/apis/v1beta1/healthz", "ask for the version");
        match self.connection.ask::<Health>(&request) {
            Ok(health) => Ok(health.version.filter(|version| !version.is_empty())),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Foreign) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
