//! What a library's call returns, and what the result shares with the arguments.

use std::rc::Rc;

use ruff_python_ast::Expr;

use super::analyzer::Analyzer;
use super::arguments::{Arguments, concerned, first, is_given, select};
use super::attributes::BOUND_METHOD;
use super::facts::Kind;
use super::heap::Unshippable;
use super::knowledge::{CallFacts, Words};
use super::types::Types;
use super::value::{Parts, TuplePart, Type, Value};

pub(super) const THREAD: &str = "threading.Thread";

impl<'a> Analyzer<'a> {
    /// Whether an expression is known to be None, without evaluating it: `None`, or a call of a library's function.
    pub(super) fn gives_none(&self, expr: &Expr) -> bool {
        let Expr::Call(call) = expr else { return expr.is_none_literal_expr() };
        let facts = match (self.path_of(&call.func), call.func.as_ref()) {
            (Some(path), _) => self.knowledge.call(&path),
            (None, Expr::Attribute(method)) => {
                let owner = self.path_of(&method.value).and_then(|path| self.knowledge.call(&path)?.value.as_deref());
                owner.and_then(|owner| self.knowledge.method(owner, &method.attr))
            }
            _ => None,
        };
        facts.is_some_and(|facts| facts.returns.as_deref() == Some("None"))
    }

