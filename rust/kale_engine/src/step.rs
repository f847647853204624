//! One step of a run: identified, looked up, run, published.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kale_model::{StepId, StepStatus};
use kale_store::{CachedResult, Digest, Result, StepEnd, StepResult, StoreError};
use tokio::task::spawn_blocking;

use crate::attempt::{self, Ending, Limits};
use crate::execute::{Ended, Execution};
use crate::fingerprint::{self, Fingerprint, Ingredients};
use crate::progress::Progress;
use crate::report::Report;
use crate::request::{Order, Scratch};
use crate::worker::{self, Launch};
use crate::{fault, gather};

/// Looks the step up (on its first attempt) or runs it.
pub(crate) async fn carry_out(execution: &Execution, step: StepId, attempt: u32) -> Result<Ended> {
    let began = Instant::now();
    let fingerprint = identify(execution, step).await;
    let identity = serde_json::to_value(&fingerprint).expect("plain data");
    execution.store.identify_step(&execution.record.id, step.0, &fingerprint.digest(), &identity)?;
    if attempt == 1 && may_reuse(execution, step) && reuse(execution, step, &fingerprint, began).await? {
        return Ok(Ended::Reused);
    }
    execution.store.begin_step(&execution.record.id, step.0, execution.step_name(step), attempt)?;
    let one = Attempt { execution, step, attempt, began, fingerprint };
    one.run().await
}

fn may_reuse(execution: &Execution, step: StepId) -> bool {
    execution.record.options.cache && execution.pipeline.step(step).may_reuse()
}

async fn identify(execution: &Execution, step: StepId) -> Fingerprint {
    let ingredients = Ingredients {
        pipeline: Arc::clone(&execution.pipeline),
        step,
        parameters: execution.record.parameters.clone(),
        inputs: inputs(execution, step),
        options: execution.record.options.clone(),
        runtime: execution.runtime.clone(),
        files: execution.files.clone(),
    };
    spawn_blocking(move || ingredients.fingerprint()).await.expect("reading files does not panic")
}

/// Artifact key to content, of the artifacts that the step loads.
fn inputs(execution: &Execution, step: StepId) -> BTreeMap<String, Digest> {
    let results = execution.results.borrow();
    let input = |id: &kale_model::ArtifactId| {
        let artifact = execution.pipeline.artifact(*id);
        let digest = results.get(&artifact.producer)?.outputs.get(&artifact.key)?;
        Some((artifact.key.clone(), digest.clone()))
    };
    execution.pipeline.step(step).inputs.iter().filter_map(input).collect()
}

/// Publishes a stored result in place of running the step, if there is one that still holds.
async fn reuse(execution: &Execution, step: StepId, fingerprint: &Fingerprint, began: Instant) -> Result<bool> {
    for candidate in execution.store.cached_results(&fingerprint.digest())? {
        if !execution.store.is_complete(&candidate.result) || !still_holds(execution, &candidate).await? {
            continue;
        }
        let end = StepEnd {
            status: StepStatus::Cached,
            seconds: began.elapsed().as_secs_f64(),
            reason: Some(format!("nothing that it depends on has changed since run `{}`", candidate.run)),
            result: Some(candidate.result),
            diagnostics: vec![],
            cacheable: false,
        };
        execution.end_step(step, &end)?;
        return Ok(true);
    }
    Ok(false)
}

