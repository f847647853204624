//! A listener that calls back into Python.

use kale_model::Event;
use kale_model::sweep::{SweepId, SweepView};
use kale_verbs::snapshot::Progress;
use kale_verbs::sweep::{SweepListener, SweepPlan};
use kale_verbs::{Interrupt, Listener, Prepared};
use pyo3::prelude::*;
use serde_json::json;

pub struct Callback {
    /// Called with one JSON text per event.
    function: Option<Py<PyAny>>,
    /// What Ctrl-C (or the kernel's interrupt) does to the run.
    interrupt: Interrupt,
    /// An exception of a signal handler or of the callback, to be raised when the verb is done.
    pub raised: Option<PyErr>,
}

impl Callback {
    pub fn new(function: Option<Py<PyAny>>, cancel_on_interrupt: bool) -> Callback {
        let interrupt = if cancel_on_interrupt { Interrupt::Cancel } else { Interrupt::Leave };
        Callback { function, interrupt, raised: None }
    }

    fn call(&mut self, text: &str) {
        let Some(function) = &self.function else { return };
        if let Err(error) = Python::attach(|py| function.call1(py, (text,)).map(drop)) {
            self.raised.get_or_insert(error);
        }
    }

    /// Nothing happens at the moment: time to draw what was too soon to be drawn.
    fn wait(&mut self) -> Option<Interrupt> {
        self.call(r#"{"event": "waiting"}"#);
        if let Err(signal) = Python::attach(|py| py.check_signals()) {
            self.raised.get_or_insert(signal);
        }
        self.raised.is_some().then_some(self.interrupt)
    }
}

impl Listener for Callback {
    fn prepared(&mut self, prepared: &Prepared<'_>) {
        let head = json!({"event": "prepared", "run_id": prepared.run, "pipeline": prepared.pipeline, "steps": prepared.steps});
        self.call(&head.to_string());
    }

    fn event(&mut self, event: &Event) {
        self.call(&serde_json::to_string(event).expect("events are plain data"));
    }

    fn transfer(&mut self, progress: &Progress) {
        self.call(&json!({"event": "transfer", "done": progress.done, "total": progress.total}).to_string());
    }

    fn log(&mut self, step: &str, text: &str) {
        self.call(&json!({"event": "log", "step": step, "text": text}).to_string());
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        self.wait()
    }
}

impl SweepListener for Callback {
    fn planned(&mut self, sweep: Option<&SweepId>, plan: &SweepPlan) {
        self.call(&json!({"event": "planned", "sweep_id": sweep, "plan": plan}).to_string());
    }

    fn taken_up(&mut self, view: &SweepView) {
        self.call(&json!({"event": "taken-up", "sweep": view}).to_string());
    }

    fn progress(&mut self, view: &SweepView) {
        self.call(&json!({"event": "sweep", "sweep": view}).to_string());
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        self.wait()
    }
}
