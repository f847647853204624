//! From what a context says to what it takes to connect: where, by which proxy, trusting whom, showing what.

use std::fs;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, NoProxy, Proxy};
use url::Url;

use crate::context::{Address, Auth, Cluster};
use crate::credentials::{Credentials, Secret};
use crate::error::{Kind, KubeflowError, deepest};
use crate::kubeconfig;
use crate::patience::Patience;

/// Where a cluster is and how one gets there, with everything looked up.
pub struct Access {
    pub base: Url,
    pub ca: Option<Vec<u8>>,
    pub insecure_skip_verify: bool,
    pub proxy: Option<Address>,
    pub credentials: Credentials,
    pub identity: Option<Secret>,
}

/// Looks up what a context refers to.
pub fn access(cluster: &Cluster) -> Result<Access, KubeflowError> {
    let read =
        |path: &PathBuf| fs::read(path).map_err(|error| KubeflowError::file("read the certificates in", path, &error));
    let ca = cluster.ca.as_ref().map(read).transpose()?;
    let credentials = match &cluster.auth {
        Auth::Kubeconfig(context) => return through_kubernetes(cluster, context.as_deref(), ca),
        Auth::None => Credentials::Nothing,
        Auth::TokenEnv(variable) => Credentials::TokenEnv(variable.clone()),
        Auth::TokenFile(path) => Credentials::TokenFile(path.clone()),
        Auth::CookieEnv(variable) => Credentials::CookieEnv(variable.clone()),
        Auth::InCluster => Credentials::in_cluster(),
    };
    let (insecure_skip_verify, proxy) = (cluster.insecure_skip_verify, cluster.proxy.clone());
    Ok(Access { base: base(cluster)?, ca, insecure_skip_verify, proxy, credentials, identity: None })
}

/// Where the context says that it is; a pod knows the name that the service has in its cluster.
fn base(cluster: &Cluster) -> Result<Url, KubeflowError> {
    match (&cluster.kfp, &cluster.auth) {
        (Some(kfp), _) => Ok(kfp.url().clone()),
        (None, Auth::InCluster) => {
            let service = format!("http://ml-pipeline.{}.svc.cluster.local:8888", cluster.kfp_namespace());
            Ok(service.parse::<Address>()?.url().clone())
        }
        (None, _) => {
            let message = "the context does not say where Kubeflow Pipelines is";
            Err(KubeflowError::usage(message, "add it with `--kfp URL`"))
        }
    }
}

/// The kubeconfig says where and how, but for what the context itself says.
fn through_kubernetes(cluster: &Cluster, name: Option<&str>, ca: Option<Vec<u8>>) -> Result<Access, KubeflowError> {
    let entry = kubeconfig::read(name)?;
    let base = match &cluster.kfp {
        Some(kfp) => kfp.url().clone(),
        None => {
            let mut url = entry.server.url().clone();
            let path = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{path}{}", kubeconfig::service_path(cluster.kfp_namespace())));
            url
        }
    };
    Ok(Access {
        base,
        ca: ca.or(entry.ca),
        insecure_skip_verify: cluster.insecure_skip_verify || entry.insecure_skip_verify,
        proxy: cluster.proxy.clone().or(entry.proxy),
        credentials: entry.credentials,
        identity: entry.identity,
    })
}

/// What speaks HTTP, with the TLS and the proxy that were asked for, and showing this certificate.
pub fn client(
    access: &Access,
    identity: Option<&Secret>,
    patience: &Patience,
) -> Result<reqwest::Client, KubeflowError> {
    install_tls();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("kale-rs/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience.connect)
        .read_timeout(patience.read)
        .pool_idle_timeout(Duration::from_secs(20))
        .redirect(Policy::none())
        .tls_danger_accept_invalid_certs(access.insecure_skip_verify);
    let unusable = |what: &str, error: &reqwest::Error| {
        KubeflowError::new(Kind::Credentials, format!("{what} cannot be used: {}", deepest(error)), "it must be PEM")
    };
    if let Some(ca) = &access.ca {
        let certificates =
            Certificate::from_pem_bundle(ca).map_err(|error| unusable("the authority's certificate", &error))?;
        if certificates.is_empty() {
            let message = "the file of the authority's certificate holds none";
            return Err(KubeflowError::new(Kind::Credentials, message, "it must be PEM"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(identity) = identity {
        let identity = Identity::from_pem(identity.reveal().as_bytes())
            .map_err(|error| unusable("the client's certificate of the kubeconfig", &error))?;
        builder = builder.identity(identity);
    }
    if let Some(proxy) = &access.proxy {
        let proxy = Proxy::all(proxy.as_str()).map_err(|error| unusable("the proxy", &error))?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_env()));
    }
    builder.build().map_err(|error| {
        KubeflowError::new(Kind::Unreachable, format!("no connection can be made here: {}", deepest(&error)), "")
    })
}

/// The one TLS implementation of the process. With two linked in, rustls refuses to choose.
fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An application that embeds us may have chosen one already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
