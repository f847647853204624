//! Calls: of the notebook's functions and classes by summary, of libraries by the knowledge base, of anything else
//! conservatively.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::{Ranged, TextRange};
use smallvec::{SmallVec, smallvec};

use super::analyzer::{Analyzer, DefinitionKind};
use super::arguments::Arguments;
use super::heap::ObjectId;
use super::knowledge::Unlisted;
use super::library::Caller;
use super::names::Name;
use super::operators::is_operator;
use super::results::THREAD;
use super::types::Types;
use super::value::{CodeId, Codes, Type, Value};
use crate::fault::{Fault, planted};

/// Code run on objects.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Invocation {
    codes: Vec<CodeId>,
    /// What the objects may call in turn.
    reachable: Vec<CodeId>,
    objects: Vec<ObjectId>,
    types: Types,
}

/// What a method of this name has given.
pub struct Given {
    pub name: String,
    pub value: Value,
}

impl<'a> Analyzer<'a> {
    pub fn call(&mut self, call: &'a ExprCall) -> Value {
        let range = call.range();
        let trusted = self.is_declared_pure(&call.func);
        if let Expr::Attribute(attribute) = call.func.as_ref() {
            if let Some(inherited) = self.inherited(&attribute.value) {
                let arguments = self.arguments(call);
                return self
                    .trusting(trusted, |this| this.call_inherited(&inherited, &attribute.attr, &arguments, range));
            }
            let receiver = self.evaluate(&attribute.value);
            if let Type::Library(_) = receiver.ty {
                let callee = self.attribute(&receiver, &attribute.attr, attribute.range());
                let arguments = self.arguments(call);
                return self.trusting(trusted, |this| this.call_with(&callee, &arguments, range));
            }
            let arguments = self.arguments(call);
            return self.trusting(trusted, |this| this.call_method(&receiver, &attribute.attr, &arguments, range));
        }
        if let Some(inherited) = self.inherited_from(call) {
            return inherited.into_value();
        }
        let callee = self.evaluate(&call.func);
        let arguments = self.arguments(call);
        self.trusting(trusted, |this| this.call_with(&callee, &arguments, range))
    }

