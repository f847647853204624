//! `resume`: finish a run; what has finished is not run again.

use kale_model::RunStatus;
use serde::Deserialize;

use crate::cluster;
use crate::error::VerbError;
use crate::follow::{await_engine, follow, last_event};
use crate::history::{StoreChoice, listing};
use crate::interrupted;
use crate::listener::{Listener, Prepared};
use crate::run::{RunAnswer, launch};
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
    let (store, id) = request.store.find(session, &request.run)?;
    let record = store.run(&id)?;
    let listing = listing(session, &store, &store.origin(&id)?)?;
    match store.run_status(&id)? {
        RunStatus::Succeeded => {}
        RunStatus::Pending | RunStatus::Running => {
            let help = "wait for it, follow it with `kale-rs logs RUN -f`, or stop it with `kale-rs cancel RUN`";
            return Err(VerbError::usage(format!("run `{id}` is still at work"), help));
        }
        RunStatus::Interrupted | RunStatus::Failed | RunStatus::Cancelled => {
            if record.options.context.is_some() {
                cluster::patience()?;
            }
            let after = last_event(&store, &id)?;
            launch(session, &store, &id)?;
            listener.prepared(&Prepared {
                run: &id,
                pipeline: record.pipeline.name.as_str(),
                steps: record.pipeline.steps.len(),
                diagnostics: &[],
                listing: &listing,
                remark: None,
            });
            await_engine(&store, &id, after)?;
            if !request.detach {
                follow(&store, &id, after, listener)?;
            }
        }
    }
    Ok(RunAnswer { run: interrupted::told(&store, &id, listener)?, promotion: vec![], listing })
}
