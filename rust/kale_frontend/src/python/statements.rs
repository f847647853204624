//! Execution of statements on abstract values.

use ruff_python_ast::{
    ExceptHandler, Expr, Pattern, Stmt, StmtFor, StmtIf, StmtMatch, StmtTry, StmtWhile, StmtWith, WithItem,
};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Layer};
use super::value::{Type, Value};
use crate::fault::{Fault, planted};

/// Loops within loops that are each gone through until nothing new is learned; within more of them, the work would double
/// with each.
const MAX_LOOPS: usize = 8;

/// Rounds in which a loop's body may find new types of objects that were there before.
const MAX_ROUNDS: usize = 5;

/// `finally` blocks within each other that are gone through twice.
const MAX_FINALS: usize = 3;

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
                self.show(&value, s.range());
            }
            Stmt::Assign(s) => self.assignment(s),
            Stmt::AnnAssign(s) => self.annotated(s),
            Stmt::AugAssign(s) => self.augmented(&s.target, s.op, &s.value, s.range()),
            Stmt::FunctionDef(s) => self.define_function(s),
            Stmt::ClassDef(s) => self.define_class(s),
            Stmt::Return(s) => {
                let value = s.value.as_deref().map_or_else(Value::immutable, |value| self.evaluate(value));
                self.give_back(&value);
            }
            Stmt::Delete(s) => s.targets.iter().for_each(|target| self.delete_target(target)),
            Stmt::TypeAlias(s) => self.type_alias(s),
            Stmt::For(s) => self.for_loop(s),
            Stmt::While(s) => self.while_loop(s),
            Stmt::If(s) => self.if_block(s),
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
            Stmt::Import(s) => self.import_statement(s),
            Stmt::ImportFrom(s) => self.import_from_statement(s),
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

    /// A block that may be left out, and perhaps left in the middle.
    fn optionally(&mut self, body: &'a [Stmt], may_stop: bool) {
        if !body.is_empty() {
            let layers = self.interrupted(may_stop, |this| this.execute_all(body));
            self.join(layers, true);
        }
    }

    /// A body that runs any number of times. Two rounds mostly reach the fixpoint of types and alias sets: the second sees
    /// what the first left. A round that learns new types of older objects asks for another one, of which the last gives
    /// all types up.
    ///
    /// `may_stop` says whether `break` or `continue` may leave the body in the middle.
    fn looped(&mut self, range: TextRange, may_stop: bool, mut body: impl FnMut(&mut Self)) {
        self.frame().effects.expensive = true;
        self.loops += 1;
        let is_too_deep = self.loops > MAX_LOOPS;
        if is_too_deep {
            self.frame().effects.dynamic.push(("loops nested this deep".to_owned(), range));
        }
        let rounds = if is_too_deep || planted(Fault::OneRound) { 1 } else { MAX_ROUNDS };
        let mut surprised = self.frame().heap.take_surprised();
        for round in 1..=rounds {
            let age = self.frame().heap.age();
            let layers = self.interrupted(may_stop, &mut body);
            self.join(layers, true);
            let heap = &mut self.frame().heap;
            // (What this round has made, the next one makes anew.)
            let learned = heap.take_surprised();
            let is_stable = learned.is_none_or(|oldest| oldest >= age);
            surprised = surprised.into_iter().chain(learned).min();
            if round >= 2 && is_stable {
                break;
            }
            if round + 1 == rounds {
                heap.forget_types();
            }
        }
        self.frame().heap.note_surprised(surprised);
        self.loops -= 1;
    }

    fn while_loop(&mut self, s: &'a StmtWhile) {
        self.test(&s.test);
        self.looped(s.range(), leaves_loop(&s.body), |this| {
            this.execute_all(&s.body);
            this.test(&s.test);
        });
        self.optionally(&s.orelse, false);
    }

    fn if_block(&mut self, s: &'a StmtIf) {
        self.test(&s.test);
        let mut branches = vec![self.branch(&s.body)];
        let mut has_else = false;
        for clause in &s.elif_else_clauses {
            // (It is only asked where those before it do not hold.)
            match &clause.test {
                Some(test) => self.perhaps(|this| this.test(test)),
                None => has_else = true,
            }
            branches.push(self.branch(&clause.body));
        }
        self.join(branches, !has_else);
    }

    fn for_loop(&mut self, s: &'a StmtFor) {
        let iterable = self.evaluate(&s.iter);
        self.forget_dead_targets(s.start());
        self.looped(s.range(), leaves_loop(&s.body), |this| {
            let element = this.iterate(&iterable, s.iter.range());
            this.assign(&s.target, element);
            this.execute_all(&s.body);
        });
        self.optionally(&s.orelse, false);
    }

    fn with_block(&mut self, s: &'a StmtWith) {
        let mut managers = vec![];
        let suspended = self.frame().suspended.len();
        let earlier = self.frame().raised.take();
        self.with_items(&s.items, &s.body, &mut managers);
        // `__exit__` is given it, and may keep it.
        if let Some(raised) = self.frame().raised.clone() {
            managers.iter().for_each(|manager| self.link(manager, &raised, false));
        }
        for manager in managers.iter().rev() {
            self.perhaps(|this| this.invoke_code(manager, s.range()));
        }
        if let Some(earlier) = earlier {
            self.raise(&earlier);
        }
        self.frame().suspended.truncate(suspended);
    }

    /// Enters the contexts, each within the one before it, and executes the body in the last.
    fn with_items(&mut self, items: &'a [WithItem], body: &'a [Stmt], managers: &mut Vec<Value>) {
        let Some((item, inner)) = items.split_first() else { return self.execute_all(body) };
        let manager = self.evaluate(&item.context_expr);
        let types = self.type_path(&manager).and_then(|path| self.knowledge.inherited(path, |t| t.suspends.as_ref()));
        self.frame().suspended.extend(types);
        let entered = self.enter_context(&manager, item.range());
        if let Some(target) = &item.optional_vars {
            self.assign(target, entered);
        }
        let is_plain = self.is_plain_context(&manager);
        if !is_plain {
            managers.push(manager);
        }
        if is_plain && !swallows(&item.context_expr) {
            return self.with_items(inner, body, managers);
        }
        // The manager may catch an exception, so that the rest is left out.
        let layers = self.interrupted(true, |this| this.with_items(inner, body, managers));
        self.join(layers, true);
    }

    /// Whether leaving the context by an exception goes on with the exception: true of files, locks, and the like.
    fn is_plain_context(&self, manager: &Value) -> bool {
        self.type_path(manager).is_some_and(|path| {
            !path.starts_with("contextlib.")
                && (path.starts_with("io.") || self.knowledge.inherited(path, |t| t.context.as_ref()).is_some())
        })
    }

    fn try_block(&mut self, s: &'a StmtTry) {
        if s.finalbody.is_empty() {
            return self.handled(s);
        }
        let layers = self.interrupted(true, |this| this.handled(s));
        self.finals += 1;
        let end = match self.finals > MAX_FINALS {
            true => layers,
            false => {
                // What it does where an exception or a `return` goes on behind it.
                let end = layers[0].clone();
                self.push_layer();
                self.join(layers, true);
                self.execute_all(&s.finalbody);
                self.leave_by_exception();
                vec![end]
            }
        };
        self.join(end, false);
        self.execute_all(&s.finalbody);
        self.finals -= 1;
    }

    /// A `try` statement without its `finally`.
    fn handled(&mut self, s: &'a StmtTry) {
        // The body may stop anywhere, so each handler starts from "some of the body happened".
        let earlier = self.frame().raised.take();
        let can_recover = !s.handlers.is_empty();
        let interrupted = self.interrupted(can_recover, |this| this.execute_all(&s.body));
        // It may also be none of ours, or go on to be raised.
        let caught = self.frame().raised.clone().map(|raised| Value { ty: Type::Unknown, ..raised });
        if let Some(earlier) = earlier {
            self.raise(&earlier);
        }
        if !can_recover {
            self.join(interrupted, false);
            self.execute_all(&s.orelse);
            return;
        }
        let mut endings = vec![];
        let body = interrupted[0].clone();
        self.frame().layers.push(body);
        self.execute_all(&s.orelse);
        endings.push(self.pop_layer());
        for handler in &s.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.push_layer();
            if !planted(Fault::HandlerStateMissed) {
                self.join(interrupted.clone(), true);
            }
            if let Some(kind) = &handler.type_ {
                self.evaluate(kind);
            }
            if let Some(name) = &handler.name {
                self.bind_text(name, caught.clone().unwrap_or_else(Value::immutable));
            }
            self.execute_all(&handler.body);
            if let Some(name) = &handler.name {
                self.delete_quietly(name);
            }
            match always_leaves(&handler.body) {
                true => self.leave_by_exception(),
                false => endings.push(self.pop_layer()),
            }
        }
        self.join(endings, false);
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
                self.test(guard);
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
                let value = self.evaluate(&p.value);
                self.compare(&[subject, &value], false);
            }
            Pattern::MatchSingleton(_) => {}
            Pattern::MatchSequence(p) => p.patterns.iter().for_each(|inner| self.bind_pattern(inner, &part)),
            Pattern::MatchMapping(p) => {
                for key in &p.keys {
                    let key = self.evaluate(key);
                    self.look_for(&[&key], Some(subject));
                }
                p.patterns.iter().for_each(|inner| self.bind_pattern(inner, &part));
                if let Some(rest) = &p.rest {
                    let dict = self.container(&[part], "dict");
                    self.bind_text(rest, dict);
                }
            }
            Pattern::MatchClass(p) => {
                let class = self.evaluate(&p.cls);
                self.invoke_methods(&class, p.range(), |name| name == "__instancecheck__");
                if !p.arguments.patterns.is_empty() {
                    // `__match_args__` names attributes.
                    self.invoke_any_property(subject, p.range());
                }
                p.arguments.patterns.iter().for_each(|inner| self.bind_pattern(inner, &part));
                for keyword in &p.arguments.keywords {
                    let value = self.attribute(subject, &keyword.attr, keyword.range());
                    self.bind_pattern(&keyword.pattern, &value);
                }
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

/// Whether `break` or `continue` may end a round of the loop before its end.
fn leaves_loop(body: &[Stmt]) -> bool {
    body.iter().any(|statement| match statement {
        Stmt::Break(_) | Stmt::Continue(_) => true,
        Stmt::If(s) => leaves_loop(&s.body) || s.elif_else_clauses.iter().any(|clause| leaves_loop(&clause.body)),
        Stmt::With(s) => leaves_loop(&s.body),
        Stmt::For(s) => leaves_loop(&s.orelse),
        Stmt::While(s) => leaves_loop(&s.orelse),
        Stmt::Match(s) => s.cases.iter().any(|case| leaves_loop(&case.body)),
        Stmt::Try(s) => {
            let is_left = |handler: &ExceptHandler| {
                let ExceptHandler::ExceptHandler(handler) = handler;
                leaves_loop(&handler.body)
            };
            [&s.body, &s.orelse, &s.finalbody].into_iter().any(|block| leaves_loop(block))
                || s.handlers.iter().any(is_left)
        }
        _ => false,
    })
}

/// Whether a block cannot reach its end: it raises (or returns).
fn always_leaves(body: &[Stmt]) -> bool {
    body.iter().any(|statement| matches!(statement, Stmt::Raise(_) | Stmt::Return(_)))
}
