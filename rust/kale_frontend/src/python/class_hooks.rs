//! Code of the notebook that runs on classes themselves: metaclasses, what a class does when one is based on it, and
//! descriptors, which say what loading and setting an attribute does.

use ruff_text_size::TextRange;

use super::analyzer::{Analyzer, DefinitionKind};
use super::arguments::Arguments;
use super::methods::MethodKind;
use super::value::{CodeId, Type, Value};

/// What making a class calls of its metaclass.
const MAKING: &[&str] = &["__new__", "__init__"];

impl<'a> Analyzer<'a> {
    /// The metaclass, where it is a class of the notebook.
    pub(super) fn metaclass_of(&self, class: CodeId) -> Option<CodeId> {
        match &self.definitions[class.index()].kind {
            DefinitionKind::Class { metaclass, .. } => *metaclass,
            DefinitionKind::Function(_) => None,
        }
    }

    /// The metaclass that a class gets from its own statement, or from its bases.
    pub(super) fn metaclass_among(&self, own: Option<&Value>, bases: &[Type]) -> Option<CodeId> {
        let inherited = || {
            bases.iter().find_map(|base| match base {
                Type::Class(base) => self.metaclass_of(*base),
                _ => None,
            })
        };
        match own.map(|own| own.ty) {
            Some(Type::Class(own)) => Some(own),
            _ => inherited(),
        }
    }

    /// A method that the class itself has, from its metaclass.
    pub(super) fn method_of_class(&self, class: CodeId, name: &str) -> Option<CodeId> {
        self.method_of(self.metaclass_of(class)?, name)
    }

    /// Making a class calls its metaclass, `__set_name__` of its attributes, and `__init_subclass__` of its bases. If
    /// there is code of the notebook among that, the class is noted as announced: made again, it would run that code again.
    pub(super) fn announce_class(
        &mut self,
        class: CodeId,
        value: &Value,
        metaclass: Option<&Value>,
        attributes: &[(String, Value)],
        range: TextRange,
    ) {
        let mut hooks: Vec<(CodeId, Value, Arguments<'a>)> = vec![];
        let attribute_values = || attributes.iter().map(|(_, attribute)| attribute.clone());
        let given = || Arguments { spread: attribute_values().collect(), ..Arguments::default() };
        match self.metaclass_of(class) {
            Some(made_by) => {
                for name in MAKING {
                    hooks.extend(self.method_of(made_by, name).map(|method| (method, value.clone(), given())));
                }
                hooks.extend(self.method_of(made_by, "__prepare__").map(|method| (method, value.clone(), given())));
            }
            None => metaclass.iter().for_each(|made_by| {
                self.invoke_code_with(made_by, std::slice::from_ref(value), range);
            }),
        }
        for attribute in attribute_values() {
            for code in self.codes(&attribute) {
                if let (DefinitionKind::Class { .. }, Some(method)) =
                    (&self.definitions[code.index()].kind, self.method_of(code, "__set_name__"))
                {
                    let arguments = Arguments::of_values(&[value.clone(), Value::immutable()]);
                    hooks.push((method, attribute.clone(), arguments));
                }
            }
        }
        for base in self.bases(class).to_vec() {
            if let Type::Class(base) = base {
                let hook = self.method_of(base, "__init_subclass__");
                hooks.extend(hook.map(|hook| (hook, value.clone(), given())));
            }
        }
        self.definitions[class.index()].is_announced = !hooks.is_empty() || self.metaclass_of(class).is_some();
        for (hook, receiver, arguments) in hooks {
            self.call_function(hook, &receiver, Some(&receiver), &arguments, range);
        }
    }

    /// `Class[item]`.
    pub(super) fn subscribe_class(&mut self, owner: &Value, index: &Value, range: TextRange) -> Option<Value> {
        let Type::Class(class) = owner.ty else { return None };
        let method = self.method_of_class(class, "__getitem__");
        let method = method.or_else(|| self.method_of(class, "__class_getitem__"))?;
        Some(self.call_function(method, owner, Some(owner), &Arguments::of_values(std::slice::from_ref(index)), range))
    }

    /// `Class.__subclasses__()`: all classes that the notebook has based on it so far, by their names.
    pub(super) fn subclasses(&mut self, class: CodeId, range: TextRange) -> Value {
        self.asks_subclasses = true;
        let mut found = vec![];
        for below in self.descendants(&[class]).into_iter().filter(|below| *below != class) {
            if let Some(name) = self.definitions[below.index()].name {
                found.push(self.read_variable(name, range));
            }
        }
        self.container(&found, "list")
    }

    /// Loading an attribute of a class: its metaclass may say what that does.
    pub(super) fn load_from_class(&mut self, owner: &Value, name: &str, range: TextRange) -> Option<Value> {
        let Type::Class(class) = owner.ty else { return None };
        let metaclass = self.metaclass_of(class)?;
        let mut loaded: Option<Value> = None;
        for accessor in ["__getattribute__", "__getattr__"] {
            if let Some(method) = self.method_of(metaclass, accessor) {
                let arguments = Arguments::of_values(&[Value::immutable()]);
                let given = self.perhaps(|this| this.call_function(method, owner, Some(owner), &arguments, range));
                loaded = Some(loaded.map_or(given.clone(), |other| other.join(&given)));
            }
        }
        if let Some((method, MethodKind::Property | MethodKind::Decorated)) = self.method_kind(metaclass, name) {
            return Some(self.call_function(method, owner, Some(owner), &Arguments::default(), range));
        }
        loaded.map(|loaded| loaded.named().join(&self.inside(owner)))
    }

    /// The method of a descriptor that a class has under the name of an attribute.
    fn descriptor_method(&self, class: CodeId, name: &str, method: &str) -> Option<CodeId> {
        let name = self.facts.names.get(name)?;
        self.ancestors(&[class]).into_iter().find_map(|class| {
            let DefinitionKind::Class { holds: Some(holds), .. } = &self.definitions[class.index()].kind else {
                return None;
            };
            holds.iter().filter(|(at, _)| *at == Some(name)).find_map(|(_, ty)| match ty {
                Type::Object(descriptor) => self.method_of(*descriptor, method),
                _ => None,
            })
        })
    }

    /// An attribute of an instance, or of the class, may be what a descriptor gives or takes.
    pub(super) fn call_descriptor(
        &mut self,
        owner: &Value,
        name: &str,
        method: &str,
        given: &[Value],
        range: TextRange,
    ) -> Option<Value> {
        let (Type::Object(class) | Type::Class(class)) = owner.ty else { return None };
        let method = self.descriptor_method(class, name, method)?;
        let descriptor = self.inside(owner);
        let arguments: Vec<Value> = std::iter::once(owner).chain(given).cloned().collect();
        Some(self.call_function(method, &descriptor, Some(&descriptor), &Arguments::of_values(&arguments), range))
    }
}
