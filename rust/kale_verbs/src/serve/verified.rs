//! Whether a bundle answers in a fresh process as the model did where it was packed: the worker of the server, run once on
//! the bundle's example (`kale_runtime --serve BUNDLE --once`).

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use crate::error::VerbError;
use crate::notebook::plain;
use crate::session::{Interpreter, Session};

/// A process that has been asked, and what it should say.
pub struct Asked {
    process: Child,
    expected: Value,
}

#[derive(Deserialize)]
struct Answer {
    predictions: Option<Value>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: String,
    traceback: Option<String>,
}

pub fn ask(session: &Session, bundle: &Path, python: &Interpreter, expected: Value) -> Result<Asked, VerbError> {
    let process = Command::new(&python.executable)
        .arg(&session.runtime)
        .arg("--serve")
        .arg(bundle)
        .arg("--once")
        // Nothing of the notebook's folder is found by chance.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let process = process.map_err(|error| {
        let message = format!("`{}` cannot be started: {}", python.executable.display(), plain(&error));
        VerbError::usage(message, "give another interpreter with `--python`")
    })?;
    Ok(Asked { process, expected })
}

/// Waits for the answer, but not for ever.
pub fn compare(asked: Asked, limit: Duration) -> Result<(), VerbError> {
    let Asked { mut process, expected } = asked;
    let Some((stdout, stderr)) = said(&mut process, limit) else {
        let seconds = limit.as_secs();
        let message =
            format!("in a process of its own the model has not answered the example within {seconds} seconds");
        let help = "it may wait for something that is not there, such as a lock or a connection; give more with `timeout` \
                    (`--timeout SECONDS`), or a shorter `example`";
        return Err(VerbError::usage(message, help));
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(&stdout) else {
        let said = String::from_utf8_lossy(&stderr);
        let said = said.lines().last().unwrap_or("it said nothing").to_owned();
        return Err(VerbError::usage(format!("the model's process died: {said}"), HELP));
    };
    if let Some(Fault { kind, message, traceback }) = answer.error {
        let told = traceback.filter(|text| !text.is_empty()).unwrap_or(message.clone());
        let kind = kind.map_or_else(String::new, |kind| format!("{kind}: "));
        let message =
            format!("in a process of its own the model does not answer: {kind}{message}\n\n{}", told.trim_end());
        return Err(VerbError::usage(message, HELP));
    }
    let found = answer.predictions.unwrap_or(Value::Null);
    if is_same(&expected, &found) {
        return Ok(());
    }
    let message = format!(
        "in a process of its own the model answers otherwise than here: {} instead of {}",
        shown(&found),
        shown(&expected)
    );
    Err(VerbError::usage(message, "what it draws by chance, or reads from outside, is to be an asset or seeded"))
}

/// What it says until it ends; `None`, and its end, where that takes longer.
fn said(process: &mut Child, limit: Duration) -> Option<(Vec<u8>, Vec<u8>)> {
    let began = Instant::now();
    let (out, err) = (whole(process.stdout.take()), whole(process.stderr.take()));
    let left = || limit.saturating_sub(began.elapsed());
    let found = out.recv_timeout(left()).ok().and_then(|out| Some((out, err.recv_timeout(left()).ok()?)));
    if found.is_none() {
        let _ = process.kill();
    }
    let _ = process.wait();
    found
}

/// All that comes out of a pipe, when its other end is closed.
fn whole(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut text = vec![];
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        // Nobody may wait any more.
        let _ = tell.send(text);
    });
    told
}

const HELP: &str = "what it needs is to be a global name of the notebook, an asset, or a module that is installed";

/// Equal but for the last digits, which depend on how many processors share a sum.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(f64::NAN), other.as_f64().unwrap_or(f64::NAN));
            one == other || (one - other).abs() <= 1e-5 * one.abs().max(other.abs()).max(1e-3)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        _ => one == other,
    }
}

fn shown(value: &Value) -> String {
    const MOST: usize = 200;
    let text = value.to_string();
    if text.len() <= MOST { text } else { format!("{}...", text.chars().take(MOST).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_that_never_answers_is_not_waited_for() {
        let sleeps = || Command::new("sleep").arg("600").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asked = Asked { process: sleeps(), expected: json!([1]) };
        let pid = asked.process.id();
        let error = compare(asked, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("has not answered the example within"), "{error}");
        assert!(!Path::new(&format!("/proc/{pid}/stat")).exists());
    }

    #[test]
    fn the_last_digits_do_not_matter() {
        assert!(is_same(&json!([0.1, {"a": 1}]), &json!([0.100_000_000_1, {"a": 1.0}])));
        assert!(!is_same(&json!([0.1]), &json!([0.2])) && !is_same(&json!(["a"]), &json!(["b"])));
        assert!(!is_same(&json!([1]), &json!([1, 2])) && is_same(&json!([null]), &json!([null])));
    }
}
