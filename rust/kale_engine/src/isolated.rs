//! `run --isolated`: the steps' environment, made of the run's lock and nothing else.
//!
//! ```text
//!   lock (kale_verbs) --key--> environments/KEY/ (kale_store) --there--> used
//!                                   `- absent: a virtual environment, then uv or pip --no-deps (installer.rs)
//! ```
//!
//! What is installed is the lock to the letter: no resolver adds or changes anything, so an environment that pip would
//! call inconsistent is made again as it is. Which index packages come from is up to the user's configuration of uv and
//! pip. A step sees the packages of its own part of the lock; `kale_runtime/isolation.py` hides those of others.

mod installer;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kale_model::{Code, Diagnostic, Event, Lock};
use kale_store::{EnvironmentInMaking, EnvironmentInUse, EnvironmentState, Result, StoreError, now};
use serde_json::json;

use crate::execute::Execution;
use crate::worker;
use installer::{Builder, Failure};

/// How often one looks whether another run has made the environment.
const LOOK: Duration = Duration::from_millis(200);
/// Variables by which modules of elsewhere come in.
pub const WITHHELD: &[&str] = &["PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__"];

/// An environment that the steps of this run use.
pub struct Isolated {
    environment: EnvironmentInUse,
    /// The notebook's own interpreter.
    notebook_python: PathBuf,
}

pub enum Prepared {
    Ready,
    Refused(Box<Diagnostic>),
    /// The user did not want to wait for it.
    Cancelled,
}

impl Isolated {
    pub fn python(&self) -> PathBuf {
        python_of(&self.environment.folder)
    }

    /// What activating the environment sets. Programs of the notebook's environment are not found any more.
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        let own = self.notebook_python.parent().filter(|folder| folder.with_file_name("pyvenv.cfg").is_file());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let others = std::env::split_paths(&path).filter(|folder| Some(folder.as_path()) != own);
        let folders = [self.environment.folder.join("bin")].into_iter().chain(others);
        let path = std::env::join_paths(folders).unwrap_or(path);
        vec![("PATH".into(), path), ("VIRTUAL_ENV".into(), self.environment.folder.clone().into())]
    }
}

fn python_of(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

/// Finds or makes the environment of the run, if it wants one.
pub(crate) async fn prepare(execution: &Execution) -> Result<Prepared> {
    let options = &execution.record.options;
    let (Some(lock), Some(key)) = (&options.isolated, options.environment_key()) else { return Ok(Prepared::Ready) };
    let place = execution.store.environment(&key);
    let mut has_waited = false;
    loop {
        match place.look()? {
            EnvironmentState::Whole(environment) => {
                let notebook_python = options.python.clone();
                let _ = execution.isolated.set(Isolated { environment, notebook_python });
                return Ok(Prepared::Ready);
            }
            EnvironmentState::Busy => {
                if !has_waited {
                    let text = "another run is making the same environment".to_owned();
                    execution.store.append_events(&execution.record.id, &[Event::EnvironmentProgress { text }])?;
                }
                has_waited = true;
                tokio::time::sleep(LOOK).await;
            }
            EnvironmentState::Absent(making) => {
                if let Some(diagnostic) = make(execution, lock, making).await? {
                    return Ok(Prepared::Refused(Box::new(diagnostic)));
                }
            }
        }
    }
}

/// Makes it; a diagnostic says why not.
async fn make(execution: &Execution, lock: &Lock, making: EnvironmentInMaking) -> Result<Option<Diagnostic>> {
    let (run, options) = (&execution.record.id, &execution.record.options);
    let log_path = execution.store.run_directory(run).join("environment.log");
    let unwritable =
        |error: std::io::Error| StoreError::Unwritable { path: log_path.clone(), reason: error.to_string() };
    fs::create_dir_all(execution.store.run_directory(run)).map_err(unwritable)?;
    let mut log = File::create(&log_path).map_err(unwritable)?;
    let python = worker::notebook_python(options);
    let builder = Builder {
        python: &python,
        folder: &making.folder,
        lock,
        scratch: &execution.store.run_directory(run),
        directory: &options.directory,
        descriptor: making.descriptor(),
        marker: format!("{}/environment", execution.owner.marker),
    };
    let began = Instant::now();
    let tool = builder.tool().to_owned();
    let started = Event::EnvironmentStarted { time: now(), packages: lock.packages.len(), tool };
    execution.store.append_events(run, &[started])?;
    let tell = |line: &str| {
        let _ = writeln!(log, "{line}");
        let text = line.trim().to_owned();
        if !text.is_empty() {
            let _ = execution.store.append_events(run, &[Event::EnvironmentProgress { text }]);
        }
    };
    if let Err(failure) = builder.build(tell).await {
        return Ok(Some(not_built(lock, &failure, &log_path)));
    }
    making.finish(&json!({"python": options.python_version, "packages": lock.text()}).to_string())?;
    let finished = Event::EnvironmentFinished { time: now(), seconds: began.elapsed().as_secs_f64() };
    execution.store.append_events(run, &[finished])?;
    Ok(None)
}

fn not_built(lock: &Lock, failure: &Failure, log: &Path) -> Diagnostic {
    let culprit = lock
        .packages
        .iter()
        .find(|package| names(&failure.said, &package.to_string()))
        .or_else(|| lock.packages.iter().find(|package| names(&failure.said.to_lowercase(), &package.name)));
    let told = if failure.said.is_empty() { "it said nothing" } else { &failure.said };
    let log = log.display();
    let Some(package) = culprit else {
        return Diagnostic::new(
            Code::EnvironmentNotBuilt,
            format!("The environment of the run could not be made by {}: {told}", failure.tool),
            format!("`{log}` has all that was said. `kale-rs run` without `--isolated` uses what is installed."),
        );
    };
    let steps: Vec<String> = lock
        .steps
        .iter()
        .filter(|(_, names)| names.contains(&package.name))
        .map(|(step, _)| format!("`{step}`"))
        .collect();
    let needs = if steps.len() == 1 { "step" } else { "steps" };
    Diagnostic::new(
        Code::EnvironmentNotBuilt,
        format!(
            "{} could not install `{package}`, which {needs} {} of the run need{}: {told}",
            failure.tool,
            steps.join(", "),
            if steps.len() == 1 { "s" } else { "" },
        ),
        format!(
            "If another index has it, name that in your configuration of {}; if only this machine has it, put its \
             modules beside the notebook. `{log}` has all that was said.",
            failure.tool
        ),
    )
}

/// Whether a text holds a name as a word.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    text.match_indices(name).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + name.len()..]);
        let goes_on = after.starts_with(is_part) && !after.starts_with(". ") && after != ".";
        !before.ends_with(is_part) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_in_what_the_installer_says() {
        assert!(names("No matching distribution found for foo==1.2", "foo==1.2"));
        assert!(names("there is no version of foo==1.2.", "foo==1.2"));
        assert!(!names("for foo==1.2.3", "foo==1.2") && !names("for more-foo==1.2", "foo==1.2"));
    }
}
