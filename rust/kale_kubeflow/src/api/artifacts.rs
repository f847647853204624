//! The contents of artifacts. The API of the server has none; the server of its pages does, which stands before it.

use std::fs::File;

use super::segment;
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
    /// Writes the bytes of an artifact to a file, through the server of the pages. By this path it gives them out as they
    /// are; by its other one, `/artifacts/get`, it unpacks what looks packed. `session` is what it wants to know of where
    /// the artifact lies. More than `limit` bytes are an error.
    pub fn artifact(
        &self,
        place: &ArtifactPlace,
        session: Option<&str>,
        into: &File,
        limit: Option<u64>,
    ) -> Result<(), KubeflowError> {
        let key: Vec<String> = place.key.split('/').map(segment).collect();
        let path = format!("/artifacts/{}/{}/{}", place.source, segment(&place.bucket), key.join("/"));
        let request = Request::get(path, format!("read the artifact `{}`", place.key))
            .at(&self.neighbours.pages)
            .with("namespace", self.namespace())
            .with("providerInfo", session);
        self.connection.download(&request, into, limit)
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
