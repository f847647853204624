//! Noticing what a step writes while its process is still there: large outputs, and the result.

use crate::arrivals::Arrivals;
use crate::request::Scratch;

/// Of one attempt. Made before the process is started, so that nothing is missed.
pub struct Watch {
    #[cfg(target_os = "linux")]
    inotify: Option<linux::Watched>,
}

impl Watch {
    /// Where nothing can be watched (the system has a limit), the end of the process has to do.
    pub fn of(scratch: &Scratch) -> Watch {
        #[cfg(target_os = "linux")]
        return Watch { inotify: linux::Watched::new(scratch).ok() };
        #[cfg(not(target_os = "linux"))]
        return Watch {};
    }

    /// Has the outputs taken in as they are written. Returns when the result has its name, or never.
    pub async fn until_settled(&self, arrivals: &Arrivals) {
        if self.result_appears(arrivals).await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(target_os = "linux")]
    async fn result_appears(&self, arrivals: &Arrivals) -> Option<()> {
        self.inotify.as_ref()?.result_appears(arrivals).await
    }

    #[cfg(not(target_os = "linux"))]
    async fn result_appears(&self, _arrivals: &Arrivals) -> Option<()> {
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeSet;
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
    use tokio::io::unix::AsyncFd;

    use crate::arrivals::Arrivals;
    use crate::request::Scratch;

    pub struct Watched {
        inotify: Inotify,
        outputs: WatchDescriptor,
        folder: PathBuf,
    }

    impl Watched {
        pub fn new(scratch: &Scratch) -> nix::Result<Watched> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            inotify.add_watch(scratch.folder(), AddWatchFlags::IN_MOVED_TO)?;
            let folder = scratch.outputs();
            let outputs = inotify.add_watch(&folder, AddWatchFlags::IN_MODIFY)?;
            Ok(Watched { inotify, outputs, folder })
        }

        pub async fn result_appears(&self, arrivals: &Arrivals) -> Option<()> {
            // SAFETY: the descriptor stays open longer than it is registered.
            let ready = unsafe { AsyncFd::register(self.inotify.as_fd()) }.ok()?;
            loop {
                let mut guard = ready.readable().await.ok()?;
                let events = self.inotify.read_events().unwrap_or_default();
                if events.iter().any(|event| self.is_result(event)) {
                    return Some(());
                }
                let grown = events.into_iter().filter(|event| event.wd == self.outputs);
                let names: BTreeSet<_> = grown.filter_map(|event| event.name).collect();
                names.iter().for_each(|name| arrivals.has_grown(self.folder.join(name)));
                guard.clear_ready();
            }
        }

        fn is_result(&self, event: &InotifyEvent) -> bool {
            event.wd != self.outputs && event.name.as_deref() == Some(Scratch::RESULT.as_ref())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_large_output_is_followed_until_the_result_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::prepare(folder.path().join("attempt")).unwrap();
        let (watch, arrivals) = (Watch::of(&scratch), Arrivals::default());
        let (large, small) = (scratch.output("large"), scratch.output("small"));
        let (path, result) = (large.clone(), scratch.result());
        let writing = tokio::task::spawn_blocking(move || {
            std::fs::write(small, "small").unwrap();
            let mut file = std::fs::File::create(path).unwrap();
            for _ in 0..4 {
                file.write_all(&[7; 8 << 20]).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            std::fs::write(result.with_extension("part"), "{}").unwrap();
            std::fs::rename(result.with_extension("part"), result).unwrap();
        });
        tokio::time::timeout(Duration::from_secs(30), watch.until_settled(&arrivals)).await.unwrap();
        writing.await.unwrap();
        assert!(arrivals.take(&large).is_some());
        assert!(arrivals.take(&scratch.output("small")).is_none());
    }
}
