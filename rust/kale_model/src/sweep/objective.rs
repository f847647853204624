//! What a sweep is after.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Minimize,
    Maximize,
}

/// A metric that should become as small, or as large, as can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    pub metric: String,
    pub direction: Direction,
    /// As soon as a trial is as good as this, the sweep is over.
    pub goal: Option<f64>,
}

/// What is known of metrics that people want large; of the others smaller is taken to be better.
const LARGE: [&str; 14] = [
    "accuracy",
    "acc",
    "auc",
    "auroc",
    "f1",
    "score",
    "precision",
    "recall",
    "r2",
    "reward",
    "iou",
    "dice",
    "bleu",
    "map",
];

impl Direction {
    /// By a metric's name, where nobody has said it: `val_accuracy` has a word that says so.
    pub fn guess(metric: &str) -> Direction {
        let lower = metric.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        if words.any(|word| LARGE.contains(&word)) { Direction::Maximize } else { Direction::Minimize }
    }

    /// The better one comes first; what is not a number comes last.
    pub fn compare(self, a: f64, b: f64) -> Ordering {
        match self {
            _ if a.is_nan() || b.is_nan() => a.is_nan().cmp(&b.is_nan()),
            Direction::Minimize => a.total_cmp(&b),
            Direction::Maximize => b.total_cmp(&a),
        }
    }
}

/// The indices of those that none of the others is better than: at least as good in everything, and better in something.
pub fn front(objectives: &[Objective], values: &[&[f64]]) -> Vec<usize> {
    let dominates = |a: &[f64], b: &[f64]| {
        let order = || objectives.iter().zip(a.iter().zip(b)).map(|(one, (a, b))| one.direction.compare(*a, *b));
        order().all(Ordering::is_le) && order().any(Ordering::is_lt)
    };
    let is_best = |index: &usize| !values.iter().any(|other| dominates(other, values[*index]));
    (0..values.len()).filter(is_best).collect()
}

impl Objective {
    pub fn is_reached(&self, value: f64) -> bool {
        self.goal.is_some_and(|goal| self.direction.compare(value, goal).is_le())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_way_is_better() {
        for large in ["accuracy", "val_acc", "test-AUC", "f1", "R2"] {
            assert_eq!(Direction::guess(large), Direction::Maximize, "{large}");
        }
        for small in ["loss", "val_loss", "rmse", "accident", "k", "größe", "discount"] {
            assert_eq!(Direction::guess(small), Direction::Minimize, "{small}");
        }
    }
}
