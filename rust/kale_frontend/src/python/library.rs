//! Calls of libraries, as the knowledge base describes them.

use std::borrow::Cow;
use std::ptr;

use rustc_hash::FxHashMap;

use ruff_python_ast::Expr;
use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::arguments::{
    Arguments, concerned, first, given, is_certainly_given, is_given, is_truthy_or_unknown, literal_kinds,
    literal_text, select,
};
use super::attributes::BOUND_METHOD;
use super::axes::axes_made;
use super::definitions::is_abstract_base;
use super::facts::Resource;
use super::knowledge::{CallFacts, Condition, Effect, Generator, Unlisted, Words};
use super::methods::MethodKind;
use super::names::{Name, top_level};
use super::pseudo;
use super::results::THREAD;
use super::value::{Type, Value};
use crate::fault::{Fault, planted};

/// What stands for a global generator where one is asked for: numpy's object for it, and modules.
const GLOBAL_GENERATORS: &[&str] = &["numpy.random.shared.RandomState", "numpy.random", "random"];

/// Who carries out a call that the knowledge base describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A built-in function, or a method of a built-in type.
    Builtin,
    Library,
}

impl<'a> Analyzer<'a> {
    pub fn call_library(&mut self, path: &str, arguments: &Arguments<'a>, range: TextRange) -> Value {
        let path = self.knowledge.canonical(path).into_owned();
        self.note_library(&path);
        self.frame().effects.elsewhere |= path == "contextlib.chdir";
        if is_abstract_base(&path) && path.ends_with(".register") {
            self.change_interpreter();
            self.frame().effects.patches = true;
            return arguments.all().next().cloned().unwrap_or_else(Value::immutable);
        }
        let shared = self.call_member(&path, arguments, range);
        if self.knowledge.makes_class(&path) && arguments.positional.len() > 1 {
            let is_record = self.knowledge.makes_record(&path);
            let record = if is_record { self.record_fields(arguments) } else { None };
            let made = self.made_class(record);
            // Defaults are part of the class.
            for (_, value, _) in &arguments.keywords {
                if !value.objects.is_empty() && !self.holds_scalars(value) && !self.is_stateless(value) {
                    made.objects.iter().for_each(|&object| self.frame().heap.set_stateless(object, false));
                    self.link(&made, value, false);
                }
            }
            return made;
        }
        let cheap = self.knowledge.is_cheap(&path)
            && arguments.all().all(|value| value.objects.is_empty() || self.is_stateless(value));
        let before = self.frame().effects.calls;
        let cheap = cheap || self.is_rebuilt(&path, arguments) || self.only_seeds(&path, arguments);
        let effects = &mut self.frame().effects;
        effects.calls = before || !cheap;
        effects.expensive |= !path.starts_with("builtins.");
        if path == "dataclasses.field" {
            // The decorator takes it away again.
            if let Some((default, _)) = given("default", arguments) {
                return default.clone();
            }
            let code = arguments.all().flat_map(|value| value.code.iter().copied()).collect();
            return Value { ty: self.factory_type(arguments), code, ..Value::immutable() };
        }
        if let Some(value) = self.path_operation(&path, arguments) {
            return value;
        }
        if let Some(value) = self.attribute_call(&path, arguments, range) {
            return value;
        }
        if path == "builtins.map"
            && let Some(value) = self.mapped(arguments, range)
        {
            return value;
        }
        if path == "builtins.sum"
            && let [(items, _)] = arguments.positional.as_slice()
            && arguments.keywords.is_empty()
            && arguments.spread.is_empty()
        {
            return self.summed(items, range);
        }
        if let Some(facts) = self.knowledge.call(&path) {
            if path == "builtins.eval" || path == "builtins.exec" {
                self.frame().effects.dynamic.push((path["builtins.".len()..].to_owned(), range));
            }
            self.metric_name(&path, arguments);
            self.note_compared_by(&path, arguments);
            let caller = if path.starts_with("builtins.") { Caller::Builtin } else { Caller::Library };
            let result = self.apply_facts(facts, None, arguments, caller, range);
            return Value { axes: axes_made(&path, arguments), ..result };
        }
        if path.starts_with("kale_rs.") {
            self.metric_name(&path, arguments);
            return Value::immutable();
        }
        if let Some(constructed) = self.knowledge.constructed(&path).map(str::to_owned) {
            return self.construct(&constructed, arguments, range);
        }
        let unlisted = self.knowledge.unlisted(&path);
        if let Some(Unlisted::Facts(facts)) = unlisted {
            self.apply_effects(facts, None, arguments, range);
        }
        if matches!(unlisted, Some(Unlisted::Pure)) {
            let mut result = self.fresh(Type::Unknown);
            for value in arguments.all() {
                self.link(&result, value, false);
                result.code.extend(value.code.iter().copied());
            }
            return if arguments.all().all(Value::is_immutable) { Value::immutable() } else { result };
        }
        self.touch_by_name(path.rsplit('.').next().unwrap_or(&path), arguments, range);
        self.draw_unseen(top_level(&path), range);
        let result = self.unknown_call(None, arguments, range);
        if let Some(state) = shared {
            self.link(&result, &state, false);
        }
        result
    }

