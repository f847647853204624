//! Answers as text: one file per format. Nothing here decides anything.

pub mod comparison;
pub mod dot;
pub mod geometry;
pub mod github;
pub mod outline;
pub mod sarif;
pub mod svg;
mod svg_layout;
pub mod table;
pub mod text;
pub mod why;

use std::collections::BTreeMap;
use std::fmt::Display;

use kale_model::RunStatus;
use serde_json::Value;

use crate::notebook::Listing;

pub use kale_store::without_controls;

/// What a renderer of diagnostics needs beside them.
pub struct Context<'a> {
    pub listing: &'a Listing,
    /// Whether to use terminal colours.
    pub colour: bool,
}

/// `1 step`, `2 steps`.
pub fn count(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `[1, 2, 3, 7]` as `1-3, 7`.
pub fn cell_ranges(cells: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = vec![];
    for &cell in cells {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cell => *last = cell,
            _ => ranges.push((cell, cell)),
        }
    }
    let text = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// `cell 4`, `cells 1-3`.
pub fn cells(cells: &[usize]) -> String {
    format!("{} {}", if cells.len() == 1 { "cell" } else { "cells" }, cell_ranges(cells))
}

/// `0.42 s`, `3.1 s`, `2 min 05 s`, `1 h 02 min`.
pub fn seconds(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// How long an answer took: `180 µs`, `2.3 ms`, `48 ms`, and on as [`seconds`].
pub fn latency(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.009_95 => format!("{:.1} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s => self::seconds(s),
    }
}

/// `512 B`, `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{size:.0} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} GiB")
}

/// A metric's or parameter's value, strings without quotes, long fractions shortened.
pub fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let exact = number.to_string();
            let short = format!("{:.6}", number.as_f64().unwrap_or_default());
            let usual = number.as_f64().is_some_and(|n| (1e-4..1e12).contains(&n.abs()));
            if usual && short.len() < exact.len() { short } else { exact }
        }
        other => other.to_string(),
    }
}

/// What others have written, on one line, without what would make a terminal do something.
pub fn inert(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control() || c.is_whitespace());
    plain.map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
}

/// A metric's value: a float by its nature, so whole numbers are shown without `.0`, as the notebook shows a count.
pub fn metric(value: &Value) -> String {
    let text = scalar(value);
    let whole = text.strip_suffix(".0").filter(|_| value.is_number()).map(str::to_owned);
    whole.unwrap_or(text)
}

pub fn metric_rows(metrics: &BTreeMap<String, Value>) -> Vec<Vec<String>> {
    let heading = vec!["metric".to_owned(), "value".to_owned()];
    [heading].into_iter().chain(metrics.iter().map(|(name, value)| vec![name.clone(), metric(value)])).collect()
}

pub fn run_status(status: RunStatus, style: Style) -> String {
    match status {
        RunStatus::Succeeded => style.green(status.as_str()),
        RunStatus::Failed => style.red(status.as_str()),
        RunStatus::Interrupted | RunStatus::Cancelled => style.yellow(status.as_str()),
        RunStatus::Pending | RunStatus::Running => style.cyan(status.as_str()),
    }
}

/// Terminal styles; plain text when colour is off.
#[derive(Clone, Copy)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    pub fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub fn yellow(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub fn blue(self, text: &str) -> String {
        self.paint("1;34", text)
    }

    pub fn cyan(self, text: &str) -> String {
        self.paint("1;36", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_and_sizes_have_few_digits() {
        assert_eq!(
            [0.421, 3.12, 59.96, 125.2, 3725.0].map(seconds),
            ["0.42 s", "3.1 s", "1 min 00 s", "2 min 05 s", "1 h 02 min"]
        );
        assert_eq!(
            [0.0, 4.2e-5, 0.0018, 0.0421, 0.421, 1.52].map(latency),
            ["0 µs", "42 µs", "1.8 ms", "42 ms", "421 ms", "1.5 s"]
        );
        assert_eq!([17, 1536, 3 << 30].map(bytes), ["17 B", "1.5 KiB", "3.0 GiB"]);
        let values = [json!(0.123456789), json!(0.5), json!(1e-9), json!(3), json!("NaN")];
        assert_eq!(values.map(|v| scalar(&v)), ["0.123457", "0.5", "1e-9", "3", "NaN"]);
        assert_eq!([json!(39.0), json!(0.5), json!("a.0")].map(|v| metric(&v)), ["39", "0.5", "a.0"]);
    }

    #[test]
    fn neighbouring_cells_are_a_range() {
        assert_eq!(cell_ranges(&[1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
        assert_eq!(cell_ranges(&[]), "");
    }
}
