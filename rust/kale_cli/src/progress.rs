//! A run as it goes: a line per step on a terminal, plain lines elsewhere. And values on their way. All of it on stderr.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kale_model::{Diagnostic, Event, StepStatus};
use kale_verbs::render::{self, Context, Style, text};
use kale_verbs::snapshot::Progress as Transfer;
use kale_verbs::{Interrupt, Listener, Listing, Prepared};

use crate::interrupt;
use crate::output::stderr_style;

/// What the environment's line is called; no step's name has a space.
const ENVIRONMENT: &str = "the environment";

pub struct Progress {
    style: Style,
    /// `None` where there is no terminal.
    bars: Option<MultiProgress>,
    running: BTreeMap<String, ProgressBar>,
    listing: Listing,
    has_begun: bool,
    cancelling: bool,
}

impl Progress {
    pub fn new() -> Progress {
        Progress {
            style: stderr_style(),
            bars: io::stderr().is_terminal().then(MultiProgress::new),
            running: BTreeMap::new(),
            listing: Listing::default(),
            has_begun: false,
            cancelling: false,
        }
    }

    /// Whether there was anything to tell of a run.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => crate::output::note(line),
        }
    }

    fn show(&self, diagnostic: &Diagnostic) {
        let context = Context { listing: &self.listing, colour: self.style.colour };
        self.say(text::diagnostic(diagnostic, &context).trim_end());
    }

    fn step_started(&mut self, step: &str, attempt: u32) {
        let again = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
        match &self.bars {
            Some(bars) => {
                let spinner = ProgressStyle::with_template("{spinner:.cyan} {prefix:.bold}  {elapsed:.dim}  {msg}")
                    .expect("the template is valid");
                let bar =
                    bars.add(ProgressBar::new_spinner().with_style(spinner).with_prefix(format!("{step}{again}")));
                bar.enable_steady_tick(Duration::from_millis(100));
                self.running.insert(step.to_owned(), bar);
            }
            None => self.say(&format!("  {step} started{again}")),
        }
    }

    fn cell_started(&self, step: &str, cell: usize, done: usize, total: usize) {
        if let Some(bar) = self.running.get(step) {
            bar.set_message(format!("cell {cell} ({} of {total})", done + 1));
        }
    }

    fn step_finished(&mut self, step: &str, status: StepStatus, seconds: f64, reason: Option<&str>) {
        let bar = self.running.remove(step);
        let never_started = self.bars.is_some() && bar.is_none();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let style = self.style;
        let (mark, word) = match status {
            StepStatus::Succeeded => (style.green("✓"), String::new()),
            StepStatus::Cached => (style.green("="), "cached".to_owned()),
            StepStatus::Skipped => (style.dim("-"), "skipped".to_owned()),
            StepStatus::Failed => (style.red("✗"), style.red("failed")),
            other => (style.yellow("!"), other.as_str().to_owned()),
        };
        let time = match status {
            StepStatus::Cached | StepStatus::Skipped => String::new(),
            StepStatus::Cancelled if never_started => String::new(),
            _ => style.dim(&render::seconds(seconds)),
        };
        let reason = reason.map(|reason| style.dim(&format!("({reason})"))).unwrap_or_default();
        let parts = [style.bold(step), word, time, reason];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.say(&format!("{mark} {}", parts.join("  ")));
    }
}

impl Listener for Progress {
    fn prepared(&mut self, prepared: &Prepared<'_>) {
        interrupt::follow();
        self.has_begun = true;
        self.listing = prepared.listing.clone();
        if let Some(remark) = prepared.remark {
            self.say(&format!("{} {remark}", self.style.cyan("note:")));
        }
        if !prepared.diagnostics.is_empty() {
            let context = Context { listing: &self.listing, colour: self.style.colour };
            self.say(text::pressing(prepared.diagnostics, &context).trim_end());
        }
        let steps = render::count(prepared.steps, "step");
        self.say(&format!("run {}  {}, {steps}", self.style.bold(&prepared.run.0), prepared.pipeline));
    }

    fn event(&mut self, event: &Event) {
        self.has_begun = true;
        match event {
            Event::StepStarted { step, attempt, .. } => self.step_started(step, *attempt),
            Event::CellStarted { step, cell, done, total } => self.cell_started(step, *cell, *done, *total),
            Event::StepFinished { step, status, seconds, reason, .. } => {
                self.step_finished(step, *status, *seconds, reason.as_deref());
            }
            Event::Diagnostic { diagnostic } => self.show(diagnostic),
            Event::Metric { step, name, value, .. } => {
                if let Some(bar) = self.running.get(step) {
                    bar.set_message(format!("{name} = {}", render::scalar(value)));
                }
            }
            Event::EnvironmentStarted { packages, tool, .. } => {
                let packages = render::count(*packages, "package");
                match self.bars {
                    Some(_) => self.step_started(ENVIRONMENT, 1),
                    None => self.say(&format!("  making an environment of {packages} with {tool} ...")),
                }
            }
            Event::EnvironmentProgress { text } => match self.running.get(ENVIRONMENT) {
                Some(bar) => bar.set_message(text.clone()),
                None if self.bars.is_none() => {}
                None => self.say(text),
            },
            Event::EnvironmentFinished { seconds, .. } => {
                self.step_finished(ENVIRONMENT, StepStatus::Succeeded, *seconds, None);
            }
            Event::Submitted { context, url, .. } => self.say(&format!("on {}  {url}", self.style.bold(context))),
            Event::RunStarted { .. } => {}
            // What was not made has no end of its own.
            Event::RunFinished { .. } => self.running.values().for_each(ProgressBar::finish_and_clear),
        }
    }

    fn log(&mut self, _step: &str, text: &str) {
        crate::output::answer(text);
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        if !interrupt::pressed() {
            return None;
        }
        if !self.cancelling {
            self.cancelling = true;
            self.say("cancelling (Ctrl-C again leaves at once) ...");
        }
        Some(Interrupt::Cancel)
    }
}

/// A bar while values travel, on a terminal.
pub struct Transferring {
    bar: Option<ProgressBar>,
}

impl Transferring {
    pub fn new() -> Transferring {
        interrupt::follow();
        let style =
            ProgressStyle::with_template("{bar:30.cyan/dim} {bytes} of {total_bytes}  {bytes_per_sec}  {eta:.dim}")
                .expect("the template is valid");
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        Transferring { bar }
    }
}

impl Listener for Transferring {
    fn transfer(&mut self, progress: &Transfer) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total.bytes);
            bar.set_position(progress.done.bytes);
        }
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        interrupt::pressed().then_some(Interrupt::Leave)
    }
}

impl Drop for Transferring {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
