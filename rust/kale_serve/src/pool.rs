//! The replicas: each keeps one worker going, and gives it what waits in the queue.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::log::Logger;
use crate::metrics::Metrics;
use crate::options::{Event, Limits};
use crate::queue::{Failure, Job, Queue, Reply};
use crate::worker::{Launch, StartError, Worker, resident_bytes};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A worker that lived so long did not die of its start.
const SOUND_AFTER: Duration = Duration::from_secs(60);
/// How often its memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub type Listener<'a> = &'a (dyn Fn(Event) + Send + Sync);
/// On their way to the listener.
pub type Events = mpsc::UnboundedSender<Event>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum State {
    Starting,
    Ready,
    Busy,
    /// Between two starts.
    Waiting,
}

impl State {
    /// Whether the model is loaded.
    pub fn is_ready(self) -> bool {
        matches!(self, State::Ready | State::Busy)
    }
}

/// A replica as others see it.
pub struct Replica {
    state: AtomicU8,
    pid: AtomicI32,
    requests: AtomicU64,
    restarts: AtomicU64,
    /// Starts that failed since the last good one.
    failures: AtomicU32,
    has_been_ready: AtomicBool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaView {
    pub pid: i32,
    pub state: State,
    pub requests: u64,
    pub restarts: u64,
    pub rss_bytes: Option<u64>,
}

impl Replica {
    fn new() -> Replica {
        Replica {
            state: AtomicU8::new(State::Starting as u8),
            pid: AtomicI32::new(0),
            requests: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            has_been_ready: AtomicBool::new(false),
        }
    }

    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Starting,
            1 => State::Ready,
            2 => State::Busy,
            _ => State::Waiting,
        }
    }

    fn set(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub fn is_ready(&self) -> bool {
        self.state().is_ready()
    }

    /// Whether waiting for it makes sense: it is there, or was a moment ago.
    fn is_promising(&self) -> bool {
        self.is_ready() || (self.has_been_ready.load(Ordering::Relaxed) && self.failures.load(Ordering::Relaxed) < 2)
    }

    pub fn view(&self) -> ReplicaView {
        let pid = self.pid.load(Ordering::Relaxed);
        ReplicaView {
            pid,
            state: self.state(),
            requests: self.requests.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
            rss_bytes: resident_bytes(pid).filter(|_| self.is_ready()),
        }
    }
}

pub struct Pool {
    pub queue: Queue,
    pub replicas: Vec<Replica>,
    launch: Launch,
    limits: Limits,
    logger: Logger,
    metrics: Arc<Metrics>,
    /// No more work comes.
    ending: watch::Receiver<bool>,
    /// Seconds that recent requests had their worker for: how long those that wait will wait.
    recent: Mutex<VecDeque<f64>>,
}

impl Pool {
    pub fn new(
        (queue, replicas): (Queue, usize),
        (launch, limits): (Launch, Limits),
        (logger, metrics): (Logger, Arc<Metrics>),
        ending: watch::Receiver<bool>,
    ) -> Pool {
        let replicas = (0..replicas.max(1)).map(|_| Replica::new()).collect();
        Pool { queue, replicas, launch, limits, logger, metrics, ending, recent: Mutex::default() }
    }

    pub fn is_ready(&self) -> bool {
        self.replicas.iter().any(Replica::is_ready)
    }

    pub fn is_whole(&self) -> bool {
        self.replicas.iter().all(Replica::is_ready)
    }

    /// Whether requests may wait for a worker.
    pub fn is_promising(&self) -> bool {
        self.replicas.iter().any(Replica::is_promising)
    }

    /// Seconds after which a client that was turned away should ask again.
    pub fn retry_after(&self) -> u64 {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let each = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
        let seconds = each * self.queue.len() as f64 / self.replicas.len() as f64;
        (seconds.ceil() as u64).clamp(1, 60)
    }

