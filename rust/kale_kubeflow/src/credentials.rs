//! What lets a client in: looked up where the context says, for each request anew, and shown to nobody.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};

use crate::error::{Kind, KubeflowError};
use crate::plugin::Plugin;

/// Where Kubernetes puts the token for audience `pipelines.kubeflow.org`, and the variable that says another place: both
/// are those of the official client.
const POD_TOKEN: &str = "/var/run/secrets/kubeflow/pipelines/token";
const POD_TOKEN_VARIABLE: &str = "KF_PIPELINES_SA_TOKEN_PATH";

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug)]
pub enum Credentials {
    Nothing,
    TokenEnv(String),
    TokenFile(PathBuf),
    CookieEnv(String),
    /// What a kubeconfig holds itself.
    Token(Secret),
    Basic {
        user: String,
        password: Secret,
    },
    /// What a program gave that a kubeconfig names.
    Plugin {
        plugin: Plugin,
        token: Mutex<Secret>,
    },
}

impl Credentials {
    pub fn in_cluster() -> Credentials {
        let path = std::env::var_os(POD_TOKEN_VARIABLE).filter(|path| !path.is_empty());
        Credentials::TokenFile(path.map_or_else(|| PathBuf::from(POD_TOKEN), PathBuf::from))
    }

    /// The header to send, as it is now: environment and files may have changed since the last request.
    pub fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, KubeflowError> {
        let (name, text) = match self {
            Credentials::Nothing => return Ok(None),
            Credentials::TokenEnv(variable) => (AUTHORIZATION, bearer(&from_environment(variable)?)),
            Credentials::TokenFile(path) => (AUTHORIZATION, bearer(&from_file(path)?)),
            Credentials::Token(token) => (AUTHORIZATION, bearer(token)),
            Credentials::Plugin { token, .. } => (AUTHORIZATION, bearer(&token.lock().expect("no panic holds it"))),
            Credentials::Basic { user, password } => {
                let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
                (AUTHORIZATION, Secret(format!("Basic {pair}")))
            }
            Credentials::CookieEnv(variable) => (COOKIE, cookie(variable)?),
        };
        let mut value = HeaderValue::from_str(text.reveal())
            .map_err(|_| missing(format!("{} is no text that a header can hold", self.reference()), "set it anew"))?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    /// Asks again whoever made a token that may have expired.
    pub fn renew(&self) -> Result<(), KubeflowError> {
        if let Credentials::Plugin { plugin, token } = self
            && let Some(fresh) = plugin.run()?.token
        {
            *token.lock().expect("no panic holds it") = fresh;
        }
        Ok(())
    }

    /// What they are, in words that hold no secret.
    pub fn reference(&self) -> String {
        match self {
            Credentials::Nothing => "no credentials".to_owned(),
            Credentials::TokenEnv(variable) => format!("the token in the environment variable `{variable}`"),
            Credentials::CookieEnv(variable) => format!("the cookie in the environment variable `{variable}`"),
            Credentials::TokenFile(path) => format!("the token in the file `{}`", path.display()),
            Credentials::Token(_) => "the token of the kubeconfig".to_owned(),
            Credentials::Basic { .. } => "the user and password of the kubeconfig".to_owned(),
            Credentials::Plugin { plugin, .. } => format!("the token that `{}` gave", plugin.name()),
        }
    }

    /// What to do when a server does not take them.
    pub fn remedy(&self) -> String {
        match self {
            Credentials::Nothing => "the server wants credentials: say where they are with `--auth`, such as \
                                     `token-env:VAR` or `cookie-env:VAR`, when you add the context"
                .to_owned(),
            Credentials::TokenEnv(variable) | Credentials::CookieEnv(variable) => {
                format!("it has expired, or is not for this server: set `{variable}` anew")
            }
            Credentials::TokenFile(path) => {
                format!(
                    "it has expired, or is not for this server: see who writes `{}`, and for which audience",
                    path.display()
                )
            }
            Credentials::Token(_) | Credentials::Basic { .. } => {
                "they have expired, or are not for this server: see whether `kubectl get pods` works".to_owned()
            }
            Credentials::Plugin { plugin, .. } => {
                format!("see whether `kubectl get pods` works: it asks `{}` as well", plugin.name())
            }
        }
    }
}

fn bearer(token: &Secret) -> Secret {
    Secret(format!("Bearer {}", token.reveal()))
}

fn missing(message: impl Into<String>, help: impl Into<String>) -> KubeflowError {
    KubeflowError::new(Kind::Credentials, message, help)
}

fn from_environment(variable: &str) -> Result<Secret, KubeflowError> {
    let found = std::env::var(variable).unwrap_or_default();
    let found = found.trim();
    if found.is_empty() {
        let message = format!("the environment variable `{variable}` is not set");
        return Err(missing(message, "set it where kale_rs runs: in the terminal, or before JupyterLab is started"));
    }
    Ok(Secret(found.to_owned()))
}

fn from_file(path: &Path) -> Result<Secret, KubeflowError> {
    let text = fs::read_to_string(path).map_err(|error| {
        missing(
            format!("the token's file `{}` cannot be read: {error}", path.display()),
            "see that it is there, and yours",
        )
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(missing(format!("the token's file `{}` is empty", path.display()), "put the token into it"));
    }
    Ok(Secret(token.to_owned()))
}

/// `NAME=VALUE`, as browsers send it.
fn cookie(variable: &str) -> Result<Secret, KubeflowError> {
    let found = from_environment(variable)?;
    if found.reveal().split_once('=').is_none_or(|(name, _)| name.is_empty()) {
        let help = format!("set `{variable}` to NAME=VALUE as the browser sends it, such as authservice_session=...");
        return Err(missing(format!("what the environment variable `{variable}` holds is no cookie"), help));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let basic = Credentials::Basic { user: "me".to_owned(), password: Secret::new("hunter2") };
        let token = Credentials::Token(Secret::new("hunter2"));
        for credentials in [basic, token] {
            let (_, value) = credentials.header().unwrap().unwrap();
            assert!(value.is_sensitive());
            let shown = format!("{credentials:?} {value:?} {} {}", credentials.reference(), credentials.remedy());
            assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        }
    }

    #[test]
    fn a_file_is_read_anew() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let credentials = Credentials::TokenFile(file.path().to_owned());
        assert!(credentials.header().unwrap_err().message.contains("is empty"));
        for token in ["one", "two"] {
            fs::write(file.path(), format!("{token}\n")).unwrap();
            assert_eq!(credentials.header().unwrap().unwrap().1, format!("Bearer {token}"));
        }
        fs::write(file.path(), "hunter2\u{7}").unwrap();
        assert!(!format!("{:?}", credentials.header().unwrap_err()).contains("hunter2"));
    }
}
