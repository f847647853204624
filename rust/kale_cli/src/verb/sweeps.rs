//! `kale-rs sweeps`.

use kale_model::RunStatus;
use kale_model::sweep::{SweepView, TrialView};
use kale_verbs::Session;
use kale_verbs::render::{self, table};
use kale_verbs::sweeps::{self as verbs, ExportRequest, ExtendRequest, ListRequest, ResumeSweepRequest, SweepChoice};

use super::sweep::{Progress, summary, told};
use super::{Done, status, store};
use crate::args::{ExportArgs, ExtendArgs, OfSweepArgs, ResumeSweepArgs, SweepsArgs, SweepsVerb};
use crate::{interrupt, output};

pub fn sweeps(session: &Session, args: SweepsArgs) -> Done {
    match args.verb {
        None => list(session, args),
        Some(SweepsVerb::Show(of)) => show(session, of),
        Some(SweepsVerb::Stop(of)) => {
            let json = of.json;
            answer(&verbs::stop(session, &choice(of), &mut Progress::default())?, json)
        }
        Some(SweepsVerb::Resume(ResumeSweepArgs { of, detach })) => {
            let json = of.json;
            let request = ResumeSweepRequest { choice: choice(of), detach };
            answer(&verbs::resume(session, &request, &mut Progress::default())?, json)
        }
        Some(SweepsVerb::Extend(args)) => extend(session, args),
        Some(SweepsVerb::Export(args)) => export(session, args),
    }
}

fn choice(of: OfSweepArgs) -> SweepChoice {
    SweepChoice { store: store(of.store), sweep: of.sweep }
}

fn answer(view: &SweepView, json: bool) -> Done {
    if json {
        output::json(view);
    } else {
        output::answer(summary(view));
    }
    if interrupt::pressed() {
        return Ok(interrupt::STATUS);
    }
    Ok(status(!matches!(view.status, RunStatus::Failed | RunStatus::Interrupted)))
}

fn list(session: &Session, args: SweepsArgs) -> Done {
    let request = ListRequest { store: store(args.store), notebook: args.notebook, limit: args.limit };
    let list = verbs::list(session, &request)?;
    if args.json {
        output::json(&list);
    } else if list.sweeps.is_empty() {
        output::note("no sweeps here: `kale-rs sweep NOTEBOOK` begins one");
    } else {
        let heading = ["sweep", "status", "trials", "best", "trial"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = [heading].into_iter().chain(list.sweeps.iter().map(row)).collect();
        output::answer(table::table(&rows));
    }
    Ok(0)
}

fn row(view: &SweepView) -> Vec<String> {
    let best = view.best.as_ref();
    vec![
        view.sweep_id.to_string(),
        view.status.as_str().to_owned(),
        format!("{}/{}", view.over(), view.definition.trials),
        best.map(|best| format!("{}={}", view.objective.metric, best.value)).unwrap_or_default(),
        best.map(|best| best.trial.to_string()).unwrap_or_default(),
    ]
}

/// All trials, from the best on.
fn show(session: &Session, of: OfSweepArgs) -> Done {
    let json = of.json;
    let view = verbs::show(session, &choice(of))?;
    if json {
        output::json(&view);
        return Ok(0);
    }
    let mut trials: Vec<&TrialView> = view.trials.iter().collect();
    let value = |trial: &TrialView| trial.metrics.get(&view.objective.metric).and_then(serde_json::Value::as_f64);
    let key = |trial: &TrialView| value(trial).unwrap_or(f64::NAN);
    trials.sort_by(|a, b| view.objective.direction.compare(key(a), key(b)));
    let heading = ["trial", "status", "time", "parameters", "came to", "run"].map(str::to_owned).to_vec();
    let row = |trial: &&TrialView| {
        let parameters: Vec<String> = trial.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![
            trial.trial.to_string(),
            trial.status.as_str().to_owned(),
            render::seconds(trial.seconds),
            parameters.join(" "),
            trial.reason.clone().unwrap_or_else(|| told(trial, &view).join(" ")),
            trial.run_id.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(trials.iter().map(row)).collect();
    output::answer(format!("{}\n{}", table::table(&rows), summary(&view)));
    Ok(0)
}

fn extend(session: &Session, args: ExtendArgs) -> Done {
    let json = args.of.json;
    let request = ExtendRequest {
        choice: choice(args.of),
        trials: args.trials,
        parallel: args.parallel.map(usize::from),
        max_failed: args.max_failed,
        goal: args.goal,
        timeout: args.timeout,
        vary: args.vary,
        detach: args.detach,
    };
    answer(&verbs::extend(session, &request, &mut Progress::default())?, json)
}

fn export(session: &Session, args: ExportArgs) -> Done {
    let json = args.of.json;
    let request = ExportRequest { choice: choice(args.of), optuna: args.optuna, name: args.name };
    let exported = verbs::export(session, &request)?;
    if json {
        output::json(&exported);
    } else {
        let trials = render::count(exported.trials, "trial");
        let words = format!("study `{}` of {} has {trials} now", exported.study, exported.storage);
        output::answer(format!("{words}\nlook at them with `optuna-dashboard {}`\n", exported.storage));
    }
    Ok(0)
}
