//! What a sweep will cost, told before it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kale_model::sweep::{Algorithm, Point, Space, Sweep};
use kale_model::{Pipeline, StepId, StepStatus};
use kale_store::{Store, Wanted};
use kale_sweep::{Next, Sampler, SamplerError, StepUse, Trial, step_runs};
use serde::Serialize;

use crate::error::VerbError;

/// Of more trials nobody waits for the exact plan.
const FORESEEN: u64 = 100_000;
/// As many runs are looked at for how long steps take.
const RECENT: usize = 20;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepPlan {
    /// What is asked for, with what was not said.
    pub definition: Sweep,
    /// Whether nobody has said what is varied.
    pub is_guessed: bool,
    /// Whether nobody has said if the objective is to become smaller or larger.
    pub is_direction_guessed: bool,
    /// What is varied and read by no step: all trials are alike in it.
    pub unread: Vec<String>,
    /// What is to be said of it besides, in words.
    pub remarks: Vec<String>,
    /// As many as there are at most.
    pub trials: u64,
    /// Executions of steps; `None` where they depend on what comes out.
    pub step_executions: Option<u64>,
    /// As many as there would be if nothing was shared.
    pub without_sharing: u64,
    /// By what the steps took when they last ran; `None` where one never has.
    pub seconds: Option<f64>,
}

impl SweepPlan {
    /// Exact where the points are known before; `begun` are those of trials that are there.
    pub fn of(
        sweep: &Sweep,
        is_guessed: bool,
        pipeline: &Pipeline,
        step_seconds: &BTreeMap<String, f64>,
        begun: Vec<Point>,
    ) -> Result<SweepPlan, VerbError> {
        let trials = trials(sweep)?;
        let uses = step_uses(pipeline);
        let exact = points(sweep, trials, begun)?.map(|points| step_runs(&uses, &points));
        let at_most = || vec![usize::try_from(trials).unwrap_or(usize::MAX); uses.len()];
        let counts = exact.clone().unwrap_or_else(at_most);
        let each = pipeline.steps.iter().zip(&counts);
        let seconds: Option<f64> =
            each.map(|(step, count)| Some(step_seconds.get(step.name.as_str())? * *count as f64)).sum();
        Ok(SweepPlan {
            unread: unread(&sweep.space, &uses),
            remarks: cut_short(sweep)?.into_iter().collect(),
            definition: Sweep { trials, ..sweep.clone() },
            is_guessed,
            is_direction_guessed: false,
            trials,
            step_executions: exact.map(|counts| counts.into_iter().sum::<usize>() as u64),
            without_sharing: trials.saturating_mul(uses.len() as u64),
            seconds: seconds.map(|seconds| seconds / sweep.parallel.max(1) as f64),
        })
    }
}

/// How long each step took when it last ran, by name.
pub fn step_seconds(store: Option<&Store>, source: Option<&Path>) -> Result<BTreeMap<String, f64>, VerbError> {
    let mut found = BTreeMap::new();
    let (Some(store), Some(source)) = (store, source) else { return Ok(found) };
    for run in store.list(&Wanted { source: Some(source), trials: true, limit: Some(RECENT) })? {
        for step in run.steps.into_iter().filter(|step| step.status == StepStatus::Succeeded) {
            found.entry(step.name).or_insert(step.seconds);
        }
    }
    Ok(found)
}

fn trials(sweep: &Sweep) -> Result<u64, VerbError> {
    let most = sampler(sweep)?.and_then(|sampler| sampler.most_trials());
    Ok(most.map_or(sweep.trials, |most| most.min(sweep.trials)))
}

/// Of an algorithm that is only what it is when all of its trials are run.
fn cut_short(sweep: &Sweep) -> Result<Option<String>, VerbError> {
    let most = sampler(sweep)?.and_then(|sampler| sampler.most_trials());
    let Some(most) = most.filter(|most| *most > sweep.trials) else { return Ok(None) };
    let whole = match sweep.algorithm {
        Algorithm::Grid => format!("the grid's {most} points"),
        Algorithm::Hyperband => format!("hyperband's {most} trials"),
        _ => return Ok(None),
    };
    Ok(Some(format!("only the first {} of {whole} will be tried: ask for {most} trials to have all", sweep.trials)))
}

/// The points that are known before any trial is run.
fn points(sweep: &Sweep, trials: u64, begun: Vec<Point>) -> Result<Option<Vec<Point>>, VerbError> {
    let foreseeable = sampler(sweep)?.filter(|sampler| sampler.is_foreseeable() && trials <= FORESEEN);
    Ok(foreseeable.map(|sampler| completed(&sampler, trials, begun)))
}

/// `None`: a library of Python's chooses.
fn sampler(sweep: &Sweep) -> Result<Option<Sampler>, VerbError> {
    if kale_engine::is_of_library(sweep.algorithm) {
        return Ok(None);
    }
    let Sweep { space, algorithm, settings, objectives, seed, .. } = sweep;
    let in_sampler = |error: SamplerError| VerbError::usage(error.to_string(), "change the ranges, or the algorithm");
    Sampler::new(space.clone(), *algorithm, settings, &objectives[0], *seed).map(Some).map_err(in_sampler)
}

fn completed(sampler: &Sampler, count: u64, begun: Vec<Point>) -> Vec<Point> {
    let over = |point, place| Trial { point, value: None, is_over: true, place };
    let mut trials: Vec<Trial> = begun.into_iter().map(|point| over(point, None)).collect();
    while (trials.len() as u64) < count
        && let Next::Trial(point, place) = sampler.next(&trials)
    {
        trials.push(over(point, place));
    }
    trials.into_iter().map(|trial| trial.point).collect()
}

fn unread(space: &Space, uses: &[StepUse]) -> Vec<String> {
    let names = space.0.iter().map(|dimension| dimension.name.to_string());
    names.filter(|name| !uses.iter().any(|step| step.parameters.contains(name))).collect()
}

fn step_uses(pipeline: &Pipeline) -> Vec<StepUse> {
    let of = |index: usize| StepUse {
        parameters: pipeline.steps[index].parameters.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
        after: pipeline.edges.iter().filter(|edge| edge.to == StepId(index)).map(|edge| edge.from.0).collect(),
    };
    (0..pipeline.steps.len()).map(of).collect()
}