    /// What a dotted name means in a library.
    pub(super) fn path_of(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => match self.module_binding(self.facts.names.get(&name.id)?)?.value.ty {
                Type::Library(path) => Some(self.facts.text(path).to_owned()),
                _ => None,
            },
            Expr::Attribute(attribute) => {
                let owner = self.path_of(&attribute.value)?;
                let owned = self.knowledge.call(&owner).is_some_and(|facts| facts.value.is_some());
                let path = format!("{owner}.{}", attribute.attr);
                (!owned).then(|| self.knowledge.canonical(&path).into_owned())
            }
            _ => None,
        }
    }

    /// A new value of a type by its path.
    pub fn typed(&mut self, path: &str) -> Value {
        let suspended = self.frames.last().and_then(|f| f.suspended.iter().rev().find_map(|types| types.get(path)));
        let path = suspended.map_or(path, String::as_str);
        let has_own_methods = path.starts_with("pathlib.") || path == "re.Pattern";
        let immutable = path == "immutable"
            || path == "None"
            || (!has_own_methods && self.knowledge.inherited(path, |t| t.immutable) == Some(true));
        if immutable {
            return Value::immutable();
        }
        if path.contains('.') {
            self.note_library(path);
        }
        let name = self.name(path);
        if has_own_methods {
            return Value { ty: Type::Instance(name), ..Value::immutable() };
        }
        self.fresh(Type::Instance(name))
    }

    pub(super) fn result(
        &mut self,
        facts: &CallFacts,
        applied: &[&CallFacts],
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
    ) -> Value {
        let returns = applied.iter().rev().find_map(|f| f.returns.as_deref());
        let mut returns = returns.or_else(|| returned_by_suffix(facts, receiver, arguments)).map(str::to_owned);
        if let Some(unseeded) = &facts.returns_unseeded
            && !facts.seeded_by.iter().any(|which| self.has_own_generator(which, arguments))
        {
            returns = Some(unseeded.clone());
        }
        if let Some(inner) = &facts.returns_inner
            && !self.are_harmless(&facts.inner, arguments)
        {
            let like = self.knowledge.type_facts(inner).and_then(|made| {
                let is_like = |like: &&str| {
                    self.are_all(&facts.inner, arguments, &|path| path == *like || self.is_harmless(path))
                };
                made.like_parts.iter().find(is_like)
            });
            returns = Some(like.unwrap_or(inner).to_owned());
        }
        if let Some(naming) = &facts.returns_naming
            && concerned(&facts.names, arguments).iter().any(|which| {
                select(which, receiver, arguments).iter().any(|text| !self.named_variables(text).is_empty())
            })
        {
            returns = Some(naming.clone());
        }
        if returns.is_none() && facts.contents.is_some() {
            return self.part_of(applied, receiver, arguments);
        }
        let mut result = match returns.as_deref() {
            Some("self") => return receiver.cloned().unwrap_or_else(Value::immutable),
            Some(text) if text.starts_with("arg:") => {
                let which = &text["arg:".len()..];
                return select(which, receiver, arguments).into_iter().next().cloned().unwrap_or_else(Value::immutable);
            }
            None => self.fresh(Type::Unknown),
            Some(path) => self.made(path, receiver, arguments),
        };
        if result.objects.is_empty() {
            return result;
        }
        if let Some(contents) = &facts.contents {
            if self.looks_into(&result) {
                let types = self.contents(contents, Type::Unknown, arguments);
                result = self.fresh_iterator(result.ty, types);
            } else {
                let types = self.contents(contents, result.ty, arguments);
                for &object in &result.objects {
                    let class = self.frame().heap.class(object);
                    (class.types, class.scalars) = (types.clone(), contents.is_empty());
                }
            }
        }
        if let Some(element) = facts.element.as_deref()
            && self.typed(element).is_immutable()
        {
            let ty = result.ty;
            result = self.fresh_scalars(ty);
        }
        for facts in applied {
            for shared in concerned(&facts.result, arguments) {
                self.share(&mut result, shared, receiver, arguments);
            }
        }
        result.parts = self.parts(facts, applied, &result, receiver, arguments);
        result
    }

    /// Whether the value is an iterator, or a view of a dict: it holds no elements of its own.
    pub(super) fn looks_into(&self, value: &Value) -> bool {
        self.is_iterator(value) || self.type_path(value) == Some("dict_view")
    }

    /// A result that is a part of what it shares: an element of a container, or one of the arguments.
    fn part_of(&mut self, applied: &[&CallFacts], receiver: Option<&Value>, arguments: &Arguments<'a>) -> Value {
        let mut part: Option<Value> = None;
        for shared in applied.iter().flat_map(|facts| concerned(&facts.result, arguments)) {
            let Some((kind, which)) = shared.split_once(':') else { continue };
            for value in select(which, receiver, arguments) {
                let one = match (kind, which) {
                    ("items", _) => self.yielded(value),
                    (_, "self") if self.holds_scalars(value) => Value::immutable(),
                    (_, "self") => self.inside(value),
                    _ => value.clone(),
                };
                part = Some(match part {
                    Some(other) => other.join(&one),
                    None => one,
                });
            }
        }
        part.unwrap_or_else(Value::immutable).named()
    }

    /// What a new object has of types before it shares anything.
    fn contents(&mut self, contents: &[String], ty: Type, arguments: &Arguments<'a>) -> Types {
        let mut types = match ty {
            Type::Unknown => Types::none(),
            ty if self.is_exact(ty) => Types::empty(ty),
            ty => Types::of(ty),
        };
        for path in contents {
            if path == "factory" {
                if arguments.all().any(|value| matches!(value.ty, Type::Function(_))) {
                    // The result is linked with what the function returns.
                    types.join(&Types::empty(ty));
                    continue;
                }
                let made = self.factory_type(arguments);
                types.join(&if self.is_exact(made) { Types::empty(made) } else { Types::of(made) });
                types.insert_held(ty, (None, made));
            } else {
                types.insert(Type::Instance(self.name(path)));
            }
        }
        types
    }

    /// What unpacking the result gives: values of known types, which share nothing with each other when the facts say
    /// so, and otherwise what the result shares.
    pub(super) fn parts(
        &mut self,
        facts: &CallFacts,
        applied: &[&CallFacts],
        result: &Value,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
    ) -> Option<Rc<Parts>> {
        // What holds for some calls only may say what their tuples consist of.
        let is_tuple = self.type_path(result) == Some("tuple");
        let facts = applied.iter().rev().copied().find(|facts| is_tuple && !facts.elements.is_empty()).unwrap_or(facts);
        if !facts.tuples.is_empty() {
            return Some(Rc::new(Parts::Tuples(self.tuple_parts(&facts.tuples, receiver, arguments))));
        }
        let shares = applied.iter().any(|facts| facts.result.iter().any(|kind| kind != "fresh"));
        if facts.elements.is_empty() {
            let separate = facts.separate && !shares;
            if facts.element.is_none() && !separate {
                return None;
            }
            let ty = match facts.element.as_deref() {
                Some("unknown") | None => Type::Unknown,
                Some(element) => self.typed(element).ty,
            };
            return Some(Rc::new(Parts::Alike { ty, separate }));
        }
        let given = facts.elements.iter().take_while(|element| match element.strip_prefix("like:") {
            Some(which) => !select(which, receiver, arguments).is_empty() && is_given(which, arguments),
            None => true,
        });
        let elements: Vec<&String> = given.collect();
        let mut parts = vec![];
        for element in elements {
            let mut part = self.made(element, receiver, arguments);
            if !facts.separate && !part.is_immutable() {
                part = result.part(part.ty);
            }
            for shared in applied.iter().filter(|_| facts.separate).flat_map(|f| concerned(&f.result, arguments)) {
                self.share(&mut part, shared, receiver, arguments);
            }
            parts.push(part);
        }
        Some(Rc::new(Parts::Each(parts)))
    }

    /// The parts of the tuples that `zip` and its like give.
    fn tuple_parts(&self, tuples: &Words, receiver: Option<&Value>, arguments: &Arguments<'a>) -> Vec<TuplePart> {
        let mut parts = vec![];
        for item in tuples.iter() {
            let Some((kind, which)) = item.split_once(':') else {
                parts.push(TuplePart::Immutable);
                continue;
            };
            for value in select(which, receiver, arguments) {
                let part = if kind == "values" { TuplePart::Held } else { TuplePart::Element };
                parts.push(part(value.clone()));
            }
        }
        parts
    }

    /// A new value of a type, or of the type of an argument (`like:0`).
    pub(super) fn made(&mut self, path: &str, receiver: Option<&Value>, arguments: &Arguments<'a>) -> Value {
        if let Some(which) = path.strip_prefix("array:") {
            let like = select(which, receiver, arguments).into_iter().next();
            let pandas = like.and_then(|value| self.type_path(value).map(str::to_owned));
            return self.typed(pandas.filter(|path| path.starts_with("pandas.")).as_deref().unwrap_or("numpy.ndarray"));
        }
        let Some(which) = path.strip_prefix("like:") else {
            return if path == "unknown" { self.fresh(Type::Unknown) } else { self.typed(path) };
        };
        let like = select(which, receiver, arguments).into_iter().next();
        let Some(like) = like else { return self.fresh(Type::Unknown) };
        let mut made = match like.ty {
            Type::Immutable => return Value::immutable(),
            ty @ Type::Instance(_) => self.fresh(ty),
            _ => self.fresh(Type::Unknown),
        };
        // A copy is of the same classes, and shares their state.
        made.code = self.codes(like);
        if self.has_stateful_class(&made.code) {
            self.link(&made, &like.part(Type::Unknown), false);
        }
        made
    }

    /// The type of a result that shares something with a value, where the value's type matters to it.
    pub(super) fn spread(&mut self, result: &mut Value, value: &Value) {
        let Some(made) = self.type_path(result) else { return };
        if let Some(ty) = self.of_type(value, |t| t.spreads.as_ref()?.get(made)) {
            result.ty = self.typed(ty).ty;
        }
    }

    /// Links a result with what it shares.
    pub(super) fn share(
        &mut self,
        result: &mut Value,
        shared: &str,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
    ) {
        let Some((kind, which)) = shared.split_once(':') else { return };
        for value in select(which, receiver, arguments) {
            if self.type_path(result) == Some("collections.defaultdict") {
                if matches!(value.ty, Type::Library(_)) {
                    // A factory is no element.
                    continue;
                }
                if let Type::Instance(type_path) = value.ty
                    && self.facts.text(type_path) == BOUND_METHOD
                {
                    // Whoever looks for a key may change what the method belongs to.
                    self.holds_unshippable(result, Unshippable { type_path });
                }
            }
            // What is made from an iterator holds its elements.
            let is_taken = self.is_iterator(value) && !self.is_iterator(result);
            let held = match kind {
                _ if is_taken => self.element(value),
                "items" => self.yielded(value),
                "copy" if self.is_flat(value) || self.element(value).is_immutable() => continue,
                _ => value.clone(),
            };
            if kind == "view" && (value.is_constant() || self.is_collection(value)) {
                continue;
            }
            if held.is_immutable() && matches!(kind, "items" | "copy") && arguments.all().count() <= 1 {
                let ty = result.ty;
                *result = self.fresh_scalars(ty);
                continue;
            }
            self.spread(result, value);
            self.note_looked_into(result, &held);
            // An iterator does not travel anyway, and what is taken from it does not hold its source.
            let held = if matches!(self.kind(result), Kind::Unshippable(_)) { held.part(Type::Unknown) } else { held };
            if self.looks_into(result) && !self.may_be_callable(&held) {
                self.hold(result, &held);
            } else if self.type_path(result) == Some(THREAD) {
                // What it was given goes on without it, and does not lead to it.
                self.fuse_apart(result, &held, false);
            } else if kind == "items" || (kind == "copy" && is_taken) {
                self.put(result, &held);
            } else if kind == "copy" && result.ty == held.ty {
                self.fuse(result, &held, false);
            } else {
                self.link(result, &held, kind == "view");
            }
            for code in held.code {
                if !result.code.contains(&code) {
                    result.code.push(code);
                }
            }
        }
    }
}

/// The type that the suffix of the file tells.
fn returned_by_suffix<'f>(
    facts: &'f CallFacts,
    receiver: Option<&Value>,
    arguments: &Arguments<'_>,
) -> Option<&'f str> {
    let path = first(facts.reads.iter(), receiver, arguments)?.text.as_ref()?;
    let suffix = &path[path.rfind('.')?..];
    facts.returns_by_suffix.get(suffix).map(String::as_str)
}
