//! One step of a run: identified, looked up, run, published.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kale_model::{Code, Diagnostic, Step, StepId, StepStatus};
use kale_store::{CachedResult, Digest, Result, StepEnd, StepResult, StoreError};
use tokio::task::spawn_blocking;

use crate::arrivals::Arrivals;
use crate::attempt::{self, Ending, Limits};
use crate::execute::{Ended, Execution};
use crate::fault::Fault;
use crate::fingerprint::{self, Fingerprint, Ingredients};
use crate::gather::{self, Missing};
use crate::isolated::{self, Isolated};
use crate::kept;
use crate::local_modules;
use crate::memory;
use crate::progress::Progress;
use crate::report::Report;
use crate::request::{Order, Scratch};
use crate::watch::Watch;
use crate::why;
use crate::worker::{self, Launch};

/// Looks the step up (on its first attempt) or runs it.
pub(crate) async fn carry_out(execution: &Execution, step: StepId, attempt: u32) -> Result<Ended> {
    let began = Instant::now();
    let fingerprint = identify(execution, step).await;
    let identity = serde_json::to_value(&fingerprint).expect("plain data");
    execution.store.identify_step(&execution.record.id, step.0, &fingerprint.digest(), &identity)?;
    if attempt == 1 && go_on_from(execution, step, &fingerprint, began)? {
        return Ok(Ended::Reused);
    }
    // Held until the step is over.
    let _turn = match &execution.owner.sharing {
        Some(sharing) => Some(sharing.turn(&fingerprint.digest()).await),
        None => None,
    };
    if attempt == 1 && share(execution, step, &fingerprint, began)? {
        return Ok(Ended::Reused);
    }
    if attempt == 1 && may_reuse(execution, step) && reuse(execution, step, &fingerprint, began).await? {
        return Ok(Ended::Reused);
    }
    let reason = why::why(execution, step, &fingerprint);
    execution.store.begin_step(&execution.record.id, step.0, execution.step_name(step), attempt)?;
    Attempt { reason, ..Attempt::new(execution, step, attempt, began, fingerprint)? }.run().await
}

fn may_reuse(execution: &Execution, step: StepId) -> bool {
    let options = &execution.record.options;
    let starts_here = options.from.as_deref() == Some(execution.step_name(step));
    options.cache && !starts_here && execution.pipeline.step(step).may_reuse()
}

/// Publishes an earlier result of a step that comes before the one that the run starts from.
fn go_on_from(execution: &Execution, step: StepId, fingerprint: &Fingerprint, began: Instant) -> Result<bool> {
    if !why::comes_before_start(execution, step) {
        return Ok(false);
    }
    let Some(earlier) = why::finished_before(execution, step, fingerprint) else { return Ok(false) };
    let reason = format!("finished in run `{}`", earlier.run);
    let result = earlier.into_cached(execution.step_name(step));
    let (directory, blobs) = (&execution.record.options.directory, execution.store.blobs());
    let mut files = result.result.files.clone();
    if !execution.pipeline.step(step).may_reuse() {
        // What is there may have grown since, such as a log.
        files.retain(|path, _| !directory.join(path).exists());
    }
    if gather::put_back(&files, directory, blobs, &execution.files).is_err() {
        return Ok(false);
    }
    publish_reused(execution, step, result, reason, began)?;
    Ok(true)
}

/// Publishes what an equal step of another trial has left.
fn share(execution: &Execution, step: StepId, fingerprint: &Fingerprint, began: Instant) -> Result<bool> {
    let Some(sharing) = &execution.owner.sharing else { return Ok(false) };
    let Some(found) = sharing.result(&execution.store, &fingerprint.digest())? else { return Ok(false) };
    let (directory, blobs) = (&execution.record.options.directory, execution.store.blobs());
    if gather::put_back(&found.result.files, directory, blobs, &execution.files).is_err() {
        return Ok(false);
    }
    let reason = format!("the same as in run `{}` of this sweep", found.run);
    publish_reused(execution, step, found, reason, began)?;
    Ok(true)
}

