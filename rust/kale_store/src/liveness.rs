//! Whether the engine that wrote itself into a run's record still lives.
//!
//! A process id alone would do harm: ids are used again. Beside it stands when the process started, in the kernel's
//! ticks since boot together with the boot's own id, which no later process shares.

use std::fs;

/// A process that may have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// `BOOT-ID:TICKS` on Linux; empty where the system does not tell.
    pub started: String,
}

impl ProcessIdentity {
    pub fn current() -> ProcessIdentity {
        let pid = std::process::id();
        ProcessIdentity { pid, started: started(pid).unwrap_or_default() }
    }

    /// `None` when there is no such process (any more).
    pub fn of(pid: u32) -> Option<ProcessIdentity> {
        if cfg!(target_os = "linux") {
            return started(pid).map(|started| ProcessIdentity { pid, started });
        }
        Some(ProcessIdentity { pid, started: String::new() }).filter(ProcessIdentity::is_alive)
    }

    pub fn is_alive(&self) -> bool {
        if cfg!(target_os = "linux") {
            return started(self.pid).is_some_and(|started| started == self.started);
        }
        let Ok(pid) = libc::pid_t::try_from(self.pid) else { return false };
        // SAFETY: signal 0 only asks whether the process exists.
        unsafe { libc::kill(pid, 0) == 0 }
    }
}

/// `None` when there is no such process, or only the zombie of one.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command in parentheses may itself hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let ticks = fields.nth(18)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}:{ticks}", boot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_id_is_another_process() {
        let own = ProcessIdentity::current();
        assert!(own.is_alive());
        if cfg!(target_os = "linux") {
            assert!(!ProcessIdentity { started: "x:1".to_owned(), ..own }.is_alive());
        }
    }

    #[test]
    fn an_ended_process_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let identity = ProcessIdentity { pid: child.id(), started: started(child.id()).unwrap_or_default() };
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }
}
