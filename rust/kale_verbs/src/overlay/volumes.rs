//! Volumes that steps see.

use std::collections::BTreeSet;

use kale_model::{Pipeline, Quantity, Volume, VolumeKind};
use serde::Deserialize;

use super::{Origin, Scalar, Settings};
use crate::error::VerbError;

/// An existing claim, or with a size one that is made for the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeOverlay {
    name: String,
    mount_point: String,
    size: Option<Scalar>,
    storage_class: Option<String>,
    access_mode: Option<String>,
}

/// Those of an overlay take the place of those of their name.
pub fn apply(volumes: &[VolumeOverlay], pipeline: &mut Pipeline, settings: &mut Settings) -> Result<(), VerbError> {
    let is_again = |(n, volume): &(usize, &VolumeOverlay)| volumes[..*n].iter().any(|other| other.name == volume.name);
    if let Some((_, volume)) = volumes.iter().enumerate().find(is_again) {
        let message = format!("it has two volumes `{}`", volume.name.escape_debug());
        return Err(VerbError::usage(message, "leave one of them out"));
    }
    let before = std::mem::take(&mut pipeline.volumes);
    let wanted = volumes.iter().map(|volume| volume.name.as_str());
    let names: BTreeSet<&str> = before.iter().map(|volume| volume.name.as_str()).chain(wanted).collect();
    for name in names {
        let notebook = before.iter().find(|volume| volume.name == name);
        let overlay = volumes.iter().find(|volume| volume.name == name);
        let overlay = overlay.map(|volume| volume.read(notebook)).transpose()?;
        let layers =
            vec![(Origin::Notebook, notebook.map(describe)), (settings.origin, overlay.as_ref().map(describe))];
        settings.settle(None, &format!("volume {name}"), layers);
        pipeline.volumes.extend(overlay.or_else(|| notebook.cloned()));
    }
    Ok(())
}

impl VolumeOverlay {
    fn read(&self, notebook: Option<&Volume>) -> Result<Volume, VerbError> {
        if !self.mount_point.starts_with('/') {
            let message = format!("it mounts `{}` at `{}`", self.name, self.mount_point);
            return Err(VerbError::usage(message, "`mount_point` must begin with `/`"));
        }
        if self.size.is_none() && (self.storage_class.is_some() || self.access_mode.is_some()) {
            let message = format!("the volume `{}` has its `storage_class` and `access_mode` already", self.name);
            let help = "add a `size` to have a new claim made for the run, or leave them out";
            return Err(VerbError::usage(message, help));
        }
        let kind = match &self.size {
            None => VolumeKind::Existing,
            Some(size) => VolumeKind::New {
                size: Quantity(size.text()),
                storage_class: self.storage_class.clone(),
                access_mode: self.access_mode.clone().unwrap_or_else(|| "ReadWriteOnce".to_owned()),
            },
        };
        let variable = notebook.and_then(|volume| volume.variable.clone());
        Ok(Volume { name: self.name.clone(), mount_point: self.mount_point.clone(), kind, variable })
    }
}

fn describe(volume: &Volume) -> String {
    match &volume.kind {
        VolumeKind::Existing => format!("at {}", volume.mount_point),
        VolumeKind::New { size, .. } => format!("{} at {}", size.0, volume.mount_point),
    }
}
