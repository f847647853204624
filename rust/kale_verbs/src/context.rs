//! `context add|list|use|test|remove`: where pipelines run, and whether that works.

use std::path::PathBuf;

use kale_kubeflow::check::{self, Check, Server, State};
use kale_kubeflow::{Auth, Cluster, Context, Contexts, Kind, KubeflowError, Patience, rooted};
use serde::{Deserialize, Serialize};

use crate::doctor::{Finding, Health};
use crate::error::VerbError;
use crate::overlay::Overlay;
use crate::session::Session;

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum ContextRequest {
    Add(Box<Addition>),
    List {},
    Use {
        name: String,
    },
    /// The current one where none is named.
    Test {
        #[serde(default)]
        name: Option<String>,
    },
    Remove {
        name: String,
    },
}

/// A context as a user describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Addition {
    pub name: String,
    pub kfp: Option<String>,
    pub ui: Option<String>,
    pub namespace: Option<String>,
    /// `none` where nothing is said.
    pub auth: Option<String>,
    pub ca: Option<PathBuf>,
    pub insecure_skip_verify: bool,
    pub proxy: Option<String>,
    /// A file with what this cluster wants otherwise than notebooks say.
    pub overlay: Option<PathBuf>,
    pub kfp_namespace: Option<String>,
    /// Takes the place of a context of this name.
    pub replace: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ContextAnswer {
    List(ContextList),
    /// What was added, chosen or removed.
    One(ContextView),
    Test(ContextTest),
}

#[derive(Debug, Serialize)]
pub struct ContextList {
    pub contexts: Vec<ContextView>,
    pub current: String,
    /// The file that they are in.
    pub file: PathBuf,
}

/// A context as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ContextView {
    pub name: String,
    /// `local` or `kubeflow`.
    pub kind: &'static str,
    pub current: bool,
    pub kfp: Option<String>,
    pub ui: Option<String>,
    pub namespace: Option<String>,
    pub auth: Option<String>,
    pub ca: Option<PathBuf>,
    pub insecure_skip_verify: bool,
    pub proxy: Option<String>,
    pub overlay: Option<PathBuf>,
    pub kfp_namespace: Option<String>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ContextTest {
    pub context: String,
    pub works: bool,
    #[serde(flatten)]
    pub server: Server,
    pub findings: Vec<Finding>,
}

pub fn context(session: &Session, request: &ContextRequest) -> Result<ContextAnswer, VerbError> {
    let mut contexts = Contexts::open_default()?;
    Ok(match request {
        ContextRequest::Add(addition) => {
            let cluster = described(session, addition)?;
            contexts.add(cluster.clone(), addition.replace)?;
            ContextAnswer::One(view(&Context::Cluster(Box::new(cluster)), &contexts))
        }
        ContextRequest::List {} => {
            let views = contexts.all().iter().map(|context| view(context, &contexts)).collect();
            let (current, file) = (contexts.current().to_owned(), contexts.path().to_owned());
            ContextAnswer::List(ContextList { contexts: views, current, file })
        }
        ContextRequest::Use { name } => {
            contexts.choose(name)?;
            ContextAnswer::One(view(&contexts.find(name)?, &contexts))
        }
        ContextRequest::Test { name } => {
            let name = name.as_deref().unwrap_or(contexts.current());
            ContextAnswer::Test(test(&contexts.find(name)?))
        }
        ContextRequest::Remove { name } => {
            let removed = Context::Cluster(Box::new(contexts.remove(name)?));
            ContextAnswer::One(view(&removed, &contexts))
        }
    })
}

