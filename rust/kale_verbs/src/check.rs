//! `check`: what is wrong, or worth knowing, about a notebook.

use kale_model::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::notebook::Listing;
use crate::session::Session;
use crate::source::Source;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct CheckRequest {
    #[serde(flatten)]
    pub source: Source,
}

#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    pub listing: Listing,
    #[serde(skip)]
    pub remark: Option<String>,
}

impl Checked {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

pub fn check(session: &Session, request: &CheckRequest) -> Result<Checked, VerbError> {
    let compiled = request.source.compile(session)?;
    Ok(Checked { listing: compiled.listing(), remark: compiled.remark, diagnostics: compiled.compilation.diagnostics })
}
