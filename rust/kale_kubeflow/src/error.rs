//! What can go wrong between here and a cluster: in words, with what to do, and never with a secret.

use std::path::Path;
use std::{fmt, io};

/// What kind of failure it is, for callers that go on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for makes no sense: a name, a URL, an option.
    Usage,
    /// The file of contexts, or another file on this machine.
    File,
    /// The credentials that the context refers to are not there.
    Credentials,
    /// No answer: name, network, TLS, time.
    Unreachable,
    /// 401, or a login page.
    Unauthorized,
    /// 403.
    Forbidden,
    NotFound,
    /// 409: it is there already.
    Exists,
    /// The server says that the request is wrong.
    Refused,
    /// 429.
    Busy,
    /// The server failed, or answers what cannot be read.
    Server,
    /// Something answers, but it is not Kubeflow Pipelines.
    Foreign,
    /// More than was to be taken.
    TooLong,
    /// It may have been carried out or not, and the server does not tell.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeflowError {
    pub kind: Kind,
    pub message: String,
    /// What the user can do about it.
    pub help: String,
}

impl KubeflowError {
    pub fn new(kind: Kind, message: impl Into<String>, help: impl Into<String>) -> KubeflowError {
        // Servers' words are among them, and terminals act on some.
        let plain = |text: String| text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        KubeflowError { kind, message: plain(message.into()), help: plain(help.into()) }
    }

    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> KubeflowError {
        KubeflowError::new(Kind::Usage, message, help)
    }

    pub fn file(action: &str, path: &Path, error: &io::Error) -> KubeflowError {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "see that the path is right",
            io::ErrorKind::PermissionDenied => "see to the permissions of the file and its folder",
            _ => "",
        };
        KubeflowError::new(Kind::File, format!("cannot {action} `{}`: {error}", path.display()), help)
    }
}

impl fmt::Display for KubeflowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KubeflowError {}

/// What lies at the bottom of an error: libraries wrap it in words that say where they were.
pub fn deepest(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), deepest)
}
