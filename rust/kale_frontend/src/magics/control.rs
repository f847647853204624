//! Statements that control pipelines (`kale_rs.run(...)`, and what is done with its result): no part of a pipeline.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, ModModule, Stmt};
use ruff_text_size::{Ranged, TextRange};

const MODULE: &str = "kale_rs";

/// What of `kale_rs` is meant to be called inside a step.
fn belongs_in_steps(attribute: &str) -> bool {
    attribute == "metric" || attribute.starts_with("__")
}

/// Names through which the cells so far can reach our verbs.
#[derive(Default)]
pub(super) struct Names {
    /// The module, under the names it was imported as.
    modules: BTreeSet<String>,
    /// Verbs imported by name, and what each is called in `kale_rs`.
    verbs: BTreeMap<String, String>,
    /// Bound by a control statement: a run, a service.
    results: BTreeSet<String>,
}

/// A statement to take out, and why.
pub(super) struct Control {
    pub range: TextRange,
    pub because: Because,
}

pub(super) enum Because {
    /// It calls this.
    Calls(String),
    /// It uses this name, bound by such a call.
    Uses(String),
}

impl Names {
    /// Whether a cell can hold control statements at all; most cannot, and are spared a parse.
    pub fn may_occur_in(&self, python: &str) -> bool {
        let known = self.modules.iter().chain(self.verbs.keys()).chain(&self.results);
        python.contains(MODULE) || known.into_iter().any(|name| python.contains(name.as_str()))
    }

    /// Notes names that a line magic of ours would have bound.
    pub fn add_results(&mut self, names: Vec<String>) {
        self.results.extend(names);
    }

    /// The control statements of a cell, in order.
    pub fn control_statements(&mut self, module: &ModModule) -> Vec<Control> {
        let mut found = vec![];
        self.visit_body(&module.body, &mut found);
        found
    }

    fn visit_body(&mut self, body: &[Stmt], found: &mut Vec<Control>) {
        for statement in body {
            self.visit_statement(statement, found);
        }
    }

    fn visit_statement(&mut self, statement: &Stmt, found: &mut Vec<Control>) {
        match statement {
            Stmt::Import(import) => {
                for alias in import.names.iter().filter(|alias| alias.name.as_str() == MODULE) {
                    self.modules.insert(alias.asname.as_ref().unwrap_or(&alias.name).to_string());
                }
            }
            Stmt::ImportFrom(import) if import.module.as_deref() == Some(MODULE) => {
                for alias in import.names.iter().filter(|alias| !belongs_in_steps(alias.name.as_str())) {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).to_string();
                    self.verbs.insert(name, alias.name.to_string());
                }
            }
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => self.forget_bound(statement),
            _ => self.visit_executed(statement, found),
        }
    }

    fn visit_executed(&mut self, statement: &Stmt, found: &mut Vec<Control>) {
        let (header, bodies) = parts(statement);
        let because = match header {
            Some(header) => header.iter().find_map(|expression| self.reason(|s| s.visit_expr(expression))),
            None => self.reason(|s| s.visit_stmt(statement)),
        };
        if let Some(because) = because {
            self.results.extend(bound(statement));
            found.push(Control { range: statement.range(), because });
            return;
        }
        if header_only(statement) {
            self.forget_bound(statement);
        }
        for body in bodies {
            self.visit_body(body, found);
        }
    }

    fn forget_bound(&mut self, statement: &Stmt) {
        if self.results.is_empty() {
            return;
        }
        for name in bound(statement) {
            self.results.remove(&name);
        }
    }

    fn reason(&self, visit: impl FnOnce(&mut Mentions)) -> Option<Because> {
        let mut mentions = Mentions { names: self, because: None };
        visit(&mut mentions);
        mentions.because
    }
}

/// Whether a statement has no statements inside.
fn header_only(statement: &Stmt) -> bool {
    parts(statement).0.is_none()
}

/// A compound statement's own expressions and its bodies; `None` for a simple statement.
fn parts(statement: &Stmt) -> (Option<Vec<&Expr>>, Vec<&[Stmt]>) {
    match statement {
        Stmt::If(s) => {
            let tests = s.elif_else_clauses.iter().filter_map(|clause| clause.test.as_ref());
            let bodies = s.elif_else_clauses.iter().map(|clause| clause.body.as_slice());
            (
                Some([&*s.test].into_iter().chain(tests).collect()),
                [s.body.as_slice()].into_iter().chain(bodies).collect(),
            )
        }
        Stmt::For(s) => (Some(vec![&s.iter]), vec![&s.body, &s.orelse]),
        Stmt::While(s) => (Some(vec![&s.test]), vec![&s.body, &s.orelse]),
        Stmt::With(s) => (Some(s.items.iter().map(|item| &item.context_expr).collect()), vec![&s.body]),
        Stmt::Match(s) => (Some(vec![&s.subject]), s.cases.iter().map(|case| case.body.as_slice()).collect()),
        Stmt::Try(s) => {
            let handlers = s.handlers.iter().map(|handler| {
                let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                handler.body.as_slice()
            });
            let bodies = [s.body.as_slice()].into_iter().chain(handlers).chain([s.orelse.as_slice(), &s.finalbody]);
            (Some(vec![]), bodies.collect())
        }
        _ => (None, vec![]),
    }
}

/// Names that a statement binds, anywhere in it.
fn bound(statement: &Stmt) -> Vec<String> {
    struct Bound(Vec<String>);
    impl<'a> Visitor<'a> for Bound {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::FunctionDef(f) => self.0.push(f.name.to_string()),
                Stmt::ClassDef(c) => self.0.push(c.name.to_string()),
                _ => walk_stmt(self, statement),
            }
        }
        fn visit_expr(&mut self, expression: &'a Expr) {
            if let Expr::Name(name) = expression
                && name.ctx == ExprContext::Store
            {
                self.0.push(name.id.to_string());
            }
            walk_expr(self, expression);
        }
    }
    let mut bound = Bound(vec![]);
    bound.visit_stmt(statement);
    bound.0
}

/// Looks for our verbs, and for what came of them.
struct Mentions<'n> {
    names: &'n Names,
    because: Option<Because>,
}

impl<'a> Visitor<'a> for Mentions<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if self.because.is_some() {
            return;
        }
        match expression {
            Expr::Attribute(attribute) => {
                if let Expr::Name(module) = &*attribute.value
                    && self.names.modules.contains(module.id.as_str())
                    && !belongs_in_steps(attribute.attr.as_str())
                {
                    self.because = Some(Because::Calls(format!("{MODULE}.{}", attribute.attr)));
                    return;
                }
            }
            Expr::Name(name) if name.ctx != ExprContext::Store => {
                if let Some(verb) = self.names.verbs.get(name.id.as_str()) {
                    self.because = Some(Because::Calls(format!("{MODULE}.{verb}")));
                } else if self.names.results.contains(name.id.as_str()) {
                    self.because = Some(Because::Uses(name.id.to_string()));
                }
                return;
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}
