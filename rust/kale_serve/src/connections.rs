//! Connections, and which of them has to go when there are too many: the one that has kept us waiting the longest.
//!
//! Thousands of slow clients then only push out each other. A connection whose request has arrived is never pushed out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Default)]
pub struct Connections {
    inner: Mutex<Inner>,
    /// Somebody has gone.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    open: usize,
    next: u64,
    /// In the order in which they began to keep us waiting.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// One of them.
pub struct Connection {
    all: Arc<Connections>,
    evicted: Arc<Notify>,
    /// Its place among those that keep us waiting.
    place: Mutex<Option<u64>>,
}

impl Connections {
    pub fn open(self: &Arc<Self>) -> Arc<Connection> {
        let evicted = Arc::new(Notify::new());
        let mut inner = self.lock();
        inner.open += 1;
        let place = inner.wait(&evicted);
        Arc::new(Connection { all: self.clone(), evicted, place: Mutex::new(Some(place)) })
    }

    pub fn count(&self) -> usize {
        self.lock().open
    }

    /// False if there is none that may go.
    pub fn evict_one(&self) -> bool {
        let first = self.lock().waiting.pop_first();
        if let Some((_, evicted)) = &first {
            evicted.notify_one();
        }
        first.is_some()
    }

    /// Until there is none.
    pub async fn all_closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.count() == 0 {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn wait(&mut self, evicted: &Arc<Notify>) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, evicted.clone());
        self.next
    }
}

impl Connection {
    /// Its request has arrived.
    pub fn is_served(&self) {
        if let Some(place) = self.place().take() {
            self.all.lock().waiting.remove(&place);
        }
    }

    /// It has its answer, and we wait for what comes next.
    pub fn keeps_waiting(&self) {
        let mut place = self.place();
        if place.is_none() {
            *place = Some(self.all.lock().wait(&self.evicted));
        }
    }

    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.is_served();
        self.all.lock().open -= 1;
        self.all.changed.notify_waiters();
    }
}
