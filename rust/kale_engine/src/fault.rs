//! Words for what goes wrong with a step.

use std::fs;
use std::io;
use std::path::Path;

use kale_model::{CellIndex, Code, Diagnostic, Pipeline, Span, Step};
use kale_store::{Store, StoreError};

use crate::attempt::{Ending, Limits};
use crate::process;
use crate::report::{Report, ReportedError};
use crate::worker::{Exit, describe};

pub struct Fault<'a> {
    pub pipeline: &'a Pipeline,
    pub step: &'a Step,
    pub python: &'a Path,
    /// What the step printed.
    pub log: &'a Path,
    /// Whether it ran in an environment of the run's own.
    pub isolated: bool,
    /// The notebook's folder.
    pub directory: &'a Path,
    pub store: &'a Store,
}

impl Fault<'_> {
    /// Why an attempt that was not a success failed.
    pub fn of(&self, ending: Ending, report: Option<&Report>, last_cell: Option<usize>, limits: &Limits) -> Diagnostic {
        match ending {
            Ending::TimedOut => self.timed_out(limits, last_cell),
            Ending::OverMemory(used) => self.over_memory(used, limits, last_cell),
            Ending::Exited { exit, out_of_memory } => match report.and_then(|report| report.error.as_ref()) {
                Some(error) => self.reported(error),
                None => self.without_report(exit, out_of_memory, last_cell),
            },
            Ending::Stopped => self.died("a cancellation", false, last_cell),
        }
    }

    fn without_report(&self, exit: Exit, out_of_memory: bool, last_cell: Option<usize>) -> Diagnostic {
        let by_itself = exit.status.is_some_and(|status| status.code().is_some());
        match self.gone(last_cell).filter(|_| by_itself) {
            Some(gone) => gone,
            None if by_itself && last_cell.is_none() => self.not_begun(&describe(exit.status)),
            None => self.died(&describe(exit.status), out_of_memory, last_cell),
        }
    }

    pub fn not_started(&self, error: &io::Error) -> Diagnostic {
        self.diagnostic(
            Code::StepNotStarted,
            format!("Step `{}` could not be started: `{}`: {error}.", self.step.name, self.python.display()),
            process::what_to_raise(error).unwrap_or("Give an interpreter that exists with `--python`."),
        )
    }

    /// A folder that was there when the run began, and is not any more.
    fn gone(&self, last_cell: Option<usize>) -> Option<Diagnostic> {
        let folder = match () {
            () if !self.directory.is_dir() => self.directory,
            () if !self.store.is_there() => self.store.root(),
            () => return None,
        };
        let diagnostic = self.diagnostic(
            Code::StepDied,
            format!(
                "Step `{}` could not go on: `{}` was moved or removed while the run was at work.",
                self.step.name,
                folder.display()
            ),
            "Put it back, then `kale-rs resume RUN`; or run the notebook anew where it is now. A cell may have done it.",
        );
        Some(self.at(diagnostic, last_cell.or(self.first_cell()), None, None))
    }

    /// The interpreter ended by itself before the first cell: it is no Python, too old, or a definition that the
    /// cells need took it down.
    fn not_begun(&self, how: &str) -> Diagnostic {
        let log = fs::read_to_string(self.log).unwrap_or_default();
        let said = log.lines().rev().find(|line| !line.trim().is_empty());
        let said = said.map_or(String::new(), |line| format!(" It said: {}", line.trim()));
        self.diagnostic(
            Code::StepNotStarted,
            format!("The process of step `{}` ended before its first cell, by {how}.{said}", self.step.name),
            "Check that the interpreter works and is Python 3.10 or newer; `--python` gives another one.",
        )
    }

    /// The process ended without a result, and the disk it would have been written to is full.
    pub fn no_room(&self, folder: &Path) -> Diagnostic {
        self.diagnostic(
            Code::StoreUnwritable,
            format!(
                "Step `{}` could not store its values: no space is left on the disk of `{}`.",
                self.step.name,
                folder.display()
            ),
            "Free space on the disk, then `kale-rs resume RUN`.",
        )
    }

    /// The step's values could not be made durable.
    pub fn not_kept(&self, error: &StoreError) -> Diagnostic {
        if let Some(gone) = self.gone(self.first_cell()) {
            return gone;
        }
        let told = error.diagnostic();
        self.diagnostic(
            told.code,
            format!("Step `{}` ran, but {}", self.step.name, lower_first(&told.message)),
            &told.help,
        )
    }

    /// What an earlier step has stored is no longer what it was.
    pub fn damaged(&self, input: &str) -> Diagnostic {
        let diagnostic = self.diagnostic(
            Code::StoreDamaged,
            format!(
                "Step `{}` could not read `{input}`: what was stored has changed on the disk since.",
                self.step.name
            ),
            "The damaged value was removed from the store: run the notebook again, and the step that makes it runs.",
        );
        self.at(diagnostic, self.first_cell(), None, None)
    }

    pub fn no_output(&self, key: &str) -> Diagnostic {
        self.diagnostic(
            Code::ValueNotStored,
            format!("Step `{}` ended without its output `{key}`.", self.step.name),
            &format!("`kale-rs logs RUN {}` shows what it printed.", self.step.name),
        )
    }

    fn reported(&self, error: &ReportedError) -> Diagnostic {
        let place = error.cell.map_or(String::new(), |cell| {
            let cell = self.pipeline.sub_cells.name(CellIndex(cell));
            error.line.map_or(format!(" in {cell}"), |line| format!(" in {cell}, line {line}"))
        });
        if let Some(name) = self.undeclared_read(error) {
            let bound = self.pipeline.sub_cells.name(self.pipeline.bindings[name]);
            let message = format!(
                "Step `{}`{place} reads `{name}`, which {bound} binds, and the analysis did not see it: the step \
                 was not given the variable.",
                self.step.name
            );
            let help = "Write `{name}` in a line of its own at the top of the cell, or put both cells into one step; \
                        and report it, please.";
            let diagnostic = self.diagnostic(Code::UndeclaredRead, message, &help.replace("{name}", name));
            return self.at(diagnostic, error.cell, error.line, error.column);
        }
        let (message, help) = match error.code {
            Code::StepFailed if self.isolated && is_import_error(&error.kind) => (
                self.raised(error, &place),
                "An isolated run has what the steps' code imports. For what a library loads by itself, import it in the \
                 cell as well, or add a line `%pip install PACKAGE` to the notebook."
                    .to_owned(),
            ),
            Code::StepFailed => (
                self.raised(error, &place),
                format!(
                    "Correct the cell and run again: finished steps are not run again. `kale-rs logs RUN {}` has the whole \
                     traceback.",
                    self.step.name
                ),
            ),
            Code::StoreUnwritable => (
                format!("Step `{}`{place}: {}", self.step.name, error.message),
                "Free space on the disk, then `kale-rs resume RUN`.".to_owned(),
            ),
            code if is_broken_promise(code) => (
                format!("Step `{}`{place}: {}.", self.step.name, error.message),
                format!(
                    "If a `# kale:` comment says otherwise, correct it; else the fault is ours: report it, please, and put \
                     the cells that share it into one step. `kale-rs explain {code}` says more."
                ),
            ),
            _ => (
                format!("Step `{}`{place}: {}", self.step.name, error.message),
                format!(
                    "`kale-rs explain {}` says more; `kale-rs logs RUN {}` shows what the step printed.",
                    error.code, self.step.name
                ),
            ),
        };
        let diagnostic = self.diagnostic(error.code, message, &help);
        self.at(diagnostic, error.cell, error.line, error.column)
    }

    fn raised(&self, error: &ReportedError, place: &str) -> String {
        let said = if error.message.is_empty() { String::new() } else { format!(": {}", error.message) };
        format!("Step `{}` raised `{}`{place}{said}", self.step.name, error.kind)
    }

    /// A variable that an earlier cell binds and that the step was not given.
    fn undeclared_read<'e>(&self, error: &'e ReportedError) -> Option<&'e str> {
        let name = error.missing.as_deref()?;
        let bound = self.pipeline.bindings.get(name)?;
        error.cell.is_some_and(|cell| bound.0 < cell).then_some(name)
    }

    fn timed_out(&self, limits: &Limits, last_cell: Option<usize>) -> Diagnostic {
        let seconds = limits.time.unwrap_or_default().as_secs();
        let diagnostic = self.diagnostic(
            Code::StepTimedOut,
            format!("Step `{}` was ended: it took longer than its `timeout:` of {seconds} s.", self.step.name),
            "Raise the `timeout:` tag, or make the step faster.",
        );
        self.at(diagnostic, last_cell, None, None)
    }

    fn over_memory(&self, used: u64, limits: &Limits, last_cell: Option<usize>) -> Diagnostic {
        let limit = limits.memory_bytes.unwrap_or_default();
        let diagnostic = self.diagnostic(
            Code::StepDied,
            format!(
                "Step `{}` was killed for memory: it used {}, and its `memory:` limit is {}.",
                self.step.name,
                in_units(used),
                in_units(limit)
            ),
            "Raise the `memory:` tag, or work on less data at a time.",
        );
        self.at(diagnostic, last_cell.or(self.first_cell()), None, None)
    }

    fn died(&self, how: &str, out_of_memory: bool, last_cell: Option<usize>) -> Diagnostic {
        let diagnostic = if out_of_memory {
            self.diagnostic(
                Code::StepDied,
                format!(
                    "Step `{}` was killed for memory: the machine had none left, so the kernel ended it ({how}).",
                    self.step.name
                ),
                "Work on less data at a time, or run fewer steps at once with `--jobs 1`.",
            )
        } else {
            self.diagnostic(
                Code::StepDied,
                format!("The process of step `{}` ended without a result, by {how}.", self.step.name),
                &format!(
                    "`os._exit`, a crash of a compiled library, or a kill from outside end a step like this; `kale-rs \
                     logs RUN {}` shows what it printed.",
                    self.step.name
                ),
            )
        };
        self.at(diagnostic, last_cell, None, None)
    }

    /// The place of what happened before anybody could see in which cell.
    fn first_cell(&self) -> Option<usize> {
        self.step.cells.first().map(|cell| cell.index.0)
    }

    fn diagnostic(&self, code: Code, message: String, help: &str) -> Diagnostic {
        Diagnostic::new(code, message, help)
    }

    /// Places the diagnostic in a cell of the step (or in one whose definitions it repeats).
    fn at(
        &self,
        diagnostic: Diagnostic,
        cell: Option<usize>,
        line: Option<usize>,
        column: Option<usize>,
    ) -> Diagnostic {
        let Some(index) = cell else { return diagnostic };
        let own = CellIndex(index);
        let mut span = Span::of_cell(self.pipeline.sub_cells.visible(own));
        // The lines of another notebook are not those of the cell that refers to it.
        if span.cell == own {
            span.start.line = line.unwrap_or(1).max(1);
            span.start.column = column.unwrap_or(1).max(1);
            span.end = span.start;
        }
        let mut diagnostic = diagnostic.at(span);
        diagnostic.cell_id = self.step.cells.iter().find(|cell| cell.index.0 == index).map(|cell| cell.id.clone());
        diagnostic
    }
}

fn is_import_error(kind: &str) -> bool {
    matches!(kind, "ModuleNotFoundError" | "ImportError" | "PackageNotFoundError")
}

/// Faults of the analysis, not of the notebook.
fn is_broken_promise(code: Code) -> bool {
    matches!(
        code,
        Code::UndeclaredChange
            | Code::UndeclaredSharing
            | Code::MissingOutput
            | Code::UndeclaredRandomness
            | Code::UndeclaredSetting
            | Code::ValueNotFaithful
    )
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_lowercase().chain(characters).collect())
}

/// `512.0 MiB`, `1.5 GiB`.
fn in_units(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 { format!("{mebibytes:.1} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}
