//! `cancel`: stop a run, and see that it stops.

use kale_model::{Event, RunView};
use serde::Deserialize;

use crate::error::VerbError;
use crate::follow::{follow, last_event};
use crate::history::StoreChoice;
use crate::listener::{Interrupt, Listener};
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
    if !store.run_status(&id)?.is_finished() {
        store.request_cancel(&id)?;
        let after = last_event(&store, &id)?;
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
