//! Processes of steps: their memory, and their end, whole families included.
//!
//! A step's process may start others, and these may start others again, leave the process group, or make themselves
//! orphans. Two things find them all: the engine is a *subreaper*, so that orphans become its children; and every
//! process of a step carries a marker in its environment, which children inherit.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kale_model::RunId;
use kale_model::sweep::SweepId;
use kale_store::{Digest, Store};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// The environment variable that marks a step's processes: `RUN@STORE/ENGINE/POSITION/ATTEMPT`.
pub const MARKER: &str = "KALE_STEP_PROCESS";

/// Makes this process the one to which orphans below it are given.
pub fn become_subreaper() {
    #[cfg(target_os = "linux")]
    // SAFETY: a flag of this process; no memory is involved.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
}

/// Sends `signal` to the process group that `leader` leads. Nobody left is no fault.
pub fn signal_group(leader: i32, signal: Signal) {
    let _ = killpg(Pid::from_raw(leader), signal);
}

/// What a user can do where the system starts no more processes: the limits that are in the way, by `errno`.
pub fn what_to_raise(error: &std::io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EMFILE => {
            Some("Raise the limit of open files, as with `ulimit -n 1024`, or run fewer steps at a time (`--jobs`).")
        }
        libc::ENFILE => Some("The machine has too many open files: end what is not needed, or ask who looks after it."),
        libc::EAGAIN => Some("Raise the limit of processes (`ulimit -u`), or run fewer steps at a time (`--jobs`)."),
        libc::ENOMEM => {
            Some("The machine has no memory left for a process: end what is not needed, or use `--jobs 1`.")
        }
        _ => None,
    }
}

/// Kills what is left of a step whose leader is gone: the rest of its group, then marked processes that were made
/// orphans by that or had left the group before, until none is found. Orphans are children of `reaper`; when that is
/// gone, too, they may be anywhere.
pub fn sweep(leader: i32, marker: &str, reaper: i32) {
    signal_group(leader, Signal::SIGKILL);
    if !is_there(reaper) {
        return sweep_machine(marker);
    }
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        let left: Vec<i32> = children(reaper).into_iter().filter(|pid| carries(*pid, marker)).collect();
        if left.is_empty() || Instant::now() > patience {
            return;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            reap(pid, patience);
        }
    }
}

/// Kills every process on the machine whose marker begins with `owner`, a run, an engine or a step: what was left by
/// one that was killed itself.
pub fn sweep_machine(owner: &str) {
    let own = std::process::id();
    for pid in all_processes().into_iter().filter(|pid| pid.unsigned_abs() != own && carries(*pid, owner)) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Bytes that a process and everything below it hold. Mapped files do not count: the system takes their memory back
/// when it needs it. Memory that a family shares counts once, but asking for that costs milliseconds, so it is asked
/// for only when the simple sum is over `limit`.
pub fn memory_bytes(root: i32, limit: u64) -> u64 {
    let family = family(root);
    let simple: u64 = family.iter().map(|pid| held_bytes(*pid)).sum();
    if simple <= limit || family.len() == 1 {
        return simple;
    }
    family.iter().map(|pid| proportional_bytes(*pid).unwrap_or_else(|| held_bytes(*pid))).sum()
}

/// What the markers of a run's processes begin with. A copy of the store has a run of the same name, which is another.
pub fn run_marker(store: &Store, run: &RunId) -> String {
    let place = Digest::of(store.root().as_os_str().as_encoded_bytes());
    format!("{run}@{}", &place.as_str()[..8])
}

/// The same of a sweep: its runs' names come behind it.
pub fn sweep_marker(store: &Store, sweep: &SweepId) -> String {
    run_marker(store, &RunId(sweep.0.clone()))
}

pub fn sweep_engine_marker(store: &Store, sweep: &SweepId) -> String {
    engine_marker(store, &RunId(sweep.0.clone()))
}

/// The same, as long as this engine executes it. An engine that resumes the run has another, so that the companion of
/// the dead one does not kill its steps.
pub fn engine_marker(store: &Store, run: &RunId) -> String {
    format!("{}/{}", run_marker(store, run), std::process::id())
}

/// How often the kernel has killed for lack of memory since boot.
pub fn kernel_memory_kills() -> u64 {
    let counters = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn family(root: i32) -> BTreeSet<i32> {
    let mut found = BTreeSet::from([root]);
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        open.extend(children(pid).into_iter().filter(|child| found.insert(*child)));
    }
    found
}

/// Children are listed by the thread that made them.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return vec![] };
    let lists = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

fn all_processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether the process was started with this marker, or with one of something below it. A zombie has no environment
/// any more.
fn carries(pid: i32, marker: &str) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    let wanted = format!("{MARKER}={marker}");
    let below = |variable: &[u8]| matches!(variable.strip_prefix(wanted.as_bytes()), Some([] | [b'/', ..]));
    environment.split(|byte| *byte == 0).any(below)
}

fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn reap(pid: i32, patience: Instant) {
    while Instant::now() < patience {
        match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
            Ok(nix::sys::wait::WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            _ => return,
        }
    }
}

fn held_bytes(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    sum_of_lines(&status, &["RssAnon:", "RssShmem:", "VmSwap:"]).unwrap_or(0)
}

fn proportional_bytes(pid: i32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    sum_of_lines(&rollup, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"])
}

/// `None` when none of the names is there: an old system, or a process that has ended.
fn sum_of_lines(text: &str, names: &[&str]) -> Option<u64> {
    let line = |name: &&str| text.lines().find_map(|line| line.strip_prefix(*name));
    let bytes = |value: &str| Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024);
    let found: Vec<u64> = names.iter().filter_map(line).filter_map(bytes).collect();
    (!found.is_empty()).then(|| found.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn orphans_of_another_session_are_found_by_their_marker() {
        become_subreaper();
        let marker = format!("test-{}/0/1", std::process::id());
        let script = "import os, sys, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
                      time.sleep(600)\n    os._exit(0)\nos.wait()\n";
        let status =
            Command::new("python3").args(["-c", script]).env(MARKER, &marker).stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
        let own = i32::try_from(std::process::id()).unwrap();
        let left = || children(own).into_iter().filter(|pid| carries(*pid, &marker)).count();
        assert_eq!(left(), 1);
        sweep(i32::MAX, &marker, own);
        assert_eq!(left(), 0);
    }

    #[test]
    fn a_limit_that_is_in_the_way_is_named() {
        let help = |errno| what_to_raise(&std::io::Error::from_raw_os_error(errno));
        assert!(help(libc::EMFILE).unwrap().contains("ulimit -n"));
        assert!(help(libc::EAGAIN).unwrap().contains("ulimit -u"));
        assert_eq!(help(libc::ENOENT), None);
    }

    #[test]
    fn memory_of_a_family_is_counted() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(memory_bytes(own, u64::MAX) > 100_000);
        assert!(memory_bytes(own, 0) > 100_000);
        assert_eq!(memory_bytes(i32::MAX, 0), 0);
    }
}
