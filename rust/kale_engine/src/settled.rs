//! Noticing that a step has written its result while its process is still there.

use crate::request::Scratch;

/// Waits for the result of one attempt. Made before the process is started, so that nothing is missed.
pub struct Watch {
    #[cfg(target_os = "linux")]
    inotify: Option<nix::sys::inotify::Inotify>,
}

#[cfg(target_os = "linux")]
impl Watch {
    /// Where nothing can be watched (the system has a limit), the end of the process has to do.
    pub fn of(scratch: &Scratch) -> Watch {
        use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
        let watching = || -> nix::Result<Inotify> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            let result = scratch.result();
            inotify.add_watch(result.parent().unwrap_or(&result), AddWatchFlags::IN_MOVED_TO)?;
            Ok(inotify)
        };
        Watch { inotify: watching().ok() }
    }

    /// Returns when the result has its name, or never.
    pub async fn wait(&self) {
        if self.result_appears().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    async fn result_appears(&self) -> Option<()> {
        use std::os::fd::AsFd;
        let inotify = self.inotify.as_ref()?;
        // SAFETY: the descriptor stays open longer than it is registered.
        let ready = unsafe { tokio::io::unix::AsyncFd::register(inotify.as_fd()) }.ok()?;
        loop {
            let mut guard = ready.readable().await.ok()?;
            let events = inotify.read_events().unwrap_or_default();
            if events.iter().any(|event| event.name.as_deref() == Some(Scratch::RESULT.as_ref())) {
                return Some(());
            }
            guard.clear_ready();
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Watch {
    pub fn of(_scratch: &Scratch) -> Watch {
        Watch {}
    }

    pub async fn wait(&self) {
        std::future::pending::<()>().await;
    }
}
