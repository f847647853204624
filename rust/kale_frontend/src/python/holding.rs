//! Who holds what: types of the objects that are inside of others.
//!
//! An alias class joins a container with what is in it. So that an element of a list of dicts is known to be a dict, and
//! what is in that dict to be a number, each type of a class has beside it the types of what its objects hold
//! ([`super::types::Types`]). Only a container that holds just what is put into it, by code that is seen, is known in
//! this way. Wherever objects are joined and nobody says which of them holds the other, any of them may.

use super::analyzer::Analyzer;
use super::names::Name;
use super::types::{HASHING, Held, Types, UNHASHABLE};
use super::value::{Type, Value};

/// Built-in types that hold their elements themselves.
const EXACT: &[&str] = &[
    "collections.Counter",
    "collections.defaultdict",
    "collections.deque",
    "dict",
    "frozenset",
    "list",
    "set",
    "tuple",
];

/// Types that hold no elements of their own, and give those of what they were made from.
const LOOKS: &[&str] = &["dict_view", "element_iterator"];

impl<'a> Analyzer<'a> {
    /// Whether objects of the type hold what was put into them, and nothing else.
    pub(super) fn is_exact(&self, ty: Type) -> bool {
        match ty {
            Type::Instance(path) => EXACT.contains(&self.facts.text(path)),
            // (Of a class that has a state of its own, instances have that, too.)
            // (And where a class says how its instances travel, code runs with them that may read anything.)
            Type::Object(class) => {
                let travels = ["__setstate__", "__getstate__", "__reduce__", "__reduce_ex__"];
                self.is_closed(class)
                    && !self.has_stateful_class(&[class])
                    && !travels.iter().any(|name| self.method_of(class, name).is_some())
            }
            _ => false,
        }
    }

    /// `holder` now holds the value itself, as an element or in an attribute. (What links two values otherwise is
    /// [`Self::link`].)
    pub(super) fn put(&mut self, holder: &Value, value: &Value) {
        self.put_at(holder, None, value);
    }

    /// The same, in the attribute of a name where that is known.
    pub(super) fn put_at(&mut self, holder: &Value, at: Option<Name>, value: &Value) {
        let value = &*value.held();
        self.holds_rng(holder, value);
        let (holders, held) = (self.possible_types(holder), self.possible_types(value));
        match (holders, held) {
            (Some(holders), Some(held)) if holders.iter().all(|&ty| self.is_exact(ty)) => {
                match held.iter().all(|&ty| self.is_sealed(ty)) {
                    true => self.fuse_apart(holder, value, false),
                    false => self.fuse(holder, value, false),
                }
                self.note_frozen(holder, value);
                self.note_held(holder, &holders, at, &held);
            }
            _ => self.link(holder, value, false),
        }
    }

    /// The class of a holder has no object of a frozen value that tells what that holds: nothing.
    pub(super) fn note_frozen(&mut self, holder: &Value, value: &Value) {
        let types = self.frozen_types(value.ty, value.among.as_deref()).filter(|_| value.objects.is_empty());
        for &ty in types.iter().flat_map(|types| types.iter()) {
            self.learn_all(holder, &Types::empty(ty));
        }
    }

    pub(super) fn can_be_key(&self, ty: Type) -> bool {
        match ty {
            Type::Instance(path) => !UNHASHABLE.contains(&self.facts.text(path)),
            _ => true,
        }
    }

    /// After `owner[key] = value`: a dict holds its keys, too.
    pub(super) fn put_key(&mut self, owner: &Value, key: &Value) {
        self.look_for(&[key], Some(owner));
        let is_hashing = |ty: &Type| matches!(ty, Type::Instance(path) if HASHING.contains(&self.facts.text(*path)));
        let is_key = self.possible_types(key).is_none_or(|types| types.into_iter().any(|ty| self.can_be_key(ty)));
        if is_key && self.possible_types(owner).is_some_and(|types| types.iter().any(is_hashing)) {
            self.put(owner, key);
        }
    }

