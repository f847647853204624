//! What a sweep will cost, before it is begun.

use std::collections::{BTreeSet, HashSet};

use kale_model::sweep::Point;

/// A step, as far as sharing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepUse {
    /// The parameters that it reads itself.
    pub parameters: BTreeSet<String>,
    /// The steps before it that it needs, by index.
    pub after: Vec<usize>,
}

/// How often each step is run: once for all trials in which what it depends on is the same. Steps in an order in which
/// what is needed comes first.
pub fn step_runs(steps: &[StepUse], points: &[Point]) -> Vec<usize> {
    let mut needs: Vec<BTreeSet<&str>> = Vec::with_capacity(steps.len());
    for step in steps {
        let mut all: BTreeSet<&str> = step.parameters.iter().map(String::as_str).collect();
        for before in &step.after {
            all.extend(needs[*before].iter().copied());
        }
        needs.push(all);
    }
    needs.iter().map(|names| distinct(names, points)).collect()
}

fn distinct(names: &BTreeSet<&str>, points: &[Point]) -> usize {
    let part = |point: &Point| {
        let values = names.iter().filter_map(|name| point.get(*name)).map(ToString::to_string);
        values.collect::<Vec<_>>()
    };
    points.iter().map(part).collect::<HashSet<_>>().len()
}
