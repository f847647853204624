//! What `super()` means: the methods that come behind those of a class, in the order of the object's own class.

use std::collections::BTreeSet;

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Body, DefinitionKind};
use super::arguments::Arguments;
use super::classes::is_bare_base;
use super::methods::MethodKind;
use super::value::{CodeId, Type, Value};
use crate::fault::{Fault, planted};

/// `super()` in a method, or `super(Class, object)`.
pub struct Inherited {
    /// The class whose methods are passed over; several when one statement makes them.
    classes: Vec<CodeId>,
    object: Value,
}

impl Inherited {
    /// The same object, as something that may call any method of its classes.
    pub fn into_value(self) -> Value {
        self.object.part(Type::Unknown)
    }
}

impl<'a> Analyzer<'a> {
    /// What an expression means if it is a call of `super` for classes of the notebook.
    pub(super) fn inherited(&mut self, expr: &'a Expr) -> Option<Inherited> {
        self.inherited_from(expr.as_call_expr()?)
    }

    pub(super) fn inherited_from(&mut self, call: &'a ExprCall) -> Option<Inherited> {
        let callee = call.func.as_name_expr().filter(|name| name.id.as_str() == "super")?;
        let Type::Library(path) = self.read(&callee.id, callee.range()).ty else { return None };
        if self.facts.text(path) != "builtins.super" || planted(Fault::SuperMissed) {
            return None;
        }
        let (classes, object) = match &*call.arguments.args {
            [] => {
                let code = self.frame().code?;
                let DefinitionKind::Function(function) = &self.definitions[code.index()].kind else { return None };
                let parameter = function.parameters?.iter_non_variadic_params().next()?;
                let object = self.read(parameter.name(), call.range());
                (self.classes_around(code), object)
            }
            [Expr::Name(class), Expr::Name(object)] => {
                let Type::Class(class) = self.read(&class.id, class.range()).ty else { return None };
                (vec![class], self.read(&object.id, object.range()))
            }
            _ => return None,
        };
        (!classes.is_empty()).then_some(Inherited { classes, object })
    }

    /// The classes whose statement has the function among its methods.
    fn classes_around(&self, code: CodeId) -> Vec<CodeId> {
        let DefinitionKind::Function(function) = &self.definitions[code.index()].kind else { return vec![] };
        let address = function.body.address();
        let is_it = |statement: &Stmt| match statement {
            Stmt::FunctionDef(def) => Body::Statements(&def.body).address() == address,
            _ => false,
        };
        let has_it = |kind: &DefinitionKind| match kind {
            DefinitionKind::Class { statement: Some(class), .. } => class.body.iter().any(is_it),
            _ => false,
        };
        let classes = self.definitions.iter().enumerate().filter(|(_, definition)| has_it(&definition.kind));
        classes.map(|(index, _)| CodeId::next(index)).collect()
    }

    /// `super().name(...)`.
    pub(super) fn call_inherited(
        &mut self,
        inherited: &Inherited,
        name: &str,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        let effects = &mut self.frame().effects;
        (effects.calls, effects.expensive) = (true, true);
        let (owners, certain) = self.owners_behind(inherited, name);
        let mut results = vec![];
        for owner in &owners {
            let call = |this: &mut Self| this.call_method_of(*owner, name, &inherited.object, arguments, range);
            results.push(if certain { call(self) } else { self.perhaps(call) });
        }
        if owners.is_empty() || !certain {
            for &class in &inherited.classes {
                let call = |this: &mut Self| this.call_outside(class, name, &inherited.object, arguments, range);
                results.push(if owners.is_empty() { call(self) } else { self.perhaps(call) });
            }
        }
        results.into_iter().map(Value::named).reduce(|one, other| one.join(&other)).unwrap_or_else(Value::immutable)
    }

