//! Reading and binding variables by the rules of Python's scopes.

use ruff_text_size::{TextRange, TextSize};
use smallvec::smallvec;

use super::analyzer::{Analyzer, Binding, Layer};
use super::effects::{Assumed, Outcome};
use super::facts::Source;
use super::heap::{AliasClass, ObjectId, Place};
use super::names::Name;
use super::scope::{self, Resolution, Uses};
use super::types::Types;
use super::value::{Axes, Codes, Type, Value};
use crate::fault::{Fault, planted};

/// Where a name lives, for the code being executed.
enum Home {
    /// A class body or comprehension of the current frame, by its index.
    Inner(usize),
    /// The function being executed.
    Frame,
    /// The function being executed, in a cell that functions inside of it share.
    Cell(Sharing),
    /// A function around it: part of what the closure holds.
    Captured,
    /// What never changes: a type parameter, the class that `super()` means.
    Constant,
    Module,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Read,
    /// A function inside declares it `nonlocal`, and may bind it whenever it is called.
    Bound,
}

impl<'a> Analyzer<'a> {
    /// Where a name lives, for the code being executed.
    fn home(&self, text: &str) -> Home {
        let frame = self.innermost();
        let mut from_inside = false;
        for (index, inner) in frame.inner.iter().enumerate().rev() {
            if from_inside && inner.is_class {
                continue;
            }
            match inner.scope.symbol(text) {
                Some(Resolution::Local | Resolution::Cell) => return Home::Inner(index),
                Some(Resolution::GlobalExplicit | Resolution::GlobalImplicit) => return Home::Module,
                Some(Resolution::Free) | None => from_inside = true,
            }
        }
        if self.in_module() {
            return Home::Module;
        }
        match frame.scope.resolve(text) {
            Resolution::Local => Home::Frame,
            Resolution::Cell => match frame.scope.uses_inside(text) {
                uses if uses.contains(Uses::DECLARED_NONLOCAL) => Home::Cell(Sharing::Bound),
                uses if uses.contains(Uses::REFERENCED) => Home::Cell(Sharing::Read),
                _ => Home::Frame,
            },
            Resolution::Free if frame.scope.captures_variable(text) => Home::Captured,
            Resolution::Free => Home::Constant,
            Resolution::GlobalExplicit | Resolution::GlobalImplicit => Home::Module,
        }
    }

    /// Reads a variable by the rules of the innermost scope.
    pub fn read(&mut self, text: &str, range: TextRange) -> Value {
        let private = self.private(text);
        let text = private.as_deref().unwrap_or(text);
        let name = self.name(text);
        match self.home(text) {
            _ if let Some(class) = self.class_meant(text) => self.read_variable(class, range),
            Home::Inner(index) => {
                let inner = &self.innermost().inner[index];
                let may_be_outside = inner.optional.contains(&name) && self.module_binding(name).is_some();
                let inner = &self.frame().inner[index];
                match inner.names.get(&name) {
                    Some(value) if may_be_outside => {
                        let value = value.clone();
                        let outside = self.read_variable(name, range);
                        self.either(value, &outside.named())
                    }
                    Some(value) => value.clone(),
                    None if inner.is_class => self.read_variable(name, range),
                    None => Value::immutable(),
                }
            }
            Home::Frame | Home::Cell(Sharing::Read) => self.local(name),
            Home::Cell(Sharing::Bound) => {
                let mut value = Value { ty: Type::Unknown, among: None, text: None, parts: None, ..self.local(name) };
                let cell = self.shared_cell(name);
                value.absorb(&cell);
                value
            }
            Home::Captured => self.captured(),
            Home::Constant => Value::immutable(),
            Home::Module => {
                self.note_deleted(name, range);
                self.read_variable(name, range)
            }
        }
    }

    /// In a class's methods, `__class__` is the class.
    fn class_meant(&mut self, text: &str) -> Option<Name> {
        let class = self.innermost().class_name.clone().filter(|_| text == "__class__")?;
        Some(self.name(&class))
    }

    /// What functions inside of the current one find in a variable that they share.
    fn shared_cell(&mut self, name: Name) -> Value {
        let frame = self.frame();
        let object = match frame.cells.get(&name) {
            Some(&object) => object,
            None => {
                let object = frame.heap.allocate(AliasClass { types: Types::none(), ..AliasClass::default() });
                frame.cells.insert(name, object);
                object
            }
        };
        let code = frame.heap.class(object).code.clone();
        Value { code, ..Value::object(Type::Unknown, object) }
    }

    fn local(&mut self, name: Name) -> Value {
        self.frame().lookup(name).map_or_else(Value::immutable, |binding| binding.value.clone())
    }

