//! Attributes: loaded from values, and set.

use std::collections::BTreeSet;

use ruff_text_size::TextRange;
use smallvec::smallvec;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::facts::Resource;
use super::heap::Unshippable;
use super::knowledge::CallFacts;
use super::methods::{Accessor, MethodKind};
use super::value::{Axes, CodeId, Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    pub fn attribute(&mut self, owner: &Value, name: &str, range: TextRange) -> Value {
        if matches!(owner.ty, Type::Class(_))
            && let Some(loaded) = self.load_from_class(owner, name, range)
        {
            return loaded;
        }
        match owner.ty {
            Type::Library(path) => {
                let path = self.facts.names.join(path, name);
                let canonical = self.knowledge.canonical(self.facts.text(path)).into_owned();
                self.library_attribute(&canonical, range)
            }
            Type::Immutable => Value::immutable(),
            Type::Instance(path) => {
                let text = self.facts.text(path).to_owned();
                let known = self.knowledge.attribute(&text, name);
                let is_method = name.starts_with("__") || self.knowledge.method(&text, name).is_some();
                let unknown = || self.knowledge.inherited(&text, |t| t.unknown_attributes.as_ref());
                match known.or_else(|| unknown().filter(|_| !is_method)) {
                    Some(facts) => {
                        let axes = if name == "T" { self.transposed(owner) } else { Axes::default() };
                        Value { axes, ..self.access(owner, facts, range) }
                    }
                    None if self.is_container(&text)
                        && self.knowledge.method(&text, name).is_some_and(CallFacts::only_returns) =>
                    {
                        let method = Type::Instance(self.name(LOOKING_METHOD));
                        self.learn(owner, method);
                        owner.part(method)
                    }
                    None if is_method => {
                        let method = self.name(BOUND_METHOD);
                        self.learn(owner, Type::Library(method));
                        owner.part(Type::Instance(method))
                    }
                    None => self.inside(owner),
                }
            }
            Type::Object(class) => self.object_attribute(owner, class, name, range),
            Type::Class(_) | Type::Function(_) if matches!(name, "__module__" | "__name__" | "__qualname__") => {
                Value::immutable()
            }
            // Attributes of a class without state are constants and functions.
            Type::Class(class) if self.is_stateless(owner) => {
                let ty = if self.is_member(class, name) { Type::Object(class) } else { Type::Unknown };
                Value { objects: smallvec![], ..owner.part(ty) }
            }
            Type::Function(_) if name == "__dict__" => {
                self.give_state(owner);
                self.inside(owner)
            }
            Type::Class(_) | Type::Function(_) => self.inside(owner),
            Type::Unknown => {
                self.invoke_methods(owner, range, is_accessor);
                match self.candidate_attribute(owner, name, range) {
                    Some(value) => value,
                    None => {
                        self.invoke_properties(owner, name, range);
                        self.learn(owner, Type::Unknown);
                        owner.part(Type::Unknown)
                    }
                }
            }
        }
    }

    fn object_attribute(&mut self, owner: &Value, class: CodeId, name: &str, range: TextRange) -> Value {
        match self.method_kind(class, name) {
            Some((method, MethodKind::Property)) => {
                return self.call_function(method, owner, Some(owner), &Arguments::default(), range);
            }
            Some((method, MethodKind::Kept)) => {
                let kept = self.call_function(method, owner, Some(owner), &Arguments::default(), range);
                self.mutate(owner);
                let at = self.attribute_name(name);
                self.put_at(owner, at, &kept);
                return kept.named();
            }
            Some((method, MethodKind::Plain)) => self.learn(owner, Type::Function(method)),
            Some((_, MethodKind::Decorated)) => {
                self.invoke_code(owner, range);
                self.invoke_defined(class, name, None, owner, &[], range);
                self.learn(owner, Type::Unknown);
            }
            None if let Some(given) = self.call_descriptor(owner, name, "__get__", &[], range) => {
                return given.named().join(&self.inside(owner));
            }
            None if name.starts_with("__") || (self.is_record(class) && is_of_records(name)) => {
                self.learn(owner, Type::Unknown)
            }
            None => {}
        }
        let mut given = vec![];
        if !self.is_closed(class) || self.method_of(class, "__getattr__").is_some() {
            given = self.invoke_methods(owner, range, is_accessor);
            self.learn(owner, Type::Unknown);
        }
        let at = self.attribute_name(name);
        let held = self.inside_at(owner, at);
        given.into_iter().fold(held, |held, given| self.either(held, &given.value.named()))
    }

    /// A value that a module holds. Changes of it are settings of the module, not of an object of the notebook.
    pub fn module_constant(&mut self, type_path: &str) -> Value {
        let value = self.typed(type_path);
        Value { objects: smallvec![], ..value }
    }

    fn library_attribute(&mut self, path: &str, range: TextRange) -> Value {
        if path == "os.environ" {
            let path = self.name("os._Environ");
            return Value { ty: Type::Instance(path), ..Value::immutable() };
        }
        self.note_library(path);
        self.use_member(path, range);
        if let Some(type_path) = self.knowledge.call(path).and_then(|c| c.value.as_deref()) {
            return self.module_constant(type_path);
        }
        let path = self.name(path);
        Value::library(path)
    }

    /// `del owner.name`.
    pub(super) fn delete_attribute(&mut self, owner: &Value, name: &str, range: TextRange) {
        if self.is_patch(owner, "__delattr__", name) {
            return self.note_patch();
        }
        if owner.ty == Type::Unknown {
            self.patch_definitions(owner, name, &Value::immutable(), range);
        }
        self.mutate(owner);
        self.invoke_accessors(owner, name, Accessor::Delete, &[], range);
        self.invoke_methods(owner, range, |name| name == "__delattr__");
        self.call_descriptor(owner, name, "__delete__", &[], range);
    }

    /// `getattr`, `hasattr`, `setattr`, `delattr` and `vars`, of objects of the notebook: what the attribute itself does.
    /// `None` where it is for the knowledge base to tell what comes of it.
    pub(super) fn attribute_call(&mut self, path: &str, arguments: &Arguments<'a>, range: TextRange) -> Option<Value> {
        let function = match path {
            "builtins.type.__setattr__" | "builtins.object.__setattr__" => "setattr",
            "builtins.type.__delattr__" | "builtins.object.__delattr__" => "delattr",
            _ => path.strip_prefix("builtins.").filter(|name| name.ends_with("attr") || *name == "vars")?,
        };
        let (owner, name, rest) = match arguments.positional.as_slice() {
            [(owner, _)] if function == "vars" => return Some(self.attribute(owner, "__dict__", range)),
            [(owner, _), (name, _), rest @ ..] => (owner, name, rest),
            _ => return None,
        };
        let given = rest.first().map(|(value, _)| value);
        let is_object = matches!(owner.ty, Type::Object(_) | Type::Unknown);
        let name = name.text.as_deref();
        match (function, given) {
            ("setattr", Some(value)) => {
                if name.is_none() {
                    self.invoke_any_accessor(owner, Accessor::Set, std::slice::from_ref(value), range);
                }
                self.set_attribute(owner, name.unwrap_or(UNKNOWN), value, range);
                Some(Value::none())
            }
            ("delattr", _) => {
                if name.is_none() {
                    self.invoke_any_accessor(owner, Accessor::Delete, &[], range);
                }
                self.delete_attribute(owner, name.unwrap_or(UNKNOWN), range);
                Some(Value::none())
            }
            ("getattr" | "hasattr", _) if is_object => match (name, given) {
                (None, _) => {
                    self.invoke_any_property(owner, range);
                    None
                }
                (Some(name), _) if function == "hasattr" => {
                    self.attribute(owner, name, range);
                    None
                }
                (Some(name), None) => Some(self.attribute(owner, name, range)),
                (Some(name), Some(default)) => {
                    let loaded = self.attribute(owner, name, range).named();
                    Some(self.either(loaded, default))
                }
            },
            _ => None,
        }
    }

    pub fn store_attribute(&mut self, owner: &Value, name: &str, value: &Value, range: TextRange) {
        self.set_attribute(owner, name, value, range);
        if self.owned.contains(name) {
            self.note_stored(owner, false);
        }
    }

    /// As [`Self::store_attribute`], of what may be a new object that nothing else refers to.
    pub(super) fn set_attribute(&mut self, owner: &Value, name: &str, value: &Value, range: TextRange) {
        if planted(Fault::MissedAttributeStore) {
            return;
        }
        if let Type::Library(path) = owner.ty {
            let path = self.facts.names.join(path, name);
            let text = self.facts.text(path).to_owned();
            self.set_option(&text);
            self.store_in_member(&text, value, range);
            self.call_ahead(value, range);
            self.note_library_patch(value);
            if STREAMS.contains(&text.as_str()) {
                // What is there has a state of its own: another one made elsewhere is not it.
                self.touch(Resource::Process(String::new()), true, range);
            }
            return;
        }
        if let Type::Class(class) = owner.ty {
            self.patch_method(class, name, value);
        }
        if self.is_patch(owner, "__setattr__", name) && (value.objects.is_empty() || self.is_stateless(value)) {
            self.note_patch();
            return self.call_ahead(value, range);
        }
        self.change_setting(owner);
        if name == "__dict__" {
            // Pickle writes what is in it, and makes another one.
            let type_path = self.name("object that has replaced its __dict__");
            self.holds_unshippable(owner, Unshippable { type_path });
        }
        let owners = self.possible_types(owner);
        let is_plain = |ty: &Type| matches!(ty, Type::Object(class) if self.sets_plainly(*class, name));
        match owners.filter(|types| types.iter().all(is_plain)) {
            Some(types) => {
                let is_exact = types.iter().all(|&ty| self.is_exact(ty));
                if owner.ty == Type::Unknown && !is_exact {
                    self.patch_definitions(owner, name, value, range);
                }
                // Nothing changes but the object itself, whatever else it may hold.
                self.mutate_parts(owner, Some(&types));
                let at = self.attribute_name(name);
                self.put_at(owner, at, value)
            }
            None => {
                if owner.ty == Type::Unknown {
                    self.patch_definitions(owner, name, value, range);
                }
                if matches!(owner.ty, Type::Function(_) | Type::Class(_)) {
                    self.give_state(owner);
                }
                self.mutate(owner);
                self.link(owner, value, false);
                self.intercept_store(owner, name, value, range);
            }
        }
    }

    /// `Model.score = score`: whether it is the attribute of a function or class without state, and only that.
    fn is_patch(&mut self, owner: &Value, hook: &str, name: &str) -> bool {
        let intercepts = match owner.ty {
            Type::Class(class) => [hook, name].iter().any(|hook| self.method_of_class(class, hook).is_some()),
            ref ty => !matches!(ty, Type::Function(_)),
        };
        !intercepts && self.is_stateless(owner)
    }

    /// Whatever uses the library from now on may call a function of the notebook: one that reads or changes variables
    /// does so there.
    fn note_library_patch(&mut self, value: &Value) {
        let mut code = self.codes(value);
        code.retain(|code| !self.library_patches.contains(code));
        self.library_patches.extend(code);
    }

    /// What may be called by way of libraries that the notebook has patched.
    pub(super) fn call_library_patches(&mut self, range: TextRange) {
        if !self.library_patches.is_empty() {
            let code = self.library_patches.iter().copied().collect();
            self.call_ahead(&Value { code, ..Value::immutable() }, range);
        }
    }

    /// As a setting, the patch is repeated wherever the class may be used.
    fn note_patch(&mut self) {
        self.change_interpreter();
        self.frame().effects.patches = true;
    }

    /// A class may say itself what setting an attribute does.
    fn intercept_store(&mut self, owner: &Value, name: &str, value: &Value, range: TextRange) {
        self.invoke_accessors(owner, name, Accessor::Set, std::slice::from_ref(value), range);
        match owner.ty {
            Type::Object(class) => {
                if let Some(method) = self.method_of(class, "__setattr__") {
                    let arguments = [Value::immutable(), value.clone()];
                    self.call_function(method, owner, Some(owner), &Arguments::of_values(&arguments), range);
                }
                self.call_descriptor(owner, name, "__set__", std::slice::from_ref(value), range);
            }
            Type::Class(class) => {
                if let Some(method) = self.method_of_class(class, "__setattr__") {
                    let arguments = [Value::immutable(), value.clone()];
                    self.call_function(method, owner, Some(owner), &Arguments::of_values(&arguments), range);
                }
            }
            Type::Unknown => {
                self.invoke_methods(owner, range, |name| matches!(name, "__setattr__" | "__set__"));
            }
            _ => {}
        }
    }

    /// `time.sleep = quick`: whoever calls the library's function calls the notebook's from now on. Where the patch is
    /// repeated, what its body reads has to be there, and what it changes is not the notebook's: so it counts as called
    /// here, as far as its variables go.
    fn call_ahead(&mut self, value: &Value, range: TextRange) {
        let before = std::mem::take(&mut self.frame().effects);
        self.invoke_code(value, range);
        let called = std::mem::replace(&mut self.frame().effects, before);
        let effects = &mut self.frame().effects;
        effects.mutates |= called.mutates;
        for (name, range) in called.reads {
            effects.reads.entry(name).or_insert(range);
        }
    }

    /// A value of unknown type whose attribute is set may be one of the functions or classes that it refers to.
    fn patch_definitions(&mut self, owner: &Value, name: &str, value: &Value, range: TextRange) {
        let (codes, types) = (self.codes(owner), self.types_in_class(owner));
        let names: BTreeSet<_> = codes.iter().filter_map(|code| self.definitions[code.index()].name).collect();
        for definition in names {
            let definition = self.read_variable(definition, range);
            if let Type::Class(class) = definition.ty {
                self.patch_method(class, name, value);
            }
            if types.known().is_some_and(|types| types.contains(&definition.ty)) {
                self.give_state(&definition);
            }
            self.mutate(&definition);
        }
    }
}

/// Stands for the name of an attribute that is not known: no hook and no attribute has it.
const UNKNOWN: &str = "";

/// Attributes of `sys` that what is printed or shown goes through.
const STREAMS: &[&str] = &["sys.stdout", "sys.stderr", "sys.stdin", "sys.displayhook", "sys.excepthook"];

/// A method of a library's object, taken without being called.
pub(super) const BOUND_METHOD: &str = "types.MethodType";

/// A method of a container that only looks at it: `counts.get`.
const LOOKING_METHOD: &str = "looking_method";

/// Attributes that tuples with names have besides these.
fn is_of_records(name: &str) -> bool {
    name.starts_with('_') || matches!(name, "count" | "index")
}

/// Methods that loading an attribute may call.
fn is_accessor(name: &str) -> bool {
    matches!(name, "__getattr__" | "__getattribute__" | "__get__")
}
