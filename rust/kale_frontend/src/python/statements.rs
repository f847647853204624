//! Execution of statements on abstract values.

use ruff_python_ast::{ExceptHandler, Expr, Operator, Pattern, Stmt, StmtFor, StmtMatch, StmtTry, StmtWith};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Inner, Layer};
use super::names::top_level;
use super::scope::ScopeKind;
use super::value::{Parts, Type, Value};
use crate::fault::{Fault, planted};

/// Loops within loops that are each gone through twice; within more of them, the work would double with each.
const MAX_LOOPS: usize = 8;

/// Rounds in which a loop's body may find new types of objects that were there before.
const MAX_ROUNDS: usize = 5;

impl<'a> Analyzer<'a> {
    pub fn execute_all(&mut self, body: &'a [Stmt]) {
        for statement in body {
            self.execute(statement);
        }
    }

    pub fn execute(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Expr(s) => {
                let value = self.evaluate(&s.value);
                self.operate(&[&value], s.range());
            }
            Stmt::Assign(s) if pairs(&s.targets, &s.value).is_some() => {
                let (targets, values) = pairs(&s.targets, &s.value).expect("the guard found them");
                let values: Vec<Value> = values.iter().map(|value| self.evaluate(value)).collect();
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value);
                }
            }
            Stmt::Assign(s) => {
                let value = self.evaluate(&s.value);
                let value = self.of_member(value, s.range());
                // In `pair = a, b = f()` the parts are reached by two ways.
                let value = if s.targets.len() > 1 { value.named() } else { value };
                let copies = planted(Fault::NoAliasOfNames) && s.value.is_name_expr();
                let value = if copies { self.fresh(value.ty) } else { value };
                for target in &s.targets {
                    self.assign(target, value.clone());
                }
            }
            Stmt::AnnAssign(s) => {
                let value = s.value.as_deref().map(|value| self.evaluate(value));
                if !matches!(s.target.as_ref(), Expr::Name(_)) || self.in_module() {
                    self.evaluate(&s.annotation);
                }
                if let Some(value) = value {
                    self.assign(&s.target, value);
                }
            }
            Stmt::AugAssign(s) => self.augmented(&s.target, s.op, &s.value, s.range()),
            Stmt::FunctionDef(s) => self.define_function(s),
            Stmt::ClassDef(s) => self.define_class(s),
            Stmt::Return(s) => {
                let value = s.value.as_deref().map_or_else(Value::immutable, |value| self.evaluate(value));
                self.give_back(&value);
            }
            Stmt::Delete(s) => s.targets.iter().for_each(|target| self.delete_target(target)),
            Stmt::TypeAlias(s) => {
                let is_generic = self.enter_type_parameters(s.type_params.as_deref());
                let scope = self.scope_of(ScopeKind::TypeAlias, s.range());
                self.frame().inner.push(Inner::new(scope));
                self.evaluate(&s.value);
                self.frame().inner.pop();
                if is_generic {
                    self.frame().inner.pop();
                }
                self.assign(&s.name, Value::immutable());
            }
            Stmt::For(s) => self.for_loop(s),
            Stmt::While(s) => {
                self.test(&s.test);
                self.looped(s.range(), |this| {
                    this.execute_all(&s.body);
                    this.test(&s.test);
                });
                self.optionally(&s.orelse);
            }
            Stmt::If(s) => {
                self.test(&s.test);
                let mut branches = vec![self.branch(&s.body)];
                let mut has_else = false;
                for clause in &s.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.test(test);
                    } else {
                        has_else = true;
                    }
                    branches.push(self.branch(&clause.body));
                }
                self.join(branches, !has_else);
            }
            Stmt::With(s) => self.with_block(s),
            Stmt::Match(s) => self.match_block(s),
            Stmt::Try(s) => self.try_block(s),
            Stmt::Raise(s) => {
                for part in [&s.exc, &s.cause].into_iter().flatten() {
                    let exception = self.evaluate(part);
                    self.raise(&exception);
                }
            }
            Stmt::Assert(s) => {
                self.test(&s.test);
                if let Some(message) = &s.msg {
                    self.perhaps(|this| this.evaluate(message));
                }
            }
            Stmt::Import(s) => {
                for alias in &s.names {
                    self.import(&alias.name, alias.asname.as_ref().map(|n| n.as_str()), s.range());
                }
            }
            Stmt::ImportFrom(s) => {
                let module = s.module.as_ref().map_or("", |m| m.as_str()).to_owned();
                for alias in &s.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.import_from(&module, s.level, &alias.name, bound, alias.range());
                }
            }
            Stmt::IpyEscapeCommand(s) => self.escape_command(s.kind, &s.value, s.range()),
            Stmt::Global(_) | Stmt::Nonlocal(_) | Stmt::Pass(_) | Stmt::Break(_) | Stmt::Continue(_) => {}
        }
    }

    /// Evaluates a condition: whether it is true may be for a method of the notebook's to say.
    fn test(&mut self, condition: &'a Expr) {
        let value = self.evaluate(condition);
        self.operate(&[&value], condition.range());
    }

    /// Adds to what the function being executed may return.
    pub fn give_back(&mut self, value: &Value) {
        let earlier = self.frame().returned.take();
        let returned = match earlier {
            Some(earlier) => self.either(earlier, value),
            None => value.clone(),
        };
        self.frame().returned = Some(returned);
    }

    /// Adds to what the code being executed may raise.
    pub fn raise(&mut self, exception: &Value) {
        let frame = self.frame();
        frame.raised = Some(match frame.raised.take() {
            Some(earlier) => earlier.join(exception),
            None => exception.clone(),
        });
    }

    /// Evaluates an expression that may be left out: what it binds (by a walrus) is perhaps bound.
    pub fn perhaps<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        self.push_layer();
        let value = evaluate(self);
        let layer = self.pop_layer();
        self.join(vec![layer], true);
        value
    }

    /// Executes a block in a layer of its own, to be joined later.
    fn branch(&mut self, body: &'a [Stmt]) -> Layer {
        self.push_layer();
        self.execute_all(body);
        self.pop_layer()
    }

    /// A block that may be left out, or left in the middle.
    fn optionally(&mut self, body: &'a [Stmt]) {
        if !body.is_empty() {
            let layer = self.branch(body);
            self.join(vec![layer], true);
        }
    }

    /// A body that runs any number of times. Two rounds reach the fixpoint of types and alias sets: the second sees
    /// what the first left.
    fn looped(&mut self, range: TextRange, mut body: impl FnMut(&mut Self)) {
        self.frame().effects.expensive = true;
        self.loops += 1;
        let is_too_deep = self.loops > MAX_LOOPS;
        if is_too_deep {
            self.frame().effects.dynamic.push(("loops nested this deep".to_owned(), range));
        }
        let rounds = if is_too_deep || planted(Fault::OneRound) { 1 } else { MAX_ROUNDS };
        let heap = &mut self.frame().heap;
        let (young, age) = (heap.young, heap.age());
        heap.young = age;
        for round in 1..=rounds {
            let surprises = self.frame().heap.surprises;
            self.push_layer();
            body(self);
            let layer = self.pop_layer();
            self.join(vec![layer], true);
            let heap = &mut self.frame().heap;
            let stable = heap.surprises == surprises;
            if round >= 2 && stable {
                break;
            }
            if round + 1 == rounds {
                heap.forget_types();
            }
        }
        self.frame().heap.young = young;
        self.loops -= 1;
    }

    fn for_loop(&mut self, s: &'a StmtFor) {
        let iterable = self.evaluate(&s.iter);
        self.forget_dead_targets(s.start());
        self.looped(s.range(), |this| {
            let element = this.iterate(&iterable, s.iter.range());
            this.assign(&s.target, element);
            this.execute_all(&s.body);
        });
        self.optionally(&s.orelse);
    }

    fn with_block(&mut self, s: &'a StmtWith) {
        let mut may_swallow = false;
        let suspended = self.frame().suspended.len();
        for item in &s.items {
            let manager = self.evaluate(&item.context_expr);
            let types =
                self.type_path(&manager).and_then(|path| self.knowledge.inherited(path, |t| t.suspends.as_ref()));
            self.frame().suspended.extend(types);
            let entered = self.enter_context(&manager, item.range());
            may_swallow |= !self.is_plain_context(&manager) || swallows(&item.context_expr);
            if let Some(target) = &item.optional_vars {
                self.assign(target, entered);
            }
        }
        if may_swallow {
            // The manager may catch an exception, so that the rest of the body is left out.
            self.optionally(&s.body);
        } else {
            self.execute_all(&s.body);
        }
        self.frame().suspended.truncate(suspended);
    }

    /// Whether leaving the context by an exception goes on with the exception: true of files, locks, and the like.
    fn is_plain_context(&self, manager: &Value) -> bool {
        self.type_path(manager).is_some_and(|path| {
            !path.starts_with("contextlib.")
                && (path.starts_with("io.") || self.knowledge.inherited(path, |t| t.context.as_ref()).is_some())
        })
    }

    fn try_block(&mut self, s: &'a StmtTry) {
        // The body may stop anywhere, so each handler starts from "some of the body happened".
        let earlier = self.frame().raised.take();
        self.push_layer();
        self.execute_all(&s.body);
        let body = self.pop_layer();
        // It may also be none of ours, or go on to be raised.
        let caught = self.frame().raised.clone().map(|raised| Value { ty: Type::Unknown, ..raised });
        if let Some(earlier) = earlier {
            self.raise(&earlier);
        }
        let can_recover = !s.handlers.is_empty();
        if !can_recover {
            self.join(vec![body], false);
            self.execute_all(&s.orelse);
            self.execute_all(&s.finalbody);
            return;
        }
        let mut endings = vec![];
        self.frame().layers.push(body.clone());
        self.execute_all(&s.orelse);
        endings.push(self.pop_layer());
        for handler in &s.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.push_layer();
            if !planted(Fault::HandlerStateMissed) {
                self.join(vec![body.clone()], true);
            }
            if let Some(kind) = &handler.type_ {
                self.evaluate(kind);
            }
            if let Some(name) = &handler.name {
                self.bind_text(name, caught.clone().unwrap_or_else(Value::immutable));
            }
            self.execute_all(&handler.body);
            let leaves = always_leaves(&handler.body);
            if let Some(name) = &handler.name {
                self.delete_quietly(name);
            }
            let layer = self.pop_layer();
            if !leaves {
                endings.push(layer);
            }
        }
        self.join(endings, false);
        self.execute_all(&s.finalbody);
    }

    /// The end of `except ... as name` unbinds the name.
    fn delete_quietly(&mut self, text: &str) {
        let before = self.frame().effects.deletes.clone();
        self.delete(text);
        self.frame().effects.deletes = before;
    }

    fn match_block(&mut self, s: &'a StmtMatch) {
        let subject = self.evaluate(&s.subject);
        let mut branches = vec![];
        let mut exhaustive = false;
        for case in &s.cases {
            self.push_layer();
            self.bind_pattern(&case.pattern, &subject);
            if let Some(guard) = &case.guard {
                self.evaluate(guard);
            }
            self.execute_all(&case.body);
            exhaustive |= case.guard.is_none() && case.pattern.is_irrefutable();
            branches.push(self.pop_layer());
        }
        // A pattern that fails may have bound some of its names already.
        self.join(branches, !exhaustive);
    }

    fn bind_pattern(&mut self, pattern: &'a Pattern, subject: &Value) {
        let part = self.element(subject);
        match pattern {
            Pattern::MatchValue(p) => {
                self.evaluate(&p.value);
            }
            Pattern::MatchSingleton(_) => {}
            Pattern::MatchSequence(p) => p.patterns.iter().for_each(|inner| self.bind_pattern(inner, &part)),
            Pattern::MatchMapping(p) => {
                for key in &p.keys {
                    self.evaluate(key);
                }
                p.patterns.iter().for_each(|inner| self.bind_pattern(inner, &part));
                if let Some(rest) = &p.rest {
                    let dict = self.container(&[part], "dict");
                    self.bind_text(rest, dict);
                }
            }
            Pattern::MatchClass(p) => {
                self.evaluate(&p.cls);
                p.arguments.patterns.iter().for_each(|inner| self.bind_pattern(inner, &part));
                p.arguments.keywords.iter().for_each(|keyword| self.bind_pattern(&keyword.pattern, &part));
            }
            Pattern::MatchStar(p) => {
                if let Some(name) = &p.name {
                    // `subject` is an element already: the star takes a new list of them.
                    let list = self.container(std::slice::from_ref(subject), "list");
                    self.bind_text(name, list);
                }
            }
            Pattern::MatchAs(p) => {
                if let Some(inner) = &p.pattern {
                    self.bind_pattern(inner, subject);
                }
                if let Some(name) = &p.name {
                    self.bind_text(name, subject.clone());
                }
            }
            Pattern::MatchOr(p) => p.patterns.iter().for_each(|inner| self.bind_pattern(inner, subject)),
        }
    }

    pub fn assign(&mut self, target: &'a Expr, value: Value) {
        match target {
            Expr::Name(name) => self.bind_text(&name.id, value),
            Expr::Tuple(_) | Expr::List(_) => {
                let elements: &[Expr] = match target {
                    Expr::Tuple(tuple) => &tuple.elts,
                    Expr::List(list) => &list.elts,
                    _ => &[],
                };
                let stars = elements.iter().any(Expr::is_starred_expr);
                match value.parts.as_deref() {
                    Some(Parts::Each(parts)) if parts.len() == elements.len() && !stars => {
                        for (element, part) in elements.iter().zip(parts) {
                            self.assign(element, part.clone());
                        }
                    }
                    Some(&Parts::Alike { ty, separate: true }) if !stars => {
                        for element in elements {
                            let part = if ty == Type::Immutable { Value::immutable() } else { self.fresh(ty) };
                            self.assign(element, part);
                        }
                    }
                    _ => {
                        let part = self.iterate(&value, target.range());
                        for element in elements {
                            self.assign(element, part.clone());
                        }
                    }
                }
            }
            Expr::Starred(starred) => {
                let path = self.name("list");
                let list = self.fresh_empty(Type::Instance(path));
                self.link(&list, &value, false);
                self.assign(&starred.value, list);
            }
            Expr::Attribute(attribute) => {
                let owner = self.evaluate(&attribute.value);
                self.store_attribute(&owner, &attribute.attr, &value, target.range());
            }
            Expr::Subscript(subscript) => {
                let owner = self.evaluate(&subscript.value);
                self.evaluate(&subscript.slice);
                self.store_item(&owner, &value, target.range());
            }
            _ => {
                self.evaluate(target);
            }
        }
    }

    fn augmented(&mut self, target: &'a Expr, operator: Operator, operand: &'a Expr, range: TextRange) {
        let old = self.evaluate_target(target);
        let value = self.evaluate(operand);
        self.operate(&[&old, &value], range);
        let in_place = !planted(Fault::MissedAugmentedMutation) && !old.is_constant() && !self.has_pure_operators(&old);
        let result = if self.gives_immutable(operator, &old, &value) {
            Value::immutable()
        } else if in_place {
            self.mutate(&old);
            self.add_to(&old, &value);
            old
        } else {
            let mut result = self.fresh(Type::Unknown);
            if let Type::Instance(_) = old.ty {
                result.ty = old.ty;
            }
            result
        };
        self.assign(target, result);
    }

    /// The current value of an assignment target.
    fn evaluate_target(&mut self, target: &'a Expr) -> Value {
        match target {
            Expr::Name(name) => self.read(&name.id, name.range()),
            Expr::Subscript(s) => {
                let owner = self.evaluate(&s.value);
                self.evaluate(&s.slice);
                if self.type_path(&owner) == Some("collections.defaultdict") {
                    self.add_missing(&owner, s.range());
                }
                self.element(&owner)
            }
            Expr::Attribute(a) => {
                let owner = self.evaluate(&a.value);
                self.element(&owner)
            }
            other => self.evaluate(other),
        }
    }

    fn delete_target(&mut self, target: &'a Expr) {
        match target {
            Expr::Name(name) => {
                self.read(&name.id, name.range());
                self.delete(&name.id);
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.delete_target(element)),
            Expr::List(list) => list.elts.iter().for_each(|element| self.delete_target(element)),
            Expr::Attribute(attribute) => {
                let owner = self.evaluate(&attribute.value);
                self.mutate(&owner);
            }
            Expr::Subscript(subscript) => {
                let owner = self.evaluate(&subscript.value);
                self.evaluate(&subscript.slice);
                self.store_item(&owner, &Value::immutable(), target.range());
            }
            _ => {}
        }
    }

    /// `__main__`, the notebook itself as a module: what is done through it binds names that nobody sees bound.
    fn note_main(&mut self, module: &str, range: TextRange) {
        if module == "__main__" {
            self.frame().effects.dynamic.push((module.to_owned(), range));
        }
    }

    fn import(&mut self, module: &str, alias: Option<&str>, range: TextRange) {
        self.note_main(module, range);
        let top = top_level(module).to_owned();
        let (bound, path) = match alias {
            Some(alias) => (alias.to_owned(), module.to_owned()),
            None => (top.clone(), top.clone()),
        };
        self.frame().effects.imports.extend([top, module.to_owned()]);
        self.import_state(module);
        let path = self.name(&path);
        self.bind_text(&bound, Value::library(path));
    }

    fn import_from(&mut self, module: &str, level: u32, name: &str, bound: &str, range: TextRange) {
        let module = format!("{}{module}", ".".repeat(level as usize));
        self.note_main(&module, range);
        if module == "__future__" {
            // It changes how the code after it is compiled, wherever that runs.
            self.frame().effects.settings.insert(String::new());
            return;
        }
        if !module.starts_with('.') {
            let dotted = [top_level(&module).to_owned(), module.clone(), format!("{module}.{name}")];
            self.frame().effects.imports.extend(dotted);
        }
        self.import_state(&module);
        if name == "*" {
            return self.import_star(&module, range);
        }
        let value = self.imported(&format!("{module}.{name}"));
        self.bind_text(bound, value);
    }

    /// What an import of this path gives.
    fn imported(&mut self, path: &str) -> Value {
        let path = self.name(path);
        let canonical = self.knowledge.canonical(self.facts.text(path)).into_owned();
        match self.knowledge.call(&canonical).and_then(|c| c.value.as_deref()) {
            Some(type_path) => self.module_constant(type_path),
            None => {
                let path = self.name(&canonical);
                Value::library(path)
            }
        }
    }

    /// `from module import *`: as if the names that the module exports stood there.
    fn import_star(&mut self, module: &str, range: TextRange) {
        self.frame().effects.star_import = true;
        if !self.in_module() {
            return;
        }
        let Some(exports) = self.environment.exports.get(module) else {
            self.facts.cells[self.cell].unreadable_stars.push((module.to_owned(), range));
            return;
        };
        for (name, export) in exports {
            if !self.words.contains(name.as_str()) {
                continue;
            }
            let value = self.imported(&export.path);
            let name = self.name(name);
            if export.certain { self.bind(name, value) } else { self.bind_maybe(name, value) }
        }
    }
}

