//! `run`: compile, record, start the engine process, and follow it to the end.

use std::path::{Path, PathBuf};

use kale_model::{Diagnostic, Pipeline, RunId, RunStatus, RunView};
use kale_remote::openlineage::Target;
pub use kale_store::Verify;
use kale_store::{NewRun, RunOptions, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::code_version;
use crate::error::VerbError;
use crate::follow::follow;
use crate::interrupted;
use crate::listener::{Listener, Prepared};
use crate::lock::lock;
use crate::notebook::Listing;
use crate::on_cluster;
use crate::parameters::ParameterInputs;
use crate::session::Session;
use crate::size::size;
use crate::source::{Compiled, Source};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RunRequest {
    #[serde(flatten)]
    pub source: Source,
    #[serde(default)]
    pub parameters: ParameterInputs,
    /// Steps at one time; `None` is the number of CPUs.
    #[serde(default)]
    pub jobs: Option<usize>,
    /// Run every step, also those with a stored result.
    #[serde(default)]
    pub no_cache: bool,
    /// Start an interpreter for every step.
    #[serde(default)]
    pub no_warm: bool,
    /// Start from this step: what comes before it is taken from earlier runs.
    #[serde(default)]
    pub from: Option<String>,
    /// How much of what the compiler promised is checked.
    #[serde(default)]
    pub verify: Verify,
    /// Run the notebook from top to bottom as well, and compare.
    #[serde(default)]
    pub differential: bool,
    /// Run the steps in a virtual environment that holds what they need, and nothing else.
    #[serde(default)]
    pub isolated: bool,
    /// What each step may store of its variables beyond what it ships, as `500MB`; `0`: nothing.
    #[serde(default)]
    pub snapshot_limit: Option<String>,
    /// Where the executed notebook goes besides the store.
    #[serde(default)]
    pub output_notebook: Option<PathBuf>,
    /// A file or URL for events of OpenLineage.
    #[serde(default)]
    pub openlineage: Option<String>,
    /// The context that carries the run out; `None`: the one that is in use.
    #[serde(default)]
    pub on: Option<String>,
    /// Return as soon as the run is recorded and its engine started.
    #[serde(default)]
    pub detach: bool,
}

#[derive(Debug, Serialize)]
pub struct RunAnswer {
    #[serde(flatten)]
    pub run: RunView,
    #[serde(skip)]
    pub listing: Listing,
}

impl RunAnswer {
    /// Whether it went as it should: for a detached run, as far as that is known.
    pub fn is_good(&self) -> bool {
        match self.run.status {
            RunStatus::Succeeded => true,
            RunStatus::Pending | RunStatus::Running => self.run.run_id.is_some(),
            RunStatus::Failed | RunStatus::Cancelled | RunStatus::Interrupted => false,
        }
    }
}

pub fn run(session: &Session, request: &RunRequest, listener: &mut dyn Listener) -> Result<RunAnswer, VerbError> {
    let given = request.parameters.read(session)?;
    let events = request.openlineage.as_deref().map(|text| Target::parse(text, &session.directory)).transpose()?;
    let mut opened = request.source.open(session)?;
    opened.options.for_run = true;
    let mut compiled = opened.compiled()?;
    let answer = |compiled: &Compiled, run| RunAnswer { run, listing: compiled.listing() };
    let Some(mut pipeline) = compiled.compilation.pipeline.take() else {
        return Ok(answer(&compiled, nothing_ran(&compiled, vec![])));
    };
    request.from.as_deref().map_or(Ok(()), |from| refuse_unknown_step(&pipeline, from))?;
    let values = match given.resolve(&pipeline.parameters) {
        Ok(values) => values,
        Err(faults) => return Ok(answer(&compiled, nothing_ran(&compiled, faults))),
    };
    let context = on_cluster::context(request.on.as_deref())?;
    if let Some(name) = &context {
        refuse_options_of_this_machine(request, name)?;
    }
    let (faults, ir) = match &context {
        None => (kale_engine::preflight(&pipeline), None),
        Some(_) => on_cluster::emit(&compiled, &mut pipeline, request.no_cache),
    };
    if faults.iter().any(Diagnostic::is_error) {
        return Ok(answer(&compiled, nothing_ran(&compiled, faults)));
    }
    let new = NewRun {
        parameters: values.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
        source: compiled.notebook.path.clone(),
        notebook: compiled.notebook.text.clone().into_bytes(),
        diagnostics: compiled.compilation.diagnostics.iter().cloned().chain(faults).collect(),
        options: RunOptions {
            openlineage: events.map(|target| target.to_string()),
            context,
            ..options(session, request, &compiled, &pipeline)?
        },
        pipeline,
    };
    let (store, id) = match start(session, &compiled, &new, ir.as_deref()) {
        Ok(started) => started,
        Err(error) => return Ok(answer(&compiled, nothing_ran(&compiled, vec![error.diagnostic()]))),
    };
    announce(listener, &compiled, &new, &id);
    if !request.detach {
        follow(&store, &id, 0, listener)?;
    }
    Ok(answer(&compiled, interrupted::told(&store, &id, listener)?))
}

fn refuse_unknown_step(pipeline: &Pipeline, from: &str) -> Result<(), VerbError> {
    if pipeline.steps.iter().any(|step| step.name.as_str() == from) {
        return Ok(());
    }
    let names: Vec<String> = pipeline.steps.iter().map(|step| format!("`{}`", step.name)).collect();
    let message = format!("there is no step `{from}` to start from");
    Err(VerbError::usage(message, format!("the notebook's steps are {}", names.join(", "))))
}

fn refuse_options_of_this_machine(request: &RunRequest, context: &str) -> Result<(), VerbError> {
    let options = [
        ("--jobs", request.jobs.is_some()),
        ("--from", request.from.is_some()),
        ("--no-warm", request.no_warm),
        ("--isolated", request.isolated),
        ("--differential", request.differential),
        ("--snapshot-limit", request.snapshot_limit.is_some()),
        ("--output-notebook", request.output_notebook.is_some()),
    ];
    let Some((flag, _)) = options.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    let message = format!("`{flag}` is for runs on this machine, and `{context}` is a cluster");
    Err(VerbError::usage(message, format!("leave `{flag}` out, or add `--on local`")))
}

/// Records the run, with what a cluster is to be given, and starts its engine.
fn start(session: &Session, compiled: &Compiled, new: &NewRun, ir: Option<&str>) -> Result<(Store, RunId), StoreError> {
    let near = compiled.notebook.path.as_deref().unwrap_or(&compiled.notebook.directory);
    let store = Store::open(&kale_store::locate(near))?;
    let id = store.create_run(new)?;
    if let Some(ir) = ir {
        on_cluster::keep_pipeline(&store, &id, ir)?;
    }
    launch(session, &store, &id)?;
    Ok((store, id))
}

/// Starts `kale-rs engine STORE RUN` as a process that outlives this one.
pub fn launch(session: &Session, store: &Store, run: &RunId) -> Result<u32, StoreError> {
    let mut command = session.launcher.clone();
    command.extend(["engine".into(), store.root().into(), run.0.clone().into()]);
    kale_engine::launch(store, run, &command)
}

fn options(
    session: &Session,
    request: &RunRequest,
    compiled: &Compiled,
    pipeline: &Pipeline,
) -> Result<RunOptions, VerbError> {
    let interpreter = &compiled.interpreter;
    let used = |module: &String| pipeline.steps.iter().any(|step| step.local_modules.contains(module));
    let places = compiled.unpublished.iter().filter(|(module, _)| used(module));
    let defaults = RunOptions::new(
        interpreter.executable.clone(),
        interpreter.full_version.clone(),
        session.runtime.clone(),
        compiled.notebook.directory.clone(),
    );
    let snapshot_bytes = request.snapshot_limit.as_deref().map(size).transpose()?;
    Ok(RunOptions {
        jobs: request.jobs,
        cache: !request.no_cache,
        warm: !request.no_warm,
        code_version: code_version::commit(&compiled.notebook.directory),
        from: request.from.clone(),
        verify: request.verify,
        differential: request.differential,
        modules: places.map(|(module, place)| (module.clone(), PathBuf::from(place))).collect(),
        isolated: request.isolated.then(|| lock(interpreter, pipeline)).transpose()?,
        output_notebook: request.output_notebook.as_ref().map(|file| session.directory.join(file)),
        snapshot_bytes: snapshot_bytes.unwrap_or(defaults.snapshot_bytes),
        ..defaults
    })
}

fn announce(listener: &mut dyn Listener, compiled: &Compiled, new: &NewRun, run: &RunId) {
    let Pipeline { name, steps, .. } = &new.pipeline;
    listener.prepared(&Prepared {
        run,
        pipeline: name.as_str(),
        steps: steps.len(),
        diagnostics: &new.diagnostics,
        listing: &compiled.listing(),
        remark: compiled.remark.as_deref(),
    });
}

/// The answer when no run was recorded.
fn nothing_ran(compiled: &Compiled, faults: Vec<Diagnostic>) -> RunView {
    let mut diagnostics = compiled.compilation.diagnostics.clone();
    diagnostics.extend(faults);
    RunView {
        run_id: None,
        status: RunStatus::Failed,
        seconds: 0.0,
        steps: vec![],
        metrics: Default::default(),
        parameters: Default::default(),
        source: compiled.notebook.path.as_deref().map(Path::to_string_lossy).map(Into::into),
        notebook: None,
        diagnostics,
        context: None,
        remote: None,
    }
}
