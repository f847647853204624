//! `explain-overlay`: where each value of a pipeline comes from that an overlay could set.

use std::path::PathBuf;

use kale_model::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::notebook::Listing;
use crate::overlay::Setting;
use crate::render::table::table;
use crate::session::Session;
use crate::source::Source;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ExplainOverlayRequest {
    #[serde(flatten)]
    pub source: Source,
}

#[derive(Debug, Serialize)]
pub struct ExplainOverlayAnswer {
    pub overlay: Option<PathBuf>,
    /// Those of the pipeline first, then step by step.
    pub settings: Vec<Setting>,
    pub diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    pub listing: Listing,
    /// Whether there is a pipeline at all.
    #[serde(skip)]
    pub is_good: bool,
}

pub fn explain_overlay(session: &Session, request: &ExplainOverlayRequest) -> Result<ExplainOverlayAnswer, VerbError> {
    let compiled = request.source.compile(session)?;
    Ok(ExplainOverlayAnswer {
        overlay: request.source.overlay.clone(),
        listing: compiled.listing(),
        is_good: compiled.compilation.pipeline.is_some(),
        settings: compiled.settings,
        diagnostics: compiled.compilation.diagnostics,
    })
}

/// A table: one line per value.
pub fn render(answer: &ExplainOverlayAnswer) -> String {
    let heading = ["step", "setting", "value", "from", "instead of"].map(str::to_owned);
    let rows = answer.settings.iter().map(|setting| {
        vec![
            setting.step.as_ref().map_or_else(|| "(pipeline)".to_owned(), ToString::to_string),
            setting.setting.clone(),
            setting.value.clone(),
            setting.from.to_string(),
            setting.instead_of.clone().unwrap_or_default(),
        ]
    });
    table(&std::iter::once(heading.to_vec()).chain(rows).collect::<Vec<_>>())
}
