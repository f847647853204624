//! `kale-rs graph`.

use kale_verbs::Session;
use kale_verbs::graph::{GraphRequest, graph as graph_of};
use kale_verbs::render::{Context, dot, outline, svg, why};

use super::{Done, note_diagnostics, source, status};
use crate::args::{GraphArgs, GraphFormat};
use crate::output;

pub fn graph(session: &Session, args: GraphArgs) -> Done {
    let why = args.why.and_then(|steps| <[String; 2]>::try_from(steps).ok()).map(|[from, to]| (from, to));
    let answer = graph_of(session, &GraphRequest { source: source(args.source), why: why.clone(), layout: false })?;
    let graph = &answer.graph;
    let good = graph.pipeline.is_some();
    let format = if args.json { GraphFormat::Json } else { args.format };
    if format == GraphFormat::Json {
        output::json(graph);
        return Ok(status(good));
    }
    output::remark(answer.remark.as_deref());
    note_diagnostics(&graph.diagnostics, &answer.listing);
    if let Some((from, to)) = why.filter(|_| good) {
        let context = Context { listing: &answer.listing, colour: output::stdout_style().colour };
        output::answer(why::why(graph, &from, &to, &context));
    } else if good {
        match format {
            GraphFormat::Dot => output::answer(dot::graph(graph)),
            GraphFormat::Svg => output::answer(svg::graph(graph)),
            GraphFormat::Text | GraphFormat::Json => {
                output::answer(outline::graph(graph, output::stdout_style().colour));
            }
        }
    }
    Ok(status(good))
}
