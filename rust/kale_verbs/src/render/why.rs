//! Why a step comes after another: the lines that produce something, each above the line that consumes it.

use std::collections::BTreeMap;
use std::fmt::Write;

use kale_model::GraphView;
use kale_model::graph::ReasonKind;

use super::text::quoted;
use super::{Context, Style};

pub fn why(graph: &GraphView, from: &str, to: &str, context: &Context<'_>) -> String {
    let style = Style { colour: context.colour };
    let mut out = String::new();
    let reasons = graph.why.as_deref().unwrap_or_default();
    if reasons.is_empty() {
        let (from_step, to_step) = (style.bold(from), style.bold(to));
        let _ = match path(graph, from, to) {
            _ if from == to => writeln!(out, "{to_step} is one step: name two steps, the earlier one first."),
            Some(path) => writeln!(out, "{to_step} needs nothing of {from_step} itself: {}.", path.join(" → ")),
            None => writeln!(out, "{to_step} needs nothing of {from_step}."),
        };
    }
    for reason in reasons {
        let what = match reason.kind {
            ReasonKind::Variable => format!("needs {} of", style.bold(&reason.name)),
            ReasonKind::Resource => format!("shares {} with", style.bold(&reason.name)),
            ReasonKind::Declared => "is declared to run after".to_owned(),
        };
        let _ = writeln!(out, "{} {what} {}", style.bold(&reason.to), style.bold(&reason.from));
        for end in [&reason.produced, &reason.consumed] {
            out.push_str(&quoted(end, context));
        }
        out.push('\n');
    }
    out
}

/// A shortest way along the edges.
fn path<'g>(graph: &'g GraphView, from: &'g str, to: &str) -> Option<Vec<&'g str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(&step) = reached.get(next) {
        next += 1;
        for edge in graph.edges.iter().filter(|edge| edge.from == step) {
            if !before.contains_key(edge.to.as_str()) {
                before.insert(&edge.to, step);
                reached.push(&edge.to);
            }
        }
    }
    let mut path: Vec<&str> = vec![before.get_key_value(to)?.0];
    while *path.last()? != from {
        path.push(before[path.last()?]);
    }
    path.reverse();
    Some(path)
}
