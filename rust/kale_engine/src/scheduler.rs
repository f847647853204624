//! Which step may run when, as a pure state machine: no clock, no process, no disk.
//!
//! The loop around it tells it what happened ([`Happening`]) and carries out what it answers ([`Command`]). For
//! `load -> {left, right} -> join` with two jobs:
//!
//! ```text
//! begin()                  -> Start load
//! on(Succeeded load)       -> Start left, Start right
//! on(Failed right)         -> Skip join                    (right had no retries left)
//! on(Succeeded left)       -> Finish failed
//! ```
//!
//! A failure takes down what is downstream of it and nothing else. Cancelling stops everything.

use std::collections::BTreeSet;
use std::time::Duration;

use kale_model::{Pipeline, RunStatus, StepId, StepStatus};

/// What the loop reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The step ran to its end.
    Succeeded(StepId),
    /// A stored result stands for running it.
    Reused(StepId),
    /// An attempt failed, timed out or died.
    Failed(StepId),
    /// It was stopped on our own command.
    Stopped(StepId),
    /// The pause before the next attempt is over.
    RetryDue(StepId),
    /// The user wants the run to stop.
    Cancel,
}

/// What the loop shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Look up or run the step. Attempts count from 1.
    Start { step: StepId, attempt: u32 },
    /// Report [`Happening::RetryDue`] after the pause.
    Pause { step: StepId, pause: Duration },
    /// End the step's processes, then report [`Happening::Stopped`] (or what it came to meanwhile).
    Stop { step: StepId },
    /// Record it as skipped, because `failed` did not succeed.
    Skip { step: StepId, failed: StepId },
    /// Record it as cancelled: it never ran, or was stopped before this command.
    Cancel { step: StepId },
    /// All is over. Comes once, last.
    Finish { status: RunStatus },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for other steps, for a free place, or (`attempt` above 1) has its pause behind it.
    Ready {
        attempt: u32,
    },
    Running {
        attempt: u32,
    },
    Pausing {
        attempt: u32,
    },
    Done(StepStatus),
}

/// What the scheduler has to know of a step.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Steps it waits for.
    pub upstream: BTreeSet<StepId>,
    /// Further attempts after the first.
    pub retries: u32,
    /// How it ended in an earlier session of the run.
    pub done: Option<StepStatus>,
    /// Bytes that it is expected to need.
    pub memory: u64,
}

/// What steps that run at the same time may take together.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub jobs: usize,
    /// Bytes. A step that needs more than there is runs alone.
    pub memory: u64,
}

pub struct Scheduler {
    tasks: Vec<Task>,
    states: Vec<State>,
    room: Room,
    cancelled: bool,
    finished: bool,
}

impl Scheduler {
    /// `done[i]` is how step `i` ended in an earlier session of the run, if it did; `memory[i]` is what it needs.
    pub fn new(pipeline: &Pipeline, done: &[Option<StepStatus>], memory: &[u64], room: Room) -> Scheduler {
        let task = |id: StepId| Task {
            upstream: pipeline.upstream(id).collect(),
            retries: pipeline.step(id).config.retries,
            done: done[id.0],
            memory: memory[id.0],
        };
        Scheduler::of_tasks(pipeline.step_ids().map(task).collect(), room)
    }

    pub fn of_tasks(tasks: Vec<Task>, room: Room) -> Scheduler {
        let state = |task: &Task| task.done.map_or(State::Ready { attempt: 1 }, State::Done);
        let states = tasks.iter().map(state).collect();
        Scheduler { tasks, states, room: Room { jobs: room.jobs.max(1), ..room }, cancelled: false, finished: false }
    }

    /// The first commands.
    pub fn begin(&mut self) -> Vec<Command> {
        self.advance(vec![])
    }

    pub fn on(&mut self, happening: Happening) -> Vec<Command> {
        let mut commands = vec![];
        match happening {
            Happening::Succeeded(step) => self.end(step, StepStatus::Succeeded),
            Happening::Reused(step) => self.end(step, StepStatus::Cached),
            Happening::Failed(step) => self.fail(step, &mut commands),
            Happening::Stopped(step) => {
                self.end(step, StepStatus::Cancelled);
                commands.push(Command::Cancel { step });
            }
            Happening::RetryDue(step) => {
                if let State::Pausing { attempt } = self.states[step.0] {
                    self.states[step.0] = State::Ready { attempt };
                }
            }
            Happening::Cancel => self.cancel(&mut commands),
        }
        self.advance(commands)
    }

