//! Functions, lambdas and generator expressions of the notebook, and decorators.

use std::rc::Rc;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Decorator, Expr, ExprGenerator, ExprLambda, ExprName, Parameters, Stmt, StmtFunctionDef, TypeParams,
};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Body, Definition, DefinitionKind, Function, Inner, Iterated};
use super::arguments::Arguments;
use super::scope::{ScopeKind, ScopeRef};
use super::summary::Shape;
use super::types::Types;
use super::value::{CodeId, Codes, Parts, Type, Value};
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
            value.objects.iter().for_each(|&object| self.frame().heap.set_stateless(object, false));
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
        let shapes = self.note_iterated(code, first.as_ref());
        let path = self.name("generator");
        let captured: Vec<Value> = scope.captures().flat_map(|name| self.captures(name)).collect();
        let mut own_types = Types::none();
        captured.iter().chain(&first).for_each(|held| own_types.join(&self.types_in_class(held)));
        let own_code: Codes = captured.iter().flat_map(|held| held.code.iter().copied()).collect();
        let elements = self.summarize(self.summary_key(code, shapes, &own_code, own_types));
        let scalars = elements.returns.as_ref().is_some_and(|outcome| outcome.scalars);
        let contents = elements.returns.as_ref().map(|outcome| outcome.types.clone()).unwrap_or_default();
        let sources: Vec<Value> = first.into_iter().chain(captured).collect();
        let frozen = self.frozen_of(&contents);
        let contents = (!scalars).then_some(contents);
        let mut value = self.computing_iterator(Type::Instance(path), contents, sources);
        if let Some(frozen) = frozen {
            value.parts = Some(Rc::new(Parts::New(frozen)));
        }
        value.code.push(code);
        value
    }

    /// Notes what a generator expression in a function iterates over first: its own code knows no name of that function.
    fn note_iterated(&mut self, code: CodeId, first: Option<&Value>) -> Vec<Shape> {
        let Some(first) = first.filter(|_| !self.in_module()) else { return vec![] };
        let new = Iterated { ty: first.ty, among: first.among.clone() };
        let known = &mut self.definitions[code.index()].iterated;
        let is_other = known.as_ref().is_some_and(|known| *known != new);
        *known = Some(if is_other { Iterated { ty: Type::Unknown, among: None } } else { new });
        vec![self.shape(first, false)]
    }

    /// `map(f, x)`, with a function that can be seen: an iterator of what it returns.
    pub(super) fn mapped(&mut self, arguments: &Arguments<'a>, range: TextRange) -> Option<Value> {
        let [(function, _), rest @ ..] = arguments.positional.as_slice() else { return None };
        if !arguments.keywords.is_empty() || !arguments.spread.is_empty() || !function.is_callable() {
            return None;
        }
        let elements: Vec<Value> = rest.iter().map(|(value, _)| self.iterate(value, range).named()).collect();
        let returned = self.perhaps(|this| this.call_value(function, &elements, range)).named();
        let path = self.name("iterator");
        let mut sources: Vec<Value> = rest.iter().map(|(value, _)| value.clone()).collect();
        sources.extend((!self.is_stateless(function)).then(|| function.clone()));
        let contents = (!returned.is_immutable()).then(|| self.types_in_class(&returned));
        sources.push(returned.clone());
        let mut value = self.computing_iterator(Type::Instance(path), contents, sources);
        if !returned.is_immutable() {
            value.parts = Some(Rc::new(Parts::New(returned)));
        }
        value.code.extend(function.code.iter().copied());
        Some(value)
    }

    /// A new iterator that makes its elements of these values when they are asked for: objects of these types, or (`None`)
    /// immutable ones.
    fn computing_iterator(&mut self, ty: Type, contents: Option<Types>, sources: Vec<Value>) -> Value {
        let Some(contents) = contents else {
            let value = self.fresh_scalars(ty);
            let source = sources.into_iter().reduce(|a, b| self.either(a, &b)).unwrap_or_else(Value::immutable);
            return Value { parts: Some(Rc::new(Parts::Immutable { source: source.named() })), ..value };
        };
        let mut value = self.fresh_iterator(ty, contents);
        for held in sources {
            self.hold(&mut value, &held);
        }
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
        let code = CodeId::next(self.definitions.len());
        self.code_ids.insert(body.address(), code);
        let class_name = self.frame().class_name.clone();
        let function = Function { parameters, body, scope, has_mutable_defaults, is_generator };
        let kind = DefinitionKind::Function(function);
        self.definitions.push(Definition::new(kind, class_name));
        code
    }

    /// Defaults and annotations are evaluated where the function is defined. Returns what the defaults hold.
    fn evaluate_signature(&mut self, parameters: Option<&'a Parameters>, returns: Option<&'a Expr>) -> Vec<Value> {
        let mut held = vec![];
        if let Some(parameters) = parameters {
            for parameter in parameters.iter_non_variadic_params() {
                if let Some(default) = &parameter.default {
                    let value = self.evaluate(default);
                    self.note_rng(&value);
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
        let object = self.frame().heap.allocate_code(types, stateless);
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

    pub(super) fn name_definition(&mut self, code: CodeId, name: &str) {
        if self.in_module() && self.frame().inner.is_empty() {
            self.definitions[code.index()].name = Some(self.name(name));
        }
    }

    /// Applies decorators. Known ones keep what the function does; others give a value that may call it.
    pub(super) fn decorate(&mut self, mut value: Value, decorators: &'a [Decorator]) -> Value {
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
                    self.definitions[code.index()].suspends.push(types);
                }
                self.note_cache(&value, path);
                self.give_to_decorator(&value, &decorator.expression);
                continue;
            }
            if is_property_accessor(callee) || self.registers(&known, callee) {
                continue;
            }
            value = self.apply_decorator(value, &decorator.expression);
        }
        value
    }

    /// What a known decorator is given: `@functools.wraps(f)` keeps it, `@functools.lru_cache(SIZE)` reads it.
    fn give_to_decorator(&mut self, value: &Value, decorator: &'a Expr) {
        let Expr::Call(call) = decorator else { return };
        let arguments = &call.arguments;
        for given in arguments.args.iter().chain(arguments.keywords.iter().map(|keyword| &keyword.value)) {
            let given = self.evaluate(given);
            if !self.is_stateless(&given) {
                self.link(value, &given, false);
            }
        }
    }

    /// A decorator that makes a class known to a library (`@register_dataframe_accessor("geo")`) or to an abstract base
    /// (`@Base.register`), and gives it back: a setting, to be made again wherever it may matter.
    fn registers(&mut self, decorator: &Value, callee: &'a Expr) -> bool {
        if let Type::Library(path) = decorator.ty {
            let path = self.knowledge.canonical(self.facts.text(path)).into_owned();
            if is_abstract_base(&path) && path.ends_with(".register") {
                self.change_interpreter();
                return true;
            }
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
            self.change_interpreter();
            self.frame().effects.patches = true;
        }
        found
    }

    fn apply_decorator(&mut self, value: Value, expression: &'a Expr) -> Value {
        let calls_before = self.frame().effects.calls;
        let decorator = self.evaluate(expression);
        let is_ours = matches!(decorator.ty, Type::Function(_) | Type::Class(_)) || !decorator.code.is_empty();
        let result = self.call_value(&decorator, std::slice::from_ref(&value), expression.range());
        if matches!(result.ty, Type::Object(_)) {
            // An instance that stands for the function, with a state of its own.
            self.note_code(&result, &value);
            return result;
        }
        let frame = self.frame();
        let pure = is_ours && !frame.effects.is_impure();
        if pure {
            frame.effects.calls = calls_before;
        }
        // (Of a method, nobody would ask for what its closure holds.)
        let in_class = self.frame().inner.last().is_some_and(|inner| inner.is_class);
        let is_code = |ty: &Type| matches!(ty, Type::Function(_) | Type::Class(_) | Type::Immutable);
        let held = self.types_in_class(&result);
        let pure = pure && !(in_class && held.known().is_some_and(|types| !types.iter().all(is_code)));
        let object = self.frame().heap.allocate_code(Types::default(), pure);
        let mut wrapped = Value::object(Type::Unknown, object);
        wrapped.code = value.code.clone();
        let named = decorator.code.iter().filter(|code| self.definitions[code.index()].name.is_some());
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

    /// Whether it has no object, or is a function or class without state that pickle writes as the name that it has in
    /// the module: not a lambda, or what a function has returned.
    pub(super) fn is_named_definition(&self, value: &Value) -> bool {
        let is_named = match value.ty {
            Type::Function(code) | Type::Class(code) => self.definitions[code.index()].name.is_some(),
            _ => false,
        };
        value.objects.is_empty() || (is_named && self.is_stateless(value))
    }

    /// Whether all the value's objects are functions or classes without state.
    pub fn is_stateless(&self, value: &Value) -> bool {
        let frame = self.innermost();
        value.objects.iter().all(|&object| frame.heap.is_stateless(object))
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp(op) => is_literal(&op.operand),
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_literal),
        other => other.is_literal_expr(),
    }
}

