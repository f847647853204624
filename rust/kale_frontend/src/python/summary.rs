//! Calls of the notebook's own functions.
//!
//! A function's body is evaluated in a frame of its own, where parameters and module variables are *places*. What
//! happens to the places is the function's summary; it is applied where the function is called, so that a module
//! variable means the version that reaches the call, as Python's late binding has it. Summaries are kept per shape of
//! the arguments, and hold while the module variables that they read have the types they had.
//!
//! Functions that call each other are evaluated until nothing is added ([`super::fixpoint`]).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use ruff_python_ast::Expr;
use ruff_text_size::TextRange;
use smallvec::smallvec;

use super::analyzer::{Analyzer, Binding, Body, Definition, DefinitionKind, Frame, Function, Iterated};
use super::arguments::Arguments;
use super::effects::{Link, Outcome, Summary};
use super::facts::StatementId;
use super::heap::{ObjectId, Place};
use super::names::Name;
use super::outcomes::outcome;
use super::types::Types;
use super::value::{Axes, CodeId, Codes, Type, Value};
use crate::fault::{Fault, planted};

/// What a summary depends on of an argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    ty: Type,
    among: Option<Rc<[Type]>>,
    has_object: bool,
    scalars: bool,
    stateless: bool,
    code: Codes,
    text: Option<Rc<str>>,
    may_be_none: bool,
    types: Types,
}

/// What a summary depends on: the function, the shapes of its arguments, and the definitions that its own state may call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SummaryKey {
    pub code: CodeId,
    pub shapes: Vec<Shape>,
    pub own_code: Codes,
    pub own_types: Types,
}

/// Depth of calls that are followed; what is called beyond it cannot be seen.
const MAX_DEPTH: usize = 100;

impl<'a> Analyzer<'a> {
    /// Calls a function, with `receiver` as the first argument if it is a method.
    pub fn call_function(
        &mut self,
        code: CodeId,
        callee: &Value,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        let Definition { alternatives, is_wrapped, .. } = &self.definitions[code.index()];
        if *is_wrapped {
            return self.unknown_call(receiver.or(Some(callee)), arguments, range);
        }
        if alternatives.is_empty() {
            return self.call_certain(code, callee, receiver, arguments, range);
        }
        let alternatives = alternatives.clone();
        self.one_of(&alternatives, |this, code| this.call_certain(code, callee, receiver, arguments, range))
    }

    /// Calls one of several functions.
    pub(super) fn one_of(&mut self, functions: &[CodeId], mut call: impl FnMut(&mut Self, CodeId) -> Value) -> Value {
        let mut result: Option<Value> = None;
        for &code in functions {
            let given = self.perhaps(|this| call(this, code)).named();
            result = Some(match result {
                Some(other) => self.either(other, &given),
                None => given,
            });
        }
        result.unwrap_or_else(Value::immutable)
    }

    fn call_certain(
        &mut self,
        code: CodeId,
        callee: &Value,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        let values = self.bind_arguments(code, callee, receiver, arguments);
        if self.recursion.depth() >= MAX_DEPTH {
            self.frame().effects.dynamic.push(("calls nested this deep".to_owned(), range));
            return self.opaque_call(&values);
        }
        let recursive = self.recursion.is_active(|key| key.code == code);
        let shapes: Vec<Shape> = values.iter().map(|value| self.shape(value, recursive)).collect();
        let own = self.own(callee);
        let summary = self.summarize(self.summary_key(code, shapes, &callee.code, self.types_in_class(&own)));
        let result = self.apply(&summary, &values, callee, range);
        self.keep_in_cache(code, &summary.effects, &values, &result, range);
        result
    }

    pub fn summary_key(&self, code: CodeId, shapes: Vec<Shape>, own_code: &[CodeId], own_types: Types) -> SummaryKey {
        let has_state = match &self.definitions[code.index()].kind {
            DefinitionKind::Function(function) => {
                // (What a generator expression iterates over first belongs to it, but not to its scope.)
                function.has_mutable_defaults
                    || function.scope.captures().next().is_some()
                    || matches!(function.body, Body::Generator(_))
            }
            DefinitionKind::Class { .. } => false,
        };
        let own_types = if has_state { own_types } else { Types::default() };
        let mut own_code = if has_state { Codes::from_slice(own_code) } else { Codes::new() };
        own_code.sort();
        own_code.dedup();
        SummaryKey { code, shapes, own_code, own_types }
    }

    /// A recursive call forgets its texts, which might otherwise grow from call to call without end.
    pub(super) fn shape(&self, value: &Value, recursive: bool) -> Shape {
        let frame = self.innermost();
        let mut code = value.code.clone();
        code.sort();
        code.dedup();
        Shape {
            ty: value.ty,
            among: value.among.clone(),
            has_object: !value.objects.is_empty(),
            scalars: !value.objects.is_empty() && value.objects.iter().all(|&o| frame.heap.peek(o).scalars),
            stateless: !value.objects.is_empty() && self.is_stateless(value),
            code,
            text: value.text.clone().filter(|_| !recursive),
            may_be_none: value.may_be_none,
            types: self.types_in_class(value),
        }
    }

