//! Where steps install packages from.

use kale_model::{PackageIndex, Pipeline};
use serde::Deserialize;

use super::Settings;
use crate::error::VerbError;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Packages {
    index_url: Option<String>,
    extra_index_url: Option<String>,
    secret: Option<SecretKey>,
}

/// Where a cluster keeps a URL with credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretKey {
    name: String,
    key: String,
}

impl Packages {
    pub fn apply(&self, pipeline: &mut Pipeline, settings: &mut Settings) -> Result<(), VerbError> {
        let Packages { index_url, extra_index_url, secret } = self;
        for (name, url) in [("index_url", index_url), ("extra_index_url", extra_index_url)] {
            let Some(url) = url else { continue };
            if !is_plain_url(url) {
                // What was given is not repeated: it may be the secret itself.
                let message =
                    format!("`{name}` is no URL without credentials: `https://HOST/PATH`, and nothing behind it");
                let help = "keep a URL with credentials in a secret of the cluster, and name it: \
                            `packages: {secret: {name: pip, key: index-url}}`";
                return Err(VerbError::usage(message, help));
            }
            settings.settle(None, name, vec![(settings.origin, Some(url.clone()))]);
        }
        if index_url.is_some() && secret.is_some() {
            let help = "leave out `index_url` or `secret`";
            return Err(VerbError::usage("`packages` has two indexes", help));
        }
        let secret = secret.as_ref().map(|secret| (secret.name.clone(), secret.key.clone()));
        if let Some((name, key)) = &secret {
            settings.settle(None, "index_url", vec![(settings.origin, Some(format!("secret {name}, key {key}")))]);
        }
        let before = pipeline.package_index.take().unwrap_or_default();
        let replaced = index_url.is_some() || secret.is_some();
        let (url, secret) = if replaced { (index_url.clone(), secret) } else { (before.url, before.secret) };
        let index = PackageIndex { url, secret, extra_url: extra_index_url.clone().or(before.extra_url) };
        pipeline.package_index = (index != PackageIndex::default()).then_some(index);
        Ok(())
    }
}

/// It is written into what is emitted, stored and sent. A user, a query or a fragment may hold a secret; braces would be
/// replaced on the way.
fn is_plain_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let is_foreign = |c: char| "@?#{}\\\"'".contains(c) || c.is_whitespace() || c.is_control();
    !host.is_empty() && !rest.contains(is_foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_a_url_that_everybody_may_see() {
        for url in ["https://pypi.example.org/simple", "http://10.0.0.1:8080/", "https://a.example/team/%2Bsimple/"] {
            assert!(is_plain_url(url), "{url}");
        }
        let hosts = ["", "hunter2", "https://", "https:///simple", "ftp://a/", "file:///a", "HTTPS//a"];
        let rest = [
            "https://me:pw@a/",
            "https://a/?token=x",
            "https://a/#x",
            "https://a/{{x}}",
            "https://a/ b",
            "https://a/\n",
        ];
        for url in hosts.into_iter().chain(rest) {
            assert!(!is_plain_url(url), "{url}");
        }
    }
}
