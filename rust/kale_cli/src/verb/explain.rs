//! `kale-rs explain`.

use kale_model::Severity;
use kale_verbs::explain::{ExplainRequest, explain as pages_of};
use kale_verbs::render::table;

use super::Done;
use crate::args::ExplainArgs;
use crate::output;

pub fn explain(args: ExplainArgs) -> Done {
    let one = args.id.is_some();
    let pages = pages_of(&ExplainRequest { id: args.id })?;
    if args.json {
        output::json(&serde_json::json!({ "diagnostics": pages }));
    } else if one {
        for page in &pages {
            let style = output::stdout_style();
            output::answer(format_args!("{} ({})\n\n{}\n", style.bold(page.id), word(page.severity), page.text));
        }
    } else {
        let rows: Vec<Vec<String>> = pages
            .iter()
            .map(|page| vec![page.id.to_owned(), word(page.severity).to_owned(), page.summary.clone()])
            .collect();
        output::answer(table::table(&rows));
    }
    Ok(0)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
