//! `kale-rs graph`.

use kale_verbs::Session;
use kale_verbs::graph::{GraphRequest, graph as graph_of};
use kale_verbs::render::{dot, outline, svg};

use super::{Done, note_diagnostics, source, status};
use crate::args::{GraphArgs, GraphFormat};
use crate::output;

pub fn graph(session: &Session, args: GraphArgs) -> Done {
    let answer = graph_of(session, &GraphRequest { source: source(args.source) })?;
    let graph = &answer.graph;
    let good = graph.pipeline.is_some();
    let format = if args.json { GraphFormat::Json } else { args.format };
    if format == GraphFormat::Json {
        output::json(graph);
        return Ok(status(good));
    }
    output::remark(answer.remark.as_deref());
    note_diagnostics(&graph.diagnostics, &answer.listing);
    if good {
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
