//! `run`: compile, record, start the engine process, and follow it to the end.

use std::path::{Path, PathBuf};

use kale_model::{Code, Diagnostic, Event, Pipeline, RunId, RunStatus, RunView};
use kale_remote::openlineage::Target;
pub use kale_store::Verify;
use kale_store::{NewRun, RunOptions, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::cluster;
use crate::code_version;
use crate::error::VerbError;
use crate::follow::follow;
use crate::interrupted;
use crate::listener::{Listener, Prepared};
use crate::lock::lock;
use crate::notebook::Listing;
use crate::on_cluster::{self, Package};
use crate::parameters::{GivenParameters, ParameterInputs};
use crate::promotion::way::{self, Leg, State, Waiting, Way};
use crate::promotion::{self, Gates, Judged, Stage, Verdict};
use crate::session::Session;
use crate::size::size;
use crate::source::{Compiled, Opened, Source};

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
    /// Where it runs after that, one after the other, as long as runs succeed and gates hold.
    #[serde(default)]
    pub then: Vec<String>,
    /// Conditions on metrics, such as `acc >= 0.9`, before each next context.
    #[serde(default)]
    pub gates: Vec<String>,
    /// Return as soon as the run is recorded and its engine started.
    #[serde(default)]
    pub detach: bool,
}

#[derive(Debug, Serialize)]
pub struct RunAnswer {
    #[serde(flatten)]
    pub run: RunView,
    /// With several contexts: what became of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub promotion: Vec<Stage>,
    #[serde(skip)]
    pub listing: Listing,
}

impl RunAnswer {
    /// Whether it went as it should: for a detached run, as far as that is known.
    pub fn is_good(&self) -> bool {
        if self.promotion.iter().any(|stage| stage.run_id.is_none()) {
            return false;
        }
        match self.run.status {
            RunStatus::Succeeded => true,
            RunStatus::Pending | RunStatus::Running => self.run.run_id.is_some(),
            RunStatus::Failed | RunStatus::Cancelled | RunStatus::Interrupted => false,
        }
    }
}

/// A run that is ready to be recorded: everything that can be known before has been looked at.
pub(crate) struct Planned {
    pub compiled: Compiled,
    pub new: NewRun,
    /// What a cluster is to be given.
    ir: Option<String>,
}

pub fn run(session: &Session, request: &RunRequest, listener: &mut dyn Listener) -> Result<RunAnswer, VerbError> {
    let given = request.parameters.read(session)?;
    let gates = Gates::parse(&request.gates)?;
    let contexts = contexts(request)?;
    let mut opened = request.source.open(session)?;
    opened.options.for_run = true;
    let mut planned = vec![];
    for context in contexts {
        match plan(session, request, &given, opened.clone(), context)? {
            Ok(plan) => planned.push(plan),
            Err(answer) => return Ok(*answer),
        }
    }
    gates.refuse_unknown_metrics(&planned[0].new.pipeline)?;
    carry_out(session, request, planned, listener)
}

/// Where it runs, one after the other; `None` is this machine.
fn contexts(request: &RunRequest) -> Result<Vec<Option<String>>, VerbError> {
    let usage = |message: &str, help: &str| Err(VerbError::usage(message, help));
    if request.then.is_empty() && !request.gates.is_empty() {
        return usage(
            "`--gate` stands between two contexts, and there is one",
            "name the next one with `--then CONTEXT`",
        );
    }
    if !request.then.is_empty() && request.detach {
        let help = "leave one of them out: whoever waits for the run starts the next one";
        return usage("`--detach` does not wait for the run, and `--then` goes by what has become of it", help);
    }
    let then = request.then.iter().map(|name| Some(name.as_str()));
    let mut found: Vec<Option<String>> = vec![];
    for name in std::iter::once(request.on.as_deref()).chain(then) {
        let context = cluster::meant(name)?;
        if found.contains(&context) {
            let message = format!("`{}` is named twice", cluster::called(context.as_deref()));
            return Err(VerbError::usage(message, "a notebook goes through each context once"));
        }
        found.push(context);
    }
    if let Some(context) = found.iter().flatten().next() {
        cluster::patience()?;
        refuse_options_of_this_machine(request, context)?;
    }
    Ok(found)
}

