//! Work on syntax trees recurses as deep as the tree is, and an overflow of the stack would take down the user's kernel.

/// Enough for the deepest syntax that the guard before the parser lets through (see [`crate::python::parse`]).
const BYTES: usize = 256 << 20;

/// Does the work on a thread of its own with a large stack, whatever the caller's is.
pub fn with_large_stack<T: Send>(work: impl Fn() -> T + Send + Sync) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("kale-compile".to_owned()).stack_size(BYTES);
        let thread = builder.spawn_scoped(scope, &work);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // No memory for another thread: the caller's stack has to do.
            Err(_) => work(),
        }
    })
}
