//! `graph`: the steps of a notebook and what flows between them.

use kale_frontend::Compilation;
use kale_model::GraphView;
use serde::Deserialize;

use crate::error::VerbError;
use crate::notebook::Listing;
use crate::render::geometry::{Geometry, geometry};
use crate::session::Session;
use crate::source::Source;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GraphRequest {
    #[serde(flatten)]
    pub source: Source,
    /// Two steps: say why the second comes after the first.
    #[serde(default)]
    pub why: Option<(String, String)>,
    /// Say also where the boxes and lines of its picture go.
    #[serde(default)]
    pub layout: bool,
}

pub struct Graphed {
    pub graph: GraphView,
    pub listing: Listing,
    pub remark: Option<String>,
    pub layout: Option<Geometry>,
}

pub fn graph(session: &Session, request: &GraphRequest) -> Result<Graphed, VerbError> {
    let mut opened = request.source.open(session)?;
    opened.options.reasons = request.why.is_some();
    let Compilation { pipeline, diagnostics, reasons } = opened.compile()?;
    let mut graph = GraphView::new(pipeline.as_ref(), diagnostics);
    if let Some((from, to)) = &request.why
        && graph.pipeline.is_some()
    {
        [from, to].into_iter().try_for_each(|step| known_step(&graph, step))?;
        graph.why = Some(reasons.into_iter().filter(|reason| reason.from == *from && reason.to == *to).collect());
    }
    let layout = request.layout.then(|| geometry(&graph));
    Ok(Graphed { graph, layout, listing: opened.listing(), remark: opened.remark })
}

fn known_step(graph: &GraphView, step: &str) -> Result<(), VerbError> {
    let names: Vec<&str> = graph.steps.iter().map(|known| known.name.as_str()).collect();
    if names.contains(&step) {
        return Ok(());
    }
    Err(VerbError::usage(format!("no step is called `{step}`"), format!("the steps are `{}`", names.join("`, `"))))
}
