//! What a kubeconfig says of a cluster and of a user.
//!
//! The crate `kube` reads the files (`KUBECONFIG`, several of them, paths relative to them). Kubeflow Pipelines is reached
//! through the API server of Kubernetes, which passes on what is asked of a service: no port of it need be open.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Kubeconfig, KubeconfigError};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::context::Address;
use crate::credentials::{Credentials, Secret};
use crate::error::{Kind, KubeflowError};
use crate::plugin::Plugin;

/// A cluster and how one is let in, of one context of a kubeconfig.
#[derive(Debug)]
pub struct Entry {
    pub server: Address,
    pub ca: Option<Vec<u8>>,
    pub insecure_skip_verify: bool,
    pub proxy: Option<Address>,
    pub credentials: Credentials,
    /// Certificate and key, in PEM.
    pub identity: Option<Secret>,
}

/// The entry of a context of the kubeconfig, or of the current one.
pub fn read(context: Option<&str>) -> Result<Entry, KubeflowError> {
    let config = Kubeconfig::read().map_err(|error| {
        let help = "see that `kubectl config view` works, or that KUBECONFIG names the file";
        fault(format!("the kubeconfig cannot be read: {}", reason(&error)), help)
    })?;
    entry(&config, context)
}

/// A parser quotes what it could not read, which may be a secret: only what has to do with the file is told.
fn reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, path) => format!("`{}`: {error}", path.display()),
        KubeconfigError::FindPath => "there is no home directory".to_owned(),
        _ => "it is not in the format of one".to_owned(),
    }
}

fn fault(message: impl Into<String>, help: impl Into<String>) -> KubeflowError {
    KubeflowError::new(Kind::Credentials, message, help)
}

fn absent(what: &str, name: &str) -> KubeflowError {
    fault(format!("the kubeconfig has no {what} `{name}`"), "`kubectl config get-contexts` lists what there is")
}

fn entry(config: &Kubeconfig, context: Option<&str>) -> Result<Entry, KubeflowError> {
    let name = context.or(config.current_context.as_deref()).filter(|name| !name.is_empty()).ok_or_else(|| {
        fault("the kubeconfig has no current context", "`kubectl config use-context NAME`, or write `kubeconfig:NAME`")
    })?;
    let named = config.contexts.iter().find(|each| each.name == name);
    let context = named.and_then(|each| each.context.as_ref()).ok_or_else(|| absent("context", name))?;
    let named = config.clusters.iter().find(|each| each.name == context.cluster);
    let cluster = named.and_then(|each| each.cluster.as_ref()).ok_or_else(|| absent("cluster", &context.cluster))?;
    let user = match context.user.as_deref().filter(|user| !user.is_empty()) {
        None => AuthInfo::default(),
        Some(user) => {
            let named = config.auth_infos.iter().find(|each| each.name == user);
            named.and_then(|each| each.auth_info.clone()).ok_or_else(|| absent("user", user))?
        }
    };
    if cluster.tls_server_name.is_some() {
        let message = format!("the cluster `{}` of the kubeconfig sets `tls-server-name`", context.cluster);
        return Err(fault(message, "kale_rs cannot use that: give the URL that the certificate is for with `--kfp`"));
    }
    let server = cluster.server.as_deref().ok_or_else(|| absent("server for cluster", &context.cluster))?;
    let ca = bytes(cluster.certificate_authority_data.as_deref(), cluster.certificate_authority.as_deref())?;
    let known = json!({
        "server": server,
        "certificate-authority-data": ca.as_ref().map(|ca| STANDARD.encode(ca)),
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify.unwrap_or_default(),
    });
    let (credentials, identity) = admitted(&user, known)?;
    Ok(Entry {
        server: server.parse()?,
        ca,
        insecure_skip_verify: cluster.insecure_skip_tls_verify.unwrap_or_default(),
        proxy: cluster.proxy_url.as_deref().map(str::parse).transpose()?,
        credentials,
        identity,
    })
}