fn publish_reused(
    execution: &Execution,
    step: StepId,
    found: CachedResult,
    reason: String,
    began: Instant,
) -> Result<()> {
    let end = StepEnd {
        status: StepStatus::Cached,
        seconds: began.elapsed().as_secs_f64(),
        reason: Some(reason),
        result: Some(found.result.clone()),
        diagnostics: vec![],
        cacheable: false,
    };
    execution.end_step(step, &end)?;
    execution.store.share_snapshot(&execution.record.id, step.0, &found)
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
        if !execution.store.is_complete(&candidate.result) || !still_holds(execution, &candidate).await {
            continue;
        }
        let reason = format!("unchanged since run `{}`", candidate.run);
        publish_reused(execution, step, candidate, reason, began)?;
        return Ok(true);
    }
    Ok(false)
}

/// Checks what the step was seen to read, then puts back the files that it wrote. Where that fails (a damaged blob, a
/// folder that cannot be written) the step runs, and says itself what is the matter.
async fn still_holds(execution: &Execution, candidate: &CachedResult) -> bool {
    let (result, files, blobs) = (candidate.result.clone(), execution.files.clone(), execution.store.blobs().clone());
    let directory = execution.record.options.directory.clone();
    let job = move || {
        fingerprint::holds(&result.observed, &directory, &files)
            && gather::put_back(&result.files, &directory, &blobs, &files).is_ok()
    };
    spawn_blocking(job).await.expect("copying files does not panic")
}

struct Attempt<'a> {
    execution: &'a Execution,
    step: StepId,
    number: u32,
    began: Instant,
    fingerprint: Fingerprint,
    scratch: Scratch,
    arrivals: Arrivals,
    /// What the step prints, of all attempts.
    log: PathBuf,
    /// Why no stored result stands for it.
    reason: Option<String>,
}

