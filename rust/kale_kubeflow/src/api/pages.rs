//! The pages of Kubeflow Pipelines, for people: whether they are there.

use crate::client::Client;
use crate::error::{Kind, KubeflowError};
use crate::request::Request;

impl Client {
    /// Whether a web page is where the pages should be. Behind a gateway it may be one to log in, which is found out by
    /// asking the API first.
    pub fn pages_answer(&self) -> Result<bool, KubeflowError> {
        let request = Request::get("/", "look at the pages of Kubeflow Pipelines").at(&self.neighbours.pages);
        match self.connection.is_page(&request) {
            Ok(is_page) => Ok(is_page),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Foreign) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
