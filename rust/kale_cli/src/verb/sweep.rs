//! `kale-rs sweep`.

use std::collections::BTreeSet;

use kale_model::RunStatus;
use kale_model::sweep::{Direction, ObjectiveView, SweepId, SweepView, TrialView};
use kale_verbs::render::{self, count, table};
use kale_verbs::sweep::{SweepAnswer, SweepListener, SweepPlan, SweepRequest, sweep as carry_out};
use kale_verbs::{Interrupt, Session};

use super::{Done, note_diagnostics, note_guessed, source, status};
use crate::args::SweepArgs;
use crate::{interrupt, output};

pub fn sweep(session: &Session, mut args: SweepArgs) -> Done {
    let request = SweepRequest {
        source: source(args.source).with_overlay(args.overlay),
        parameters: args.options.parameters(),
        options: args.options.options(),
        no_cache: args.no_cache,
        plan: args.plan,
        detach: args.detach,
    };
    let answer = carry_out(session, &request, &mut Progress::default())?;
    note_diagnostics(&answer.diagnostics, &answer.listing);
    if args.json {
        output::json(&answer);
    } else if let Some(view) = &answer.sweep {
        output::answer(summary(view));
    }
    if interrupt::pressed() {
        return Ok(interrupt::STATUS);
    }
    Ok(status(is_good(&answer)))
}

fn is_good(answer: &SweepAnswer) -> bool {
    match &answer.sweep {
        Some(view) => !matches!(view.status, RunStatus::Failed | RunStatus::Cancelled | RunStatus::Interrupted),
        None => answer.plan.is_some(),
    }
}

/// A line for the plan, and one for each trial that is over.
#[derive(Default)]
pub struct Progress {
    told: BTreeSet<u64>,
}

impl SweepListener for Progress {
    fn planned(&mut self, sweep: Option<&SweepId>, plan: &SweepPlan) {
        interrupt::follow();
        if plan.is_guessed {
            note_guessed(&plan.definition.space);
        }
        for objective in plan.definition.objectives.iter().filter(|_| plan.is_direction_guessed) {
            let (better, other) = match objective.direction {
                Direction::Minimize => ("smaller", "--maximize"),
                Direction::Maximize => ("larger", "--minimize"),
            };
            output::note(format_args!("`{}` is taken to be better when {better} (else `{other}`)", objective.metric));
        }
        plan.remarks.iter().for_each(|remark| output::remark(Some(remark)));
        for name in &plan.unread {
            output::note(format_args!("no step reads `{name}`: trials are alike in it"));
        }
        let runs = match plan.step_executions {
            Some(runs) if runs < plan.without_sharing => {
                format!("{}, not {}", count(runs, "step run"), plan.without_sharing)
            }
            Some(runs) => count(runs, "step run"),
            None => format!("at most {}", count(plan.without_sharing, "step run")),
        };
        let time = plan.seconds.map(|seconds| format!(", about {}", render::seconds(seconds))).unwrap_or_default();
        let name = sweep.map(|id| format!("sweep {id}: ")).unwrap_or_default();
        output::note(format_args!("{name}{}: {runs}{time}", count(plan.trials, "trial")));
    }

    fn taken_up(&mut self, view: &SweepView) {
        interrupt::follow();
        self.told.extend(view.trials.iter().filter(|trial| trial.status.is_finished()).map(|trial| trial.trial));
    }

    fn progress(&mut self, view: &SweepView) {
        for trial in view.trials.iter().filter(|trial| trial.status.is_finished()) {
            if self.told.insert(trial.trial) {
                output::note(line(trial, view));
            }
        }
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        interrupt::pressed().then_some(Interrupt::Cancel)
    }
}

fn line(trial: &TrialView, view: &SweepView) -> String {
    let style = output::stderr_style();
    let values: Vec<String> = trial.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let came = trial.reason.clone().unwrap_or_else(|| told(trial, view).join(" "));
    let status = render::run_status(trial.status, style);
    format!("{:>4}  {status}  {}  {}", trial.trial, values.join(" "), render::inert(&came))
}

/// `METRIC=VALUE` of each objective.
pub fn told(trial: &TrialView, view: &SweepView) -> Vec<String> {
    let objectives = if view.objectives.is_empty() { std::slice::from_ref(&view.objective) } else { &view.objectives };
    let value = |objective: &ObjectiveView| {
        let value = trial.metrics.get(&objective.metric)?;
        Some(format!("{}={}", objective.metric, render::metric(value)))
    };
    objectives.iter().filter_map(value).collect()
}

/// The sweep's end: the best trials, and where to go from there.
pub fn summary(view: &SweepView) -> String {
    let style = output::stdout_style();
    let (status, sweep) = (render::run_status(view.status, style), &view.definition);
    let chosen = format!("{}, seed {}", sweep.algorithm.as_str(), sweep.seed);
    let (trials, runs) = (trials(view), count(view.step_executions, "step run"));
    let mut out = format!("{status}  {trials}, {runs}  ({chosen})\n");
    match &view.best {
        Some(best) => {
            let mut rows = vec![vec!["best".to_owned(), format!("trial {}", best.trial)]];
            rows.push(vec![view.objective.metric.clone(), best.value.to_string()]);
            rows.extend(best.parameters.iter().map(|(name, value)| vec![name.clone(), value.to_string()]));
            rows.push(vec!["run".to_owned(), best.run_id.to_string()]);
            out.push('\n');
            out.push_str(&table::table(&rows));
        }
        None => out.push_str("no trial has succeeded\n"),
    }
    if let Some(reason) = &view.reason {
        out.push_str(&format!("\n{reason}\n"));
    }
    if !view.front.is_empty() {
        let numbers: Vec<String> = view.front.iter().map(ToString::to_string).collect();
        out.push_str(&format!("\nno other is better in all objectives: trials {}\n", numbers.join(", ")));
    }
    if let Some(next) = next(view) {
        out.push_str(&format!("\n{}\n", style.dim(&next)));
    }
    out
}

/// How many of them are over, and how many were asked for where that is more.
fn trials(view: &SweepView) -> String {
    match (view.over(), view.definition.trials) {
        (over, asked) if over < asked => format!("{over} of {}", count(asked, "trial")),
        (over, _) => count(over, "trial"),
    }
}

/// Where to go from there.
fn next(view: &SweepView) -> Option<String> {
    let id = &view.sweep_id;
    match view.status {
        RunStatus::Cancelled | RunStatus::Interrupted => Some(format!("to go on: `kale-rs sweeps resume {id}`")),
        RunStatus::Pending | RunStatus::Running => {
            Some(format!("to watch: `kale-rs sweeps show {id}`; to stop: `kale-rs sweeps stop {id}`"))
        }
        RunStatus::Succeeded | RunStatus::Failed => None,
    }
}
