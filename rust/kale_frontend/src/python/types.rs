//! Which types the objects of an alias class have.
//!
//! An alias class joins what may share state: a list with its elements, an instance with what its attributes hold. What
//! is taken out of a container has no type of its own in this analysis; but while the types of all objects of the class
//! are known, it has one of these, or nothing can change it. So iterating over `graph[node]` consumes nothing when the
//! class has only dicts and lists, and `rows[0].append(x)` is the method of a list.
//!
//! This holds of containers and of instances of the notebook's classes, for what they hold was put there by code that is
//! seen. What comes out of a library's object may be anything: then the class is one of any types (see
//! [`Analyzer::inside`]), as it is from the start unless whoever allocates an object says what it holds.

use std::rc::Rc;

use super::analyzer::Analyzer;
use super::heap::{Class, ObjectId};
use super::knowledge::Ships;
use super::value::{CodeId, Type, Value};

/// The types of objects, sorted; `None` for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Types(Option<Rc<Vec<Type>>>);

/// More types than this are not told apart.
const MOST: usize = 12;

impl Types {
    pub fn none() -> Types {
        Types(Some(Rc::default()))
    }

    pub fn of(ty: Type) -> Types {
        let mut types = Types::none();
        types.insert(ty);
        types
    }

    pub fn known(&self) -> Option<&[Type]> {
        self.0.as_ref().map(|types| types.as_slice())
    }

    pub fn insert(&mut self, ty: Type) {
        let Some(types) = &mut self.0 else { return };
        match ty {
            Type::Immutable => {}
            Type::Unknown => self.0 = None,
            _ => {
                if let Err(place) = types.binary_search(&ty) {
                    Rc::make_mut(types).insert(place, ty);
                    if types.len() > MOST {
                        self.0 = None;
                    }
                }
            }
        }
    }

    pub fn join(&mut self, other: &Types) {
        match &other.0 {
            None => self.0 = None,
            Some(types) => types.iter().for_each(|&ty| self.insert(ty)),
        }
    }
}

/// Built-in types that hold what the notebook's code puts into them.
const CONTAINERS: &[&str] = &[
    "collections.Counter",
    "collections.defaultdict",
    "collections.deque",
    "dict",
    "dict_view",
    "frozenset",
    "generator",
    "iterator",
    "list",
    "set",
    "tuple",
];

/// Containers whose elements, or keys, are hashed.
const HASHING: &[&str] = &["collections.Counter", "collections.defaultdict", "dict", "frozenset", "set"];

/// Types whose values cannot be hashed.
const UNHASHABLE: &[&str] = &[
    "collections.Counter",
    "collections.defaultdict",
    "collections.deque",
    "dict",
    "list",
    "numpy.ndarray",
    "pandas.DataFrame",
    "pandas.Series",
    "set",
];

/// Types of the values that nothing can change, which may be in any container.
const IMMUTABLES: &[&str] = &["str", "bytes", "int", "float"];

impl<'a> Analyzer<'a> {
    /// A new object, which holds nothing yet.
    pub fn fresh_empty(&mut self, ty: Type) -> Value {
        let value = self.fresh(ty);
        for &object in &value.objects {
            self.frame().heap.class(object).types = Types::of(ty);
        }
        value
    }

    /// A new object of unknown type, which has these types and those of what it is made to hold.
    pub(super) fn fresh_of(&mut self, types: Types) -> Value {
        let object = self.frame().heap.allocate(Class { types, ..Class::default() });
        Value::object(Type::Unknown, object)
    }

    /// A new iterator, which gives objects of these types and of what it is made to hold. Its position is an object of
    /// its own, so that moving on changes no more than that; so is what it makes to give it, such as the pairs of `zip`.
    pub fn fresh_iterator(&mut self, ty: Type, contents: Types) -> Value {
        let mut iterator = self.fresh_empty(ty);
        for &object in &iterator.objects {
            self.frame().heap.class(object).shell = true;
        }
        let is_empty = contents.known().is_some_and(<[Type]>::is_empty);
        let shell = contents.known().is_some_and(|types| types.len() == 1);
        if !is_empty {
            let object = self.frame().heap.allocate(Class { types: contents, shell, ..Class::default() });
            iterator.objects.push(object);
        }
        iterator
    }

    /// Whether all that iterating over the value gives is immutable.
    pub(super) fn holds_scalars(&self, value: &Value) -> bool {
        let heap = &self.frames.last().expect("the module's frame is always there").heap;
        !value.objects.is_empty() && value.objects.iter().all(|&object| heap.peek(object).scalars)
    }

