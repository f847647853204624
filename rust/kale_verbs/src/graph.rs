//! `graph`: the steps of a notebook and what flows between them.

use kale_model::GraphView;
use serde::Deserialize;

use crate::error::VerbError;
use crate::notebook::Listing;
use crate::session::Session;
use crate::source::Source;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GraphRequest {
    #[serde(flatten)]
    pub source: Source,
}

pub struct Graphed {
    pub graph: GraphView,
    pub listing: Listing,
    pub remark: Option<String>,
}

pub fn graph(session: &Session, request: &GraphRequest) -> Result<Graphed, VerbError> {
    let compiled = request.source.compile(session)?;
    let listing = compiled.listing();
    let graph = GraphView::new(compiled.compilation.pipeline.as_ref(), compiled.compilation.diagnostics);
    Ok(Graphed { graph, listing, remark: compiled.remark })
}
