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

use std::borrow::Cow;
use std::rc::Rc;

use smallvec::SmallVec;

use super::analyzer::Analyzer;
use super::facts::Kind;
use super::heap::{AliasClass, ObjectId};
use super::names::Name;
use super::value::{CodeId, Type, Value};

/// The types of objects, sorted, each with the types of what its objects hold: `None` for any, `Some(None)` where there
/// are no objects yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Types(Option<Option<Rc<Known>>>);

/// Never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Known {
    types: SmallVec<[Type; 2]>,
    /// Beside each type, what objects of that type in the class hold that is not immutable; `None` for anything in it.
    held: SmallVec<[Option<Vec<Held>>; 1]>,
}

/// What an object holds: in the attribute of a name, or (`None`) as an element or in any attribute.
pub type Held = (Option<Name>, Type);

/// More types than this are not told apart.
const MOST: usize = 12;

impl Types {
    pub fn none() -> Types {
        Types(Some(None))
    }

    /// Objects of this type, which may hold anything in the class.
    pub fn of(ty: Type) -> Types {
        let mut types = Types::none();
        types.add(ty, None);
        types
    }

    /// New objects of this type, which hold nothing yet.
    pub fn empty(ty: Type) -> Types {
        let mut types = Types::none();
        types.add(ty, Some(&[]));
        types
    }

    pub fn known(&self) -> Option<&[Type]> {
        self.0.as_ref().map(|known| known.as_ref().map_or(&[][..], |known| &known.types))
    }

    /// What objects of the type hold: `None` when the class has no such objects, `Some(None)` for anything in it.
    pub fn held_by(&self, holder: Type) -> Option<Option<&[Held]>> {
        let known = self.0.as_ref()?.as_ref()?;
        let place = known.types.binary_search(&holder).ok()?;
        Some(known.held[place].as_deref())
    }

    /// There is an object of the type, too; which of the others hold it is not known.
    pub fn insert(&mut self, ty: Type) {
        if ty != Type::Immutable {
            self.add(ty, None);
            self.loosen();
        }
    }

    /// Objects of the type `holder` may hold one of the type `ty`, there.
    pub fn insert_held(&mut self, holder: Type, (at, ty): Held) {
        if ty != Type::Immutable && self.known().is_some_and(|types| !types.contains(&ty)) {
            self.add(ty, None);
        }
        match self.held_by(holder) {
            _ if ty == Type::Immutable => {}
            None => self.insert(ty),
            Some(None) => {}
            Some(Some(held)) if held.contains(&(at, ty)) => {}
            Some(Some(_)) => {
                let Some(Some(known)) = &mut self.0 else { return };
                let place = known.types.binary_search(&holder).expect("it holds something");
                if let Some(held) = &mut Rc::make_mut(known).held[place] {
                    held.push((at, ty));
                    held.sort();
                }
            }
        }
    }

    /// Any of the objects may hold any other.
    pub fn loosen(&mut self) {
        if let Some(Some(known)) = &mut self.0
            && known.held.iter().any(Option::is_some)
        {
            Rc::make_mut(known).held.iter_mut().for_each(|held| *held = None);
        }
    }

    fn add(&mut self, ty: Type, held: Option<&[Held]>) {
        let Some(types) = &mut self.0 else { return };
        if ty == Type::Immutable {
            return;
        }
        if ty == Type::Unknown {
            self.0 = None;
            return;
        }
        let types = types.get_or_insert_default();
        match types.types.binary_search(&ty) {
            Ok(place) if types.held[place].is_none() || types.held[place].as_deref() == held => {}
            Ok(place) => {
                let known = &mut Rc::make_mut(types).held[place];
                match held {
                    None => *known = None,
                    Some(held) => {
                        let known = known.get_or_insert_default();
                        known.extend(held);
                        known.sort();
                        known.dedup();
                    }
                }
            }
            Err(place) => {
                let known = Rc::make_mut(types);
                known.types.insert(place, ty);
                known.held.insert(place, held.map(<[Held]>::to_vec));
                if known.types.len() > MOST {
                    self.0 = None;
                }
            }
        }
    }

