//! Metrics: values that the statements of a metrics cell report.

use kale_model::{Diagnostic, MetricSite};
use ruff_python_ast::ModModule;
use ruff_text_size::TextRange;

use crate::blocks::BlockCell;

/// A metric and where its value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMetric {
    pub site: MetricSite,
    /// The expression, in [`crate::magics::CellCode::python`].
    pub range: TextRange,
    /// Names that the expression mentions, sorted.
    pub reads: Vec<String>,
}

/// The metrics of a metrics cell.
pub fn metric_sites(_cell: &BlockCell, _module: &ModModule) -> (Vec<FoundMetric>, Vec<Diagnostic>) {
    (vec![], vec![])
}
