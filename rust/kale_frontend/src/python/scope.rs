//! Which names a block of code binds, as CPython's symbol table has it.
//!
//! A name that a function binds anywhere is local in all of it, unless declared `global` or `nonlocal`. Comprehensions,
//! lambdas, functions and classes have scopes of their own; a walrus in a comprehension binds in the nearest enclosing
//! scope that is not a comprehension.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, ExprContext, Parameters, Pattern, Stmt};

/// The names of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Bound here (parameters included), without those declared `global` or `nonlocal`.
    pub locals: BTreeSet<String>,
    pub globals: BTreeSet<String>,
    pub nonlocals: BTreeSet<String>,
}

/// The scope of a function with this body.
pub fn function_scope(parameters: Option<&Parameters>, body: &[Stmt]) -> Scope {
    let mut collector = Collector::default();
    if let Some(parameters) = parameters {
        collector.scope.locals.extend(parameters.iter().map(|p| p.name().to_string()));
    }
    collector.visit_body(body);
    collector.finish()
}

/// The scope of a lambda: its parameters, and what a walrus in its body binds.
pub fn lambda_scope(parameters: Option<&Parameters>, body: &Expr) -> Scope {
    let mut collector = Collector::default();
    if let Some(parameters) = parameters {
        collector.scope.locals.extend(parameters.iter().map(|p| p.name().to_string()));
    }
    collector.visit_expr(body);
    collector.finish()
}

/// Names that a sequence of statements binds in its own scope (the scope of a class body, or a module).
pub fn block_scope(body: &[Stmt]) -> Scope {
    let mut collector = Collector::default();
    collector.visit_body(body);
    collector.finish()
}

/// Names that an assignment target binds (`a, (b, *c) = ...`); attributes and subscripts bind none.
pub fn target_names(target: &Expr) -> Vec<&str> {
    match target {
        Expr::Name(name) => vec![name.id.as_str()],
        Expr::Tuple(tuple) => tuple.elts.iter().flat_map(target_names).collect(),
        Expr::List(list) => list.elts.iter().flat_map(target_names).collect(),
        Expr::Starred(starred) => target_names(&starred.value),
        _ => vec![],
    }
}

#[derive(Default)]
struct Collector {
    scope: Scope,
    /// Depth of comprehensions around the current expression.
    comprehensions: usize,
}

impl Collector {
    fn bind(&mut self, name: &str) {
        self.scope.locals.insert(name.to_owned());
    }

    fn finish(mut self) -> Scope {
        let declared: Vec<String> = self.scope.globals.union(&self.scope.nonlocals).cloned().collect();
        for name in declared {
            self.scope.locals.remove(&name);
        }
        self.scope
    }

    fn visit_defaults(&mut self, parameters: &Parameters) {
        for parameter in parameters.iter_non_variadic_params() {
            if let Some(default) = &parameter.default {
                self.visit_expr(default);
            }
        }
    }
}

impl<'a> Visitor<'a> for Collector {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                self.bind(&def.name);
                for decorator in &def.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                self.visit_defaults(&def.parameters);
            }
            Stmt::ClassDef(def) => {
                self.bind(&def.name);
                for decorator in &def.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                if let Some(arguments) = &def.arguments {
                    self.visit_arguments(arguments);
                }
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let bound = match &alias.asname {
                        Some(name) => name.as_str(),
                        None => alias.name.split('.').next().unwrap_or_default(),
                    };
                    self.bind(bound);
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in import.names.iter().filter(|alias| &alias.name != "*") {
                    self.bind(alias.asname.as_ref().unwrap_or(&alias.name));
                }
            }
            Stmt::Global(global) => self.scope.globals.extend(global.names.iter().map(ToString::to_string)),
            Stmt::Nonlocal(nonlocal) => self.scope.nonlocals.extend(nonlocal.names.iter().map(ToString::to_string)),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                if self.comprehensions == 0 && !matches!(name.ctx, ExprContext::Load) {
                    self.bind(&name.id);
                }
            }
            Expr::Named(named) => {
                if let Expr::Name(name) = named.target.as_ref() {
                    self.bind(&name.id);
                }
                self.visit_expr(&named.value);
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_defaults(parameters);
                }
            }
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                self.comprehensions += 1;
                visitor::walk_expr(self, expr);
                self.comprehensions -= 1;
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.bind(name);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(inner) => inner.name.as_ref(),
            Pattern::MatchStar(inner) => inner.name.as_ref(),
            Pattern::MatchMapping(inner) => inner.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind(name);
        }
        visitor::walk_pattern(self, pattern);
    }
}
