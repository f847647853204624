//! How the trials of a sweep are chosen, without a word of Python: random, grid, sobol and hyperband, the rule of early
//! stopping, and what a sweep will cost.
//!
//! Everything is a function of the sweep, its seed and the trials so far. Nothing is remembered between two calls: a
//! sweep that was killed goes on with the same trials, because its log says all there is to know. *It does not know*
//! runs, stores, clocks, or who carries a trial out.

mod hyperband;
mod median_stop;
mod plan;
mod sampler;
mod sequence;

pub use hyperband::{Hyperband, Place};
pub use median_stop::MedianStop;
pub use plan::{StepUse, step_runs};
pub use sampler::{Next, Sampler, SamplerError, Trial};
