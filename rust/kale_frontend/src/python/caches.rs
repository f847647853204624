//! Functions that keep what they have returned (`@lru_cache`).
//!
//! Such a function has a state, and is called as if it had none wherever nobody could tell: a result that is computed
//! anew in another step is the same, as long as all that it was computed from is. Where a global that the body reads is
//! bound twice in the notebook, or is an object that may change, the notebook would go on with the old result; and where
//! somebody asks for the cache itself, each call matters.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Alias, ExceptHandler, Expr, Pattern, Stmt};
use ruff_text_size::TextRange;
use rustc_hash::FxHashSet;

use super::analyzer::{Analyzer, Unit};
use super::effects::Effects;
use super::names::{Name, top_level};
use super::value::{CodeId, Type, Value};

/// Decorators that keep what a function has returned.
const CACHES: &[&str] = &["functools.cache", "functools.lru_cache"];

/// Attributes of such a function by which its state is seen or lost.
const ASKING: &[&str] = &["cache_info", "cache_clear", "__wrapped__"];

/// What of the notebook tells whether the state of a cache can be noticed.
#[derive(Default)]
pub struct Noticed<'a> {
    /// Somebody asks for a cache, or clears it.
    asked: bool,
    /// Names that are bound, and those that are bound several times.
    bound: FxHashSet<&'a str>,
    rebound: FxHashSet<&'a str>,
    /// Loops around what is being read.
    loops: usize,
}

/// Reads the notebook, if it has a cache.
pub fn noticed<'a>(units: &[Unit<'a>]) -> Noticed<'a> {
    let mut noticed = Noticed::default();
    if !units.iter().any(|unit| unit.source.contains("cache")) {
        return noticed;
    }
    noticed.asked = units.iter().any(|unit| ASKING.iter().any(|word| unit.source.contains(word)));
    for unit in units {
        unit.module.body.iter().for_each(|statement| noticed.visit_stmt(statement));
    }
    noticed
}

impl<'a> Noticed<'a> {
    fn bind(&mut self, name: &'a str) {
        if !self.bound.insert(name) || self.loops > 0 {
            self.rebound.insert(name);
        }
    }

    /// What is in a loop happens again and again.
    fn repeatedly(&mut self, read: impl FnOnce(&mut Self)) {
        self.loops += 1;
        read(self);
        self.loops -= 1;
    }
}

impl<'a> Visitor<'a> for Noticed<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(def) => self.bind(&def.name),
            Stmt::ClassDef(def) => self.bind(&def.name),
            Stmt::For(_) | Stmt::While(_) => return self.repeatedly(|this| visitor::walk_stmt(this, statement)),
            // The function may be called several times.
            Stmt::Global(global) => self.repeatedly(|this| global.names.iter().for_each(|name| this.bind(name))),
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(caught) = handler;
        if let Some(name) = &caught.name {
            self.bind(name);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(captured) => &captured.name,
            Pattern::MatchStar(captured) => &captured.name,
            Pattern::MatchMapping(captured) => &captured.rest,
            _ => &None,
        };
        if let Some(name) = name {
            self.bind(name);
        }
        visitor::walk_pattern(self, pattern);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if !name.ctx.is_load() => self.bind(&name.id),
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                return self.repeatedly(|this| visitor::walk_expr(this, expr));
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        self.bind(alias.asname.as_ref().map_or_else(|| top_level(&alias.name), |name| name.as_str()));
    }
}

impl Analyzer<'_> {
    /// `@lru_cache`: the function has a state, in which it keeps what it has returned.
    pub(super) fn note_cache(&mut self, value: &Value, decorator: Name) {
        if let Type::Function(code) = value.ty
            && CACHES.contains(&self.facts.text(decorator))
        {
            self.definitions[code.index()].caches = true;
            value.objects.iter().for_each(|&object| self.frame().heap.set_stateless(object, false));
        }
    }

    /// After a call of a function with a cache: its next call may give the same object, and do nothing else any more.
    pub(super) fn keep_in_cache(
        &mut self,
        code: CodeId,
        effects: &Effects,
        given: &[Value],
        result: &Value,
        range: TextRange,
    ) {
        let definition = &self.definitions[code.index()];
        let owner = definition.name.or_else(|| self.facts.names.get(definition.class_name.as_ref()?));
        let Some(owner) = owner.filter(|_| definition.caches) else { return };
        let matters = self.noticed.asked
            || effects.is_impure()
            || effects.prints
            || !effects.writes.is_empty()
            || !effects.settings.is_empty()
            || !effects.environment_variables.is_empty()
            || given.iter().any(|value| !value.objects.is_empty() && !self.is_stateless(value))
            || effects.reads.keys().any(|&read| read != owner && self.may_change(read));
        if !matters && result.is_immutable() {
            return;
        }
        let owner = self.read_variable(owner, range);
        if matters {
            self.mutate(&owner);
        }
        self.link(&owner, result, false);
    }

    /// Whether a variable may be another one, or hold another state, when it is read again.
    fn may_change(&self, name: Name) -> bool {
        let is_rebound = self.noticed.rebound.contains(self.facts.text(name));
        is_rebound
            || self.module_binding(name).is_some_and(|binding| {
                let caches = |code: &CodeId| self.definitions[code.index()].caches;
                let is_state = |&object: &_| !self.frames[0].heap.is_stateless(object);
                binding.value.objects.iter().any(is_state) && !binding.value.code.iter().any(caches)
            })
    }

    /// Whether it is a function that keeps what it has returned, or a class with such a method.
    pub(super) fn is_cached(&self, value: &Value) -> bool {
        let (Type::Function(code) | Type::Class(code)) = value.ty else { return false };
        let caches = |code: &CodeId| self.definitions[code.index()].caches;
        match self.methods(code) {
            Some(methods) => methods.values().any(caches),
            None => caches(&code),
        }
    }
}
