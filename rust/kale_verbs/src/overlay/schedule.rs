//! Timing a pipeline runs by itself: what an overlay says of it, and what `schedule add` is told.

use kale_kubeflow::{Timing, Trigger};
use serde::Deserialize;

use super::Scalar;
use crate::error::VerbError;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSettings {
    /// Six fields, seconds first, or a word such as `@daily`.
    pub cron: Option<String>,
    /// Instead of that a time: `90`, `30m`, `1h30m`.
    pub every: Option<Scalar>,
    /// RFC 3339.
    pub start: Option<String>,
    pub end: Option<String>,
    /// Whether runs that were missed are started later.
    pub catch_up: Option<bool>,
    /// How many of its runs may go on at the same time.
    pub max_concurrency: Option<u32>,
}

impl ScheduleSettings {
    /// These over others: what these say counts.
    pub fn over(self, below: ScheduleSettings) -> ScheduleSettings {
        let has_trigger = self.cron.is_some() || self.every.is_some();
        let below_trigger = if has_trigger { (None, None) } else { (below.cron, below.every) };
        ScheduleSettings {
            cron: self.cron.or(below_trigger.0),
            every: self.every.or(below_trigger.1),
            start: self.start.or(below.start),
            end: self.end.or(below.end),
            catch_up: self.catch_up.or(below.catch_up),
            max_concurrency: self.max_concurrency.or(below.max_concurrency),
        }
    }

    /// When it is, as a server would take it; `None` where nothing says when.
    pub fn read(&self) -> Result<Option<Timing<'_>>, VerbError> {
        let trigger = match (&self.cron, &self.every) {
            (Some(_), Some(_)) => {
                return Err(VerbError::usage(
                    "a schedule has `cron` or `every`, and not both",
                    "leave one of them out",
                ));
            }
            (Some(cron), None) => Trigger::Cron(cron),
            (None, Some(every)) => Trigger::Interval(interval(&every.text())?),
            (None, None) => return Ok(None),
        };
        let timing = Timing { trigger, start: self.start.as_deref(), end: self.end.as_deref() };
        timing.check()?;
        Ok(Some(timing))
    }

    /// What it says, by the names under which an overlay is explained.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let every = self.every.as_ref().map(|every| format!("every {}", every.text()));
        let values = [
            ("schedule", self.cron.clone().or(every)),
            ("schedule start", self.start.clone()),
            ("schedule end", self.end.clone()),
            ("schedule catch_up", self.catch_up.map(|catch_up| catch_up.to_string())),
            ("schedule max_concurrency", self.max_concurrency.map(|runs| runs.to_string())),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn interval(text: &str) -> Result<u32, VerbError> {
    let seconds = kale_model::resources::seconds(text).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| {
        let message = format!("`{}` is no time between two runs", text.escape_debug());
        VerbError::usage(message, "write seconds, or a time such as `30m` or `1h30m`")
    })
}
