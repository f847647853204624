//! Hyperband: many trials with little of a resource, and more of it for the best of them.
//!
//! Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (2018), with the resource as a
//! parameter of the notebook, as Katib has it. A bracket begins with some random points and little of the resource; of
//! each rung the best in `eta` go on to the next, with `eta` times as much. Brackets differ in how many they begin with.

use std::cmp::Ordering;

use kale_model::sweep::{Direction, Domain, Point, Settings, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sampler::{Next, SamplerError, Trial};
use crate::sequence;

const DEFAULT_ETA: u64 = 3;

#[derive(Clone, Debug, PartialEq)]
pub struct Hyperband {
    resource: String,
    /// Whether the resource is counted in whole numbers.
    is_whole: bool,
    direction: Direction,
    brackets: Vec<Vec<Rung>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rung {
    trials: u64,
    resource: f64,
}

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub bracket: usize,
    pub rung: usize,
    pub index: u64,
}

impl Hyperband {
    pub(crate) fn new(space: &Space, settings: &Settings, direction: Direction) -> Result<Hyperband, SamplerError> {
        let setting = |name: &str| settings.get(name).map(String::as_str);
        let resource = setting("resource_name").unwrap_or_default();
        let most: f64 = setting("r_l").and_then(|text| text.parse().ok()).unwrap_or(1.0);
        let eta = setting("eta").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_ETA);
        let dimension = (space.0.iter())
            .find(|dimension| dimension.name.as_str() == resource)
            .ok_or_else(|| SamplerError::NoResource(resource.to_owned()))?;
        let (is_whole, highest) = match &dimension.domain {
            Domain::Int { high, .. } => (true, *high as f64),
            Domain::Double { high, .. } => (false, *high),
            _ => return Err(SamplerError::NoResource(resource.to_owned())),
        };
        if most > highest {
            return Err(SamplerError::Resource { name: resource.to_owned(), given: most.to_string() });
        }
        Ok(Hyperband { resource: resource.to_owned(), is_whole, direction, brackets: brackets(most, eta) })
    }

    /// All trials, when each one succeeds.
    pub(crate) fn trials(&self) -> u64 {
        self.brackets.iter().flatten().fold(0, |all, rung| all.saturating_add(rung.trials))
    }

    /// The first place that is free. A rung that waits for the one before it does not keep the next bracket waiting.
    pub(crate) fn next(&self, space: &Space, seed: u64, trials: &[Trial]) -> Next {
        let mut waits = false;
        for (bracket, rungs) in self.brackets.iter().enumerate() {
            match self.next_of(bracket, rungs, space, seed, trials) {
                Next::Exhausted => {}
                Next::Wait => waits = true,
                next @ Next::Trial(..) => return next,
            }
        }
        if waits { Next::Wait } else { Next::Exhausted }
    }

    fn next_of(&self, bracket: usize, rungs: &[Rung], space: &Space, seed: u64, trials: &[Trial]) -> Next {
        let mut candidates: Option<Vec<Point>> = None;
        for (rung, Rung { trials: count, resource }) in rungs.iter().enumerate() {
            let count = candidates.as_ref().map_or(*count, |found| (*count).min(found.len() as u64));
            let here: Vec<&Trial> = trials
                .iter()
                .filter(|trial| trial.place.is_some_and(|at| (at.bracket, at.rung) == (bracket, rung)))
                .collect();
            if let Some(index) =
                (0..count).find(|index| !here.iter().any(|trial| trial.place.is_some_and(|at| at.index == *index)))
            {
                let mut point = match &candidates {
                    Some(found) => found[index as usize].clone(),
                    None => sequence::random(space, seed, ((bracket as u64) << 32) | index),
                };
                point.insert(self.resource.clone(), self.amount(*resource));
                return Next::Trial(point, Some(Place { bracket, rung, index }));
            }
            if here.iter().any(|trial| !trial.is_over) {
                return Next::Wait;
            }
            candidates = Some(self.ranked(&here));
        }
        Next::Exhausted
    }

    /// Points that came to a value, from the best on; of equal ones, the one that began first.
    fn ranked(&self, trials: &[&Trial]) -> Vec<Point> {
        let mut found: Vec<(f64, &Trial)> = trials.iter().filter_map(|trial| Some((trial.value?, *trial))).collect();
        found.sort_by(|(a, _), (b, _)| self.direction.compare(*a, *b));
        found.into_iter().map(|(_, trial)| trial.point.clone()).collect()
    }

    fn amount(&self, resource: f64) -> Value {
        if self.is_whole { ((resource as i64).max(1)).into() } else { resource.into() }
    }
}

/// From the bracket that begins with the most trials to the one that gives all of the resource to a few.
fn brackets(most: f64, eta: u64) -> Vec<Vec<Rung>> {
    let eta_f = eta as f64;
    let deepest = depth(most, eta_f);
    (0..=deepest)
        .rev()
        .map(|depth| {
            let first = (f64::from(deepest + 1) / f64::from(depth + 1) * eta_f.powi(depth as i32)).ceil();
            let rung = |level: u32| Rung {
                trials: (first / eta_f.powi(level as i32)).floor() as u64,
                resource: most / eta_f.powi((depth - level) as i32),
            };
            (0..=depth).map(rung).collect()
        })
        .collect()
}

/// The greatest number of times that `most` can be divided by `eta` with at least 1 left; by division, since a
/// logarithm of a power may come out below it.
fn depth(most: f64, eta: f64) -> u32 {
    let mut left = most / eta;
    let mut depth = 0;
    while left.partial_cmp(&1.0).is_some_and(Ordering::is_ge) {
        left /= eta;
        depth += 1;
    }
    depth
}
