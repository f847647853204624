//! Which Python the notebook runs under: `--python`, else its kernelspec, else the interpreter that called us.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::VerbError;
use crate::notebook::NotebookText;
use crate::session::{Interpreter, Session};

/// The chosen interpreter, and a remark when it is not the one that the notebook asks for.
pub struct Choice {
    pub interpreter: Interpreter,
    pub remark: Option<String>,
}

pub fn choose(session: &Session, notebook: &NotebookText, wanted: Option<&Path>) -> Result<Choice, VerbError> {
    if let Some(wanted) = wanted {
        return Ok(Choice { interpreter: named(session, Some(wanted))?, remark: None });
    }
    let caller = || session.caller.clone();
    let Some(name) = notebook.kernelspec() else { return Ok(Choice { interpreter: caller(), remark: None }) };
    match find_kernelspec(session, &name) {
        // Every Jupyter names its own Python so; without a spec it means this one.
        None if name.starts_with("python") => Ok(Choice { interpreter: caller(), remark: None }),
        None => {
            let remark = format!("kernelspec `{name}` is not installed here; using {}", caller().executable.display());
            Ok(Choice { interpreter: caller(), remark: Some(remark) })
        }
        Some(python) if is_bare_python(&python) => Ok(Choice { interpreter: caller(), remark: None }),
        Some(python) => Ok(resolve(session, &python).map_or_else(
            |error| {
                let remark = format!("kernelspec `{name}`: {error}; using {}", caller().executable.display());
                Choice { interpreter: caller(), remark: Some(remark) }
            },
            |interpreter| Choice { interpreter, remark: None },
        )),
    }
}

/// An interpreter that is asked for by its path, or the one that called us.
pub fn named(session: &Session, wanted: Option<&Path>) -> Result<Interpreter, VerbError> {
    wanted.map_or_else(|| Ok(session.caller.clone()), |wanted| resolve(session, &locate(session, wanted)))
}

/// `python3` on `PATH`, or a path from the current directory.
fn locate(session: &Session, wanted: &Path) -> PathBuf {
    if wanted.components().count() > 1 {
        return session.directory.join(wanted);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join(wanted)).find(|file| file.is_file()).unwrap_or_else(|| {
        // No such command: the path itself, so that the message names what was asked for.
        wanted.to_owned()
    })
}

fn resolve(session: &Session, python: &Path) -> Result<Interpreter, VerbError> {
    if python == session.caller.executable { Ok(session.caller.clone()) } else { probe(python) }
}

/// What `kernel.json` files of Jupyter's own installation say instead of a path.
fn is_bare_python(python: &Path) -> bool {
    python.components().count() == 1 && python.to_str().is_some_and(|name| name.starts_with("python"))
}

#[derive(Deserialize)]
struct KernelJson {
    argv: Vec<String>,
}

/// The program that a kernelspec starts.
pub fn find_kernelspec(session: &Session, name: &str) -> Option<PathBuf> {
    // Names are directory names; anything else could leave the directory.
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return None;
    }
    data_directories(&session.caller).iter().find_map(|directory| {
        // Jupyter's lookup ignores case, and stores names in lower case.
        let folder = directory.join("kernels");
        let file = [name.to_owned(), name.to_lowercase()].into_iter().map(|name| folder.join(name).join("kernel.json"));
        let text = file.into_iter().find_map(|file| std::fs::read_to_string(file).ok())?;
        let kernel: KernelJson = serde_json::from_str(&text).ok()?;
        kernel.argv.into_iter().next().map(PathBuf::from)
    })
}

/// Jupyter's data directories in its own order of preference.
fn data_directories(caller: &Interpreter) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> =
        env::var_os("JUPYTER_PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let user = user_data_directory();
    let environment = Some(caller.prefix.join("share/jupyter"));
    let in_virtual_environment = caller.prefix != caller.base_prefix;
    let (first, second) = if in_virtual_environment { (environment, user) } else { (user, environment) };
    directories.extend(first);
    directories.extend(second);
    directories.push(PathBuf::from("/usr/local/share/jupyter"));
    directories.push(PathBuf::from("/usr/share/jupyter"));
    directories
}

fn user_data_directory() -> Option<PathBuf> {
    if let Some(directory) = env::var_os("JUPYTER_DATA_DIR") {
        return Some(PathBuf::from(directory));
    }
    let home = env::home_dir()?;
    if cfg!(target_os = "macos") {
        return Some(home.join("Library/Jupyter"));
    }
    let data = env::var_os("XDG_DATA_HOME").map_or_else(|| home.join(".local/share"), PathBuf::from);
    Some(data.join("jupyter"))
}

const PROBE: &str = "import json, sys; print(json.dumps({'executable': sys.executable, 'version': \
     {'major': sys.version_info[0], 'minor': sys.version_info[1]}, 'full_version': sys.version.split()[0], 'prefix': sys.prefix, \
     'base_prefix': sys.base_prefix, 'path': sys.path[1:]}))";

/// Asks another interpreter what it is.
fn probe(python: &Path) -> Result<Interpreter, VerbError> {
    let refuse = |reason: String| {
        VerbError::usage(
            format!("`{}` is not a Python that runs: {reason}", python.display()),
            "give the path of an interpreter, such as `.venv/bin/python`",
        )
    };
    let output = Command::new(python)
        .args(["-c", PROBE])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| refuse(crate::notebook::plain(&error)))?;
    let last_line = String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned();
    serde_json::from_str(&last_line).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it printed nothing").to_owned();
        refuse(said)
    })
}
