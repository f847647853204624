//! Objects and hidden state: what is made, changed, linked, drawn.

use std::collections::btree_map::Entry;

use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::effects::{Changed, Effects};
use super::facts::{Kind, Resource, ResourceUse};
use super::heap::{AliasClass, Heap, ObjectId, Place, Unshippable};
use super::names::Name;
use super::pseudo;
use super::types::Types;
use super::value::{CodeId, Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    pub fn fresh(&mut self, ty: Type) -> Value {
        let types = self.types_of_new(ty);
        let object = self.frame().heap.allocate(AliasClass { types, ..AliasClass::default() });
        Value::object(ty, object)
    }

    /// A new container of immutable elements.
    pub fn fresh_scalars(&mut self, ty: Type) -> Value {
        let object =
            self.frame().heap.allocate(AliasClass { scalars: true, types: Types::empty(ty), ..AliasClass::default() });
        Value::object(ty, object)
    }

    pub fn mutate(&mut self, value: &Value) {
        self.mutate_parts(value, None);
    }

    /// A container gets or loses elements: nothing of what it holds changes, nor what could not hold it.
    pub(super) fn mutate_container(&mut self, container: &Value) {
        let is_built_in = |ty: &Type| matches!(ty, Type::Instance(_)) && self.is_exact(*ty);
        let types = self.possible_types(container).filter(|types| types.iter().all(is_built_in));
        self.mutate_parts(container, types.as_deref());
    }

    /// Among the value and what it holds, objects of these types change; of any type, where it is not known.
    pub(super) fn mutate_parts(&mut self, value: &Value, changed: Option<&[Type]>) {
        for object in value.objects.clone() {
            self.mutate_object(object, changed);
        }
    }

    /// Changes objects of a class, but not those names and places that cannot lead to one of the types changed.
    pub(super) fn mutate_object(&mut self, object: ObjectId, changed: Option<&[Type]>) {
        if self.frame().trusts {
            return;
        }
        let in_module = self.in_module();
        if in_module && self.frame().heap.is_stateless(object) {
            self.gain_state(object);
        }
        let (members, places, types) = {
            let class = self.frame().heap.class(object);
            (class.members.iter().copied().collect::<Vec<Name>>(), class.places.clone(), class.types.clone())
        };
        if in_module {
            for name in &members {
                self.enter(*name);
            }
        }
        let mut known: Vec<(Type, bool)> = vec![];
        let mut is_changed = |this: &Self, ty: Type, among: Option<&[Type]>| {
            let Some(changed) = changed else { return true };
            let own = [ty];
            let from = among.filter(|_| ty == Type::Unknown).unwrap_or(&own);
            from.iter().any(|&ty| match known.iter().find(|(known, _)| *known == ty) {
                Some(&(_, leads)) => leads,
                None => {
                    let leads = this.leads_to(&types, ty, changed);
                    known.push((ty, leads));
                    leads
                }
            })
        };
        let members: Vec<Name> = members
            .into_iter()
            .filter(|name| {
                let bound = self.module_binding(*name);
                bound.is_none_or(|bound| is_changed(self, bound.value.ty, bound.value.among.as_deref()))
                    && self.is_name_reached(*name, object, changed.is_none())
            })
            .collect();
        let places: Vec<Place> = places
            .into_iter()
            .filter(|place| self.place_type(*place).is_none_or(|ty| is_changed(self, ty, None)))
            .filter(|place| self.is_place_reached(*place, object, changed.is_none()))
            .collect();
        let frame = self.frame();
        frame.heap.mark(object);
        frame.heap.class(object).changed = true;
        frame.effects.mutates |= !members.is_empty() || !places.is_empty();
        for place in places {
            note_changed(frame.mutated.entry(place), changed);
        }
        if in_module {
            for name in members {
                let statement = self.statement;
                self.mutated.entry(name).or_insert(statement);
                if changed.is_none() {
                    self.rewritten.insert(name);
                }
            }
        }
    }

    /// A function or class gets an attribute that may be changed, or is another one elsewhere.
    pub(super) fn give_state(&mut self, definition: &Value) {
        let in_module = self.in_module();
        for &object in &definition.objects {
            if !self.frame().heap.is_stateless(object) {
                continue;
            }
            if in_module {
                self.gain_state(object);
                continue;
            }
            let frame = self.frame();
            frame.heap.set_stateless(object, false);
            let places = frame.heap.class(object).places.clone();
            frame.stateful.extend(places);
        }
    }

    /// A function or class of the module gets a state (`f.calls = []`): what only knew its name until now holds the state,
    /// too.
    fn gain_state(&mut self, object: ObjectId) {
        self.frames[0].heap.set_stateless(object, false);
        let names: Vec<Name> = self.frames[0].heap.class(object).members.iter().copied().collect();
        let own: Vec<CodeId> = names
            .iter()
            .filter_map(|name| match self.module_binding(*name)?.value.ty {
                Type::Function(code) | Type::Class(code) => Some(code),
                _ => None,
            })
            .collect();
        let bound = self.frames[0].layers.iter().flat_map(|layer| layer.values());
        let values: Vec<Value> =
            bound.map(|binding| binding.value.clone()).filter(|value| !value.objects.is_empty()).collect();
        for value in values {
            if self.codes(&value).iter().any(|code| own.contains(code)) {
                for holder in value.objects {
                    self.enter_members(holder);
                    self.frames[0].heap.union(object, holder, false);
                }
            }
        }
    }

    /// Whether a change of this object, or of `anything` in its class, may be seen in a name of the module.
    fn is_name_reached(&self, name: Name, object: ObjectId, anything: bool) -> bool {
        let heap = &self.frames[0].heap;
        self.module_binding(name)
            .is_none_or(|bound| bound.value.objects.iter().any(|&other| heap.is_reached(object, other, anything)))
    }

    /// Whether it may be seen in a place of the function.
    fn is_place_reached(&self, place: Place, object: ObjectId, anything: bool) -> bool {
        let frame = self.innermost();
        frame.places.get(&place).is_none_or(|&other| frame.heap.is_reached(object, other, anything))
    }

    /// What is known of the type of the object that a place had when the function was called.
    fn place_type(&self, place: Place) -> Option<Type> {
        let frame = self.frames.last()?;
        match place {
            Place::Parameter(index) => frame.parameters.get(index).copied(),
            // (The summary holds as long as the variable has this type.)
            Place::Global(name) if !frame.effects.writes.contains_key(&name) => {
                Some(self.module_binding(name)?.value.ty)
            }
            Place::Global(_) | Place::Own => None,
        }
    }

    /// After this, `a` and `b` may share state: either may hold the other, or parts of it.
    pub fn link(&mut self, a: &Value, b: &Value, view: bool) {
        if view && planted(Fault::ViewMissed) {
            return;
        }
        let b = &*b.held();
        if self.is_sealed(a.ty) && self.is_sealed(b.ty) {
            // Neither holds an object: what they share is a buffer.
            return self.fuse(a, b, view);
        }
        if !b.is_immutable() {
            self.learn_held(a, b);
        }
        self.fuse(a, b, view);
        if !b.is_immutable() {
            for &object in &a.objects {
                self.frame().heap.learn_with(object, Types::loosen);
            }
        }
    }

    /// Two values become one alias class, and one region of it.
    pub(super) fn fuse(&mut self, a: &Value, b: &Value, view: bool) {
        self.join_classes(a, b, |heap, one, other| heap.union(one, other, view));
    }

    /// Two values become one alias class, of which one leads to nothing.
    pub(super) fn fuse_apart(&mut self, a: &Value, b: &Value, view: bool) {
        self.join_classes(a, b, |heap, one, other| heap.union_apart(one, other, view));
    }

    fn join_classes(&mut self, a: &Value, b: &Value, mut union: impl FnMut(&mut Heap, ObjectId, ObjectId) -> ObjectId) {
        if !b.is_immutable() {
            a.objects.iter().for_each(|&object| self.frame().heap.class(object).scalars = false);
        }
        let Some(&first) = a.objects.first().filter(|_| !b.objects.is_empty()) else {
            // (What a module holds has no object of the notebook.)
            if let Kind::Unshippable(type_path) = self.kind(b) {
                self.holds_unshippable(a, Unshippable { type_path });
            }
            self.note_code(a, b);
            return;
        };
        let is_stateless = self.is_stateless(b);
        if self.is_named_definition(b) {
            // Whoever holds a function or class without state can call it, and no more. Pickle writes its name.
            self.note_code(a, b);
            return;
        }
        let held = self.unshippable(b).filter(|_| !self.leaves_out(a));
        for value in [a, b] {
            for object in value.objects.clone() {
                self.enter_members(object);
            }
        }
        let heap = &mut self.frame().heap;
        let mut root = heap.find(first);
        for &object in a.objects.iter().skip(1) {
            root = union(heap, first, object);
        }
        for &object in &b.objects {
            root = if is_stateless { heap.union_apart(first, object, false) } else { union(heap, first, object) };
        }
        if let Some(held) = held {
            heap.class(root).unshippable.get_or_insert(held);
            heap.mark_unshippable(first);
        }
        self.note_code(a, b);
        self.note_code(b, a);
    }

    /// `holder`, which has no name yet, refers to a value without becoming one alias class with it.
    pub(super) fn hold(&mut self, holder: &mut Value, value: &Value) {
        let value = &*value.held();
        let own = Value { objects: holder.objects.iter().copied().take(1).collect(), ..holder.clone() };
        match self.possible_types(value) {
            Some(held) if self.is_exact(holder.ty) => {
                self.note_frozen(&own, value);
                self.note_held(&own, &[holder.ty], None, &held);
            }
            _ => {
                self.learn_held(&own, value);
                own.objects.iter().for_each(|&object| self.frame().heap.learn_with(object, Types::loosen));
            }
        }
        self.note_code(&own, value);
        holder.absorb(value);
    }

    /// Notes the type of what an object holds; the class of a value of unknown type has its types already.
    fn learn_held(&mut self, holder: &Value, value: &Value) {
        self.holds_rng(holder, value);
        let has_types = value.ty == Type::Unknown && !value.objects.is_empty() && !self.is_stateless(value);
        if !has_types && !value.is_immutable() {
            self.learn(holder, value.ty);
        }
    }

    /// Notes what the value draws from when it is called, and whether it does: `random.random`.
    pub(super) fn note_rng(&mut self, value: &Value) -> bool {
        let Type::Library(path) = value.ty else { return false };
        let path = self.knowledge.canonical(self.facts.text(path)).into_owned();
        let Some(facts) = self.knowledge.call(&path) else { return false };
        let drawn = facts.rng.iter().filter(|generator| self.knowledge.has(**generator));
        self.held_rngs.extend(drawn.map(|generator| generator.name()));
        !facts.rng.is_empty()
    }

    /// What holds a function that draws from a global generator: pickle would write the generator with it.
    pub(super) fn holds_rng(&mut self, holder: &Value, value: &Value) {
        if self.note_rng(value) {
            let type_path = self.name("random.Random");
            self.holds_unshippable(holder, Unshippable { type_path });
        }
    }

    /// Why a container of the value could not travel.
    pub(super) fn unshippable(&mut self, value: &Value) -> Option<Unshippable> {
        match self.kind(value) {
            Kind::Unshippable(type_path) => Some(Unshippable { type_path }),
            _ => value.objects.iter().find_map(|&object| self.frames.last()?.heap.peek(object).unshippable),
        }
    }

    pub(super) fn holds_unshippable(&mut self, holder: &Value, held: Unshippable) {
        for &object in &holder.objects {
            let heap = &mut self.frame().heap;
            heap.class(object).unshippable.get_or_insert(held);
            heap.mark_unshippable(object);
        }
    }

    /// Whether a value travels without what of it cannot.
    pub(super) fn leaves_out(&self, holder: &Value) -> bool {
        matches!(holder.ty, Type::Object(class) if self.pickles_itself(class))
    }

    pub(super) fn enter_members(&mut self, object: ObjectId) {
        if self.in_module() {
            let members: Vec<Name> = self.frame().heap.class(object).members.iter().copied().collect();
            for name in members {
                self.enter(name);
            }
        }
    }

    /// `holder` may now call the code of `value`.
    pub fn note_code(&mut self, holder: &Value, value: &Value) {
        if let Some(&object) = holder.objects.first() {
            let class = self.frame().heap.class(object);
            for &code in &value.code {
                if !class.code.contains(&code) {
                    class.code.push(code);
                }
            }
        }
    }

    pub fn touch(&mut self, resource: Resource, write: bool, range: TextRange) {
        self.frame().effects.resources.push(ResourceUse { resource, write, range });
    }

    /// Draws from a global generator: its state is a variable of its own that travels along the chain of its users.
    pub fn draw(&mut self, generator: &'static str, range: TextRange) {
        if self.frame().trusts || planted(Fault::LostRng) {
            return;
        }
        let in_module = self.in_module();
        let effects = &mut self.frame().effects;
        effects.draws.insert(generator);
        if !in_module {
            if !effects.seeds.contains(generator) {
                effects.earlier_states.insert(generator);
            }
            return;
        }
        let name = self.name(&pseudo::of_rng(generator));
        if self.module_binding(name).is_some() {
            self.read_module(name, range);
            let state = self.rng_state(generator);
            self.bind(name, state);
        } else {
            self.touch(Resource::UnseededRng(generator), true, range);
        }
    }

    pub fn seed(&mut self, generator: &'static str) {
        if self.frame().trusts {
            return;
        }
        if !self.in_module() {
            let frame = self.frame();
            // A branch may be left out, and so may what stands behind a `return`.
            if frame.layers.len() > 1 || frame.returned.is_some() {
                frame.effects.note_perhaps_seeded(generator);
            } else {
                frame.effects.seeds.insert(generator);
            }
            return;
        }
        self.frame().effects.seeds.insert(generator);
        let name = self.name(&pseudo::of_rng(generator));
        // Libraries that nobody has described draw from what is seeded only.
        self.summaries_are_old |= self.module_binding(name).is_none();
        let state = self.rng_state(generator);
        self.bind(name, state);
    }

    /// A call seeds the generator, or does not: then it goes on from where it was.
    fn seed_perhaps(&mut self, generator: &'static str, range: TextRange) {
        let name = self.name(&pseudo::of_rng(generator));
        if !self.in_module() {
            self.frame().effects.note_perhaps_seeded(generator);
        } else if self.module_binding(name).is_some() {
            self.draw(generator, range);
        } else {
            self.seed(generator);
        }
    }

    /// What a call of a function of the notebook does to the generators.
    pub(super) fn apply_rng(&mut self, effects: &Effects, range: TextRange) {
        for &generator in &effects.draws {
            if effects.earlier_states.contains(generator) {
                self.draw(generator, range);
            }
        }
        for &generator in &effects.perhaps_seeds {
            if !self.frame().trusts {
                self.seed_perhaps(generator, range);
            }
        }
        effects.seeds.iter().for_each(|&generator| self.seed(generator));
        self.frame().effects.draws.extend(&effects.draws);
    }

    /// The state of a global generator. Tensorflow's cannot be read.
    fn rng_state(&mut self, generator: &str) -> Value {
        if generator == "tensorflow" { self.typed("tensorflow.random.State") } else { Value::immutable() }
    }
}

/// Adds to what is known of the changes of a place.
fn note_changed(entry: Entry<'_, Place, Changed>, changed: Option<&[Type]>) {
    let known = entry.or_insert_with(|| Some(vec![]));
    match (known.as_mut(), changed) {
        (Some(known), Some(changed)) => {
            known.extend(changed);
            known.sort();
            known.dedup();
        }
        _ => *known = None,
    }
}
