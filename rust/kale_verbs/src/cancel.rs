//! `cancel`: stop a run, and see that it stops.

use kale_model::{Event, RunStatus, RunView};
use serde::Deserialize;

use crate::cluster;
use crate::error::VerbError;
use crate::follow::{await_engine, follow, last_event};
use crate::history::StoreChoice;
use crate::listener::{Interrupt, Listener};
use crate::run::launch;
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct CancelRequest {
    pub run: String,
    #[serde(flatten)]
    pub store: StoreChoice,
}

/// A run that has ended already stays as it is.
pub fn cancel(session: &Session, request: &CancelRequest, listener: &mut dyn Listener) -> Result<RunView, VerbError> {
    let (store, id) = request.store.find(session, &request.run)?;
    let status = store.run_status(&id)?;
    if !status.is_finished() {
        let after = last_event(&store, &id)?;
        // Its engine is gone, and a cluster that has the run, or may have it, does not know that: another engine has to end
        // it there. It must know why it is there, before it is.
        let may_go_on_elsewhere = status == RunStatus::Interrupted && store.run(&id)?.options.context.is_some();
        if may_go_on_elsewhere {
            cluster::patience()?;
            store.queue(&id)?;
        }
        store.request_cancel(&id)?;
        if may_go_on_elsewhere {
            launch(session, &store, &id)?;
            await_engine(&store, &id, after)?;
        }
        follow(&store, &id, after, &mut Leaving(listener))?;
    }
    Ok(store.run_view(&id)?)
}

/// The cancellation is recorded, so Ctrl-C only ends the waiting.
struct Leaving<'a>(&'a mut dyn Listener);

impl Listener for Leaving<'_> {
    fn event(&mut self, event: &Event) {
        self.0.event(event);
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        self.0.interrupted().map(|_| Interrupt::Leave)
    }
}