/// Whether it is, or belongs to, an abstract base class of the standard library, which may note the notebook's classes.
pub(super) fn is_abstract_base(path: &str) -> bool {
    ["collections.abc.", "contextlib.Abstract", "importlib.abc.", "io.", "numbers.", "os.PathLike", "typing."]
        .iter()
        .any(|start| path.starts_with(start))
}

/// `@x.setter`, `@x.getter`, `@x.deleter`.
fn is_property_accessor(callee: &Expr) -> bool {
    callee.as_attribute_expr().is_some_and(|a| matches!(a.attr.as_str(), "setter" | "getter" | "deleter"))
}

/// Whether a body changes attributes of the function or class of this name, which then has a state of its own:
/// `name.x = ...`, `cls.x = ...`, `type(self).x = ...`, `self.__class__.x = ...`, `setattr(cls, ...)`.
pub(super) fn patches(body: &[Stmt], name: &str) -> bool {
    struct Finder<'n> {
        name: &'n str,
        found: bool,
    }
    impl Finder<'_> {
        fn is_meant(&self, owner: &Expr) -> bool {
            match owner {
                Expr::Name(owner) => owner.id == self.name || matches!(owner.id.as_str(), "cls" | "__class__"),
                Expr::Call(call) => call.func.as_name_expr().is_some_and(|callee| callee.id.as_str() == "type"),
                Expr::Attribute(inner) => inner.attr.as_str() == "__class__",
                _ => false,
            }
        }
    }
    impl<'a> Visitor<'a> for Finder<'_> {
        fn visit_expr(&mut self, expr: &'a Expr) {
            self.found |= match expr {
                Expr::Attribute(attribute) => !attribute.ctx.is_load() && self.is_meant(&attribute.value),
                Expr::Call(call) => {
                    let sets = |callee: &ExprName| matches!(callee.id.as_str(), "setattr" | "delattr");
                    call.func.as_name_expr().is_some_and(sets)
                        && call.arguments.args.first().is_some_and(|owner| self.is_meant(owner))
                }
                _ => false,
            };
            visitor::walk_expr(self, expr);
        }
    }
    let mut finder = Finder { name, found: false };
    finder.visit_body(body);
    finder.found
}
