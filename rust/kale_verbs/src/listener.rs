//! How a long verb talks while it works.

use kale_model::{Diagnostic, Event, RunId};
use kale_remote::snapshot::Progress;

use crate::notebook::Listing;

/// What is known of a run before its first event.
pub struct Prepared<'a> {
    pub run: &'a RunId,
    pub pipeline: &'a str,
    pub steps: usize,
    /// What the compiler had to say; no errors.
    pub diagnostics: &'a [Diagnostic],
    pub listing: &'a Listing,
    /// A remark about the interpreter.
    pub remark: Option<&'a str>,
}

/// What Ctrl-C means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Cancel the run, and see it to its end.
    Cancel,
    /// Stop watching; the run goes on.
    Leave,
}

pub trait Listener {
    /// The run is recorded and its engine starts.
    fn prepared(&mut self, _prepared: &Prepared<'_>) {}

    /// Something happened in the run.
    fn event(&mut self, _event: &Event) {}

    /// Values are sent to or received from elsewhere.
    fn transfer(&mut self, _progress: &Progress) {}

    /// More output of a step.
    fn log(&mut self, _step: &str, _text: &str) {}

    /// Whether the user wants to stop; asked several times per second.
    fn interrupted(&mut self) -> Option<Interrupt>;
}
