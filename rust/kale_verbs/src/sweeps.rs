//! `sweeps`: what was swept so far, and what can be done with a sweep that is there.

use std::io::Write;
use std::path::PathBuf;

use kale_engine::Limit;
use kale_model::RunStatus;
use kale_model::sweep::{Algorithm, Point, Space, Sweep, SweepId, SweepView};
use kale_store::{Store, SweepRecord, TrialRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::interrupted;
use crate::notebook::resolved;
use crate::session::Session;
use crate::sweep::definition::refuse_numbers;
use crate::sweep::{SweepListener, SweepPlan, follow, launch};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct SweepChoice {
    #[serde(flatten)]
    pub store: StoreChoice,
    /// An id, the start of one, or `last`.
    pub sweep: String,
}

impl SweepChoice {
    fn find(&self, session: &Session) -> Result<(Store, SweepId), VerbError> {
        let Some(store) = self.store.open(session)? else {
            let root = self.store.root(session);
            return Err(VerbError::usage(
                format!(
                    "there is no sweep `{}`: nothing has run here yet (`{}` does not exist)",
                    self.sweep,
                    root.display()
                ),
                "name the notebook whose sweeps you mean, or its folder, as `store` (`--store PATH`)",
            ));
        };
        let id = store.find_sweep(&self.sweep)?;
        Ok((store, id))
    }
}

/// What is done with sweeps, for callers that name it.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum SweepsRequest {
    List(ListRequest),
    Show(SweepChoice),
    Stop(SweepChoice),
    Resume(ResumeSweepRequest),
    Extend(ExtendRequest),
    Export(ExportRequest),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum SweepsAnswer {
    List(SweepList),
    One(Box<SweepView>),
    Exported(Exported),
}

pub fn sweeps(
    session: &Session,
    request: &SweepsRequest,
    listener: &mut dyn SweepListener,
) -> Result<SweepsAnswer, VerbError> {
    let one = |view| SweepsAnswer::One(Box::new(view));
    Ok(match request {
        SweepsRequest::List(request) => SweepsAnswer::List(list(session, request)?),
        SweepsRequest::Show(choice) => one(show(session, choice)?),
        SweepsRequest::Stop(choice) => one(stop(session, choice, listener)?),
        SweepsRequest::Resume(request) => one(resume(session, request, listener)?),
        SweepsRequest::Extend(request) => one(extend(session, request, listener)?),
        SweepsRequest::Export(request) => SweepsAnswer::Exported(export(session, request)?),
    })
}

#[derive(Debug, Serialize)]
pub struct SweepList {
    pub sweeps: Vec<SweepView>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ListRequest {
    #[serde(flatten)]
    pub store: StoreChoice,
    /// Only those of this notebook.
    #[serde(default)]
    pub notebook: Option<PathBuf>,
    /// `None`: all of them.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// From the newest on.
pub fn list(session: &Session, request: &ListRequest) -> Result<SweepList, VerbError> {
    let notebook = request.notebook.as_ref().map(|path| resolved(&session.directory.join(path)));
    // The store of a notebook is found beside it.
    let choice = StoreChoice { store: request.store.store.clone().or_else(|| notebook.clone()) };
    let Some(store) = choice.open(session)? else { return Ok(SweepList { sweeps: vec![] }) };
    let ids = store.sweep_ids(notebook.as_deref(), request.limit)?;
    let views = ids.iter().map(|id| interrupted::sweep_view(&store, id));
    Ok(SweepList { sweeps: views.collect::<Result<_, _>>()? })
}

pub fn show(session: &Session, choice: &SweepChoice) -> Result<SweepView, VerbError> {
    let (store, id) = choice.find(session)?;
    Ok(interrupted::sweep_view(&store, &id)?)
}

/// Waits until it has stopped. Trials that were running are gone on with by [`resume`].
pub fn stop(session: &Session, choice: &SweepChoice, listener: &mut dyn SweepListener) -> Result<SweepView, VerbError> {
    let (store, id) = choice.find(session)?;
    if !store.sweep_status(&id)?.is_finished() {
        listener.taken_up(&store.sweep_view(&id)?);
        store.request_cancel_of_sweep(&id)?;
        follow(&store, &id, listener)?;
    }
    Ok(interrupted::sweep_view(&store, &id)?)
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ResumeSweepRequest {
    #[serde(flatten)]
    pub choice: SweepChoice,
    #[serde(default)]
    pub detach: bool,
}

/// Goes on with a sweep that was stopped, interrupted, or has failed.
pub fn resume(
    session: &Session,
    request: &ResumeSweepRequest,
    listener: &mut dyn SweepListener,
) -> Result<SweepView, VerbError> {
    let (store, id) = request.choice.find(session)?;
    refuse_running(&store, &id)?;
    let status = store.sweep_status(&id)?;
    if status != RunStatus::Succeeded {
        let record = store.sweep(&id)?;
        let trials = store.trials(&id)?;
        if status == RunStatus::Failed && trials.iter().all(|trial| trial.end.is_some()) {
            refuse_limit(&id, &record.sweep, &trials, record.seconds)?;
        }
        check_algorithm(&record.sweep, &record)?;
        go_on(session, &store, &id, request.detach, listener)?;
    }
    Ok(interrupted::sweep_view(&store, &id)?)
}

/// What is asked for otherwise than before.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ExtendRequest {
    #[serde(flatten)]
    pub choice: SweepChoice,
    /// More trials than there were.
    #[serde(default)]
    pub trials: Option<u64>,
    #[serde(default)]
    pub parallel: Option<usize>,
    #[serde(default)]
    pub max_failed: Option<u64>,
    #[serde(default)]
    pub goal: Option<f64>,
    #[serde(default)]
    pub timeout: Option<f64>,
    /// `NAME=KIND:VALUES` each: other ranges of what is varied already.
    #[serde(default)]
    pub vary: Vec<String>,
    #[serde(default)]
    pub detach: bool,
}

/// More trials of a sweep, or its next trials from other ranges; all trials so far count.
pub fn extend(
    session: &Session,
    request: &ExtendRequest,
    listener: &mut dyn SweepListener,
) -> Result<SweepView, VerbError> {
    let (store, id) = request.choice.find(session)?;
    refuse_running(&store, &id)?;
    let record = store.sweep(&id)?;
    let sweep = extended(request, &record)?;
    let trials = store.trials(&id)?;
    refuse_limit(&id, &sweep, &trials, record.seconds)?;
    if sweep == record.sweep {
        let help = format!(
            "ask for more than {} trials: `kale-rs sweeps extend {id} --trials {}`; `kale-rs sweeps resume {id}` goes on \
             as it was asked for",
            sweep.trials,
            sweep.trials.saturating_mul(2)
        );
        return Err(VerbError::usage(format!("nothing says what sweep `{id}` is to be extended by"), help));
    }
    let points: Vec<Point> = trials.into_iter().map(|trial| trial.point).collect();
    let begun = points.len() as u64;
    let plan = SweepPlan::of(&sweep, false, &record.run.pipeline, &Default::default(), points)?;
    if plan.trials <= begun {
        return Err(VerbError::usage(
            format!("{} has {begun} points here, and all of them have been tried", sweep.algorithm.as_str()),
            "begin another sweep, with other ranges: what has run before is not run again",
        ));
    }
    check_algorithm(&sweep, &record)?;
    store.change_sweep(&id, &plan.definition, plan.step_executions)?;
    listener.planned(Some(&id), &plan);
    go_on(session, &store, &id, request.detach, listener)?;
    Ok(interrupted::sweep_view(&store, &id)?)
}

/// What has ended the sweep would end it again at once.
fn refuse_limit(id: &SweepId, sweep: &Sweep, trials: &[TrialRecord], seconds: f64) -> Result<(), VerbError> {
    let Some(limit) = Limit::of(sweep, trials, seconds) else { return Ok(()) };
    let command = format!("kale-rs sweeps extend {id}");
    let help = match &limit {
        Limit::Trials { begun } => format!("ask for more: `{command} --trials {}`", (*begun).max(5) * 2),
        Limit::Failures { failed, .. } => format!("allow for more: `{command} --max-failed {}`", failed * 2),
        Limit::Goal { .. } => format!("aim higher: `{command} --goal VALUE`"),
        Limit::Time { allowed } => format!("give it more: `{command} --timeout {}`", allowed * 2.0),
    };
    Err(VerbError::usage(format!("sweep `{id}` has come to its end: {limit}"), help))
}

fn check_algorithm(sweep: &Sweep, record: &SweepRecord) -> Result<(), VerbError> {
    kale_engine::check_algorithm(sweep, &record.run.options)?
        .map_err(|unable| VerbError::usage(unable.message, unable.help))
}

fn extended(request: &ExtendRequest, record: &SweepRecord) -> Result<Sweep, VerbError> {
    let mut sweep = record.sweep.clone();
    if !request.vary.is_empty() {
        if matches!(sweep.algorithm, Algorithm::Grid | Algorithm::Hyperband) {
            return Err(VerbError::usage(
                format!(
                    "the trials of a {} follow from its ranges, which thus stay as they are",
                    sweep.algorithm.as_str()
                ),
                "begin another sweep: what has run before is not run again",
            ));
        }
        sweep.space = changed_space(&sweep.space, request, record)?;
    }
    sweep.trials = request.trials.unwrap_or(sweep.trials);
    sweep.parallel = request.parallel.unwrap_or(sweep.parallel);
    sweep.max_failed = request.max_failed.or(sweep.max_failed);
    sweep.timeout = request.timeout.or(sweep.timeout);
    sweep.objectives[0].goal = request.goal.or(sweep.objectives[0].goal);
    refuse_numbers(&sweep)?;
    Ok(sweep)
}

fn changed_space(space: &Space, request: &ExtendRequest, record: &SweepRecord) -> Result<Space, VerbError> {
    let texts = request.vary.iter().map(String::as_str);
    let given = Space::parse(texts, &record.run.pipeline.parameters).map_err(|error| {
        VerbError::usage(error.to_string(), "`kale-rs sweep --help` has examples of each kind of range")
    })?;
    let mut changed = space.clone();
    for dimension in given.0 {
        let Some(place) = changed.0.iter_mut().find(|one| one.name == dimension.name) else {
            return Err(VerbError::usage(
                format!("`{}` is not varied in this sweep", dimension.name),
                "begin another sweep to vary something else",
            ));
        };
        *place = dimension;
    }
    Ok(changed)
}

fn refuse_running(store: &Store, id: &SweepId) -> Result<(), VerbError> {
    match store.sweep_status(id)? {
        RunStatus::Pending | RunStatus::Running => Err(VerbError::usage(
            format!("sweep `{id}` is still at work"),
            "wait for it, or stop it with `kale-rs sweeps stop`",
        )),
        _ => Ok(()),
    }
}

fn go_on(
    session: &Session,
    store: &Store,
    id: &SweepId,
    detach: bool,
    listener: &mut dyn SweepListener,
) -> Result<(), VerbError> {
    listener.taken_up(&store.sweep_view(id)?);
    launch(session, store, id)?;
    if !detach {
        follow(store, id, listener)?;
    }
    Ok(())
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ExportRequest {
    #[serde(flatten)]
    pub choice: SweepChoice,
    /// A database as Optuna names it: `sqlite:///study.db`.
    pub optuna: String,
    /// What the study is called there; `None`: as the sweep.
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    pub study: String,
    /// As many as are in it now.
    pub trials: u64,
    pub storage: String,
}

/// Writes the trials into a study of Optuna's, which its dashboard opens.
pub fn export(session: &Session, request: &ExportRequest) -> Result<Exported, VerbError> {
    let (store, id) = request.choice.find(session)?;
    let record = store.sweep(&id)?;
    let view = store.sweep_view(&id)?;
    let trials = store.trials(&id)?;
    let values = |number: u64| trials.iter().find(|trial| trial.number == number).and_then(|trial| trial.end.clone());
    let told: Vec<Value> = (view.trials.iter())
        .map(|trial| {
            json!({
                "number": trial.trial, "run": trial.run_id, "status": trial.status, "parameters": trial.parameters,
                "values": values(trial.trial).map(|end| end.values).unwrap_or_default(), "metrics": trial.metrics,
                "created": store.run(&trial.run_id).map(|run| run.created).ok(), "seconds": trial.seconds,
                "reason": trial.reason,
            })
        })
        .collect();
    let document = json!({
        "storage": request.optuna, "study": request.name.as_deref().unwrap_or(&id.0), "space": record.sweep.space,
        "directions": record.sweep.objectives.iter().map(|one| one.direction).collect::<Vec<_>>(),
        "objectives": record.sweep.objectives.iter().map(|one| &one.metric).collect::<Vec<_>>(), "trials": told,
    });
    write_study(&record, &document, session)
}

/// By the library itself, in the Python of the sweep.
fn write_study(record: &SweepRecord, document: &Value, session: &Session) -> Result<Exported, VerbError> {
    let in_words = |message: String| VerbError::usage(message, "look at the URL: `sqlite:///FILE` is a file");
    let options = &record.run.options;
    let mut child = kale_engine::runtime_module(&options.python, &options.runtime, "study")
        .current_dir(&session.directory)
        .spawn()
        .map_err(|error| in_words(format!("{} cannot be started: {error}", options.python.display())))?;
    let mut input = child.stdin.take().expect("it is piped");
    // One that has ended has left its reason.
    let _ = input.write_all(document.to_string().as_bytes());
    drop(input);
    let done = child.wait_with_output().map_err(|error| in_words(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
    if let (Some(error), Some(help)) = (answer["error"].as_str(), answer["help"].as_str()) {
        return Err(VerbError::usage(error, help));
    }
    serde_json::from_value(answer).map_err(|_| in_words("Optuna has ended without a word".to_owned()))
}