    /// One value per parameter, in declaration order.
    fn bind_arguments(
        &mut self,
        code: CodeId,
        callee: &Value,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
    ) -> Vec<Value> {
        let DefinitionKind::Function(Function { parameters: Some(parameters), .. }) =
            self.definitions[code.index()].kind
        else {
            return self.iterated(code, callee).into_iter().collect();
        };
        let mut positional: Vec<Value> = receiver.into_iter().cloned().collect();
        positional.extend(arguments.positional.iter().map(|(value, _)| value.clone().named()));
        let names: Vec<&str> = parameters.iter().map(|p| p.name().as_str()).collect();
        let mut bound: Vec<Option<Value>> = vec![None; names.len()];
        let ordered = parameters.posonlyargs.len() + parameters.args.len();
        let mut rest: Vec<Value> = vec![];
        for (index, value) in positional.into_iter().enumerate() {
            if index < ordered { bound[index] = Some(value) } else { rest.push(value) }
        }
        let mut rest_keywords: Vec<Value> = vec![];
        for (name, value, _) in &arguments.keywords {
            match names.iter().position(|n| n == name) {
                Some(index) => bound[index] = Some(value.clone().named()),
                None => rest_keywords.push(value.clone().named()),
            }
        }
        let vararg = parameters.vararg.as_ref().map(|p| p.name.as_str());
        let kwarg = parameters.kwarg.as_ref().map(|p| p.name.as_str());
        let mut values = vec![];
        for (index, name) in names.iter().enumerate() {
            let collected = match Some(*name) {
                n if n == vararg => Some((&rest, "tuple")),
                n if n == kwarg => Some((&rest_keywords, "dict")),
                _ => None,
            };
            let default = parameters.iter().nth(index).and_then(|parameter| parameter.default());
            let value = match collected {
                Some((items, type_path)) => {
                    let mut items: Vec<Value> = items.clone();
                    items.extend(arguments.spread.iter().cloned());
                    self.container(&items, type_path)
                }
                None => self.parameter_value(code, callee, bound[index].take(), default, &arguments.spread),
            };
            values.push(value);
        }
        values
    }

    /// What a generator expression of a function iterates over first.
    fn iterated(&mut self, code: CodeId, callee: &Value) -> Option<Value> {
        let Iterated { ty, among } = self.definitions[code.index()].iterated.clone()?;
        let own = self.own(callee);
        Some(Value { ty, among, text: None, axes: Axes::default(), ..own })
    }

    /// The argument of one parameter; without one, the default, which the function object holds.
    fn parameter_value(
        &mut self,
        code: CodeId,
        callee: &Value,
        given: Option<Value>,
        default: Option<&Expr>,
        spread: &[Value],
    ) -> Value {
        if let Some(value) = given {
            return value;
        }
        let may_be_none = default.is_some_and(Expr::is_none_literal_expr);
        let has_default = default.is_some();
        let default = Value { may_be_none, ..self.default_value(code, callee) };
        let given = spread.iter().map(|item| item.clone().named()).reduce(|one, other| one.join(&other));
        match given {
            // (The text of one that may be given is not that of the default.)
            Some(given) if !has_default => Value { text: None, axes: Axes::default(), ..given },
            Some(given) => Value { text: None, axes: Axes::default(), ..given.join(&default) },
            None => default,
        }
    }

    /// Any default of a function: part of the function object, unless that has no state.
    fn default_value(&mut self, code: CodeId, callee: &Value) -> Value {
        let has_mutable_defaults =
            matches!(&self.definitions[code.index()].kind, DefinitionKind::Function(f) if f.has_mutable_defaults);
        match has_mutable_defaults {
            false => Value::immutable(),
            true if !self.is_stateless(callee) => callee.part(Type::Unknown),
            true if callee.code.iter().all(|&own| own == code) => Value::immutable(),
            true => Value { code: callee.code.clone(), ..self.fresh_of(Types::default()) },
        }
    }

