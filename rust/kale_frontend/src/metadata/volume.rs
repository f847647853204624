//! A volume of the metadata.

use kale_model::{Quantity, Volume, VolumeKind};
use serde_json::{Map, Value};

/// Reads a volume; the error is the cause in words.
pub(super) fn read(item: &Value) -> Result<Volume, String> {
    let fields = item.as_object().ok_or("it is not an object")?;
    if let Some(kind) = text(fields, "unsupported_type")? {
        return Err(format!("volumes of type `{kind}` do not exist outside of Kale's own clusters"));
    }
    let name = text(fields, "name")?.ok_or("it has no `name`")?;
    let mount_point = text(fields, "mount_point")?.ok_or("it has no `mount_point`")?;
    if !mount_point.starts_with('/') {
        return Err(format!("its mount point `{mount_point}` is not an absolute path"));
    }
    let kind = match text(fields, "size")? {
        None => VolumeKind::Existing,
        Some(size) => new_claim(fields, Quantity(size))?,
    };
    Ok(Volume { name, mount_point, kind, variable: text(fields, "variable")? })
}

fn new_claim(fields: &Map<String, Value>, size: Quantity) -> Result<VolumeKind, String> {
    if size.value().is_none_or(|bytes| bytes <= 0.0) {
        return Err(format!("its size `{}` is not a quantity such as `5Gi`", size.0));
    }
    let access_mode = match text(fields, "access_mode")?.as_deref() {
        // Steps may run at the same time, on several nodes.
        None | Some("rwm" | "ReadWriteMany") => "ReadWriteMany",
        Some("rwo" | "ReadWriteOnce") => "ReadWriteOnce",
        Some("rom" | "ReadOnlyMany") => "ReadOnlyMany",
        Some(other) => return Err(format!("its access mode `{other}` is not known")),
    };
    let storage_class = text(fields, "storage_class")?;
    Ok(VolumeKind::New { size, storage_class, access_mode: access_mode.to_owned() })
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("its `{key}` is not a text")),
    }
}
