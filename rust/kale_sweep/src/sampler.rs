//! What comes next, for the algorithms that are carried out here.

use kale_model::sweep::{Algorithm, Objective, Point, Settings, Space};

use crate::hyperband::{Hyperband, Place};
use crate::sequence::{self, SOBOL_DIMENSIONS};

/// A trial as far as choosing the next one goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub point: Point,
    /// Of the objective; `None` while it runs, and of a trial that failed.
    pub value: Option<f64>,
    pub is_over: bool,
    /// Which part it has in the algorithm's schedule, for algorithms that have one.
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Trial(Point, Option<Place>),
    /// What is chosen next depends on trials that are still running.
    Wait,
    /// There are no more.
    Exhausted,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    space: Space,
    seed: u64,
    method: Method,
}

#[derive(Clone, Debug, PartialEq)]
enum Method {
    Random,
    Grid,
    Sobol,
    Hyperband(Hyperband),
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SamplerError {
    #[error("{0} is not carried out by this library")]
    NotHere(&'static str),
    #[error("grid tries all values, and `{0}` has infinitely many: give it a step, such as uniform:0:1:0.1")]
    Continuous(String),
    #[error("grid has more points than can be counted: widen the steps")]
    TooLarge,
    #[error("sobol varies at most {SOBOL_DIMENSIONS} parameters")]
    TooManyDimensions,
    #[error("hyperband spends `{0}`, which is not varied: give it a range")]
    NoResource(String),
    #[error("hyperband gives `{name}` up to {given}, which is beyond its range")]
    Resource { name: String, given: String },
}

impl Sampler {
    /// For settings that [`Algorithm::check`] has passed.
    pub fn new(
        space: Space,
        algorithm: Algorithm,
        settings: &Settings,
        objective: &Objective,
        seed: u64,
    ) -> Result<Sampler, SamplerError> {
        let method = match algorithm {
            Algorithm::Random => Method::Random,
            Algorithm::Grid => {
                let endless = space.0.iter().find(|dimension| dimension.domain.cardinality().is_none());
                if let Some(dimension) = endless {
                    return Err(SamplerError::Continuous(dimension.name.to_string()));
                }
                space.cardinality().ok_or(SamplerError::TooLarge)?;
                Method::Grid
            }
            Algorithm::Sobol if space.0.len() > SOBOL_DIMENSIONS => return Err(SamplerError::TooManyDimensions),
            Algorithm::Sobol => Method::Sobol,
            Algorithm::Hyperband => Method::Hyperband(Hyperband::new(&space, settings, objective.direction)?),
            other => return Err(SamplerError::NotHere(other.as_str())),
        };
        Ok(Sampler { space, seed, method })
    }

    /// How many trials there can be; `None` without a bound.
    pub fn most_trials(&self) -> Option<u64> {
        match &self.method {
            Method::Random => None,
            Method::Grid => self.space.cardinality(),
            Method::Sobol => Some(sequence::SOBOL_POINTS.into()),
            Method::Hyperband(hyperband) => Some(hyperband.trials()),
        }
    }

    /// Whether the points are known before any trial is run.
    pub fn is_foreseeable(&self) -> bool {
        !matches!(self.method, Method::Hyperband(_))
    }

    /// The trial after these.
    pub fn next(&self, trials: &[Trial]) -> Next {
        let number = trials.len() as u64;
        let point = match &self.method {
            Method::Random => Some(sequence::random(&self.space, self.seed, number)),
            Method::Grid => sequence::grid(&self.space, number),
            Method::Sobol => sequence::sobol(&self.space, self.seed, number),
            Method::Hyperband(hyperband) => return hyperband.next(&self.space, self.seed, trials),
        };
        point.map_or(Next::Exhausted, |point| Next::Trial(point, None))
    }
}
