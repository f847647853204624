//! Giving up early: a trial that does worse than the median of the others did by then.
//!
//! Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (2017), section 3.2.1.

use kale_model::sweep::{Direction, Settings};

/// The rule under Katib's name and settings. Katib's own service compares with the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MedianStop {
    min_trials_required: usize,
    start_step: usize,
}

impl MedianStop {
    /// For settings that [`kale_model::sweep::EarlyStopping::check`] has passed.
    pub fn new(settings: &Settings) -> MedianStop {
        let setting = |name: &str, default| settings.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        MedianStop { min_trials_required: setting("min_trials_required", 3), start_step: setting("start_step", 4) }
    }

    /// Whether a trial with these reports so far is given up: its best one is worse than the median of what completed
    /// trials had on average by their report of the same number.
    pub fn gives_up(&self, direction: Direction, reports: &[f64], completed: &[&[f64]]) -> bool {
        let step = reports.len();
        let mut averages: Vec<f64> =
            completed.iter().filter_map(|curve| average(&curve[..step.min(curve.len())])).collect();
        if step < self.start_step.max(1) || averages.len() < self.min_trials_required.max(1) {
            return false;
        }
        averages.sort_by(f64::total_cmp);
        let best = reports.iter().copied().min_by(|a, b| direction.compare(*a, *b));
        best.is_none_or(|best| direction.compare(best, median(&averages)).is_gt())
    }
}

fn average(values: &[f64]) -> Option<f64> {
    let average = values.iter().sum::<f64>() / values.len() as f64;
    average.is_finite().then_some(average)
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}
