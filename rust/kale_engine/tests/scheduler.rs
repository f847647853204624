//! Properties of the scheduler over random graphs and random orders of events.

use std::collections::BTreeSet;

use kale_engine::scheduler::{Command, Happening, Room, Scheduler, Task};
use kale_model::{RunStatus, StepId, StepStatus};
use proptest::prelude::*;

/// What steps may take together in these tests; what one takes is up to a little more.
const MEMORY: u64 = 10;

fn room(jobs: usize) -> Room {
    Room { jobs, memory: MEMORY }
}

/// A random DAG: step `i` waits for some of the steps before it.
fn tasks() -> impl Strategy<Value = Vec<Task>> {
    prop::collection::vec((any::<u32>(), 0..3_u32, 0..=MEMORY + 2), 1..12).prop_map(|rows| {
        let task = |(index, (mask, retries, memory)): (usize, &(u32, u32, u64))| Task {
            upstream: (0..index).filter(|bit| mask >> bit & 1 == 1).map(StepId).collect(),
            retries: *retries,
            done: None,
            memory: *memory,
        };
        rows.iter().enumerate().map(task).collect()
    })
}

/// A world that answers commands in an order and with results drawn from `choices`.
struct World {
    tasks: Vec<Task>,
    jobs: usize,
    running: BTreeSet<StepId>,
    stopping: BTreeSet<StepId>,
    pausing: BTreeSet<StepId>,
    attempts: Vec<u32>,
    failures: Vec<u32>,
    ended: Vec<Option<StepStatus>>,
    finish: Option<RunStatus>,
}

impl World {
    fn new(tasks: Vec<Task>, jobs: usize) -> World {
        let count = tasks.len();
        World {
            tasks,
            jobs,
            running: BTreeSet::new(),
            stopping: BTreeSet::new(),
            pausing: BTreeSet::new(),
            attempts: vec![0; count],
            failures: vec![0; count],
            ended: vec![None; count],
            finish: None,
        }
    }

    fn obey(&mut self, commands: Vec<Command>) {
        for command in commands {
            assert_eq!(self.finish, None, "nothing comes after the end");
            match command {
                Command::Start { step, attempt } => self.start(step, attempt),
                Command::Pause { step, .. } => assert!(self.pausing.insert(step)),
                Command::Stop { step } => {
                    assert!(self.running.contains(&step));
                    self.stopping.insert(step);
                }
                Command::Skip { step, failed } => {
                    assert_eq!(self.ended[failed.0], Some(StepStatus::Failed));
                    self.end(step, StepStatus::Skipped);
                }
                Command::Cancel { step } => self.end(step, StepStatus::Cancelled),
                Command::Finish { status } => self.finish = Some(status),
            }
        }
    }

    fn start(&mut self, step: StepId, attempt: u32) {
        for upstream in &self.tasks[step.0].upstream {
            let status = self.ended[upstream.0];
            assert!(
                matches!(status, Some(StepStatus::Succeeded | StepStatus::Cached)),
                "{step:?} started before {upstream:?} had a result"
            );
        }
        assert_eq!(self.ended[step.0], None);
        self.attempts[step.0] += 1;
        assert_eq!(attempt, self.attempts[step.0]);
        assert!(attempt <= self.tasks[step.0].retries + 1);
        assert!(self.running.insert(step));
        assert!(self.running.len() <= self.jobs);
        let taken: u64 = self.running.iter().map(|step| self.tasks[step.0].memory).sum();
        assert!(taken <= MEMORY || self.running.len() == 1, "{taken} at the same time");
    }

    fn end(&mut self, step: StepId, status: StepStatus) {
        assert_eq!(self.ended[step.0].replace(status), None, "{step:?} ended twice");
        self.pausing.remove(&step);
    }