    /// The types of both; what is held in neither is not held now.
    pub fn join(&mut self, other: &Types) {
        match (&mut self.0, &other.0) {
            (None, _) | (_, Some(None)) => {}
            (known, None) => *known = None,
            (Some(none @ None), Some(other)) => none.clone_from(other),
            (Some(Some(one)), Some(Some(other))) if Rc::ptr_eq(one, other) => {}
            (Some(Some(_)), Some(Some(other))) => {
                let entries = other.types.iter().zip(&other.held);
                entries.for_each(|(&ty, held)| self.add(ty, held.as_deref()));
            }
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
    "element_iterator",
    "frozenset",
    "generator",
    "iterator",
    "list",
    "looking_method",
    "set",
    "tuple",
];

/// Containers whose elements, or keys, are hashed.
pub(super) const HASHING: &[&str] = &["collections.Counter", "collections.defaultdict", "dict", "frozenset", "set"];

/// Types whose values cannot be hashed.
pub(super) const UNHASHABLE: &[&str] = &[
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

/// Methods that make an object iterable.
const ITERATION: &[&str] = &["__getitem__", "__iter__"];

/// Types of the values that nothing can change, which may be in any container.
const IMMUTABLES: &[&str] = &["str", "bytes", "int", "float"];

impl<'a> Analyzer<'a> {
    /// A new object, which holds nothing yet.
    pub fn fresh_empty(&mut self, ty: Type) -> Value {
        let value = self.fresh(ty);
        let types = if self.is_exact(ty) { Types::empty(ty) } else { Types::of(ty) };
        for &object in &value.objects {
            self.frame().heap.class(object).types = types.clone();
        }
        value
    }

    /// A new object of unknown type, which has these types and those of what it is made to hold.
    pub(super) fn fresh_of(&mut self, types: Types) -> Value {
        let object = self.frame().heap.allocate(AliasClass { types, ..AliasClass::default() });
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
            let object = self.frame().heap.allocate(AliasClass { types: contents, shell, ..AliasClass::default() });
            iterator.objects.push(object);
        }
        iterator
    }

    /// A new iterator or view that gives the elements of others: containers of these types.
    pub(super) fn fresh_look(&mut self, ty: Type, types: Types) -> Value {
        let object = self.frame().heap.allocate(AliasClass { types, shell: true, ..AliasClass::default() });
        Value::object(ty, object)
    }

    /// Whether all that iterating over the value gives is immutable.
    pub(super) fn holds_scalars(&self, value: &Value) -> bool {
        let heap = &self.innermost().heap;
        !value.objects.is_empty() && value.objects.iter().all(|&object| heap.peek(object).scalars)
    }

    /// Whether a shell of this type is among the value's objects.
    pub(super) fn has_shell(&self, value: &Value, ty: Type) -> bool {
        let frame = self.innermost();
        let is_own = |class: &AliasClass| class.shell && class.types.known() == Some(&[ty]);
        value.objects.iter().map(|&object| frame.heap.peek(object)).any(is_own)
    }

    /// The value without its own shell: what is inside of it.
    pub(super) fn without_shell(&mut self, value: &Value) -> Value {
        let heap = &mut self.frame().heap;
        let is_own =
            |class: &AliasClass| class.shell && class.types.known().is_some_and(|types| types.contains(&value.ty));
        let objects: SmallVec<_> = value.objects.iter().copied().filter(|&o| !is_own(heap.class(o))).collect();
        if objects.is_empty() { value.clone() } else { Value { objects, ..value.clone() } }
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
            self.frame().heap.learn_with(object, |types| types.insert(ty));
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
    pub(super) fn types_in_class(&self, value: &Value) -> Types {
        let frame = self.innermost();
        let mut types = Types::none();
        value.objects.iter().for_each(|&object| types.join(&frame.heap.peek(object).types));
        types
    }

    /// The types that a value of unknown type may have, other than immutable ones.
    pub(super) fn candidates(&self, value: &Value) -> Option<Vec<Type>> {
        match &value.among {
            _ if value.ty != Type::Unknown => None,
            Some(among) => Some(among.to_vec()),
            None if value.objects.is_empty() => None,
            None => self.types_in_class(value).known().map(<[Type]>::to_vec),
        }
    }

    /// Whether the value can only be a named tuple of immutable values, or a member of an enumeration, which is immutable
    /// itself: it has a type, but no object that could change or be shared.
    pub(super) fn is_frozen(&self, value: &Value) -> bool {
        value.objects.is_empty() && self.frozen_types(value.ty, value.among.as_deref()).is_some()
    }

    /// The types of a value, where they are all such that only what an object holds could change.
    pub(super) fn frozen_types<'t>(&self, ty: Type, among: Option<&'t [Type]>) -> Option<Cow<'t, [Type]>> {
        let types = match ty {
            Type::Unknown => Cow::Borrowed(among?),
            ty => Cow::Owned(vec![ty]),
        };
        let is_frozen = |ty: &Type| matches!(ty, Type::Object(class) if self.has_frozen_instances(*class));
        (!types.is_empty() && types.iter().all(is_frozen)).then_some(types)
    }

    /// Whether what the owner holds of these types is frozen.
    fn holds_frozen(&self, owner: &Value, types: &[Type]) -> bool {
        let frame = self.innermost();
        let is_empty = |known: &Types, ty: &Type| match known.held_by(*ty) {
            None => known.known().is_some(),
            Some(held) => held.is_some_and(<[Held]>::is_empty),
        };
        self.frozen_types(Type::Unknown, Some(types)).is_some()
            && owner.objects.iter().all(|&object| {
                let known = &frame.heap.peek(object).types;
                types.iter().all(|ty| is_empty(known, ty))
            })
    }

    /// What something gives that holds objects of these types only, where they are frozen.
    pub(super) fn frozen_of(&self, types: &Types) -> Option<Value> {
        let known = types.known().filter(|known| self.frozen_types(Type::Unknown, Some(known)).is_some())?;
        let is_empty = |ty: &Type| types.held_by(*ty).flatten().is_some_and(<[Held]>::is_empty);
        known.iter().all(is_empty).then(|| self.frozen(known))
    }

    /// A frozen value of one of these types.
    pub(super) fn frozen(&self, types: &[Type]) -> Value {
        let code = types.iter().filter_map(|ty| match ty {
            Type::Object(class) => Some(*class),
            _ => None,
        });
        Value { ty: Type::Unknown, among: Some(types.into()), code: code.collect(), ..Value::immutable() }
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
        self.inside_at(owner, None)
    }

    /// What is in the attribute of a name, or (`None`) anything that is inside of a value.
    pub(super) fn inside_at(&mut self, owner: &Value, at: Option<Name>) -> Value {
        if self.is_frozen(owner) {
            return Value::immutable();
        }
        let holders = match owner.ty {
            Type::Unknown => self.candidates(owner),
            ty => Some(vec![ty]),
        };
        let Some(holders) = holders.filter(|types| types.iter().all(|&ty| self.is_container_type(ty))) else {
            self.learn(owner, Type::Unknown);
            return self.without_shell(owner).part(Type::Unknown);
        };
        let among = self.held_at(owner, &holders, at);
        if among.as_ref().is_some_and(Vec::is_empty) {
            return Value::immutable();
        }
        if let Some(types) = among.as_deref().filter(|types| self.holds_frozen(owner, types)) {
            return self.frozen(types);
        }
        Value { among: among.map(Into::into), ..self.without_shell(owner).part(Type::Unknown) }
    }

    /// Whether a class may have iterators, whose state iterating changes.
    fn may_hold_iterators(&mut self, object: ObjectId) -> bool {
        let Some(types) = self.frame().heap.class(object).types.known().map(<[Type]>::to_vec) else { return true };
        types.into_iter().any(|ty| match ty {
            Type::Instance(path) => {
                let lineage = self.facts.names.lineage(path, self.knowledge);
                lineage.is_empty() || lineage.iter().find_map(|t| t.iterator) == Some(true)
            }
            Type::Object(class) => !self.is_closed(class) || self.method_of(class, "__next__").is_some(),
            _ => false,
        })
    }

    /// Whether iterating gives keys (of a dict or a set), and nothing among the types that can be one can change.
    pub(super) fn gives_plain_keys(&self, value: &Value) -> bool {
        let types = self.types_in_class(value);
        let Some(types) = types.known() else { return false };
        let own = [value.ty];
        let owners = if value.ty == Type::Unknown { types } else { &own };
        let is_hashing = |ty: &Type| match ty {
            Type::Instance(path) => HASHING.contains(&self.facts.text(*path)),
            ty => matches!(ty, Type::Function(_)),
        };
        let held = self.held_by(value, owners);
        let held = held.as_deref().unwrap_or(types);
        !value.objects.is_empty() && owners.iter().all(is_hashing) && !held.iter().any(|&ty| self.can_be_key(ty))
    }

    /// Whether a value of unknown type may be a function, or a method bound to an object.
    pub(super) fn may_be_callable(&self, value: &Value) -> bool {
        let is_callable = |ty: &Type| matches!(ty, Type::Function(_) | Type::Class(_) | Type::Library(_));
        let types = || {
            value
                .among
                .as_deref()
                .map(<[Type]>::to_vec)
                .or_else(|| self.types_in_class(value).known().map(<[Type]>::to_vec))
        };
        value.ty == Type::Unknown && types().is_none_or(|types| types.iter().any(is_callable))
    }

    /// Iterates what a value may be as far as that changes it: iterators move on.
    pub(super) fn consume(&mut self, value: &Value) {
        for &object in &value.objects {
            if self.may_hold_iterators(object) {
                self.mutate_object(object, None);
            }
        }
    }

    /// Whether iterating changes nothing, whichever of its types the value has.
    pub(super) fn is_iterable_again(&mut self, value: &Value) -> bool {
        self.candidates(value).is_some() && !value.objects.clone().iter().any(|&object| self.may_hold_iterators(object))
    }

    /// The types of a value of unknown type that can be iterated, where all of its types tell.
    pub(super) fn iterable_types(&self, value: &Value) -> Option<Vec<Type>> {
        self.types_with(value, |this, ty| match ty {
            Type::Instance(path) => {
                let text = this.facts.text(path);
                this.knowledge.inherited(text, |t| t.iterate.as_ref()).map(|_| true)
            }
            Type::Object(class) if this.is_closed(class) => {
                Some(this.is_record(class) || ITERATION.iter().any(|m| this.method_of(class, m).is_some()))
            }
            Type::Function(_) => Some(false),
            _ => None,
        })
    }

    /// The types of a value of unknown type that have elements to be taken by `value[index]`, where all of them tell.
    pub(super) fn subscribed_types(&self, value: &Value) -> Option<Vec<Type>> {
        self.types_with(value, |this, ty| match ty {
            Type::Instance(path) => {
                let text = this.facts.text(path);
                let known = this.knowledge.inherited(text, |t| t.subscript.as_ref()).is_some();
                if known || is_container(text) { Some(known) } else { None }
            }
            Type::Object(class) if this.is_closed(class) => {
                Some(this.is_record(class) || this.method_of(class, "__getitem__").is_some())
            }
            Type::Function(_) => Some(false),
            _ => None,
        })
    }

    fn types_with(&self, value: &Value, has: impl Fn(&Self, Type) -> Option<bool>) -> Option<Vec<Type>> {
        let types = self.candidates(value).filter(|_| value.parts.is_none())?;
        let which: Option<Vec<bool>> = types.iter().map(|&ty| has(self, ty)).collect();
        Some(types.iter().zip(which?).filter(|(_, has)| *has).map(|(&ty, _)| ty).collect())
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
                    let has_others = |path: &str| self.knowledge.method(path, name).is_some();
                    if (self.has_exception_base(class) && has_others("BaseException"))
                        || (self.is_record(class) && (has_others("tuple") || name.starts_with('_')))
                    {
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

    /// Whether iterating over an instance, and taking elements of it, is what it is for a tuple.
    pub(super) fn is_plain_record(&self, class: CodeId) -> bool {
        self.is_record(class) && ITERATION.iter().all(|method| self.method_of(class, method).is_none())
    }

    /// Whether a value may go to another process, as far as its type says.
    pub(super) fn is_shippable(&self, value: &Value) -> bool {
        !matches!(self.kind(value), Kind::Unshippable(_))
    }
}

fn is_container(path: &str) -> bool {
    CONTAINERS.contains(&path)
}
