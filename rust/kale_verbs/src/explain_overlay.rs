//! `explain-overlay`: where each value of a pipeline comes from that an overlay could set.

use std::path::PathBuf;

use kale_model::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::cluster;
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
    /// The context whose overlay is explained, too; `None`: the one in use.
    #[serde(default)]
    pub on: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ExplainOverlayAnswer {
    pub context: Option<String>,
    pub overlay: Option<PathBuf>,
    /// Those of the pipeline first, then step by step.
    pub settings: Vec<Setting>,
    /// What overlays say of steps and parameters that the notebook does not have.
    pub unused: Vec<String>,
    pub diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    pub listing: Listing,
    /// Whether there is a pipeline at all.
    #[serde(skip)]
    pub is_good: bool,
}

pub fn explain_overlay(session: &Session, request: &ExplainOverlayRequest) -> Result<ExplainOverlayAnswer, VerbError> {
    let context = cluster::meant(request.on.as_deref())?;
    let compiled = request.source.compile(session, context.as_deref())?;
    Ok(ExplainOverlayAnswer {
        context,
        overlay: request.source.overlay.clone(),
        listing: compiled.listing(),
        is_good: compiled.compilation.pipeline.is_some(),
        settings: compiled.settings,
        unused: compiled.unused,
        diagnostics: compiled.compilation.diagnostics,
    })
}

/// A table: one line per value; and what does not apply.
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
    let mut text = table(&std::iter::once(heading.to_vec()).chain(rows).collect::<Vec<_>>());
    for unused in &answer.unused {
        text.push_str(&format!("not of this notebook: {unused}\n"));
    }
    text
}
