//! The client of one cluster. What it can do is in `api/`, a file per kind of thing.

use serde::de::DeserializeOwned;
use url::Url;

use crate::api::segment;
use crate::connection::Connection;
use crate::context::{Address, Cluster};
use crate::error::{Kind, KubeflowError};
use crate::neighbours::Neighbours;
use crate::patience::Patience;
use crate::request::Request;

/// The server's limit.
const PAGE_SIZE: usize = 200;
/// More pages than any list has.
pub(crate) const MOST_PAGES: usize = 1_000;

/// Everything that Kubeflow Pipelines can be asked. Its methods wait for their answers.
pub struct Client {
    pub(crate) connection: Connection,
    /// Where people look at runs.
    ui: Url,
    pub(crate) neighbours: Neighbours,
}

impl Client {
    /// Looks up the credentials that the context refers to. Nothing is sent yet.
    pub fn connect(cluster: &Cluster, patience: Patience) -> Result<Client, KubeflowError> {
        if let Some(namespace) = &cluster.namespace {
            crate::limits::namespace(namespace)?;
        }
        let connection = Connection::open(cluster, patience)?;
        let api = connection.base_url();
        let ui = cluster.ui.as_ref().map_or(api, Address::url).clone();
        let neighbours = Neighbours::of(cluster, api);
        Ok(Client { connection, ui, neighbours })
    }

    /// The same, showing no credentials.
    pub(crate) fn anonymous(mut self) -> Client {
        self.connection.forget_credentials();
        self
    }

    /// Where requests go.
    pub fn url(&self) -> &str {
        self.connection.base()
    }

    /// The page of a run, for people.
    pub fn run_url(&self, run_id: &str) -> String {
        format!("{}/#/runs/details/{}", self.ui.as_str().trim_end_matches('/'), segment(run_id))
    }

    /// The page of a recurring run, for people.
    pub fn recurring_run_url(&self, id: &str) -> String {
        format!("{}/#/recurringrun/details/{}", self.ui.as_str().trim_end_matches('/'), segment(id))
    }

    /// The page of an experiment, for people.
    pub fn experiment_url(&self, experiment_id: &str) -> String {
        format!("{}/#/experiments/details/{}", self.ui.as_str().trim_end_matches('/'), segment(experiment_id))
    }

    /// The namespace for requests about what belongs to no experiment yet. A server of one user ignores it.
    pub(crate) fn namespace(&self) -> Option<String> {
        self.connection.namespace().map(str::to_owned)
    }

    /// What a list holds, page after page, until there is no more or there are enough.
    pub(crate) fn list<P: Paged + DeserializeOwned>(
        &self,
        request: &Request,
        limit: usize,
    ) -> Result<Vec<P::Item>, KubeflowError> {
        let mut found = vec![];
        let mut token = String::new();
        for _ in 0..MOST_PAGES {
            let size = PAGE_SIZE.min(limit - found.len()).to_string();
            let page = request.clone().with("page_size", Some(size));
            let page: P =
                self.connection.ask(&page.with("page_token", Some(&token).filter(|token| !token.is_empty())))?;
            let (items, next) = page.parts();
            found.extend(items);
            if next.is_empty() || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
            if next == token {
                break;
            }
            token = next;
        }
        Err(self.list_without_end())
    }

    pub(crate) fn list_without_end(&self) -> KubeflowError {
        let message = format!("`{}` gives a list without end, or the same page of it again and again", self.url());
        KubeflowError::new(Kind::Server, message, "see what is in between: it may cache answers")
    }
}

/// One page of a list.
pub(crate) trait Paged {
    type Item;
    /// What is on it, and the token of the next one.
    fn parts(self) -> (Vec<Self::Item>, String);
}

/// What is equal to a text, as the API's lists are told.
pub(crate) fn equals(key: &str, text: &str) -> String {
    serde_json::json!({"predicates": [{"operation": 1, "key": key, "stringValue": text}]}).to_string()
}
