//! Functions, lambdas, generator expressions and classes of the notebook.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Decorator, Expr, ExprGenerator, ExprLambda, Parameters, Stmt, StmtClassDef, StmtFunctionDef, TypeParams,
};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Body, Definition, DefinitionKind, Function, Inner};
use super::heap::Class;
use super::names::Name;
use super::scope::{ScopeKind, ScopeRef};
use super::types::Types;
use super::value::{CodeId, Parts, Type, Value};
use crate::fault::{Fault, planted};

impl Body<'_> {
    /// Where the body stands in the syntax tree, which is its identity.
    pub fn address(&self) -> usize {
        match self {
            Body::Statements(statements) => statements.as_ptr().addr(),
            Body::Expression(expression) => std::ptr::from_ref(*expression).addr(),
            Body::Generator(generator) => std::ptr::from_ref(*generator).addr(),
        }
    }
}

impl<'a> Analyzer<'a> {
    pub fn define_function(&mut self, statement: &'a StmtFunctionDef) {
        let scope = self.scope_of(ScopeKind::Function, statement.range());
        let parameters = Some(statement.parameters.as_ref());
        let code = self.add_definition(parameters, Body::Statements(&statement.body), scope, statement.is_async);
        let is_generic = self.enter_type_parameters(statement.type_params.as_deref());
        let held = self.evaluate_signature(parameters, statement.returns.as_deref());
        if is_generic {
            self.frame().inner.pop();
        }
        let value = self.function_value(code, scope, &held);
        if patches(&statement.body, &statement.name) {
            value.objects.iter().for_each(|&object| self.frame().heap.class(object).definition = false);
        }
        let value = self.decorate(value, &statement.decorator_list);
        self.name_definition(code, &statement.name);
        self.bind_text(&statement.name, value);
    }

