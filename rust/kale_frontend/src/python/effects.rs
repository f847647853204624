//! What running a piece of code does, and of a function what comes of a call.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ruff_text_size::TextRange;

use super::facts::ResourceUse;
use super::heap::{Place, Unshippable};
use super::names::{Name, NameSet};
use super::types::Types;
use super::value::{CodeId, Codes, Type};

/// Effects of a statement (in the module) or of a function's body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Module variables read, with the first place.
    pub reads: BTreeMap<Name, TextRange>,
    /// Module variables that may be bound by a function (`global x`), to any of what it binds them to.
    pub writes: BTreeMap<Name, Outcome>,
    /// Those that it may delete, before it binds any.
    pub deletes: NameSet,
    /// Some call other than a known cheap and pure one happens.
    pub calls: bool,
    /// A call that cannot be seen into happens.
    pub unknown_calls: bool,
    /// Loops, functions of the notebook, or libraries run.
    pub expensive: bool,
    /// Some object that existed before changes.
    pub mutates: bool,
    pub resources: Vec<ResourceUse>,
    /// Process-wide settings: the module they belong to, or `""` for the interpreter's own.
    pub settings: BTreeSet<String>,
    /// Global random generators drawn from, those seeded for certain, and those that may be.
    pub draws: BTreeSet<&'static str>,
    pub seeds: BTreeSet<&'static str>,
    pub perhaps_seeds: BTreeSet<&'static str>,
    /// Those whose state from before matters: nothing has seeded them for certain before they are drawn from.
    pub earlier_states: BTreeSet<&'static str>,
    pub dynamic: Vec<(String, TextRange)>,
    pub history: Vec<(String, TextRange)>,
    pub interactive: Vec<TextRange>,
    /// Files whose path is not known before the run.
    pub unknown_paths: Vec<TextRange>,
    pub imports: BTreeSet<String>,
    pub libraries: NameSet,
    pub metrics: Vec<String>,
    pub environment_variables: BTreeSet<String>,
    /// Changes of the working directory, by path where that is known.
    pub directories: Vec<Option<String>>,
    /// Some of it happens in another working directory.
    pub elsewhere: bool,
    /// Something becomes a view or a copy of an array by how that lies in memory.
    pub layout: bool,
    /// Objects are compared with each other, by what tells one from an equal one.
    pub compares: bool,
    /// Something is shown, which must happen once.
    pub prints: bool,
    /// A function or class gets an attribute.
    pub patches: bool,
    /// `from module import *`: any name may be bound by it.
    pub star_import: bool,
}

impl Effects {
    pub fn note_perhaps_seeded(&mut self, generator: &'static str) {
        self.perhaps_seeds.insert(generator);
        if !self.seeds.contains(generator) {
            self.earlier_states.insert(generator);
        }
    }

    /// Whether anything happens that another process could notice, apart from settings and names.
    pub fn is_impure(&self) -> bool {
        self.mutates
            || !self.resources.is_empty()
            || !self.draws.is_empty()
            || !self.dynamic.is_empty()
            || !self.history.is_empty()
            || !self.interactive.is_empty()
            || !self.metrics.is_empty()
            || !self.deletes.is_empty()
    }

    /// Adds what a call that is declared pure does all the same: it reads variables, and code of libraries runs.
    pub fn absorb_visible(&mut self, other: Effects) {
        for (name, range) in other.reads {
            self.reads.entry(name).or_insert(range);
        }
        self.calls |= other.calls;
        self.unknown_calls |= other.unknown_calls;
        self.expensive |= other.expensive;
        self.layout |= other.layout;
        self.compares |= other.compares;
        self.prints |= other.prints;
        self.imports.extend(other.imports);
        self.libraries.extend(other.libraries);
        self.environment_variables.extend(other.environment_variables);
    }

