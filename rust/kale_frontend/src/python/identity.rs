//! Who may tell an object from an equal one.
//!
//! Names of one alias group travel together, so that what they share stays shared. But a cell that only looks at them may
//! be given copies that share nothing, each from the cell that made it, and need not wait for those that only made others
//! share with it. It would notice if it changed one of them, joined or bound some, or asked whether two are one object: by
//! `is`, or by what does so on its way, as comparing tuples, looking for an element or for a key, and copying a list with
//! all that is in it do.

use std::collections::BTreeSet;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::heap::ObjectId;
use super::names::top_level;
use super::value::{Type, Value};
use crate::fault::{Fault, planted};

/// Built-in functions that do not ask which object one is.
const BLIND: &[&str] = &[
    "abs",
    "all",
    "any",
    "ascii",
    "bool",
    "callable",
    "enumerate",
    "filter",
    "float",
    "hasattr",
    "int",
    "isinstance",
    "issubclass",
    "len",
    "list",
    "map",
    "next",
    "print",
    "range",
    "repr",
    "reversed",
    "round",
    "slice",
    "str",
    "sum",
    "tuple",
    "zip",
];

/// Functions, and whole modules, of libraries that do ask, also of arrays and frames.
const SEEING: &[&str] = &[
    "builtins.id",
    "dill",
    "cloudpickle",
    "joblib",
    "numpy.may_share_memory",
    "numpy.shares_memory",
    "operator",
    "weakref",
];

/// Methods of containers that compare what these hold with each other.
const COMPARING: &[&str] = &["count", "index", "remove", "sort"];

impl<'a> Analyzer<'a> {
    /// Compares the values with each other, as `==` does.
    pub(super) fn compare(&mut self, values: &[&Value], by_identity: bool) {
        let told = |value: &&&Value| if by_identity { has_object(value) } else { self.may_be_told(value) };
        let told: Vec<&Value> = values.iter().filter(told).copied().collect();
        if told.len() > 1 {
            self.note_compared(&told);
        }
    }

    /// Looks for the values among others: they are hashed, and compared with these.
    pub(super) fn look_for(&mut self, values: &[&Value], among: Option<&Value>) {
        if values.iter().any(|value| self.may_be_told(value)) {
            self.note_compared(values);
            self.note_compared(&among.into_iter().collect::<Vec<_>>());
        }
    }

    /// What a function of a library may compare.
    pub(super) fn note_compared_by(&mut self, path: &str, arguments: &Arguments<'a>) {
        // `map(operator.is_, a, b)` asks, too.
        let passed = arguments.all().filter_map(|value| match value.ty {
            Type::Library(path) => Some(self.facts.text(path)),
            _ => None,
        });
        if passed.chain([path]).any(asks_which) {
            return self.note_compared(&arguments.all().collect::<Vec<_>>());
        }
        if !path.strip_prefix("builtins.").is_some_and(|name| BLIND.contains(&name)) {
            self.note_compared_in(path, None, arguments);
        }
    }

    /// What a method may compare.
    pub(super) fn note_compared_by_method(&mut self, receiver: &Value, name: &str, arguments: &Arguments<'a>) {
        let path = self.type_path(receiver).unwrap_or_default().to_owned();
        if self.is_flat(receiver) && name == "is_" {
            self.note_compared(&[receiver]);
            self.note_compared(&arguments.all().collect::<Vec<_>>());
        }
        self.note_compared_in(&path, COMPARING.contains(&name).then_some(receiver), arguments);
    }

    /// Libraries of arrays and frames take lists of these for what they hold; the standard library looks at objects.
    fn note_compared_in(&mut self, path: &str, receiver: Option<&Value>, arguments: &Arguments<'a>) {
        let module = top_level(path);
        let sees = !path.contains('.') || module == "builtins" || self.knowledge.is_stdlib(module);
        let concerned = |value: &&Value| self.may_be_told(value) && (sees || !self.holds_flat(value));
        let concerned: Vec<&Value> = receiver.into_iter().chain(arguments.all()).filter(concerned).collect();
        self.note_compared(&concerned);
    }

    fn note_compared(&mut self, values: &[&Value]) {
        if planted(Fault::IdentityMissed) {
            return;
        }
        let objects = values.iter().flat_map(|value| value.objects.iter().copied());
        if self.in_module() {
            let cell = self.cell;
            self.facts.cells[cell].handled.extend(objects);
        } else if objects.count() > 0 {
            self.frame().effects.compares = true;
        }
    }

    /// Whether comparing the value may tell it from an equal one. Arrays and frames are compared by what is in them; what
    /// else has a library's type is in no group that goes apart.
    fn may_be_told(&self, value: &Value) -> bool {
        let is_other = |path: &str| path.contains('.') && !self.knowledge.is_stdlib(top_level(path));
        has_object(value)
            && !self.is_flat(value)
            && !self.holds_scalars(value)
            && !self.type_path(value).is_some_and(is_other)
    }

    pub(super) fn is_flat(&self, value: &Value) -> bool {
        self.of_type(value, |t| t.flat) == Some(true)
    }

    /// The same of a value that may have one of several types.
    pub(super) fn is_only_flat(&self, value: &Value) -> bool {
        let types = self.possible_types(value).filter(|types| !types.is_empty());
        types.is_some_and(|types| types.iter().all(|&ty| self.is_flat(&Value { ty, ..Value::immutable() })))
    }

    /// Whether it is a container of nothing but containers, arrays and frames.
    fn holds_flat(&self, value: &Value) -> bool {
        let types = self.types_in_class(value);
        types.known().is_some_and(|types| types.iter().all(|&ty| self.is_plain(ty) && !matches!(ty, Type::Object(_))))
    }

    /// Whether objects of the type are what is in them: copies of two that share something only differ from the two in
    /// sharing nothing.
    fn is_plain(&self, ty: Type) -> bool {
        self.is_exact(ty) || self.is_flat(&Value { ty, ..Value::immutable() })
    }

    /// At the end of the notebook, when no class grows any more: which class each version is a state of, if that may go
    /// apart, and which classes each cell compares.
    pub(super) fn note_classes(&mut self) {
        let heap = &mut self.frames[0].heap;
        let roots: Vec<Option<ObjectId>> =
            self.alias_classes.iter().map(|made| made.map(|object| heap.find(object))).collect();
        for cell in &mut self.facts.cells {
            cell.handled.iter_mut().for_each(|object| *object = heap.find(*object));
            cell.handled.sort();
            cell.handled.dedup();
        }
        let versions = || self.facts.versions.iter().zip(&roots);
        let by_value: BTreeSet<ObjectId> =
            versions().filter(|(v, _)| v.by_value).filter_map(|(_, root)| *root).collect();
        for (index, root) in roots.into_iter().enumerate() {
            let class = root.filter(|&root| self.may_part(root) && !by_value.contains(&root));
            self.facts.versions[index].alias_class = class;
        }
    }

    fn may_part(&self, root: ObjectId) -> bool {
        let class = self.frames[0].heap.peek(root);
        class.types.known().is_some_and(|types| !types.is_empty() && types.iter().all(|&ty| self.is_plain(ty)))
            && class.unshippable.is_none()
    }
}

fn asks_which(path: &str) -> bool {
    SEEING.iter().any(|of| path.strip_prefix(*of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Whether it is an object that could be told from another: not a number, say, or what a module has.
fn has_object(value: &Value) -> bool {
    !value.is_constant() && !value.objects.is_empty()
}