    /// The scope that a syntax node of the code being executed opens.
    pub fn scope_of(&mut self, kind: ScopeKind, node: TextRange) -> ScopeRef<'a> {
        let around = self.frame().scope;
        around.opened_by(kind, node).unwrap_or(around)
    }

    /// Opens the scope in which type parameters (`def f[T](...)`) are known. If there are some, the caller closes it.
    pub fn enter_type_parameters(&mut self, parameters: Option<&TypeParams>) -> bool {
        let Some(parameters) = parameters else { return false };
        let scope = self.scope_of(ScopeKind::TypeParameters, parameters.range());
        self.frame().inner.push(Inner::new(scope));
        for parameter in parameters.iter() {
            self.bind_text(parameter.name(), Value::immutable());
        }
        true
    }

    pub fn define_lambda(&mut self, lambda: &'a ExprLambda) -> Value {
        let parameters = lambda.parameters.as_deref();
        let scope = self.scope_of(ScopeKind::Lambda, lambda.range());
        let code = self.add_definition(parameters, Body::Expression(&lambda.body), scope, false);
        let held = self.evaluate_signature(parameters, None);
        self.function_value(code, scope, &held)
    }

    /// A generator expression: its first iterable is evaluated now, the rest when it is consumed.
    pub fn generator(&mut self, generator: &'a ExprGenerator) -> Value {
        let first = generator.generators.first().map(|g| self.evaluate(&g.iter));
        let scope = self.scope_of(ScopeKind::Generator, generator.range());
        let code = self.add_definition(None, Body::Generator(generator), scope, true);
        let path = self.name("generator");
        let captured: Vec<Value> = scope.captures().flat_map(|name| self.captures(name)).collect();
        let mut own_types = Types::none();
        captured.iter().chain(&first).for_each(|held| own_types.join(&self.types_of(held)));
        let own_code: Vec<CodeId> = captured.iter().flat_map(|held| held.code.iter().copied()).collect();
        let elements = self.summarize(self.summary_key(code, vec![], &own_code, own_types));
        let scalars = elements.returns.as_ref().is_some_and(|outcome| outcome.scalars);
        let ty = Type::Instance(path);
        let contents = elements.returns.as_ref().map(|outcome| outcome.types.clone()).unwrap_or_default();
        let sources = first.into_iter().chain(captured);
        if scalars {
            let mut value = self.fresh_scalars(ty);
            value.code.push(code);
            let source = sources.reduce(|a, b| self.either(a, &b)).unwrap_or_else(Value::immutable);
            return Value { parts: Some(Rc::new(Parts::Immutable { source: source.named() })), ..value };
        }
        let mut value = self.fresh_iterator(ty, contents);
        for held in sources {
            self.hold(&mut value, &held);
        }
        value.code.push(code);
        value
    }

    fn add_definition(
        &mut self,
        parameters: Option<&'a Parameters>,
        body: Body<'a>,
        scope: ScopeRef<'a>,
        is_generator: bool,
    ) -> CodeId {
        // Executed again, the same code stays the same definition; else functions that make functions would never end.
        if let Some(&known) = self.code_ids.get(&body.address()) {
            return known;
        }
        let has_mutable_defaults = parameters.is_some_and(|parameters| {
            parameters.iter_non_variadic_params().filter_map(|p| p.default.as_deref()).any(|d| !is_literal(d))
        });
        let is_generator = is_generator || scope.scope().has_yield;
        let code = CodeId(self.definitions.len());
        self.code_ids.insert(body.address(), code);
        let class_name = self.frame().class_name.clone();
        let function = Function { parameters, body, scope, has_mutable_defaults, is_generator };
        let kind = DefinitionKind::Function(function);
        self.definitions.push(Definition { kind, name: None, class_name, suspends: vec![] });
        code
    }

    /// Defaults and annotations are evaluated where the function is defined. Returns what the defaults hold.
    fn evaluate_signature(&mut self, parameters: Option<&'a Parameters>, returns: Option<&'a Expr>) -> Vec<Value> {
        let mut held = vec![];
        if let Some(parameters) = parameters {
            for parameter in parameters.iter_non_variadic_params() {
                if let Some(default) = &parameter.default {
                    let value = self.evaluate(default);
                    held.extend((!planted(Fault::MissedDefault)).then_some(value));
                }
            }
            for parameter in parameters.iter() {
                if let Some(annotation) = parameter.annotation() {
                    self.evaluate(annotation);
                }
            }
        }
        if let Some(returns) = returns {
            self.evaluate(returns);
        }
        held
    }

    /// The function object. It has state when it holds mutable defaults or captured variables.
    fn function_value(&mut self, code: CodeId, scope: ScopeRef<'a>, held: &[Value]) -> Value {
        let captures = scope.captures().next().is_some();
        let stateless = !captures && held.iter().all(|value| value.objects.is_empty());
        let types = Types::of(Type::Function(code));
        let object = self.frame().heap.allocate(Class { definition: stateless, types, ..Class::default() });
        let mut value = Value::object(Type::Function(code), object);
        for default in held {
            self.link(&value, default, false);
            value.code.extend(default.code.iter().copied());
        }
        if captures {
            self.link_captured(&value, scope);
        }
        value.code.push(code);
        value
    }

    /// A closure holds the variables around it that its code uses.
    fn link_captured(&mut self, value: &Value, scope: ScopeRef<'a>) {
        for name in scope.captures().filter(|_| !planted(Fault::MissedCapture)) {
            for held in self.captures(name) {
                if held.objects != value.objects {
                    self.link(value, &held, false);
                }
            }
        }
    }

    fn name_definition(&mut self, code: CodeId, name: &str) {
        if self.in_module() && self.frame().inner.is_empty() {
            self.definitions[code.0].name = Some(self.name(name));
        }
    }

    /// Applies decorators. Known ones keep what the function does; others give a value that may call it.
    fn decorate(&mut self, mut value: Value, decorators: &'a [Decorator]) -> Value {
        for decorator in decorators.iter().rev().filter(|_| !planted(Fault::DecoratorMissed)) {
            let callee = match &decorator.expression {
                Expr::Call(call) => &call.func,
                other => other,
            };
            let known = self.evaluate(callee);
            if let Type::Library(path) = known.ty
                && self.knowledge.is_pure_decorator(self.facts.text(path))
            {
                if let (Type::Function(code), Some(types)) = (value.ty, self.suspended_by(path)) {
                    self.definitions[code.0].suspends.push(types);
                }
                continue;
            }
            if is_property_accessor(callee) || self.registers(&known, callee) {
                continue;
            }
            value = self.apply_decorator(value, &decorator.expression);
        }
        value
    }

    /// A decorator that makes a class known to a library (`@register_dataframe_accessor("geo")`) or to an abstract base
    /// (`@Base.register`), and gives it back: a setting, to be made again wherever it may matter.
    fn registers(&mut self, decorator: &Value, callee: &'a Expr) -> bool {
        if let Type::Library(path) = decorator.ty {
            let path = self.knowledge.canonical(self.facts.text(path)).into_owned();
            let Some(facts) = self.knowledge.call(&path).filter(|facts| facts.registers) else { return false };
            self.note_library(&path);
            let settings = facts.config.iter().map(|setting| setting.module().to_owned());
            self.frame().effects.settings.extend(settings);
            return true;
        }
        let Expr::Attribute(attribute) = callee else { return false };
        let owner = self.evaluate(&attribute.value);
        self.registers_class(&owner, &attribute.attr)
    }

    /// `Base.register` of a class of the notebook that has no such method itself: an abstract base class notes a class.
    pub(super) fn registers_class(&mut self, owner: &Value, method: &str) -> bool {
        let Type::Class(class) = owner.ty else { return false };
        let found = method == "register" && self.method_of(class, method).is_none() && self.is_stateless(owner);
        if found {
            self.frame().effects.settings.insert(String::new());
            self.frame().effects.patches = true;
        }
        found
    }

    fn apply_decorator(&mut self, value: Value, expression: &'a Expr) -> Value {
        let calls_before = self.frame().effects.calls;
        let decorator = self.evaluate(expression);
        let is_ours = matches!(decorator.ty, Type::Function(_) | Type::Class(_)) || !decorator.code.is_empty();
        let result = self.call_value(&decorator, std::slice::from_ref(&value), expression.range());
        let frame = self.frame();
        let pure = is_ours && !frame.effects.is_impure();
        if pure {
            frame.effects.calls = calls_before;
        }
        let object = self.frame().heap.allocate(Class { definition: pure, ..Class::default() });
        let mut wrapped = Value::object(Type::Unknown, object);
        wrapped.code = value.code.clone();
        let named = decorator.code.iter().filter(|code| self.definitions[code.0].name.is_some());
        for code in result.code.iter().chain(named) {
            if !wrapped.code.contains(code) {
                wrapped.code.push(*code);
            }
        }
        if !pure {
            self.link(&wrapped, &result, false);
            self.link(&wrapped, &value, false);
        }
        wrapped
    }

    pub fn define_class(&mut self, statement: &'a StmtClassDef) {
        let mut bases = vec![];
        let mut inherited = vec![];
        let mut held_code = vec![];
        let mut metaclass = None;
        let is_generic = self.enter_type_parameters(statement.type_params.as_deref());
        if let Some(arguments) = &statement.arguments {
            for base in &arguments.args {
                let value = self.evaluate(base);
                held_code.extend(value.code.iter().copied());
                bases.push(value.ty);
                inherited.push(value);
            }
            for keyword in &arguments.keywords {
                let value = self.evaluate(&keyword.value);
                if keyword.arg.as_deref() == Some("metaclass") {
                    metaclass = Some(value);
                }
            }
        }
        let scope = self.scope_of(ScopeKind::Class, statement.range());
        self.frame().inner.push(Inner::new(scope));
        let outer = self.frame().class_name.replace(statement.name.to_string());
        self.execute_all(&statement.body);
        self.frame().class_name = outer;
        let namespace = self.frame().inner.pop().map(|inner| inner.names).unwrap_or_default();
        if is_generic {
            self.frame().inner.pop();
        }
        let mut attributes: Vec<(String, Value)> =
            namespace.into_iter().map(|(name, value)| (self.facts.text(name).to_owned(), value)).collect();
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        let methods: BTreeMap<String, CodeId> = attributes
            .iter()
            .filter_map(|(name, value)| match value.ty {
                Type::Function(code) => Some((name.clone(), code)),
                _ => None,
            })
            .collect();
        // A class shares the state of its bases.
        let state: Vec<&Value> = attributes
            .iter()
            .map(|(_, value)| value)
            .chain(&inherited)
            .filter(|value| !value.objects.is_empty() && !self.is_stateless(value))
            .collect();
        let mut holds = Types::none();
        for (_, value) in attributes.iter().filter(|(_, value)| !matches!(value.ty, Type::Function(_))) {
            holds.insert(value.ty);
        }
        let code = CodeId(self.definitions.len());
        let stateless = state.is_empty() && !patches(&statement.body, &statement.name);
        let object = self.frame().heap.allocate(Class { definition: stateless, ..Class::default() });
        let mut value = Value::object(Type::Class(code), object);
        for held in state {
            self.link(&value, held, false);
        }
        self.definitions.push(Definition {
            kind: DefinitionKind::Class { methods, bases, statement: Some(statement), holds },
            name: None,
            class_name: None,
            suspends: vec![],
        });
        value.code.push(code);
        value.code.extend(held_code);
        value.code.extend(
            attributes
                .iter()
                .flat_map(|(_, v)| v.code.iter().copied())
                .filter(|c| self.definitions[c.0].name.is_some()),
        );
        value.code.sort();
        value.code.dedup();
        self.announce_class(code, &value, metaclass.as_ref(), statement.range());
        let value = self.decorate(value, &statement.decorator_list);
        self.name_definition(code, &statement.name);
        self.bind_text(&statement.name, value);
    }

    /// Making a class calls its metaclass, and `__init_subclass__` of its bases.
    fn announce_class(&mut self, class: CodeId, value: &Value, metaclass: Option<&Value>, range: TextRange) {
        if let Some(metaclass) = metaclass {
            self.invoke_code_with(metaclass, std::slice::from_ref(value), range);
        }
        let DefinitionKind::Class { bases, .. } = &self.definitions[class.0].kind else { return };
        let hooks: Vec<CodeId> = bases
            .iter()
            .filter_map(|base| match base {
                Type::Class(base) => self.method_of(*base, "__init_subclass__"),
                _ => None,
            })
            .collect();
        for hook in hooks {
            self.call_loosely(hook, value, std::slice::from_ref(value), range);
        }
    }

    /// A class made by a call, such as `namedtuple("Point", "x y")`: named by the variable it is assigned to.
    pub fn made_class(&mut self) -> Value {
        let code = CodeId(self.definitions.len());
        self.definitions.push(Definition {
            kind: DefinitionKind::Class {
                methods: BTreeMap::new(),
                bases: vec![],
                statement: None,
                holds: Types::default(),
            },
            name: None,
            class_name: None,
            suspends: vec![],
        });
        let object = self.frame().heap.allocate(Class { definition: true, ..Class::default() });
        let mut value = Value::object(Type::Class(code), object);
        value.code.push(code);
        value
    }

    /// Whether all the value's objects are functions or classes without state.
    pub fn is_stateless(&self, value: &Value) -> bool {
        let frame = self.frames.last().expect("the module's frame is always there");
        value.objects.iter().all(|&object| frame.heap.peek(object).definition)
    }

    /// Whether one of these classes of the notebook has a state: attributes that change.
    pub fn has_stateful_class(&self, code: &[CodeId]) -> bool {
        code.iter().any(|code| {
            let definition = &self.definitions[code.0];
            let is_class = matches!(definition.kind, DefinitionKind::Class { .. });
            let bound = definition.name.filter(|_| is_class).and_then(|name| self.module_binding(name));
            bound.is_some_and(|binding| {
                !binding.value.objects.iter().all(|&object| self.frames[0].heap.peek(object).definition)
            })
        })
    }

    pub fn method_of(&self, class: CodeId, name: &str) -> Option<CodeId> {
        let mut todo = vec![class];
        let mut seen = BTreeSet::new();
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { methods, bases, .. } = &self.definitions[class.0].kind else { continue };
            if !seen.insert(class) {
                continue;
            }
            if let Some(&method) = methods.get(name) {
                return Some(method);
            }
            todo.extend(bases.iter().rev().filter_map(|base| match base {
                Type::Class(code) => Some(*code),
                _ => None,
            }));
        }
        None
    }

    /// The library classes that a class of the notebook is based on, also by way of other classes.
    pub(super) fn library_bases(&self, class: CodeId) -> BTreeSet<Name> {
        let (mut todo, mut seen, mut found) = (vec![class], BTreeSet::from([class]), BTreeSet::new());
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { bases, .. } = &self.definitions[class.0].kind else { continue };
            for base in bases {
                match *base {
                    Type::Class(code) if seen.insert(code) => todo.push(code),
                    Type::Library(path) => {
                        found.insert(path);
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The method of a name, and what loading it does.
    pub fn method_kind(&self, class: CodeId, name: &str) -> Option<(CodeId, MethodKind)> {
        let method = self.method_of(class, name)?;
        let address = match &self.definitions[method.0].kind {
            DefinitionKind::Function(function) => function.body.address(),
            DefinitionKind::Class { .. } => return Some((method, MethodKind::Decorated)),
        };
        for definition in &self.definitions {
            let DefinitionKind::Class { statement: Some(statement), .. } = &definition.kind else { continue };
            let defs = statement.body.iter().filter_map(Stmt::as_function_def_stmt);
            let found: Vec<&StmtFunctionDef> = defs.filter(|def| def.name.as_str() == name).collect();
            if !found.iter().any(|def| Body::Statements(&def.body).address() == address) {
                continue;
            }
            let is_property = |d: &Decorator| d.expression.as_name_expr().is_some_and(|n| n.id.as_str() == "property");
            return Some(match found.as_slice() {
                [def] if def.decorator_list.is_empty() => (method, MethodKind::Plain),
                [def] if def.decorator_list.iter().all(is_property) => (method, MethodKind::Property),
                _ => (method, MethodKind::Decorated),
            });
        }
        Some((method, MethodKind::Decorated))
    }

    fn is_exception(&self, base: Name) -> bool {
        let facts = self.knowledge.call(self.facts.text(base));
        facts.is_some_and(|facts| facts.returns.as_deref() == Some("BaseException"))
    }

    /// Whether instances hold their arguments and have methods of their own, as exceptions do.
    pub fn has_exception_base(&self, class: CodeId) -> bool {
        let DefinitionKind::Class { bases, .. } = &self.definitions[class.0].kind else { return true };
        bases.iter().any(|base| match base {
            Type::Library(path) => self.is_exception(*path),
            Type::Class(base) => self.has_exception_base(*base),
            _ => false,
        })
    }

    /// Whether a class says what an operator does with its instances.
    pub fn has_operators(&self, class: CodeId) -> bool {
        OPERATORS.iter().any(|name| self.method_of(class, name).is_some())
    }

    /// Whether `Class.name` is a member of an enumeration.
    pub fn is_member(&self, class: CodeId, name: &str) -> bool {
        let DefinitionKind::Class { bases, .. } = &self.definitions[class.0].kind else { return false };
        let is_enum = |base: &Type| matches!(base, Type::Library(path) if is_enumeration(self.facts.text(*path)));
        bases.iter().any(is_enum) && !name.starts_with('_') && self.method_of(class, name).is_none()
    }

    /// The types of what the attributes of a class hold, which its instances have, too. `None` when a base is unknown.
    pub fn class_contents(&mut self, class: CodeId) -> Option<Types> {
        let tuple = Type::Instance(self.name("tuple"));
        if !self.is_closed(class) {
            return None;
        }
        let mut contents = Types::none();
        let (mut todo, mut seen) = (vec![class], BTreeSet::new());
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { bases, holds, .. } = &self.definitions[class.0].kind else { continue };
            if seen.insert(class) {
                contents.join(holds);
                if self.has_exception_base(class) {
                    contents.insert(tuple);
                }
                todo.extend(bases.iter().filter_map(|base| match base {
                    Type::Class(code) => Some(*code),
                    _ => None,
                }));
            }
        }
        Some(contents)
    }

    /// Whether every base of the class is a class of the notebook, so that its methods are all known.
    pub fn is_closed(&self, class: CodeId) -> bool {
        let mut todo = vec![class];
        let mut seen = BTreeSet::from([class]);
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { bases, statement: Some(_), .. } = &self.definitions[class.0].kind else {
                return false;
            };
            for base in bases {
                match base {
                    Type::Class(code) if seen.insert(*code) => todo.push(*code),
                    Type::Class(_) => {}
                    Type::Library(path) if is_bare_base(self.facts.text(*path)) || self.is_exception(*path) => {}
                    _ => return false,
                }
            }
        }
        true
    }
}

/// Methods of binary operators and comparisons.
const OPERATORS: &[&str] = &[
    "__add__",
    "__and__",
    "__divmod__",
    "__eq__",
    "__floordiv__",
    "__ge__",
    "__gt__",
    "__le__",
    "__lshift__",
    "__lt__",
    "__matmul__",
    "__mod__",
    "__mul__",
    "__ne__",
    "__or__",
    "__pow__",
    "__radd__",
    "__rand__",
    "__rdivmod__",
    "__rfloordiv__",
    "__rlshift__",
    "__rmatmul__",
    "__rmod__",
    "__rmul__",
    "__ror__",
    "__rpow__",
    "__rrshift__",
    "__rshift__",
    "__rsub__",
    "__rtruediv__",
    "__rxor__",
    "__sub__",
    "__truediv__",
    "__xor__",
];

/// What loading a method from an instance does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// It gives the bound method.
    Plain,
    /// It calls the method.
    Property,
    /// What its decorators say.
    Decorated,
}

