//! What we tell people about their notebooks. A diagnostic is a value; terminal and JSON renderers live elsewhere.

mod code;
mod fix;

use serde::{Deserialize, Serialize};

pub use code::Code;
pub use fix::{Edit, Fix, NewCell, TagChange};

use crate::cell::{CellIndex, Position, Span, SubCells};
use crate::run::RunId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// There is no pipeline (or the run failed).
    Error,
    /// The pipeline is right, but probably not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// Serialises as the contract's `D`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    #[serde(rename = "id")]
    pub code: Code,
    pub severity: Severity,
    /// What is the matter, one sentence, names in backticks.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// `None`: it concerns the notebook as a whole.
    pub cell: Option<CellIndex>,
    pub cell_id: Option<String>,
    pub start: Option<Position>,
    pub end: Option<Position>,
    pub related: Vec<Related>,
    pub fixes: Vec<Fix>,
}

/// Another place that takes part in the fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    #[serde(flatten)]
    pub span: Span,
    pub message: String,
}

impl Related {
    /// Moves a place in another notebook to the cell that refers to it, and says where it was.
    pub fn show_in(&mut self, sub_cells: &SubCells) {
        let cell = self.span.cell;
        if sub_cells.origin(cell).is_some() {
            self.message = format!("{} ({}, line {})", self.message, sub_cells.name(cell), self.span.start.line);
            self.span = Span::of_cell(sub_cells.visible(cell));
        }
    }
}

impl Diagnostic {
    /// A diagnostic of the code's own severity, about the notebook as a whole.
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: code.severity(),
            message: message.into(),
            help: help.into(),
            cell: None,
            cell_id: None,
            start: None,
            end: None,
            related: vec![],
            fixes: vec![],
        }
    }

    pub fn at(mut self, span: Span) -> Self {
        self.cell = Some(span.cell);
        self.start = Some(span.start);
        self.end = Some(span.end);
        self
    }

    pub fn with_related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span, message: message.into() });
        self
    }

    pub fn with_fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    pub fn with_fixes(mut self, fixes: impl IntoIterator<Item = Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }

    /// Moves places in other notebooks to the cells that refer to these, and says where they were.
    pub fn shown_in(mut self, sub_cells: &SubCells) -> Self {
        let is_foreign = |edit: &Edit| sub_cells.origin(edit.cell()).is_some();
        self.fixes.retain(|fix| !fix.edits.iter().any(is_foreign));
        let place = self.cell.zip(self.start);
        if let Some((cell, start)) = place.filter(|(cell, _)| sub_cells.origin(*cell).is_some()) {
            let name = sub_cells.name(cell);
            self.message = format!("In {name}, line {}: {}", start.line, self.message);
            self = self.at(Span::of_cell(sub_cells.visible(cell)));
        }
        self.related.iter_mut().for_each(|related| related.show_in(sub_cells));
        self
    }

    /// The same in whole sentences: a capital at the start, a full stop at the end.
    pub fn in_sentences(mut self) -> Self {
        self.message = sentence(&self.message);
        self.help = sentence(&self.help);
        self
    }

    /// With commands that can be copied: `kale-rs resume RUN` names the run.
    pub fn for_run(mut self, run: &RunId) -> Self {
        for verb in ["show", "logs", "resume", "cancel", "restore"] {
            self.help = self.help.replace(&format!("kale-rs {verb} RUN"), &format!("kale-rs {verb} {run}"));
        }
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '?', '!', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}
