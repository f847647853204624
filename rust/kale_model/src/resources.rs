//! What a step asks of the machine or cluster it runs on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A Kubernetes quantity as written, such as `500m`, `2`, `4Gi`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl Quantity {
    /// The number it stands for: cores for CPU, bytes for memory; `None` when it is not a quantity.
    pub fn value(&self) -> Option<f64> {
        let text = self.0.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..digits].parse().ok()?;
        let factor = match &text[digits..] {
            "" => 1.0,
            "m" => 1e-3,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "Ki" => 1024.0,
            "Mi" => 1024f64.powi(2),
            "Gi" => 1024f64.powi(3),
            "Ti" => 1024f64.powi(4),
            _ => return None,
        };
        Some(number * factor)
    }
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
