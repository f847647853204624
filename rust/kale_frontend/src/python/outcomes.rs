//! Values that cross the border of a function: told in terms of its places when its body has been evaluated, and made
//! into values of the caller where it is called.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ruff_text_size::TextRange;

use super::analyzer::{Analyzer, Frame};
use super::effects::{Effects, Outcome};
use super::heap::{AliasClass, ObjectId, Place};
use super::names::Name;
use super::types::Types;
use super::value::{Parts, Type, Value};
use crate::fault::{Fault, planted};

/// Where a function is called, and with what.
pub(super) struct CallSite<'v> {
    arguments: &'v [Value],
    callee: &'v Value,
    /// New objects for the module variables that the function binds without reading them before.
    fresh_globals: BTreeMap<Name, Value>,
    range: TextRange,
}

impl<'a> Analyzer<'a> {
    pub(super) fn call_site<'v>(
        &mut self,
        effects: &Effects,
        arguments: &'v [Value],
        callee: &'v Value,
        range: TextRange,
    ) -> CallSite<'v> {
        let mut fresh_globals = BTreeMap::new();
        for &name in effects.writes.keys().filter(|name| !effects.reads.contains_key(name)) {
            let object = self.frame().heap.allocate(AliasClass { types: Types::none(), ..AliasClass::default() });
            fresh_globals.insert(name, Value::object(Type::Unknown, object));
        }
        CallSite { arguments, callee, fresh_globals, range }
    }

    pub(super) fn at(&mut self, place: Place, site: &CallSite) -> Value {
        match place {
            Place::Parameter(index) => site.arguments.get(index).cloned().unwrap_or_else(Value::immutable),
            Place::Global(name) => match site.fresh_globals.get(&name) {
                Some(fresh) => fresh.clone(),
                None => self.read_variable(name, site.range),
            },
            Place::Own => self.own(site.callee),
        }
    }

    /// What a function object holds. The body of a generator expression does not see how far that has come.
    pub(super) fn own(&mut self, callee: &Value) -> Value {
        if self.type_path(callee) != Some("generator") {
            return callee.clone();
        }
        let heap = &mut self.frame().heap;
        let is_own =
            |class: &AliasClass| class.shell && class.types.known().is_some_and(|types| types.contains(&callee.ty));
        let objects = callee.objects.iter().copied().filter(|&object| !is_own(heap.class(object))).collect();
        Value { objects, ..callee.part(Type::Unknown) }
    }

    fn outcome_parts(&mut self, outcome: &Outcome, site: &CallSite) -> Option<Rc<Parts>> {
        if outcome.parts.is_empty() {
            return None;
        }
        let parts = outcome.parts.iter().map(|part| self.instance(part, site)).collect();
        Some(Rc::new(Parts::Each(parts)))
    }

    /// An outcome as a value of the caller.
    pub(super) fn instance(&mut self, outcome: &Outcome, site: &CallSite) -> Value {
        let value = self.shared_instance(outcome, site);
        if let Some(held) = outcome.unshippable {
            self.holds_unshippable(&value, held);
        }
        value
    }

    fn shared_instance(&mut self, outcome: &Outcome, site: &CallSite) -> Value {
        let mut value =
            Value { ty: outcome.ty, among: outcome.among.clone(), code: outcome.code.clone(), ..Value::immutable() };
        if !outcome.object {
            return value;
        }
        if matches!(outcome.ty, Type::Instance(path) if matches!(self.facts.text(path), "dict_view" | "element_iterator" | "generator" | "iterator"))
        {
            let own = match outcome.looks_into.as_ref().filter(|_| self.is_look(outcome.ty)) {
                Some(types) => self.fresh_look(outcome.ty, types.clone()),
                None => self.fresh_iterator(outcome.ty, outcome.types.clone()),
            };
            value.absorb(&own);
            for &place in &outcome.places {
                let at = self.at(place, site);
                value.absorb(&at);
            }
            return value;
        }
        if outcome.places.is_empty() || planted(Fault::ReturnIsFresh) {
            let fresh = if outcome.scalars { self.fresh_scalars(outcome.ty) } else { self.fresh(outcome.ty) };
            value.objects = fresh.objects;
            value.objects.iter().for_each(|&object| self.frame().heap.class(object).types = outcome.types.clone());
            value.parts = self.outcome_parts(outcome, site);
            return value;
        }
        for &place in &outcome.places {
            let at = self.at(place, site);
            value.absorb(&at);
        }
        if value.objects.is_empty() {
            value.objects = self.fresh(outcome.ty).objects;
        }
        self.learn_all(&value, &outcome.types);
        if !outcome.scalars {
            self.forget_scalars(&value);
        }
        value.parts = self.outcome_parts(outcome, site);
        if outcome.view {
            self.mark_view(&value);
        }
        value
    }
}

/// The elements of a tuple in terms of the frame's places, unless two of them share what no place names.
fn parts_of(frame: &mut Frame<'_>, value: &Value) -> Vec<Outcome> {
    let Some(Parts::Each(parts)) = value.parts.as_deref() else { return vec![] };
    let mut own = BTreeSet::new();
    for part in parts {
        let roots: BTreeSet<ObjectId> = part.objects.iter().map(|&object| frame.heap.find(object)).collect();
        for root in roots {
            if frame.heap.class(root).places.is_empty() && !own.insert(root) {
                return vec![];
            }
        }
    }
    parts.iter().map(|part| outcome(frame, &part.clone().named())).collect()
}

/// The types of the shells of a new iterator or view that only looks into what places hold.
fn looks_into(frame: &mut Frame<'_>, value: &Value) -> Option<Types> {
    let mut types = Types::none();
    for &object in &value.objects {
        let class = frame.heap.class(object);
        match class.shell {
            true => types.join(&class.types),
            false if class.places.is_empty() => return None,
            false => {}
        }
    }
    types.known().is_some_and(|types| types.len() > 1).then_some(types)
}

/// A value of the function's frame in terms of its places.
pub(super) fn outcome(frame: &mut Frame<'_>, value: &Value) -> Outcome {
    let parts = parts_of(frame, value);
    let mut outcome = Outcome {
        ty: value.ty,
        among: value.among.clone(),
        object: !value.objects.is_empty(),
        scalars: !value.objects.is_empty() && value.objects.iter().all(|&object| frame.heap.class(object).scalars),
        places: vec![],
        view: false,
        unshippable: None,
        code: value.code.clone(),
        types: Types::none(),
        looks_into: looks_into(frame, value),
        parts,
    };
    for &object in &value.objects {
        let class = frame.heap.class(object);
        outcome.view |= class.view;
        outcome.unshippable = outcome.unshippable.or(class.unshippable);
        outcome.types.join(&class.types);
        for place in &class.places {
            if !outcome.places.contains(place) {
                outcome.places.push(*place);
            }
        }
        for code in &class.code {
            outcome.code.push(*code);
        }
    }
    let is_told = outcome.types.known().is_none_or(|types| types.contains(&value.ty));
    if value.objects.is_empty() || (value.ty != Type::Unknown && !is_told) {
        outcome.types.insert(value.ty);
    }
    // In one order, so that a recursion sees when nothing has been added.
    outcome.code.sort();
    outcome.code.dedup();
    outcome.places.sort();
    outcome
}
