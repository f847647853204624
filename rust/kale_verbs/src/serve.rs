//! `serve`: from a model in a run, in a file or in the notebook to an endpoint.
//!
//! A model becomes a bundle first ([`packed`]): a folder with all that a service needs. [`sealed`] completes it with the
//! versions of packages and gives it a version of its own, [`verified`] asks a fresh process whether it answers as the
//! notebook did, and [`server`] starts it. `--bundle` begins at the end of this line, here and in a container.

mod origin;
mod packed;
mod running;
mod sealed;
pub mod server;
mod verified;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::interpreter;
use crate::session::{Interpreter, Session};

pub use packed::Packed;
pub use running::{Record, lost, running, service_log};
pub use sealed::{Bundle, read as read_bundle};
pub use server::{Settings, serve_here};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServeRequest {
    /// `RUN:STEP:VARIABLE`, `best:STEP:VARIABLE`, the file of a model, or the folder of a bundle.
    #[serde(default)]
    pub model: Option<String>,
    /// A bundle that is there.
    #[serde(default)]
    pub bundle: Option<PathBuf>,
    /// One that was packed in the notebook's own process, and that is not complete yet.
    #[serde(default)]
    pub packed: Option<Packed>,
    /// What the service is called; `None`: as the variable, the file or the bundle.
    #[serde(default)]
    pub name: Option<String>,
    /// Names of the run's variables.
    #[serde(default)]
    pub preprocess: Option<String>,
    #[serde(default)]
    pub postprocess: Option<String>,
    #[serde(default)]
    pub assets: Vec<String>,
    #[serde(default)]
    pub example: Option<String>,
    /// What of the model answers; `None`: `predict`.
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub python: Option<PathBuf>,
    #[serde(default)]
    pub trust: bool,
    #[serde(flatten)]
    pub settings: Settings,
    /// Return as soon as it is ready; it goes on by itself.
    #[serde(default)]
    pub detach: bool,
    /// Processes of services: one that has the name makes room as soon as the model is packed.
    #[serde(default)]
    pub replaces: Vec<u32>,
    /// It ends with the calling process.
    #[serde(default)]
    pub tied: bool,
    /// Pack, and start nothing.
    #[serde(default)]
    pub pack_only: bool,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Clone, Debug, Serialize)]
pub struct ServeAnswer {
    pub name: String,
    /// `None`: it was only packed.
    pub url: Option<String>,
    /// That of the bundle, which depends on nothing but its contents.
    pub version: String,
    pub pid: Option<u32>,
    pub bundle: PathBuf,
    pub log: Option<PathBuf>,
    /// Whether a fresh process gave the notebook's answer to the example; `None`: there was none to ask about.
    pub verified: Option<bool>,
    pub remarks: Vec<String>,
    /// The first row of its example.
    #[serde(skip)]
    pub row: Option<Value>,
}

/// What takes its time until a service is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Packing,
    /// In a process of its own.
    Checking,
    Starting,
}

/// Who is told how it goes on.
pub trait ServeListener: Send + Sync {
    fn stage(&self, _stage: Stage) {}
    /// It answers from now on; not told with `detach`.
    fn ready(&self, _answer: &ServeAnswer) {}
}

/// Nobody.
impl ServeListener for () {}

/// What would be refused when the model has been packed. Who packs it elsewhere asks before.
pub fn check(session: &Session, request: &ServeRequest) -> Result<(), VerbError> {
    let root = request.store.root(session);
    if let Some(name) = &request.name {
        server::check_name(request, name, &root)?;
    }
    if request.pack_only { Ok(()) } else { server::check(request, &root) }
}

