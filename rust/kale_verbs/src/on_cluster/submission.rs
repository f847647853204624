//! How a run gets to its cluster, once.
//!
//! The cluster's run bears our id, and is looked for by that before one is started. But a server that was asked to start a
//! run may need a while until it shows it, and whoever has asked may be killed meanwhile, or be told by a gateway that it
//! gives up. So a file says that the cluster was asked, and when. While it may still be at it, the next engine waits for the
//! run to turn up, and starts none.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kale_kubeflow::{Client, Kind, KubeflowError, NewRun, Pipeline as Upload, Run};
use kale_model::{Code, Diagnostic, RunId};
use kale_store::{RunRecord, Store, StoreError};

use super::Refusal;
use crate::cluster;

/// In a run's folder: what was compiled for it, and that the cluster was asked to start it, with its address.
const PIPELINE: &str = "pipeline.yaml";
const ASKED: &str = "asked-to-start";
/// How long a server may be at a start after whoever has asked for it is gone. Gateways give up after a minute at most.
const AT_IT: Duration = Duration::from_secs(180);
/// Between two looks whether the run has turned up.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps what is to be handed over.
pub fn keep_pipeline(store: &Store, run: &RunId, ir: &str) -> Result<(), StoreError> {
    let folder = store.run_directory(run);
    let path = folder.join(PIPELINE);
    let unwritable = |error: std::io::Error| unwritable(&path, &error);
    let part = folder.join("pipeline.yaml.part");
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&part, ir));
    written.and_then(|()| fs::rename(&part, &path)).map_err(unwritable)
}

fn unwritable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unwritable { path: path.to_owned(), reason: error.to_string() }
}

pub struct Submission<'a> {
    store: &'a Store,
    record: &'a RunRecord,
}

impl<'a> Submission<'a> {
    pub fn new(store: &'a Store, record: &'a RunRecord) -> Submission<'a> {
        Submission { store, record }
    }

    /// Whether the cluster has the run, or may have it.
    pub fn may_be_there(&self) -> Result<bool, StoreError> {
        Ok(self.store.remote(&self.record.id)?.is_some() || self.asked().exists())
    }

    /// The cluster's id of the run: of one that is there, else of a new one. `None`: it is to be cancelled, and is not
    /// there.
    pub fn run(&self, client: &Client) -> Result<Option<String>, Refusal> {
        let RunRecord { id, pipeline, .. } = self.record;
        if let Some(found) = self.awaited(client)? {
            return Ok(Some(found.run_id));
        }
        if self.store.cancel_requested(id)? {
            return Ok(None);
        }
        let path = self.store.run_directory(id).join(PIPELINE);
        let ir = fs::read_to_string(&path).map_err(|error| KubeflowError::file("read", &path, &error))?;
        let (name, description) = (pipeline.name.as_str(), pipeline.description.as_deref());
        let experiment = client.experiment(self.experiment(), None)?;
        let display_name = self.display_name();
        // A store may have been copied when an engine was on its way.
        if let Some(found) = client.marked_run(&experiment.experiment_id, &display_name, &id.0)? {
            return Ok(Some(found.run_id));
        }
        let version = client.upload(&Upload { name, description, ir: &ir })?;
        let mut new = NewRun::of_version(&version, &experiment.experiment_id, &display_name, &id.0);
        new.description = description;
        new.runtime.parameters = kale_targets::arguments(pipeline, &self.record.parameters)
            .map_err(|message| KubeflowError::usage(message, "give another value, or write the default as text"))?;
        if self.store.cancel_requested(id)? {
            return Ok(None);
        }
        self.note_that_it_is_asked(client)?;
        match client.create_run(&new) {
            Ok(run) => Ok(Some(run.run_id)),
            Err(error) if error.kind == Kind::Unknown => {
                self.note_that_it_is_asked(client)?;
                Err(error.into())
            }
            Err(error) => {
                self.forget_that_it_was_asked()?;
                Err(error.into())
            }
        }
    }

    /// The run that an earlier engine has asked for, if it is there. While the server may be at it, it is waited for.
    fn awaited(&self, client: &Client) -> Result<Option<Run>, Refusal> {
        let Ok(asked) = fs::metadata(self.asked()).and_then(|file| file.modified()) else { return Ok(None) };
        self.must_be_the_one_that_was_asked(client)?;
        let at_it = cluster::patience().map_or(AT_IT, |patience| patience.min(AT_IT));
        // A clock that was set back makes the wait no longer than it is at most.
        let rest = at_it.saturating_sub(asked.elapsed().unwrap_or_default());
        let until = Instant::now() + rest;
        let mut is_told = false;
        loop {
            if let Some(found) = self.found(client)? {
                return Ok(Some(found));
            }
            if Instant::now() >= until {
                self.forget_that_it_was_asked()?;
                return Ok(None);
            }
            if !is_told {
                is_told = true;
                self.store.add_diagnostics(&self.record.id, &[self.told(rest)])?;
            }
            sleep(PAUSE.min(rest));
        }
    }

    fn found(&self, client: &Client) -> Result<Option<Run>, KubeflowError> {
        let Some(experiment) = client.find_experiment(self.experiment())? else { return Ok(None) };
        client.marked_run(&experiment.experiment_id, &self.display_name(), &self.record.id.0)
    }

    /// Another server knows nothing of the run, which does not mean that there is none.
    fn must_be_the_one_that_was_asked(&self, client: &Client) -> Result<(), KubeflowError> {
        let context = cluster::called(self.record.options.context.as_deref());
        let asked = fs::read_to_string(self.asked()).unwrap_or_default();
        if asked.is_empty() || asked == client.url() {
            return Ok(());
        }
        let message = format!("`{asked}` was asked to start the run, and `{context}` is `{}` now", client.url());
        Err(KubeflowError::usage(message, "add the context again with that address and `--replace`"))
    }

    fn told(&self, rest: Duration) -> Diagnostic {
        let context = cluster::called(self.record.options.context.as_deref());
        let message = format!("`{context}` was asked to start the run, and it is not known whether it has done so.");
        let help =
            format!("It is looked for, for {} s at most, so that it is not started a second time.", rest.as_secs() + 1);
        Diagnostic::new(Code::ClusterUnreachable, message, help)
    }

    fn experiment(&self) -> &str {
        let pipeline = &self.record.pipeline;
        pipeline.experiment.as_deref().unwrap_or(pipeline.name.as_str())
    }

    fn display_name(&self) -> String {
        format!("{} {}", self.record.pipeline.name.as_str(), self.record.id)
    }

    fn asked(&self) -> PathBuf {
        self.store.run_directory(&self.record.id).join(ASKED)
    }

    /// On the disk, before anything is sent.
    fn note_that_it_is_asked(&self, client: &Client) -> Result<(), StoreError> {
        let path = self.asked();
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(client.url().as_bytes())?;
            file.sync_all()
        });
        let named = written.and_then(|()| File::open(path.parent().unwrap_or(&path))?.sync_all());
        named.map_err(|error| unwritable(&path, &error))
    }

    fn forget_that_it_was_asked(&self) -> Result<(), StoreError> {
        let path = self.asked();
        fs::remove_file(&path).map_err(|error| unwritable(&path, &error))
    }
}