    /// A library that nobody has described may draw from the generators that the notebook has seeded.
    fn draw_unseen(&mut self, library: &str, range: TextRange) {
        if self.knowledge.describes(library) || self.environment.module_states.contains_key(library) {
            return;
        }
        for generator in Generator::ALL {
            let state = self.name(&pseudo::of_rng(generator.name()));
            if self.module_binding(state).is_some() {
                self.draw(generator.name(), range);
            }
        }
    }

    /// The names that `namedtuple(...)` gives to elements, empty where they are not known; `None` where its tuples may have
    /// elements that they are not made from (`defaults=`).
    fn record_fields(&mut self, arguments: &Arguments<'a>) -> Option<Vec<Name>> {
        let is_plain = |value: &Value| value.is_immutable() || self.holds_scalars(value);
        let [_, (names, expr)] = arguments.positional.as_slice() else { return None };
        if !arguments.keywords.iter().all(|(_, value, _)| is_plain(value)) || !arguments.spread.is_empty() {
            return None;
        }
        let text = |expr: &Expr| expr.as_string_literal_expr().map(|literal| literal.value.to_str().to_owned());
        let renamed = arguments.keywords.iter().any(|(name, ..)| *name == "rename");
        let fields: Option<Vec<String>> = match (names.text.as_deref(), expr) {
            _ if renamed => None,
            (Some(text), _) => Some(text.replace(',', " ").split_whitespace().map(str::to_owned).collect()),
            (None, Some(Expr::List(list))) => list.elts.iter().map(text).collect(),
            (None, Some(Expr::Tuple(tuple))) => tuple.elts.iter().map(text).collect(),
            _ => None,
        };
        Some(fields.unwrap_or_default().iter().map(|field| self.name(field)).collect())
    }

    /// `sum(x)`: what adding the elements to each other gives.
    fn summed(&mut self, items: &Value, range: TextRange) -> Value {
        let element = self.iterate(items, range).named();
        self.operate(&[&element], range);
        self.computed(&[&element], false)
    }

    /// What a factory of default values makes: `field(default_factory=list)`.
    pub(super) fn factory_type(&mut self, arguments: &Arguments<'a>) -> Type {
        let factory = arguments.all().find_map(|value| match value.ty {
            Type::Library(path) => Some(self.facts.text(path).trim_start_matches("builtins.").to_owned()),
            _ => None,
        });
        match factory.as_deref() {
            Some(path @ ("list" | "dict" | "set" | "collections.Counter" | "collections.deque")) => {
                Type::Instance(self.name(path))
            }
            Some("int" | "float" | "str" | "bool") => Type::Immutable,
            _ if arguments.all().all(Value::is_immutable) => Type::Immutable,
            Some(path) => {
                let made = self.knowledge.call(path).and_then(|facts| facts.returns.as_deref());
                let unshippable = made.filter(|made| self.knowledge.ships(made).is_unshippable()).map(str::to_owned);
                unshippable.map_or(Type::Unknown, |made| Type::Instance(self.name(&made)))
            }
            None => Type::Unknown,
        }
    }

    /// Whether the call makes an object without history (a logger, a lock), to be made again where it is used.
    fn is_rebuilt(&self, path: &str, arguments: &Arguments<'a>) -> bool {
        let returned = self.knowledge.call(path).and_then(|facts| facts.returns.as_deref());
        let made = returned.or_else(|| self.knowledge.constructed(path));
        made.is_some_and(|made| self.knowledge.ships(made).is_remade()) && arguments.all().all(Value::is_constant)
    }

