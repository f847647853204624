//! The log: a line of JSON for each request, for each line that a worker has put out, and for what befalls the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use serde::Serialize;

use crate::options::Log;

/// Lines that wait to be written. Whoever is slow to take them loses some, and the server none of its time.
const WAITING: usize = 16_384;
const LARGEST_FILE: u64 = 16 << 20;

#[derive(Clone)]
pub struct Logger {
    /// Nothing ends the log.
    lines: Option<SyncSender<Option<String>>>,
    lost: Arc<AtomicU64>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
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
            Log::None => return Ok(Logger { lines: None, lost: Arc::default(), writer: Arc::default() }),
            Log::Stderr => Box::new(io::stderr()),
            Log::File(path) => Box::new(Rotated::open(path)?),
        };
        let (lines, received) = sync_channel(WAITING);
        let lost = Arc::<AtomicU64>::default();
        let counter = lost.clone();
        let writer = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&mut sink, &received, &counter))?;
        Ok(Logger { lines: Some(lines), lost, writer: Arc::new(Mutex::new(Some(writer))) })
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
        let Some(lines) = &self.lines else { return };
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let Ok(mut line) = serde_json::to_string(&Line { time, level, message, rest }) else { return };
        line.push('\n');
        if lines.try_send(Some(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all is written that was said so far.
    pub fn finish(self) {
        let Some(lines) = &self.lines else { return };
        let _ = lines.send(None);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

/// Until nothing (`None`) is to be written.
fn write_all(sink: &mut dyn Write, lines: &Receiver<Option<String>>, lost: &AtomicU64) {
    let mut is_ending = false;
    while !is_ending && let Ok(Some(mut text)) = lines.recv() {
        // What has come meanwhile goes with it.
        while text.len() < 1 << 16
            && let Ok(line) = lines.try_recv()
        {
            let Some(line) = line else {
                is_ending = true;
                break;
            };
            text.push_str(&line);
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
            let line =
                Line { time, level: "warning", message: "lines of the log are missing", rest: Lost { lines: missing } };
            text.push_str(&serde_json::to_string(&line).unwrap_or_default());
            text.push('\n');
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
