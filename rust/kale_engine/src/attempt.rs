//! One attempt of one step: its process from start to end, limits included.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at, timeout};

use crate::process;
use crate::warm::Warm;
use crate::worker::{Exit, Launch, Usage, Worker};

/// How often progress and memory are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What a process gets to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub time: Option<Duration>,
    pub memory_bytes: Option<u64>,
}

/// Why the process is no more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// By itself, or by a signal of somebody else. `out_of_memory`: the kernel killed for lack of memory meanwhile.
    Exited {
        exit: Exit,
        out_of_memory: bool,
    },
    TimedOut,
    /// It used more than its limit: this many bytes.
    OverMemory(u64),
    /// The run was cancelled.
    Stopped,
}

impl Ending {
    /// What the system says that the process used, where it was asked.
    pub fn usage(&self) -> Option<Usage> {
        if let Ending::Exited { exit, .. } = self { exit.usage } else { None }
    }
}

/// Runs the process to its end and leaves nothing of it behind. `look` is called now and then meanwhile.
pub async fn run(
    launch: &Launch,
    warm: Option<&Warm>,
    limits: Limits,
    stop: watch::Receiver<bool>,
    look: impl FnMut(),
) -> std::io::Result<Ending> {
    let kills_before = process::kernel_memory_kills();
    let mut worker = Worker::start(launch, warm).await?;
    let (pid, reaper) = (worker.pid, worker.reaper());
    let ending = match watch_over(&mut worker, limits, stop, look).await? {
        Ending::Exited { exit, .. } => {
            Ending::Exited { exit, out_of_memory: process::kernel_memory_kills() > kills_before }
        }
        ended_by_us => {
            put_to_end(&mut worker, ended_by_us).await;
            ended_by_us
        }
    };
    let marker = launch.marker.clone();
    let swept = tokio::task::spawn_blocking(move || process::sweep(pid, &marker, reaper)).await;
    swept.expect("sweeping does not panic");
    Ok(ending)
}

async fn watch_over(
    worker: &mut Worker,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    mut look: impl FnMut(),
) -> std::io::Result<Ending> {
    let pid = worker.pid;
    let began = Instant::now();
    let mut looks = interval_at(tokio::time::Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let allowed = limits.time.unwrap_or(Duration::MAX);
    loop {
        tokio::select! {
            exit = worker.wait() => return Ok(Ending::Exited { exit: exit?, out_of_memory: false }),
            () = stopped(&mut stop) => return Ok(Ending::Stopped),
            _ = looks.tick() => {
                look();
                if let Some(limit) = limits.memory_bytes {
                    let used = process::memory_bytes(pid, limit);
                    if used > limit {
                        return Ok(Ending::OverMemory(used));
                    }
                }
            }
            () = tokio::time::sleep(allowed.saturating_sub(began.elapsed())) => return Ok(Ending::TimedOut),
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The engine's loop is gone, and with it whoever could ask.
        std::future::pending::<()>().await;
    }
}

/// A process that eats memory gets no time to eat more.
async fn put_to_end(worker: &mut Worker, reason: Ending) {
    if !matches!(reason, Ending::OverMemory(_)) {
        process::signal_group(worker.pid, Signal::SIGTERM);
        if timeout(GRACE, worker.wait()).await.is_ok() {
            return;
        }
    }
    process::signal_group(worker.pid, Signal::SIGKILL);
    let _ = worker.wait().await;
}