    /// Whether the call only sets a generator to a known state, which can be set again elsewhere.
    fn only_seeds(&self, path: &str, arguments: &Arguments<'a>) -> bool {
        self.knowledge.call(path).is_some_and(|facts| !facts.seeds.is_empty())
            && arguments.positional.len() == 1
            && arguments.all().all(Value::is_immutable)
    }

    fn metric_name(&mut self, path: &str, arguments: &Arguments<'a>) {
        if path == "kale_rs.metric"
            && let Some((Value { text: Some(name), .. }, _)) = arguments.positional.first()
        {
            self.frame().effects.metrics.push(name.to_string());
        }
    }

    /// `Path(...)` and `os.path.join(...)` of known parts are known paths.
    fn path_operation(&mut self, path: &str, arguments: &Arguments<'a>) -> Option<Value> {
        let joins = matches!(path, "os.path.join" | "pathlib.Path" | "pathlib.PurePath" | "pathlib.PosixPath");
        if !joins || !arguments.keywords.is_empty() || !arguments.spread.is_empty() {
            return None;
        }
        let parts: Option<Vec<&str>> = arguments.positional.iter().map(|(value, _)| value.text.as_deref()).collect();
        let text = parts.map(|parts| if parts.is_empty() { ".".to_owned() } else { parts.join("/") });
        let mut value = Value::immutable();
        if path.starts_with("pathlib.") {
            let name = self.name("pathlib.Path");
            value.ty = Type::Instance(name);
        }
        value.text = text.map(Into::into);
        Some(value)
    }

    /// A new object of a library's type, which may hold references to the arguments.
    fn construct(&mut self, type_path: &str, arguments: &Arguments<'a>, range: TextRange) -> Value {
        for value in arguments.all() {
            self.consume_iterator(value, range);
        }
        let mut result = self.typed(type_path);
        for value in arguments.all() {
            // What is made from an iterator holds its elements.
            let held = if self.is_iterator(value) { self.element(value) } else { value.clone() };
            self.link(&result, &held, false);
            result.code.extend(value.code.iter().copied());
        }
        result
    }

    pub fn apply_facts(
        &mut self,
        facts: &'static CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        caller: Caller,
        range: TextRange,
    ) -> Value {
        let mut applied = vec![facts];
        applied.extend(facts.when.iter().filter(|w| self.applies(&w.condition, arguments)).map(|w| w.facts.as_ref()));
        for value in receiver.into_iter().chain(arguments.all()) {
            self.consume_iterator(value, range);
        }
        let mut called_back = vec![];
        for facts in &applied {
            self.apply_effects(facts, receiver, arguments, range);
            called_back.extend(self.run_callbacks(facts, receiver, arguments, caller, range));
        }
        let mut result = self.result(facts, &applied, receiver, arguments);
        for value in called_back.iter().filter(|value| !value.objects.is_empty()) {
            if result.objects.is_empty() || self.is_flat(&result) || self.type_path(&result) == Some(THREAD) {
                continue;
            }
            if self.looks_into(&result) { self.hold(&mut result, value) } else { self.link(&result, value, false) }
        }
        self.keep_classes(&result, receiver.into_iter().chain(arguments.all()).chain(&called_back));
        result
    }