/// Compiles the notebook for a context; where it cannot run there, gives the answer that says why.
pub(crate) fn plan(
    session: &Session,
    request: &RunRequest,
    given: &GivenParameters,
    opened: Opened,
    context: Option<String>,
) -> Result<Result<Planned, Box<RunAnswer>>, VerbError> {
    let events = request.openlineage.as_deref().map(|text| Target::parse(text, &session.directory)).transpose()?;
    let mut compiled = opened.compiled_for(session, context.as_deref())?;
    let refused = |compiled: &Compiled, faults| Ok(Err(Box::new(answer(compiled, nothing_ran(compiled, faults)))));
    let Some(mut pipeline) = compiled.compilation.pipeline.take() else {
        return refused(&compiled, vec![]);
    };
    request.from.as_deref().map_or(Ok(()), |from| refuse_unknown_step(&pipeline, from))?;
    let ready = match &context {
        None => given.clone().resolve(&pipeline.parameters).and_then(|values| {
            let remarks = kale_engine::preflight(&pipeline);
            if remarks.iter().any(Diagnostic::is_error) { Err(remarks) } else { Ok((values, remarks, None)) }
        }),
        Some(_) => Package::of(&compiled, &mut pipeline, given.clone(), request.no_cache)
            .map(|package| (package.values, package.remarks, Some(package.ir))),
    };
    let (parameters, remarks, ir) = match ready {
        Ok(ready) => ready,
        Err(faults) => return refused(&compiled, faults),
    };
    let new = NewRun {
        parameters,
        source: compiled.notebook.path.clone(),
        notebook: compiled.notebook.text.clone().into_bytes(),
        diagnostics: compiled.compilation.diagnostics.iter().cloned().chain(remarks).collect(),
        options: RunOptions {
            openlineage: events.map(|target| target.to_string()),
            context,
            ..options(session, request, &compiled, &pipeline)?
        },
        pipeline,
    };
    Ok(Ok(Planned { compiled, new, ir }))
}

/// Starts the first run, and goes on from there.
fn carry_out(
    session: &Session,
    request: &RunRequest,
    planned: Vec<Planned>,
    listener: &mut dyn Listener,
) -> Result<RunAnswer, VerbError> {
    let mut plans = planned.into_iter();
    let Planned { compiled, new, ir } = plans.next().expect("there is one context at least");
    let first = Leg { new, ir };
    let rest = plans.map(|Planned { new, ir, .. }| Leg { new, ir }).collect();
    let way = Way { gates: request.gates.clone(), rest, ..Way::default() };
    let begun = store_of(&compiled).and_then(|store| {
        let run = first.record(&store, &way)?;
        let waiting = way::wait(&store, &run)?;
        launch(session, &store, &run)?;
        Ok((store, run, waiting))
    });
    let (store, run, waiting) = match begun {
        Ok(begun) => begun,
        Err(error) => return Ok(answer(&compiled, nothing_ran(&compiled, vec![error.diagnostic()]))),
    };
    let listing = compiled.listing();
    announce(listener, &first.new, &run, &listing, compiled.remark.as_deref());
    if !request.detach {
        follow(&store, &run, 0, listener)?;
    }
    go_on(session, &store, run, waiting, listing, listener)
}

