//! The vocabulary of hyperparameter sweeps: what is varied, towards what, and how the next trial is chosen.
//!
//! A [`Space`] has a [`Domain`] for each varied parameter; a [`Point`] is one value of each. An [`Objective`] is a
//! metric and a direction. An [`Algorithm`] has the names and settings that Katib gives it, so that one sweep means the
//! same on a laptop and on a cluster.

mod algorithm;
mod definition;
mod domain;
mod objective;
mod space;
mod view;

pub use algorithm::{Algorithm, AlgorithmError, EarlyStopping, Setting, SettingKind, Settings};
pub use definition::Sweep;
pub use domain::{Domain, DomainError, Scale};
pub use objective::{Direction, Objective, front};
pub use space::{Dimension, Point, Space, SpaceError};
pub use view::{BestTrial, ObjectiveView, SweepId, SweepView, TrialView};
