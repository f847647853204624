//! Texts as Kubernetes takes them: what it would refuse is told where it is written down, and not by a cluster.

/// A key of a label, annotation or resource: `[prefix/]name`.
pub fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    name.len() <= 63 && is_bounded_by_alphanumerics(name, "-_.") && prefix.is_none_or(is_dns_name)
}

/// The value of a label, which may be empty.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || value.len() <= 63 && is_bounded_by_alphanumerics(value, "-_.")
}

/// What most objects are called: a subdomain of DNS.
pub fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && is_bounded_by_alphanumerics(text, "-.") && !text.contains(|c: char| c.is_ascii_uppercase())
}

/// An environment variable that every shell knows.
pub fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A key of a secret or a config map.
pub fn is_secret_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= 253 && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// What a registry could have; whether it has it is its own affair.
pub fn is_image(reference: &str) -> bool {
    !reference.is_empty() && !reference.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_bounded_by_alphanumerics(text: &str, inside: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || inside.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        assert!(["a", "a.b/c_d", "nvidia.com/gpu"].iter().all(|key| is_qualified_name(key)));
        assert!(["", "/a", "a/", "-a", "A b", "Up.com/x", "a/b/c"].iter().all(|key| !is_qualified_name(key)));
        assert!(["", "a", "A-b_c.d"].iter().all(|value| is_label_value(value)));
        assert!(["-", "a b", &"a".repeat(64)].iter().all(|value| !is_label_value(value)));
        assert!(
            is_dns_name("claim-1.a") && ["", "A", "a_b", "a-", &"a".repeat(254)].iter().all(|name| !is_dns_name(name))
        );
        assert!(is_variable("_A1") && ["", "1A", "A-B"].iter().all(|name| !is_variable(name)));
        assert!(is_image("python:3.12-slim") && ["", "a b", "a\n"].iter().all(|image| !is_image(image)));
        assert!(is_secret_key("tls.crt") && ["", "a/b"].iter().all(|key| !is_secret_key(key)));
    }
}
