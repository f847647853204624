//! The values inside tags, checked as Kubernetes checks them, so that a mistake shows here and not on a cluster.

use kale_model::{Quantity, SecretVariable, kubernetes};

use super::{TagError, malformed};

/// A key of a label, annotation or resource: `[prefix/]name`.
pub(super) fn qualified_name(key: &str) -> Result<(), TagError> {
    if kubernetes::is_qualified_name(key) {
        return Ok(());
    }
    Err(malformed(
        format!("`{key}` is not a Kubernetes key"),
        "use letters, digits, `-`, `_` and `.`, at most 63, with an optional domain and `/` before them",
    ))
}

pub(super) fn label_value(value: &str) -> Result<(), TagError> {
    if !value.is_empty() && kubernetes::is_label_value(value) {
        return Ok(());
    }
    Err(malformed(
        format!("`{value}` is not a label value"),
        "use letters, digits, `-`, `_` and `.`, at most 63; other text belongs in an `annotation:`",
    ))
}

/// A limit: whole numbers for devices such as `nvidia.com/gpu`, else a Kubernetes quantity.
pub(super) fn amount(resource: &str, text: &str) -> Result<Quantity, TagError> {
    if resource.contains('/') {
        let is_count = text.parse::<u32>().is_ok_and(|count| count > 0);
        return if is_count {
            Ok(Quantity(text.to_owned()))
        } else {
            Err(malformed(
                format!("`{text}` is not a number of `{resource}` devices"),
                "write a whole number, at least 1",
            ))
        };
    }
    let quantity = Quantity(text.to_owned());
    if quantity.value().is_some_and(|value| value > 0.0) {
        return Ok(quantity);
    }
    let example = if resource == "cpu" { "`2` or `500m`" } else { "`512Mi` or `2Gi`" };
    Err(malformed(
        format!("`{text}` is not a Kubernetes quantity"),
        format!("write an amount above zero, such as {example}"),
    ))
}

pub(super) fn image(text: &str) -> Result<String, TagError> {
    if !kubernetes::is_image(text) {
        return Err(malformed("it holds no image reference", "write, for example, `image:python:3.12-slim`"));
    }
    Ok(text.to_owned())
}

pub(super) fn switch(key: &str, text: &str) -> Result<bool, TagError> {
    match text {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(malformed(
            format!("`{text}` is neither `enabled` nor `disabled`"),
            format!("write `{key}:enabled` or `{key}:disabled`"),
        )),
    }
}

pub(super) fn secret(text: &str) -> Result<SecretVariable, TagError> {
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let [secret, key, variable] = parts[..] else {
        return Err(malformed("it needs three parts", "write `secret:NAME:KEY:ENV`"));
    };
    let parts = [
        (kubernetes::is_dns_name(secret), "secret name", secret),
        (kubernetes::is_secret_key(key), "key", key),
        (kubernetes::is_variable(variable), "environment variable", variable),
    ];
    match parts.into_iter().find(|(is_good, ..)| !is_good) {
        Some((_, what, text)) => {
            Err(malformed(format!("`{text}` cannot be the {what}"), "write `secret:NAME:KEY:ENV`"))
        }
        None => Ok(SecretVariable { secret: secret.into(), key: key.into(), variable: variable.into() }),
    }
}

/// `90`, `90s`, `30m`, `2h`, `1h30m`.
pub(super) fn seconds(text: &str) -> Result<u64, TagError> {
    kale_model::resources::seconds(text).filter(|seconds| *seconds > 0).ok_or_else(|| {
        malformed(format!("`{text}` is not a time"), "write seconds or, for example, `timeout:30m` or `timeout:2h`")
    })
}
