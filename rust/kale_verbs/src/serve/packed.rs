//! From a variable of a run, or a file, to a bundle: in a process of the interpreter that made it, since models are
//! pickles (`python/kale_runtime/packing/command.py`). What is in a notebook was packed there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::origin::{Origin, origin};
use super::sealed::PACKING;
use super::{ServeRequest, Stage, bundles, server};
use crate::error::VerbError;
use crate::notebook::plain;
use crate::session::{Interpreter, Session};

/// A bundle that lacks the versions of what it needs.
#[derive(Clone, Debug, Deserialize)]
pub struct Packed {
    pub folder: PathBuf,
    /// What its code and its model import.
    pub modules: Vec<String>,
    /// What the model answered to the bundle's example where it was packed.
    #[serde(default)]
    pub answer: Option<Value>,
    #[serde(default)]
    pub remarks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Report {
    Refused { error: Refused },
    Packed { modules: Vec<String>, answer: Option<Value>, remarks: Vec<String> },
}

#[derive(Deserialize)]
struct Refused {
    message: String,
    help: String,
}

pub fn pack(
    session: &Session,
    request: &ServeRequest,
    root: &Path,
    own: &Interpreter,
    tell: &dyn Fn(Stage),
) -> Result<(Packed, Interpreter), VerbError> {
    let Some(model) = &request.model else {
        let help = "name a model: `RUN:STEP:VARIABLE`, the file of one, or the folder of a bundle";
        return Err(VerbError::usage("nothing to serve", help));
    };
    let Origin { python, mut asked, name } = origin(session, request, model, own)?;
    let name = request.name.clone().unwrap_or(name);
    server::check_name(request, &name, root)?;
    tell(Stage::Packing);
    let folder = folder_in(root)?;
    let told = tempfile::NamedTempFile::new().map_err(|error| VerbError::writing(root, plain(&error)))?;
    asked["folder"] = json!(folder);
    asked["answer"] = json!(told.path());
    asked["name"] = json!(name);
    asked["method"] = json!(request.method);
    let done = carry_out(session, &python.executable, &asked);
    let report = done.and_then(|()| {
        let text = fs::read(told.path()).unwrap_or_default();
        serde_json::from_slice(&text).map_err(|_| {
            VerbError::usage("the process that packs the model died", "see whether its file can be loaded")
        })
    });
    let refused = match report {
        Ok(Report::Packed { modules, answer, remarks }) => {
            return Ok((Packed { folder, modules, answer, remarks }, python));
        }
        Ok(Report::Refused { error }) => VerbError::usage(error.message, error.help),
        Err(error) => error,
    };
    let _ = fs::remove_dir_all(&folder);
    Err(refused)
}

/// A new folder among the bundles, so that it can be renamed to its place.
fn folder_in(root: &Path) -> Result<PathBuf, VerbError> {
    kale_store::create_root(root)?;
    let bundles = bundles(root);
    let made =
        fs::create_dir_all(&bundles).and_then(|()| tempfile::Builder::new().prefix(PACKING).tempdir_in(&bundles));
    Ok(made.map_err(|error| VerbError::writing(&bundles, plain(&error)))?.keep())
}

fn carry_out(session: &Session, python: &Path, asked: &Value) -> Result<(), VerbError> {
    let failed = |error: std::io::Error| {
        let message = format!("`{}` cannot be started: {}", python.display(), plain(&error));
        VerbError::usage(message, "give another interpreter with `--python`")
    };
    let mut process = Command::new(python)
        .arg(&session.runtime)
        .arg("--pack")
        .env("MPLBACKEND", "agg")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    // A process that has died already says so by its exit.
    let _ = process.stdin.take().map(|mut input| input.write_all(asked.to_string().as_bytes()));
    process.wait().map_err(failed)?;
    Ok(())
}
