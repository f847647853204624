//! Moving what a step left in its namespace into blobs (`python/kale_runtime/keep.py` describes what it leaves).

use std::collections::BTreeMap;
use std::fs;

use kale_store::{Blobs, Digest, Lost, SnapshotGroup, StepSnapshot, Unbound};
use serde::Deserialize;

use crate::request::Scratch;

#[derive(Deserialize)]
struct Kept {
    groups: Vec<KeptGroup>,
    unbound: Vec<(String, usize)>,
    lost: Vec<(String, Option<usize>, Option<String>, String)>,
}

#[derive(Deserialize)]
struct KeptGroup {
    names: Vec<String>,
    kind: String,
    cell: usize,
    /// In the folder.
    file: Option<String>,
    /// Or stored already, as this artifact of the step.
    artifact: Option<String>,
}

/// `None` when the process left nothing whole. A value that cannot be moved is lost, for that reason.
pub fn take_in(scratch: &Scratch, outputs: &BTreeMap<String, Digest>, blobs: &Blobs) -> Option<StepSnapshot> {
    let text = fs::read(scratch.kept().join("kept.json")).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    let mut snapshot = StepSnapshot::default();
    for group in kept.groups {
        // User code ran in the process that wrote this: a name of a file is no path.
        let file = group.file.filter(|file| file.bytes().all(|byte| byte.is_ascii_digit()));
        let content = match (&file, &group.artifact) {
            (Some(file), _) => blobs.adopt(&scratch.kept().join(file)).map_err(|error| error.to_string()),
            (None, Some(key)) => outputs.get(key).cloned().ok_or_else(|| format!("there is no artifact `{key}`")),
            (None, None) => Err("the step did not say where it is".to_owned()),
        };
        match content {
            Ok(content) => {
                snapshot.groups.push(SnapshotGroup { names: group.names, kind: group.kind, cell: group.cell, content });
            }
            Err(reason) => snapshot.lost.extend(group.names.into_iter().map(|name| Lost {
                name,
                cell: group.cell,
                kind: None,
                reason: reason.clone(),
            })),
        }
    }
    snapshot.unbound = kept.unbound.into_iter().map(|(name, cell)| Unbound { name, cell }).collect();
    let lost = |(name, cell, kind, reason): (String, Option<usize>, Option<String>, String)| {
        Some(Lost { name, cell: cell?, kind, reason })
    };
    snapshot.lost.extend(kept.lost.into_iter().filter_map(lost));
    Some(snapshot)
}
