//! Which cluster a verb is about: the one of a context, by its name.

use std::time::Duration;

use kale_kubeflow::{Client, Context, Contexts, KubeflowError, LOCAL, Patience};

use crate::error::VerbError;

/// How long a cluster is asked that does not answer. It costs nothing, and an outage may last over night.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Another patience than that, such as `90`, `30m` or `2h`.
const PATIENCE_VARIABLE: &str = "KALE_RS_CLUSTER_PATIENCE";

/// The context that is meant (`None`: the one in use); none where that is this machine.
pub fn meant(name: Option<&str>) -> Result<Option<String>, VerbError> {
    let contexts = Contexts::open_default()?;
    let name = name.unwrap_or_else(|| contexts.current());
    Ok(match contexts.find(name)? {
        Context::Local => None,
        Context::Cluster(_) => Some(name.to_owned()),
    })
}

/// How a context is called.
pub fn called(context: Option<&str>) -> &str {
    context.unwrap_or(LOCAL)
}

/// The client of a context (`None`: of the one in use), with its name.
pub fn connect(name: Option<&str>) -> Result<(String, Client), VerbError> {
    let Some(name) = meant(name)? else {
        let help = "name a context with `--on`, or choose one: `kale-rs context use NAME`";
        return Err(VerbError::usage("`local` is this machine, and this is about a cluster", help));
    };
    let client = client(&name, Patience::default())?;
    Ok((name, client))
}

/// The client of the cluster that a context means now.
pub fn client(context: &str, patience: Patience) -> Result<Client, KubeflowError> {
    match Contexts::open_default()?.find(context)? {
        Context::Cluster(cluster) => Client::connect(&cluster, patience),
        Context::Local => Err(KubeflowError::usage(format!("`{context}` is this machine"), "name a cluster")),
    }
}

/// Whether somebody has removed a context: then nobody knows any more where its cluster is.
pub fn is_removed(context: &str) -> bool {
    Contexts::open_default().is_ok_and(|contexts| contexts.find(context).is_err())
}

/// How long a cluster is asked that does not answer.
pub fn patience() -> Result<Duration, VerbError> {
    let Some(text) = std::env::var_os(PATIENCE_VARIABLE).filter(|text| !text.is_empty()) else { return Ok(PATIENCE) };
    let seconds = text.to_str().and_then(kale_model::resources::seconds).ok_or_else(|| {
        let message = format!("`{PATIENCE_VARIABLE}` is no time: `{}`", text.to_string_lossy().escape_debug());
        VerbError::usage(message, "write seconds, or such as `30m` or `2h`, or leave it unset: then it is a day")
    })?;
    Ok(Duration::from_secs(seconds))
}
