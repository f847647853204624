//! What goes where: answers to stdout, everything else to stderr.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use kale_verbs::VerbError;
use kale_verbs::render::Style;
use serde::Serialize;

/// Colour only on a terminal, and not when the user asks for none (no-color.org).
fn wants_colour(is_terminal: bool) -> bool {
    is_terminal
        && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM") != Some("dumb".into())
}

pub fn stdout_style() -> Style {
    Style { colour: wants_colour(io::stdout().is_terminal()) }
}

pub fn stderr_style() -> Style {
    Style { colour: wants_colour(io::stderr().is_terminal()) }
}

/// Prints an answer. A reader that has seen enough (`| head`) is no error.
pub fn answer(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A path as a person would type it here: relative to the current folder where it lies below.
pub fn path(path: &str) -> &str {
    let below = env::current_dir().ok().and_then(|folder| Path::new(path).strip_prefix(folder).ok());
    below.and_then(Path::to_str).filter(|short| !short.is_empty()).unwrap_or(path)
}

/// What a step printed, its colours only where ours are welcome as well.
pub fn printed(text: &str, style: Style) -> String {
    if style.colour { text.to_owned() } else { console::strip_ansi_codes(text).into_owned() }
}

/// Prints the one JSON document of `--json`.
pub fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("answers are plain data");
    answer(format_args!("{text}\n"));
}

/// Prose for people, beside the answer.
pub fn note(text: impl Display) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "{text}");
}

/// What takes its time, for those who watch.
pub fn progress(text: impl Display) {
    if io::stderr().is_terminal() {
        note(stderr_style().dim(&text.to_string()));
    }
}

/// A remark of a verb, if there is one.
pub fn remark(remark: Option<&str>) {
    if let Some(remark) = remark {
        note(format_args!("{} {remark}", stderr_style().cyan("note:")));
    }
}

/// Says why there is no answer, and gives the exit status.
pub fn failure(error: &VerbError) -> i32 {
    let style = stderr_style();
    if matches!(error, VerbError::Interrupted) {
        return error.exit_status();
    }
    note(format_args!("{} {error}", style.red("error:")));
    if !error.help().is_empty() {
        note(format_args!("{} {}", style.cyan("help:"), error.help()));
    }
    error.exit_status()
}
