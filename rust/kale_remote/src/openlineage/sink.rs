//! Where events go.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::error::deepest;
use crate::{RemoteError, tls};

/// The variable that OpenLineage's own clients read it from.
const KEY_VARIABLE: &str = "OPENLINEAGE_API_KEY";
/// Where servers of OpenLineage take events.
const ENDPOINT: &str = "/api/v1/lineage";
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One event per line is appended.
    File(PathBuf),
    Url(Url),
}

impl Target {
    /// A path (relative ones begin at `directory`) or a URL. That of a server without a path means its endpoint.
    pub fn parse(text: &str, directory: &Path) -> Result<Target, RemoteError> {
        let fault = |target: &str, reason: &str| {
            let (target, reason) = (target.to_owned(), reason.to_owned());
            RemoteError::Target { target, reason }
        };
        if text.is_empty() {
            return Err(fault(text, "it is empty"));
        }
        if !text.contains("://") {
            return Ok(Target::File(directory.join(text)));
        }
        let mut url = Url::parse(text).map_err(|error| fault("the URL", &error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("the URL", "credentials do not belong into it, since it is stored and shown"));
        }
        match url.scheme() {
            "file" => {
                url.to_file_path().map(Target::File).map_err(|()| fault(text, "it names no file of this machine"))
            }
            "http" | "https" => {
                if url.path() == "/" {
                    url.set_path(ENDPOINT);
                }
                Ok(Target::Url(url))
            }
            other => Err(fault(text, &format!("`{other}://` is not known"))),
        }
    }
}

/// What [`Target::parse`] reads.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::File(path) => write!(f, "{}", path.display()),
            Target::Url(url) => write!(f, "{url}"),
        }
    }
}

pub enum Sink {
    File(PathBuf),
    Server { client: reqwest::Client, url: Url, key: Option<String> },
}

impl Sink {
    pub fn open(target: &Target) -> Result<Sink, String> {
        match target {
            Target::File(path) => Ok(Sink::File(path.clone())),
            Target::Url(url) => {
                tls::install();
                let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|error| deepest(&error))?;
                let key = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty());
                Ok(Sink::Server { client, url: url.clone(), key })
            }
        }
    }

    /// Sends one event; an error says why it did not arrive.
    pub async fn send(&self, event: &str) -> Result<(), String> {
        match self {
            Sink::File(path) => append(path, event).map_err(|error| error.to_string()),
            Sink::Server { client, url, key } => {
                let request = client.post(url.clone()).header("Content-Type", "application/json");
                let request = match key {
                    Some(key) => request.bearer_auth(key),
                    None => request,
                };
                let answer = request.body(event.to_owned()).send().await.map_err(|error| deepest(&error))?;
                let status = answer.status();
                if status.is_success() { Ok(()) } else { Err(format!("the server answers {status}")) }
            }
        }
    }
}

/// In one write, so that lines of several runs do not mix.
fn append(path: &Path, event: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{event}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Target::parse(text, Path::new("/here")).map_or_else(|error| error.to_string(), |target| target.to_string())
    }

    #[test]
    fn a_target_is_a_file_or_a_server() {
        assert_eq!(parsed("events.jsonl"), "/here/events.jsonl");
        assert_eq!(parsed("file:///tmp/a%20b"), "/tmp/a b");
        assert_eq!(parsed("http://localhost:5000"), "http://localhost:5000/api/v1/lineage");
        assert_eq!(parsed("https://collector/own/path?x=1"), "https://collector/own/path?x=1");
        assert_eq!(parsed("ftp://x/y"), "`ftp://x/y` cannot take events: `ftp://` is not known");
        assert!(!parsed("https://me:hunter2@collector/").contains("hunter2"));
    }
}
