//! How many elements arrays have along their axes, where the notebook's text tells: then `f(*points.T)` passes as many
//! arguments, of which none may be the `out=` that comes behind them.
//!
//! What is known belongs to a value, and lasts until an object of its class is changed, by whatever means.

use ruff_python_ast::Expr;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::value::{Axes, Value};

impl<'a> Analyzer<'a> {
    /// How many elements iterating over an array gives.
    pub(super) fn length(&self, value: &Value) -> Option<u8> {
        Some(self.axes(value).first).filter(|&length| length > 0)
    }

    /// `a.T`: the axes in the opposite order.
    pub(super) fn transposed(&self, value: &Value) -> Axes {
        let Axes { first, last } = self.axes(value);
        if last == 0 { Axes::default() } else { Axes { first: last, last: first } }
    }

    /// `a @ b`: with a matrix on the right, the last axis is that of the matrix.
    pub(super) fn axes_of_product(&self, left: &Value, right: &Value) -> Axes {
        match self.is_array(left) {
            true => Axes { first: 0, last: self.axes(right).last },
            false => Axes::default(),
        }
    }

    fn axes(&self, value: &Value) -> Axes {
        let frame = self.innermost();
        let is_changed = value.objects.iter().any(|&object| frame.heap.peek(object).changed);
        if self.is_array(value) && !is_changed { value.axes } else { Axes::default() }
    }

    fn is_array(&self, value: &Value) -> bool {
        self.type_path(value) == Some("numpy.ndarray")
    }
}

/// The axes of `np.array([[1, 2], [3, 4]])`.
pub(super) fn axes_made(path: &str, arguments: &Arguments<'_>) -> Axes {
    let is_plain = arguments.spread.is_empty() && arguments.keywords.iter().all(|(name, ..)| *name == "dtype");
    match arguments.positional.as_slice() {
        [(_, Some(Expr::List(rows)))] if path == "numpy.array" && is_plain => axes_of_rows(&rows.elts),
        _ => Axes::default(),
    }
}

fn axes_of_rows(rows: &[Expr]) -> Axes {
    let lengths = rows.iter().map(|row| match row {
        Expr::List(row) if row.elts.iter().all(is_number) => u8::try_from(row.elts.len()).ok(),
        _ => None,
    });
    let mut lengths: Vec<Option<u8>> = lengths.collect();
    lengths.dedup();
    match (u8::try_from(rows.len()), lengths.as_slice()) {
        (Ok(first), &[Some(last)]) => Axes { first, last },
        _ => Axes::default(),
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp(op) => is_number(&op.operand),
        expr => expr.is_number_literal_expr(),
    }
}
