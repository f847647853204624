//! `doctor`: whether this machine can run notebooks, and what to do where it cannot.

use std::path::{Path, PathBuf};

use kale_model::{Environment, PythonVersion};
use kale_store::{STORE_VERSION, Store};
use serde::{Deserialize, Serialize};

use crate::environment;
use crate::error::VerbError;
use crate::interpreter::{self, Choice};
use crate::notebook::NotebookText;
use crate::session::{Interpreter, Session};

/// The oldest Python that `kale_runtime` runs under.
const OLDEST: PythonVersion = PythonVersion { major: 3, minor: 10 };

#[derive(Clone, Debug, Default, Deserialize)]
pub struct DoctorRequest {
    /// A notebook whose kernel and store are checked too.
    #[serde(default)]
    pub notebook: Option<String>,
    #[serde(default)]
    pub python: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    /// Some notebooks will not run.
    Warning,
    /// Nothing will run.
    Error,
    /// Not looked at, since something before it is wrong.
    Skipped,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub subject: &'static str,
    pub health: Health,
    pub detail: String,
    /// What to do; empty when all is well.
    pub help: String,
}

#[derive(Debug, Serialize)]
pub struct Diagnosis {
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.health != Health::Error)
    }
}

pub fn doctor(session: &Session, request: &DoctorRequest) -> Result<Diagnosis, VerbError> {
    let notebook = match &request.notebook {
        Some(notebook) => NotebookText::read(session, notebook)?,
        None => {
            NotebookText { label: String::new(), path: None, directory: session.directory.clone(), text: String::new() }
        }
    };
    let Choice { interpreter, remark } = interpreter::choose(session, &notebook, request.python.as_deref())?;
    let environment = environment::scan(&interpreter, &notebook.directory);
    let mut findings = vec![versions(session), python(&interpreter)];
    if request.notebook.is_some() {
        findings.push(kernelspec(&notebook, &interpreter, remark));
    }
    findings.push(module(&environment, &interpreter, "ipython", "cells with magics, `!commands` or `?` cannot run"));
    findings.push(module(&environment, &interpreter, "dill", "functions made while a cell runs cannot be shipped"));
    findings.push(runtime(&session.runtime));
    let beside = request.notebook.is_none().then_some(" for notebooks of this folder");
    findings.push(store(notebook.path.as_deref().unwrap_or(&notebook.directory), beside.unwrap_or_default()));
    Ok(Diagnosis { findings })
}

fn ok(subject: &'static str, detail: String) -> Finding {
    Finding { subject, health: Health::Ok, detail, help: String::new() }
}

fn versions(session: &Session) -> Finding {
    let python = session.caller.executable.display();
    ok("kale_rs", format!("version {}, store version {STORE_VERSION}, loaded by {python}", env!("CARGO_PKG_VERSION")))
}

fn python(interpreter: &Interpreter) -> Finding {
    let detail = format!("{} at {}", interpreter.full_version, interpreter.executable.display());
    if interpreter.version >= OLDEST {
        return ok("python", detail);
    }
    let help =
        format!("steps need Python {OLDEST} or newer: give `--python`, or choose another kernel for the notebook");
    Finding { subject: "python", health: Health::Error, detail, help }
}

fn kernelspec(notebook: &NotebookText, interpreter: &Interpreter, remark: Option<String>) -> Finding {
    let name = notebook.kernelspec();
    let python = interpreter.executable.display();
    match (name, remark) {
        (_, Some(remark)) => Finding {
            subject: "kernelspec",
            health: Health::Warning,
            detail: remark,
            help: "install the kernel (`python -m ipykernel install --user --name NAME`), or give `--python`"
                .to_owned(),
        },
        (Some(name), None) => ok("kernelspec", format!("`{name}` runs {python}")),
        (None, None) => ok("kernelspec", format!("the notebook names none: {python}")),
    }
}

fn module(environment: &Environment, interpreter: &Interpreter, name: &'static str, without: &str) -> Finding {
    match environment.distributions.get(name) {
        Some(version) => ok(name, format!("version {version}")),
        None => Finding {
            subject: name,
            health: Health::Warning,
            detail: format!("not installed: {without}"),
            help: format!("{} -m pip install {name}", interpreter.executable.display()),
        },
    }
}

fn runtime(package: &Path) -> Finding {
    if package.join("__init__.py").is_file() {
        return ok("runtime", format!("{}", package.display()));
    }
    let detail = format!("`{}` is missing", package.display());
    let help = "install kale-rs again: its wheel holds the package `kale_runtime`".to_owned();
    Finding { subject: "runtime", health: Health::Error, detail, help }
}

fn store(near: &Path, whose: &str) -> Finding {
    let root = kale_store::locate(near);
    if !root.exists() {
        return future_store(&root, whose);
    }
    match Store::open(&root).and_then(|store| Ok((store.journal_mode(), store.run_ids()?.len()))) {
        Ok((journal, runs)) => {
            ok("store", format!("{} (journal: {journal}), {}", root.display(), crate::render::count(runs, "run")))
        }
        Err(error) => {
            let diagnostic = error.diagnostic();
            Finding { subject: "store", health: Health::Error, detail: diagnostic.message, help: diagnostic.help }
        }
    }
}

/// A store that the first run will make.
fn future_store(root: &Path, whose: &str) -> Finding {
    let parent = root.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    match tempfile::tempfile_in(parent) {
        Ok(_) => ok("store", format!("none yet{whose}; the first run makes {}", root.display())),
        Err(error) => Finding {
            subject: "store",
            health: Health::Error,
            detail: format!("`{}` cannot be made: {}", root.display(), crate::notebook::plain(&error)),
            help: "make the folder writable, or put the store elsewhere with `KALE_RS_HOME`".to_owned(),
        },
    }
}
