//! Which process carries out a run or a sweep: expected once it is started, then the one that has claimed it.

use kale_model::sweep::SweepId;
use kale_model::{RunId, RunStatus};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::error::{Result, StoreError};
use crate::liveness::ProcessIdentity;
use crate::run::read_engine;
use crate::{Store, now};

/// What nobody has started an engine for by then will not get one.
const START_SECONDS: f64 = 30.0;

/// What an engine carries out. Both are rows with the columns `status`, `engine_pid` and `engine_started`.
#[derive(Clone, Copy)]
pub(crate) enum Work<'a> {
    Run(&'a RunId),
    Sweep(&'a SweepId),
}

impl<'a> Work<'a> {
    fn table(self) -> &'static str {
        match self {
            Work::Run(_) => "runs",
            Work::Sweep(_) => "sweeps",
        }
    }

    fn id(self) -> &'a str {
        match self {
            Work::Run(run) => &run.0,
            Work::Sweep(sweep) => &sweep.0,
        }
    }

    fn unknown(self) -> StoreError {
        match self {
            Work::Run(run) => StoreError::UnknownRun(run.0.clone()),
            Work::Sweep(sweep) => StoreError::UnknownSweep(sweep.0.clone()),
        }
    }

    fn busy(self, pid: u32) -> StoreError {
        match self {
            Work::Run(run) => StoreError::Busy { run: run.0.clone(), pid },
            Work::Sweep(sweep) => StoreError::SweepBusy { sweep: sweep.0.clone(), pid },
        }
    }
}

impl Store {
    /// Notes which process was started to become the engine, so that its early death is seen.
    pub(crate) fn expect(&self, work: Work, pid: u32) -> Result<()> {
        let Some(engine) = ProcessIdentity::of(pid) else { return Ok(()) };
        let sql = format!(
            "UPDATE {} SET engine_pid = ?2, engine_started = ?3
             WHERE id = ?1 AND status = 'pending' AND engine_pid IS NULL",
            work.table()
        );
        self.database
            .write(|transaction| transaction.execute(&sql, params![work.id(), engine.pid, engine.started]).map(drop))
    }

    /// Changes what no other living process holds (or, if that is enough, has claimed), in one transaction. A process
    /// that is only expected may be a launcher that has started this one.
    pub(crate) fn unless_held(
        &self,
        work: Work,
        expected_may_be_passed: bool,
        body: impl FnOnce(&Transaction) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let own = ProcessIdentity::current();
        let sql = format!("SELECT engine_pid, engine_started, status = 'pending' FROM {} WHERE id = ?1", work.table());
        self.database.write_durably(|transaction| {
            let read = |row: &Row| Ok((read_engine(row, 0)?, row.get(2)?));
            let Some((holder, pending)) = transaction.query_row(&sql, params![work.id()], read).optional()? else {
                return Ok(Err(work.unknown()));
            };
            let passed = |other: &ProcessIdentity| *other == own || (pending && expected_may_be_passed);
            if let Some(other) = holder.filter(|other| !passed(other) && other.is_alive()) {
                return Ok(Err(work.busy(other.pid)));
            }
            body(transaction).map(Ok)
        })?
    }
}

/// The status that everyone sees: `interrupted` where no engine lives, and none is to be expected any more.
pub(crate) fn visible_status(recorded: RunStatus, engine: Option<&ProcessIdentity>, queued: f64) -> RunStatus {
    let going_on = match engine {
        Some(engine) => engine.is_alive(),
        None => recorded == RunStatus::Pending && now() - queued < START_SECONDS,
    };
    if recorded.is_finished() || going_on { recorded } else { RunStatus::Interrupted }
}
