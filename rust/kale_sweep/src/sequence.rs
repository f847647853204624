//! Points by their number: the same number gives the same point, whatever was asked before.

use kale_model::sweep::{Point, Space};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Independent of all others with another number.
pub fn random(space: &Space, seed: u64, number: u64) -> Point {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(number);
    space.point(|_, domain| domain.at(generator.random()))
}

/// All values with all others, the last parameter's changing fastest. `None` behind the last one.
pub fn grid(space: &Space, number: u64) -> Option<Point> {
    if number >= space.cardinality()? {
        return None;
    }
    let mut stride = space.cardinality()?;
    let mut rest = number;
    Some(space.point(|_, domain| {
        stride /= domain.cardinality().expect("the space is countable");
        let index = rest / stride;
        rest %= stride;
        domain.value(index)
    }))
}

/// Of a Sobol sequence, scrambled after Owen: every beginning of it covers the space evenly.
///
/// Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections" (2008); Burley, "Practical
/// Hash-based Owen Scrambling" (2020).
pub fn sobol(space: &Space, seed: u64, number: u64) -> Option<Point> {
    let number = u32::try_from(number).ok().filter(|number| *number < SOBOL_POINTS)?;
    // All bits of the seed count.
    let seed = (seed ^ (seed >> 32)) as u32;
    Some(space.point(|dimension, domain| domain.at(f64::from(sobol_burley::sample(number, dimension as u32, seed)))))
}

/// The library's sequence ends there.
pub const SOBOL_POINTS: u32 = 1 << 16;
pub const SOBOL_DIMENSIONS: usize = sobol_burley::NUM_DIMENSIONS as usize;
