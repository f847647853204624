//! What a step asks of the machine or cluster it runs on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the prefix of a unit multiplies by.
const PREFIXES: &[(&str, f64)] = &[
    ("", 1.0),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
];

/// A Kubernetes quantity as written, such as `500m`, `2`, `4Gi`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl Quantity {
    /// The number it stands for: cores for CPU, bytes for memory; `None` when it is not a quantity.
    pub fn value(&self) -> Option<f64> {
        let (number, unit) = number_and_unit(&self.0)?;
        let factor = if unit == "m" { 1e-3 } else { factor(|prefix| prefix == unit)? };
        Some(number * factor)
    }
}

/// A number of bytes as people write it: `500MB`, `2 GiB`, `1g`; `None` when it is none. There is no thousandth of a
/// byte, so that case does not matter.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit = unit.trim();
    let wanted = unit.strip_suffix(['b', 'B']).unwrap_or(unit);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((number * factor(|prefix| prefix.eq_ignore_ascii_case(wanted))?) as u64)
}

/// A time as people write it: `90`, `90s`, `30m`, `2h`, `1h30m`; `None` when it is none.
pub fn seconds(text: &str) -> Option<u64> {
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

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn factor(is_wanted: impl Fn(&str) -> bool) -> Option<f64> {
    PREFIXES.iter().find(|(prefix, _)| is_wanted(prefix)).map(|(_, factor)| *factor)
}

/// Limits by Kubernetes resource name: `cpu`, `memory`, `nvidia.com/gpu`, ...
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    pub limits: BTreeMap<String, Quantity>,
}

impl Resources {
    pub fn cpu(&self) -> Option<&Quantity> {
        self.limits.get("cpu")
    }

    pub fn memory(&self) -> Option<&Quantity> {
        self.limits.get("memory")
    }

    /// The accelerator asked for: resource name and count.
    pub fn accelerator(&self) -> Option<(&str, &Quantity)> {
        self.limits.iter().find(|(name, _)| name.contains('/')).map(|(name, count)| (name.as_str(), count))
    }
}

/// `secret:NAME:KEY:ENV`: on a cluster the key of a Kubernetes secret, locally the environment variable itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVariable {
    pub secret: String,
    pub key: String,
    pub variable: String,
}

/// Where steps install packages from. A URL that holds credentials is a secret of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageIndex {
    pub url: Option<String>,
    pub extra_url: Option<String>,
    /// Name and key of the secret whose value is the URL.
    pub secret: Option<(String, String)>,
}

/// A taint of a cluster's machines that a step does not mind, in Kubernetes' words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toleration {
    /// `None` is every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default)]
    pub operator: TolerationOperator,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `None` is every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TolerationOperator {
    #[default]
    Equal,
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl TolerationOperator {
    pub fn as_str(self) -> &'static str {
        match self {
            TolerationOperator::Equal => "Equal",
            TolerationOperator::Exists => "Exists",
        }
    }
}

impl TaintEffect {
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}

/// A volume of the notebook's metadata, mounted in every step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    pub mount_point: String,
    pub kind: VolumeKind,
    /// Environment variable that holds the mount point, when asked for.
    pub variable: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// An existing PersistentVolumeClaim.
    Existing,
    /// A claim made for the run and deleted after it.
    New { size: Quantity, storage_class: Option<String>, access_mode: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_for_kubernetes() {
        let read = |text: &str| Quantity(text.to_owned()).value();
        assert_eq!(
            [read("500m"), read("2"), read("1.5G"), read("4Gi")],
            [Some(0.5), Some(2.0), Some(1.5e9), Some(4294967296.0)]
        );
        assert_eq!([read(""), read("4GB"), read("4gi"), read("2 G")], [None; 4]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [bytes("12"), bytes("1.5kB"), bytes("2 GiB"), bytes("1m")],
            [Some(12), Some(1500), Some(2 << 30), Some(1_000_000)]
        );
        assert_eq!([bytes(""), bytes("many"), bytes("3 parsecs")], [None; 3]);
    }
}