    /// Whether a shell of this type is among the value's objects.
    pub(super) fn has_shell(&self, value: &Value, ty: Type) -> bool {
        let frame = self.frames.last().expect("the module's frame is always there");
        let own = Types::of(ty);
        value.objects.iter().map(|&object| frame.heap.peek(object)).any(|class| class.shell && class.types == own)
    }

    /// The value without its own shell: what is inside of it.
    fn without_shell(&mut self, value: &Value) -> Value {
        let own = Types::of(value.ty);
        let heap = &mut self.frame().heap;
        let is_own = |class: &Class| class.shell && class.types == own;
        let objects = value.objects.iter().copied().filter(|&object| !is_own(heap.class(object))).collect();
        Value { objects, ..value.clone() }
    }

    /// Types of a new object of which only its own type is known: what a container holds is not.
    pub(super) fn types_of_new(&self, ty: Type) -> Types {
        match ty {
            Type::Instance(path) if !is_container(self.facts.text(path)) => Types::of(ty),
            _ => Types::default(),
        }
    }

    /// Notes that there is an object of a type among those of the value.
    pub(super) fn learn(&mut self, value: &Value, ty: Type) {
        for &object in &value.objects {
            self.frame().heap.learn(object, &Types::of(ty));
        }
    }

    /// Elements of these objects may be more than immutable ones.
    pub(super) fn forget_scalars(&mut self, value: &Value) {
        for &object in &value.objects {
            self.frame().heap.class(object).scalars = false;
        }
    }

    pub(super) fn learn_all(&mut self, value: &Value, types: &Types) {
        for &object in &value.objects {
            self.frame().heap.learn(object, types);
        }
    }

    /// The types of all objects that the value may be or share parts with.
    pub(super) fn types_of(&self, value: &Value) -> Types {
        let frame = self.frames.last().expect("the module's frame is always there");
        let mut types = Types::none();
        value.objects.iter().for_each(|&object| types.join(&frame.heap.peek(object).types));
        types
    }

    /// The types that a value of unknown type may have, other than immutable ones.
    pub(super) fn candidates(&self, value: &Value) -> Option<Vec<Type>> {
        if value.ty != Type::Unknown || value.objects.is_empty() {
            return None;
        }
        self.types_of(value).known().map(<[Type]>::to_vec)
    }

    /// Whether what is inside of a value of this type was put there by code that is seen.
    fn is_container_type(&self, ty: Type) -> bool {
        match ty {
            Type::Instance(path) => is_container(self.facts.text(path)),
            Type::Object(class) => self.is_closed(class),
            _ => false,
        }
    }

    /// Something that is inside of a value: an element, or an attribute.
    pub(super) fn inside(&mut self, owner: &Value) -> Value {
        let is_seen = match owner.ty {
            Type::Unknown => {
                self.candidates(owner).is_some_and(|types| types.iter().all(|&ty| self.is_container_type(ty)))
            }
            ty => self.is_container_type(ty),
        };
        if !is_seen {
            self.learn(owner, Type::Unknown);
        }
        self.without_shell(owner).part(Type::Unknown)
    }

    /// Whether a class may have iterators, whose state iterating changes.
    fn may_hold_iterators(&mut self, object: ObjectId) -> bool {
        let Some(types) = self.frame().heap.class(object).types.known().map(<[Type]>::to_vec) else { return true };
        types.into_iter().any(|ty| match ty {
            Type::Instance(path) => {
                let text = self.facts.text(path);
                self.knowledge.type_facts(text).is_none()
                    || self.knowledge.inherited(text, |t| t.iterator) == Some(true)
            }
            Type::Object(_) => true,
            _ => false,
        })
    }

    /// Whether iterating gives keys (of a dict or a set), and nothing among the types that can be one can change.
    pub(super) fn gives_plain_keys(&self, value: &Value) -> bool {
        let types = self.types_of(value);
        let Some(types) = types.known() else { return false };
        let own = [value.ty];
        let owners = if value.ty == Type::Unknown { types } else { &own };
        let is_hashing = |ty: &Type| match ty {
            Type::Instance(path) => HASHING.contains(&self.facts.text(*path)),
            ty => matches!(ty, Type::Function(_)),
        };
        let can_be_key = |ty: &Type| match ty {
            Type::Instance(path) => !UNHASHABLE.contains(&self.facts.text(*path)),
            _ => true,
        };
        !value.objects.is_empty() && owners.iter().all(is_hashing) && !types.iter().any(can_be_key)
    }

