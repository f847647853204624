//! Ctrl-C. While a run is followed, the first one asks it to stop and the second one leaves at once; at any other
//! time there is nothing to tidy up, so the process ends with status 130.

use std::sync::atomic::{AtomicBool, Ordering};

pub const STATUS: i32 = 130;

static FOLLOWING: AtomicBool = AtomicBool::new(false);
static PRESSED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_signal: libc::c_int) {
    let first = !PRESSED.swap(true, Ordering::SeqCst);
    if !(first && FOLLOWING.load(Ordering::SeqCst)) {
        // SAFETY: `_exit` is on the list of functions that a signal handler may call.
        unsafe { libc::_exit(STATUS) };
    }
}

/// Replaces Python's handler, which would only run between Python instructions, of which there are none.
pub fn install() {
    let handler = on_interrupt as extern "C" fn(libc::c_int);
    // SAFETY: the handler touches two atomics and calls `_exit`, all of which a signal handler may do.
    unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
}

/// From here on Ctrl-C asks.
pub fn follow() {
    FOLLOWING.store(true, Ordering::SeqCst);
}

/// Whether it has asked.
pub fn pressed() -> bool {
    PRESSED.load(Ordering::SeqCst)
}
