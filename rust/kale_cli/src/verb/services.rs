//! `kale-rs services`.

use kale_verbs::render::{self, table};
use kale_verbs::services::{
    LogRequest, ServiceChoice, ServiceView, ServicesAnswer, ServicesRequest, follow_log, readable,
    services as carry_out,
};
use kale_verbs::{Interrupt, Listener, Session};

use super::{Done, store};
use crate::args::{OfServiceArgs, ServicesArgs, ServicesVerb};
use crate::{interrupt, output};

pub fn services(session: &Session, args: ServicesArgs) -> Done {
    let (request, json) = match args.verb {
        None => (ServicesRequest::List(store(args.store)), args.json),
        Some(ServicesVerb::Show(of)) => (ServicesRequest::Show(choice(&of)), of.json),
        Some(ServicesVerb::Stop(of)) => (ServicesRequest::Stop(choice(&of)), of.json),
        Some(ServicesVerb::Logs(args)) if args.follow => return follow(session, &args.of),
        Some(ServicesVerb::Logs(args)) => {
            let request = LogRequest { choice: choice(&args.of), offset: None, last: None, readable: false };
            (ServicesRequest::Logs(request), args.of.json)
        }
    };
    let answer = carry_out(session, &request)?;
    if json {
        output::json(&answer);
        return Ok(0);
    }
    match &answer {
        ServicesAnswer::List(list) if list.services.is_empty() => output::note("no services"),
        ServicesAnswer::List(list) => {
            let heading = ["service", "state", "url", "version", "requests", "process"].map(str::to_owned).to_vec();
            let rows: Vec<Vec<String>> = [heading].into_iter().chain(list.services.iter().map(row)).collect();
            output::answer(table::table(&rows));
        }
        ServicesAnswer::Shown(view) => output::answer(table::table(&facts(view))),
        ServicesAnswer::Stopped(record) => output::note(format_args!("{} has ended", record.name)),
        ServicesAnswer::Logs(log) => output::answer(readable(&log.text)),
    }
    Ok(0)
}

fn choice(of: &OfServiceArgs) -> ServiceChoice {
    ServiceChoice { store: kale_verbs::StoreChoice { store: of.store.store.clone() }, name: of.name.clone(), pid: None }
}

fn row(view: &ServiceView) -> Vec<String> {
    let record = &view.record;
    let told = [record.name.as_str(), view.state, &record.url, &record.version];
    let requests = view.traffic.as_ref().map(|traffic| traffic.requests.total.to_string());
    let pid = record.pid.to_string();
    told.into_iter().map(str::to_owned).chain([requests.unwrap_or_default(), pid]).collect()
}

fn facts(view: &ServiceView) -> Vec<Vec<String>> {
    let record = &view.record;
    let mut facts = vec![
        ("name", record.name.clone()),
        ("state", view.state.to_owned()),
        ("url", record.url.clone()),
        ("version", record.version.clone()),
        ("process", record.pid.to_string()),
        ("since", record.since.clone()),
    ];
    if let Some(traffic) = &view.traffic {
        let (requests, latency) = (&traffic.requests, &traffic.latency_seconds);
        let errors = render::count(requests.errors, "error");
        facts.push(("requests", format!("{}, {errors}, {} turned away", requests.total, requests.rejected)));
        let quantiles = [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99)];
        let quantiles = quantiles.map(|(name, seconds)| format!("{name} {}", render::latency(seconds)));
        // Of nothing there is no half.
        facts.push(("latency", if requests.total == 0 { "-".to_owned() } else { quantiles.join(", ") }));
        let memory: u64 = traffic.replicas.iter().filter_map(|replica| replica.rss_bytes).sum();
        facts.push(("memory", render::bytes(memory)));
        facts.push(("batching", batching(view, traffic.batch_rows)));
    }
    if let Some(origin) = view.known.as_ref().and_then(|known| known.origin.as_ref()) {
        facts.push(("from", format!("{}:{}:{}", origin.run, origin.step, origin.variable)));
        if let Some(trial) = &origin.trial {
            facts.push(("trial", format!("{} of sweep {}", trial.trial, trial.sweep_id)));
        }
    }
    facts.push(("bundle", output::path(&record.bundle.to_string_lossy()).to_owned()));
    let log = record.log.as_ref().map(|log| output::path(&log.to_string_lossy()).to_owned());
    facts.push(("log", log.unwrap_or_else(|| "in the terminal that it runs in".to_owned())));
    facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// Which requests go to the model together, and why.
fn batching(view: &ServiceView, rows: usize) -> String {
    if rows > 1 {
        return format!("what waits goes together, up to {rows} rows");
    }
    let why = view.known.as_ref().and_then(|known| known.about.get("batchable_because")?.as_str());
    why.map_or_else(|| "each request alone".to_owned(), |why| format!("each request alone: {why}"))
}

fn follow(session: &Session, of: &OfServiceArgs) -> Done {
    interrupt::follow();
    follow_log(session, &choice(of), &mut Lines)?;
    Ok(0)
}

struct Lines;

impl Listener for Lines {
    fn log(&mut self, _service: &str, text: &str) {
        output::answer(text);
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        interrupt::pressed().then_some(Interrupt::Leave)
    }
}
