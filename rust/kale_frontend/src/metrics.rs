//! Metrics: values that the statements of a metrics cell report.
//!
//! | statement | metrics |
//! |---|---|
//! | `print(accuracy)`, `accuracy` | `accuracy` |
//! | `print("test loss:", loss)` | `test_loss` |
//! | `print(a, b)` | `a`, `b` |
//! | `scores["f1"]`, `model.score(X, y)` | a slug of the source: `scores_f1`, `model_score_x_y` |
//!
//! Everything else (assignments, imports, definitions) is code that the cell runs as usual.

use std::collections::BTreeSet;

use kale_model::name::slug;
use kale_model::{Code, Diagnostic, MetricSite, Span};
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, ExprCall, ExprContext, ModModule, Operator, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::blocks::BlockCell;
use crate::magics::CodeKind;
use crate::text::span;

/// A metric and where its value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMetric {
    pub site: MetricSite,
    /// The expression, in [`crate::magics::CellCode::python`].
    pub range: TextRange,
    /// Names that the expression mentions, sorted.
    pub reads: Vec<String>,
}

/// The metrics of a metrics cell. `taken` holds the names of metrics so far, and afterwards these too.
pub fn metric_sites(
    cell: &BlockCell,
    module: &ModModule,
    taken: &mut BTreeSet<String>,
) -> (Vec<FoundMetric>, Vec<Diagnostic>) {
    let mut reader = Reader { cell, taken, found: vec![], diagnostics: vec![] };
    if cell.code.kind == CodeKind::Python {
        for (index, statement) in module.body.iter().enumerate() {
            reader.statement(index, statement);
        }
    }
    (reader.found, reader.diagnostics)
}

struct Reader<'a> {
    cell: &'a BlockCell,
    taken: &'a mut BTreeSet<String>,
    found: Vec<FoundMetric>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn statement(&mut self, index: usize, statement: &Stmt) {
        match statement {
            Stmt::Expr(expression) => {
                let place = self.place(&*expression.value);
                let by_magic = self.cell.code.operand_lines.contains(&place.start.line);
                match print_call(&expression.value) {
                    _ if is_idle(&expression.value) => {}
                    _ if self.cell.code.cell_magic.is_some() || by_magic => {
                        self.not_a_metric(place, "a magic runs the statement, which hides its value");
                    }
                    Some(call) => self.print(index, call),
                    None => self.value(index, None, &expression.value, None),
                }
            }
            Stmt::If(_) | Stmt::For(_) | Stmt::While(_) | Stmt::With(_) | Stmt::Try(_) if prints(statement) => {
                self.not_a_metric(
                    self.place(statement),
                    "only statements of the cell itself are metrics, not of blocks",
                );
            }
            _ => {}
        }
    }

    /// `print("loss", loss, "accuracy", accuracy)`: a text names the value behind it.
    fn print(&mut self, index: usize, call: &ExprCall) {
        let mut label: Option<&str> = None;
        for (position, argument) in call.arguments.args.iter().enumerate() {
            match argument {
                Expr::StringLiteral(text) => label = Some(text.value.to_str()),
                Expr::Starred(_) => {
                    self.not_a_metric(self.place(argument), "how many values it stands for is not known");
                    return;
                }
                _ => self.value(index, Some(position), argument, label.take()),
            }
        }
        if let (Some(text), 1) = (label, call.arguments.args.len()) {
            self.not_a_metric(self.place(call), &format!("`{text}` is a text and no number"));
        }
    }

    fn value(&mut self, index: usize, argument: Option<usize>, expression: &Expr, label: Option<&str>) {
        let place = self.place(expression);
        if let Some(cause) = no_number(expression) {
            return self.not_a_metric(place, cause);
        }
        let wanted = label.and_then(label_name).unwrap_or_else(|| own_name(expression, self.source(expression)));
        let name = self.unique(wanted, place);
        self.found.push(FoundMetric {
            site: MetricSite { name, statement: index, argument },
            range: expression.range(),
            reads: reads(expression),
        });
    }

    fn unique(&mut self, wanted: String, place: Span) -> String {
        if self.taken.insert(wanted.clone()) {
            return wanted;
        }
        let mut number = 2;
        while !self.taken.insert(format!("{wanted}_{number}")) {
            number += 1;
        }
        let name = format!("{wanted}_{number}");
        let message = format!("a metric `{wanted}` exists already, so this one is called `{name}`");
        let help = "name it yourself: `print(\"name\", value)`";
        self.diagnostics.push(Diagnostic::new(Code::DuplicateMetric, message, help).at(place));
        name
    }

    fn not_a_metric(&mut self, place: Span, cause: &str) {
        let message = format!("this is no metric: {cause}");
        let help = "write `print(\"name\", value)` on a line of its own, or `kale_rs.metric(\"name\", value)`";
        self.diagnostics.push(Diagnostic::new(Code::NotAMetric, message, help).at(place));
    }

    fn source(&self, node: &impl Ranged) -> &str {
        &self.cell.code.python[node.range()]
    }

    fn place(&self, node: &impl Ranged) -> Span {
        span(self.cell.index, &self.cell.code, node.start().to_usize(), node.end().to_usize())
    }
}

