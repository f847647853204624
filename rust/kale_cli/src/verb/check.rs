//! `kale-rs check`.

use kale_verbs::Session;
use kale_verbs::check::{CheckRequest, check as check_notebook};
use kale_verbs::render::{Context, github, sarif, text};

use super::{Done, source, status};
use crate::args::{CheckArgs, CheckFormat};
use crate::output;

pub fn check(session: &Session, args: CheckArgs) -> Done {
    let checked = check_notebook(session, &CheckRequest { source: source(args.source), fix: args.fix })?;
    for fixed in checked.fixed.iter().flatten() {
        let place = fixed.cell.map_or(String::new(), |cell| format!(" in cell {}", cell.0));
        output::note(format_args!("{} [{}]{place}: {}", output::stderr_style().green("fixed"), fixed.id, fixed.title));
    }
    let good = !checked.has_errors();
    let format = if args.json { CheckFormat::Json } else { args.format };
    let colour = output::stdout_style().colour;
    let context = Context { listing: &checked.listing, colour };
    match format {
        CheckFormat::Json => output::json(&checked),
        CheckFormat::Text => {
            output::remark(checked.remark.as_deref());
            output::answer(text::diagnostics(&checked.diagnostics, &context));
        }
        CheckFormat::Github => output::answer(github::diagnostics(&checked.diagnostics, &context)),
        CheckFormat::Sarif => output::answer(sarif::diagnostics(&checked.diagnostics, &context)),
    }
    Ok(status(good))
}
