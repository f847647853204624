//! What can go wrong between here and there, and the words for it.

use kale_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("`{url}` cannot be used: {reason}")]
    Url { url: String, reason: String },
    #[error("there is no snapshot at `{url}`")]
    NoSnapshot { url: String },
    #[error("there are several snapshots at `{url}`")]
    Several { url: String, found: Vec<String> },
    #[error("`{url}` refuses access: {reason}")]
    Refused { url: String, reason: String },
    #[error("`{url}` does not answer as it should: {reason}")]
    Unreachable { url: String, reason: String },
    /// Not what it claims to be, whether by accident or not.
    #[error("`{url}` is damaged, or was changed: {reason}")]
    Damaged { url: String, reason: String },
    #[error("`{url}` has version {version}, and this kale_rs reads versions up to {supported}")]
    Newer { url: String, version: u64, supported: u64 },
    #[error("the snapshot needs {needed} bytes, and {free} are free")]
    NoSpace { needed: u64, free: u64 },
    #[error("`{target}` cannot take events: {reason}")]
    Target { target: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Interrupted,
}

/// What lies at the bottom of an error: libraries wrap it in words that say where they were.
pub fn deepest(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), deepest)
}

impl RemoteError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            RemoteError::Url { .. } => "write `s3://BUCKET/PREFIX`, `file:///FOLDER`, or a folder's path".to_owned(),
            RemoteError::NoSnapshot { .. } => {
                "give the URL that `kale-rs snapshot push` has printed, or the one that it was told".to_owned()
            }
            RemoteError::Several { found, .. } => format!("pull one of them: {}", found.join(", ")),
            RemoteError::Refused { url, .. } if url.starts_with("s3:") => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, AWS_REGION where they are \
                 needed) for an account that may read and write there"
                    .to_owned()
            }
            RemoteError::Refused { .. } => "see to the permissions of the folder".to_owned(),
            RemoteError::Unreachable { url, .. } if url.starts_with("s3:") => {
                "see whether the bucket exists and AWS_REGION (or AWS_ENDPOINT_URL, for a server of your own) is right; \
                 credentials are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the same command goes on where \
                 this one stopped"
                    .to_owned()
            }
            RemoteError::Unreachable { .. } => "the same command goes on where this one stopped".to_owned(),
            RemoteError::Damaged { .. } => {
                "nothing of it was kept; ask whoever pushed it to push again to an empty place".to_owned()
            }
            RemoteError::Newer { .. } => "upgrade kale_rs".to_owned(),
            RemoteError::NoSpace { .. } => "free space on the disk, or pull into another store with `--store`".to_owned(),
            RemoteError::Target { .. } => "write the path of a file, or an `http://` or `https://` URL; a key is read from \
                                           the environment variable OPENLINEAGE_API_KEY"
                .to_owned(),
            RemoteError::Store(error) => error.diagnostic().help,
            RemoteError::Interrupted => String::new(),
        }
    }
}