    /// Whether a failure of the running attempt would be followed by another attempt.
    pub fn will_retry(&self, step: StepId) -> bool {
        let State::Running { attempt } = self.states[step.0] else { return false };
        !self.cancelled && attempt <= self.tasks[step.0].retries
    }

    fn end(&mut self, step: StepId, status: StepStatus) {
        debug_assert!(matches!(self.states[step.0], State::Running { .. }), "only a running step ends");
        self.states[step.0] = State::Done(status);
    }

    fn fail(&mut self, step: StepId, commands: &mut Vec<Command>) {
        let retry = self.will_retry(step);
        match self.states[step.0] {
            State::Running { attempt } if retry => {
                self.states[step.0] = State::Pausing { attempt: attempt + 1 };
                commands.push(Command::Pause { step, pause: pause_before(attempt + 1) });
            }
            _ => {
                self.end(step, StepStatus::Failed);
                self.skip_downstream(step, commands);
            }
        }
    }

    fn skip_downstream(&mut self, failed: StepId, commands: &mut Vec<Command>) {
        let mut lost = BTreeSet::from([failed]);
        // Steps are in topological order, so one pass finds all.
        for index in failed.0 + 1..self.tasks.len() {
            let reached = self.tasks[index].upstream.iter().any(|step| lost.contains(step));
            if reached {
                lost.insert(StepId(index));
                if matches!(self.states[index], State::Ready { .. }) {
                    self.states[index] = State::Done(StepStatus::Skipped);
                    commands.push(Command::Skip { step: StepId(index), failed });
                }
            }
        }
    }

    fn cancel(&mut self, commands: &mut Vec<Command>) {
        if self.cancelled {
            return;
        }
        self.cancelled = true;
        for index in 0..self.states.len() {
            let step = StepId(index);
            match self.states[index] {
                State::Running { .. } => commands.push(Command::Stop { step }),
                State::Ready { .. } | State::Pausing { .. } => {
                    self.states[index] = State::Done(StepStatus::Cancelled);
                    commands.push(Command::Cancel { step });
                }
                State::Done(_) => {}
            }
        }
    }

    /// Starts what may start, in the pipeline's order, and says when all is over.
    fn advance(&mut self, mut commands: Vec<Command>) -> Vec<Command> {
        for index in 0..self.states.len() {
            let State::Ready { attempt } = self.states[index] else { continue };
            if self.has_room_for(&self.tasks[index])
                && self.tasks[index].upstream.iter().all(|step| self.has_result(*step))
            {
                self.states[index] = State::Running { attempt };
                commands.push(Command::Start { step: StepId(index), attempt });
            }
        }
        if !self.finished && self.states.iter().all(|state| matches!(state, State::Done(_))) {
            self.finished = true;
            commands.push(Command::Finish { status: self.outcome() });
        }
        commands
    }

    fn has_room_for(&self, task: &Task) -> bool {
        let pairs = self.tasks.iter().zip(&self.states);
        let running =
            || pairs.clone().filter(|(_, state)| matches!(state, State::Running { .. })).map(|(task, _)| task);
        let taken = running().fold(task.memory, |sum, task| sum.saturating_add(task.memory));
        let count = running().count();
        count == 0 || (count < self.room.jobs && taken <= self.room.memory)
    }

    fn has_result(&self, step: StepId) -> bool {
        matches!(self.states[step.0], State::Done(StepStatus::Succeeded | StepStatus::Cached))
    }

    fn outcome(&self) -> RunStatus {
        let any = |status| self.states.contains(&State::Done(status));
        if any(StepStatus::Cancelled) {
            RunStatus::Cancelled
        } else if any(StepStatus::Failed) || any(StepStatus::Skipped) {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        }
    }
}

/// Half a second, doubled with each attempt, at most ten: enough for a service to come back, short enough to watch.
fn pause_before(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(2).min(5);
    Duration::from_millis(500 << doublings).min(Duration::from_secs(10))
}
