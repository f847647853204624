//! Recurring runs, as KFP calls what is started by the clock. To users it is a schedule; its time is a [`Timing`] when it is
//! made, and a [`Timetable`] as the server tells it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Done, RunSource, Runtime, is_marked, marked, or_default, path, whole_number};
use crate::client::{Client, Paged, equals};
use crate::error::KubeflowError;
use crate::request::Request;
use crate::{cron, limits};

/// A recurring run to be made.
#[derive(Clone, Debug)]
pub struct NewRecurringRun<'a> {
    pub display_name: &'a str,
    pub description: Option<&'a str>,
    pub experiment_id: &'a str,
    /// What no other one has: see [`super::NewRun::marker`].
    pub marker: &'a str,
    pub source: RunSource<'a>,
    pub runtime: Runtime<'a>,
    pub service_account: Option<&'a str>,
    pub timing: Timing<'a>,
    /// Whether it starts runs from now on.
    pub enabled: bool,
    /// Whether runs that were missed, while it was disabled or the server was down, are started later.
    pub catch_up: bool,
    /// How many of its runs may go on at the same time.
    pub max_concurrency: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Timing<'a> {
    pub trigger: Trigger<'a>,
    /// RFC 3339.
    pub start: Option<&'a str>,
    pub end: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
pub enum Trigger<'a> {
    /// Six fields, seconds first: `0 30 6 * * MON-FRI`. Or `@daily` and the like.
    Cron(&'a str),
    /// Every so many seconds.
    Interval(u32),
}

impl Timing<'_> {
    /// Whether a server would take it.
    pub fn check(&self) -> Result<(), KubeflowError> {
        match self.trigger {
            Trigger::Cron(text) => cron::check(text)?,
            Trigger::Interval(0) => {
                return Err(KubeflowError::usage("an interval of 0 seconds is none", "give 1 second or more"));
            }
            Trigger::Interval(_) => {}
        }
        let [start, end] = [self.start, self.end].map(|instant| instant.map(epoch).transpose());
        let (start, end) = (start?, end?);
        if start.zip(end).is_some_and(|(start, end)| start >= end) {
            let message = "the schedule ends before it starts";
            return Err(KubeflowError::usage(message, "give an end that is later than the start"));
        }
        Ok(())
    }

    fn to_json(self) -> Value {
        let (kind, mut schedule) = match self.trigger {
            Trigger::Cron(cron) => ("cron_schedule", json!({"cron": cron})),
            Trigger::Interval(seconds) => ("periodic_schedule", json!({"interval_second": seconds})),
        };
        for (key, instant) in [("start_time", self.start), ("end_time", self.end)] {
            if let Some(instant) = instant {
                schedule[key] = instant.into();
            }
        }
        json!({ kind: schedule })
    }
}

fn epoch(instant: &str) -> Result<f64, KubeflowError> {
    crate::time::epoch_seconds(instant).ok_or_else(|| {
        let message = format!("`{}` is no instant", instant.escape_debug());
        KubeflowError::usage(message, "write it like `2026-11-20T06:30:00Z`")
    })
}

/// A recurring run as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RecurringRun {
    pub recurring_run_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub experiment_id: String,
    /// `ENABLED` or `DISABLED`.
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub no_catchup: bool,
    #[serde(default, deserialize_with = "whole_number")]
    pub max_concurrency: Option<i64>,
    #[serde(default, deserialize_with = "or_default")]
    trigger: BothTriggers,
}

/// As the server says it: one of them is there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct BothTriggers {
    #[serde(deserialize_with = "or_default")]
    cron_schedule: Timetable,
    #[serde(deserialize_with = "or_default")]
    periodic_schedule: Timetable,
}

/// Timing a recurring run starts runs, as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Timetable {
    #[serde(deserialize_with = "or_default")]
    pub cron: Option<String>,
    #[serde(rename = "interval_second", deserialize_with = "whole_number")]
    pub interval_seconds: Option<i64>,
    #[serde(rename = "start_time", deserialize_with = "or_default")]
    pub start: Option<String>,
    #[serde(rename = "end_time", deserialize_with = "or_default")]
    pub end: Option<String>,
}

impl RecurringRun {
    /// Whether it starts runs.
    pub fn is_enabled(&self) -> bool {
        self.status == "ENABLED"
    }

    pub fn timetable(&self) -> &Timetable {
        let BothTriggers { cron_schedule, periodic_schedule } = &self.trigger;
        if cron_schedule.cron.is_some() { cron_schedule } else { periodic_schedule }
    }
}

