//! Which processors a step with a `cpu:` limit may use.
//!
//! Libraries size their pools of threads by the processors that the process may run on, so a step that is bound to
//! two of them computes with two threads, as it would in a container with that limit.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Processors of this machine that the engine may use, with the number of steps bound to each.
pub struct Processors {
    bound: RefCell<BTreeMap<usize, usize>>,
}

/// Processors of one step, until it is dropped.
pub struct Share<'a> {
    of: &'a Processors,
    pub processors: Vec<usize>,
}

impl Processors {
    pub fn of_engine() -> Processors {
        Processors { bound: RefCell::new(own().into_iter().map(|processor| (processor, 0)).collect()) }
    }

    /// The least used processors, as many as `cpu` needs; nothing when that is no limit.
    pub fn share(&self, cpu: f64) -> Option<Share<'_>> {
        let mut bound = self.bound.borrow_mut();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = (cpu.ceil() as usize).max(1);
        if count >= bound.len() {
            return None;
        }
        let mut by_use: Vec<(usize, usize)> = bound.iter().map(|(processor, steps)| (*steps, *processor)).collect();
        by_use.sort_unstable();
        let processors: Vec<usize> = by_use.into_iter().take(count).map(|(_, processor)| processor).collect();
        for processor in &processors {
            *bound.entry(*processor).or_default() += 1;
        }
        Some(Share { of: self, processors })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut bound = self.of.bound.borrow_mut();
        for processor in &self.processors {
            *bound.entry(*processor).or_insert(1) -= 1;
        }
    }
}

#[cfg(target_os = "linux")]
fn own() -> Vec<usize> {
    // SAFETY: a set of bits is valid when all are zero, and the call fills it within its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return vec![];
        }
        (0..libc::CPU_SETSIZE.unsigned_abs() as usize).filter(|processor| libc::CPU_ISSET(*processor, &set)).collect()
    }
}

#[cfg(not(target_os = "linux"))]
fn own() -> Vec<usize> {
    vec![]
}

/// Binds the calling process. Allowed between fork and exec.
#[cfg(target_os = "linux")]
pub fn bind(processors: &[usize]) -> std::io::Result<()> {
    // SAFETY: as in `own`; the numbers come from there.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for processor in processors {
            libc::CPU_SET(*processor, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_get_the_least_used_processors() {
        let processors = Processors { bound: RefCell::new((0..4).map(|processor| (processor, 0)).collect()) };
        let first = processors.share(1.5).unwrap();
        let second = processors.share(1.0).unwrap();
        assert_eq!((first.processors.as_slice(), second.processors.as_slice()), (&[0, 1][..], &[2][..]));
        drop(first);
        assert_eq!(processors.share(0.5).unwrap().processors, [0]);
        assert!(processors.share(4.0).is_none(), "as many as there are is no limit");
    }
}
