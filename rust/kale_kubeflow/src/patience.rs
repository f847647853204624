//! How long a client waits, and how often it asks again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next piece of an answer.
    pub read: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from one to the next.
    pub base: Duration,
    /// The longest wait between two attempts. A server that asks for more is not waited for.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(60),
            attempts: 5,
            base: Duration::from_millis(500),
            longest: Duration::from_secs(60),
        }
    }
}

/// How long a hurried request is waited for, as a whole.
pub const HURRY: Duration = Duration::from_secs(10);

impl Patience {
    /// For a look at what works: once, and not for long.
    pub fn once() -> Patience {
        Patience { connect: Duration::from_secs(5), read: Duration::from_secs(15), attempts: 1, ..Patience::default() }
    }

    /// For an answer as a whole: one that comes drop by drop would never end.
    pub fn whole(&self) -> Duration {
        self.read.saturating_mul(10)
    }

    /// The wait after attempt `attempt` (from 1): what the server asks for, else [`Patience::pause`]. None where it is not
    /// worth waiting.
    pub fn wait(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        if let Some(asked) = asked {
            return (asked <= self.longest).then_some(asked);
        }
        Some(self.pause(attempt))
    }

    /// A random part of what has doubled with each attempt, so that clients that failed together do not come back
    /// together.
    pub fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.base.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest);
        doubled.mul_f64(0.5 + chance() / 2.0)
    }
}

/// A number from 0 to 1, another each time: the standard library seeds its hashers at random.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_vary_and_end() {
        let patience = Patience { base: Duration::from_secs(1), attempts: 9, ..Patience::default() };
        for attempt in 1..9 {
            let whole = Duration::from_secs(1 << (attempt - 1)).min(patience.longest);
            let wait = patience.wait(attempt, None).unwrap();
            assert!(whole / 2 <= wait && wait <= whole, "{attempt}: {wait:?}");
        }
        assert_eq!(patience.wait(9, None), None);
        let waits: Vec<_> = (0..20).map(|_| patience.wait(3, None)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_server_may_say_how_long() {
        let patience = Patience::default();
        assert_eq!(patience.wait(1, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(patience.wait(1, Some(Duration::from_secs(3600))), None);
        assert_eq!(patience.wait(patience.attempts, Some(Duration::ZERO)), None);
    }
}