    /// Notes that objects of these types, among those of the holder, hold some of the others.
    pub(super) fn note_held(&mut self, holder: &Value, holders: &[Type], at: Option<Name>, held: &[Type]) {
        for &object in &holder.objects {
            let heap = &mut self.frame().heap;
            heap.learn_with(object, |types| {
                for &holder in holders {
                    held.iter().for_each(|&ty| types.insert_held(holder, (at, ty)));
                }
            });
        }
    }

    /// The types that a value may have when it is not immutable.
    pub(super) fn possible_types(&self, value: &Value) -> Option<Vec<Type>> {
        match value.ty {
            Type::Unknown => self.candidates(value),
            Type::Immutable => value.code.is_empty().then(Vec::new),
            ty => Some(vec![ty]),
        }
    }

    pub(super) fn is_look(&self, ty: Type) -> bool {
        matches!(ty, Type::Instance(path) if LOOKS.contains(&self.facts.text(path)))
    }

    /// Whether objects of the type hold nothing but values, and nothing can be attached to them.
    pub(super) fn is_sealed(&self, ty: Type) -> bool {
        matches!(ty, Type::Instance(path) if self.of_named_type(path, |t| t.sealed) == Some(true))
    }

    /// Whether an object of this type, in a class of these types, may be one of the types wanted, or hold one by whatever
    /// way.
    pub(super) fn leads_to(&self, types: &Types, from: Type, wanted: &[Type]) -> bool {
        let mut seen = vec![from];
        let mut next = 0;
        while let Some(&ty) = seen.get(next) {
            next += 1;
            if wanted.contains(&ty) {
                return true;
            }
            if self.is_sealed(ty) {
                continue;
            }
            match types.held_by(ty).filter(|_| self.is_exact(ty)) {
                Some(Some(held)) => {
                    held.iter().filter(|(_, ty)| !seen.contains(ty)).map(|(_, ty)| *ty).collect::<Vec<_>>()
                }
                _ => return true,
            }
            .into_iter()
            .for_each(|ty| seen.push(ty));
        }
        false
    }

    /// Notes of what types the containers are that a new iterator or view looks into.
    pub(super) fn note_looked_into(&mut self, look: &Value, value: &Value) {
        let Some(&own) = look.objects.first().filter(|_| self.is_look(look.ty)) else { return };
        let types = self.possible_types(value).unwrap_or_else(|| vec![Type::Unknown]);
        types.into_iter().for_each(|ty| self.frame().heap.learn(own, &Types::of(ty)));
    }

    /// The containers that a value looks into, when it is an iterator or a view of them: iterating gives what they hold.
    fn looked_into(&self, value: &Value) -> Option<Vec<Type>> {
        let frame = self.innermost();
        let mut found = vec![];
        for class in value.objects.iter().map(|&object| frame.heap.peek(object)).filter(|class| class.shell) {
            found.extend(class.types.known()?.iter().filter(|ty| !self.is_look(**ty)));
        }
        (self.is_look(value.ty) && !found.is_empty()).then_some(found)
    }

    /// The types of what a value of one of these types holds; `None` when that may be anything.
    pub(super) fn held_by(&self, value: &Value, holders: &[Type]) -> Option<Vec<Type>> {
        self.held_at(value, holders, None)
    }

    /// The same of what is in the attribute of a name.
    pub(super) fn held_at(&self, value: &Value, holders: &[Type], at: Option<Name>) -> Option<Vec<Type>> {
        let looked_into = self.looked_into(value);
        let holders = looked_into.as_deref().unwrap_or(holders);
        if value.objects.is_empty() || !holders.iter().all(|&ty| self.is_exact(ty)) {
            return None;
        }
        let frame = self.innermost();
        let mut found = vec![];
        for class in value.objects.iter().map(|&object| frame.heap.peek(object)) {
            let types = &class.types;
            let known = types.known()?;
            if looked_into.is_some() && class.shell {
                continue;
            }
            let held: Vec<Option<&[Held]>> = holders.iter().filter_map(|&holder| types.held_by(holder)).collect();
            if held.is_empty() || held.contains(&None) {
                found.extend(known);
            } else {
                let is_there = |held: &&Held| at.is_none() || held.0.is_none() || held.0 == at;
                found.extend(held.into_iter().flatten().flatten().filter(is_there).map(|(_, ty)| *ty));
            }
        }
        found.sort();
        found.dedup();
        Some(found)
    }
}
