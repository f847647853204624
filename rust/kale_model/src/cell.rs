//! Places in the user's notebook.

use serde::{Deserialize, Serialize};

/// Index into the notebook's `cells` array, markdown and raw cells included, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellIndex(pub usize);

/// A point in a cell as the user sees it: line and column from 1, columns in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A range in one cell; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    pub cell: CellIndex,
    pub start: Position,
    pub end: Position,
}

impl Span {
    /// The whole first line of a cell, for faults that concern the cell and not one expression.
    pub fn of_cell(cell: CellIndex) -> Self {
        let start = Position { line: 1, column: 1 };
        Span { cell, start, end: start }
    }
}
