//! Statements that control pipelines (`kale_rs.run(...)`, and what is done with its result): no part of a pipeline.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{ExceptHandler, Expr, ExprContext, ModModule, Stmt};
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
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.results.remove(name.as_str());
                    if alias.name.as_str() == MODULE {
                        self.modules.insert(name.to_string());
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let is_ours = import.module.as_deref() == Some(MODULE);
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.results.remove(name.as_str());
                    if is_ours && !belongs_in_steps(alias.name.as_str()) {
                        self.verbs.insert(name.to_string(), alias.name.to_string());
                    }
                }
            }
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => self.forget_bound(|s| s.visit_stmt(statement)),
            _ => self.visit_executed(statement, found),
        }
    }

    fn visit_executed(&mut self, statement: &Stmt, found: &mut Vec<Control>) {
        let compound = compound(statement);
        let because = match &compound {
            Some(compound) => compound.reads.iter().find_map(|expression| self.reason(|s| s.visit_expr(expression))),
            None => self.reason(|s| s.visit_stmt(statement)),
        };
        if let Some(because) = because {
            self.results.extend(bound_by(|s| s.visit_stmt(statement)));
            found.push(Control { range: statement.range(), because });
            return;
        }
        let Some(compound) = compound else { return self.forget_bound(|s| s.visit_stmt(statement)) };
        for target in compound.targets {
            self.forget_bound(|s| s.visit_expr(target));
        }
        for body in compound.bodies {
            self.visit_body(body, found);
        }
    }

    /// Names that now stand for something else.
    fn forget_bound(&mut self, visit: impl FnOnce(&mut Bound)) {
        if !self.results.is_empty() {
            for name in bound_by(visit) {
                self.results.remove(&name);
            }
        }
    }

    fn reason(&self, visit: impl FnOnce(&mut Mentions)) -> Option<Because> {
        let mut mentions = Mentions { names: self, because: None };
        visit(&mut mentions);
        mentions.because
    }
}

/// A statement with statements inside.
struct Compound<'a> {
    /// Expressions of its own that are evaluated.
    reads: Vec<&'a Expr>,
    /// What it assigns before a body runs.
    targets: Vec<&'a Expr>,
    bodies: Vec<&'a [Stmt]>,
}

fn compound(statement: &Stmt) -> Option<Compound<'_>> {
    let compound = |reads, bodies| Compound { reads, targets: vec![], bodies };
    Some(match statement {
        Stmt::If(s) => {
            let tests = s.elif_else_clauses.iter().filter_map(|clause| clause.test.as_ref());
            let bodies = s.elif_else_clauses.iter().map(|clause| clause.body.as_slice());
            compound(
                [&*s.test].into_iter().chain(tests).collect(),
                [s.body.as_slice()].into_iter().chain(bodies).collect(),
            )
        }
        Stmt::For(s) => Compound { targets: vec![&s.target], ..compound(vec![&s.iter], vec![&s.body, &s.orelse]) },
        Stmt::While(s) => compound(vec![&s.test], vec![&s.body, &s.orelse]),
        Stmt::With(s) => Compound {
            targets: s.items.iter().filter_map(|item| item.optional_vars.as_deref()).collect(),
            ..compound(s.items.iter().map(|item| &item.context_expr).collect(), vec![&s.body])
        },
        Stmt::Match(s) => compound(vec![&s.subject], s.cases.iter().map(|case| case.body.as_slice()).collect()),
        Stmt::Try(s) => {
            let handlers = s.handlers.iter().map(|ExceptHandler::ExceptHandler(handler)| handler.body.as_slice());
            let bodies = [s.body.as_slice()].into_iter().chain(handlers).chain([s.orelse.as_slice(), &s.finalbody]);
            compound(vec![], bodies.collect())
        }
        _ => return None,
    })
}

/// Collects the names that a statement or target binds.
struct Bound(Vec<String>);

fn bound_by(visit: impl FnOnce(&mut Bound)) -> Vec<String> {
    let mut bound = Bound(vec![]);
    visit(&mut bound);
    bound.0
}

impl<'a> Visitor<'a> for Bound {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.0.push(function.name.to_string()),
            Stmt::ClassDef(class) => self.0.push(class.name.to_string()),
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
