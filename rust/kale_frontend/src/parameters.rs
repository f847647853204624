//! Pipeline parameters: literals that the parameters cells assign to names.

use kale_model::{Diagnostic, Parameter};
use ruff_python_ast::ModModule;

use crate::blocks::BlockCell;

/// The parameters of the parameters cells, each given with its syntax tree.
pub fn parameters(_cells: &[(&BlockCell, &ModModule)]) -> (Vec<Parameter>, Vec<Diagnostic>) {
    (vec![], vec![])
}