    /// What a new closure holds of a variable around it: what it is bound to, and what it will be bound to.
    pub(super) fn captures(&mut self, text: &str) -> Vec<Value> {
        let name = self.name(text);
        let held = match self.home(text) {
            Home::Inner(index) => {
                vec![self.frame().inner[index].names.get(&name).cloned().unwrap_or_else(Value::immutable)]
            }
            Home::Frame => vec![self.local(name)],
            Home::Cell(_) => vec![self.shared_cell(name), self.local(name)],
            Home::Captured => vec![self.captured()],
            Home::Constant | Home::Module => vec![],
        };
        held.into_iter().filter(|value| !value.objects.is_empty()).collect()
    }

    /// Notes a read that cannot but fail: of a deleted name, in a statement that certainly runs and is not tried.
    fn note_deleted(&mut self, name: Name, range: TextRange) {
        let module = &self.frames[0];
        let is_deleted = self.in_module() && module.lookup(name).is_some_and(|binding| binding.deleted);
        if is_deleted && module.layers.len() == 1 && !self.knowledge.is_builtin(self.facts.text(name)) {
            self.facts.cells[self.cell].deleted.push((name, range));
        }
    }

    /// The private name that `__x` means inside of a class.
    pub(super) fn private(&self, text: &str) -> Option<String> {
        let class = self.frames.last()?.class_name.as_deref()?;
        scope::mangled(class, text).map(String::from)
    }

    /// A variable of an enclosing function: part of what the closure holds.
    pub(super) fn captured(&mut self) -> Value {
        let frame = self.frame();
        let types = frame.own_types.clone();
        let own = frame.place_of(Place::Own, &types);
        let code = frame.own_code.clone();
        Value { code, ..Value::object(Type::Unknown, own) }
    }

    /// A module variable read by a function's body: what the body itself has bound it to, or else its type as it is now,
    /// its object as a place.
    pub fn read_global(&mut self, name: Name, range: TextRange) -> Value {
        let own = self.own_binding(name);
        match own {
            Some(own) if own.deleted => return self.builtin_or_unknown(name),
            Some(own) if !own.maybe_unbound => return own.value,
            _ => {}
        }
        let known = self.module_binding(name).map(|b| b.value.clone());
        let assumed = self.assumed(name);
        let frame = self.frame();
        frame.effects.reads.entry(name).or_insert(range);
        frame.assumptions.push((name, assumed.clone()));
        let written = frame.effects.writes.get(&name).cloned();
        let mut value = match known.zip(assumed) {
            Some((value, _)) if value.objects.is_empty() => value,
            Some((value, assumed)) => {
                let is_new = !frame.places.contains_key(&Place::Global(name));
                let object = frame.place_of(Place::Global(name), &assumed.types);
                frame.heap.class(object).scalars |= is_new && assumed.scalars;
                if is_new {
                    frame.heap.set_stateless(object, assumed.stateless);
                }
                Value { objects: smallvec![object], code: assumed.code, axes: Axes::default(), ..value }
            }
            None => return self.builtin_or_unknown(name),
        };
        if let Some(outcome) = written {
            value = self.written_global(name, value, &outcome);
        }
        value
    }

    /// The name under which a function's frame has what the function itself has bound a module variable to: one of its own
    /// variables may have the same name, in a class inside of it.
    fn own_name(&mut self, name: Name) -> Name {
        let text = format!("global {}", self.facts.text(name));
        self.name(&text)
    }

    /// Notes what a function itself has bound a module variable to, unless others may bind it anew while it waits.
    fn bind_own(&mut self, name: Name, binding: Binding) {
        if !self.frame().suspends {
            let own = self.own_name(name);
            self.frame().put(own, binding);
        }
    }

    fn own_binding(&mut self, name: Name) -> Option<Binding> {
        let effects = &self.frame().effects;
        if !effects.writes.contains_key(&name) && !effects.deletes.contains(&name) {
            return None;
        }
        let own = self.own_name(name);
        self.frame().lookup(own).cloned()
    }

    /// What a summary that reads the variable now depends on.
    pub(super) fn assumed(&self, name: Name) -> Option<Assumed> {
        let value = &self.module_binding(name)?.value;
        let classes = || value.objects.iter().map(|&object| self.frames[0].heap.peek(object));
        let mut code: Codes = value.code.iter().chain(classes().flat_map(|class| &class.code)).copied().collect();
        code.sort();
        code.dedup();
        let scalars = !value.objects.is_empty() && classes().all(|class| class.scalars);
        let is_stateless = |&object: &ObjectId| self.frames[0].heap.is_stateless(object);
        let stateless = !value.objects.is_empty() && value.objects.iter().all(is_stateless);
        let mut types = Types::none();
        classes().for_each(|class| types.join(&class.types));
        let may_be_none = value.may_be_none;
        Some(Assumed { ty: value.ty, among: value.among.clone(), may_be_none, scalars, stateless, types, code })
    }