    /// Whether a value of unknown type may be a function, or a method bound to an object.
    pub(super) fn may_be_callable(&self, value: &Value) -> bool {
        let is_callable = |ty: &Type| matches!(ty, Type::Function(_) | Type::Class(_) | Type::Library(_));
        value.ty == Type::Unknown && self.types_of(value).known().is_none_or(|types| types.iter().any(is_callable))
    }

    /// Iterates what a value may be as far as that changes it: iterators move on.
    pub(super) fn consume(&mut self, value: &Value) {
        for &object in &value.objects {
            if self.may_hold_iterators(object) {
                self.mutate_object(object);
            }
        }
    }

    /// Whether iterating changes nothing, whichever of its types the value has.
    pub(super) fn is_iterable_again(&mut self, value: &Value) -> bool {
        self.candidates(value).is_some() && !value.objects.clone().iter().any(|&object| self.may_hold_iterators(object))
    }

    /// The types of a value of unknown type that have a method; `None` when one of its types may have any.
    pub(super) fn types_with_method(&self, value: &Value, name: &str) -> Option<Vec<Type>> {
        let mut found = vec![];
        for ty in self.candidates(value)? {
            match ty {
                Type::Instance(path) => {
                    let text = self.facts.text(path);
                    match self.knowledge.method(text, name) {
                        Some(_) => found.push(ty),
                        None if is_container(text) => {}
                        None => return None,
                    }
                }
                Type::Object(class) if self.is_closed(class) && !self.has_hooks(class) => {
                    if self.has_exception_base(class) && self.knowledge.method("BaseException", name).is_some() {
                        return None;
                    }
                    if self.method_of(class, name).is_some() {
                        found.push(ty);
                    }
                }
                _ => return None,
            }
        }
        if IMMUTABLES.iter().any(|path| self.knowledge.method(path, name).is_some()) {
            found.push(Type::Immutable);
        }
        (!found.is_empty()).then_some(found)
    }

    pub(super) fn is_container(&self, path: &str) -> bool {
        is_container(path)
    }

    /// Whether loading an attribute of an instance runs code of the class.
    fn has_hooks(&self, class: CodeId) -> bool {
        ["__getattr__", "__getattribute__"].iter().any(|hook| self.method_of(class, hook).is_some())
    }

    /// An attribute of a value of unknown type, by the types that it may have.
    pub(super) fn candidate_attribute(
        &mut self,
        owner: &Value,
        name: &str,
        range: ruff_text_size::TextRange,
    ) -> Option<Value> {
        let mut chosen = vec![];
        for ty in self.candidates(owner)? {
            match ty {
                Type::Instance(path) => {
                    let text = self.facts.text(path);
                    let known = self.knowledge.attribute(text, name).is_some()
                        || self.knowledge.inherited(text, |t| t.unknown_attributes.as_ref()).is_some();
                    match known {
                        true => chosen.push(ty),
                        false if is_container(text) => {}
                        false => return None,
                    }
                }
                Type::Object(class) if self.is_closed(class) && !self.has_hooks(class) => chosen.push(ty),
                _ => return None,
            }
        }
        let values = chosen.into_iter().map(|ty| self.attribute(&owner.part(ty), name, range));
        let values: Vec<Value> = values.collect();
        values.into_iter().reduce(|a, b| a.join(&b))
    }

    /// Whether subscripts of a value of unknown type give what its containers hold.
    pub(super) fn holds_elements(&self, value: &Value) -> bool {
        self.candidates(value).is_some_and(|types| {
            types.iter().all(|&ty| match ty {
                Type::Instance(path) => {
                    let text = self.facts.text(path);
                    is_container(text) && text != "collections.defaultdict"
                }
                Type::Object(class) => self.is_closed(class) && self.method_of(class, "__getitem__").is_none(),
                _ => false,
            })
        })
    }

    /// Whether a value of unknown type can be held by a tuple that links it to nothing.
    pub(super) fn travels(&self, value: &Value) -> bool {
        match value.ty {
            Type::Instance(path) => self.knowledge.ships(self.facts.text(path)) != Ships::No,
            _ => true,
        }
    }
}

fn is_container(path: &str) -> bool {
    CONTAINERS.contains(&path)
}
