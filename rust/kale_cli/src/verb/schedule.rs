//! `kale-rs schedule add|list|pause|resume|remove`.

use kale_verbs::parameters::ParameterInputs;
use kale_verbs::render::{inert, table::table};
use kale_verbs::schedule::{
    Addition, Chosen, ScheduleAnswer, ScheduleList, ScheduleRequest, ScheduleView, schedule as carry_out,
};
use kale_verbs::{ScheduleSettings, Session};

use super::{Done, note_diagnostics, source, status};
use crate::args::{AddScheduleArgs, ChosenArgs, ScheduleArgs, ScheduleVerb};
use crate::output;

pub fn schedule(session: &Session, args: ScheduleArgs) -> Done {
    let (request, json, done) = match args.verb {
        ScheduleVerb::Add(args) => {
            let json = args.json;
            (ScheduleRequest::Add(Box::new(addition(*args))), json, "added")
        }
        ScheduleVerb::List(args) => (ScheduleRequest::List { on: args.on }, args.json, ""),
        ScheduleVerb::Pause(args) => (ScheduleRequest::Pause(chosen(&args)), args.json, "paused"),
        ScheduleVerb::Resume(args) => (ScheduleRequest::Resume(chosen(&args)), args.json, "resumed"),
        ScheduleVerb::Remove(args) => (ScheduleRequest::Remove(chosen(&args)), args.json, "removed"),
    };
    let answer = carry_out(session, &request)?;
    let is_good = !matches!(&answer, ScheduleAnswer::Added(added) if added.schedule.is_none());
    if json {
        output::json(&answer);
        return Ok(status(is_good));
    }
    match &answer {
        ScheduleAnswer::Added(added) => {
            note_diagnostics(&added.diagnostics, &added.listing);
            if let Some(view) = &added.schedule {
                output::answer(format_args!("{done} {}\n{}\n", line(view), view.url));
            }
        }
        ScheduleAnswer::One(view) => output::answer(format_args!("{done} {}\n", line(view))),
        ScheduleAnswer::List(list) => output::answer(listed(list)),
    }
    Ok(status(is_good))
}

fn addition(args: AddScheduleArgs) -> Addition {
    Addition {
        source: source(args.source).with_overlay(args.overlay),
        parameters: ParameterInputs { assignments: args.parameters, file: args.params, ..Default::default() },
        schedule: ScheduleSettings {
            cron: args.cron,
            every: args.every.map(Into::into),
            start: args.start,
            end: args.end,
            catch_up: args.catch_up.then_some(true),
            max_concurrency: args.max_concurrency,
        },
        name: args.name,
        paused: args.paused,
        on: args.on,
    }
}

fn chosen(args: &ChosenArgs) -> Chosen {
    Chosen { schedule: args.schedule.clone(), on: args.on.clone() }
}

/// A name is whatever somebody has given it.
fn line(view: &ScheduleView) -> String {
    inert(&format!("{}  {}", view.name, view.when()))
}

fn listed(list: &ScheduleList) -> String {
    if list.schedules.is_empty() {
        return format!("no schedules in `{}`\n", list.context);
    }
    let heading = ["id", "name", "state", "when"].map(str::to_owned).to_vec();
    let row = |view: &ScheduleView| {
        let state = if view.enabled { "enabled" } else { "paused" };
        vec![view.id.clone(), view.name.clone(), state.to_owned(), view.when()]
    };
    table(&std::iter::once(heading).chain(list.schedules.iter().map(row)).collect::<Vec<_>>())
}
