//! `kale-rs services`.

use kale_verbs::Session;
use kale_verbs::render::table;
use kale_verbs::serve::Record;
use kale_verbs::services::{ServiceChoice, ServicesAnswer, ServicesRequest, services as carry_out};

use super::{Done, store};
use crate::args::{ServicesArgs, ServicesVerb};
use crate::output;

pub fn services(session: &Session, args: ServicesArgs) -> Done {
    let (request, json) = match args.verb {
        None => (ServicesRequest::List(store(args.store)), args.json),
        Some(ServicesVerb::Show(of)) => (ServicesRequest::Show(choice(&of)), of.json),
        Some(ServicesVerb::Stop(of)) => (ServicesRequest::Stop(choice(&of)), of.json),
        Some(ServicesVerb::Logs(of)) => (ServicesRequest::Logs(choice(&of)), of.json),
    };
    let answer = carry_out(session, &request)?;
    if json {
        output::json(&answer);
        return Ok(0);
    }
    match &answer {
        ServicesAnswer::List(list) if list.services.is_empty() => output::note("no services"),
        ServicesAnswer::List(list) => output::answer(table::table(&list.services.iter().map(row).collect::<Vec<_>>())),
        ServicesAnswer::One(record) => output::answer(table::table(&facts(record))),
        ServicesAnswer::Logs(log) => output::answer(&log.text),
    }
    Ok(0)
}

fn choice(of: &crate::args::OfServiceArgs) -> ServiceChoice {
    ServiceChoice { store: kale_verbs::StoreChoice { store: of.store.store.clone() }, name: of.name.clone(), pid: None }
}

fn row(record: &Record) -> Vec<String> {
    vec![record.name.clone(), record.url.clone(), record.version.clone(), record.pid.to_string()]
}

fn facts(record: &Record) -> Vec<Vec<String>> {
    let facts = [
        ("name", record.name.clone()),
        ("url", record.url.clone()),
        ("version", record.version.clone()),
        ("process", record.pid.to_string()),
        ("since", record.since.clone()),
        ("bundle", output::path(&record.bundle.to_string_lossy()).to_owned()),
        ("log", output::path(&record.log.to_string_lossy()).to_owned()),
    ];
    facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}