    pub(super) fn evaluate_body(&mut self, SummaryKey { code, shapes, own_code, own_types }: &SummaryKey) -> Summary {
        self.facts.evaluated += 1;
        let definition = &self.definitions[code.index()];
        let DefinitionKind::Function(function) = definition.kind else { return Summary::default() };
        let mut frame = Frame::new(function.scope);
        frame.code = Some(*code);
        frame.suspends = function.is_generator;
        frame.own_code = own_code.clone();
        frame.own_types = own_types.clone();
        frame.parameters = shapes.iter().map(|shape| shape.ty).collect();
        frame.class_name = definition.class_name.clone();
        frame.suspended = definition.suspends.clone();
        self.frames.push(frame);
        // What a body does is found out once for all rounds of the loops around its calls.
        let (loops, finals) = (std::mem::take(&mut self.loops), std::mem::take(&mut self.finals));
        if let Some(parameters) = function.parameters {
            for (index, parameter) in parameters.iter().enumerate() {
                let value = self.place_value(index, &shapes[index]);
                let private = self.private(parameter.name());
                let name = self.name(private.as_deref().unwrap_or(parameter.name()));
                let binding = Binding::local(value, StatementId(0));
                self.frame().layers[0].insert(name, binding);
            }
        }
        match function.body {
            Body::Statements(statements) => self.execute_all(statements),
            Body::Expression(expression) => {
                let value = self.evaluate(expression);
                self.give_back(&value);
            }
            Body::Generator(generator) => {
                let first = shapes.first().map(|shape| match shape.has_object {
                    true => Value { ty: shape.ty, among: shape.among.clone(), ..self.captured() },
                    false => Value { ty: shape.ty, ..Value::immutable() },
                });
                let value = self.generator_body(generator, first);
                self.give_back(&value);
            }
        }
        (self.loops, self.finals) = (loops, finals);
        let frame = self.frames.pop().expect("it was pushed above");
        self.read_off(frame, function.is_generator, *code)
    }

    fn place_value(&mut self, index: usize, shape: &Shape) -> Value {
        let mut value = Value {
            ty: shape.ty,
            among: shape.among.clone(),
            code: shape.code.clone(),
            text: shape.text.clone(),
            may_be_none: shape.may_be_none,
            ..Value::immutable()
        };
        if shape.has_object {
            let object = self.frame().place_of(Place::Parameter(index), &shape.types);
            let heap = &mut self.frame().heap;
            heap.class(object).scalars = shape.scalars;
            heap.set_stateless(object, shape.stateless);
            value.objects = smallvec![object];
        }
        value
    }

    /// The summary of the body that a frame executed.
    fn read_off(&mut self, mut frame: Frame, is_generator: bool, code: CodeId) -> Summary {
        let mut summary = Summary::default();
        for root in frame.heap.roots() {
            let class = frame.heap.class(root);
            for &place in &class.places {
                summary.code.extend(class.code.iter().map(|&code| (place, code)));
            }
            if let Some(held) = class.unshippable {
                summary.unshippable.extend(class.places.iter().map(|&place| (place, held)));
            }
            if !class.scalars {
                summary.mixed.extend(&class.places);
            }
            let is_as_met = class.places.len() == 1 && frame.met.get(&class.places[0]) == Some(&class.types);
            if !is_as_met {
                summary.types.extend(class.places.iter().map(|&place| (place, class.types.clone())));
            }
            if class.places.len() > 1 {
                summary.links.extend(links(&mut frame, root));
            }
        }
        // In one order, whatever was joined first, so that a recursion sees when nothing has been added.
        summary.code.sort();
        summary.links.sort();
        summary.types.sort_by_key(|(place, _)| *place);
        summary.unshippable.sort_by_key(|(place, _)| *place);
        if is_generator {
            // Its body runs as far as somebody asks.
            let seeds = std::mem::take(&mut frame.effects.seeds);
            seeds.into_iter().for_each(|generator| frame.effects.note_perhaps_seeded(generator));
        }
        summary.mutated = std::mem::take(&mut frame.mutated);
        summary.stateful = std::mem::take(&mut frame.stateful);
        let names: Vec<Name> = frame.effects.writes.keys().copied().collect();
        for name in names {
            let place = frame.place(Place::Global(name));
            let class = frame.heap.class(place).clone();
            let is_old = frame.effects.reads.contains_key(&name);
            if let Some(outcome) = frame.effects.writes.get_mut(&name) {
                let is_told = |place: &Place| *place != Place::Global(name) || !is_old;
                outcome.places = class.places.iter().copied().filter(is_told).collect();
                outcome.view = class.view;
                outcome.unshippable = class.unshippable;
                outcome.code.extend(class.code);
                outcome.code.sort();
                outcome.code.dedup();
                outcome.types = class.types;
            }
        }
        let raised = frame.raised.take();
        summary.raises = raised.map(|value| outcome(&mut frame, &value));
        let returned = frame.returned.take();
        let mut outcome = returned.map(|value| outcome(&mut frame, &value));
        if is_generator {
            let path = self.name("generator");
            let mut made = outcome.unwrap_or(Outcome::opaque(Type::Unknown, true, smallvec![]));
            made.parts = vec![];
            made.looks_into = None;
            let records = self.frozen_types(made.ty, made.among.as_deref()).filter(|_| !made.object);
            let frozen = records.map_or(vec![], Cow::into_owned);
            if !made.object {
                made.types = Types::none();
                frozen.iter().for_each(|&ty| made.types.join(&Types::empty(ty)));
            } else if let Some(among) = made.among.take() {
                made.types = Types::none();
                among.iter().for_each(|&ty| made.types.insert(ty));
            }
            made.scalars = !made.object && frozen.is_empty();
            made.ty = Type::Instance(path);
            made.object = true;
            made.places = frame.places.keys().copied().collect::<BTreeSet<_>>().into_iter().collect();
            made.code.push(code);
            outcome = Some(made);
        }
        summary.returns = outcome;
        frame.assumptions.sort_by_key(|(name, _)| *name);
        frame.assumptions.dedup();
        summary.assumptions = frame.assumptions;
        summary.effects = frame.effects;
        summary
    }