impl<'a> Attempt<'a> {
    fn new(
        execution: &'a Execution,
        step: StepId,
        number: u32,
        began: Instant,
        fingerprint: Fingerprint,
    ) -> Result<Attempt<'a>> {
        let folder = execution.store.step_directory(&execution.record.id, step.0, execution.step_name(step));
        let scratch = Scratch::prepare(folder.join("attempt"))
            .map_err(|error| StoreError::Unwritable { path: folder.clone(), reason: error.to_string() })?;
        let log = folder.join("log.txt");
        if number == 1 {
            // Of an earlier session of the run, if it is there at all.
            let _ = std::fs::remove_file(&log);
        }
        let arrivals = Arrivals::default();
        Ok(Attempt { execution, step, number, began, fingerprint, scratch, arrivals, log, reason: None })
    }

    async fn run(self) -> Result<Ended> {
        let execution = self.execution;
        let path = self.scratch.request();
        let packed = match execution.record.options.isolated {
            Some(_) => local_modules::pack(self.definition(), &execution.record.options, &self.scratch.modules()),
            None => Ok(()),
        };
        let written = packed.and_then(|()| self.order().write());
        written.map_err(|error| StoreError::Unwritable { path, reason: error.to_string() })?;
        let progress = RefCell::new(Progress::new(execution, self.step, self.scratch.events()));
        let watch = Watch::of(&self.scratch);
        let cpu = self.definition().config.resources.cpu().and_then(kale_model::Quantity::value);
        let share = cpu.and_then(|cpu| execution.processors.share(cpu));
        let launch = self.launch(share.as_ref().map(|share| share.processors.clone()).unwrap_or_default());
        let (warm, stop) = (execution.warm.as_ref(), execution.stop_signal());
        let look = || progress.borrow_mut().look();
        let mut ending = pin!(attempt::run(&launch, warm, self.limits(), stop, look));
        let over = tokio::select! {
            biased;
            over = &mut ending => Some(over),
            () = watch.until_settled(&self.arrivals) => None,
        };
        let ended = match (over, self.settled_report()) {
            (None, Some(report)) => {
                look();
                self.publish_ahead(&report, async { drop(ending.await) }).await
            }
            (over, _) => {
                let over = match over {
                    Some(over) => over,
                    None => ending.await,
                };
                look();
                let last_cell = progress.borrow().cell;
                match over {
                    Ok(ending) => self.conclude(ending, last_cell).await,
                    Err(error) => Ok(Ended::Failed(self.failure(None, self.fault().not_started(&error)))),
                }
            }
        };
        drop(share);
        self.scratch.clear();
        ended
    }

    /// The report of a process that has nothing left to do but to write its snapshot. None of a step that is known to
    /// write files, or may: libraries in C write the rest of theirs when the process ends, unseen. Nor of a large one,
    /// which is not to take the memory that the next one was promised.
    fn settled_report(&self) -> Option<Report> {
        const LARGE: u64 = 512 << 20;
        let step = self.definition();
        let report = Report::read(&self.scratch.result())?;
        let may_be_left = step.files.writes.is_empty() && step.uncacheable.is_empty();
        let is_settled = report.succeeded && report.settled && report.peak_memory_bytes < LARGE;
        (may_be_left && is_settled).then_some(report)
    }

    /// Publishes the result beside the process's work on the snapshot, which then is added.
    async fn publish_ahead(&self, report: &Report, end: impl Future<Output = ()>) -> Result<Ended> {
        let ended = self.succeed(report, true).await;
        if !matches!(ended, Ok(Ended::Succeeded)) {
            end.await;
            return ended;
        }
        self.execution.has_settled(self.step);
        end.await;
        self.keep().await;
        // The process had it open, so it was copied.
        let _ = std::fs::remove_file(&self.log);
        Ok(Ended::Left)
    }

    fn definition(&self) -> &Step {
        self.execution.pipeline.step(self.step)
    }

    fn order(&self) -> Order<'_> {
        let options = &self.execution.record.options;
        Order {
            pipeline: &self.execution.pipeline,
            step: self.step,
            parameters: &self.execution.record.parameters,
            inputs: &self.fingerprint.inputs,
            blobs: self.execution.store.blobs(),
            scratch: &self.scratch,
            directory: &options.directory,
            log: &self.log,
            verify: options.verify,
            snapshot_bytes: options.snapshot_bytes,
            isolated: options.isolated.as_ref(),
        }
    }

    fn launch(&self, processors: Vec<usize>) -> Launch {
        let options = &self.execution.record.options;
        let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let mut environment =
            vec![variable("KALE_INSTALL", "0"), variable("PYTHONHASHSEED", &options.hash_seed.to_string())];
        let isolated = self.execution.isolated.get();
        environment.extend(isolated.map(Isolated::variables).into_iter().flatten());
        let own = || worker::notebook_python(options);
        Launch {
            python: isolated.map_or_else(own, Isolated::python),
            runtime: options.runtime.clone(),
            request: self.scratch.request(),
            directory: options.directory.clone(),
            log: self.log.clone(),
            marker: format!("{}/{}/{}", self.execution.owner.marker, self.step.0, self.number),
            environment,
            withheld: if isolated.is_some() { isolated::WITHHELD } else { &[] },
            processors,
        }
    }

    fn limits(&self) -> Limits {
        let config = &self.execution.pipeline.step(self.step).config;
        Limits {
            time: config.timeout_seconds.map(Duration::from_secs),
            memory_bytes: config.resources.memory().and_then(memory::in_bytes),
        }
    }

    fn fault(&self) -> Fault<'_> {
        Fault {
            pipeline: &self.execution.pipeline,
            step: self.definition(),
            python: &self.execution.record.options.python,
            log: &self.log,
            isolated: self.execution.isolated.get().is_some(),
            directory: &self.execution.record.options.directory,
            store: &self.execution.store,
        }
    }

    /// Judges what the process left behind. Only a result that says so is a success: it is written last. How the
    /// interpreter then ended does not matter: libraries that crash while they are unloaded have done their work, and
    /// so has a process that a forgotten thread kept until its time was over.
    async fn conclude(&self, ending: Ending, last_cell: Option<usize>) -> Result<Ended> {
        let report = Report::read(&self.scratch.result());
        if let Some(report) = report.as_ref().filter(|report| report.succeeded) {
            let ended = self.succeed(report, false).await?;
            if matches!(ended, Ended::Succeeded) {
                self.keep().await;
            }
            return Ok(ended);
        }
        let harvest = self.harvest(report.clone().unwrap_or_else(|| Report::of_usage(ending.usage())));
        let result = spawn_blocking(move || harvest.remains()).await.expect("copying files does not panic").ok();
        if ending == Ending::Stopped {
            return Ok(Ended::Stopped(self.end(StepStatus::Cancelled, result, vec![])));
        }
        if let Some(input) = report.as_ref().and_then(|report| self.damaged_input(report)) {
            return Ok(Ended::Failed(self.failure(result, self.fault().damaged(&input))));
        }
        let without_a_word = report.is_none() && matches!(ending, Ending::Exited { .. });
        let diagnostic = if without_a_word && self.scratch.is_full() {
            self.fault().no_room(self.execution.store.root())
        } else {
            self.fault().of(ending, report.as_ref(), last_cell, &self.limits())
        };
        Ok(Ended::Failed(self.failure(result, diagnostic)))
    }

    /// The artifact that could not be read back because the disk has spoilt it. It is removed: the next run has it made
    /// anew.
    fn damaged_input(&self, report: &Report) -> Option<String> {
        let code = report.error.as_ref()?.code;
        let blobs = self.execution.store.blobs();
        let is_damaged = |digest: &Digest| code == Code::ValueNotLoaded && blobs.discard_if_damaged(digest);
        self.fingerprint.inputs.iter().find(|(_, digest)| is_damaged(digest)).map(|(key, _)| key.clone())
    }

    /// `at_work`: the process is there still.
    async fn succeed(&self, report: &Report, at_work: bool) -> Result<Ended> {
        let harvest = gather::Harvest { at_work, ..self.harvest(report.clone()) };
        let gathered = spawn_blocking(move || harvest.all()).await.expect("copying files does not panic");
        let result = match gathered {
            Ok(result) => result,
            Err(missing) => {
                let diagnostic = match missing {
                    Missing::Store(error) => self.fault().not_kept(&error),
                    Missing::Output(name) => self.fault().no_output(&name),
                };
                return Ok(Ended::Failed(self.failure(None, diagnostic)));
            }
        };
        let judged = self.execution.trespasses.borrow_mut().judge(&self.execution.pipeline, self.step, &report.touches);
        let told: Vec<Diagnostic> = report.warnings.iter().cloned().chain(judged).collect();
        if told.iter().any(Diagnostic::is_error) {
            return Ok(Ended::Failed(self.end(StepStatus::Failed, Some(result), self.placed(&told))));
        }
        let mut end = self.end(StepStatus::Succeeded, Some(result), self.placed(&told));
        // A file that changed while the step ran may have been read before or after: nobody can say what the result
        // belongs to.
        end.cacheable = gather::is_repeatable(self.definition(), report, &self.execution.record.options.directory)
            && identify(self.execution, self.step).await == self.fingerprint;
        self.execution.end_step(self.step, &end)?;
        Ok(Ended::Succeeded)
    }

    /// Stores what the step left in its namespace. It has succeeded with or without that.
    async fn keep(&self) {
        let result = self.execution.results.borrow().get(&self.step).cloned().unwrap_or_default();
        let (scratch, blobs) = (self.scratch.clone(), self.execution.store.blobs().clone());
        let snapshot = spawn_blocking(move || kept::take_in(&scratch, &result.outputs, &blobs)).await;
        if let Some(snapshot) = snapshot.expect("moving files does not panic") {
            let (run, name) = (&self.execution.record.id, self.execution.step_name(self.step));
            let _ = self.execution.store.add_snapshot(run, self.step.0, name, &snapshot);
        }
    }

    /// The runtime does not know the cells' ids.
    fn placed(&self, warnings: &[Diagnostic]) -> Vec<Diagnostic> {
        let cells = &self.definition().cells;
        let id =
            |warning: &Diagnostic| cells.iter().find(|cell| Some(cell.index) == warning.cell).map(|c| c.id.clone());
        let sub_cells = &self.execution.pipeline.sub_cells;
        let placed = |warning: &Diagnostic| Diagnostic { cell_id: id(warning), ..warning.clone() }.shown_in(sub_cells);
        warnings.iter().map(placed).collect()
    }

    fn harvest(&self, report: Report) -> gather::Harvest {
        gather::Harvest {
            pipeline: Arc::clone(&self.execution.pipeline),
            step: self.step,
            scratch: self.scratch.clone(),
            log: self.log.clone(),
            directory: self.execution.record.options.directory.clone(),
            blobs: self.execution.store.blobs().clone(),
            files: self.execution.files.clone(),
            report,
            snapshot_bytes: self.execution.record.options.snapshot_bytes,
            arrivals: self.arrivals.clone(),
            at_work: false,
        }
    }

    fn failure(&self, result: Option<StepResult>, diagnostic: Diagnostic) -> StepEnd {
        self.end(StepStatus::Failed, result, vec![diagnostic])
    }

    fn end(&self, status: StepStatus, result: Option<StepResult>, diagnostics: Vec<Diagnostic>) -> StepEnd {
        let seconds = self.began.elapsed().as_secs_f64();
        StepEnd { status, seconds, result, diagnostics, reason: self.reason.clone(), cacheable: false }
    }
}
