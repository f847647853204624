//! Pipeline parameters: literals that the parameters cells assign to names.
//!
//! Whatever else such a cell holds is code that runs after the parameters are set, so `b = a * 2` follows `a`.

mod annotation;
mod literal;

use kale_model::{Code, Diagnostic, Parameter, ParameterName, ParameterType, Span};
use ruff_python_ast::{Expr, ModModule, Stmt};
use ruff_text_size::Ranged;
use serde_json::Value;

use self::literal::NoLiteral;
use crate::blocks::BlockCell;
use crate::magics::CodeKind;
use crate::text::span;

/// The parameters of the parameters cells, each given with its syntax tree, in order.
pub fn parameters(cells: &[(&BlockCell, &ModModule)]) -> (Vec<Parameter>, Vec<Diagnostic>) {
    let mut reader = Reader { parameters: vec![], diagnostics: vec![] };
    for (cell, module) in cells.iter().filter(|(cell, _)| cell.code.kind == CodeKind::Python) {
        for statement in &module.body {
            reader.statement(cell, statement);
        }
    }
    (reader.parameters, reader.diagnostics)
}

struct Reader {
    parameters: Vec<Parameter>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn statement(&mut self, cell: &BlockCell, statement: &Stmt) {
        match statement {
            Stmt::Assign(assign) => {
                if let [Expr::Name(name)] = &assign.targets[..] {
                    self.assignment(cell, name.id.as_str(), None, &assign.value);
                } else {
                    let place = place(cell, &assign.targets[0]);
                    self.not_a_parameter(place, "the targets of this assignment", "several names are assigned at once");
                }
            }
            Stmt::AnnAssign(assign) => {
                if let (Expr::Name(name), Some(value)) = (&*assign.target, &assign.value) {
                    self.assignment(cell, name.id.as_str(), Some(&assign.annotation), value);
                }
            }
            _ => {}
        }
    }

    fn assignment(&mut self, cell: &BlockCell, name: &str, annotation: Option<&Expr>, value: &Expr) {
        let span = place(cell, value);
        let what = format!("`{name}`");
        if let Some(first) = self.parameters.iter().find(|parameter| parameter.name.as_str() == name) {
            let message =
                format!("the parameter `{name}` is assigned again, so a run's value for it has no effect below");
            let help = "give the second value another name";
            let diagnostic = Diagnostic::new(Code::ParameterReassigned, message, help).at(span);
            self.diagnostics.push(diagnostic.with_related(first.span, "the parameter is here"));
            return;
        }
        if cell.code.cell_magic.is_some() || cell.code.operand_lines.contains(&span.start.line) {
            return self.not_a_parameter(span, &what, "a magic runs the assignment");
        }
        match (literal::read(value), name.parse()) {
            (Ok(literal), Ok(name)) => self.parameter(name, annotation, literal, span),
            (Err(NoLiteral(cause)), _) => self.not_a_parameter(span, &what, cause),
            (_, Err(_)) => self.not_a_parameter(span, &what, "its name cannot be one of a parameter"),
        }
    }

    fn parameter(
        &mut self,
        name: ParameterName,
        annotation: Option<&Expr>,
        (default, own_type): (Value, ParameterType),
        span: Span,
    ) {
        let declared = annotation.and_then(annotation::read);
        let parameter_type = match declared {
            // Only JSON at large holds both `None` and other values.
            Some(declared) if declared.optional && default.is_null() => ParameterType::Json,
            Some(declared) => declared.base,
            None => own_type,
        };
        match parameter_type.accept(default) {
            Ok(default) => self.parameters.push(Parameter { name, parameter_type, default, span }),
            Err(error) => {
                let annotated = parameter_type.as_str();
                let message = format!("the default of the parameter `{name}: {annotated}` does not fit: {error}");
                let help = if error.given == "null" {
                    format!("write `{name}: {annotated} | None = None`, or give it a value")
                } else {
                    "change the default or the annotation".to_owned()
                };
                self.diagnostics.push(Diagnostic::new(Code::ParameterDefault, message, help).at(span));
            }
        }
    }

    fn not_a_parameter(&mut self, span: Span, what: &str, cause: &str) {
        let message = format!("{what} cannot be set by a run, since {cause}");
        let help = "nothing has to be done; it is computed in every run, after the parameters are set";
        self.diagnostics.push(Diagnostic::new(Code::NotAParameter, message, help).at(span));
    }
}

fn place(cell: &BlockCell, node: &impl Ranged) -> Span {
    span(cell.index, &cell.code, node.start().to_usize(), node.end().to_usize())
}
