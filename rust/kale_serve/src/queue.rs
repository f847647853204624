//! Requests that wait for a worker, and which of them go together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::frames::{Answer, Question};

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
    /// Rows that go together; 1: each request goes alone.
    pub max_rows: usize,
    max_delay: Duration,
    /// Replicas that wait for a batch.
    idle: AtomicUsize,
}

impl Queue {
    pub fn new(capacity: usize, max_rows: usize, max_delay: Duration) -> Queue {
        let (jobs, changed, idle) = (Mutex::default(), Notify::new(), AtomicUsize::new(0));
        Queue { jobs, changed, capacity, max_rows, max_delay, idle }
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
        let _idle = Idle::new(&self.idle);
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
        let complete = first.arrived + self.max_delay;
        let (count, is_full) = self.batch(&jobs);
        if !is_full && Instant::now() < complete {
            return Taken::Wait(Some(complete));
        }
        // What another replica could begin with at once is left to it.
        let count = count.min(jobs.len().div_ceil(self.idle.load(Ordering::Relaxed).max(1)));
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
            if count > 0 && rows > self.max_rows {
                return (count, true);
            }
            count += 1;
        }
        (count, rows >= self.max_rows)
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

/// Counts who waits for work.
struct Idle<'a>(&'a AtomicUsize);

impl Idle<'_> {
    fn new(idle: &AtomicUsize) -> Idle<'_> {
        idle.fetch_add(1, Ordering::Relaxed);
        Idle(idle)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Taken {
    Batch(Vec<Job>),
    /// Until something changes, or until then.
    Wait(Option<Instant>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::v1::Instances;
    use std::time::Duration;

    type Answered = oneshot::Receiver<Result<Reply, Failure>>;

    fn job(id: &str, rows: usize) -> (Job, Answered) {
        let (reply, answered) = oneshot::channel();
        let question = Question::Instances(Instances::Json { text: "[]".into(), rows });
        let arrived = Instant::now();
        (Job { id: id.to_owned(), question, arrived, deadline: arrived + Duration::from_secs(60), reply }, answered)
    }

    /// With a job for each name, of so many rows.
    fn queue(max_rows: usize, delay: Duration, jobs: &[(&str, usize)]) -> (Queue, Vec<Answered>) {
        let queue = Queue::new(8, max_rows, delay);
        let answered = jobs
            .iter()
            .map(|(id, rows)| {
                let (job, answered) = job(id, *rows);
                queue.push(job).expect("there is room");
                answered
            })
            .collect();
        (queue, answered)
    }

    fn ids(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| job.id.as_str()).collect()
    }

    #[tokio::test]
    async fn requests_go_together_as_far_as_their_rows_fit() {
        let (queue, _answered) = queue(4, Duration::ZERO, &[("a", 1), ("b", 3), ("c", 2), ("d", 9), ("e", 1)]);
        let mut batches = Vec::new();
        for _ in 0..4 {
            batches.push(ids(&queue.next().await).join(" "));
        }
        assert_eq!(batches, ["a b", "c", "d", "e"]);
    }

    #[tokio::test]
    async fn each_goes_alone_unless_asked() {
        let (queue, _answered) = queue(1, Duration::ZERO, &[("a", 1), ("b", 0)]);
        assert_eq!(ids(&queue.next().await), ["a"]);
        assert_eq!(ids(&queue.next().await), ["b"]);
    }

    #[tokio::test]
    async fn who_is_idle_gets_a_share() {
        let (queue, _answered) = queue(8, Duration::ZERO, &[]);
        let jobs = async {
            for id in ["a", "b", "c"] {
                let (job, answered) = job(id, 1);
                queue.push(job).expect("there is room");
                std::mem::forget(answered);
            }
        };
        let (first, second, ()) = tokio::join!(queue.next(), queue.next(), jobs);
        let mut shares = [ids(&first).join(" "), ids(&second).join(" ")];
        shares.sort();
        assert_eq!(shares, ["a b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_alone_waits_for_others_but_not_for_long() {
        let (queue, _answered) = queue(4, Duration::from_millis(20), &[("a", 1)]);
        let begun = Instant::now();
        let waiting = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (job, answered) = job("b", 1);
            queue.push(job).expect("there is room");
            vec![answered]
        };
        let (batch, _answered) = tokio::join!(queue.next(), waiting);
        assert_eq!((ids(&batch), begun.elapsed()), (vec!["a", "b"], Duration::from_millis(20)));
        let (third, _third) = job("c", 4);
        queue.push(third).expect("there is room");
        assert_eq!((ids(&queue.next().await), begun.elapsed()), (vec!["c"], Duration::from_millis(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_has_taken_nothing() {
        let (queue, _answered) = queue(4, Duration::from_millis(20), &[("a", 1)]);
        assert!(tokio::time::timeout(Duration::from_millis(5), queue.next()).await.is_err());
        assert_eq!(ids(&queue.next().await), ["a"]);
    }

    #[tokio::test]
    async fn clients_that_have_gone_leave_their_places() {
        let names: Vec<(&str, usize)> = vec![("gone", 1); 8];
        let (queue, answered) = queue(1, Duration::ZERO, &names);
        let (late, _late) = job("late", 1);
        assert!(queue.push(late).is_err());
        drop(answered);
        let (later, _later) = job("later", 1);
        assert!(queue.push(later).is_ok());
        assert_eq!(ids(&queue.next().await), ["later"]);
    }
}
