//! Whether a module's code may bind names of the module in ways that no statement shows.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, Stmt};

/// What gives the module's namespace as a dict. (`vars` with an argument is another object's.)
const NAMESPACES: [&str; 3] = ["globals", "vars", "locals"];
/// Methods of it that only read.
const READERS: [&str; 6] = ["items", "keys", "values", "get", "copy", "__contains__"];
/// Library functions that write into the module that they are called from.
const WRITERS: [&str; 3] = ["_convert_", "_convert", "global_enum"];

pub(super) fn may_be_written(body: &[Stmt]) -> bool {
    let mut search = Search { found: false };
    search.visit_body(body);
    search.found
}

struct Search {
    found: bool,
}

impl<'a> Visitor<'a> for Search {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|decorator| self.visit_expr(&decorator.expression));
                class.body.iter().filter(|part| !fills_class(part)).for_each(|part| self.visit_stmt(part));
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) if is_call_of(call, &["exec", "execfile"]) => self.found = true,
            Expr::Call(call) if is_namespace(call) => self.found = true,
            Expr::Attribute(attribute) => {
                self.found |= WRITERS.contains(&attribute.attr.as_str());
                let reads = READERS.contains(&attribute.attr.as_str());
                if !(reads && is_namespace_expression(&attribute.value)) {
                    visitor::walk_expr(self, expression);
                }
            }
            Expr::Subscript(item) if item.ctx.is_load() && is_namespace_expression(&item.value) => {
                self.visit_expr(&item.slice);
            }
            Expr::Subscript(item) => {
                let of_modules = item.value.as_attribute_expr().is_some_and(|owner| owner.attr.as_str() == "modules");
                let own = item.slice.as_name_expr().is_some_and(|name| name.id.as_str() == "__name__");
                self.found |= of_modules && own;
                visitor::walk_expr(self, expression);
            }
            Expr::Compare(compare) => {
                self.visit_expr(&compare.left);
                for other in compare.comparators.iter().filter(|other| !is_namespace_expression(other)) {
                    self.visit_expr(other);
                }
            }
            _ => visitor::walk_expr(self, expression),
        }
    }
}

/// `locals().update(...)` in the body of a class, where it is the class that is filled.
fn fills_class(statement: &Stmt) -> bool {
    let call = statement.as_expr_stmt().and_then(|expression| expression.value.as_call_expr());
    let owner = call.and_then(|call| call.func.as_attribute_expr()).and_then(|method| method.value.as_call_expr());
    owner.is_some_and(|owner| owner.arguments.is_empty() && is_call_of(owner, &["locals"]))
}

fn is_call_of(call: &ExprCall, names: &[&str]) -> bool {
    call.func.as_name_expr().is_some_and(|name| names.contains(&name.id.as_str()))
}

fn is_namespace(call: &ExprCall) -> bool {
    call.arguments.is_empty() && is_call_of(call, &NAMESPACES)
}

fn is_namespace_expression(expression: &Expr) -> bool {
    expression.as_call_expr().is_some_and(is_namespace)
}
