//! What a step's process is told (`REQUEST.json`), and where it leaves what it has to say.
//!
//! ```json
//! {"plan": {"version": 1, "step": "train", ...},
//!  "executor_input": {"inputs": {"parameterValues": {"lr": 0.1},
//!                                "artifacts": {"df": {"artifacts": [{"name": "df", "uri": ".../blobs/3f/3f9a"}]}}},
//!                     "outputs": {"artifacts": {"model": {"artifacts": [{"name": "model", "uri": ".../outputs/model"}]}},
//!                                 "outputFile": ".../output.json"}},
//!  "directory": "/home/me/project", "result": ".../result.json", "events": ".../events.jsonl",
//!  "cells": ".../cells.json", "log": ".../log.txt", "rich": true,
//!  "verify": "inputs", "claims": [{"cell": 3, "reads": ["df"], "binds": ["model"]}],
//!  "keep": {"folder": ".../kept", "bytes": 1073741824},
//!  "isolated": {"modules": ".../modules", "hidden": ["pandas"]}}
//! ```
//!
//! Inputs are the blobs themselves, which are read-only; outputs go to scratch space and become blobs afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kale_model::{Lock, Pipeline, StepId, StepPlan};
use kale_store::{Blobs, Digest, Verify};
use serde_json::{Map, Value, json};

/// The scratch folder of one attempt. The log lies above it and is shared by all attempts.
#[derive(Clone, Debug)]
pub struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    pub const RESULT: &str = "result.json";

    /// Makes the folder empty.
    pub fn prepare(folder: PathBuf) -> io::Result<Scratch> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(folder.join("outputs"))?;
        fs::create_dir_all(folder.join("kept"))?;
        Ok(Scratch { folder })
    }

    pub fn request(&self) -> PathBuf {
        self.folder.join("request.json")
    }

    pub fn result(&self) -> PathBuf {
        self.folder.join(Scratch::RESULT)
    }

    pub fn events(&self) -> PathBuf {
        self.folder.join("events.jsonl")
    }

    pub fn cells(&self) -> PathBuf {
        self.folder.join("cells.json")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn outputs(&self) -> PathBuf {
        self.folder.join("outputs")
    }

    pub fn output(&self, key: &str) -> PathBuf {
        self.outputs().join(key)
    }

    /// Where it leaves what it keeps of its namespace.
    pub fn kept(&self) -> PathBuf {
        self.folder.join("kept")
    }

    /// Where a step of an isolated run finds the modules that travel with it.
    pub fn modules(&self) -> PathBuf {
        self.folder.join("modules")
    }

    /// Whether the disk has no room for as much as a result.
    pub fn is_full(&self) -> bool {
        const RESULT_BYTES: u64 = 64 * 1024;
        #[allow(clippy::unnecessary_cast)] // The counts are narrower on some systems.
        let free = |disk: nix::sys::statvfs::Statvfs| disk.blocks_available() as u64 * disk.fragment_size() as u64;
        nix::sys::statvfs::statvfs(&self.folder).is_ok_and(|disk| free(disk) < RESULT_BYTES)
    }

    /// Removes it: what counted of it is in blobs. So it does with the step's folder when there is no log in it.
    pub fn clear(&self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = self.folder.parent().map(fs::remove_dir);
    }
}

/// What the request is made from.
pub struct Order<'a> {
    pub pipeline: &'a Pipeline,
    pub step: StepId,
    /// Values of all parameters.
    pub parameters: &'a BTreeMap<String, Value>,
    /// Artifact key to content.
    pub inputs: &'a BTreeMap<String, Digest>,
    pub blobs: &'a Blobs,
    pub scratch: &'a Scratch,
    pub directory: &'a Path,
    pub log: &'a Path,
    pub verify: Verify,
    pub snapshot_bytes: u64,
    pub isolated: Option<&'a Lock>,
}

impl Order<'_> {
    pub fn write(&self) -> io::Result<()> {
        fs::write(self.scratch.request(), self.document().to_string())
    }

    fn document(&self) -> Value {
        let name = self.pipeline.step(self.step).name.as_str();
        let isolated = |lock: &Lock| json!({"modules": self.scratch.modules(), "hidden": lock.hidden_from(name)});
        json!({
            "plan": StepPlan::new(self.pipeline, self.step),
            "executor_input": self.executor_input(),
            "directory": self.directory,
            "result": self.scratch.result(),
            "events": self.scratch.events(),
            "cells": self.scratch.cells(),
            "log": self.log,
            "rich": true,
            "verify": self.verify,
            "claims": self.pipeline.step(self.step).claims,
            "keep": (self.snapshot_bytes > 0).then(|| json!({"folder": self.scratch.kept(), "bytes": self.snapshot_bytes})),
            "isolated": self.isolated.map(isolated),
        })
    }

    fn executor_input(&self) -> Value {
        let step = self.pipeline.step(self.step);
        let parameters: Map<String, Value> = step
            .parameters
            .iter()
            .filter_map(|name| Some((name.to_string(), self.parameters.get(name.as_str())?.clone())))
            .collect();
        let inputs = step.inputs.iter().filter_map(|id| {
            let key = &self.pipeline.artifact(*id).key;
            Some((key, self.blobs.path(self.inputs.get(key)?)))
        });
        let outputs = step.outputs.iter().map(|id| {
            let key = &self.pipeline.artifact(*id).key;
            (key, self.scratch.output(key))
        });
        json!({
            "inputs": {"parameterValues": parameters, "artifacts": artifacts(inputs)},
            "outputs": {"artifacts": artifacts(outputs), "outputFile": self.scratch.folder.join("output.json")},
        })
    }
}

/// KFP's way to name artifacts and their places.
fn artifacts<'a>(places: impl Iterator<Item = (&'a String, PathBuf)>) -> Map<String, Value> {
    places.map(|(key, path)| (key.clone(), json!({"artifacts": [{"name": key, "uri": path}]}))).collect()
}
