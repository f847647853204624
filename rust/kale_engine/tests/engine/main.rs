//! Runs of small pipelines with the real Python and the real runtime.

mod bad_steps;
mod caching;
mod crashes;
mod durability;
mod notebook;
mod project;
mod promises;
mod stores;
mod sweeps;

use std::path::Path;

use kale_model::RunId;

/// Not a test: what an engine process of the other tests executes. It is this program again, with the run among its
/// arguments.
#[test]
fn engine_process() {
    let argument = |name: &str| std::env::args().find_map(|argument| argument.strip_prefix(name).map(str::to_owned));
    if let (Some(root), Some(run)) = (argument("store="), argument("run=")) {
        kale_engine::execute(Path::new(&root), &RunId(run)).unwrap();
    }
}