    /// The classes of the notebook of which one has the method that is meant, and whether it is certain. Where a class has
    /// several bases, the order depends on the class of the object: then each class that may be there is meant.
    fn owners_behind(&self, inherited: &Inherited, name: &str) -> (Vec<CodeId>, bool) {
        let makers = match inherited.object.ty {
            Type::Object(class) | Type::Class(class) => vec![class],
            _ => self.descendants(&inherited.classes),
        };
        let family = self.ancestors(&makers);
        if let [class] = *inherited.classes
            && family.iter().all(|class| self.bases(*class).len() < 2)
        {
            let mut above = self.ancestors(&self.class_bases(class)).into_iter();
            return (above.find(|class| self.has_method(*class, name)).into_iter().collect(), true);
        }
        let below = self.descendants(&inherited.classes);
        let owners = family.into_iter().filter(|class| !below.contains(class) && self.has_method(*class, name));
        (owners.collect(), false)
    }

    pub(super) fn bases(&self, class: CodeId) -> &[Type] {
        match &self.definitions[class.index()].kind {
            DefinitionKind::Class { bases, .. } => bases,
            DefinitionKind::Function(_) => &[],
        }
    }

    fn class_bases(&self, class: CodeId) -> Vec<CodeId> {
        let classes = self.bases(class).iter().filter_map(|base| match base {
            Type::Class(base) => Some(*base),
            _ => None,
        });
        classes.collect()
    }

    fn has_method(&self, class: CodeId, name: &str) -> bool {
        matches!(&self.definitions[class.index()].kind, DefinitionKind::Class { methods, .. } if methods.contains_key(name))
    }

    /// The classes and those that they are based on, each behind one that is based on it.
    pub(super) fn ancestors(&self, classes: &[CodeId]) -> Vec<CodeId> {
        let mut found = classes.to_vec();
        let mut next = 0;
        while let Some(&class) = found.get(next) {
            let new: Vec<CodeId> = self.class_bases(class).into_iter().filter(|base| !found.contains(base)).collect();
            found.extend(new);
            next += 1;
        }
        found
    }

    /// The classes and those that are based on them. (A class is defined behind its bases.)
    pub(super) fn descendants(&self, classes: &[CodeId]) -> Vec<CodeId> {
        let mut found: BTreeSet<CodeId> = classes.iter().copied().collect();
        for class in (0..self.definitions.len()).map(CodeId::next) {
            if self.class_bases(class).iter().any(|base| found.contains(base)) {
                found.insert(class);
            }
        }
        found.into_iter().collect()
    }

    fn call_method_of(
        &mut self,
        owner: CodeId,
        name: &str,
        object: &Value,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        let Some((method, kind)) = self.method_kind(owner, name) else { return Value::immutable() };
        let is_of_class = matches!(name, "__new__" | "__init_subclass__" | "__class_getitem__");
        if matches!(kind, MethodKind::Plain) && !is_of_class {
            return self.call_function(method, object, Some(object), arguments, range);
        }
        if self.definitions[method.index()].is_wrapped {
            return self.call_function(method, object, Some(object), arguments, range);
        }
        let values: Vec<Value> = arguments.all().cloned().chain([object.clone()]).collect();
        self.call_loosely(method, object, &values, range)
    }

    /// A method that a library's class has, or `object`.
    fn call_outside(
        &mut self,
        class: CodeId,
        name: &str,
        object: &Value,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        let is_plain = self.library_bases(class).iter().all(|&base| is_bare_base(self.facts.text(base)));
        match name {
            // `super().__call__(...)` in a metaclass.
            "__call__" if let Type::Class(made) = object.ty => self.instantiate(made, object, arguments, range),
            "__new__" | "__init_subclass__" | "__class_getitem__" => self.unknown_call(None, arguments, range),
            "__init__" | "__setattr__" | "__delattr__" => {
                self.mutate(object);
                arguments.all().for_each(|value| self.link(object, value, false));
                self.unknown_call(None, arguments, range)
            }
            "__repr__" | "__eq__" | "__ne__" | "__hash__" if is_plain => Value::immutable(),
            _ => self.call_base(class, Some(name), object, arguments, range),
        }
    }
}
