//! `services`: the services of a store that run, and what can be done with one.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::notebook::plain;
use crate::serve::{Record, running, service_log};
use crate::session::Session;

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
    Logs(ServiceChoice),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ServicesAnswer {
    List(ServiceList),
    One(Box<Record>),
    Logs(ServiceLog),
}

#[derive(Debug, Serialize)]
pub struct ServiceList {
    pub services: Vec<Record>,
}

#[derive(Debug, Serialize)]
pub struct ServiceLog {
    pub name: String,
    pub text: String,
}

pub fn services(session: &Session, request: &ServicesRequest) -> Result<ServicesAnswer, VerbError> {
    Ok(match request {
        ServicesRequest::List(choice) => ServicesAnswer::List(ServiceList { services: running(&choice.root(session)) }),
        ServicesRequest::Show(choice) => ServicesAnswer::One(Box::new(find(session, choice)?)),
        ServicesRequest::Stop(choice) => ServicesAnswer::One(Box::new(stop(session, choice)?)),
        ServicesRequest::Logs(choice) => ServicesAnswer::Logs(log(session, choice)?),
    })
}

fn find(session: &Session, choice: &ServiceChoice) -> Result<Record, VerbError> {
    let all = running(&choice.store.root(session));
    let found = all.iter().find(|one| one.name == choice.name && choice.pid.is_none_or(|pid| pid == one.pid));
    found.cloned().ok_or_else(|| {
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

fn log(session: &Session, choice: &ServiceChoice) -> Result<ServiceLog, VerbError> {
    let path = service_log(&choice.store.root(session), &choice.name);
    let text = fs::read_to_string(&path).map_err(|error| {
        let message = format!("service `{}` has no log: {}", choice.name, plain(&error));
        VerbError::usage(message, "`kale-rs services` lists those that run")
    })?;
    Ok(ServiceLog { name: choice.name.clone(), text })
}