/// The targets and values of `a, b = x, y`.
fn pairs<'e>(targets: &'e [Expr], value: &'e Expr) -> Option<(&'e [Expr], &'e [Expr])> {
    let ([Expr::Tuple(targets)], Expr::Tuple(values)) = (targets, value) else { return None };
    let plain = |elements: &[Expr]| !elements.iter().any(Expr::is_starred_expr);
    (targets.elts.len() == values.elts.len() && plain(&targets.elts) && plain(&values.elts))
        .then_some((targets.elts.as_slice(), values.elts.as_slice()))
}

/// Whether a context manager is made to catch exceptions.
fn swallows(expr: &Expr) -> bool {
    let callee = expr.as_call_expr().map(|call| call.func.as_ref());
    let name = match callee {
        Some(Expr::Name(name)) => name.id.as_str(),
        Some(Expr::Attribute(attribute)) => attribute.attr.as_str(),
        _ => return false,
    };
    matches!(name, "suppress" | "raises" | "assertRaises" | "ExitStack" | "AsyncExitStack")
}

/// Whether a block cannot reach its end: it raises (or returns).
fn always_leaves(body: &[Stmt]) -> bool {
    body.iter().any(|statement| matches!(statement, Stmt::Raise(_) | Stmt::Return(_)))
}