    fn apply(&mut self, summary: &Summary, arguments: &[Value], callee: &Value, range: TextRange) -> Value {
        let site = self.call_site(&summary.effects, arguments, callee, range);
        let effects = &summary.effects;
        for &name in effects.reads.keys().filter(|_| !planted(Fault::EarlyBinding)) {
            self.read_variable(name, range);
        }
        for &place in &summary.stateful {
            let value = self.at(place, &site);
            self.give_state(&value);
        }
        for (&place, changed) in &summary.mutated {
            if planted(Fault::MissedGlobalMutation) && matches!(place, Place::Global(_)) {
                continue;
            }
            if planted(Fault::MissedArgumentMutation) && matches!(place, Place::Parameter(_)) {
                continue;
            }
            let value = self.at(place, &site);
            if !self.is_stateless(&value) || place == Place::Own {
                self.mutate_parts(&value, changed.as_deref());
            }
        }
        for &place in &summary.mixed {
            for object in self.at(place, &site).objects {
                self.frame().heap.class(object).scalars = false;
            }
        }
        for link in &summary.links {
            let values: Vec<Value> = link.places.iter().map(|&p| self.at(p, &site)).collect();
            for pair in values.windows(2) {
                // Which of them holds the other is told by the types of the places.
                match link.apart {
                    true => self.fuse_apart(&pair[0], &pair[1], link.view),
                    false => self.fuse(&pair[0], &pair[1], link.view),
                }
            }
        }
        for &(place, held) in &summary.unshippable {
            let holder = self.at(place, &site);
            if !self.leaves_out(&holder) {
                self.holds_unshippable(&holder, held);
            }
        }
        for (place, types) in &summary.types {
            let holder = self.at(*place, &site);
            if !holder.is_constant() {
                self.learn_all(&holder, types);
            }
        }
        for &(place, code) in &summary.code {
            let holder = self.at(place, &site);
            self.note_code(&holder, &Value { code: smallvec![code], ..Value::immutable() });
        }
        self.apply_rng(effects, range);
        for &name in &effects.deletes {
            self.delete_variable(name);
        }
        for (&name, written) in effects.writes.iter().filter(|_| !planted(Fault::GlobalIgnored)) {
            let value = self.instance(written, &site);
            self.write_variable(name, value);
        }
        self.frame().effects.absorb_hidden(effects, range);
        if let Some(raised) = &summary.raises {
            let exception = self.instance(raised, &site);
            self.raise(&exception);
        }
        match &summary.returns {
            Some(outcome) => self.instance(outcome, &site),
            None => Value::immutable(),
        }
    }

    pub fn read_variable(&mut self, name: Name, range: TextRange) -> Value {
        if self.in_module() { self.read_module(name, range) } else { self.read_global(name, range) }
    }

    fn write_variable(&mut self, name: Name, value: Value) {
        if self.frame().trusts {
            return;
        }
        self.perhaps(|this| this.write_global(name, &value));
    }

    fn delete_variable(&mut self, name: Name) {
        if self.frame().trusts {
            return;
        }
        self.perhaps(|this| this.delete_global(name));
    }
}

/// How the places of a class are linked: within each of its regions, and these with each other.
fn links(frame: &mut Frame<'_>, root: ObjectId) -> Vec<Link> {
    let class = frame.heap.class(root);
    let (mut places, view) = (class.places.clone(), class.view);
    places.sort();
    let mut regions: Vec<(u32, Vec<Place>)> = vec![];
    for place in places {
        let region = frame.heap.region(frame.places[&place]);
        match regions.iter_mut().find(|(known, _)| *known == region) {
            Some((_, places)) => places.push(place),
            None => regions.push((region, vec![place])),
        }
    }
    let between = regions.iter().map(|(_, places)| places[0]).collect();
    let within = regions.into_iter().map(|(_, places)| Link { places, view, apart: false });
    let all = within.chain([Link { places: between, view, apart: true }]);
    all.filter(|link| link.places.len() > 1).collect()
}
