//! `kale-rs show`.

mod step;

use kale_verbs::Session;
use kale_verbs::render::{self, table};
use kale_verbs::show::{ShowRequest, Shown, show as show_run, show_step};

use super::{Done, note_diagnostics, store};
use crate::args::ShowArgs;
use crate::output;

pub fn show(session: &Session, args: ShowArgs) -> Done {
    let request =
        ShowRequest { run: args.run, step: args.step, pulse: false, detail: !args.json, store: store(args.store) };
    if let Some(step) = &request.step {
        let page = show_step(session, &request, step)?;
        if args.json {
            output::json(&page);
        } else {
            output::answer(step::text(&page));
        }
        return Ok(0);
    }
    let shown = show_run(session, &request)?;
    if args.json {
        output::json(&shown);
        return Ok(0);
    }
    output::answer(text(&shown));
    note_diagnostics(&shown.run.diagnostics, &shown.listing);
    Ok(0)
}

fn text(shown: &Shown) -> String {
    let (run, style) = (&shown.run, output::stdout_style());
    let id = run.run_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut out = format!("run       {}\n", style.bold(&id));
    out.push_str(&format!("status    {} in {}\n", render::run_status(run.status, style), render::seconds(run.seconds)));
    out.push_str(&format!("source    {}\n", output::path(&shown.listing.label)));
    if let Some(context) = &run.context {
        let page = run.remote.as_ref().map(|remote| format!("  {}", remote.url)).unwrap_or_default();
        out.push_str(&format!("on        {}\n", render::without_controls(&format!("{context}{page}"))));
    }
    if let Some(place) = &run.trial {
        out.push_str(&format!("sweep     trial {} of sweep {}\n", place.trial, place.sweep_id));
    }
    if let Some(pulled) = &shown.pulled {
        let trust = if pulled.trusted { "trusted" } else { "not trusted: `restore` asks for `--trust`" };
        out.push_str(&format!("pulled    from {} ({trust})\n", pulled.origin));
    }
    if let Some(notebook) = &run.notebook {
        out.push_str(&format!("notebook  {}\n", output::path(notebook)));
    }
    for (name, value) in &run.parameters {
        out.push_str(&format!("parameter {name} = {value}\n"));
    }
    out.push('\n');
    out.push_str(&table::table(&step_rows(shown)));
    if !run.metrics.is_empty() {
        out.push('\n');
        out.push_str(&table::table(&render::metric_rows(&run.metrics)));
    }
    out
}

fn step_rows(shown: &Shown) -> Vec<Vec<String>> {
    let heading = ["step", "status", "time", "cpu", "peak memory", "cells", ""].map(str::to_owned).to_vec();
    let details = shown.detail.iter().flat_map(|detail| &detail.details);
    let rows = shown.run.steps.iter().zip(details).map(|(step, detail)| {
        let again = if detail.attempt > 1 { format!("attempt {}; ", detail.attempt) } else { String::new() };
        vec![
            step.name.clone(),
            step.status.as_str().to_owned(),
            if step.seconds > 0.0 { render::seconds(step.seconds) } else { String::new() },
            detail.cpu_seconds.map(render::seconds).unwrap_or_default(),
            detail.peak_memory_bytes.map(render::bytes).unwrap_or_default(),
            render::cell_ranges(&step.cells),
            format!("{again}{}", detail.reason.as_deref().unwrap_or_default()),
        ]
    });
    [heading].into_iter().chain(rows).collect()
}
