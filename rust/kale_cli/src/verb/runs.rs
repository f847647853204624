//! `kale-rs runs`.

use kale_model::{RunView, StepStatus};
use kale_verbs::Session;
use kale_verbs::render::{self, table};
use kale_verbs::runs::{RunsRequest, runs as list_runs};

use super::{Done, store};
use crate::args::RunsArgs;
use crate::output;

pub fn runs(session: &Session, args: RunsArgs) -> Done {
    let request =
        RunsRequest { notebook: args.notebook, store: store(args.store), trials: args.trials, limit: args.limit };
    let list = list_runs(session, &request)?;
    if args.json {
        output::json(&list);
    } else if list.runs.is_empty() {
        output::note(format_args!("no runs in {}", list.root.display()));
        let help = "runs are kept beside their notebook: go to its folder, or name it (`--store NOTEBOOK`)";
        output::note(format_args!("{} {help}", output::stderr_style().cyan("help:")));
    } else {
        let heading = ["run", "status", "time", "steps", "notebook", "metrics"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = [heading].into_iter().chain(list.runs.iter().map(row)).collect();
        output::answer(table::table(&rows));
    }
    Ok(0)
}

fn row(run: &RunView) -> Vec<String> {
    let done =
        run.steps.iter().filter(|step| matches!(step.status, StepStatus::Succeeded | StepStatus::Cached)).count();
    let notebook = run.source.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or("-");
    let metrics: Vec<String> =
        run.metrics.iter().take(4).map(|(name, value)| format!("{name}={}", render::metric(value))).collect();
    vec![
        run.run_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        run.status.as_str().to_owned(),
        render::seconds(run.seconds),
        format!("{done}/{}", run.steps.len()),
        notebook.to_owned(),
        metrics.join(" "),
    ]
}
