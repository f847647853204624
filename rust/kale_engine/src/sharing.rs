//! Trials of one sweep, beside each other in one engine: what two of them have in common is run once.
//!
//! Steps are equal when their fingerprints are. The first one to come runs; the others wait for it, and take its result.
//! Within one sweep that holds for every step, also for those whose results may not stand for a step of tomorrow: what
//! nothing varied reaches is one and the same in all trials.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use kale_model::sweep::SweepId;
use kale_store::{CachedResult, Digest, Result, Store};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub(crate) struct Sharing {
    sweep: SweepId,
    /// One for each fingerprint that has been met: whoever holds it runs the step.
    turns: RefCell<HashMap<Digest, std::sync::Arc<Mutex<()>>>>,
}

/// Dropped when the step is over.
pub(crate) type Turn = OwnedMutexGuard<()>;

impl Sharing {
    pub fn new(sweep: SweepId) -> Rc<Sharing> {
        Rc::new(Sharing { sweep, turns: RefCell::default() })
    }

    /// Waits for whoever runs an equal step.
    pub async fn turn(&self, fingerprint: &Digest) -> Turn {
        let turn = self.turns.borrow_mut().entry(fingerprint.clone()).or_default().clone();
        turn.lock_owned().await
    }

    /// What another trial's step has left, if its values are there.
    pub fn result(&self, store: &Store, fingerprint: &Digest) -> Result<Option<CachedResult>> {
        let found = store.result_in_sweep(&self.sweep, fingerprint)?;
        Ok(found.filter(|found| store.is_complete(&found.result)))
    }
}
