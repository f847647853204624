//! Alias classes: which abstract objects may share mutable state.
//!
//! A union-find forest after Steensgaard ("Points-to analysis in almost linear time", POPL 1996): storing one object in
//! another, or letting a call keep a reference, joins their classes for good. Names, on the other hand, are followed
//! flow-sensitively: rebinding a name leaves its class. All names bound to one class at a point form an alias group,
//! which travels between steps as one unit.
//!
//! Within a class there are *regions*: what leads from one object to another stays in one. An array that is put into two
//! containers joins the classes of both, but not their regions, for it leads to nothing; so a change of the one container
//! is none of the other, unless it is the array that changes. A function or class without state has a region of its own,
//! too, in the class of what holds it: they travel together, but nothing that happens to the others changes it.

use super::names::{Name, NameSet};
use super::types::Types;
use super::value::Codes;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(u32);

/// Where an object that a function body meets comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The argument bound to the parameter of this index.
    Parameter(usize),
    /// The module's variable.
    Global(Name),
    /// What the function object itself holds: defaults, captured variables, attributes.
    Own,
}

/// Why values of a class cannot be shipped to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unshippable {
    /// Path of the type, such as `builtins.generator`.
    pub type_path: Name,
}

#[derive(Clone, Debug, Default)]
pub struct AliasClass {
    /// Outside objects in this class; only in the heap of a function body.
    pub places: Vec<Place>,
    /// Names bound to it; only in the module's heap.
    pub members: NameSet,
    /// Some of its objects may share a buffer (numpy views), which pickling would separate.
    pub view: bool,
    /// Its objects are containers of immutable elements only.
    pub scalars: bool,
    pub code: Codes,
    /// It is one object without a name that only refers to others: an iterator, or a tuple that was just made. What is
    /// inside of it is not this object.
    pub shell: bool,
    /// Some object of it was changed, so that an array may have other axes now.
    pub changed: bool,
    /// It was joined with another one.
    pub joined: bool,
    /// The first of its objects that was made.
    pub oldest: u32,
    /// The types of its objects.
    pub types: Types,
    /// Something that cannot travel was stored in an object of this class.
    pub unshippable: Option<Unshippable>,
}

#[derive(Default)]
pub struct Heap {
    parent: Vec<u32>,
    /// A forest as `parent`, of the regions.
    regions: Vec<u32>,
    /// By the root of a region, whether it is a function or class object without state: calls that we cannot see into use
    /// it, but do not change it.
    stateless: Vec<bool>,
    /// By the root of a region, whether something that cannot travel was stored in an object of it.
    unshippable: Vec<bool>,
    classes: Vec<AliasClass>,
    /// Classes that were changed, joined or bound anew, possibly stale after unions.
    marked: Vec<ObjectId>,
    /// The oldest object that turned out to have more types, if any has since this was last taken.
    surprised: Option<u32>,
}

impl Heap {
    pub fn allocate(&mut self, mut class: AliasClass) -> ObjectId {
        let id = ObjectId(self.parent.len() as u32);
        class.oldest = id.0;
        self.parent.push(id.0);
        self.regions.push(id.0);
        self.stateless.push(false);
        self.unshippable.push(false);
        self.classes.push(class);
        id
    }

    /// A function or class object.
    pub fn allocate_code(&mut self, types: Types, stateless: bool) -> ObjectId {
        let id = self.allocate(AliasClass { types, ..AliasClass::default() });
        self.set_stateless(id, stateless);
        id
    }

    pub fn set_stateless(&mut self, object: ObjectId, stateless: bool) {
        let region = self.region(object);
        self.stateless[region as usize] = stateless;
    }

    /// Whether the object is a function or class without state.
    pub fn is_stateless(&self, object: ObjectId) -> bool {
        self.stateless[peek(&self.regions, object.0) as usize]
    }

    /// Something that cannot travel is stored in the object.
    pub fn mark_unshippable(&mut self, object: ObjectId) {
        let region = self.region(object);
        self.unshippable[region as usize] = true;
    }

    /// Whether the object may lead to something that cannot travel.
    pub fn leads_to_unshippable(&self, object: ObjectId) -> bool {
        self.unshippable[peek(&self.regions, object.0) as usize]
    }

    pub fn find(&mut self, object: ObjectId) -> ObjectId {
        ObjectId(root(&mut self.parent, object.0))
    }

    /// The region of an object.
    pub fn region(&mut self, object: ObjectId) -> u32 {
        root(&mut self.regions, object.0)
    }

    /// Whether a change of one object, or of `anything` in its class, may be one of the other.
    pub fn is_reached(&self, changed: ObjectId, other: ObjectId, anything: bool) -> bool {
        let region = peek(&self.regions, other.0);
        region == peek(&self.regions, changed.0) || (anything && !self.stateless[region as usize])
    }

    /// The class of an object, without path compression.
    pub fn peek(&self, object: ObjectId) -> &AliasClass {
        &self.classes[peek(&self.parent, object.0) as usize]
    }