/// What a user shows, in the order that kubectl has: a certificate beside one of token, program, and password.
fn admitted(user: &AuthInfo, cluster: serde_json::Value) -> Result<(Credentials, Option<Secret>), KubeflowError> {
    let key_data = user.client_key_data.as_ref().map(|data| data.expose_secret());
    let certificate = bytes(user.client_certificate_data.as_deref(), user.client_certificate.as_deref())?;
    let key = bytes(key_data, user.client_key.as_deref())?;
    let mut identity = certificate.zip(key).map(|(certificate, key)| pem(&certificate, &key));
    let credentials = if let Some(path) = &user.token_file {
        Credentials::TokenFile(path.into())
    } else if let Some(token) = &user.token {
        Credentials::Token(Secret::new(token.expose_secret()))
    } else if let Some(exec) = &user.exec {
        let plugin = Plugin::new(exec, cluster)?;
        let given = plugin.run()?;
        identity =
            given.identity.map(|(certificate, key)| pem(certificate.as_bytes(), key.reveal().as_bytes())).or(identity);
        match given.token {
            Some(token) => Credentials::Plugin { plugin, token: token.into() },
            None => Credentials::Nothing,
        }
    } else if let (Some(user), Some(password)) = (&user.username, &user.password) {
        Credentials::Basic { user: user.clone(), password: Secret::new(password.expose_secret()) }
    } else if user.auth_provider.is_some() {
        let message = "the user of the kubeconfig has an `auth-provider`, which Kubernetes has given up";
        return Err(fault(message, "let your cloud's tool write the kubeconfig anew: it will use `exec`"));
    } else {
        Credentials::Nothing
    };
    Ok((credentials, identity))
}

fn pem(certificate: &[u8], key: &[u8]) -> Secret {
    let [certificate, key] = [certificate, key].map(String::from_utf8_lossy);
    Secret::new(format!("{}\n{}\n", certificate.trim_end(), key.trim_end()))
}

/// What is given as base64, else in a file.
fn bytes(data: Option<&str>, path: Option<&str>) -> Result<Option<Vec<u8>>, KubeflowError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let joined: String = data.split_whitespace().collect();
        let decoded = STANDARD.decode(joined).map_err(|_| {
            fault(
                "a certificate or key in the kubeconfig is no base64",
                "let your cluster's tool write the kubeconfig anew",
            )
        })?;
        return Ok(Some(decoded));
    }
    let read = |path: &str| fs::read(path).map_err(|error| KubeflowError::file("read", path.as_ref(), &error));
    path.filter(|path| !path.is_empty()).map(read).transpose()
}

/// Where the API server of Kubernetes passes on what is asked of Kubeflow Pipelines.
pub fn service_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/services/ml-pipeline:http/proxy")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: one, user: me}}
- {name: there, context: {cluster: two, user: robot}}
- {name: open, context: {cluster: two, user: ''}}
- {name: astray, context: {cluster: three, user: me}}
clusters:
- {name: one, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: aGVsbG8=}}
- {name: two, cluster: {server: 'http://localhost:8001/k8s', insecure-skip-tls-verify: true}}
users:
- {name: me, user: {token: hunter2}}
- name: robot
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: sh
      args: [-c, 'printf \"{\\\"status\\\":{\\\"token\\\":\\\"from-%s\\\"}}\" \"$WHO\"']
      env: [{name: WHO, value: hunter2}]
      interactiveMode: Never
";

    fn read(context: Option<&str>) -> Result<Entry, KubeflowError> {
        entry(&Kubeconfig::from_yaml(CONFIG).unwrap(), context)
    }

    #[test]
    fn the_current_context_is_meant_where_none_is_named() {
        let found = read(None).unwrap();
        assert_eq!((found.server.as_str(), found.ca.as_deref()), ("https://10.0.0.1:6443", Some(&b"hello"[..])));
        assert_eq!(found.credentials.header().unwrap().unwrap().1, "Bearer hunter2");
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn programs_and_certificates_are_asked() {
        let found = read(Some("there")).unwrap();
        assert_eq!(found.credentials.header().unwrap().unwrap().1, "Bearer from-hunter2");
        assert_eq!(found.identity.as_ref().unwrap().reveal(), "CERT\nKEY\n");
        assert!(found.insecure_skip_verify && !format!("{found:?}").contains("hunter2"));
        assert!(matches!(read(Some("open")).unwrap().credentials, Credentials::Nothing));
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert!(read(Some("nowhere")).unwrap_err().message.contains("no context `nowhere`"));
        assert!(read(Some("astray")).unwrap_err().message.contains("no cluster `three`"));
    }
}
