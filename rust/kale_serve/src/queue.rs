//! Requests that wait for a worker, and which of them go together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::frames::{Answer, Question};
use crate::options::Batching;

pub struct Job {
    /// The request's.
    pub id: String,
    pub question: Question,
    pub arrived: Instant,
    /// When nobody waits for the answer any more.
    pub deadline: Instant,
    pub reply: oneshot::Sender<Result<Reply, Failure>>,
}

#[derive(Debug)]
pub struct Reply {
    pub answer: Answer,
    pub replica: usize,
}

/// Why a request that was taken has no answer.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The worker ended while it had it.
    Lost(String),
    Slow,
    Stopping,
}

/// There is no room.
#[derive(Debug)]
pub struct Full;

pub struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    changed: Notify,
    capacity: usize,
    batching: Batching,
}

impl Queue {
    pub fn new(capacity: usize, batching: Batching) -> Queue {
        Queue { jobs: Mutex::default(), changed: Notify::new(), capacity, batching }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn push(&self, job: Job) -> Result<(), Full> {
        let mut jobs = self.lock();
        if jobs.len() >= self.capacity {
            // Clients that have gone leave their places.
            jobs.retain(|job| !job.reply.is_closed());
            if jobs.len() >= self.capacity {
                return Err(Full);
            }
        }
        jobs.push_back(job);
        drop(jobs);
        self.changed.notify_one();
        Ok(())
    }

    /// The next batch. Whoever stops waiting has taken nothing.
    pub async fn next(&self) -> Vec<Job> {
        loop {
            let changed = self.changed.notified();
            let wake = match self.take() {
                Taken::Batch(jobs) => return jobs,
                Taken::Wait(wake) => wake,
            };
            match wake {
                None => changed.await,
                Some(wake) => {
                    let _ = timeout_at(wake, changed).await;
                }
            }
        }
    }

    fn take(&self) -> Taken {
        let mut jobs = self.lock();
        while jobs.front().is_some_and(|job| job.reply.is_closed()) {
            jobs.pop_front();
        }
        let Some(first) = jobs.front() else { return Taken::Wait(None) };
        let complete = first.arrived + self.batching.max_delay;
        let (count, is_full) = self.batch(&jobs);
        if !is_full && Instant::now() < complete {
            return Taken::Wait(Some(complete));
        }
        let batch = jobs.drain(..count).filter(|job| !job.reply.is_closed()).collect();
        if !jobs.is_empty() {
            self.changed.notify_one();
        }
        Taken::Batch(batch)
    }

    /// How many jobs from the front make a batch, and whether more would be too many.
    fn batch(&self, jobs: &VecDeque<Job>) -> (usize, bool) {
        let (mut rows, mut count) = (0_usize, 0);
        for job in jobs {
            rows = rows.saturating_add(job.question.rows().max(1));
            if count > 0 && rows > self.batching.max_rows {
                return (count, true);
            }
            count += 1;
        }
        (count, rows >= self.batching.max_rows)
    }

    /// Nobody will take what is there.
    pub fn give_up(&self, why: &Failure) {
        for job in self.lock().drain(..) {
            let _ = job.reply.send(Err(why.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Taken {
    Batch(Vec<Job>),
    /// Until something changes, or until then.
    Wait(Option<Instant>),
}
