//! What a service has logged: all of it, a part, or as it comes; and how a person reads it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ServiceChoice, find};
use crate::error::VerbError;
use crate::listener::Listener;
use crate::notebook::plain;
use crate::serve::{Record, running, service_log};
use crate::session::Session;

const POLL: Duration = Duration::from_millis(250);
/// Bytes of a log in one answer.
const PART: u64 = 1 << 20;

#[derive(Clone, Debug, Deserialize)]
pub struct LogRequest {
    #[serde(flatten)]
    pub choice: ServiceChoice,
    /// Only what comes from this byte on, and at most a megabyte.
    #[serde(default)]
    pub offset: Option<u64>,
    /// Only the last lines, in so many bytes.
    #[serde(default)]
    pub last: Option<u64>,
    /// As a person reads it, and not as lines of JSON.
    #[serde(default)]
    pub readable: bool,
}

/// Whole lines.
#[derive(Debug, Serialize)]
pub struct ServiceLog {
    pub name: String,
    pub text: String,
    /// Where in the file this part begins: before the byte that was asked for when the file has begun anew.
    pub offset: u64,
    /// Where one goes on from.
    pub next: u64,
}

/// Also of one that has ended.
pub fn log(session: &Session, request: &LogRequest) -> Result<ServiceLog, VerbError> {
    let ServiceChoice { store, name, .. } = &request.choice;
    let is_here = |record: &Record| record.name == *name && record.log.is_none();
    if running(&store.root(session)).iter().any(is_here) {
        let message = format!("service `{name}` runs in a terminal, which shows its log");
        return Err(VerbError::usage(message, "with `--detach` it goes on by itself, and its log is kept"));
    }
    let (offset, bytes) = read(&service_log(&store.root(session), name), request).map_err(|error| {
        let message = format!("service `{name}` has no log: {}", plain(&error));
        VerbError::usage(message, "`kale-rs services` lists those that run")
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let next = offset + bytes.len() as u64;
    Ok(ServiceLog { name: name.clone(), text: if request.readable { readable(&text) } else { text }, offset, next })
}

fn read(path: &Path, request: &LogRequest) -> std::io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let is_tail = request.offset.is_none() && request.last.is_some_and(|last| last < size);
    let offset = match (request.offset, request.last) {
        // It was put aside when it was large: this is another one.
        (Some(offset), _) if offset > size => 0,
        (Some(offset), _) => offset,
        (None, Some(last)) => size.saturating_sub(last),
        (None, None) => 0,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![];
    let most = if request.offset.is_some() { PART } else { u64::MAX };
    file.take(most).read_to_end(&mut bytes)?;
    // A line that is longer than a part comes in parts: else it would be waited for without end.
    let unfinished = if bytes.len() as u64 == most { bytes.len() } else { 0 };
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(unfinished, |at| at + 1);
    bytes.truncate(end);
    // The first line of a tail is half a line.
    let begin = if is_tail { bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1) } else { 0 };
    Ok((offset + begin as u64, bytes.split_off(begin)))
}

/// Hands new lines to the listener, as a person reads them, until the service has ended.
pub fn follow_log(session: &Session, choice: &ServiceChoice, listener: &mut dyn Listener) -> Result<(), VerbError> {
    let record = find(session, choice)?;
    let mut next = 0;
    loop {
        let is_alive = record.is_alive();
        loop {
            let request = LogRequest { choice: choice.clone(), offset: Some(next), last: None, readable: true };
            let part = log(session, &request)?;
            next = part.next;
            if part.text.is_empty() {
                break;
            }
            listener.log(&part.name, &part.text);
        }
        if !is_alive {
            return Ok(());
        }
        if listener.interrupted().is_some() {
            return Err(VerbError::Interrupted);
        }
        sleep(POLL);
    }
}

/// Lines of JSON as lines for people: the time (UTC), and what happened. What is no JSON stays.
pub fn readable(text: &str) -> String {
    let told = |line: &str| match serde_json::from_str(line) {
        Ok(Value::Object(line)) => told(&Value::Object(line)),
        _ => line.to_owned(),
    };
    text.lines().map(|line| told(line) + "\n").collect()
}

fn told(line: &Value) -> String {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let time = text("time").split_once('T').map_or("", |(_, time)| time);
    let level = match text("level") {
        "info" => String::new(),
        level => format!("{level}: "),
    };
    let mut out = format!("{time} {level}");
    if line["request_id"].is_string() {
        let milliseconds = line["seconds"].as_f64().unwrap_or_default() * 1e3;
        out += &format!("{} {} {} {milliseconds:.1} ms", text("method"), text("path"), line["status"]);
        if let Some(rows) = line["rows"].as_u64() {
            out += &format!(" {rows} {}", if rows == 1 { "row" } else { "rows" });
        }
        for key in ["error", "traceback"] {
            let about = text(key).trim_end();
            if !about.is_empty() {
                out += &format!("\n  {}", about.replace('\n', "\n  "));
            }
        }
    } else if let Some(replica) = line["replica"].as_u64() {
        out += &format!("[{replica}] {}", text("message"));
    } else {
        out += text("message");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{LogRequest, PART, read, readable};
    use crate::history::StoreChoice;
    use crate::services::ServiceChoice;

    #[test]
    fn a_line_that_is_longer_than_a_part_is_not_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let long = "x".repeat(PART as usize + 10);
        std::fs::write(file.path(), format!("{long}\nshort\nhalf a li")).unwrap();
        let choice = ServiceChoice { store: StoreChoice::default(), name: "m".to_owned(), pid: None };
        let part = |offset| {
            let request = LogRequest { choice: choice.clone(), offset: Some(offset), last: None, readable: false };
            read(file.path(), &request).unwrap().1
        };
        assert_eq!(part(0).len() as u64, PART);
        assert_eq!(part(PART), b"xxxxxxxxxx\nshort\n");
        assert_eq!(part(PART + 17), b"");
    }

    #[test]
    fn lines_of_json_become_lines_for_people() {
        let request = r#"{"time":"2026-11-21T17:00:01.250Z","level":"info","message":"request","request_id":"a","method":"POST","path":"/v1/models/m:predict","status":200,"seconds":0.00312,"rows":2,"replica":0}"#;
        assert_eq!(readable(request), "17:00:01.250Z POST /v1/models/m:predict 200 3.1 ms 2 rows\n");
        let failed = r#"{"time":"2026-11-21T17:00:01.250Z","level":"error","message":"request","request_id":"a","method":"POST","path":"/p","status":500,"seconds":1,"error":"no","traceback":"a\n  b\n"}"#;
        assert_eq!(readable(failed), "17:00:01.250Z error: POST /p 500 1000.0 ms\n  no\n  a\n    b\n");
        let printed =
            r#"{"time":"2026-11-21T17:00:01.250Z","level":"info","message":"hello","replica":0,"stream":"stdout"}"#;
        assert_eq!(readable(&format!("{printed}\nplain\n")), "17:00:01.250Z [0] hello\nplain\n");
    }
}
