//! CPU time of one compilation in a process that is running already, as in a kernel while people type:
//! `cargo bench --bench analysis -- NOTEBOOK...` prints a line of milliseconds per notebook. `make bench` compares them
//! with another tool's.

use kale_frontend::{CompileOptions, compile};
use nix::sys::resource::{UsageWho, getrusage};

/// As in the extension module.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 15;

fn main() {
    for path in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let options = CompileOptions { default_name: "bench".to_owned(), ..CompileOptions::default() };
        let steps = compile(&text, &options).pipeline.map_or(0, |pipeline| pipeline.steps.len());
        assert!(steps > 0, "{path} does not compile");
        let mut times: Vec<f64> = (0..ROUNDS).map(|_| milliseconds(|| drop(compile(&text, &options)))).collect();
        times.sort_by(f64::total_cmp);
        println!("{:.3}", times[ROUNDS / 2]);
    }
}

/// User and system time of all threads.
fn milliseconds(work: impl FnOnce()) -> f64 {
    let before = used();
    work();
    used() - before
}

fn used() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("every system keeps count");
    let times = [usage.user_time(), usage.system_time()];
    times.iter().map(|time| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3).sum()
}
