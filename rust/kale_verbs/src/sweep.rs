//! `sweep`: compile, record what is varied and how, start the engine process, and follow it to the end.

pub mod definition;
mod plan;
mod written;

use std::thread::sleep;
use std::time::Duration;

use kale_model::sweep::{SweepId, SweepView};
use kale_model::{Diagnostic, RunStatus};
use kale_store::{NewSweep, Store};
use serde::{Deserialize, Serialize};

use self::definition::SweepOptions;
pub use self::plan::SweepPlan;
use crate::error::VerbError;
use crate::interrupted;
use crate::listener::Interrupt;
use crate::notebook::Listing;
use crate::parameters::ParameterInputs;
use crate::run::{Planned, RunRequest, existing_store_of, plan as plan_run, store_of};
use crate::session::Session;
use crate::source::Source;

const POLL: Duration = Duration::from_millis(60);

#[derive(Clone, Debug, Default, Deserialize)]
pub struct SweepRequest {
    #[serde(flatten)]
    pub source: Source,
    /// Values of parameters that are not varied.
    #[serde(default)]
    pub parameters: ParameterInputs,
    #[serde(flatten)]
    pub options: SweepOptions,
    #[serde(default)]
    pub no_cache: bool,
    /// Say what would be done, and do nothing.
    #[serde(default)]
    pub plan: bool,
    #[serde(default)]
    pub detach: bool,
}

#[derive(Debug, Serialize)]
pub struct SweepAnswer {
    /// `None`: the notebook cannot be run, or only the plan was asked for.
    #[serde(flatten)]
    pub sweep: Option<SweepView>,
    pub plan: Option<SweepPlan>,
    pub diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    pub listing: Listing,
}

/// What users of the verb see while it goes on.
pub trait SweepListener {
    /// The sweep is recorded, and about to begin.
    fn planned(&mut self, sweep: Option<&SweepId>, plan: &SweepPlan);
    /// A sweep that was there before goes on.
    fn taken_up(&mut self, view: &SweepView);
    /// Something has changed since it was last told.
    fn progress(&mut self, view: &SweepView);
    fn interrupted(&mut self) -> Option<Interrupt>;
}

pub fn sweep(
    session: &Session,
    request: &SweepRequest,
    listener: &mut dyn SweepListener,
) -> Result<SweepAnswer, VerbError> {
    let run = RunRequest {
        source: request.source.clone(),
        parameters: request.parameters.clone(),
        no_cache: request.no_cache,
        on: Some(kale_kubeflow::LOCAL.to_owned()),
        ..RunRequest::default()
    };
    let given = request.parameters.read(session)?;
    let mut opened = request.source.open(session)?;
    opened.options.for_run = true;
    let Planned { compiled, new, .. } = match plan_run(session, &run, &given, opened, None)? {
        Ok(planned) => planned,
        Err(answer) => {
            let diagnostics = answer.run.diagnostics.clone();
            return Ok(SweepAnswer { sweep: None, plan: None, diagnostics, listing: answer.listing });
        }
    };
    let options = request.options.clone().completed(session, &compiled.notebook.text)?;
    let defined = options.definition(&new.pipeline, &given)?;
    let seconds = plan::step_seconds(existing_store_of(&compiled)?.as_ref(), new.source.as_deref())?;
    let mut plan = SweepPlan::of(&defined.sweep, defined.is_guessed, &new.pipeline, &seconds, vec![])?;
    plan.is_direction_guessed = !options.has_directions();
    plan.remarks.extend(defined.remarks());
    let answer = |view, listing| SweepAnswer {
        sweep: view,
        plan: Some(plan.clone()),
        diagnostics: new.diagnostics.clone(),
        listing,
    };
    if request.plan {
        listener.planned(None, &plan);
        return Ok(answer(None, compiled.listing()));
    }
    kale_engine::check_algorithm(&plan.definition, &new.options)?
        .map_err(|unable| VerbError::usage(unable.message, unable.help))?;
    let store = store_of(&compiled)?;
    let id = store.create_sweep(&NewSweep {
        sweep: plan.definition.clone(),
        run: new.clone(),
        planned: plan.step_executions,
    })?;
    launch(session, &store, &id)?;
    listener.planned(Some(&id), &plan);
    if !request.detach {
        follow(&store, &id, listener)?;
    }
    Ok(answer(Some(interrupted::sweep_view(&store, &id)?), compiled.listing()))
}

/// Starts `kale-rs engine --sweep STORE SWEEP` as a process that outlives this one.
pub fn launch(session: &Session, store: &Store, id: &SweepId) -> Result<u32, VerbError> {
    let mut command = session.launcher.clone();
    command.extend(["engine".into(), "--sweep".into(), store.root().into(), id.0.clone().into()]);
    Ok(kale_engine::launch_sweep(store, id, &command)?)
}

/// Hands the sweep to the listener whenever it has changed, until it is over.
pub fn follow(store: &Store, id: &SweepId, listener: &mut dyn SweepListener) -> Result<RunStatus, VerbError> {
    let mut shown = None;
    loop {
        // The status first: what an engine that has ended wrote before is then surely in the view.
        let status = store.sweep_status(id)?;
        let view = store.sweep_view(id)?;
        if shown.as_ref() != Some(&view) {
            listener.progress(&view);
            shown = Some(view);
        }
        if status.is_finished() || status == RunStatus::Interrupted {
            return Ok(status);
        }
        match listener.interrupted() {
            Some(Interrupt::Leave) => return Err(VerbError::Interrupted),
            Some(Interrupt::Cancel) => store.request_cancel_of_sweep(id)?,
            None => {}
        }
        sleep(POLL);
    }
}