    /// Keeps a replica going until the server ends. `first` is told how its first start went.
    pub async fn keep(
        self: Arc<Self>,
        number: usize,
        events: Events,
        first: tokio::sync::oneshot::Sender<Result<(), StartError>>,
    ) {
        let mut first = Some(first);
        let replica = &self.replicas[number];
        let mut pause = FIRST_PAUSE;
        let mut ending = self.ending.clone();
        while !*ending.borrow() {
            replica.set(State::Starting);
            let started = tokio::select! {
                started = Worker::start(&self.launch, number, &self.logger) => started,
                () = ended(&mut ending) => break,
            };
            let worker = match started {
                Ok(worker) => worker,
                Err(error) => {
                    replica.failures.fetch_add(1, Ordering::Relaxed);
                    self.lost(number, &format!("it could not be started: {}", error.reason()), &events);
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(error));
                        return;
                    }
                    self.pause(replica, &mut pause).await;
                    continue;
                }
            };
            replica.failures.store(0, Ordering::Relaxed);
            replica.has_been_ready.store(true, Ordering::Relaxed);
            replica.set(State::Ready);
            let _ = events.send(Event::WorkerReady { replica: number });
            self.logger.say("info", &format!("replica {number} is ready: process {}", worker.pid));
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            let begun = Instant::now();
            if let Some(reason) = self.work(number, worker).await {
                self.lost(number, &reason, &events);
                if begun.elapsed() > SOUND_AFTER {
                    pause = FIRST_PAUSE;
                }
                self.pause(replica, &mut pause).await;
            }
        }
    }

    fn lost(&self, number: usize, reason: &str, events: &Events) {
        self.replicas[number].set(State::Waiting);
        self.replicas[number].restarts.fetch_add(1, Ordering::Relaxed);
        self.metrics.restarts.inc();
        self.logger.say("error", &format!("replica {number} has lost its process: {reason}"));
        let _ = events.send(Event::WorkerLost { replica: number, reason: reason.to_owned() });
    }

    async fn pause(&self, replica: &Replica, pause: &mut Duration) {
        replica.set(State::Waiting);
        let mut ending = self.ending.clone();
        tokio::select! {
            () = sleep(*pause) => {}
            () = ended(&mut ending) => {}
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    /// Gives batches to a worker until it is gone (with the reason) or the server ends.
    async fn work(&self, number: usize, mut worker: Worker) -> Option<String> {
        let replica = &self.replicas[number];
        let mut ending = self.ending.clone();
        let mut successor: Option<Successor<'_>> = None;
        let mut looked = Instant::now();
        replica.pid.store(worker.pid, Ordering::Relaxed);
        loop {
            tokio::select! {
                biased;
                made = async { successor.as_mut().expect("looked at only when there").await }, if successor.is_some() => {
                    successor = None;
                    if let Ok(made) = made {
                        self.logger.say("info", &format!("replica {number} has a new process: {}", made.pid));
                        replica.pid.store(made.pid, Ordering::Relaxed);
                        std::mem::replace(&mut worker, made).end().await;
                    }
                }
                () = worker.channel.disturbed() => return Some(worker.obituary().await),
                jobs = self.queue.next() => {
                    replica.set(State::Busy);
                    if let Err(reason) = self.ask(number, &mut worker, jobs).await {
                        return Some(reason);
                    }
                    replica.set(State::Ready);
                }
                () = ended(&mut ending) => {
                    worker.end().await;
                    return None;
                }
            }
            if looked.elapsed() > LOOK_EVERY && successor.is_none() {
                looked = Instant::now();
                if self.limits.worker_memory.is_some_and(|most| worker.resident_bytes() > Some(most)) {
                    self.logger.say("warning", &format!("replica {number} uses too much memory, and is replaced"));
                    successor = Some(Box::pin(Worker::start(&self.launch, number, &self.logger)));
                }
            }
        }
    }

    async fn ask(&self, number: usize, worker: &mut Worker, jobs: Vec<Job>) -> Result<(), String> {
        if jobs.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let rows: usize = jobs.iter().map(|job| job.question.rows()).sum();
        self.metrics.batch_rows.observe(rows as f64);
        let frame = crate::frames::batch(jobs.iter().map(|job| (job.id.as_str(), &job.question)));
        let deadline = jobs.iter().map(|job| job.deadline).max().expect("there is a job");
        let exchange = async {
            worker.channel.send(&frame).await?;
            worker.channel.receive_answers(jobs.len()).await
        };
        let (failure, reason) = match timeout_at(deadline, exchange).await {
            Ok(Ok((answers, seconds))) => {
                self.metrics.worked(&seconds);
                self.replicas[number].requests.fetch_add(jobs.len() as u64, Ordering::Relaxed);
                self.took(begun.elapsed().as_secs_f64() / jobs.len() as f64);
                for (job, answer) in jobs.into_iter().zip(answers) {
                    let _ = job.reply.send(Ok(Reply { answer, replica: number }));
                }
                return Ok(());
            }
            Ok(Err(error)) => {
                let reason = match error.kind() {
                    std::io::ErrorKind::Other => error.to_string(),
                    _ => worker.obituary().await,
                };
                (Failure::Lost(reason.clone()), reason)
            }
            Err(_) => (Failure::Slow, "it did not answer in time, and was ended".to_owned()),
        };
        for job in jobs {
            let _ = job.reply.send(Err(failure.clone()));
        }
        Err(reason)
    }

    fn took(&self, seconds: f64) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == 64 {
            recent.pop_front();
        }
        recent.push_back(seconds);
    }
}

/// No more work comes.
async fn ended(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

type Successor<'a> = Pin<Box<dyn Future<Output = Result<Worker, StartError>> + Send + 'a>>;
