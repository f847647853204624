//! Statements and expressions, in the order in which CPython's compiler looks at them.

use ruff_python_ast::name::Name;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Alias, Comprehension, ExceptHandler, Expr, ExprNamed, Keyword, Pattern, Stmt, StmtTry};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::{Builder, ScopeKind, Uses};

impl<'a> Visitor<'a> for Builder<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Some(mut rules) = self.rules.take() {
            rules.statement(stmt, self);
            self.rules = Some(rules);
        }
        match stmt {
            Stmt::FunctionDef(def) => self.function(def),
            Stmt::ClassDef(def) => self.class(def),
            Stmt::TypeAlias(alias) => self.type_alias(alias),
            Stmt::AnnAssign(assign) => self.annotated(assign),
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.visit_expr(target));
                self.visit_expr(&assign.value);
            }
            Stmt::AugAssign(assign) => {
                self.visit_expr(&assign.target);
                self.visit_expr(&assign.value);
            }
            Stmt::For(s) => {
                self.visit_expr(&s.target);
                self.visit_expr(&s.iter);
                self.looped(&s.body, &s.orelse);
            }
            Stmt::While(s) => {
                self.visit_expr(&s.test);
                self.looped(&s.body, &s.orelse);
            }
            Stmt::Try(s) => self.conditional(|this| this.try_block(s)),
            Stmt::If(s) => {
                self.visit_expr(&s.test);
                self.conditional(|this| {
                    this.visit_body(&s.body);
                    for clause in &s.elif_else_clauses {
                        clause.test.iter().for_each(|test| this.visit_expr(test));
                        this.visit_body(&clause.body);
                    }
                });
            }
            Stmt::Match(_) | Stmt::With(_) => self.conditional(|this| visitor::walk_stmt(this, stmt)),
            Stmt::Global(s) => self.declare(&s.names, Uses::DECLARED_GLOBAL),
            Stmt::Nonlocal(s) => self.declare(&s.names, Uses::DECLARED_NONLOCAL),
            Stmt::ImportFrom(s) if s.module.as_deref() == Some("__future__") => {
                s.names.iter().for_each(|alias| self.import(alias));
                self.table.dialect.future_annotations |= s.names.iter().any(|alias| &alias.name == "annotations");
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Some(mut rules) = self.rules.take() {
            rules.expression(expr, self);
            self.rules = Some(rules);
        }
        match expr {
            Expr::Name(name) => self.name(&name.id, name.ctx, name.range()),
            Expr::Named(named) => self.walrus(named),
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::ListComp(c) => {
                self.comprehension(ScopeKind::ListComprehension, c.range(), c.start(), &c.generators, &[&c.elt]);
            }
            Expr::SetComp(c) => {
                self.comprehension(ScopeKind::SetComprehension, c.range(), c.start(), &c.generators, &[&c.elt])
            }
            Expr::DictComp(c) => {
                self.comprehension(
                    ScopeKind::DictComprehension,
                    c.range(),
                    c.start(),
                    &c.generators,
                    &[&c.value, &c.key],
                );
            }
            Expr::Generator(c) => {
                // `f(x for x in y)`: the parentheses of the call are the generator's, too.
                let start = if c.parenthesized { c.start() } else { self.call };
                self.comprehension(ScopeKind::Generator, c.range(), start, &c.generators, &[&c.elt]);
            }
            Expr::Call(call) => {
                self.visit_expr(&call.func);
                self.call = call.arguments.start();
                self.visit_arguments(&call.arguments);
            }
            Expr::Dict(dict) => {
                dict.items.iter().filter_map(|item| item.key.as_ref()).for_each(|key| self.visit_expr(key));
                dict.items.iter().for_each(|item| self.visit_expr(&item.value));
            }
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                let id = self.current_id();
                self.table.scopes[id.0].has_yield = true;
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        if let Some(name) = keyword.arg.as_ref().filter(|name| name.as_str() == "__debug__") {
            self.fault("cannot assign to `__debug__`", name.range());
        }
        self.visit_expr(&keyword.value);
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        self.import(alias);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(handler) = handler;
        if let Some(kind) = handler.type_.as_deref() {
            self.visit_expr(kind);
        }
        if let Some(name) = &handler.name {
            self.bind(name);
        }
        self.visit_body(&handler.body);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        visitor::walk_pattern(self, pattern);
        let name = match pattern {
            Pattern::MatchAs(inner) => inner.name.as_ref(),
            Pattern::MatchStar(inner) => inner.name.as_ref(),
            Pattern::MatchMapping(inner) => inner.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind(name);
        }
    }
}