    pub fn class(&mut self, object: ObjectId) -> &mut AliasClass {
        let root = self.find(object);
        &mut self.classes[root.0 as usize]
    }

    /// Joins two classes, and the regions of these two objects. Returns the surviving root of the classes.
    pub fn union(&mut self, a: ObjectId, b: ObjectId, view: bool) -> ObjectId {
        let (one, other) = (self.region(a), self.region(b));
        self.regions[one as usize] = other;
        self.stateless[other as usize] &= self.stateless[one as usize];
        self.unshippable[other as usize] |= self.unshippable[one as usize];
        self.union_apart(a, b, view)
    }

    /// Joins two classes, but not the regions; the class with more members absorbs the other.
    pub fn union_apart(&mut self, a: ObjectId, b: ObjectId, view: bool) -> ObjectId {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            if view {
                self.class(a).view = true;
            }
            return a;
        }
        let weight = |heap: &Heap, o: ObjectId| heap.classes[o.0 as usize].members.len();
        let (into, from) = if weight(self, a) >= weight(self, b) { (a, b) } else { (b, a) };
        let absorbed = std::mem::take(&mut self.classes[from.0 as usize]);
        self.parent[from.0 as usize] = into.0;
        let class = &mut self.classes[into.0 as usize];
        class.view |= absorbed.view | view;
        class.changed |= absorbed.changed;
        let before = class.types.clone();
        class.types.join(&absorbed.types);
        let learned = [(class.oldest, &before), (absorbed.oldest, &absorbed.types)];
        let surprised = learned.into_iter().filter(|(_, known)| **known != class.types).map(|(oldest, _)| oldest);
        self.surprised = self.surprised.into_iter().chain(surprised).min();
        class.oldest = class.oldest.min(absorbed.oldest);
        class.scalars = false;
        class.joined = true;
        class.shell = false;
        class.unshippable = class.unshippable.or(absorbed.unshippable);
        for code in absorbed.code {
            if !class.code.contains(&code) {
                class.code.push(code);
            }
        }
        for place in absorbed.places {
            if !class.places.contains(&place) {
                class.places.push(place);
            }
        }
        class.members.extend(absorbed.members);
        self.marked.push(into);
        into
    }

    /// The number of objects so far, below which all are older than what is allocated next.
    pub fn age(&self) -> u32 {
        self.parent.len() as u32
    }

    /// Whether the object was made when the heap was of this age or later, and shares nothing with any other.
    pub fn is_alone_since(&mut self, object: ObjectId, age: u32) -> bool {
        let class = self.class(object);
        let is_alone = !class.joined && !class.view && class.places.is_empty() && class.members.is_empty();
        is_alone && object.0 >= age
    }

    /// Gives up what is known of the types of objects.
    pub fn forget_types(&mut self) {
        self.classes.iter_mut().for_each(|class| class.types = Types::default());
    }

    /// Notes that the class has objects of these types.
    pub fn learn(&mut self, object: ObjectId, types: &Types) {
        self.learn_with(object, |known| known.join(types));
    }

    /// Notes more of the types of a class.
    pub fn learn_with(&mut self, object: ObjectId, more: impl FnOnce(&mut Types)) {
        let root = self.find(object);
        let class = &mut self.classes[root.0 as usize];
        let before = class.types.clone();
        more(&mut class.types);
        if class.types != before {
            let oldest = class.oldest;
            self.note_surprised([oldest]);
        }
    }

    /// Gives the oldest object that has turned out to have more types since the last call, by its age.
    pub fn take_surprised(&mut self) -> Option<u32> {
        self.surprised.take()
    }

    /// Notes that objects have turned out to have more types.
    pub fn note_surprised(&mut self, objects: impl IntoIterator<Item = u32>) {
        self.surprised = self.surprised.into_iter().chain(objects).min();
    }

    /// Notes that an object of the class was changed, joined or bound anew.
    pub fn mark(&mut self, object: ObjectId) {
        let root = self.find(object);
        self.marked.push(root);
    }

    /// Roots of the classes that were marked since the last call.
    pub fn take_marked(&mut self) -> Vec<ObjectId> {
        let mut roots: Vec<ObjectId> = std::mem::take(&mut self.marked);
        for root in &mut roots {
            *root = self.find(*root);
        }
        roots.sort();
        roots.dedup();
        roots
    }

    /// Every class, for reading off a function's summary.
    pub fn roots(&mut self) -> Vec<ObjectId> {
        (0..self.parent.len() as u32).map(ObjectId).filter(|o| self.parent[o.0 as usize] == o.0).collect()
    }
}

/// The root of an object's tree.
fn peek(forest: &[u32], object: u32) -> u32 {
    let mut at = object;
    while forest[at as usize] != at {
        at = forest[at as usize];
    }
    at
}

/// The root of an object's tree, to which its way is made shorter.
fn root(forest: &mut [u32], object: u32) -> u32 {
    let mut at = object;
    while forest[at as usize] != at {
        let up = forest[at as usize];
        forest[at as usize] = forest[up as usize];
        at = forest[at as usize];
    }
    at
}
