//! Expressions that build new objects of their parts: texts, displays of tuples, lists, sets and dicts, comprehensions.

use std::rc::Rc;

use ruff_python_ast::{
    Comprehension, Expr, ExprDict, ExprFString, ExprTString, FStringPart, InterpolatedStringElement,
    InterpolatedStringElements,
};
use ruff_text_size::Ranged;

use super::analyzer::{Analyzer, Inner};
use super::scope::ScopeRef;
use super::value::{Parts, Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    pub(super) fn formatted(&mut self, string: &'a ExprFString) -> Value {
        let mut text = Some(String::new());
        for part in &string.value {
            match part {
                FStringPart::Literal(literal) => push(&mut text, Some(literal)),
                FStringPart::FString(inner) => {
                    let inner = self.interpolated(&inner.elements);
                    push(&mut text, inner.as_deref());
                }
            }
        }
        text.map_or_else(Value::immutable, Value::text)
    }

    pub(super) fn template(&mut self, string: &'a ExprTString) -> Value {
        let mut values = vec![];
        for part in &string.value {
            for element in part.elements.interpolations() {
                values.push(self.evaluate(&element.expression));
            }
        }
        self.container(&values, "string.templatelib.Template")
    }

    pub(super) fn dict_display(&mut self, dict: &'a ExprDict) -> Value {
        let mut values = vec![];
        for item in &dict.items {
            if let Some(key) = &item.key {
                let key = self.evaluate(key);
                self.look_for(&[&key], None);
                self.hash(&key, item.range());
                values.push(key);
            }
            values.push(self.evaluate(&item.value));
        }
        self.container(&values, "dict")
    }

    /// Evaluates an f-string's parts; its text, when every part is known before the run.
    fn interpolated(&mut self, elements: &'a InterpolatedStringElements) -> Option<String> {
        let mut text = Some(String::new());
        for element in elements {
            match element {
                InterpolatedStringElement::Literal(literal) => push(&mut text, Some(literal)),
                InterpolatedStringElement::Interpolation(inner) => {
                    let value = self.evaluate(&inner.expression);
                    self.operate(&[&value], inner.range());
                    self.show(&value, inner.range());
                    if let Some(spec) = &inner.format_spec {
                        self.interpolated(&spec.elements);
                        text = None;
                    }
                    push(&mut text, value.text.as_deref());
                }
            }
        }
        text
    }

    pub(super) fn display(&mut self, elements: &'a [Expr], type_path: &str) -> Value {
        let values: Vec<Value> = elements.iter().map(|element| self.evaluate(element)).collect();
        if type_path == "tuple" {
            return self.tuple(values);
        }
        if type_path == "set" {
            self.look_for(&values.iter().collect::<Vec<_>>(), None);
            values.iter().zip(elements).for_each(|(value, element)| self.hash(value, element.range()));
        }
        self.container(&values, type_path)
    }

    /// A new tuple of these.
    pub(super) fn tuple(&mut self, values: Vec<Value>) -> Value {
        if values.iter().all(Value::is_constant) {
            let mut value = Value::immutable();
            value.code = values.into_iter().flat_map(|v| v.code).collect();
            return value;
        }
        if values.iter().all(|value| self.is_shippable(value)) {
            return self.loose_tuple(values);
        }
        self.container(&values, "tuple")
    }

    /// A tuple that has no name yet. It refers to its elements, but they need not become one alias class: unpacked at
    /// once (`return a, b`), each goes its own way.
    fn loose_tuple(&mut self, values: Vec<Value>) -> Value {
        let path = self.name("tuple");
        let mut tuple = self.fresh_empty(Type::Instance(path));
        for value in &values {
            self.hold(&mut tuple, value);
        }
        tuple.parts = Some(Rc::new(Parts::Each(values)));
        tuple
    }

    /// A new object that refers to these values.
    pub fn container(&mut self, values: &[Value], type_path: &str) -> Value {
        let path = self.name(type_path);
        let ty = Type::Instance(path);
        let mut container =
            if values.iter().all(Value::is_immutable) { self.fresh_scalars(ty) } else { self.fresh_empty(ty) };
        for value in values {
            if planted(Fault::NoAliasInContainers) {
                continue;
            }
            self.put(&container, value);
            container.code.extend(value.code.iter().copied());
        }
        container
    }

    pub(super) fn comprehension(
        &mut self,
        scope: ScopeRef<'a>,
        generators: &'a [Comprehension],
        elements: &[&'a Expr],
        type_path: &str,
    ) -> Value {
        let values = self.comprehended(scope, generators, elements, None);
        if matches!(type_path, "set" | "dict") {
            self.look_for(&values.iter().take(1).collect::<Vec<_>>(), None);
            values.iter().take(1).for_each(|key| self.hash(key, elements[0].range()));
        }
        self.container(&values, type_path)
    }

    /// Goes through a comprehension; gives what its elements may be.
    fn comprehended(
        &mut self,
        scope: ScopeRef<'a>,
        generators: &'a [Comprehension],
        elements: &[&'a Expr],
        first: Option<Value>,
    ) -> Vec<Value> {
        // The first iterable belongs to the scope around the comprehension.
        let mut first = first.or_else(|| generators.first().map(|generator| self.evaluate(&generator.iter)));
        // The rest may run no time at all.
        self.push_layer();
        self.frame().inner.push(Inner::new(scope));
        for generator in generators {
            let iterable = first.take().unwrap_or_else(|| self.evaluate(&generator.iter));
            let element = self.iterate(&iterable, generator.iter.range());
            self.assign(&generator.target, element);
            for condition in &generator.ifs {
                self.evaluate(condition);
            }
        }
        let values: Vec<Value> = elements.iter().map(|element| self.evaluate(element)).collect();
        let inner = self.frame().inner.pop();
        if planted(Fault::ComprehensionLeak) && self.in_module() {
            let names = inner.into_iter().flat_map(|inner| inner.names.into_keys());
            names.for_each(|name| self.bind(name, Value::immutable()));
        }
        let layer = self.pop_layer();
        self.join(vec![layer], !planted(Fault::ComprehensionLeak));
        values
    }

    /// Runs a generator expression's body, as consuming it does; gives what it yields.
    /// (`first`: what it iterates over first, where its own code could not tell.)
    pub fn generator_body(&mut self, generator: &'a ruff_python_ast::ExprGenerator, first: Option<Value>) -> Value {
        let scope = self.frame().scope;
        let yielded = self.comprehended(scope, &generator.generators, &[&generator.elt], first);
        yielded.into_iter().reduce(|a, b| self.either(a, &b)).unwrap_or_else(Value::immutable)
    }
}

/// Longer texts are no paths; texts that double from line to line must not take all memory.
pub(super) const MAX_TEXT: usize = 4096;

fn push(text: &mut Option<String>, part: Option<&str>) {
    match (text.as_mut(), part) {
        (Some(text), Some(part)) if text.len() + part.len() <= MAX_TEXT => text.push_str(part),
        _ => *text = None,
    }
}
