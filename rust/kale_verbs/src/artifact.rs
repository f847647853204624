//! `artifact`: what a stored value is, who made it and who was given it, and a look into it; or the value as a file in a
//! format that other tools open.

pub mod head;
mod look;

use std::path::{Path, PathBuf};

use kale_model::RunId;
use kale_store::{RunRecord, Store, without_controls};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::id::Id;
use crate::lineage;
use crate::notebook::plain;
use crate::restore::must_be_trusted;
use crate::session::Session;

pub use head::ArtifactHead;
use look::{Seen, look};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ArtifactRequest {
    /// `kale://artifact/DIGEST`.
    pub id: String,
    /// Write the value there, in the format of the file's suffix.
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// The user trusts whoever made a run that was pulled, from now on.
    #[serde(default)]
    pub trust: bool,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Debug, Serialize)]
pub struct Artifact {
    #[serde(flatten)]
    pub head: ArtifactHead,
    /// Its size as people say it: rows, columns, length.
    pub summary: String,
    /// The pickle (or the file) in the store.
    pub path: PathBuf,
    /// Whether it may be loaded: it was made here, or somebody has said so.
    pub trusted: bool,
    /// `png` (base64), or `html` and `text`, or `text` alone.
    pub preview: Value,
    /// The file that was written.
    pub output: Option<PathBuf>,
    pub made_by: Vec<String>,
    pub used_by: Vec<String>,
}

pub fn artifact(session: &Session, request: &ArtifactRequest) -> Result<Artifact, VerbError> {
    let Some(Id::Artifact(digest)) = Id::parse(&request.id) else {
        let message = format!("`{}` names no stored value", request.id);
        return Err(VerbError::usage(message, "`kale-rs show RUN STEP` lists the values of a step, with their ids"));
    };
    let lineage = lineage::of_artifact(session, &request.store, &digest)?;
    let Some(store) = request.store.open(session)? else { unreachable!("the value was found in it") };
    let Some(maker) = maker(&store, &lineage.id, &lineage.made_by)? else {
        return Err(VerbError::usage(
            format!("`{}` is no variable and no file", request.id),
            "`kale-rs show RUN STEP` lists the ids of what a step made",
        ));
    };
    if request.trust {
        must_be_trusted(&store, &maker.record.id, true)?;
    }
    let output = request.output.as_ref().map(|output| session.directory.join(output));
    let seen = match &output {
        Some(output) => write(session, &store, &maker, output)?,
        None => see(session, &store, &maker)?,
    };
    let Maker { record, mut head } = maker;
    head.artifact_type = seen.artifact_type.unwrap_or(head.artifact_type);
    Ok(Artifact {
        path: store.blobs().path(&head.content),
        trusted: is_trusted(&store, &record.id)?,
        head,
        summary: seen.summary,
        preview: seen.preview,
        output,
        made_by: lineage.made_by,
        used_by: lineage.used_by,
    })
}

/// The run that made a value, of several one that is trusted, and what it knows of it.
struct Maker {
    record: RunRecord,
    head: ArtifactHead,
}

impl Maker {
    /// A file is shown by what it is; anything else has to be loaded.
    fn is_file(&self) -> bool {
        self.head.kind.starts_with("file:")
    }
}

fn maker(store: &Store, id: &str, made_by: &[String]) -> Result<Option<Maker>, VerbError> {
    let mut found = None;
    for maker in made_by {
        let Some((run, Some(step))) = Id::parse(maker).and_then(Id::run_and_step) else { continue };
        let record = store.run(&RunId(run))?;
        let Some(step) = store.steps(&record.id)?.into_iter().find(|each| each.name == step) else { continue };
        let files = step.result.iter().flat_map(|result| &result.files);
        let files: Vec<ArtifactHead> = files.map(|(path, content)| head::file(store, path, content)).collect();
        let made = head::variables_made(store, &record, &step)?.into_iter().chain(files);
        let Some(head) = made.into_iter().find(|head| head.id == id) else { continue };
        let trusted = is_trusted(store, &record.id)?;
        found = Some(Maker { record, head });
        if trusted {
            break;
        }
    }
    Ok(found)
}

fn is_trusted(store: &Store, run: &RunId) -> Result<bool, VerbError> {
    Ok(store.pulled(run)?.is_none_or(|pulled| pulled.trusted))
}

fn see(session: &Session, store: &Store, maker: &Maker) -> Result<Seen, VerbError> {
    if maker.head.bytes.is_none() {
        return Ok(Seen::nothing("it is no longer in the store".to_owned()));
    }
    if !maker.is_file() && !is_trusted(store, &maker.record.id)? {
        let run = &maker.record.id;
        return Ok(Seen::nothing(format!(
            "not loaded: run `{run}` was pulled, and nobody has said that it is trusted"
        )));
    }
    let mut seen = look(session, store, &maker.record, &maker.head, None);
    if let Some(text) = seen.preview["text"].as_str() {
        // It may be shown by a terminal.
        seen.preview["text"] = without_controls(text).into();
    }
    if let Some(reason) = &seen.error {
        seen.preview = json!({"text": format!("cannot be shown: {reason}")});
    }
    Ok(seen)
}

fn write(session: &Session, store: &Store, maker: &Maker, output: &Path) -> Result<Seen, VerbError> {
    if maker.is_file() {
        store.blobs().copy_out(&maker.head.content, output)?;
        return see(session, store, maker);
    }
    must_be_trusted(store, &maker.record.id, false)?;
    if maker.head.bytes.is_none() {
        return Err(VerbError::usage(format!("`{}` is no longer in the store", maker.head.id), "run its step again"));
    }
    std::fs::create_dir_all(output.parent().unwrap_or(Path::new("/")))
        .map_err(|error| VerbError::writing(output, plain(&error)))?;
    let seen = look(session, store, &maker.record, &maker.head, Some(output));
    match seen.error {
        None => Ok(seen),
        Some(reason) => Err(VerbError::usage(
            format!("`{}` was not written: {reason}", output.display()),
            "the file's suffix says how: `.csv` or `.parquet` for tables, `.npy` for arrays, `.png` for figures, `.json`, `.txt`, `.pkl`",
        )),
    }
}
