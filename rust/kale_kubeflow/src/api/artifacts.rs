//! The contents of artifacts. The API of the server has none; the server of its pages does, which stands before it.

use crate::client::Client;
use crate::error::KubeflowError;
use crate::request::Request;

/// Where an artifact lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactPlace {
    /// `minio`, `s3` or `gcs`.
    pub source: &'static str,
    pub bucket: String,
    pub key: String,
}

impl ArtifactPlace {
    /// Of a URI such as `s3://bucket/key`.
    pub fn parse(uri: &str) -> Result<ArtifactPlace, KubeflowError> {
        let fault = || {
            let message = format!("`{}` is no place that artifacts can be read from", uri.escape_debug());
            KubeflowError::usage(message, "it begins with `s3://`, `gs://` or `minio://`, then bucket and key")
        };
        let (scheme, rest) = uri.split_once("://").ok_or_else(fault)?;
        let source = match scheme {
            "minio" => "minio",
            "s3" => "s3",
            "gs" => "gcs",
            _ => return Err(fault()),
        };
        let (bucket, key) =
            rest.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()).ok_or_else(fault)?;
        Ok(ArtifactPlace { source, bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl Client {
    /// The bytes of an artifact, through the server of the pages; all of them are held in memory.
    pub fn artifact(&self, place: &ArtifactPlace) -> Result<Vec<u8>, KubeflowError> {
        let request = Request::get("/artifacts/get", format!("read the artifact `{}`", place.key))
            .at(self.ui())
            .with("source", Some(place.source))
            .with("bucket", Some(&place.bucket))
            .with("key", Some(&place.key))
            .with("namespace", self.namespace());
        self.connection.ask_for_bytes(&request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_its_uri() {
        let place = ArtifactPlace::parse("gs://team/v2/a b/metrics").unwrap();
        assert_eq!((place.source, place.bucket.as_str(), place.key.as_str()), ("gcs", "team", "v2/a b/metrics"));
        assert!(
            ["", "s3://", "s3://b", "s3://b/", "file:///x", "x"].iter().all(|uri| ArtifactPlace::parse(uri).is_err())
        );
    }
}
