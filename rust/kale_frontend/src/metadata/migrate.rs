//! Older forms of the metadata, brought to the newest one version at a time.

use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// `MIGRATIONS[n]` takes version n to n + 1.
const MIGRATIONS: [fn(Fields) -> Fields; super::METADATA_VERSION as usize] = [from_kale];

pub(super) fn to_newest(fields: Fields, version: u64) -> Fields {
    MIGRATIONS.iter().skip(version as usize).fold(fields, |fields, migration| migration(fields))
}

/// Kale's `kubeflow_notebook`, as of 0.5 to 2.x.
fn from_kale(mut kale: Fields) -> Fields {
    let mut ours = Fields::new();
    let mut take = |ours: &mut Fields, from: &str, to: &str| {
        if let Some(value) = kale.remove(from).filter(|value| !is_blank(value)) {
            ours.entry(to).or_insert(value);
        }
    };
    take(&mut ours, "pipeline_name", "name");
    take(&mut ours, "pipeline_description", "description");
    take(&mut ours, "base_image", "base_image");
    take(&mut ours, "docker_image", "base_image");
    take(&mut ours, "enable_caching", "enable_caching");
    take(&mut ours, "steps_defaults", "step_defaults");
    take(&mut ours, "volumes", "volumes");
    take(&mut ours, "experiment_name", "experiment");
    let chosen = kale.get("experiment").and_then(|experiment| experiment.get("name")).filter(|name| !is_blank(name));
    if let Some(name) = chosen {
        ours.insert("experiment".to_owned(), name.clone());
    }
    add_timeout(&kale, &mut ours);
    if let Some(Value::Array(volumes)) = ours.get_mut("volumes") {
        for volume in volumes {
            migrate_volume(volume, &kale);
        }
    }
    ours
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Kale's limit for the whole pipeline; no step may take longer than that.
fn add_timeout(kale: &Fields, ours: &mut Fields) {
    let Some(seconds) = kale.get("timeout").and_then(Value::as_u64).filter(|seconds| *seconds > 0) else { return };
    if let Value::Array(defaults) = ours.entry("step_defaults").or_insert_with(|| json!([])) {
        defaults.insert(0, json!(format!("timeout:{seconds}")));
    }
}

/// `pvc` is an existing claim, `new_pvc` one to make; other types are left for the reader to refuse.
fn migrate_volume(volume: &mut Value, kale: &Fields) {
    let Value::Object(fields) = volume else { return };
    let kind = fields.remove("type");
    match kind.as_ref().and_then(Value::as_str) {
        Some("new_pvc") => {
            let size = match fields.remove("size") {
                Some(Value::Number(size)) => size.to_string(),
                Some(Value::String(size)) => size,
                _ => String::new(),
            };
            let unit = fields.get("size_type").and_then(Value::as_str).unwrap_or("");
            fields.insert("size".to_owned(), json!(format!("{size}{unit}")));
            for (from, to) in [("storage_class_name", "storage_class"), ("volume_access_mode", "access_mode")] {
                let own = fields.remove(from).filter(|value| !is_blank(value));
                if let Some(value) = own.or_else(|| kale.get(from).filter(|value| !is_blank(value)).cloned()) {
                    fields.insert(to.to_owned(), value);
                }
            }
        }
        Some("pvc") | None => {
            fields.remove("size");
        }
        Some(other) => {
            let other = other.to_owned();
            fields.insert("unsupported_type".to_owned(), json!(other));
        }
    }
    // Kale publishes the mount point under this name when it is asked to.
    let name = fields.get("name").and_then(Value::as_str).unwrap_or("").to_uppercase().replace(['-', '.'], "_");
    if fields.remove("expose_as_env_var") == Some(Value::Bool(true)) {
        fields.insert("variable".to_owned(), json!(format!("KALE_VOLUME_{name}")));
    }
}