    /// Adds another piece's effects, those on names and objects left out, at the place of the call.
    pub fn absorb_hidden(&mut self, other: &Effects, range: TextRange) {
        self.calls |= other.calls;
        self.patches |= other.patches;
        self.layout |= other.layout;
        self.compares |= other.compares;
        self.prints |= other.prints;
        self.unknown_calls |= other.unknown_calls;
        self.expensive |= other.expensive;
        extend_new(&mut self.unknown_paths, other.unknown_paths.iter().map(|_| range));
        extend_new(&mut self.resources, other.resources.iter().map(|r| ResourceUse { range, ..r.clone() }));
        self.settings.extend(other.settings.iter().cloned());
        extend_new(&mut self.directories, other.directories.iter().cloned());
        self.elsewhere |= other.elsewhere || (!other.directories.is_empty() && !other.resources.is_empty());
        extend_new(&mut self.dynamic, other.dynamic.iter().map(|(what, _)| (what.clone(), range)));
        extend_new(&mut self.history, other.history.iter().map(|(what, _)| (what.clone(), range)));
        extend_new(&mut self.interactive, other.interactive.iter().map(|_| range));
        self.imports.extend(other.imports.iter().cloned());
        self.libraries.extend(&other.libraries);
        extend_new(&mut self.metrics, other.metrics.iter().cloned());
        self.environment_variables.extend(other.environment_variables.iter().cloned());
    }
}

/// Adds what is not there yet: functions that call each other twice would double their effects with each level.
fn extend_new<T: PartialEq>(known: &mut Vec<T>, more: impl Iterator<Item = T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

/// A value in terms of a function's surroundings: what it returns, or binds to a module variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub ty: Type,
    pub among: Option<Rc<[Type]>>,
    /// Whether there is an object at all (else the value is immutable).
    pub object: bool,
    /// It is a container of immutable elements.
    pub scalars: bool,
    pub places: Vec<Place>,
    pub view: bool,
    pub code: Codes,
    /// Why it could not travel, where its type does not tell.
    pub unshippable: Option<Unshippable>,
    /// The types of the objects that it may be or share parts with.
    pub types: Types,
    /// Of a new iterator or view: its type, and those of the containers of which it gives the elements.
    pub looks_into: Option<Types>,
    /// The elements of a tuple that is made to be unpacked.
    pub parts: Vec<Outcome>,
}

impl Outcome {
    /// A value of which no more is told than its type, and what using it may call.
    pub fn opaque(ty: Type, object: bool, code: Codes) -> Outcome {
        Outcome {
            ty,
            among: None,
            object,
            scalars: false,
            places: vec![],
            view: false,
            code,
            unshippable: None,
            types: Types::default(),
            looks_into: None,
            parts: vec![],
        }
    }

    /// One or the other, of two that are opaque.
    pub fn or_opaque(mut self, other: Outcome) -> Outcome {
        debug_assert!(self.parts.is_empty() && self.places.is_empty());
        self.ty = if self.ty == other.ty { self.ty } else { Type::Unknown };
        self.object |= other.object;
        self.code.extend(other.code);
        self.code.sort();
        self.code.dedup();
        self
    }
}

/// Of what types the objects are that change themselves, not only what they hold; `None` for any. Sorted.
pub type Changed = Option<Vec<Type>>;

/// Places that are in one class afterwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub places: Vec<Place>,
    pub view: bool,
    /// And in regions of their own.
    pub apart: bool,
}

/// What calling a function does, in terms of its parameters and the module's variables.
///
/// It is applied at each call, so that module variables mean the versions that reach the call (late binding).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub effects: Effects,
    pub mutated: BTreeMap<Place, Changed>,
    /// Functions and classes that have a state afterwards.
    pub stateful: BTreeSet<Place>,
    /// Definitions that the places may call afterwards.
    pub code: Vec<(Place, CodeId)>,
    /// Places that share state afterwards.
    pub links: Vec<Link>,
    /// Places that may hold more than immutable elements afterwards.
    pub mixed: BTreeSet<Place>,
    pub returns: Option<Outcome>,
    /// What it may raise.
    pub raises: Option<Outcome>,
    /// What the summary was made with of the module's variables; it holds as long as that does.
    pub assumptions: Vec<(Name, Option<Assumed>)>,
    /// Places that hold something afterwards that cannot travel.
    pub unshippable: Vec<(Place, Unshippable)>,
    /// The types that objects of places have afterwards.
    pub types: Vec<(Place, Types)>,
}

/// What a summary depends on of a module variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    pub ty: Type,
    pub among: Option<Rc<[Type]>>,
    pub may_be_none: bool,
    /// It is a container of immutable elements.
    pub scalars: bool,
    /// It is a function or class without state.
    pub stateless: bool,
    /// The types of what it holds.
    pub types: Types,
    /// Definitions that using it may call.
    pub code: Codes,
}
