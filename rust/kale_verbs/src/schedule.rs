//! `schedule add|list|pause|resume|remove`: pipelines that a cluster runs by the clock.
//!
//! A schedule lives on its cluster, and is started there whether this machine is on or not. What it says of the time comes
//! from overlays and from the command line, which has the last word.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use kale_kubeflow::{Client, NewRecurringRun, Pipeline as Upload, RecurringRun, RunSource, Runtime, Timetable, Timing};
use kale_model::{Diagnostic, Pipeline};
use serde::{Deserialize, Serialize};

use crate::cluster;
use crate::error::VerbError;
use crate::notebook::Listing;
use crate::on_cluster::Package;
use crate::overlay::ScheduleSettings;
use crate::parameters::ParameterInputs;
use crate::session::Session;
use crate::source::{Compiled, Source};

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum ScheduleRequest {
    Add(Box<Addition>),
    List {
        /// `None`: the context in use.
        #[serde(default)]
        on: Option<String>,
    },
    Pause(Chosen),
    Resume(Chosen),
    Remove(Chosen),
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Addition {
    #[serde(flatten)]
    pub source: Source,
    #[serde(default)]
    pub parameters: ParameterInputs,
    /// What is said of the time here counts more than what overlays say.
    #[serde(default)]
    pub schedule: ScheduleSettings,
    /// The pipeline's name where nothing is said.
    #[serde(default)]
    pub name: Option<String>,
    /// Starts nothing until it is resumed.
    #[serde(default)]
    pub paused: bool,
    #[serde(default)]
    pub on: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Chosen {
    /// Its id, or its name where no other has it.
    pub schedule: String,
    #[serde(default)]
    pub on: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ScheduleAnswer {
    Added(Added),
    List(ScheduleList),
    /// What was paused, resumed or removed.
    One(ScheduleView),
}

#[derive(Debug, Serialize)]
pub struct Added {
    /// `None` where the notebook has errors.
    pub schedule: Option<ScheduleView>,
    pub diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    pub listing: Listing,
}

#[derive(Debug, Serialize)]
pub struct ScheduleList {
    pub context: String,
    /// Newest first.
    pub schedules: Vec<ScheduleView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ScheduleView {
    pub id: String,
    pub name: String,
    /// Whether it starts runs.
    pub enabled: bool,
    pub cron: Option<String>,
    pub every_seconds: Option<i64>,
    pub start: Option<String>,
    pub end: Option<String>,
    pub catch_up: bool,
    pub max_concurrency: Option<i64>,
    /// Its page, for people.
    pub url: String,
}

pub fn schedule(session: &Session, request: &ScheduleRequest) -> Result<ScheduleAnswer, VerbError> {
    match request {
        ScheduleRequest::Add(addition) => add(session, addition).map(ScheduleAnswer::Added),
        ScheduleRequest::List { on } => {
            let (context, client) = cluster::connect(on.as_deref())?;
            let found = client.recurring_runs(None, usize::MAX)?;
            let schedules = found.iter().map(|found| view(&client, found)).collect();
            Ok(ScheduleAnswer::List(ScheduleList { context, schedules }))
        }
        ScheduleRequest::Pause(chosen) => change(chosen, Client::disable_recurring_run, Some(false)),
        ScheduleRequest::Resume(chosen) => change(chosen, Client::enable_recurring_run, Some(true)),
        ScheduleRequest::Remove(chosen) => change(chosen, Client::delete_recurring_run, None),
    }
}

fn add(session: &Session, addition: &Addition) -> Result<Added, VerbError> {
    let given = addition.parameters.read(session)?;
    let (context, client) = cluster::connect(addition.on.as_deref())?;
    let mut compiled = addition.source.compile(session, Some(&context))?;
    let settings = addition.schedule.clone().over(compiled.schedule.clone());
    let Some(timing) = settings.read()? else {
        let help = "add `--cron \"0 30 6 * * MON-FRI\"` or `--every 1h`, or a `schedule` to the overlay";
        return Err(VerbError::usage("nothing says when the pipeline is to run", help));
    };
    let name = compiled.compilation.pipeline.as_ref().map(|pipeline| pipeline.name.to_string());
    if let Some(name) = addition.name.as_ref().or(name.as_ref()) {
        // Before anything is sent: its pipeline goes first.
        kale_kubeflow::check_schedule(name, settings.max_concurrency.unwrap_or(1))?;
    }
    let refused = |compiled: &Compiled, faults: Vec<Diagnostic>| {
        let diagnostics = compiled.compilation.diagnostics.iter().cloned().chain(faults).collect();
        Added { schedule: None, diagnostics, listing: compiled.listing() }
    };
    let Some(mut pipeline) = compiled.compilation.pipeline.take() else { return Ok(refused(&compiled, vec![])) };
    let package = match Package::of(&compiled, &mut pipeline, given, false) {
        Ok(package) => package,
        Err(faults) => return Ok(refused(&compiled, faults)),
    };
    let made = create(&client, addition, &pipeline, &package, (&settings, timing))?;
    Ok(Added { schedule: Some(view(&client, &made)), ..refused(&compiled, package.remarks) })
}

fn create(
    client: &Client,
    addition: &Addition,
    pipeline: &Pipeline,
    package: &Package,
    (settings, timing): (&ScheduleSettings, Timing<'_>),
) -> Result<RecurringRun, VerbError> {
    let (name, description) = (pipeline.name.as_str(), pipeline.description.as_deref());
    let experiment = client.experiment(pipeline.experiment.as_deref().unwrap_or(name), None)?;
    let version = client.upload(&Upload { name, description, ir: &package.ir })?;
    let marker = format!("{:016x}", RandomState::new().hash_one(name));
    Ok(client.create_recurring_run(&NewRecurringRun {
        display_name: addition.name.as_deref().unwrap_or(name),
        description,
        experiment_id: &experiment.experiment_id,
        marker: &marker,
        source: RunSource::of(&version),
        runtime: Runtime { parameters: package.arguments.clone(), ..Runtime::default() },
        service_account: None,
        timing,
        enabled: !addition.paused,
        catch_up: settings.catch_up.unwrap_or(false),
        max_concurrency: settings.max_concurrency.unwrap_or(1),
    })?)
}

/// Does something with a schedule that is there; `enabled` is how it is afterwards, if it is.
fn change(
    chosen: &Chosen,
    verb: fn(&Client, &str) -> Result<(), kale_kubeflow::KubeflowError>,
    enabled: Option<bool>,
) -> Result<ScheduleAnswer, VerbError> {
    let (context, client) = cluster::connect(chosen.on.as_deref())?;
    let found = find(&client, &context, &chosen.schedule)?;
    verb(&client, &found.recurring_run_id)?;
    let view = view(&client, &found);
    Ok(ScheduleAnswer::One(ScheduleView { enabled: enabled.unwrap_or(view.enabled), ..view }))
}

/// By id, else by name.
fn find(client: &Client, context: &str, text: &str) -> Result<RecurringRun, VerbError> {
    let every = client.recurring_runs(None, usize::MAX)?;
    if let Some(found) = every.iter().find(|one| one.recurring_run_id == text) {
        return Ok(found.clone());
    }
    let named: Vec<&RecurringRun> = every.iter().filter(|one| one.display_name == text).collect();
    match named[..] {
        [one] => Ok(one.clone()),
        [] => {
            let message = format!("there is no schedule `{}` in the context `{context}`", text.escape_debug());
            Err(VerbError::usage(message, format!("`kale-rs schedule list --on {context}` lists those that are")))
        }
        _ => {
            let ids: Vec<&str> = named.iter().map(|one| one.recurring_run_id.as_str()).collect();
            let message = format!("{} schedules are called `{}`", ids.len(), text.escape_debug());
            Err(VerbError::usage(message, format!("give the id of one: `{}`", ids.join("`, `"))))
        }
    }
}

fn view(client: &Client, found: &RecurringRun) -> ScheduleView {
    let Timetable { cron, interval_seconds, start, end } = found.timetable().clone();
    ScheduleView {
        id: found.recurring_run_id.clone(),
        name: found.display_name.clone(),
        enabled: found.is_enabled(),
        cron,
        every_seconds: interval_seconds,
        start,
        end,
        catch_up: !found.no_catchup,
        max_concurrency: found.max_concurrency,
        url: client.recurring_run_url(&found.recurring_run_id),
    }
}

impl ScheduleView {
    /// When, in words.
    pub fn when(&self) -> String {
        let every = || self.every_seconds.map(|seconds| format!("every {seconds} s"));
        let time = self.cron.clone().or_else(every).unwrap_or_else(|| "never".to_owned());
        let bounds = [("from", &self.start), ("until", &self.end)];
        let bounds = bounds.into_iter().filter_map(|(word, instant)| Some(format!("{word} {}", instant.as_ref()?)));
        std::iter::once(time).chain(bounds).collect::<Vec<_>>().join("  ")
    }
}
