//! The process that holds the model: `PYTHON .../kale_runtime --serve BUNDLE`, with a socket as its standard input.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::frames::{Channel, Fault, First};
use crate::log::Logger;

/// A line of a worker's output is cut there.
const LONGEST_LINE: u64 = 1 << 16;
/// Its last lines tell why it died.
const LAST_LINES: usize = 12;
/// What a worker has, once it was told to end.
const FAREWELL: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub struct Launch {
    pub python: PathBuf,
    pub runtime: PathBuf,
    pub bundle: PathBuf,
    pub predictor: Option<String>,
    pub model_only: bool,
    pub start_timeout: Duration,
    pub largest_answer: usize,
}

pub struct Worker {
    pub channel: Channel,
    pub pid: i32,
    child: Child,
    last_lines: LastLines,
    _family: Family,
}

#[derive(Debug)]
pub enum StartError {
    Spawn(std::io::Error),
    /// What Python said.
    Load(Fault),
    Died(String),
    Slow,
}

impl StartError {
    pub fn reason(&self) -> String {
        match self {
            StartError::Spawn(error) => error.to_string(),
            StartError::Load(fault) => format!("{}: {}", fault.kind, fault.message),
            StartError::Died(reason) => reason.clone(),
            StartError::Slow => "it was not loaded in time".to_owned(),
        }
    }
}

impl Worker {
    /// Returns when the model is loaded.
    pub async fn start(launch: &Launch, replica: usize, logger: &Logger) -> Result<Worker, StartError> {
        let mut worker = Worker::spawn(launch, replica, logger).map_err(StartError::Spawn)?;
        match timeout(launch.start_timeout, worker.channel.receive_first()).await {
            Ok(Ok(First::Ready {})) => Ok(worker),
            Ok(Ok(First::Failed { error })) => Err(StartError::Load(error)),
            Ok(Err(_)) => Err(StartError::Died(worker.obituary().await)),
            Err(_) => Err(StartError::Slow),
        }
    }

    fn spawn(launch: &Launch, replica: usize, logger: &Logger) -> std::io::Result<Worker> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&launch.python);
        command
            .arg(&launch.runtime)
            .arg("--serve")
            .arg(&launch.bundle)
            .args(launch.predictor.iter().flat_map(|url| ["--predictor", url]))
            .args(launch.model_only.then_some("--model-only"))
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).expect("a process that was not waited for");
        let last_lines = LastLines::default();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(follow(stdout, "stdout", replica, logger.clone(), LastLines::default()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(follow(stderr, "stderr", replica, logger.clone(), last_lines.clone()));
        }
        Ok(Worker {
            channel: Channel::new(UnixStream::from_std(ours)?, launch.largest_answer),
            pid,
            child,
            last_lines,
            _family: Family(pid),
        })
    }

    /// How it has ended, or that it had to be ended.
    pub async fn obituary(&mut self) -> String {
        let status = match timeout(FAREWELL, self.child.wait()).await {
            Ok(Ok(status)) => ending(status),
            _ => "did not do what it was asked to, and was ended".to_owned(),
        };
        match self.last_lines.text() {
            text if text.is_empty() => format!("it {status}"),
            text => format!("it {status}; its last words:\n{text}"),
        }
    }

    /// Lets it end by itself, which it does when its socket is closed.
    pub async fn end(self) {
        let Worker { channel, mut child, _family, .. } = self;
        drop(channel);
        let _ = timeout(FAREWELL, child.wait()).await;
    }

    pub fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(self.pid)
    }
}

/// The process, and all that it has started: they end together.
struct Family(i32);

impl Drop for Family {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(9)) => "was killed by signal 9, as the system does when memory is short".to_owned(),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("", |known| known.as_str());
            format!("was killed by signal {signal} {name}").trim_end().to_owned()
        }
        (None, None) => "ended".to_owned(),
    }
}

/// Bytes of memory that a process has in use, where the system tells.
pub fn resident_bytes(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

#[derive(Clone, Default)]
struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn add(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Puts a worker's output into the log, line by line.
async fn follow(
    output: impl AsyncRead + Unpin,
    stream: &'static str,
    replica: usize,
    logger: Logger,
    last_lines: LastLines,
) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                last_lines.add(text);
                logger.output(replica, stream, text);
            }
        }
    }
}
