//! Engines killed at random moments, and their runs resumed, until as many have died as were asked for
//! (`KALE_CRASHES`, 50 unless told; `make soak` asks for 1,000). `KALE_SEED` repeats a sequence of moments.
//!
//! The pipeline has what makes trouble: a fan-in, a step that writes a file, one that stores 100 MB. The steps
//! themselves count how often they are executed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kale_model::{RunId, RunStatus, StepStatus};
use kale_store::{Digest, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::project::{Project, StepSpec, left_over, pipeline, step};

const NAMES: [&str; 7] = ["load", "big", "left", "right", "write", "join", "last"];

fn steps() -> Vec<StepSpec> {
    let counting = |name: &'static str, source: &str| {
        step(name, format!("{source}\nwith open('executions', 'a') as f: f.write('{name}\\n')")).uncached()
    };
    vec![
        counting("load", "a = list(range(10_000))").saves(&["a"]),
        counting("big", "big = bytearray(100_000_000)\nbig[a[7]] = 1").loads("load", &["a"]).saves(&["big"]),
        counting("left", "left = {'sum': sum(a)}").loads("load", &["a"]).saves(&["left"]),
        counting("right", "right = [len(a)]").loads("load", &["a"]).saves(&["right"]),
        counting("write", "with open('made.txt', 'w') as made: made.write(str(left))")
            .loads("left", &["left"])
            .writes("made.txt"),
        counting("join", "total = left['sum'] + right[0] + big.index(1) + len(open('made.txt').read())")
            .loads("big", &["big"])
            .loads("left", &["left"])
            .loads("right", &["right"])
            .after("write")
            .saves(&["total"]),
        counting("last", "print(total)").loads("join", &["total"]),
    ]
}

/// What an undisturbed run comes to: every stored value, and what the last step prints.
fn outcome(project: &Project, id: &RunId) -> (BTreeMap<String, Digest>, String) {
    let store = project.store();
    let steps = store.steps(id).unwrap();
    let values = steps.iter().flat_map(|step| step.result.as_ref().unwrap().outputs.clone()).collect();
    (values, store.logs(id, Some("last")).unwrap()[0].text.clone())
}

/// Small and good enough for moments: xorshift.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> Duration {
        for shift in [13_i32, -7, 17] {
            self.0 ^= if shift > 0 { self.0 << shift } else { self.0 >> -shift };
        }
        Duration::from_micros(self.0 % below)
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn engines_killed_at_random_moments_lose_nothing_and_repeat_nothing() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let seed = number("KALE_SEED", u64::try_from(clock % u128::from(u64::MAX)).unwrap()).max(1);
    println!("KALE_SEED={seed}");
    let mut moments = Moments(seed);
    let calm = Project::new();
    let began = std::time::Instant::now();
    let id = calm.create(&pipeline(&steps()));
    calm.launch(&id);
    assert_eq!(calm.wait_for_end(&id).status, RunStatus::Succeeded);
    let expected = outcome(&calm, &id);
    // On a machine under load too, most moments are to be at work, and the test is to end.
    let longest = u64::try_from(began.elapsed().as_micros()).unwrap().min(2_000_000);
    let mut left = number("KALE_CRASHES", 50);
    while left > 0 {
        left -= crash_once_through(&mut moments, left, longest, &expected);
    }
}

/// One run, killed and resumed until it gets to its end; gives how often it was killed.
fn crash_once_through(
    moments: &mut Moments,
    most: u64,
    longest: u64,
    expected: &(BTreeMap<String, Digest>, String),
) -> u64 {
    let project = Project::new();
    let id = project.create(&pipeline(&steps()));
    let mut finished: BTreeMap<String, usize> = BTreeMap::new();
    let mut kills = 0;
    while kills < most && !project.store().run_status(&id).unwrap().is_finished() {
        let engine = project.launch(&id);
        std::thread::sleep(moments.next(longest));
        // It may have come to its end before.
        let died = kill(Pid::from_raw(i32::try_from(engine).unwrap()), Signal::SIGKILL).is_ok();
        kills += u64::from(died);
        project.wait_until("nothing of the run is left", || left_over(&id).is_empty());
        look(&project, &id, &mut finished);
    }
    if !project.store().run_status(&id).unwrap().is_finished() {
        project.launch(&id);
    }
    let view = project.wait_for_end(&id);
    assert_eq!(view.status, RunStatus::Succeeded, "{:?}", view.diagnostics);
    assert_eq!(outcome(&project, &id), *expected, "after {kills} kills");
    assert_eq!(project.read("made.txt"), "{'sum': 49995000}");
    for name in NAMES {
        let executions = project.executions(name);
        assert!(executions >= 1, "`{name}` was never executed");
        let before = finished.get(name).copied().unwrap_or(executions);
        assert_eq!(executions, before, "`{name}` was executed again after it had finished");
    }
    kills.max(1)
}

fn is_small(store: &Store, digest: &Digest) -> bool {
    std::fs::metadata(store.blobs().path(digest)).unwrap().len() < 1 << 20
}

/// The store between two engines: readable, and all that is finished is there.
fn look(project: &Project, id: &RunId, finished: &mut BTreeMap<String, usize>) {
    let store = project.store();
    project.wait_until("the engine's death is seen", || {
        !matches!(store.run_status(id).unwrap(), RunStatus::Pending | RunStatus::Running)
    });
    for record in store.steps(id).unwrap().iter().filter(|record| record.status == StepStatus::Succeeded) {
        let result = record.result.as_ref().unwrap();
        assert!(store.is_complete(result), "a published step has its blobs");
        // Hashing 100 MB after every kill would take longer than the runs: of the large one the end has to do.
        for digest in result.outputs.values().filter(|digest| is_small(&store, digest)) {
            let bytes = std::fs::read(store.blobs().path(digest)).unwrap();
            assert_eq!(Digest::of(&bytes), *digest, "a blob is what its name says");
        }
        let executions = project.executions(&record.name);
        assert_eq!(*finished.entry(record.name.clone()).or_insert(executions), executions, "`{}`", record.name);
    }
}
