//! Recurring runs: what is started by the clock.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Done, RunSource, Runtime, is_marked, marked, or_default, path, whole_number};
use crate::client::{Client, Paged, equals};
use crate::error::KubeflowError;
use crate::limits;
use crate::request::Request;

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
    pub schedule: Schedule<'a>,
    /// Whether it starts runs from now on.
    pub enabled: bool,
    /// Whether runs that were missed, while it was disabled or the server was down, are started later.
    pub catch_up: bool,
    /// How many of its runs may go on at the same time.
    pub max_concurrency: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
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

impl Schedule<'_> {
    fn to_json(self) -> Result<Value, KubeflowError> {
        let (kind, mut schedule) = match self.trigger {
            Trigger::Cron(cron) => ("cron_schedule", json!({"cron": checked_cron(cron)?})),
            Trigger::Interval(0) => {
                return Err(KubeflowError::usage("an interval of 0 seconds is none", "give 1 second or more"));
            }
            Trigger::Interval(seconds) => ("periodic_schedule", json!({"interval_second": seconds})),
        };
        for (key, instant) in [("start_time", self.start), ("end_time", self.end)] {
            let Some(instant) = instant else { continue };
            if crate::time::epoch_seconds(instant).is_none() {
                let message = format!("`{}` is no instant", instant.escape_debug());
                return Err(KubeflowError::usage(message, "write it like `2026-11-20T06:30:00Z`"));
            }
            schedule[key] = instant.into();
        }
        Ok(json!({ kind: schedule }))
    }
}

/// The form of a cron expression. A server takes five fields for six with one missing, and refuses them.
fn checked_cron(cron: &str) -> Result<&str, KubeflowError> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let plain = |field: &&str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-?LW#".contains(c));
    if fields.len() == 6 && fields.iter().all(plain) || cron.starts_with('@') {
        return Ok(cron);
    }
    let message = format!("`{}` is no schedule", cron.escape_debug());
    let help = match fields.len() {
        5 => format!("Kubeflow counts seconds: write `0 {}`", fields.join(" ")),
        _ => "write six fields, seconds first, such as `0 30 6 * * MON-FRI` for half past six on workdays".to_owned(),
    };
    Err(KubeflowError::usage(message, help))
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
        limits::run_name(new.display_name)?;
        let mut body = json!({
            "experiment_id": new.experiment_id,
            "display_name": new.display_name,
            "description": marked(new.description, new.marker),
            "runtime_config": new.runtime.to_json(),
            "trigger": new.schedule.to_json()?,
            "mode": if new.enabled { "ENABLE" } else { "DISABLE" },
            "no_catchup": !new.catch_up,
            "max_concurrency": new.max_concurrency,
        });
        new.source.put_into(&mut body);
        if let Some(account) = new.service_account {
            body["service_account"] = account.into();
        }
        let action = format!("make the recurring run `{}`", new.display_name);
        let request = Request::post(path(&["recurringruns"]), action).json(body);
        self.connection.create(&request, || {
            let filter = equals("display_name", new.display_name);
            let found = self.recurring(Some(new.experiment_id), Some(filter), usize::MAX)?;
            Ok(found.into_iter().find(|each| is_marked(&each.description, new.marker)))
        })
    }

    pub fn recurring_run(&self, id: &str) -> Result<RecurringRun, KubeflowError> {
        self.connection.ask(&Request::get(path(&["recurringruns", id]), format!("see how the recurring run {id} is")))
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
        let request = Request::get(path(&["recurringruns"]), "list recurring runs")
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
        self.remove(&Request::delete(path(&["recurringruns", id]), format!("remove the recurring run {id}")))
    }

    /// Carried out twice it is as carried out once.
    fn change_recurring_run(&self, id: &str, verb: &str) -> Result<(), KubeflowError> {
        let path = format!("{}:{verb}", path(&["recurringruns", id]));
        self.connection.ask(&Request::post(path, format!("{verb} the recurring run {id}"))).map(|Done {}| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_counts_seconds() {
        assert!(checked_cron("0 30 6 * * MON-FRI").is_ok() && checked_cron("@daily").is_ok());
        assert_eq!(checked_cron("30 6 * * *").unwrap_err().help, "Kubeflow counts seconds: write `0 30 6 * * *`");
        assert!(["", "* * *", "0 0 0 * * $x"].iter().all(|cron| checked_cron(cron).is_err()));
    }

    #[test]
    fn a_schedule_has_sense() {
        let schedule = Schedule { trigger: Trigger::Interval(60), start: Some("2026-11-20T06:30:00Z"), end: None };
        let written = schedule.to_json().unwrap();
        assert_eq!(
            written,
            json!({"periodic_schedule": {"interval_second": 60, "start_time": "2026-11-20T06:30:00Z"}})
        );
        assert!(Schedule { end: Some("tomorrow"), ..schedule }.to_json().is_err());
        assert!(Schedule { trigger: Trigger::Interval(0), ..schedule }.to_json().is_err());
    }
}