    /// What a library makes of objects of the notebook (a column of them, say) may hold them, and takes their classes to
    /// be read back.
    pub(super) fn keep_classes<'v>(&mut self, result: &Value, sources: impl Iterator<Item = &'v Value>) {
        for source in sources.filter(|_| !result.objects.is_empty()) {
            let classes = self.classes_among(source);
            if !classes.is_empty() {
                self.note_code(result, &Value { code: classes.into(), ..Value::immutable() });
            }
        }
    }

    fn applies(&self, condition: &Condition, arguments: &Arguments<'a>) -> bool {
        let given_value = |which: &str| match given(which, arguments) {
            Some((_, Some(expr))) => !expr.is_none_literal_expr(),
            Some((_, None)) => true,
            None => false,
        };
        if condition.without.iter().any(given_value) {
            return false;
        }
        if !condition.is_literal.is_empty() {
            return condition.given.iter().any(|which| {
                let text = given(which, arguments).and_then(|(_, expr)| expr).and_then(literal_text);
                text.is_some_and(|text| condition.is_literal.contains(&text))
            });
        }
        if condition.given.is_empty() {
            return true;
        }
        !arguments.spread.is_empty()
            || condition.given.iter().any(|which| match given(which, arguments) {
                Some((value, Some(expr))) => !self.is_safe(value, expr, &condition.safe),
                Some((_, None)) => true,
                None => false,
            })
    }

    /// Whether an argument is one of those listed: a literal (`'a'`, `True`), any literal of a kind (`<str>`,
    /// `<literal>`), or a built-in type (`float`).
    fn is_safe(&self, value: &Value, expr: &Expr, safe: &[String]) -> bool {
        let text = match value.ty {
            Type::Library(path) => self.facts.text(path).strip_prefix("builtins.").map(str::to_owned),
            _ => literal_text(expr),
        };
        let kinds = literal_kinds(expr);
        safe.iter().any(|listed| Some(listed) == text.as_ref() || kinds.contains(&listed.as_str()))
    }

    pub(super) fn is_iterator(&self, value: &Value) -> bool {
        self.of_type(value, |t| t.iterator) == Some(true)
    }

    fn consume_iterator(&mut self, value: &Value, range: TextRange) {
        if self.is_iterator(value) {
            self.consume(value);
            self.invoke_iteration(value, range);
        }
    }

    pub(super) fn apply_effects(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) {
        if facts.only_returns() {
            return;
        }
        for which in concerned(&facts.mutates, arguments).into_iter().filter(|_| !planted(Fault::MissedMethodMutation))
        {
            for value in select(which, receiver, arguments) {
                self.change_setting(value);
                if which == "self" { self.mutate_container(value) } else { self.mutate(value) }
            }
        }
        if facts.inplace && is_truthy_or_unknown("inplace", arguments) {
            receiver.into_iter().for_each(|value| self.mutate(value));
        }
        for which in concerned(&facts.iterates, arguments) {
            for value in select(which, receiver, arguments) {
                self.iterate(value, range);
            }
        }
        self.apply_stores(facts, receiver, arguments);
        self.apply_rng_facts(facts, arguments, range);
        self.apply_files(facts, receiver, arguments, range);
        for setting in facts.config.iter() {
            self.frame().effects.settings.insert(setting.module().to_owned());
            if setting.is_directory() {
                let path = first(["0", "path"].into_iter(), None, arguments).and_then(|path| path.text.as_deref());
                let path = path.map(str::to_owned);
                self.frame().effects.directories.push(path);
            }
        }
        for which in facts.env_reads.iter() {
            for value in select(which, receiver, arguments) {
                self.read_environment(value);
            }
        }
        for which in concerned(&facts.names, arguments) {
            for value in select(which, receiver, arguments) {
                self.read_named(value, range);
            }
        }
        if !facts.env_writes.is_empty() {
            self.change_interpreter();
        }
        for effect in facts.effects.iter() {
            self.apply_effect(*effect, range);
        }
    }

    fn apply_effect(&mut self, effect: Effect, range: TextRange) {
        match effect {
            Effect::Network => self.touch(Resource::Network, true, range),
            Effect::Database => self.touch(Resource::Database, true, range),
            Effect::Subprocess => {
                self.touch(Resource::Subprocess, true, range);
                self.touch(Resource::AnyFile, true, range);
            }
            Effect::Clock => self.touch(Resource::Clock, false, range),
            Effect::Entropy => self.touch(Resource::Entropy, false, range),
            Effect::Files => self.touch(Resource::AnyFile, true, range),
            Effect::Input => self.frame().effects.interactive.push(range),
            Effect::Dynamic => self.frame().effects.dynamic.push(("this call".to_owned(), range)),
            Effect::History => self.frame().effects.history.push(("history".to_owned(), range)),
            // Figures are shown and closed at the end of each cell; `exit` fails the step.
            Effect::Plot => self.note_library("matplotlib"),
            Effect::Exit => {}
            Effect::Layout => self.frame().effects.layout = true,
            Effect::Print => self.frame().effects.prints = true,
        }
    }

    fn apply_stores(&mut self, facts: &CallFacts, receiver: Option<&Value>, arguments: &Arguments<'a>) {
        let keeper = match &facts.keeper {
            Some(which) => select(which, receiver, arguments).into_iter().next(),
            None => receiver,
        };
        let Some(keeper) = keeper else { return };
        for stored in concerned(&facts.stores, arguments) {
            let (kind, which) = stored.split_once(':').unwrap_or(("alias", stored));
            for value in select(which, receiver, arguments) {
                let is_item = kind == "items";
                let value = if is_item { Cow::Owned(self.element(value)) } else { Cow::Borrowed(value) };
                if is_item || (kind == "alias" && which.parse::<usize>().is_ok()) {
                    self.put(keeper, &value);
                } else {
                    self.link(keeper, &value, kind == "view");
                }
            }
        }
    }

    /// Functions of the notebook among the arguments, and methods of its objects, may be called by the library.
    /// Built-in functions call what they are told to, and operators. Gives what the result of a library's function may hold
    /// by that: what it has given to the functions that it calls, where they keep it, and what these have returned.
    fn run_callbacks(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        caller: Caller,
        range: TextRange,
    ) -> Vec<Value> {
        for value in arguments.all() {
            // (Of a method that only looks, calling it changes nothing.)
            if self.type_path(value) == Some(BOUND_METHOD) {
                self.mutate(value);
            }
        }
        let participants = || receiver.into_iter().chain(arguments.all());
        if !participants().any(|value| self.has_code(value)) {
            return vec![];
        }
        if caller == Caller::Builtin {
            self.run_callbacks_of_builtin(facts, receiver, arguments, range);
            return vec![];
        }
        let participants: Vec<&Value> = participants().filter(|value| !self.gives_values(value)).collect();
        let functions: Vec<&Value> =
            concerned(&facts.calls, arguments).iter().flat_map(|which| select(which, receiver, arguments)).collect();
        // Functions are called with the other arguments, where it is known which those are.
        let is_named = facts.calls.iter().all(|which| which != "*");
        let is_function = |value: &Value| is_named && functions.iter().any(|function| ptr::eq(*function, value));
        let mut given: Vec<Value> = participants.iter().filter(|value| !is_function(value)).copied().cloned().collect();
        if functions.is_empty() {
            participants.into_iter().for_each(|value| drop(self.invoke_code_with(value, &given, range)));
            return vec![];
        }
        // `json.loads(text, object_hook=f)`: what it makes of its arguments, `f` is given.
        given.push(self.fresh(Type::Unknown));
        let mut called_back: Vec<Value> =
            participants.into_iter().flat_map(|value| self.invoke_code_with(value, &given, range)).collect();
        let is_kept =
            |this: &mut Self, value: &Value| value.objects.iter().any(|&object| this.frame().heap.class(object).joined);
        called_back.extend(given.pop().filter(|made| is_kept(self, made)));
        called_back
    }

    /// Elements of arrays and frames are values, which have no code; so is what such an iterator gives. (What it does to
    /// move on has been done.)
    fn gives_values(&self, value: &Value) -> bool {
        self.is_only_flat(value) || (self.is_iterator(value) && self.holds_scalars(value))
    }

    fn run_callbacks_of_builtin(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) {
        let participants: Vec<Value> =
            receiver.into_iter().chain(arguments.all()).filter(|value| !self.gives_values(value)).cloned().collect();
        for value in &participants {
            self.operate_loosely(value, &facts.special, range);
        }
        for which in concerned(&facts.calls, arguments) {
            for function in select(which, receiver, arguments) {
                match keyed_by(facts, function, arguments) {
                    Some(items) => self.call_with_elements(function, items, range),
                    None => drop(self.invoke_code_with(function, &participants, range)),
                }
            }
        }
    }

    /// A function is called with each element.
    fn call_with_elements(&mut self, function: &Value, items: &Value, range: TextRange) {
        let element = self.iterate(items, range).named();
        let returned = self.perhaps(|this| this.call_value(function, &[element], range));
        self.operate(&[&returned], range);
    }

    fn has_code(&self, value: &Value) -> bool {
        let frame = self.innermost();
        !value.code.is_empty() || value.objects.iter().any(|&object| !frame.heap.peek(object).code.is_empty())
    }

    fn apply_rng_facts(&mut self, facts: &CallFacts, arguments: &Arguments<'a>, range: TextRange) {
        for generator in facts.seeds.iter().filter(|generator| self.knowledge.has(**generator)) {
            self.seed(generator.name());
        }
        let avoided = facts.rng_unless.iter().any(|which| self.has_own_generator(which, arguments))
            || (!facts.rng_through.is_empty()
                && self.are_all(&facts.rng_through, arguments, &|path| self.draws_nothing(path)));
        for value in facts.rng_unless.iter().flat_map(|which| select(which, None, arguments)) {
            self.mutate(value);
        }
        if !avoided {
            for generator in facts.rng.iter().filter(|generator| self.knowledge.has(**generator)) {
                self.draw(generator.name(), range);
            }
        }
    }

    /// Whether the argument says what is drawn from: a seed or a generator, and neither None nor the global one.
    pub(super) fn has_own_generator(&self, which: &str, arguments: &Arguments<'a>) -> bool {
        let is_global = |value: &Value| match value.ty {
            Type::Library(path) | Type::Instance(path) => GLOBAL_GENERATORS.contains(&self.facts.text(path)),
            _ => false,
        };
        is_certainly_given(which, arguments) && !given(which, arguments).is_some_and(|(value, _)| is_global(value))
    }

    /// Whether using these arguments has no effect beyond them: they draw from no global generator, and keep nothing.
    pub(super) fn are_harmless(&self, which: &Words, arguments: &Arguments<'a>) -> bool {
        self.are_all(which, arguments, &|path| self.is_harmless(path))
    }

    /// Whether these arguments are immutable, or of good types, or hold nothing else.
    pub(super) fn are_all(&self, which: &Words, arguments: &Arguments<'a>, good: &dyn Fn(&str) -> bool) -> bool {
        let given: Vec<&Value> = which
            .iter()
            .filter(|which| is_given(which, arguments))
            .flat_map(|which| select(which, None, arguments))
            .collect();
        arguments.spread.is_empty()
            && given.iter().all(|value| {
                value.is_immutable() || self.type_path(value).is_some_and(good) || self.holds_only(value, good)
            })
    }

    pub(super) fn is_harmless(&self, path: &str) -> bool {
        path.starts_with("numpy.ndarray") || self.knowledge.inherited(path, |t| t.deterministic) == Some(true)
    }

    fn draws_nothing(&self, path: &str) -> bool {
        self.is_harmless(path) || self.knowledge.inherited(path, |t| t.draws) == Some(false)
    }

    /// Whether it is a container of values of good types.
    fn holds_only(&self, value: &Value, good: &dyn Fn(&str) -> bool) -> bool {
        let types = self.types_in_class(value);
        self.is_collection(value)
            && types.known().is_some_and(|types| {
                types.iter().all(|ty| match ty {
                    Type::Instance(path) => {
                        let path = self.facts.text(*path);
                        self.is_container(path) || good(path)
                    }
                    _ => false,
                })
            })
    }

    /// What types are suspended within the context that the function at `path` makes.
    pub(super) fn suspended_by(&self, path: Name) -> Option<&'static FxHashMap<String, String>> {
        let made = self.knowledge.call(self.facts.text(path))?.returns.as_deref()?;
        self.knowledge.inherited(made, |t| t.suspends.as_ref())
    }

    pub fn read_environment(&mut self, name: &Value) {
        let text = name.text.as_deref().unwrap_or("*").to_owned();
        self.frame().effects.environment_variables.insert(text);
    }

    /// `with manager as entered`.
    pub fn enter_context(&mut self, manager: &Value, range: TextRange) -> Value {
        if let Some(path) = self.type_path(manager).map(str::to_owned) {
            if let Some(facts) = self.knowledge.inherited(&path, |t| t.context.as_ref()) {
                return self.access(manager, facts, range);
            }
            if path.starts_with("io.") {
                return manager.clone();
            }
        }
        if !manager.is_constant() {
            self.mutate(manager);
            self.invoke_code(manager, range);
        }
        match manager.ty {
            Type::Object(class) if let Some((method, MethodKind::Plain)) = self.method_kind(class, "__enter__") => {
                self.call_function(method, manager, Some(manager), &Arguments::default(), range).named()
            }
            _ => manager.part(Type::Unknown),
        }
    }
}

/// Of `max(items, key=function)`, with a function that can be seen: the items.
fn keyed_by<'v>(facts: &CallFacts, function: &Value, arguments: &'v Arguments<'_>) -> Option<&'v Value> {
    let [(items, _)] = arguments.positional.as_slice() else { return None };
    let is_key = facts.calls.iter().eq(["key"]) && facts.iterates.iter().eq(["0"]) && arguments.spread.is_empty();
    (is_key && matches!(function.ty, Type::Function(_)) && !planted(Fault::CallbackMissed)).then_some(items)
}