    /// The next thing that happens, or `None` when nothing can.
    fn next(&mut self, choice: u32, cancel: bool) -> Option<Happening> {
        if cancel {
            return Some(Happening::Cancel);
        }
        let possible: Vec<StepId> = self.running.union(&self.pausing).copied().collect();
        let step = *possible.get(choice as usize % possible.len().max(1))?;
        if self.pausing.remove(&step) {
            return Some(Happening::RetryDue(step));
        }
        self.running.remove(&step);
        if self.stopping.remove(&step) {
            return Some(Happening::Stopped(step));
        }
        match choice / 64 % 4 {
            0 => {
                self.failures[step.0] += 1;
                if self.failures[step.0] > self.tasks[step.0].retries {
                    self.end(step, StepStatus::Failed);
                }
                Some(Happening::Failed(step))
            }
            1 => {
                self.end(step, StepStatus::Cached);
                Some(Happening::Reused(step))
            }
            _ => {
                self.end(step, StepStatus::Succeeded);
                Some(Happening::Succeeded(step))
            }
        }
    }
}

fn play(tasks: Vec<Task>, jobs: usize, choices: &[u32], cancel_at: Option<usize>) -> World {
    let mut scheduler = Scheduler::of_tasks(tasks.clone(), room(jobs));
    let mut world = World::new(tasks, jobs);
    world.obey(scheduler.begin());
    for round in 0..10_000 {
        if world.finish.is_some() {
            break;
        }
        let cancel = cancel_at == Some(round);
        let happening = world.next(choices[round % choices.len()], cancel).expect("a run that is not over goes on");
        world.obey(scheduler.on(happening));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_schedule_is_legal_and_ends(
        tasks in tasks(), jobs in 1..4_usize, choices in prop::collection::vec(0..1024_u32, 1..60)
    ) {
        let world = play(tasks.clone(), jobs, &choices, None);
        prop_assert!(world.ended.iter().all(Option::is_some));
        for (task, status) in tasks.iter().zip(&world.ended) {
            let lost = |step: &StepId| {
                matches!(world.ended[step.0], Some(StepStatus::Failed | StepStatus::Skipped))
            };
            let skipped = *status == Some(StepStatus::Skipped);
            prop_assert_eq!(skipped, task.upstream.iter().any(lost), "skipped exactly when something before it is lost");
        }
        let failed = world.ended.contains(&Some(StepStatus::Failed));
        let expected = if failed { RunStatus::Failed } else { RunStatus::Succeeded };
        prop_assert_eq!(world.finish, Some(expected));
    }

    #[test]
    fn cancelling_stops_everything(
        tasks in tasks(), jobs in 1..4_usize, choices in prop::collection::vec(0..1024_u32, 1..60), at in 0..20_usize
    ) {
        let world = play(tasks, jobs, &choices, Some(at));
        prop_assert!(world.finish.is_some());
        prop_assert!(world.running.is_empty() && world.pausing.is_empty());
        prop_assert!(world.ended.iter().all(Option::is_some));
        if world.ended.contains(&Some(StepStatus::Cancelled)) {
            prop_assert_eq!(world.finish, Some(RunStatus::Cancelled));
        }
    }

    #[test]
    fn a_resumed_run_starts_only_what_has_no_result(tasks in tasks(), done in any::<u32>()) {
        let mut tasks = tasks;
        for index in 0..tasks.len() {
            let ready = tasks[index].upstream.iter().all(|step| tasks[step.0].done.is_some());
            if ready && done >> index & 1 == 1 {
                tasks[index].done = Some(StepStatus::Succeeded);
            }
        }
        let mut scheduler = Scheduler::of_tasks(tasks.clone(), room(99));
        for command in scheduler.begin() {
            if let Command::Start { step, .. } = command {
                prop_assert_eq!(tasks[step.0].done, None);
            }
        }
    }
}

#[test]
fn attempts_pause_longer_each_time() {
    let mut scheduler = Scheduler::of_tasks(vec![Task { retries: 9, ..Task::default() }], room(1));
    scheduler.begin();
    let mut pauses = vec![];
    for _ in 0..9 {
        match scheduler.on(Happening::Failed(StepId(0)))[..] {
            [Command::Pause { pause, .. }] => pauses.push(pause.as_millis()),
            ref other => panic!("{other:?}"),
        }
        scheduler.on(Happening::RetryDue(StepId(0)));
    }
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
    let last = scheduler.on(Happening::Failed(StepId(0)));
    assert_eq!(last, [Command::Finish { status: RunStatus::Failed }]);
}

#[test]
fn a_pipeline_without_steps_is_done_at_once() {
    let mut scheduler = Scheduler::of_tasks(vec![], room(1));
    assert_eq!(scheduler.begin(), [Command::Finish { status: RunStatus::Succeeded }]);
}