/// Checks what the step was seen to read, then puts back the files that it wrote. A damaged blob is no result.
async fn still_holds(execution: &Execution, candidate: &CachedResult) -> Result<bool> {
    let (result, files, blobs) = (candidate.result.clone(), execution.files.clone(), execution.store.blobs().clone());
    let directory = execution.record.options.directory.clone();
    let job = move || {
        if !fingerprint::holds(&result.observed, &directory, &files) {
            return Ok(false);
        }
        match gather::put_back(&result.files, &directory, &blobs, &files) {
            Err(StoreError::BadBlob { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    };
    spawn_blocking(job).await.expect("copying files does not panic")
}

struct Attempt<'a> {
    execution: &'a Execution,
    step: StepId,
    attempt: u32,
    began: Instant,
    fingerprint: Fingerprint,
}

impl Attempt<'_> {
    async fn run(self) -> Result<Ended> {
        let execution = self.execution;
        let folder = execution.store.step_directory(&execution.record.id, self.step.0, execution.step_name(self.step));
        let unwritable =
            |error: std::io::Error| StoreError::Unwritable { path: folder.clone(), reason: error.to_string() };
        let scratch = Scratch::prepare(folder.join("attempt")).map_err(unwritable)?;
        let log = folder.join("log.txt");
        self.order(&scratch, &log).write().map_err(unwritable)?;
        let mut progress = Progress::new(execution, self.step, scratch.events());
        let launch = self.launch(&scratch, log.clone());
        let ending = attempt::run(&launch, self.limits(), execution.stop_signal(), || progress.look()).await;
        progress.look();
        let ended = match ending {
            Ok(ending) => self.conclude(ending, progress.cell, &scratch, log).await,
            Err(error) => Ok(Ended::Failed(self.end(StepStatus::Failed, None, vec![self.fault().not_started(&error)]))),
        };
        scratch.clear();
        ended
    }

    fn order<'o>(&'o self, scratch: &'o Scratch, log: &'o std::path::Path) -> Order<'o> {
        let options = &self.execution.record.options;
        Order {
            pipeline: &self.execution.pipeline,
            step: self.step,
            parameters: &self.execution.record.parameters,
            inputs: &self.fingerprint.inputs,
            blobs: self.execution.store.blobs(),
            scratch,
            directory: &options.directory,
            log,
            verify: options.verify,
        }
    }

    fn launch(&self, scratch: &Scratch, log: PathBuf) -> Launch {
        let options = &self.execution.record.options;
        let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        Launch {
            python: worker::find_python(&options.python).unwrap_or_else(|| options.python.clone()),
            runtime: options.runtime.clone(),
            request: scratch.request(),
            directory: options.directory.clone(),
            log,
            marker: format!("{}/{}/{}", self.execution.record.id, self.step.0, self.attempt),
            environment: vec![
                variable("KALE_INSTALL", "0"),
                variable("PYTHONHASHSEED", &options.hash_seed.to_string()),
            ],
        }
    }

    fn limits(&self) -> Limits {
        let config = &self.execution.pipeline.step(self.step).config;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bytes = |bytes: f64| bytes as u64;
        Limits {
            time: config.timeout_seconds.map(Duration::from_secs),
            memory_bytes: config.resources.memory().and_then(kale_model::Quantity::value).map(bytes),
        }
    }

    fn directory(&self) -> PathBuf {
        self.execution.record.options.directory.clone()
    }

    fn fault(&self) -> fault::Fault<'_> {
        fault::Fault { step: self.execution.pipeline.step(self.step), python: &self.execution.record.options.python }
    }

    /// Judges what the process left behind. Only an orderly end with a result that says so is a success.
    async fn conclude(
        &self,
        ending: Ending,
        last_cell: Option<usize>,
        scratch: &Scratch,
        log: PathBuf,
    ) -> Result<Ended> {
        let report = Report::read(&scratch.result());
        let in_order = matches!(ending, Ending::Exited { status, .. } if status.success());
        if let (true, Some(report)) = (in_order, report.as_ref().filter(|report| report.succeeded)) {
            return self.succeed(report, scratch, log).await;
        }
        let result = self.remains(report.as_ref(), scratch, log).await;
        if ending == Ending::Stopped {
            return Ok(Ended::Stopped(self.end(StepStatus::Cancelled, result, vec![])));
        }
        let without_a_word = report.is_none() && matches!(ending, Ending::Exited { .. });
        let diagnostic = if without_a_word && scratch.is_full() {
            self.fault().no_room(self.execution.store.root())
        } else {
            self.fault().of(ending, report.as_ref(), last_cell, &self.limits())
        };
        Ok(Ended::Failed(self.end(StepStatus::Failed, result, vec![diagnostic])))
    }

    async fn succeed(&self, report: &Report, scratch: &Scratch, log: PathBuf) -> Result<Ended> {
        let job = self.harvest(Some(report), scratch, log);
        let gathered = spawn_blocking(move || job.all()).await.expect("copying files does not panic");
        let result = match gathered {
            Ok(result) => result,
            Err(gather::Missing::Store(error)) => {
                let end = self.end(StepStatus::Failed, None, vec![self.fault().not_kept(&error)]);
                return Ok(Ended::Failed(end));
            }
            Err(gather::Missing::Output(name)) => {
                let end = self.end(StepStatus::Failed, None, vec![self.fault().no_output(&name)]);
                return Ok(Ended::Failed(end));
            }
        };
        let mut end = self.end(StepStatus::Succeeded, Some(result), report.warnings.clone());
        // A file that changed while the step ran may have been read before or after: nobody can say what the result
        // belongs to.
        end.cacheable = gather::is_repeatable(self.execution.pipeline.step(self.step), report, &self.directory())
            && identify(self.execution, self.step).await == self.fingerprint;
        self.execution.end_step(self.step, &end)?;
        Ok(Ended::Succeeded)
    }

    /// What can be kept of an attempt that did not succeed: what it printed and showed.
    async fn remains(&self, report: Option<&Report>, scratch: &Scratch, log: PathBuf) -> Option<StepResult> {
        let job = self.harvest(report, scratch, log);
        spawn_blocking(move || job.remains()).await.expect("copying files does not panic").ok()
    }

    fn harvest(&self, report: Option<&Report>, scratch: &Scratch, log: PathBuf) -> gather::Harvest {
        gather::Harvest {
            pipeline: Arc::clone(&self.execution.pipeline),
            step: self.step,
            scratch: scratch.clone(),
            log,
            directory: self.directory(),
            blobs: self.execution.store.blobs().clone(),
            files: self.execution.files.clone(),
            report: report.cloned().unwrap_or_default(),
        }
    }

    fn end(&self, status: StepStatus, result: Option<StepResult>, diagnostics: Vec<kale_model::Diagnostic>) -> StepEnd {
        StepEnd {
            status,
            seconds: self.began.elapsed().as_secs_f64(),
            result,
            diagnostics,
            reason: None,
            cacheable: false,
        }
    }
}