fn print_call(expression: &Expr) -> Option<&ExprCall> {
    expression.as_call_expr().filter(|call| matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "print"))
}

/// Expressions that are there for what they do or say, not for their value.
fn is_idle(expression: &Expr) -> bool {
    match expression {
        Expr::StringLiteral(_) | Expr::EllipsisLiteral(_) | Expr::NoneLiteral(_) | Expr::IpyEscapeCommand(_) => true,
        Expr::Call(call) => match &*call.func {
            // `from kale_rs import metric`, told from a function of the user's by the name that it is given.
            Expr::Name(name) if name.id.as_str() == "metric" => {
                call.arguments.args.first().is_some_and(Expr::is_string_literal_expr)
            }
            Expr::Name(name) => name.id.as_str() == "display",
            Expr::Attribute(function) => {
                let receiver = function.value.as_name_expr().map(|name| name.id.as_str());
                matches!(receiver, Some("plt" | "pyplot" | "kale_rs" | "sns"))
                    || matches!(function.attr.as_str(), "metric" | "show" | "append" | "update" | "close" | "flush")
            }
            _ => false,
        },
        _ => false,
    }
}

/// Why the expression's value is certainly no number.
fn no_number(expression: &Expr) -> Option<&'static str> {
    let formatted = "its value is a text with the number inside";
    match expression {
        Expr::FString(_) | Expr::TString(_) => Some(formatted),
        Expr::BinOp(operation) if operation.op == Operator::Mod && operation.left.is_string_literal_expr() => {
            Some(formatted)
        }
        Expr::Call(call) => match &*call.func {
            Expr::Attribute(function) if function.attr.as_str() == "format" => Some(formatted),
            Expr::Name(name) if matches!(name.id.as_str(), "str" | "repr" | "format") => Some(formatted),
            _ => None,
        },
        Expr::Tuple(_) | Expr::List(_) | Expr::Dict(_) | Expr::Set(_) => {
            Some("its value is not one number but several")
        }
        Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::NoneLiteral(_) | Expr::Lambda(_) => {
            Some("its value is no number")
        }
        _ => None,
    }
}

/// A label as it stands when it could be a variable's name, else its slug.
fn label_name(label: &str) -> Option<String> {
    let label = label.trim().trim_end_matches([':', '=']).trim_end();
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let name = if is_name(label) { label.to_owned() } else { slug(label, '_') };
    (!name.is_empty()).then_some(name)
}

fn own_name(expression: &Expr, source: &str) -> String {
    match expression {
        Expr::Name(name) => name.id.to_string(),
        Expr::Named(named) => named.target.as_name_expr().map_or_else(String::new, |name| name.id.to_string()),
        _ => {
            let name: String = slug(source, '_').chars().take(63).collect();
            if name.is_empty() { "metric".to_owned() } else { name.trim_end_matches('_').to_owned() }
        }
    }
}

fn reads(expression: &Expr) -> Vec<String> {
    struct Reads(BTreeSet<String>);
    impl<'a> Visitor<'a> for Reads {
        fn visit_expr(&mut self, expression: &'a Expr) {
            if let Expr::Name(name) = expression
                && name.ctx == ExprContext::Load
            {
                self.0.insert(name.id.to_string());
            }
            walk_expr(self, expression);
        }
    }
    let mut reads = Reads(BTreeSet::new());
    reads.visit_expr(expression);
    reads.0.into_iter().collect()
}

fn prints(statement: &Stmt) -> bool {
    struct Prints(bool);
    impl<'a> Visitor<'a> for Prints {
        fn visit_expr(&mut self, expression: &'a Expr) {
            self.0 |= print_call(expression)
                .is_some_and(|call| !call.arguments.args.iter().all(Expr::is_string_literal_expr));
            walk_expr(self, expression);
        }
    }
    let mut prints = Prints(false);
    prints.visit_stmt(statement);
    prints.0
}