impl Builder<'_> {
    fn comprehension(
        &mut self,
        kind: ScopeKind,
        node: TextRange,
        start: TextSize,
        generators: &[Comprehension],
        elements: &[&Expr],
    ) {
        let name = match kind {
            ScopeKind::ListComprehension => "listcomp",
            ScopeKind::SetComprehension => "setcomp",
            ScopeKind::DictComprehension => "dictcomp",
            _ => "genexpr",
        };
        let Some((outermost, inner)) = generators.split_first() else { return };
        self.iterable(&outermost.iter);
        self.enter(kind, name, node, start);
        let id = self.current_id();
        self.table.scopes[id.0].is_async = generators.iter().any(|generator| generator.is_async);
        self.define(".0", Uses::PARAMETER, node);
        self.iteration_target(&outermost.target);
        outermost.ifs.iter().for_each(|condition| self.visit_expr(condition));
        for generator in inner {
            self.iteration_target(&generator.target);
            self.iterable(&generator.iter);
            generator.ifs.iter().for_each(|condition| self.visit_expr(condition));
        }
        elements.iter().for_each(|element| self.visit_expr(element));
        self.exit();
    }

    fn iterable(&mut self, iterable: &Expr) {
        self.here().iterables += 1;
        self.visit_expr(iterable);
        self.here().iterables -= 1;
    }

    fn iteration_target(&mut self, target: &Expr) {
        self.here().in_iteration_target = true;
        self.visit_expr(target);
        self.here().in_iteration_target = false;
    }

    fn walrus(&mut self, named: &ExprNamed) {
        if self.here().iterables > 0 {
            let what = "assignment expression cannot be used in a comprehension iterable expression";
            self.fault(what, named.range());
        }
        if let Expr::Name(name) = named.target.as_ref()
            && self.kind().is_comprehension()
        {
            self.bind_around_comprehensions(&name.id, named.range());
        }
        self.visit_expr(&named.value);
        self.visit_expr(&named.target);
    }

    /// A walrus in a comprehension binds in the nearest scope that is not one.
    fn bind_around_comprehensions(&mut self, name: &Name, range: TextRange) {
        let name = self.private(name);
        let here = self.current_id();
        let binds = |kind: ScopeKind| !kind.is_comprehension() && kind != ScopeKind::Annotations;
        let around = self.entered.iter().rev().map(|entered| entered.scope);
        let Some(target) = around.into_iter().find(|scope| binds(self.table.scope(*scope).kind)) else { return };
        let declared = match self.table.scope(target).kind {
            ScopeKind::Module => Uses::DECLARED_GLOBAL,
            ScopeKind::Function | ScopeKind::Lambda => {
                let is_global = self.uses(target, &name).contains(Uses::DECLARED_GLOBAL);
                self.note(target, name.clone(), Uses::ASSIGNED, range);
                if is_global { Uses::DECLARED_GLOBAL } else { Uses::DECLARED_NONLOCAL }
            }
            kind => {
                let place = if kind == ScopeKind::Class { "a class body" } else { "a type definition" };
                let what = "assignment expression within a comprehension cannot be used in";
                return self.fault(format!("{what} {place}"), range);
            }
        };
        self.note(here, name.clone(), declared, range);
        self.declarations.insert((here, name), range);
    }

    /// The body of a statement that may leave it out.
    fn conditional(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.here().is_conditional, true);
        visit(self);
        self.here().is_conditional = before;
    }

    fn looped(&mut self, body: &[Stmt], orelse: &[Stmt]) {
        self.conditional(|this| {
            this.here().loops += 1;
            this.visit_body(body);
            this.here().loops -= 1;
            this.visit_body(orelse);
        });
    }

    fn try_block(&mut self, s: &StmtTry) {
        self.visit_body(&s.body);
        if !self.since(13) {
            self.visit_body(&s.orelse);
        }
        s.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
        if self.since(13) {
            self.visit_body(&s.orelse);
        }
        self.visit_body(&s.finalbody);
    }
}
