//! `gc`: remove runs by policy, and values that no run names.

use std::time::Duration;

use kale_store::{Collected, Policy, now};
use serde::Deserialize;

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::session::Session;
use crate::size::size;

/// From writing a value to recording who names it, an engine may take long: a step stores many.
const GRACE_AT_WORK: Duration = Duration::from_secs(3600);
/// Without an engine, only a run that is being started has something on its way.
const GRACE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GcRequest {
    #[serde(default)]
    pub keep_days: Option<f64>,
    #[serde(default)]
    pub keep_best: usize,
    /// `500MB`, `2GiB`, or bytes.
    #[serde(default)]
    pub max_size: Option<String>,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(flatten)]
    pub store: StoreChoice,
}

pub fn gc(session: &Session, request: &GcRequest) -> Result<Collected, VerbError> {
    if request.keep_days.is_some_and(|days| !(0.0..=1e6).contains(&days)) {
        return Err(VerbError::usage("`--keep-days` must be 0 or more", "write, for example, `--keep-days 30`"));
    }
    let max_bytes = request.max_size.as_deref().map(size).transpose()?;
    let policy =
        Policy { keep_days: request.keep_days, keep_best: request.keep_best, max_bytes, dry_run: request.dry_run };
    let Some(store) = request.store.open(session)? else {
        return Ok(Collected { dry_run: request.dry_run, ..Collected::default() });
    };
    let grace = if store.is_at_work()? { GRACE_AT_WORK } else { GRACE };
    Ok(store.collect_garbage(&policy, grace, now())?)
}
