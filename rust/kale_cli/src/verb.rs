//! One file per verb: arguments to a request, an answer to text and an exit status.

pub mod archive;
pub mod artifact;
pub mod cancel;
pub mod check;
pub mod compile;
pub mod context;
pub mod diff;
pub mod doctor;
pub mod engine;
pub mod explain;
pub mod explain_overlay;
pub mod gc;
pub mod graph;
pub mod lineage;
pub mod logs;
pub mod predict;
pub mod restore;
pub mod run;
pub mod runs;
pub mod schedule;
pub mod serve;
pub mod services;
pub mod show;
pub mod snapshot;
pub mod sweep;
pub mod sweeps;

use kale_model::Diagnostic;
use kale_model::sweep::Space;
use kale_verbs::render::{Context, text};
use kale_verbs::{Listing, Source, StoreChoice, VerbError};

use crate::args::{SourceArgs, StoreArgs};
use crate::output;

/// An exit status, or why there is no answer.
pub type Done = Result<i32, VerbError>;

fn source(args: SourceArgs) -> Source {
    Source { notebook: args.notebook, granularity: args.granularity, python: args.python, ..Source::default() }
}

fn store(args: StoreArgs) -> StoreChoice {
    StoreChoice { store: args.store }
}

/// 1 when the notebook or run has errors.
fn status(good: bool) -> i32 {
    i32::from(!good)
}

/// Diagnostics beside an answer that is something else: what asks for attention, and how many notes `check` has.
fn note_diagnostics(diagnostics: &[Diagnostic], listing: &Listing) {
    if !diagnostics.is_empty() {
        let context = Context { listing, colour: output::stderr_style().colour };
        output::note(text::pressing(diagnostics, &context).trim_end());
    }
}

/// Ranges that nobody gave.
fn note_guessed(space: &Space) {
    output::note("varied, by the notebook's own values (`--param NAME=RANGE` for others):");
    for dimension in &space.0 {
        output::note(format_args!("  {}={}", dimension.name, dimension.domain));
    }
}
