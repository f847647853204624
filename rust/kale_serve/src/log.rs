//! The log: a line of JSON for each request, for each line that a worker has put out, and for what befalls the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::options::Log;

/// Bytes that wait to be written. Whoever is slow to take them loses lines, and the server none of its time.
const WAITING: usize = 8 << 20;
const LARGEST_FILE: u64 = 16 << 20;
/// Lines of this time are written together: a line by itself costs more than a request.
const GATHERED: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub struct Logger {
    /// Nothing where nothing is to be written.
    shared: Option<Arc<Shared>>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: String,
    lost: u64,
    is_ending: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Serialize)]
pub struct RequestLine<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    level: &'a str,
    message: &'a str,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct OutputLine {
    replica: usize,
    stream: &'static str,
}

#[derive(Serialize)]
struct Lost {
    lines: u64,
}

#[derive(Serialize)]
struct Nothing {}

impl Logger {
    pub fn start(log: &Log) -> io::Result<Logger> {
        let mut sink: Box<dyn Write + Send> = match log {
            Log::None => return Ok(Logger { shared: None, writer: Arc::default() }),
            Log::Stderr => Box::new(io::stderr()),
            Log::File(path) => Box::new(Rotated::open(path)?),
        };
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        let writer = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&mut sink, &theirs))?;
        Ok(Logger { shared: Some(shared), writer: Arc::new(Mutex::new(Some(writer))) })
    }

    pub fn request(&self, line: &RequestLine<'_>) {
        let level = match line.status {
            500.. => "error",
            400.. => "warning",
            _ => "info",
        };
        self.line(level, "request", line);
    }

    pub fn output(&self, replica: usize, stream: &'static str, text: &str) {
        self.line("info", text, OutputLine { replica, stream });
    }

    pub fn say(&self, level: &str, message: &str) {
        self.line(level, message, Nothing {});
    }

    fn line(&self, level: &str, message: &str, rest: impl Serialize) {
        let Some(shared) = &self.shared else { return };
        let line = written(level, message, rest);
        let mut waiting = shared.lock();
        if waiting.text.len() + line.len() > WAITING {
            waiting.lost += 1;
            return;
        }
        let was_empty = waiting.text.is_empty();
        waiting.text.push_str(&line);
        drop(waiting);
        if was_empty {
            shared.changed.notify_one();
        }
    }

    /// Waits until all is written that was said so far.
    pub fn finish(self) {
        let Some(shared) = &self.shared else { return };
        shared.lock().is_ending = true;
        shared.changed.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

fn written(level: &str, message: &str, rest: impl Serialize) -> String {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut line = serde_json::to_string(&Line { time, level, message, rest }).unwrap_or_default();
    line.push('\n');
    line
}

fn write_all(sink: &mut dyn Write, shared: &Shared) {
    let mut is_ending = false;
    while !is_ending {
        let waiting = shared.changed.wait_while(shared.lock(), |waiting| waiting.text.is_empty() && !waiting.is_ending);
        drop(waiting);
        let is_early = |waiting: &mut Waiting| !waiting.is_ending;
        let gathered = shared.changed.wait_timeout_while(shared.lock(), GATHERED, is_early);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        is_ending = waiting.is_ending;
        let (mut text, lost) = (std::mem::take(&mut waiting.text), std::mem::take(&mut waiting.lost));
        drop(waiting);
        if lost > 0 {
            text.push_str(&written("warning", "lines of the log are missing", Lost { lines: lost }));
        }
        // A log that cannot be written is no reason to end.
        let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
    }
}

/// A file that is put aside when it is large, and then again: two of them at most.
struct Rotated {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Rotated {
    fn open(path: &Path) -> io::Result<Rotated> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Rotated { path: path.to_owned(), file, size })
    }
}

impl Write for Rotated {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.size > LARGEST_FILE {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, aside)?;
            *self = Rotated::open(&self.path.clone())?;
        }
        let count = self.file.write(text)?;
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
