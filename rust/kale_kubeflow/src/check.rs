//! What of a context works, and what does not: one look, no second attempts.
//!
//! The API alone carries runs. What stands beside it (the pages, the service of metadata) knows what they have left: a
//! context without these works, and somebody should know what does not.

use serde::Serialize;

use crate::api::{Health, RunQuery};
use crate::client::Client;
use crate::context::{Auth, Cluster};
use crate::error::{Kind, KubeflowError};
use crate::patience::Patience;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Works,
    /// It works, and somebody should know something.
    Careful,
    Fails,
    /// What comes before it fails.
    NotTried,
}

/// One thing that has to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub subject: &'static str,
    pub state: State,
    pub detail: String,
    /// What to do; empty when it works.
    pub help: String,
}

impl Check {
    fn new(subject: &'static str, state: State, detail: impl Into<String>, help: impl Into<String>) -> Check {
        Check { subject, state, detail: detail.into(), help: help.into() }
    }

    fn works(subject: &'static str, detail: impl Into<String>) -> Check {
        Check::new(subject, State::Works, detail, "")
    }

    fn fails(subject: &'static str, error: &KubeflowError) -> Check {
        Check::new(subject, State::Fails, &error.message, &error.help)
    }

    fn not_tried(subject: &'static str) -> Check {
        Check::new(subject, State::NotTried, "not tried", "")
    }
}

/// What was found about the server, for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    pub url: Option<String>,
    pub version: Option<String>,
    pub multi_user: Option<bool>,
    pub pipeline_store: Option<String>,
}

/// Looks at a cluster from the nearest thing to the farthest: credentials, network, TLS, server, rights, namespace, and
/// the services beside it.
pub fn check(cluster: &Cluster, patience: Patience) -> (Server, Vec<Check>) {
    let client = match Client::connect(cluster, patience) {
        Ok(client) => client,
        Err(error) => {
            let rest = ["reachable", "tls", "version", "authorised", "namespace", "pages", "metadata"];
            let rest = rest.map(Check::not_tried);
            return (Server::default(), [vec![Check::fails("credentials", &error)], rest.to_vec()].concat());
        }
    };
    let credentials = credentials(&client);
    let has_credentials = credentials.state == State::Works;
    // Whether it is there can be seen without them.
    let client = if has_credentials { client } else { client.anonymous() };
    let health = client.health();
    let mut server = Server { url: Some(client.url().to_owned()), ..Server::default() };
    let mut checks = vec![credentials, reachable(&client, &health), tls(cluster, &client, &health)];
    match &health {
        Ok(health) => {
            server.multi_user = health.multi_user;
            server.pipeline_store = health.pipeline_store.clone().filter(|store| !store.is_empty());
            server.version = health.version.clone().or_else(|| client.version().ok().flatten());
            checks.push(version(&server));
        }
        Err(_) => checks.push(Check::not_tried("version")),
    }
    checks.extend(match &health {
        _ if !has_credentials => ["authorised", "namespace"].map(Check::not_tried),
        Ok(_) => rights(cluster, &client, &server),
        Err(error) if is_turned_away(error) => [Check::fails("authorised", error), Check::not_tried("namespace")],
        Err(_) => ["authorised", "namespace"].map(Check::not_tried),
    });
    let is_let_in = checks.iter().any(|check| check.subject == "authorised" && check.state == State::Works);
    checks.extend(if is_let_in { beside(&client) } else { ["pages", "metadata"].map(Check::not_tried) });
    (server, checks)
}

/// No run has this for its id.
const NO_RUN: &str = "kale-rs context test";