fn described(session: &Session, addition: &Addition) -> Result<Cluster, VerbError> {
    let auth: Auth = addition.auth.as_deref().unwrap_or("none").parse()?;
    if addition.kfp.is_none() && !matches!(auth, Auth::Kubeconfig(_) | Auth::InCluster) {
        let help = "add `--kfp URL`; only `--auth kubeconfig` and `--auth in-cluster` find it themselves";
        return Err(VerbError::usage("where is Kubeflow Pipelines?", help));
    }
    if addition.insecure_skip_verify && addition.ca.is_some() {
        let help = "leave `--insecure-skip-verify` out: the certificate is verified by the authority that `--ca` names";
        return Err(VerbError::usage("to verify a certificate, and not to, is asked for", help));
    }
    for namespace in addition.namespace.iter().chain(&addition.kfp_namespace) {
        kale_kubeflow::check_namespace(namespace)?;
    }
    Ok(Cluster {
        name: addition.name.parse()?,
        kfp: addition.kfp.as_deref().map(str::parse).transpose()?,
        ui: addition.ui.as_deref().map(str::parse).transpose()?,
        namespace: addition.namespace.clone(),
        auth: auth.rooted(&session.directory),
        ca: addition.ca.as_deref().map(|path| readable(session, path)).transpose()?,
        insecure_skip_verify: addition.insecure_skip_verify,
        proxy: addition.proxy.as_deref().map(str::parse).transpose()?,
        overlay: addition.overlay.as_deref().map(|path| overlay(session, path)).transpose()?,
        kfp_namespace: addition.kfp_namespace.clone(),
    })
}

/// An overlay that can be read now. It may change, and is read when it is used.
fn overlay(session: &Session, path: &std::path::Path) -> Result<PathBuf, VerbError> {
    Overlay::read(session, path)?;
    readable(session, path)
}

/// A file that is there now, by a path that is found from anywhere.
fn readable(session: &Session, path: &std::path::Path) -> Result<PathBuf, VerbError> {
    let path = rooted(path, &session.directory);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(VerbError::opening(path, &error)),
    }
}

fn view(context: &Context, contexts: &Contexts) -> ContextView {
    let name = context.name().to_owned();
    let current = contexts.current() == name;
    let Context::Cluster(cluster) = context else {
        return ContextView {
            name,
            kind: "local",
            current,
            kfp: None,
            ui: None,
            namespace: None,
            auth: None,
            ca: None,
            insecure_skip_verify: false,
            proxy: None,
            overlay: None,
            kfp_namespace: None,
            warnings: vec![],
        };
    };
    let text = |address: &Option<kale_kubeflow::Address>| address.as_ref().map(ToString::to_string);
    ContextView {
        name,
        kind: "kubeflow",
        current,
        kfp: text(&cluster.kfp),
        ui: text(&cluster.ui),
        namespace: cluster.namespace.clone(),
        auth: Some(cluster.auth.to_string()),
        ca: cluster.ca.clone(),
        insecure_skip_verify: cluster.insecure_skip_verify,
        proxy: text(&cluster.proxy),
        overlay: cluster.overlay.clone(),
        kfp_namespace: cluster.kfp_namespace.clone(),
        warnings: cluster.warnings(),
    }
}

fn test(context: &Context) -> ContextTest {
    let Context::Cluster(cluster) = context else {
        let detail = "this machine; `kale-rs doctor` says whether notebooks run on it".to_owned();
        let finding = Finding { subject: "local", health: Health::Ok, detail, help: String::new() };
        return ContextTest {
            context: context.name().to_owned(),
            works: true,
            server: Server::default(),
            findings: vec![finding],
        };
    };
    let (server, checks) = check::check(cluster, Patience::once());
    let works = checks.iter().all(|check| matches!(check.state, State::Works | State::Careful));
    let findings = checks.into_iter().map(finding).collect();
    ContextTest { context: context.name().to_owned(), works, server, findings }
}

fn finding(check: Check) -> Finding {
    let health = match check.state {
        State::Works => Health::Ok,
        State::Careful => Health::Warning,
        State::NotTried => Health::Skipped,
        State::Fails => Health::Error,
    };
    Finding { subject: check.subject, health, detail: check.detail, help: check.help }
}

impl From<KubeflowError> for VerbError {
    fn from(error: KubeflowError) -> VerbError {
        let KubeflowError { kind, message, help } = error;
        match kind {
            Kind::Usage | Kind::File => VerbError::Usage { message, help },
            _ => VerbError::Remote { message, help },
        }
    }
}