/// From a run that was followed, to the contexts that come after it, as far as what becomes of each lets the next one
/// begin. The answer is the last run that was begun.
pub(crate) fn go_on(
    session: &Session,
    store: &Store,
    mut id: RunId,
    mut waiting: Option<Waiting>,
    listing: Listing,
    listener: &mut dyn Listener,
) -> Result<RunAnswer, VerbError> {
    let mut stages: Vec<Stage> = vec![];
    loop {
        let mut run = interrupted::told(store, &id, listener)?;
        let record = store.run(&id)?;
        let from = cluster::called(record.options.context.as_deref());
        let mut stage =
            Stage { context: from.to_owned(), run_id: Some(id.clone()), status: Some(run.status), gates: vec![] };
        let Some(mut way) = waiting.as_ref().map(|_| Way::of(store, &id)).transpose()?.flatten() else {
            let promotion = if stages.is_empty() { stages } else { [stages, vec![stage]].concat() };
            return Ok(RunAnswer { run, promotion, listing });
        };
        stage.gates = judged(store, &Gates::parse(&way.gates)?, &mut run, &id)?;
        let next = way.rest.remove(0);
        let differing = promotion::differing(&record.parameters, &next.new.parameters);
        let (decision, verdict) = promotion::decision(&run, from, next.context(), &stage.gates, &differing);
        store.add_diagnostics(&id, std::slice::from_ref(&decision))?;
        listener.event(&Event::Diagnostic { diagnostic: decision.clone() });
        run.diagnostics.push(decision);
        stages.push(stage);
        if verdict != Verdict::Passed {
            let untouched =
                |leg: &Leg| Stage { context: leg.context().to_owned(), run_id: None, status: None, gates: vec![] };
            stages.extend(std::iter::once(&next).chain(&way.rest).map(untouched));
            if verdict == Verdict::Refused {
                Way { state: State::Closed, ..Way::default() }.keep(store, &id)?;
            }
            return Ok(RunAnswer { run, promotion: stages, listing });
        }
        // Known before it runs: whoever takes it up goes on from there, and starts no second one.
        let begun = next.record(store, &way)?;
        Way { state: State::GoneOn(begun.clone()), ..Way::default() }.keep(store, &id)?;
        waiting = way::wait(store, &begun)?;
        launch(session, store, &begun)?;
        announce(listener, &next.new, &begun, &listing, None);
        follow(store, &begun, 0, listener)?;
        id = begun;
    }
}

/// Holds the gates against a run's metrics. One that is missing is asked for once more.
fn judged(store: &Store, gates: &Gates, run: &mut RunView, id: &RunId) -> Result<Vec<Judged>, StoreError> {
    let judged = gates.judge(run);
    if run.status != RunStatus::Succeeded || judged.iter().all(|judged| judged.value.is_some()) {
        return Ok(judged);
    }
    if on_cluster::learn_after_all(store, id)? {
        run.diagnostics.retain(|told| told.code != Code::ClusterKeepsValues);
    }
    run.metrics = store.run_view(id)?.metrics;
    Ok(gates.judge(run))
}

fn answer(compiled: &Compiled, run: RunView) -> RunAnswer {
    RunAnswer { run, listing: compiled.listing(), promotion: vec![] }
}

pub(crate) fn store_of(compiled: &Compiled) -> Result<Store, StoreError> {
    Store::open(&root_of(compiled))
}

/// The same, if it is there already.
pub(crate) fn existing_store_of(compiled: &Compiled) -> Result<Option<Store>, StoreError> {
    Store::open_existing(&root_of(compiled))
}

fn root_of(compiled: &Compiled) -> PathBuf {
    kale_store::locate(compiled.notebook.path.as_deref().unwrap_or(&compiled.notebook.directory))
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
        ("--verify", request.verify != Verify::default()),
    ];
    let Some((flag, _)) = options.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    let message = format!("`{flag}` is for runs on this machine, and `{context}` is a cluster");
    let alone = if request.then.is_empty() { ", or add `--on local`" } else { "" };
    Err(VerbError::usage(message, format!("leave `{flag}` out{alone}")))
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

fn announce(listener: &mut dyn Listener, new: &NewRun, run: &RunId, listing: &Listing, remark: Option<&str>) {
    let Pipeline { name, steps, .. } = &new.pipeline;
    listener.prepared(&Prepared {
        run,
        pipeline: name.as_str(),
        steps: steps.len(),
        diagnostics: &new.diagnostics,
        listing,
        remark,
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
        trial: None,
    }
}