    fn arguments(&mut self, call: &'a ExprCall) -> Arguments<'a> {
        let (positional, keywords) = (call.arguments.args.len(), call.arguments.keywords.len());
        let mut arguments = Arguments {
            positional: Vec::with_capacity(positional),
            keywords: Vec::with_capacity(keywords),
            spread: vec![],
        };
        for argument in &call.arguments.args {
            match argument {
                Expr::Starred(starred) => {
                    let value = self.evaluate(&starred.value);
                    let element = self.iterate(&value, starred.range());
                    match self.length(&value).filter(|_| arguments.spread.is_empty()) {
                        Some(length) => arguments.positional.extend((0..length).map(|_| (element.clone(), None))),
                        None => arguments.spread.push(element),
                    }
                }
                other => {
                    let value = self.evaluate(other);
                    arguments.positional.push((value, Some(other)));
                }
            }
        }
        for keyword in &call.arguments.keywords {
            let value = self.evaluate(&keyword.value);
            match &keyword.arg {
                Some(name) => arguments.keywords.push((name.as_str(), value, Some(&keyword.value))),
                None => {
                    let element = self.element(&value);
                    arguments.spread.push(element);
                }
            }
        }
        arguments
    }

    /// Calls a value with plain values.
    pub fn call_value(&mut self, callee: &Value, values: &[Value], range: TextRange) -> Value {
        self.call_with(callee, &Arguments::of_values(values), range)
    }

    fn call_with(&mut self, callee: &Value, arguments: &Arguments<'a>, range: TextRange) -> Value {
        match callee.ty {
            Type::Library(path) => {
                let path = self.facts.text(path).to_owned();
                self.call_library(&path, arguments, range)
            }
            Type::Function(code) => {
                self.frame().effects.calls = true;
                self.frame().effects.expensive = true;
                self.call_function(code, callee, None, arguments, range)
            }
            Type::Class(class) => {
                self.frame().effects.calls = true;
                self.frame().effects.expensive = true;
                match self.method_of_class(class, "__call__") {
                    Some(method) => self.call_function(method, callee, Some(callee), arguments, range),
                    None => self.instantiate(class, callee, arguments, range),
                }
            }
            Type::Object(class) => {
                self.frame().effects.calls = true;
                match self.method_of(class, "__call__") {
                    Some(method) => self.call_function(method, callee, Some(callee), arguments, range),
                    None => self.call_base(class, None, callee, arguments, range),
                }
            }
            Type::Instance(path) => {
                self.frame().effects.calls = true;
                match self.of_named_type(path, |t| t.call.as_ref()) {
                    Some(facts) => self.apply_facts(facts, Some(callee), arguments, Caller::Library, range),
                    None => self.unknown_call(Some(callee), arguments, range),
                }
            }
            Type::Immutable | Type::Unknown => {
                self.frame().effects.calls = true;
                match self.functions_among(callee) {
                    Some(functions) => self.call_either(&functions, callee, arguments, range),
                    None => self.unknown_call(Some(callee), arguments, range),
                }
            }
        }
    }

    /// The functions of the notebook of which a value of unknown type can only be one, or else nothing that can be called.
    fn functions_among(&self, callee: &Value) -> Option<Vec<CodeId>> {
        let mut functions = vec![];
        for ty in self.candidates(callee)? {
            match ty {
                Type::Function(code) => functions.push(code),
                Type::Instance(path) if self.is_container(self.facts.text(path)) => {}
                _ => return None,
            }
        }
        (!functions.is_empty()).then_some(functions)
    }

    fn call_either(
        &mut self,
        functions: &[CodeId],
        callee: &Value,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        self.frame().effects.expensive = true;
        self.one_of(functions, |this, code| {
            let callee = callee.part(Type::Function(code));
            this.call_function(code, &callee, None, arguments, range)
        })
    }

    fn call_method(&mut self, receiver: &Value, name: &str, arguments: &Arguments<'a>, range: TextRange) -> Value {
        let builtin = self.type_path(receiver).is_some_and(|path| !path.contains('.'));
        let effects = &mut self.frame().effects;
        effects.calls = true;
        effects.expensive |= !builtin && !receiver.is_immutable();
        match receiver.ty {
            Type::Object(class) => match self.method_of(class, name) {
                Some(method) => self.call_function(method, receiver, Some(receiver), arguments, range),
                None => self.call_base(class, Some(name), receiver, arguments, range),
            },
            Type::Class(class) => match self.method_of(class, name) {
                // `C.method(obj)`, a static method or a class method: which, does not matter when each parameter may
                // be the class or any argument.
                Some(method) => {
                    let values: Vec<Value> = arguments.all().cloned().chain([receiver.clone()]).collect();
                    self.call_loosely(method, receiver, &values, range)
                }
                None if self.registers_class(receiver, name) => {
                    arguments.all().next().cloned().unwrap_or_else(Value::immutable)
                }
                None if name == "__subclasses__" => self.subclasses(class, range),
                None if let Some(method) = self.method_of_class(class, name) => {
                    self.call_function(method, receiver, Some(receiver), arguments, range)
                }
                None => self.unknown_call(Some(receiver), arguments, range),
            },
            Type::Instance(path) if self.facts.text(path) == "os._Environ" => self.call_environment(name, arguments),
            Type::Instance(path) => {
                if matches!(name, "write" | "writelines" | "truncate" | "flush" | "close") {
                    self.write_stream(receiver, range);
                }
                if self.facts.text(path) == THREAD {
                    self.has_running_threads |= name == "start";
                    self.has_running_threads &= name != "join";
                }
                if let Some(facts) = self.of_named_type(path, |t| t.methods.get(name)) {
                    self.note_compared_by_method(receiver, name, arguments);
                    let caller = if builtin { Caller::Builtin } else { Caller::Library };
                    return self.apply_facts(facts, Some(receiver), arguments, caller, range);
                }
                match self.of_named_type(path, |t| t.unknown_methods.as_ref()) {
                    Some(Unlisted::Pure) => return self.inside(receiver),
                    Some(Unlisted::Facts(facts)) => self.apply_effects(facts, Some(receiver), arguments, range),
                    None => {}
                }
                self.touch_by_name(name, arguments, range);
                self.unknown_call(Some(receiver), arguments, range)
            }
            Type::Immutable => self.call_immutable_method(receiver, name, arguments, range),
            Type::Unknown => match self.types_with_method(receiver, name) {
                Some(types) => {
                    let results = types.into_iter().map(|ty| {
                        let objects = if ty == Type::Immutable { SmallVec::new() } else { receiver.objects.clone() };
                        let receiver = Value { objects, ..receiver.part(ty) };
                        self.call_method(&receiver, name, arguments, range)
                    });
                    let results: Vec<Value> = results.collect();
                    results.into_iter().reduce(|a, b| a.join(&b)).unwrap_or_else(Value::immutable)
                }
                None => {
                    self.touch_as_path(name, arguments, range);
                    self.touch_by_name(name, arguments, range);
                    self.unknown_call(Some(receiver), arguments, range)
                }
            },
            Type::Function(_) | Type::Library(_) => self.unknown_call(Some(receiver), arguments, range),
        }
    }

    /// A method (or, without a name, the call) that an object of the notebook's class has from a library's class. What
    /// it does to its arguments may be anything, because it may call back; what else is known of it happens, too.
    pub(super) fn call_base(
        &mut self,
        class: CodeId,
        name: Option<&str>,
        receiver: &Value,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        for base in self.library_bases(class) {
            let base = self.facts.text(base).to_owned();
            let made = self.knowledge.call(&base).and_then(|facts| facts.returns.clone()).unwrap_or(base);
            let facts = match name {
                Some(name) => self.knowledge.method(&made, name),
                None => self.knowledge.inherited(&made, |t| t.call.as_ref()),
            };
            if let Some(facts) = facts {
                self.apply_effects(facts, Some(receiver), arguments, range);
            }
        }
        self.unknown_call(Some(receiver), arguments, range)
    }

    /// Methods of `os.environ`: they read variables, or change them, which is a setting of the process.
    fn call_environment(&mut self, name: &str, arguments: &Arguments<'a>) -> Value {
        let variable = arguments.positional.first().map_or_else(Value::immutable, |(value, _)| value.clone());
        if matches!(name, "pop" | "popitem" | "setdefault" | "update" | "clear") {
            self.change_interpreter();
        }
        self.read_environment(&variable);
        Value::immutable()
    }

    /// Methods of strings, numbers and the like change nothing; some of them consume their arguments.
    fn call_immutable_method(
        &mut self,
        receiver: &Value,
        name: &str,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        for type_path in ["str", "bytes", "int", "float", "tuple"] {
            if let Some(facts) = self.knowledge.method(type_path, name) {
                return self.apply_facts(facts, Some(receiver), arguments, Caller::Builtin, range);
            }
        }
        if arguments.all().all(Value::is_constant) {
            Value::immutable()
        } else {
            self.unknown_call(None, arguments, range)
        }
    }

    /// A new instance of a class of the notebook.
    pub(super) fn instantiate(
        &mut self,
        class: CodeId,
        callee: &Value,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) -> Value {
        let mut instance = self.fresh(Type::Object(class));
        if let Some(inherited) = self.class_contents(class) {
            let held = inherited.iter().find_map(|&(_, ty)| self.unshippable(&Value { ty, ..Value::immutable() }));
            let held = held.filter(|_| !self.pickles_itself(class));
            let mut types = Types::empty(Type::Object(class));
            inherited.into_iter().for_each(|held| types.insert_held(Type::Object(class), held));
            for &object in &instance.objects {
                let made = self.frame().heap.class(object);
                (made.types, made.unshippable) = (types.clone(), held);
                if held.is_some() {
                    self.frame().heap.mark_unshippable(object);
                }
            }
        }
        let metaclass = self.metaclass_of(class);
        instance.code = callee.code.iter().copied().filter(|code| Some(*code) != metaclass).collect();
        if !self.is_named_definition(callee) {
            self.link(&instance, callee, false);
        }
        for constructor in ["__new__", "__init__"] {
            if let Some(method) = self.method_of(class, constructor) {
                let given = self.call_function(method, &instance.clone(), Some(&instance.clone()), arguments, range);
                // `__new__` may give something that is there already.
                if given.objects.iter().any(|&object| self.is_from_outside(object)) {
                    self.link(&instance, &given, false);
                }
            }
        }
        let has_init = self.method_of(class, "__init__").is_some();
        if !has_init || !self.is_closed(class) || self.has_exception_base(class) {
            self.keep_arguments(class, &mut instance, arguments);
        }
        for factory in self.factories(class, range) {
            let callee = Value { ty: Type::Function(factory), ..Value::immutable() };
            let made = self.perhaps(|this| this.call_function(factory, &callee, None, &Arguments::default(), range));
            self.link(&instance, &made, false);
        }
        if let Some(method) = self.method_of(class, "__post_init__") {
            self.call_function(method, &instance.clone(), Some(&instance.clone()), arguments, range);
        }
        let is_plain = |value: &Value| value.is_immutable() && value.code.is_empty();
        if self.has_frozen_instances(class) && arguments.all().all(is_plain) {
            instance.objects = smallvec![];
        }
        instance
    }

    fn is_from_outside(&mut self, object: ObjectId) -> bool {
        let class = self.frame().heap.class(object);
        !class.members.is_empty() || !class.places.is_empty()
    }

    /// Where the class does not say what becomes of the arguments, the instance holds them; one of a data class each in
    /// the attribute of its field.
    fn keep_arguments(&mut self, class: CodeId, instance: &mut Value, arguments: &Arguments<'a>) {
        let is_plain = self.method_of(class, "__new__").is_none() && self.sets_plainly(class, "");
        let fields = if arguments.spread.is_empty() { self.fields(class) } else { vec![] };
        let positional = arguments.positional.iter().enumerate().map(|(i, (value, _))| (fields.get(i).copied(), value));
        let keywords = arguments.keywords.iter().map(|(name, value, _)| {
            let field = self.facts.names.get(name).filter(|name| fields.contains(name));
            (field, value)
        });
        let kept: Vec<(Option<Name>, Value)> = positional
            .chain(keywords)
            .chain(arguments.spread.iter().map(|value| (None, value)))
            .map(|(field, value)| (field, value.clone()))
            .collect();
        for (field, value) in kept {
            match is_plain {
                true => self.put_at(instance, field, &value),
                false => self.link(instance, &value, false),
            }
            instance.code.extend(value.code.iter().copied());
        }
    }

    /// A call that we cannot see into: it may change its receiver and arguments, and its result may be part of them.
    pub fn unknown_call(&mut self, receiver: Option<&Value>, arguments: &Arguments<'a>, range: TextRange) -> Value {
        let named = |value: &Value| value.clone().named();
        let participants: Vec<Value> = receiver.into_iter().chain(arguments.all()).map(named).collect();
        let mut returned = vec![];
        for value in &participants {
            returned.extend(self.invoke_code_with(value, &participants, range));
        }
        if let Some(receiver) = receiver {
            self.change_setting(receiver);
        }
        self.frame().effects.unknown_calls = true;
        if receiver.is_some_and(|receiver| matches!(receiver.ty, Type::Unknown | Type::Immutable)) {
            for generator in self.held_rngs.clone() {
                self.draw(generator, range);
            }
        }
        let mut result = self.fresh(Type::Unknown);
        for value in returned.iter().filter(|value| !value.objects.is_empty()) {
            self.link(&result, &value.part(Type::Unknown), false);
            result.absorb(&Value { objects: smallvec![], ..value.clone() });
        }
        for value in &participants {
            self.note_code(&result, value);
            if value.objects.is_empty() || self.is_named_definition(value) {
                continue;
            }
            if !self.is_stateless(value) {
                self.mutate(value);
            }
            self.link(&result, &value.part(Type::Unknown), true);
        }
        for value in &participants {
            for code in &value.code {
                if !result.code.contains(code) {
                    result.code.push(*code);
                }
            }
        }
        result
    }

    /// A call that is not followed: as far as objects go, anything may happen to them.
    pub fn opaque_call(&mut self, participants: &[Value]) -> Value {
        self.frame().effects.unknown_calls = true;
        let mut result = self.fresh(Type::Unknown);
        for value in participants.iter().filter(|value| !value.objects.is_empty()) {
            if !self.is_stateless(value) {
                self.mutate(value);
                self.link(&result, &value.part(Type::Unknown), true);
            }
            result.absorb(&Value { objects: smallvec![], ..value.clone() });
        }
        result
    }

    /// The notebook's definitions that using `value` may call, itself or through what it holds.
    pub(super) fn codes(&mut self, value: &Value) -> Codes {
        let mut codes = value.code.clone();
        for &object in &value.objects {
            codes.extend(self.frame().heap.class(object).code.iter().copied());
        }
        codes.sort();
        codes.dedup();
        codes
    }

    /// Runs the notebook's code that using `value` may run.
    pub fn invoke_code(&mut self, value: &Value, range: TextRange) {
        self.invoke_code_with(value, std::slice::from_ref(value), range);
    }

    /// Runs what moving an iterator on may run: its own code, and what iteration and operators call of objects. Where
    /// there is something else to be called among what it holds (`map(obj.method, x)`), anything.
    pub(super) fn invoke_iteration(&mut self, value: &Value, range: TextRange) {
        // What a generator makes immutable objects of may change by that.
        let value = &*value.held();
        let types = self.types_in_class(value);
        let calls_nothing = |ty: &Type| match *ty {
            Type::Instance(path) => self.is_container(self.facts.text(path)),
            ty => self.is_exact(ty),
        };
        if !types.known().is_some_and(|types| types.iter().all(calls_nothing)) {
            // What is called gets what the iterator gives, and not the iterator.
            let given = Value { ty: Type::Unknown, ..self.without_shell(value) };
            return self.invoke_code(&given, range);
        }
        for code in self.codes(value) {
            if matches!(self.definitions[code.index()].kind, DefinitionKind::Function { .. })
                && !planted(Fault::CallbackMissed)
            {
                self.perhaps(|this| this.call_loosely(code, value, std::slice::from_ref(value), range));
            }
        }
        self.invoke_methods(value, range, |name| is_operator(name) || name == "__call__");
    }

    /// Runs it with these participants as arguments; gives what it may return.
    pub fn invoke_code_with(&mut self, value: &Value, participants: &[Value], range: TextRange) -> Vec<Value> {
        let value = &*value.held();
        let codes = if planted(Fault::CallbackMissed) { Codes::new() } else { self.codes(value) };
        // Within a function's body, running the same code on the same objects once more adds nothing to its summary: what
        // it returned then. The module's names, on the other hand, are followed from statement to statement.
        let invocation = (!self.in_module()).then(|| self.invocation(&codes, value, participants));
        if let Some(known) = invocation.as_ref().and_then(|invocation| self.frame().invoked.get(invocation)) {
            return known.clone();
        }
        let mut returned = vec![];
        for code in codes {
            let methods: Vec<CodeId> = match &self.definitions[code.index()].kind {
                DefinitionKind::Function { .. } => vec![code],
                DefinitionKind::Class { methods, .. } => methods.values().copied().collect(),
            };
            for method in methods {
                returned.push(self.perhaps(|this| this.call_loosely(method, value, participants, range)));
            }
        }
        let frame = self.frame();
        // Order matters for names that the body itself binds.
        if frame.effects.writes.is_empty() && frame.effects.deletes.is_empty() {
            frame.invoked.extend(invocation.map(|invocation| (invocation, returned.clone())));
        }
        returned
    }

    fn invocation(&mut self, codes: &[CodeId], value: &Value, participants: &[Value]) -> Invocation {
        let heap = &mut self.frame().heap;
        let mut objects: Vec<_> = participants.iter().chain([value]).flat_map(|v| v.objects.iter().copied()).collect();
        objects.iter_mut().for_each(|object| *object = heap.find(*object));
        objects.sort();
        objects.dedup();
        let mut reachable: Vec<_> = participants.iter().flat_map(|v| v.code.iter().copied()).collect();
        reachable.sort();
        reachable.dedup();
        let mut types = self.types_in_class(value);
        participants.iter().for_each(|participant| types.join(&self.types_in_class(participant)));
        Invocation { codes: codes.to_vec(), reachable, objects, types }
    }

    /// Runs those methods of the notebook's classes that an operation on `value` may call.
    pub fn invoke_methods(&mut self, value: &Value, range: TextRange, which: fn(&str) -> bool) -> Vec<Given> {
        self.invoke_methods_of(value, range, |_, _, name| which(name))
    }

    /// The same, where which ones depends on the class.
    pub(super) fn invoke_methods_of(
        &mut self,
        value: &Value,
        range: TextRange,
        which: impl Fn(&Self, CodeId, &str) -> bool,
    ) -> Vec<Given> {
        let mut given = vec![];
        for code in self.codes(value) {
            let DefinitionKind::Class { methods, .. } = &self.definitions[code.index()].kind else { continue };
            let chosen = methods.iter().filter(|(name, _)| which(self, code, name));
            let chosen: Vec<(String, CodeId)> = chosen.map(|(name, method)| (name.clone(), *method)).collect();
            for (name, method) in chosen {
                let value = self.perhaps(|this| this.call_loosely(method, value, std::slice::from_ref(value), range));
                given.push(Given { name, value });
            }
        }
        given
    }

    /// Calls a function with arguments of which we only know the set.
    pub(super) fn call_loosely(&mut self, code: CodeId, callee: &Value, values: &[Value], range: TextRange) -> Value {
        let alternatives = self.definitions[code.index()].alternatives.clone();
        if !alternatives.is_empty() {
            return self.one_of(&alternatives, |this, code| this.call_loosely(code, callee, values, range));
        }
        let mut any = Value { ty: Type::Unknown, ..Value::immutable() };
        for value in values.iter().filter(|value| !self.is_stateless(value) || value.objects.is_empty()) {
            any.absorb(value);
        }
        let arguments = Arguments { spread: vec![any], ..Arguments::default() };
        self.call_function(code, callee, None, &arguments, range)
    }
}
