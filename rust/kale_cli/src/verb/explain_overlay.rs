//! `kale-rs explain-overlay`.

use kale_verbs::Session;
use kale_verbs::explain_overlay::{ExplainOverlayRequest, explain_overlay as settings_of, render};

use super::{Done, note_diagnostics, source, status};
use crate::args::ExplainOverlayArgs;
use crate::output;

pub fn explain_overlay(session: &Session, args: ExplainOverlayArgs) -> Done {
    let request = ExplainOverlayRequest { source: source(args.source).with_overlay(args.overlay), on: args.on };
    let answer = settings_of(session, &request)?;
    if args.json {
        output::json(&answer);
        return Ok(status(answer.is_good));
    }
    note_diagnostics(&answer.diagnostics, &answer.listing);
    if answer.is_good {
        output::answer(render(&answer));
    }
    Ok(status(answer.is_good))
}
