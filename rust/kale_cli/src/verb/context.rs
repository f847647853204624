//! `kale-rs context add|list|use|test|remove`.

use kale_verbs::Session;
use kale_verbs::context::{Addition, ContextAnswer, ContextList, ContextRequest, ContextView, context as carry_out};

use super::doctor::print_findings;
use super::{Done, status};
use crate::args::{AddArgs, ContextArgs, ContextVerb};
use crate::output;

pub fn context(session: &Session, args: ContextArgs) -> Done {
    let (request, json, done) = match args.verb {
        ContextVerb::Add(args) => (ContextRequest::Add(Box::new(addition(&args))), args.json, "added"),
        ContextVerb::List(args) => (ContextRequest::List {}, args.json, ""),
        ContextVerb::Use(args) => (ContextRequest::Use { name: args.name }, args.json, "now in use:"),
        ContextVerb::Test(args) => (ContextRequest::Test { name: args.name }, args.json, ""),
        ContextVerb::Remove(args) => (ContextRequest::Remove { name: args.name }, args.json, "removed"),
    };
    let answer = carry_out(session, &request)?;
    let works = !matches!(&answer, ContextAnswer::Test(test) if !test.works);
    if let (ContextAnswer::One(view), ContextRequest::Add(_)) = (&answer, &request) {
        for warning in &view.warnings {
            output::note(format_args!("{} {warning}", output::stderr_style().yellow("warning:")));
        }
    }
    if json {
        output::json(&answer);
        return Ok(status(works));
    }
    match &answer {
        ContextAnswer::One(view) => output::answer(format_args!("{done} {}\n", line(view))),
        ContextAnswer::List(list) => output::answer(table(list)),
        ContextAnswer::Test(test) => print_findings(&test.findings),
    }
    Ok(status(works))
}

fn addition(args: &AddArgs) -> Addition {
    Addition {
        name: args.name.clone(),
        kfp: args.kfp.clone(),
        ui: args.ui.clone(),
        namespace: args.namespace.clone(),
        auth: args.auth.clone(),
        ca: args.ca.clone(),
        insecure_skip_verify: args.insecure_skip_verify,
        proxy: args.proxy.clone(),
        overlay: args.overlay.clone(),
        kfp_namespace: args.kfp_namespace.clone(),
        replace: args.replace,
    }
}

fn line(view: &ContextView) -> String {
    [view.name.clone(), place(view)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// Where it is, whose it is, and how one is let in.
fn place(view: &ContextView) -> String {
    if view.kind == "local" {
        return "this machine".to_owned();
    }
    let mut parts = vec![view.kfp.clone().unwrap_or_default()];
    parts.extend(view.namespace.iter().map(|namespace| format!("namespace {namespace}")));
    parts.extend(view.auth.iter().filter(|auth| *auth != "none").cloned());
    parts.extend(view.overlay.iter().map(|overlay| format!("overlay {}", overlay.display())));
    parts.extend(view.insecure_skip_verify.then(|| "certificate not verified".to_owned()));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn table(list: &ContextList) -> String {
    let width = list.contexts.iter().map(|view| view.name.len()).max().unwrap_or_default();
    let row = |view: &ContextView| {
        let mark = if view.current { "*" } else { " " };
        format!("{mark} {:<width$}  {}\n", view.name, place(view))
    };
    list.contexts.iter().map(row).collect()
}
