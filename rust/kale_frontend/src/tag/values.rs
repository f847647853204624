//! The values inside tags, checked as Kubernetes checks them, so that a mistake shows here and not on a cluster.

use kale_model::{Quantity, SecretVariable};

use super::{TagError, malformed};

/// A key of a label, annotation or resource: `[prefix/]name`.
pub(super) fn qualified_name(key: &str) -> Result<(), TagError> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let name_is_good = name.len() <= 63 && is_bounded_by_alphanumerics(name, "-_.");
    if name_is_good && prefix.is_none_or(is_dns_name) {
        return Ok(());
    }
    Err(malformed(
        format!("`{key}` is not a Kubernetes key"),
        "use letters, digits, `-`, `_` and `.`, at most 63, with an optional domain and `/` before them",
    ))
}

pub(super) fn label_value(value: &str) -> Result<(), TagError> {
    if value.len() <= 63 && is_bounded_by_alphanumerics(value, "-_.") {
        return Ok(());
    }
    Err(malformed(
        format!("`{value}` is not a label value"),
        "use letters, digits, `-`, `_` and `.`, at most 63; other text belongs in an `annotation:`",
    ))
}

fn is_bounded_by_alphanumerics(text: &str, inside: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || inside.contains(c))
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && is_bounded_by_alphanumerics(text, "-.") && !text.contains(|c: char| c.is_ascii_uppercase())
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
    if text.is_empty() || text.contains(char::is_whitespace) {
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
    let key_is_good = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let variable_is_good = !variable.starts_with(|c: char| c.is_ascii_digit())
        && !variable.is_empty()
        && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let faulty = [(is_dns_name(secret), "secret name", secret), (key_is_good, "key", key)]
        .into_iter()
        .chain([(variable_is_good, "environment variable", variable)])
        .find(|(good, ..)| !good);
    match faulty {
        Some((_, what, text)) => {
            Err(malformed(format!("`{text}` cannot be the {what}"), "write `secret:NAME:KEY:ENV`"))
        }
        None => Ok(SecretVariable { secret: secret.into(), key: key.into(), variable: variable.into() }),
    }
}

/// `90`, `90s`, `30m`, `2h`, `1h30m`.
pub(super) fn seconds(text: &str) -> Result<u64, TagError> {
    read_seconds(text).filter(|seconds| *seconds > 0).ok_or_else(|| {
        malformed(format!("`{text}` is not a time"), "write seconds or, for example, `timeout:30m` or `timeout:2h`")
    })
}

fn read_seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let factor = match rest.as_bytes()[digits] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[digits + 1..];
    }
    Some(total)
}
