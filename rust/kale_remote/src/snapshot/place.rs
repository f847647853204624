//! What a URL means: an object store, and a prefix in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kale_store::Digest;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use url::Url;

use crate::error::deepest;
use crate::{RemoteError, tls};

/// A wrong address must not keep anybody waiting for minutes.
const RETRIES: usize = 3;
const RETRY_TIME: Duration = Duration::from_secs(20);
/// No transfer takes longer.
const LEFT_OVER: Duration = Duration::from_secs(86_400);

/// A place where snapshots are.
#[derive(Clone, Debug)]
pub struct Place {
    pub objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As the user wrote it, without a slash at the end.
    pub url: String,
}

impl Place {
    /// The place at `text`: a URL, or the path of a folder, which is made if `create`. Relative paths begin at
    /// `directory`.
    pub fn open(text: &str, directory: &std::path::Path, create: bool) -> Result<Place, RemoteError> {
        let written = text.trim_end_matches('/');
        let fault = |reason: &str| RemoteError::Url { url: without_secrets(text), reason: reason.to_owned() };
        if written.is_empty() && text.is_empty() {
            return Err(fault("it is empty"));
        }
        if !text.contains("://") {
            return Place::folder(directory.join(text), create);
        }
        let url = Url::parse(text).map_err(|error| fault(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault(
                "credentials do not belong into a URL, which is stored and shown; set them as variables",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fault("it has a query or a fragment"));
        }
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| fault("it names no folder of this machine"))?;
                Place::folder(folder, create)
            }
            "s3" => Place::bucket(&url, written),
            other => Err(fault(&format!("`{other}://` is not known"))),
        }
    }

    fn folder(folder: PathBuf, create: bool) -> Result<Place, RemoteError> {
        let made = if create { std::fs::create_dir_all(&folder) } else { Ok(()) };
        // `..` and links are not part of what a colleague should be told.
        let folder = folder.canonicalize().unwrap_or(folder);
        let url = Url::from_file_path(&folder).map_or_else(|()| folder.display().to_string(), String::from);
        let url = url.trim_end_matches('/').to_owned();
        made.map_err(|error| RemoteError::Refused { url: url.clone(), reason: error.to_string() })?;
        if create {
            sweep(&folder);
        }
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|_| RemoteError::NoSnapshot { url: url.clone() })?
            .with_fsync(true);
        Ok(Place { objects: Arc::new(objects), prefix: Path::default(), url })
    }

    fn bucket(url: &Url, written: &str) -> Result<Place, RemoteError> {
        tls::install();
        let fault = |reason: String| RemoteError::Url { url: written.to_owned(), reason };
        let bucket = url.host_str().ok_or_else(|| fault("it names no bucket".to_owned()))?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| fault(error.to_string()))?;
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..RetryConfig::default() };
        let objects = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_allow_http(has_plain_endpoint())
            .with_retry(retry)
            .build()
            .map_err(|error| fault(reason(&error)))?;
        Ok(Place { objects: Arc::new(objects), prefix, url: written.to_owned() })
    }

    pub fn blob(&self, digest: &Digest) -> Path {
        self.below(&["blobs", &digest.as_str()[..2], digest.as_str()])
    }

    pub fn snapshots(&self) -> Path {
        self.below(&["snapshots"])
    }

    /// Where a manifest is, from here.
    pub fn manifest(&self, run: &str, step: Option<&str>) -> Path {
        match step {
            Some(step) => self.below(&["snapshots", run, &format!("{step}.json")]),
            None => self.below(&["snapshots", &format!("{run}.json")]),
        }
    }

    /// What the URL itself names.
    pub fn itself(&self) -> &Path {
        &self.prefix
    }

    fn below(&self, parts: &[&str]) -> Path {
        parts.iter().fold(self.prefix.clone(), |path, part| path.join(*part))
    }

    /// What a person would call an object of this place.
    pub fn url_of(&self, path: &Path) -> String {
        let own = path.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(path.as_ref()).trim_start_matches('/');
        let shown: String = own.chars().filter(|c| !c.is_control()).collect();
        format!("{}/{shown}", self.url)
    }

    /// Sorts an error of an object store.
    pub fn fault(&self, path: &Path, error: &object_store::Error) -> RemoteError {
        let (url, reason) = (self.url_of(path), reason(error));
        match error {
            object_store::Error::NotFound { .. } => RemoteError::NoSnapshot { url },
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                RemoteError::Refused { url, reason }
            }
            // What listing says in its own words.
            _ if reason.contains("403 Forbidden") || reason.contains("401 Unauthorized") => {
                RemoteError::Refused { url, reason }
            }
            _ => RemoteError::Unreachable { url, reason },
        }
    }

    /// As [`Place::fault`], of an object that was being written: what is not found is where it should go.
    pub fn fault_of_writing(&self, path: &Path, error: &object_store::Error) -> RemoteError {
        match self.fault(path, error) {
            RemoteError::NoSnapshot { .. } => {
                RemoteError::Url { url: self.url.clone(), reason: "there is no such bucket".to_owned() }
            }
            other => other,
        }
    }
}

/// Removes what pushes that were killed have left in a folder, once nobody can still be busy with it: `LocalFileSystem`
/// writes `NAME#1` before there is a `NAME`.
fn sweep(folder: &std::path::Path) {
    let entries = |folder: &std::path::Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_old = |entry: &std::fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > LEFT_OVER))
    };
    let is_staged = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().contains('#');
    for folder in entries(&folder.join("blobs")) {
        for left_over in entries(&folder.path()).filter(|entry| is_staged(entry) && is_old(entry)) {
            let _ = std::fs::remove_file(left_over.path());
        }
    }
}

/// Somebody who names a server of his own without TLS means it.
fn has_plain_endpoint() -> bool {
    let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let allowed = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
    allowed || names.iter().filter_map(|name| std::env::var(name).ok()).any(|url| url.starts_with("http://"))
}

/// What lies at the bottom of an error, in one line.
fn reason(error: &dyn std::error::Error) -> String {
    let text = deepest(error);
    let line = text.split('\n').next().unwrap_or_default();
    // S3 explains itself in a document behind the status.
    let status = line.split("<?xml").next().unwrap_or_default().trim_end_matches([' ', ':']);
    let told = text.split_once("<Message>").and_then(|(_, rest)| Some(rest.split_once("</Message>")?.0));
    let line = told.map_or_else(|| status.to_owned(), |told| format!("{status}: {told}"));
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// A URL as it may be shown.
pub fn without_secrets(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}...{}", &text[..scheme + 3], &text[at..]),
        _ => text.to_owned(),
    }
}

/// A URL of a manifest as the URL of its place and the path from there; `None` for anything else.
pub fn of_manifest(text: &str) -> Option<(&str, &str)> {
    let (place, rest) = text.rsplit_once("/snapshots/").or_else(|| Some(("", text.strip_prefix("snapshots/")?)))?;
    let place = if place.is_empty() && !text.starts_with('/') { "." } else { place };
    rest.ends_with(".json").then_some((place, rest))
}