    pub(super) fn written_global(&mut self, name: Name, mut value: Value, outcome: &Outcome) -> Value {
        let object = self.frame().place(Place::Global(name));
        value.ty = if value.ty == outcome.ty { value.ty } else { Type::Unknown };
        value.among = None;
        value.objects = smallvec![object];
        value.text = None;
        value.code.extend(outcome.code.iter().copied());
        self.learn_all(&value, &outcome.types);
        value
    }

    pub(super) fn builtin_or_unknown(&mut self, name: Name) -> Value {
        let text = self.facts.text(name).to_owned();
        if self.knowledge.is_builtin(&text) {
            let path = self.facts.names.intern(&format!("builtins.{text}"));
            return Value::library(path);
        }
        let object = self.frame().heap.allocate(AliasClass::default());
        Value::object(Type::Unknown, object)
    }

    /// A read of a module variable by the module's own code, or through a function that it calls.
    pub fn read_module(&mut self, name: Name, range: TextRange) -> Value {
        self.frames[0].effects.reads.entry(name).or_insert(range);
        let Some(binding) = self.frames[0].lookup(name).cloned() else {
            return self.read_unbound(name, range);
        };
        if binding.deleted {
            // That there is nothing, the cell has to find, too.
            if binding.version.is_some() {
                self.enter(name);
                self.uses.entry(name).or_insert(range);
            }
            return self.builtin_or_unknown(name);
        }
        let here = binding.cell == self.cell && binding.version.is_none();
        if !here || binding.outer {
            self.enter(name);
            self.uses.entry(name).or_insert(range);
        }
        let source =
            if here { Some(Source::Statement(binding.statement)) } else { binding.version.map(Source::Version) };
        if let Some(source) = source.filter(|s| *s != Source::Statement(self.statement)) {
            self.statement_reads.entry(name).or_insert(source);
        }
        binding.value
    }

    pub(super) fn read_unbound(&mut self, name: Name, range: TextRange) -> Value {
        let text = self.facts.text(name).to_owned();
        if is_history(&text) {
            self.frames[0].effects.history.push((text, range));
        } else if matches!(text.as_str(), "__annotations__" | "__doc__") {
            // Any cell may have had a part in it.
            self.frames[0].effects.dynamic.push((text, range));
        } else if !self.knowledge.is_builtin(&text) {
            self.facts.cells[self.cell].undefined.push((name, range));
        }
        self.builtin_or_unknown(name)
    }

    /// Notes the version with which a name enters the cell.
    pub(super) fn enter(&mut self, name: Name) {
        if !self.entry.contains_key(&name) {
            let version = self.frames[0].layers.iter().rev().find_map(|layer| layer.get(&name)).and_then(|b| b.version);
            let version = version.or_else(|| self.frames[0].layers[0].get(&name).and_then(|b| b.version));
            self.entry.insert(name, version);
        }
    }

    /// Binds a name by the rules of the innermost scope.
    pub fn bind_text(&mut self, text: &str, value: Value) {
        let private = self.private(text);
        let text = private.as_deref().unwrap_or(text);
        let name = self.name(text);
        match self.home(text) {
            Home::Inner(index) => self.bind_inside(index, name, value.named()),
            home @ (Home::Frame | Home::Cell(_)) => {
                if matches!(home, Home::Cell(_)) {
                    let cell = self.shared_cell(name);
                    self.link(&cell, &value, false);
                }
                let binding = Binding::local(value.named(), self.statement);
                self.frame().put(name, binding);
            }
            Home::Captured => {
                let own = self.captured();
                self.mutate(&own);
                self.link(&own, &value, false);
            }
            Home::Constant => {}
            Home::Module => self.write_global(name, &value),
        }
    }

    /// Whether what is being executed is in a branch of this class body or comprehension.
    fn is_in_branch_of(&self, index: usize) -> bool {
        let frame = self.innermost();
        frame.layers.len() > frame.inner[index].layers
    }

    /// Binds a name of a class body or comprehension. In a branch, it may keep its value.
    fn bind_inside(&mut self, index: usize, name: Name, value: Value) {
        let is_branch = self.is_in_branch_of(index);
        let known = self.frame().inner[index].names.get(&name).cloned();
        let value = match (is_branch, known) {
            (true, Some(known)) => self.either(known, &value),
            _ => value,
        };
        let inner = &mut self.frame().inner[index];
        if !is_branch {
            inner.optional.remove(&name);
        } else if !inner.names.contains_key(&name) {
            inner.optional.insert(name);
        }
        inner.names.insert(name, value);
    }