#[derive(Deserialize)]
struct RecurringRuns {
    // The one key of the API that is not in snake case.
    #[serde(default, rename = "recurringRuns", alias = "recurring_runs", deserialize_with = "or_default")]
    recurring_runs: Vec<RecurringRun>,
    #[serde(default, deserialize_with = "or_default")]
    next_page_token: String,
}

impl Paged for RecurringRuns {
    type Item = RecurringRun;

    fn parts(self) -> (Vec<RecurringRun>, String) {
        (self.recurring_runs, self.next_page_token)
    }
}

impl Client {
    /// Makes a recurring run, once.
    pub fn create_recurring_run(&self, new: &NewRecurringRun<'_>) -> Result<RecurringRun, KubeflowError> {
        limits::schedule(new.display_name, new.max_concurrency)?;
        new.timing.check()?;
        let mut body = json!({
            "experiment_id": new.experiment_id,
            "display_name": new.display_name,
            "description": marked(new.description, new.marker),
            "runtime_config": new.runtime.to_json(),
            "trigger": new.timing.to_json(),
            "mode": if new.enabled { "ENABLE" } else { "DISABLE" },
            "no_catchup": !new.catch_up,
            "max_concurrency": new.max_concurrency,
        });
        new.source.put_into(&mut body);
        if let Some(account) = new.service_account {
            body["service_account"] = account.into();
        }
        let action = format!("make the schedule `{}`", new.display_name);
        let request = Request::post(path(&["recurringruns"]), action).json(body);
        self.connection.create(&request, || {
            let filter = equals("display_name", new.display_name);
            let found = self.recurring(Some(new.experiment_id), Some(filter), usize::MAX)?;
            Ok(found.into_iter().find(|each| is_marked(&each.description, new.marker)))
        })
    }

    pub fn recurring_run(&self, id: &str) -> Result<RecurringRun, KubeflowError> {
        self.connection.ask(&Request::get(path(&["recurringruns", id]), format!("see how the schedule {id} is")))
    }

    /// At most `limit` of an experiment, or of the namespace, newest first.
    pub fn recurring_runs(
        &self,
        experiment_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecurringRun>, KubeflowError> {
        self.recurring(experiment_id, None, limit)
    }

    fn recurring(
        &self,
        experiment_id: Option<&str>,
        filter: Option<String>,
        limit: usize,
    ) -> Result<Vec<RecurringRun>, KubeflowError> {
        let request = Request::get(path(&["recurringruns"]), "list schedules")
            .with("experiment_id", experiment_id)
            .with("namespace", self.namespace().filter(|_| experiment_id.is_none()))
            .with("sort_by", Some("created_at desc"))
            .with("filter", filter);
        self.list::<RecurringRuns>(&request, limit)
    }

    pub fn enable_recurring_run(&self, id: &str) -> Result<(), KubeflowError> {
        self.change_recurring_run(id, "enable")
    }

    pub fn disable_recurring_run(&self, id: &str) -> Result<(), KubeflowError> {
        self.change_recurring_run(id, "disable")
    }

    /// Removes a recurring run; one that is not there is removed already.
    pub fn delete_recurring_run(&self, id: &str) -> Result<(), KubeflowError> {
        self.remove(&Request::delete(path(&["recurringruns", id]), format!("remove the schedule {id}")))
    }

    /// Carried out twice it is as carried out once.
    fn change_recurring_run(&self, id: &str, verb: &str) -> Result<(), KubeflowError> {
        let path = format!("{}:{verb}", path(&["recurringruns", id]));
        self.connection.ask(&Request::post(path, format!("{verb} the schedule {id}"))).map(|Done {}| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_sense() {
        let timing = Timing { trigger: Trigger::Interval(60), start: Some("2026-11-20T06:30:00Z"), end: None };
        let written = timing.to_json();
        assert_eq!(
            written,
            json!({"periodic_schedule": {"interval_second": 60, "start_time": "2026-11-20T06:30:00Z"}})
        );
        assert!(timing.check().is_ok());
        assert!(Timing { end: Some("tomorrow"), ..timing }.check().is_err());
        assert!(Timing { end: Some("2026-11-20T07:30:00+02:00"), ..timing }.check().is_err());
        assert!(Timing { trigger: Trigger::Interval(0), ..timing }.check().is_err());
    }
}
