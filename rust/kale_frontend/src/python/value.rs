//! Abstract values: what the analysis knows of a Python object.

use std::borrow::Cow;
use std::rc::Rc;

use smallvec::{SmallVec, smallvec};

use super::heap::ObjectId;
use super::names::Name;

/// A function, lambda, generator body or class of the notebook: index into the analysis' table of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeId(u32);

impl CodeId {
    /// What is appended to a table of this many definitions.
    pub fn next(definitions: usize) -> CodeId {
        CodeId(definitions as u32)
    }

    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Of most values, few.
pub type Codes = SmallVec<[CodeId; 4]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    Unknown,
    /// Deeply immutable: int, float, str, bytes, bool, None, and tuples of these.
    Immutable,
    /// A module, function or class of a library, by its dotted path.
    Library(Name),
    /// An instance of a library's type, by the type's public path.
    Instance(Name),
    /// A function or lambda of the notebook.
    Function(CodeId),
    /// A class of the notebook.
    Class(CodeId),
    /// An instance of a class of the notebook.
    Object(CodeId),
}

/// What an expression may evaluate to.
#[derive(Debug, PartialEq)]
pub struct Value {
    pub ty: Type,
    /// Abstract objects that it may be, or share parts with. Empty for immutable values.
    pub objects: SmallVec<[ObjectId; 4]>,
    /// Of a value of unknown type: the types that it may have when it is not immutable. `None`: any of its objects' classes.
    pub among: Option<Rc<[Type]>>,
    /// Definitions of the notebook that using the value may call.
    pub code: Codes,
    /// The text, when the value is a string (or path) known before the run. Parameters appear as `{name}`.
    pub text: Option<Rc<str>>,
    /// It is, or may be, the literal `None`: an argument that is given, and says nothing.
    pub may_be_none: bool,
    /// Of an array: how many elements it has along its axes.
    pub axes: Axes,
    /// What unpacking it gives, where more is known than that each part shares with it. Only of a result that has no
    /// name yet: under a name, parts might change unseen.
    pub parts: Option<Rc<Parts>>,
}

/// As derived, except that small vectors are copied as a whole, those of one element without a call: values are cloned
/// all the time.
impl Clone for Value {
    fn clone(&self) -> Value {
        Value {
            ty: self.ty,
            objects: copied(&self.objects),
            among: self.among.clone(),
            code: copied(&self.code),
            text: self.text.clone(),
            may_be_none: self.may_be_none,
            axes: self.axes,
            parts: self.parts.clone(),
        }
    }
}

fn copied<T: Copy>(few: &SmallVec<[T; 4]>) -> SmallVec<[T; 4]> {
    match few.as_slice() {
        [] => SmallVec::new(),
        [one] => smallvec![*one],
        several => SmallVec::from_slice(several),
    }
}

/// The lengths of the first and, of at least two, of the last axis of an array; 0 where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    pub first: u8,
    pub last: u8,
}

/// One place of the tuples that `zip` and its like give. What it is is only known when it is taken, for containers grow.
#[derive(Clone, Debug, PartialEq)]
pub enum TuplePart {
    Immutable,
    /// What iterating over the value gives.
    Element(Value),
    /// What the value holds: the values of a dict.
    Held(Value),
}

/// What unpacking a value gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Parts {
    Each(Vec<Value>),
    /// Iterating gives tuples of these.
    Tuples(Vec<TuplePart>),
    /// Iterating makes new objects, of which this stands for each.
    New(Value),
    /// Iterating gives immutable objects, which are only made then, from this value.
    Immutable {
        source: Value,
    },
    /// Any number of values of a type; `separate` when they share nothing with each other.
    Alike {
        ty: Type,
        separate: bool,
    },
}

impl Value {
    pub fn immutable() -> Value {
        Value {
            ty: Type::Immutable,
            objects: smallvec![],
            among: None,
            code: smallvec![],
            text: None,
            may_be_none: false,
            axes: Axes::default(),
            parts: None,
        }
    }

    pub fn none() -> Value {
        Value { may_be_none: true, ..Value::immutable() }
    }

    pub fn text(text: impl Into<Rc<str>>) -> Value {
        Value { text: Some(text.into()), ..Value::immutable() }
    }

    pub fn library(path: Name) -> Value {
        Value { ty: Type::Library(path), ..Value::immutable() }
    }

    pub fn object(ty: Type, object: ObjectId) -> Value {
        Value { ty, objects: smallvec![object], ..Value::immutable() }
    }

    /// The same objects, seen as another type (an element, an attribute, a result that shares parts).
    pub fn part(&self, ty: Type) -> Value {
        Value { ty, objects: self.objects.clone(), code: self.code.clone(), ..Value::immutable() }
    }

    pub fn is_immutable(&self) -> bool {
        self.ty == Type::Immutable
    }

    /// Whether nothing about it can change: an immutable value, or a module, function or class of a library.
    pub fn is_constant(&self) -> bool {
        matches!(self.ty, Type::Immutable | Type::Library(_))
    }

    /// The value as it is once it has a name, or is held by another: it outlasts changes of what it was made from.
    pub fn named(mut self) -> Value {
        if let Some(Parts::Immutable { source }) = self.parts.take().as_deref() {
            self.absorb(source);
        }
        self
    }

    /// The same of a value that stays where it is.
    pub fn held(&self) -> Cow<'_, Value> {
        if self.parts.is_none() { Cow::Borrowed(self) } else { Cow::Owned(self.clone().named()) }
    }

    /// Whether it is a function or class, of the notebook or of a library.
    pub fn is_callable(&self) -> bool {
        matches!(self.ty, Type::Library(_) | Type::Function(_) | Type::Class(_))
    }

    /// The value that is one or the other.
    pub fn join(mut self, other: &Value) -> Value {
        self.among = match (self.possible(), other.possible()) {
            (Some(one), Some(two)) if self.ty != other.ty || self.among.is_some() => {
                Some(one.iter().chain(two.iter().filter(|ty| !one.contains(ty))).copied().collect())
            }
            _ => None,
        };
        if self.ty != other.ty {
            self.ty = Type::Unknown;
        }
        if self.text != other.text {
            self.text = None;
        }
        self.may_be_none |= other.may_be_none;
        if self.axes != other.axes {
            self.axes = Axes::default();
        }
        if self.parts != other.parts {
            self.parts = None;
        }
        self.absorb(other);
        self
    }

    /// The types that it may have when it is not immutable, as far as the value itself tells.
    fn possible(&self) -> Option<Cow<'_, [Type]>> {
        match self.ty {
            Type::Unknown => self.among.as_deref().map(Cow::Borrowed),
            Type::Immutable => Some(Cow::Borrowed(&[])),
            ty => Some(Cow::Owned(vec![ty])),
        }
    }

    /// Adds what `other` refers to, keeping the type.
    pub fn absorb(&mut self, other: &Value) {
        for &object in &other.objects {
            if !self.objects.contains(&object) {
                self.objects.push(object);
            }
        }
        for &code in &other.code {
            if !self.code.contains(&code) {
                self.code.push(code);
            }
        }
    }
}
