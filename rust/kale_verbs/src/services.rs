//! `services`: the services of a store that run, and what can be done with one.

mod log;
mod view;

use std::thread;

use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::serve::{Record, lost, running};
use crate::session::Session;

pub use log::{LogRequest, ServiceLog, follow_log, readable};
pub(crate) use view::client;
pub use view::{Known, Origin, ServiceView};

#[derive(Clone, Debug, Deserialize)]
pub struct ServiceChoice {
    #[serde(flatten)]
    pub store: StoreChoice,
    pub name: String,
    /// Another one may have taken the name since.
    #[serde(default)]
    pub pid: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum ServicesRequest {
    List(StoreChoice),
    Show(ServiceChoice),
    Stop(ServiceChoice),
    Logs(LogRequest),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ServicesAnswer {
    List(ServiceList),
    Shown(Box<ServiceView>),
    Stopped(Box<Record>),
    Logs(ServiceLog),
}

#[derive(Debug, Serialize)]
pub struct ServiceList {
    pub services: Vec<ServiceView>,
}

pub fn services(session: &Session, request: &ServicesRequest) -> Result<ServicesAnswer, VerbError> {
    Ok(match request {
        ServicesRequest::List(choice) => ServicesAnswer::List(list(session, choice)),
        ServicesRequest::Show(choice) => ServicesAnswer::Shown(Box::new(show(session, choice)?)),
        ServicesRequest::Stop(choice) => ServicesAnswer::Stopped(Box::new(stop(session, choice)?)),
        ServicesRequest::Logs(request) => ServicesAnswer::Logs(log::log(session, request)?),
    })
}

/// All are asked at once: one that is silent is waited for.
fn list(session: &Session, choice: &StoreChoice) -> ServiceList {
    let records = running(&choice.root(session));
    let services = thread::scope(|scope| {
        let asked: Vec<_> = records.into_iter().map(|record| scope.spawn(|| ServiceView::of(record))).collect();
        asked.into_iter().map(|one| one.join().expect("asking does not panic")).collect()
    });
    ServiceList { services }
}

fn show(session: &Session, choice: &ServiceChoice) -> Result<ServiceView, VerbError> {
    let view = ServiceView::of(find(session, choice)?);
    let known = Known::of(session, &choice.store, &view.record);
    Ok(ServiceView { known: Some(known), ..view })
}

pub(crate) fn find(session: &Session, choice: &ServiceChoice) -> Result<Record, VerbError> {
    let all = running(&choice.store.root(session));
    let found = all.iter().find(|one| one.name == choice.name && choice.pid.is_none_or(|pid| pid == one.pid));
    found.cloned().ok_or_else(|| {
        if let Some(record) = lost(&choice.store.root(session), &choice.name) {
            let message =
                format!("service `{}` was ended from outside: process {} is no more", record.name, record.pid);
            return VerbError::usage(message, format!("`kale-rs services logs {}` has its last words", record.name));
        }
        let names: Vec<String> = all.iter().map(|one| format!("`{}`", one.name)).collect();
        let help = match names.is_empty() {
            true => "no service of this store runs; `kale-rs serve MODEL` starts one".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        VerbError::usage(format!("no service `{}` runs", choice.name), help)
    })
}

/// Waits until it has ended.
fn stop(session: &Session, choice: &ServiceChoice) -> Result<Record, VerbError> {
    let record = find(session, choice)?;
    record.end();
    Ok(record)
}
