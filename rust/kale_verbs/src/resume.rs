//! `resume`: finish a run, and what was to come after it; what has finished is not run again.

use kale_model::RunStatus;
use serde::Deserialize;

use crate::cluster;
use crate::error::VerbError;
use crate::follow::{await_engine, follow, last_event};
use crate::history::{StoreChoice, listing};
use crate::listener::{Listener, Prepared};
use crate::promotion::way;
use crate::run::{RunAnswer, go_on, launch};
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ResumeRequest {
    pub run: String,
    #[serde(flatten)]
    pub store: StoreChoice,
    #[serde(default)]
    pub detach: bool,
}

pub fn resume(session: &Session, request: &ResumeRequest, listener: &mut dyn Listener) -> Result<RunAnswer, VerbError> {
    let (store, named) = request.store.find(session, &request.run)?;
    let id = way::end(&store, &named)?;
    let waiting = if request.detach { None } else { way::wait(&store, &id)? };
    let record = store.run(&id)?;
    let listing = listing(session, &store, &store.origin(&id)?)?;
    let after = last_event(&store, &id)?;
    let prepared = Prepared {
        run: &id,
        pipeline: record.pipeline.name.as_str(),
        steps: record.pipeline.steps.len(),
        diagnostics: &[],
        listing: &listing,
        remark: None,
    };
    match store.run_status(&id)? {
        RunStatus::Succeeded => {}
        // It goes on, and whoever was to go on after it has ended.
        RunStatus::Pending | RunStatus::Running if waiting.is_some() => {
            listener.prepared(&prepared);
            follow(&store, &id, after, listener)?;
        }
        RunStatus::Pending | RunStatus::Running => {
            let help = "wait for it, follow it with `kale-rs logs RUN -f`, or stop it with `kale-rs cancel RUN`";
            return Err(VerbError::usage(format!("run `{id}` is still at work"), help));
        }
        RunStatus::Interrupted | RunStatus::Failed | RunStatus::Cancelled => {
            if record.options.context.is_some() {
                cluster::patience()?;
            }
            launch(session, &store, &id)?;
            listener.prepared(&prepared);
            await_engine(&store, &id, after)?;
            if !request.detach {
                follow(&store, &id, after, listener)?;
            }
        }
    }
    go_on(session, &store, id, waiting, listing, listener)
}