fn is_enumeration(path: &str) -> bool {
    matches!(path, "enum.Enum" | "enum.IntEnum" | "enum.StrEnum" | "enum.Flag" | "enum.IntFlag")
}

/// Bases that give instances no state and no methods that change any.
fn is_bare_base(path: &str) -> bool {
    matches!(path, "builtins.object" | "abc.ABC") || is_enumeration(path)
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp(op) => is_literal(&op.operand),
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_literal),
        other => other.is_literal_expr(),
    }
}

/// `@x.setter`, `@x.getter`, `@x.deleter`.
fn is_property_accessor(callee: &Expr) -> bool {
    callee.as_attribute_expr().is_some_and(|a| matches!(a.attr.as_str(), "setter" | "getter" | "deleter"))
}

/// Whether a body changes attributes of the function or class of this name, which then has a state of its own:
/// `name.x = ...`, `cls.x = ...`, `type(self).x = ...`, `self.__class__.x = ...`.
fn patches(body: &[Stmt], name: &str) -> bool {
    struct Finder<'n> {
        name: &'n str,
        found: bool,
    }
    impl<'a> Visitor<'a> for Finder<'_> {
        fn visit_expr(&mut self, expr: &'a Expr) {
            if let Expr::Attribute(attribute) = expr
                && !attribute.ctx.is_load()
            {
                self.found |= match attribute.value.as_ref() {
                    Expr::Name(owner) => owner.id == self.name || owner.id.as_str() == "cls",
                    Expr::Call(call) => call.func.as_name_expr().is_some_and(|callee| callee.id.as_str() == "type"),
                    Expr::Attribute(inner) => inner.attr.as_str() == "__class__",
                    _ => false,
                };
            }
            visitor::walk_expr(self, expr);
        }
    }
    let mut finder = Finder { name, found: false };
    finder.visit_body(body);
    finder.found
}
