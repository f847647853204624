//! Mechanical remedies, as edits of the notebook's cells.
//!
//! All edits of a fix refer to the notebook as it was checked: no edit moves the places of another.

use serde::{Deserialize, Serialize};

use crate::cell::{CellIndex, Span};

/// A remedy that needs no thought. Its edits belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What it does, as an order: "Tag the step `prev:load`".
    pub title: String,
    pub edits: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Edit {
    /// Puts `text` in place of a range of a cell's source.
    Text {
        #[serde(flatten)]
        span: Span,
        text: String,
    },
    /// Changes the tags of a cell.
    Tags { cell: CellIndex, tags: TagChange },
    /// Puts a new code cell behind a cell; several behind the same one stand in the order of the edits.
    Insert { cell: CellIndex, insert: NewCell },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagChange {
    pub add: Vec<String>,
    pub remove: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCell {
    pub source: String,
    pub tags: Vec<String>,
}

impl Edit {
    /// The cell that it changes, or behind which it puts one.
    pub fn cell(&self) -> CellIndex {
        match self {
            Edit::Text { span, .. } => span.cell,
            Edit::Tags { cell, .. } | Edit::Insert { cell, .. } => *cell,
        }
    }

    pub fn text(span: Span, text: impl Into<String>) -> Edit {
        Edit::Text { span, text: text.into() }
    }

    pub fn add_tags(cell: CellIndex, add: Vec<String>) -> Edit {
        Edit::Tags { cell, tags: TagChange { add, remove: vec![] } }
    }

    pub fn replace_tag(cell: CellIndex, old: impl Into<String>, new: impl Into<String>) -> Edit {
        Edit::Tags { cell, tags: TagChange { add: vec![new.into()], remove: vec![old.into()] } }
    }
}

impl Fix {
    pub fn new(title: impl Into<String>, edits: Vec<Edit>) -> Fix {
        Fix { title: title.into(), edits }
    }
}
