//! Nothing of a run outlives its engine, also when that is killed with `kill -9`.
//!
//! A step's own process is tied to the engine by the kernel (see `worker.rs`), but what that process started is not.
//! So a small companion waits at a pipe that only the engine holds open: when the engine is gone without a farewell,
//! it kills every process that carries the engine's marker.

use std::io::Write;

use nix::sys::wait::waitpid;
use nix::unistd::Pid;

#[cfg(target_os = "linux")]
use crate::process;

/// The engine's end. Dropping it is the farewell.
pub struct Guardian {
    pipe: Option<std::fs::File>,
    pid: Pid,
}

impl Guardian {
    /// Without one (no process can be made, or there is no `/proc` to search) a run is still right; it only leaves
    /// more behind when it is killed.
    #[cfg(not(target_os = "linux"))]
    pub fn start(_marker: &str) -> Option<Guardian> {
        None
    }

    #[cfg(target_os = "linux")]
    pub fn start(marker: &str) -> Option<Guardian> {
        use nix::unistd::{ForkResult, fork};
        let (reading, writing) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).ok()?;
        // SAFETY: the child only reads its pipe and `/proc`, kills, and leaves by `_exit`; it never returns here.
        match unsafe { fork() }.ok()? {
            ForkResult::Child => {
                drop(writing);
                keep_watch(&reading, marker);
                // SAFETY: ends the process at once, without the handlers of the engine it is a copy of.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => Some(Guardian { pipe: Some(writing.into()), pid: child }),
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b".");
        }
        let _ = waitpid(self.pid, None);
    }
}

/// Returns after a farewell, or when all is swept.
#[cfg(target_os = "linux")]
fn keep_watch(pipe: &std::os::fd::OwnedFd, marker: &str) {
    let _ = nix::unistd::setsid();
    let pipe = std::os::fd::AsRawFd::as_raw_fd(pipe);
    close_others(pipe);
    let mut byte = [0_u8; 1];
    loop {
        // SAFETY: `byte` is one byte large.
        let count = unsafe { libc::read(pipe, byte.as_mut_ptr().cast(), 1) };
        match count {
            1 => return,
            0 => break,
            _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    // Twice: a process that was being forked during the first look is there in the second.
    for _ in 0..2 {
        process::sweep_machine(marker);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The engine's files are none of the companion's business: an open log or terminal would seem to be in use.
#[cfg(target_os = "linux")]
fn close_others(kept: i32) {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
        .unwrap_or_default();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor != kept) {
        // SAFETY: closes by number; descriptors of this copied process belong to nobody else.
        unsafe { libc::close(descriptor) };
    }
}