    /// `global x; x = value` in a function.
    pub fn write_global(&mut self, name: Name, value: &Value) {
        if self.in_module() {
            return self.bind(name, value.clone());
        }
        let place = self.frame().place(Place::Global(name));
        for &object in &value.objects {
            self.frame().heap.union(place, object, false);
        }
        let outcome = Outcome::opaque(value.ty, !value.objects.is_empty(), value.code.clone());
        let writes = &mut self.frame().effects.writes;
        // (The function may return between two of them.)
        let outcome = match writes.remove(&name) {
            Some(earlier) => earlier.or_opaque(outcome),
            None => outcome,
        };
        writes.insert(name, outcome);
        self.bind_own(name, Binding::local(value.clone().named(), self.statement));
    }

    /// `global x; del x` in a function.
    pub(super) fn delete_global(&mut self, name: Name) {
        if self.in_module() {
            return self.delete_module(name);
        }
        self.frame().effects.deletes.insert(name);
        let binding = Binding { deleted: true, ..Binding::local(Value::immutable(), self.statement) };
        self.bind_own(name, binding);
    }

    /// Binds a module variable.
    pub fn bind(&mut self, name: Name, value: Value) {
        let mut value = value.named();
        self.enter(name);
        self.unlink(name);
        self.mutated.remove(&name);
        if let Type::Class(code) = value.ty {
            self.definitions[code.index()].name.get_or_insert(name);
        }
        self.unite(name, &mut value);
        self.statement_binds.insert(name);
        let binding = Binding {
            value,
            cell: self.cell,
            statement: self.statement,
            outer: false,
            maybe_unbound: false,
            deleted: false,
            replay: false,
            version: None,
        };
        self.frames[0].put(name, binding);
    }

    /// The objects that a module variable may stand for become one alias group, and the name a member of it.
    pub(super) fn unite(&mut self, name: Name, value: &mut Value) {
        let Some((&first, rest)) = value.objects.split_first() else { return };
        let heap = &mut self.frames[0].heap;
        for &object in rest {
            heap.union(first, object, false);
        }
        heap.class(first).members.insert(name);
        heap.mark(first);
        // (Not the root of the class, which may be in another region.)
        value.objects = smallvec![first];
    }

    /// Binds a module variable that may also keep its value.
    pub fn bind_maybe(&mut self, name: Name, value: Value) {
        let before = self.frames[0].lookup(name).cloned();
        self.frames[0].layers.push(Layer::default());
        self.bind(name, value);
        let layer = self.frames[0].layers.pop().expect("it was pushed above");
        if let Some(binding) = layer.get(&name).cloned() {
            self.merge_binding(name, Some(binding), before);
        }
    }

    /// Takes a name out of the alias group it was bound to, unless a branch below still has it.
    pub(super) fn unlink(&mut self, name: Name) {
        if self.frames[0].layers.len() > 1 {
            return;
        }
        let Some(binding) = self.frames[0].layers[0].get(&name) else { return };
        let objects = binding.value.objects.clone();
        for object in objects {
            self.frames[0].heap.class(object).members.remove(&name);
        }
    }

    /// Before a loop: nobody will read what its targets are now, so that they need not be that or an element.
    pub(super) fn forget_dead_targets(&mut self, start: TextSize) {
        if !self.in_module() || self.frames[0].layers.len() > 1 {
            return;
        }
        for text in self.dead_targets.remove(&(self.cell, start)).into_iter().flatten() {
            let name = self.name(text);
            self.unlink(name);
            self.frames[0].layers[0].remove(&name);
        }
    }

    /// `del name`.
    pub fn delete(&mut self, text: &str) {
        let private = self.private(text);
        let text = private.as_deref().unwrap_or(text);
        let name = self.name(text);
        match self.home(text) {
            Home::Inner(index) => {
                let is_branch = self.is_in_branch_of(index);
                let inner = &mut self.frame().inner[index];
                match is_branch {
                    true => drop(inner.optional.insert(name)),
                    false => drop(inner.names.remove(&name)),
                }
            }
            Home::Captured => {
                let own = self.frame().place(Place::Own);
                self.mutate_object(own, None);
            }
            Home::Module => self.delete_global(name),
            Home::Frame | Home::Cell(_) | Home::Constant => {}
        }
    }

    pub fn delete_module(&mut self, name: Name) {
        if planted(Fault::DroppedDel) {
            return;
        }
        self.enter(name);
        self.unlink(name);
        self.statement_binds.insert(name);
        self.frames[0].effects.deletes.insert(name);
        let binding = Binding {
            deleted: true,
            cell: self.cell,
            version: None,
            ..Binding::local(Value::immutable(), self.statement)
        };
        self.frames[0].put(name, binding);
    }
}

/// IPython's history variables.
fn is_history(name: &str) -> bool {
    matches!(name, "_" | "__" | "___" | "_i" | "_ii" | "_iii" | "In" | "Out" | "_ih" | "_oh" | "_dh")
        || name
            .strip_prefix("_i")
            .or_else(|| name.strip_prefix('_'))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
