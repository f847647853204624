//! The planner with faults in it. A program of its own lets both lie side by side, built of the same libraries.

#[path = "planner.rs"]
mod planner;

fn main() -> std::io::Result<()> {
    planner::main()
}
