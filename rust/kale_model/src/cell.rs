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

/// Cells of other notebooks that run in place of cells of this one (`notebook:NAME`). They are numbered on from its own,
/// so inside a pipeline every cell has a number of its own; people are shown the cell that refers to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubCells {
    /// The number of the first of them: how many cells this notebook has.
    first: usize,
    cells: Vec<SubCell>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubCell {
    /// The cell that refers to the other notebook.
    pub at: CellIndex,
    /// The other notebook's path, as it is written there.
    pub notebook: String,
    /// The index among its cells.
    pub cell: usize,
}

impl SubCells {
    pub fn after(cells: usize) -> SubCells {
        SubCells { first: cells, cells: vec![] }
    }

    /// Adds a cell, and gives the number by which it is known.
    pub fn push(&mut self, cell: SubCell) -> CellIndex {
        self.cells.push(cell);
        CellIndex(self.first + self.cells.len() - 1)
    }

    pub fn origin(&self, cell: CellIndex) -> Option<&SubCell> {
        self.cells.get(cell.0.checked_sub(self.first)?)
    }

    /// The cell of this notebook in which people see it.
    pub fn visible(&self, cell: CellIndex) -> CellIndex {
        self.origin(cell).map_or(cell, |origin| origin.at)
    }

    /// `cell 3`, or `cell 1 of prep.ipynb`.
    pub fn name(&self, cell: CellIndex) -> String {
        match self.origin(cell) {
            Some(origin) => format!("cell {} of `{}`", origin.cell, origin.notebook),
            None => format!("cell {}", cell.0),
        }
    }
}
