//! Experiments: groups of runs.

use serde::Deserialize;
use serde_json::json;

use super::{Done, or_default, path};
use crate::client::{Client, Paged, equals};
use crate::error::KubeflowError;
use crate::limits;
use crate::request::Request;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Experiment {
    pub experiment_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub namespace: String,
    /// `AVAILABLE` or `ARCHIVED`.
    #[serde(default, deserialize_with = "or_default")]
    pub storage_state: String,
}

#[derive(Deserialize)]
struct Experiments {
    #[serde(default, deserialize_with = "or_default")]
    experiments: Vec<Experiment>,
    #[serde(default, deserialize_with = "or_default")]
    next_page_token: String,
}

impl Paged for Experiments {
    type Item = Experiment;

    fn parts(self) -> (Vec<Experiment>, String) {
        (self.experiments, self.next_page_token)
    }
}

impl Client {
    /// The experiment of a name, which is made where there is none.
    pub fn experiment(&self, name: &str, description: Option<&str>) -> Result<Experiment, KubeflowError> {
        limits::experiment_name(name)?;
        self.check_namespace()?;
        if let Some(found) = self.find_experiment(name)? {
            return Ok(found);
        }
        let mut body = json!({"display_name": name});
        if let Some(description) = description {
            body["description"] = description.into();
        }
        if let Some(namespace) = self.namespace() {
            body["namespace"] = namespace.into();
        }
        let request = Request::post(path(&["experiments"]), format!("make the experiment `{name}`")).json(body);
        self.connection.create_named(&request, || self.find_experiment(name))
    }

    /// A server of several users starts nothing that is nobody's.
    fn check_namespace(&self) -> Result<(), KubeflowError> {
        if self.namespace().is_some() || self.health()?.multi_user != Some(true) {
            return Ok(());
        }
        let message = "the server has several users, and the context says of no namespace that it is yours";
        Err(KubeflowError::usage(message, "add the context again with `--namespace` and `--replace`"))
    }

    /// The experiment of a name, if there is one.
    pub fn find_experiment(&self, name: &str) -> Result<Option<Experiment>, KubeflowError> {
        let request = Request::get(path(&["experiments"]), format!("look for the experiment `{name}`"))
            .with("filter", Some(equals("display_name", name)))
            .with("namespace", self.namespace());
        let found = self.list::<Experiments>(&request, usize::MAX)?;
        Ok(found.into_iter().find(|experiment| experiment.display_name == name))
    }

    /// At most `limit` of them, newest first.
    pub fn experiments(&self, limit: usize) -> Result<Vec<Experiment>, KubeflowError> {
        let request = Request::get(path(&["experiments"]), "list experiments")
            .with("sort_by", Some("created_at desc"))
            .with("namespace", self.namespace());
        self.list::<Experiments>(&request, limit)
    }

    pub fn archive_experiment(&self, experiment_id: &str) -> Result<(), KubeflowError> {
        self.change_experiment(experiment_id, "archive")
    }

    pub fn unarchive_experiment(&self, experiment_id: &str) -> Result<(), KubeflowError> {
        self.change_experiment(experiment_id, "unarchive")
    }

    /// Carried out twice it is as carried out once.
    fn change_experiment(&self, experiment_id: &str, verb: &str) -> Result<(), KubeflowError> {
        let path = format!("{}:{verb}", path(&["experiments", experiment_id]));
        self.connection.ask(&Request::post(path, format!("{verb} the experiment"))).map(|Done {}| ())
    }
}