/// With `detach`, returns when the service is ready; else the listener is told, and it returns when the service has ended.
pub fn serve(
    session: &Session,
    request: &ServeRequest,
    listener: &dyn ServeListener,
) -> Result<ServeAnswer, VerbError> {
    let request = &with_bundle(session, request)?;
    check(session, request)?;
    let interpreter = interpreter::named(session, request.python.as_deref())?;
    let root = request.store.root(session);
    let Made { bundle, mut remarks, example } = made(session, request, &root, &interpreter, listener)?;
    remarks.extend(bundle.against_batches(request.settings.batch));
    let mut told = ServeAnswer {
        name: request.name.clone().unwrap_or_else(|| bundle.name.clone()),
        url: None,
        version: bundle.version.clone(),
        pid: None,
        bundle: bundle.folder.clone(),
        log: None,
        verified: None,
        remarks,
        row: bundle.first_row().cloned(),
    };
    server::check_name(request, &told.name, &root)?;
    // A process of its own loads it while the server's does.
    let asked = example.map(|(answer, python)| verified::ask(session, &bundle.folder, &python, answer));
    let limit = server::patience(&request.settings)?;
    let verify = |asked: Option<Result<verified::Asked, VerbError>>| match asked {
        Some(asked) => {
            listener.stage(Stage::Checking);
            verified::compare(asked?, limit).map(|()| Some(true))
        }
        None => Ok(None),
    };
    if request.pack_only {
        told.verified = verify(asked)?;
        return Ok(told);
    }
    bundle.is_used();
    let python = bundle.python(&interpreter);
    if request.detach {
        told.remarks.extend(replaced(request, &told.name, &root));
        listener.stage(Stage::Starting);
        let started = server::start(session, request, &bundle, &told.name, &python, &root);
        let verified = verify(asked);
        let started = started?;
        told.verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                started.end();
                return Err(error);
            }
        };
        (told.url, told.pid, told.log) = (Some(started.url.clone()), Some(started.pid), started.log.clone());
        return Ok(told);
    }
    told.verified = verify(asked)?;
    listener.stage(Stage::Starting);
    server::foreground(session, request, &bundle, told, &python, &root, listener)
}

/// A bundle's folder may stand where a model does.
fn with_bundle(session: &Session, request: &ServeRequest) -> Result<ServeRequest, VerbError> {
    let mut request = request.clone();
    if let Some(folder) = request.model.take_if(|model| is_bundle(&session.directory.join(model))) {
        request.bundle = Some(folder.into());
    }
    let functions = [&request.preprocess, &request.postprocess, &request.example];
    if request.bundle.is_some() && (functions.iter().any(|given| given.is_some()) || !request.assets.is_empty()) {
        let help = "leave functions, assets and example out, or serve the model that it was packed from";
        return Err(VerbError::usage(
            "a bundle has its functions, assets and example, and they stay as they are",
            help,
        ));
    }
    Ok(request)
}

/// Whether a folder is what `serve` has packed.
pub fn is_bundle(folder: &Path) -> bool {
    folder.join(sealed::ABOUT).is_file()
}

/// Ends the service whose place this one takes.
fn replaced(request: &ServeRequest, name: &str, root: &Path) -> Option<String> {
    let record = running::named(root, name).filter(|record| request.replaces.contains(&record.pid))?;
    record.end();
    Some(format!("it takes the place of the `{name}` that was at {}", record.url))
}

/// A complete bundle, what is to be said of it, and the answer to its example with the Python that gave it.
struct Made {
    bundle: Bundle,
    remarks: Vec<String>,
    example: Option<(Value, Interpreter)>,
}

fn made(
    session: &Session,
    request: &ServeRequest,
    root: &Path,
    own: &Interpreter,
    listener: &dyn ServeListener,
) -> Result<Made, VerbError> {
    if let Some(folder) = &request.bundle {
        let bundle = sealed::read(&session.directory.join(folder))?;
        return Ok(Made { bundle, remarks: vec![], example: None });
    }
    let (mut packed, python) = match &request.packed {
        Some(packed) => (packed.clone(), own.clone()),
        None => packed::pack(session, request, root, own, &|stage| listener.stage(stage))?,
    };
    if packed.answer.is_none() {
        packed.remarks.push("it is loaded and asked nothing before it counts as ready: it has no `example`".to_owned());
    }
    let bundle = sealed::seal(&packed, &python, root)?;
    Ok(Made { bundle, remarks: packed.remarks, example: packed.answer.map(|answer| (answer, python)) })
}

/// The folder of all bundles of a store.
fn bundles(root: &Path) -> PathBuf {
    root.join("bundles")
}
