//! A context: somewhere a pipeline runs, which is this machine or a cluster that has a name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::KubeflowError;
use crate::neighbours::is_shown_credentials;

/// The context that always exists: this machine.
pub const LOCAL: &str = "local";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    Local,
    Cluster(Box<Cluster>),
}

impl Context {
    pub fn name(&self) -> &str {
        match self {
            Context::Local => LOCAL,
            Context::Cluster(cluster) => cluster.name.as_str(),
        }
    }
}

/// A name for a cluster: letters, digits, `-`, `_` and `.`, at most 63, and not `local`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextName(String);

impl ContextName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextName {
    type Err = KubeflowError;

    fn from_str(text: &str) -> Result<ContextName, KubeflowError> {
        if text == LOCAL {
            let message = "`local` is this machine: it is always there, and stays as it is";
            return Err(KubeflowError::usage(message, "choose another name"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= 63 && text.chars().all(plain) {
            return Ok(ContextName(text.to_owned()));
        }
        let message = format!("`{}` cannot be the name of a context", text.escape_debug());
        Err(KubeflowError::usage(
            message,
            "begin with a letter or digit, then letters, digits, `-`, `_` and `.`, 63 at most",
        ))
    }
}

impl TryFrom<String> for ContextName {
    type Error = KubeflowError;

    fn try_from(text: String) -> Result<ContextName, KubeflowError> {
        text.parse()
    }
}

impl From<ContextName> for String {
    fn from(name: ContextName) -> String {
        name.0
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How to reach and use a cluster. It is what the file of contexts holds, so there is no secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    #[serde(skip, default = "unnamed")]
    pub name: ContextName,
    /// Where Kubeflow Pipelines answers; none where `auth` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kfp: Option<Address>,
    /// Where people look at runs, if that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui: Option<Address>,
    /// Whose runs and pipelines: the profile of a Kubeflow with several users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub auth: Auth,
    /// Certificates (PEM) of authorities to trust besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
    /// The proxy to go through, instead of that of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Address>,
    /// A file with what this cluster wants otherwise than notebooks say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<PathBuf>,
    /// Where Kubeflow Pipelines itself is installed, for the ways that go through Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kfp_namespace: Option<String>,
}

/// The file has the name as the key of its table; whoever reads it puts it in.
fn unnamed() -> ContextName {
    ContextName(String::new())
}

impl Cluster {
    /// Where the official manifests install it.
    pub fn kfp_namespace(&self) -> &str {
        self.kfp_namespace.as_deref().unwrap_or("kubeflow")
    }

    /// What a user should know about these settings before anything is sent.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = vec![];
        if self.insecure_skip_verify {
            warnings.push(
                "the server's certificate is not verified: whoever is in between can read and change everything, \
                 the credentials included; `--ca FILE` trusts one authority instead"
                    .to_owned(),
            );
        }
        let carries_secret = !matches!(self.auth, Auth::None | Auth::InCluster);
        let is_shown =
            |ui: &&Address| self.kfp.as_ref().is_some_and(|kfp| is_shown_credentials(self, kfp.url(), ui.url()));
        let shown = self.kfp.iter().chain(self.ui.as_ref().filter(is_shown));
        for address in shown.filter(|address| carries_secret && address.is_in_the_open()) {
            warnings.push(format!("credentials travel unencrypted to `{address}`: use https where the server has it"));
        }
        warnings
    }
}

/// The URL of a server, without anything that is secret or varies: no user, no password, no query, no fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(Url);

impl Address {
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Its text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Whether others on the network could read along.
    fn is_in_the_open(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        self.0.scheme() == "http" && !here
    }
}

impl FromStr for Address {
    type Err = KubeflowError;

    /// What the URL was is not repeated in an error where it may hold a secret.
    fn from_str(text: &str) -> Result<Address, KubeflowError> {
        let example = "write it like `https://kubeflow.example.org/pipeline`";
        let mut url = Url::parse(text)
            .map_err(|error| KubeflowError::usage(format!("this is no URL of a server: {error}"), example))?;
        if !url.username().is_empty() || url.password().is_some() {
            let help = "credentials are never stored: write the URL without them, and say with `--auth` where they are \
                        kept, such as `token-env:VAR`";
            return Err(KubeflowError::usage("the URL holds a user or a password", help));
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(KubeflowError::usage(format!("`{}://` cannot be talked to", url.scheme()), example));
        }
        if url.query().is_some() || url.fragment().is_some() {
            let help = "leave out what begins with `?` or `#`: it belongs to a page";
            return Err(KubeflowError::usage("the URL is that of a page, not of a server", help));
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/apis/v2beta1").unwrap_or(path).to_owned();
        url.set_path(&path);
        Ok(Address(url))
    }
}

impl TryFrom<String> for Address {
    type Error = KubeflowError;

    fn try_from(text: String) -> Result<Address, KubeflowError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.as_str().to_owned()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the credentials are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Auth {
    None,
    /// A bearer token in an environment variable.
    TokenEnv(String),
    /// A bearer token in a file, read anew for every request.
    TokenFile(PathBuf),
    /// The session cookie of a gateway (Dex, oauth2-proxy) in an environment variable.
    CookieEnv(String),
    /// The token that Kubernetes projects into a pod.
    InCluster,
    /// What a kubeconfig says: of its current context, or of the one named.
    Kubeconfig(Option<String>),
}

/// What `--auth` takes, for messages.
pub const WAYS: &str = "`none`, `token-env:VAR`, `token-file:PATH`, `cookie-env:VAR`, `in-cluster`, `kubeconfig` or \
                        `kubeconfig:CONTEXT`";

impl FromStr for Auth {
    type Err = KubeflowError;

    /// What was given is not repeated in an error: it may be the secret itself.
    fn from_str(text: &str) -> Result<Auth, KubeflowError> {
        let (way, what) = text.split_once(':').map_or((text, None), |(way, what)| (way, Some(what)));
        match (way, what) {
            ("none", None) => Ok(Auth::None),
            ("in-cluster", None) => Ok(Auth::InCluster),
            ("kubeconfig", None) => Ok(Auth::Kubeconfig(None)),
            ("kubeconfig", Some(context)) if !context.is_empty() => Ok(Auth::Kubeconfig(Some(context.to_owned()))),
            ("token-env", Some(variable)) => Ok(Auth::TokenEnv(variable_name(variable)?)),
            ("cookie-env", Some(variable)) => Ok(Auth::CookieEnv(variable_name(variable)?)),
            ("token-file", Some(path)) if !path.is_empty() => Ok(Auth::TokenFile(PathBuf::from(path))),
            _ => Err(KubeflowError::usage("this is no way to authenticate", format!("write {WAYS}"))),
        }
    }
}

/// Of an environment variable. A token that somebody has pasted here is none.
fn variable_name(text: &str) -> Result<String, KubeflowError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && text.chars().all(plain) && text.len() <= 128 {
        return Ok(text.to_owned());
    }
    let help = "give the variable's name, not what it holds: letters, digits and `_`";
    Err(KubeflowError::usage("this is no name of an environment variable", help))
}

impl TryFrom<String> for Auth {
    type Error = KubeflowError;

    fn try_from(text: String) -> Result<Auth, KubeflowError> {
        text.parse()
    }
}

impl From<Auth> for String {
    fn from(auth: Auth) -> String {
        auth.to_string()
    }
}

/// What [`Auth::from_str`] reads.
impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::None => f.write_str("none"),
            Auth::TokenEnv(variable) => write!(f, "token-env:{variable}"),
            Auth::TokenFile(path) => write!(f, "token-file:{}", path.display()),
            Auth::CookieEnv(variable) => write!(f, "cookie-env:{variable}"),
            Auth::InCluster => f.write_str("in-cluster"),
            Auth::Kubeconfig(None) => f.write_str("kubeconfig"),
            Auth::Kubeconfig(Some(context)) => write!(f, "kubeconfig:{context}"),
        }
    }
}

impl Auth {
    /// With a file that is found from anywhere: relative paths begin at `directory`, `~/` at home.
    pub fn rooted(self, directory: &Path) -> Auth {
        match self {
            Auth::TokenFile(path) => Auth::TokenFile(rooted(&path, directory)),
            other => other,
        }
    }
}

/// A path that is found from anywhere.
pub fn rooted(path: &Path, directory: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => directory.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_authenticate_is_written_as_it_is_read() {
        for text in
            ["none", "token-env:A_1", "token-file:/a b", "cookie-env:C", "in-cluster", "kubeconfig", "kubeconfig:a:b"]
        {
            assert_eq!(text.parse::<Auth>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_secret_in_place_of_a_name_is_refused_and_not_repeated() {
        let secrets = ["token-env:eyJhbGciOi.hunter2", "hunter2", "token:hunter2", "cookie-env:session=hunter2"];
        for text in secrets {
            let error = text.parse::<Auth>().unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        for url in ["https://me:hunter2@host/", "https://host/?token=hunter2", "hunter2", "https://[hunter2"] {
            let error = url.parse::<Address>().unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn an_address_is_the_servers() {
        let parsed = |text: &str| text.parse::<Address>().unwrap().to_string();
        assert_eq!(parsed("http://localhost:8888/"), "http://localhost:8888");
        assert_eq!(parsed("https://host/pipeline/"), "https://host/pipeline");
        assert_eq!(parsed("https://host/pipeline/apis/v2beta1"), "https://host/pipeline");
        assert!("ftp://host".parse::<Address>().is_err());
        assert!("https://host/#/runs".parse::<Address>().is_err());
    }

    #[test]
    fn names_are_plain() {
        assert!(["dev", "team-a.prod_2", "1"].iter().all(|name| name.parse::<ContextName>().is_ok()));
        assert!(["", "local", "-x", "a b", "a/b", "é"].iter().all(|name| name.parse::<ContextName>().is_err()));
    }
}