fn beside(client: &Client) -> [Check; 2] {
    let careful = |subject, what: String| {
        let help = "where the pages of Kubeflow Pipelines have another address than its API, add the context again with \
                    `--ui URL` and `--replace`";
        Check::new(subject, State::Careful, what, help)
    };
    let pages = match client.pages_answer() {
        Ok(true) => Check::works("pages", "they are there, and give out values"),
        Ok(false) => careful(
            "pages",
            format!("`{}` has none: values cannot be fetched through them", client.neighbours.pages.url),
        ),
        Err(error) => careful("pages", format!("values cannot be fetched through them: {}", error.message)),
    };
    let metadata = match client.outputs(NO_RUN) {
        Ok(_) => Check::works("metadata", "metrics, and where values are, can be asked for"),
        Err(error) => {
            let without = "runs go on without metrics and values here, and no `--gate` can hold";
            careful("metadata", format!("{}: {without}", error.message))
        }
    };
    [pages, metadata]
}

/// Whoever turns us away has answered.
fn is_turned_away(error: &KubeflowError) -> bool {
    matches!(error.kind, Kind::Unauthorized | Kind::Forbidden)
}

fn credentials(client: &Client) -> Check {
    let credentials = client.connection.credentials();
    match credentials.header() {
        Ok(_) => Check::works("credentials", credentials.reference()),
        Err(error) => Check::fails("credentials", &error),
    }
}

fn reachable(client: &Client, health: &Result<Health, KubeflowError>) -> Check {
    match health {
        Err(error) if !is_turned_away(error) => Check::fails("reachable", error),
        _ => Check::works("reachable", client.url()),
    }
}

fn tls(cluster: &Cluster, client: &Client, health: &Result<Health, KubeflowError>) -> Check {
    let warnings = cluster.warnings();
    if !warnings.is_empty() {
        return Check::new("tls", State::Careful, warnings.join("; "), "");
    }
    if matches!(health, Err(error) if error.kind == Kind::Unreachable) {
        return Check::not_tried("tls");
    }
    if client.url().starts_with("http://") {
        return Check::works("tls", "none: the URL begins with http://");
    }
    let by = cluster.ca.as_ref().map(|path| format!(", also by {}", path.display())).unwrap_or_default();
    Check::works("tls", format!("the certificate is verified{by}"))
}

fn version(server: &Server) -> Check {
    let version =
        server.version.as_deref().map_or_else(|| "API v2beta1".to_owned(), |tag| format!("{tag}, API v2beta1"));
    let store = server.pipeline_store.as_ref().map(|store| format!(", pipelines in {store}")).unwrap_or_default();
    let users = match server.multi_user {
        Some(true) => ", several users",
        Some(false) => ", one user",
        None => "",
    };
    Check::works("version", format!("{version}{store}{users}"))
}

/// Whether we may see runs, and whose.
fn rights(cluster: &Cluster, client: &Client, server: &Server) -> [Check; 2] {
    let several = server.multi_user == Some(true);
    if several && cluster.namespace.is_none() {
        let help = "add the context again with `--namespace NS` and `--replace`";
        let missing = Check::new("namespace", State::Fails, "the server has several users, and none is chosen", help);
        return [Check::not_tried("authorised"), missing];
    }
    let place = match (&cluster.namespace, server.multi_user) {
        (Some(name), Some(false)) => format!("`{name}` is not used: the server has one user"),
        (Some(name), _) => format!("`{name}`"),
        (None, _) => "none: the server has one user".to_owned(),
    };
    match client.runs(&RunQuery { experiment_id: None, display_name: None, limit: 1 }) {
        Ok(_) => {
            let who = if cluster.auth == Auth::None {
                "runs can be listed, without credentials"
            } else {
                "runs can be listed"
            };
            [Check::works("authorised", who), Check::works("namespace", place)]
        }
        Err(error) if error.kind == Kind::Forbidden => {
            let place = format!("{place}: no access, or there is none of that name");
            let help = "see that the name is right (`kubectl get profiles`), and ask its owner to add you";
            [Check::fails("authorised", &error), Check::new("namespace", State::Fails, place, help)]
        }
        Err(error) => [Check::fails("authorised", &error), Check::not_tried("namespace")],
    }
}
