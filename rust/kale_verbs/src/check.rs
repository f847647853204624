//! `check`: what is wrong, or worth knowing, about a notebook; with `fix`, what can be mended without a thought is.

use kale_frontend::notebook::edit;
use kale_model::{CellIndex, Code, Diagnostic, Fix};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::notebook::Listing;
use crate::session::Session;
use crate::source::{Opened, Source};

/// Fixing one thing can lay bare another; a notebook that still changes after so many rounds never settles.
const MAX_ROUNDS: usize = 100;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct CheckRequest {
    #[serde(flatten)]
    pub source: Source,
    /// Carry out the fixes of diagnostics that have exactly one, and write the notebook.
    #[serde(default)]
    pub fix: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// What is left to say.
    pub diagnostics: Vec<Diagnostic>,
    /// What was mended; `None` when that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Vec<Fixed>>,
    #[serde(skip)]
    pub listing: Listing,
    #[serde(skip)]
    pub remark: Option<String>,
}

/// A fix that was carried out.
#[derive(Clone, Debug, Serialize)]
pub struct Fixed {
    pub id: Code,
    pub cell: Option<CellIndex>,
    pub title: String,
}

impl Checked {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

pub fn check(session: &Session, request: &CheckRequest) -> Result<Checked, VerbError> {
    let mut opened = request.source.open(session)?;
    let mut diagnostics = opened.compile()?.diagnostics;
    let fixed = if request.fix { Some(fix(request, &mut opened, &mut diagnostics)?) } else { None };
    Ok(Checked { listing: opened.listing(), remark: opened.remark, diagnostics, fixed })
}

/// Mends what can be mended, writes the notebook, and leaves the diagnostics of the mended one.
fn fix(
    request: &CheckRequest,
    opened: &mut Opened,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Vec<Fixed>, VerbError> {
    if request.source.text.is_some() {
        let help = "save the notebook first, or carry out the fixes of the answer in the editor";
        return Err(VerbError::usage("a notebook that is open in an editor cannot be rewritten", help));
    }
    let Some(path) = opened.notebook.path.clone() else {
        return Err(VerbError::usage("a notebook from standard input cannot be rewritten", "give the notebook's path"));
    };
    let mut fixed = vec![];
    for _ in 0..MAX_ROUNDS {
        let offered: Vec<&Diagnostic> = diagnostics.iter().filter(|fault| fault.fixes.len() == 1).collect();
        let fixes: Vec<&Fix> = offered.iter().flat_map(|fault| &fault.fixes).collect();
        let Some(edited) = edit::apply(&opened.notebook.text, &fixes).filter(|edited| !edited.applied.is_empty())
        else {
            break;
        };
        for &index in &edited.applied {
            let (fault, fix) = (offered[index], fixes[index]);
            fixed.push(Fixed { id: fault.code, cell: fault.cell, title: fix.title.clone() });
        }
        opened.notebook.text = edited.text;
        *diagnostics = opened.compile()?.diagnostics;
    }
    if !fixed.is_empty() {
        crate::notebook::rewrite(&path, &opened.notebook.text)
            .map_err(|error| VerbError::writing(&path, crate::notebook::plain(&error)))?;
    }
    Ok(fixed)
}
