//! `kale-rs run` and `kale-rs resume`, which end alike.

use kale_model::{Code, Diagnostic, RunStatus, RunView};
use kale_verbs::render::{self, Style, table};
use kale_verbs::resume::{ResumeRequest, resume as resume_run};
use kale_verbs::run::{RunAnswer, RunRequest, run as run_notebook};
use kale_verbs::{Session, Stage, parameters::ParameterInputs};

use super::{Done, note_diagnostics, source, status, store};
use crate::args::{ResumeArgs, RunArgs};
use crate::progress::Progress;
use crate::{interrupt, output};

pub fn run(session: &Session, args: RunArgs) -> Done {
    let request = RunRequest {
        source: source(args.source).with_overlay(args.overlay),
        parameters: ParameterInputs { assignments: args.parameters, file: args.params, ..Default::default() },
        jobs: args.jobs.map(usize::from),
        no_cache: args.no_cache,
        no_warm: args.no_warm,
        from: args.from,
        verify: args.verify.into(),
        differential: args.differential,
        isolated: args.isolated,
        snapshot_limit: args.snapshot_limit,
        output_notebook: args.output_notebook,
        openlineage: args.openlineage,
        on: args.on,
        then: args.then,
        gates: args.gate,
        detach: args.detach,
    };
    let answer = run_notebook(session, &request, &mut Progress::new())?;
    if request.differential && answer.run.status == RunStatus::Succeeded && !args.json {
        output::remark(agreement(&answer.run.diagnostics));
    }
    Ok(finish(&answer, args.json))
}

pub fn resume(session: &Session, args: ResumeArgs) -> Done {
    let request = ResumeRequest { run: args.run, store: store(args.store), detach: args.detach };
    let mut progress = Progress::new();
    let answer = resume_run(session, &request, &mut progress)?;
    if !progress.has_begun() && answer.promotion.is_empty() && !args.json {
        output::remark(Some("there is nothing to resume: the run has succeeded"));
    }
    Ok(finish(&answer, args.json))
}

/// What a comparison with the notebook says when it has nothing to find fault with.
fn agreement(diagnostics: &[Diagnostic]) -> Option<&'static str> {
    let doubtful = [Code::DiffersFromNotebook, Code::NotRepeatable, Code::NotVerified];
    let agrees = !diagnostics.iter().any(|diagnostic| doubtful.contains(&diagnostic.code));
    agrees.then_some("run from top to bottom, the notebook gives the same values, outputs and metrics")
}

/// The answer, and the exit status.
fn finish(answer: &RunAnswer, json: bool) -> i32 {
    let run = &answer.run;
    if json {
        output::json(answer);
    } else if run.run_id.is_none() {
        note_diagnostics(&run.diagnostics, &answer.listing);
    } else {
        output::answer(format_args!("{}{}", summary(run, output::stdout_style()), stages(&answer.promotion)));
    }
    if run.status == RunStatus::Cancelled && interrupt::pressed() {
        return interrupt::STATUS;
    }
    status(answer.is_good())
}

/// Whether it is an error that mending the notebook may mend.
fn is_of_the_notebook(diagnostic: &Diagnostic) -> bool {
    let is_elsewhere = matches!(
        diagnostic.code,
        Code::EngineDied | Code::StoreUnwritable | Code::ClusterRefused | Code::ClusterUnreachable | Code::NotPromoted
    );
    diagnostic.is_error() && !is_elsewhere
}

/// How far the notebook has come, context after context.
fn stages(promotion: &[Stage]) -> String {
    if promotion.is_empty() {
        return String::new();
    }
    let row = |stage: &Stage| {
        let status = stage.status.map_or("not started", |status| status.as_str());
        let run = stage.run_id.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![stage.context.clone(), status.to_owned(), run]
    };
    let heading = ["context", "status", "run"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(promotion.iter().map(row)).collect();
    format!("\n{}", table::table(&rows))
}

/// The run's end: how it went, its metrics, and where the executed notebook is.
fn summary(run: &RunView, style: Style) -> String {
    let id = run.run_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let status = render::run_status(run.status, style);
    let mut out = match run.status {
        RunStatus::Pending | RunStatus::Running => format!("{status}\n"),
        _ => format!("{status} in {}\n", render::seconds(run.seconds)),
    };
    if !run.metrics.is_empty() {
        out.push('\n');
        out.push_str(&table::table(&render::metric_rows(&run.metrics)));
        out.push('\n');
    }
    if let Some(notebook) = &run.notebook {
        out.push_str(&format!("notebook  {}\n", output::path(notebook)));
    }
    let next = match run.status {
        RunStatus::Failed | RunStatus::Interrupted if run.diagnostics.iter().any(is_of_the_notebook) => {
            let source = run.source.as_deref().map_or("NOTEBOOK", output::path);
            format!("after mending the notebook: `kale-rs run {source}`; otherwise: `kale-rs resume {id}`")
        }
        RunStatus::Interrupted | RunStatus::Cancelled | RunStatus::Failed => format!("to go on: `kale-rs resume {id}`"),
        RunStatus::Pending | RunStatus::Running => {
            format!("to watch: `kale-rs logs {id} -f`; to stop: `kale-rs cancel {id}`")
        }
        RunStatus::Succeeded => format!("run {id}"),
    };
    out.push_str(&style.dim(&next));
    out.push('\n');
    out
}
