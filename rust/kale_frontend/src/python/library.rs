//! Calls of libraries, as the knowledge base describes them; and IPython's escapes.

use std::rc::Rc;

use ruff_python_ast::{Expr, IpyEscapeKind, Number};
use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::calls::Arguments;
use super::facts::{Kind, Resource};
use super::knowledge::{CallFacts, Item, OneOrMany};
use super::value::{Type, Value};

/// Functions cheap enough to be called again where their result is needed, instead of shipping it.
const CHEAP: &[&str] = &[
    "builtins.abs",
    "builtins.bool",
    "builtins.bytes",
    "builtins.complex",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.len",
    "builtins.max",
    "builtins.min",
    "builtins.object",
    "builtins.range",
    "builtins.round",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "logging.getLogger",
    "pathlib.Path",
    "pathlib.PurePath",
    "re.compile",
    "typing.TypeVar",
    "typing.cast",
    "typing.NewType",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "decimal.Decimal",
    "fractions.Fraction",
    "os.path.join",
    "os.path.abspath",
    "os.path.basename",
    "os.path.dirname",
    "math.sqrt",
    "math.log",
    "math.exp",
    "functools.partial",
];

/// Calls that make a class: instances refer to it by the name it is assigned to.
const CLASS_MAKERS: &[&str] = &[
    "collections.namedtuple",
    "typing.NamedTuple",
    "typing.TypedDict",
    "dataclasses.make_dataclass",
    "enum.Enum",
    "enum.IntEnum",
    "enum.Flag",
    "enum.StrEnum",
];

/// Libraries with settings of their own.
const LIBRARIES: &[&str] = &[
    "matplotlib",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scipy",
    "seaborn",
    "sklearn",
    "statsmodels",
    "tensorflow",
    "torch",
    "transformers",
];

const GENERATORS: &[&str] = &["random", "numpy", "torch", "tensorflow"];

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
        if CLASS_MAKERS.contains(&path.as_str()) && arguments.positional.len() > 1 {
            return self.made_class();
        }
        let cheap = CHEAP.contains(&path.as_str())
            && arguments.all().all(|value| value.objects.is_empty() || self.is_stateless(value));
        let before = self.frame().effects.calls;
        let cheap = cheap || self.is_rebuilt(&path, arguments) || self.only_seeds(&path, arguments);
        let effects = &mut self.frame().effects;
        effects.calls = before || !cheap;
        effects.expensive |= !path.starts_with("builtins.");
        if path == "dataclasses.field" {
            // The decorator takes it away again.
            let code = arguments.all().flat_map(|value| value.code.iter().copied()).collect();
            return Value { ty: Type::Unknown, code, ..Value::immutable() };
        }
        if let Some(value) = self.path_operation(&path, arguments) {
            return value;
        }
        if let Some(facts) = self.knowledge.call(&path) {
            if path == "builtins.eval" || path == "builtins.exec" {
                self.frame().effects.dynamic.push((path["builtins.".len()..].to_owned(), range));
            }
            self.metric_name(&path, arguments);
            let caller = if path.starts_with("builtins.") { Caller::Builtin } else { Caller::Library };
            return self.apply_facts(facts, None, arguments, caller, range);
        }
        if path.starts_with("kale_rs.") {
            self.metric_name(&path, arguments);
            return Value::immutable();
        }
        if let Some(constructed) = self.knowledge.constructed(&path).map(str::to_owned) {
            return self.construct(&constructed, arguments, range);
        }
        if self.knowledge.in_pure_module(&path) {
            let mut result = self.fresh(Type::Unknown);
            for value in arguments.all() {
                self.link(&result, value, false);
                result.code.extend(value.code.iter().copied());
            }
            return if arguments.all().all(Value::is_immutable) { Value::immutable() } else { result };
        }
        self.unknown_call(None, arguments, range)
    }

    /// Whether the call makes an object without history (a logger, a lock), to be made again where it is used.
    fn is_rebuilt(&self, path: &str, arguments: &Arguments<'a>) -> bool {
        let returned = self.knowledge.call(path).and_then(|facts| facts.returns.as_deref());
        let made = returned.or_else(|| self.knowledge.constructed(path));
        made.is_some_and(|made| self.knowledge.inherited(made, |t| t.ships.as_deref()) == Some("rebuild"))
            && arguments.all().all(Value::is_constant)
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
        for value in arguments.all().cloned().collect::<Vec<_>>() {
            self.consume_iterator(&value, range);
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

    /// A new value of a type by its path.
    pub fn typed(&mut self, path: &str) -> Value {
        let immutable = path == "immutable"
            || path == "None"
            || (!path.starts_with("pathlib.") && self.knowledge.inherited(path, |t| t.immutable) == Some(true));
        if immutable {
            return Value::immutable();
        }
        let name = self.name(path);
        if path.starts_with("pathlib.") {
            return Value { ty: Type::Instance(name), ..Value::immutable() };
        }
        self.fresh(Type::Instance(name))
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
        applied.extend(facts.when.iter().filter(|w| self.applies(w, receiver, arguments)).map(|w| w.facts.as_ref()));
        for value in receiver.into_iter().chain(arguments.all()).cloned().collect::<Vec<_>>() {
            self.consume_iterator(&value, range);
        }
        for facts in &applied {
            self.apply_effects(facts, receiver, arguments, caller, range);
        }
        self.result(facts, &applied, receiver, arguments, range)
    }

    fn applies(
        &self,
        condition: &super::knowledge::Conditional,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
    ) -> bool {
        let given_value = |which: &String| match given(which, arguments) {
            Some(Some(expr)) => !expr.is_none_literal_expr(),
            Some(None) => true,
            None => false,
        };
        if condition.without.iter().any(|which| given_value(&which)) {
            return false;
        }
        if !condition.is_literal.is_empty() {
            return condition.given.iter().any(|which| {
                let text = given(&which, arguments).flatten().and_then(literal_text);
                text.is_some_and(|text| condition.is_literal.contains(&text))
            });
        }
        if condition.given.is_empty() {
            return true;
        }
        let _ = receiver;
        !arguments.spread.is_empty()
            || condition.given.iter().any(|which| match given(&which, arguments) {
                Some(Some(expr)) => !is_safe(expr, &condition.safe),
                Some(None) => true,
                None => false,
            })
    }

    fn is_iterator(&self, value: &Value) -> bool {
        self.type_path(value).is_some_and(|path| self.knowledge.inherited(path, |t| t.iterator) == Some(true))
    }

    fn consume_iterator(&mut self, value: &Value, range: TextRange) {
        if self.is_iterator(value) {
            self.mutate(value);
            self.invoke_code(value, range);
        }
    }

    fn apply_effects(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        caller: Caller,
        range: TextRange,
    ) {
        for which in concerned(&facts.mutates, arguments) {
            for value in select(&which, receiver, arguments) {
                self.change_setting(&value);
                self.mutate(&value);
            }
        }
        if facts.inplace && is_truthy_or_unknown("inplace", arguments) {
            receiver.into_iter().for_each(|value| self.mutate(value));
        }
        for which in concerned(&facts.iterates, arguments) {
            for value in select(&which, receiver, arguments) {
                self.iterate(&value, range);
            }
        }
        self.apply_stores(facts, receiver, arguments);
        self.run_callbacks(facts, receiver, arguments, caller, range);
        self.apply_rng_facts(facts, arguments, range);
        self.apply_files(facts, receiver, arguments, range);
        for setting in facts.config.iter() {
            let module = match setting.as_str() {
                "numpy" | "pandas" | "matplotlib" | "sklearn" | "seaborn" | "torch" | "polars" | "tensorflow"
                | "scipy" | "statsmodels" | "pyarrow" | "transformers" => setting,
                _ => String::new(),
            };
            self.frame().effects.settings.insert(module);
        }
        for which in facts.env_reads.iter() {
            for value in select(&which, receiver, arguments) {
                self.read_environment(&value, range);
            }
        }
        for which in concerned(&facts.names, arguments) {
            for value in select(&which, receiver, arguments) {
                self.read_named(&value, range);
            }
        }
        if !facts.env_writes.is_empty() {
            self.frame().effects.settings.insert(String::new());
        }
        for effect in facts.effects.iter() {
            self.apply_effect(&effect, range);
        }
    }

    /// Notes that a setting changes: under its library's name, or `""` for the interpreter's own.
    pub fn note_setting(&mut self, setting: &str) {
        let module = if LIBRARIES.contains(&setting) { setting } else { "" };
        self.frame().effects.settings.insert(module.to_owned());
    }

    fn apply_effect(&mut self, effect: &str, range: TextRange) {
        match effect {
            "network" => self.touch(Resource::Network, true, range),
            "database" => self.touch(Resource::Database, true, range),
            "subprocess" => {
                self.touch(Resource::Subprocess, true, range);
                self.touch(Resource::AnyFile, true, range);
            }
            "clock" => self.touch(Resource::Clock, false, range),
            "entropy" => self.touch(Resource::Entropy, false, range),
            "files" => self.touch(Resource::AnyFile, true, range),
            "input" => self.frame().effects.interactive.push(range),
            "dynamic" => self.frame().effects.dynamic.push(("this call".to_owned(), range)),
            "history" => self.frame().effects.history.push(("history".to_owned(), range)),
            // Figures are shown and closed at the end of each cell; `exit` fails the step.
            _ => {}
        }
    }

    fn apply_stores(&mut self, facts: &CallFacts, receiver: Option<&Value>, arguments: &Arguments<'a>) {
        let keeper = match &facts.keeper {
            Some(which) => select(which, receiver, arguments).into_iter().next(),
            None => receiver.cloned(),
        };
        let Some(keeper) = keeper else { return };
        for stored in concerned(&facts.stores, arguments) {
            let (kind, which) = stored.split_once(':').unwrap_or(("alias", &stored));
            for value in select(which, receiver, arguments) {
                let value = if kind == "items" { self.element(&value) } else { value };
                self.link(&keeper, &value, kind == "view");
            }
        }
    }

    /// Functions of the notebook among the arguments, and methods of its objects, may be called by the library.
    /// Built-in functions call what they are told to, and operators.
    fn run_callbacks(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        caller: Caller,
        range: TextRange,
    ) {
        let participants: Vec<Value> = receiver.into_iter().chain(arguments.all()).cloned().collect();
        if !participants.iter().any(|value| self.has_code(value)) {
            return;
        }
        for value in &participants {
            match caller {
                Caller::Library => self.invoke_code_with(value, &participants, range),
                Caller::Builtin => self.operate_loosely(value, range),
            }
        }
        if caller == Caller::Builtin {
            for which in concerned(&facts.calls, arguments) {
                for function in select(&which, receiver, arguments) {
                    self.invoke_code_with(&function, &participants, range);
                }
            }
        }
    }

    fn has_code(&self, value: &Value) -> bool {
        let frame = self.frames.last().expect("the module's frame is always there");
        !value.code.is_empty() || value.objects.iter().any(|&object| !frame.heap.peek(object).code.is_empty())
    }

    fn apply_rng_facts(&mut self, facts: &CallFacts, arguments: &Arguments<'a>, range: TextRange) {
        for generator in facts.seeds.iter().filter_map(|g| generator(&g)) {
            self.seed(generator);
        }
        let avoided = facts.rng_unless.iter().any(|which| is_certainly_given(&which, arguments))
            || (!facts.rng_through.is_empty() && self.are_harmless(&facts.rng_through, arguments));
        for value in facts.rng_unless.iter().flat_map(|which| select(&which, None, arguments)) {
            self.mutate(&value);
        }
        if !avoided {
            for generator in facts.rng.iter().filter_map(|g| generator(&g)) {
                self.draw(generator, range);
            }
        }
    }

    /// Whether using these arguments never draws from a global generator.
    fn are_harmless(&self, which: &OneOrMany, arguments: &Arguments<'a>) -> bool {
        let given: Vec<Value> = which
            .iter()
            .filter(|which| is_given(which, arguments))
            .flat_map(|which| select(&which, None, arguments))
            .collect();
        arguments.spread.is_empty() && given.iter().all(|value| self.is_deterministic(value))
    }

    fn is_deterministic(&self, value: &Value) -> bool {
        value.is_immutable()
            || self.type_path(value).is_some_and(|path| {
                path.starts_with("numpy.ndarray") || self.knowledge.inherited(path, |t| t.deterministic) == Some(true)
            })
    }

    fn apply_files(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) {
        if facts.open {
            self.open_file(receiver, arguments, range);
        }
        for (which, write, read) in
            [(&facts.reads, false, true), (&facts.writes, true, false), (&facts.appends, true, true)]
        {
            if let Some(value) = first(which, receiver, arguments) {
                let value = if write { with_suffix(value, facts) } else { value };
                self.touch_file(&value, read, write, range);
            }
        }
        if !facts.lists.is_empty() {
            self.touch(Resource::AnyFile, false, range);
        }
    }

    fn open_file(&mut self, receiver: Option<&Value>, arguments: &Arguments<'a>, range: TextRange) {
        let mode_at = if receiver.is_some() { "0" } else { "1" };
        let mode = [mode_at, "mode"].into_iter().find_map(|which| match given(which, arguments) {
            Some(expr) => Some(expr.and_then(literal_text).map(|text| text.trim_matches('\'').to_owned())),
            None => None,
        });
        let mode = match mode {
            None => Some("r".to_owned()),
            Some(text) => text,
        };
        let path = match receiver {
            Some(path) => Some(path.clone()),
            None => {
                let alternatives = OneOrMany::Many(vec![Item::Number(0), Item::Text("file".to_owned())]);
                first(&alternatives, None, arguments)
            }
        };
        let Some(path) = path else { return };
        let mode = mode.unwrap_or_else(|| "r+".to_owned());
        let writes = mode.contains(['w', 'a', 'x', '+']);
        let reads = mode.contains(['r', 'a', '+']);
        self.touch_file(&path, reads, writes, range);
    }

    fn touch_file(&mut self, path: &Value, reads: bool, writes: bool, range: TextRange) {
        let resource = match path.text.as_deref() {
            Some(text) if text.contains("://") => Resource::Network,
            Some(text) => Resource::File(normal_path(text)),
            None if !path.is_constant() && !self.is_path(path) => {
                // A stream: its state changes; the file behind it was named when it was opened.
                self.mutate(path);
                return;
            }
            None => {
                self.frame().effects.unknown_paths.push(range);
                Resource::AnyFile
            }
        };
        if reads {
            self.touch(resource.clone(), false, range);
        }
        if writes {
            self.touch(resource, true, range);
        }
    }

    /// Reads the variables that a query or formula names.
    fn read_named(&mut self, text: &Value, range: TextRange) {
        let Some(text) = text.text.clone() else {
            self.frame().effects.dynamic.push(("a query built at run time".to_owned(), range));
            return;
        };
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_')) {
            let name = self.name(word);
            let local = self.frames.last().is_some_and(|frame| frame.lookup(name).is_some());
            if local || self.module_binding(name).is_some() {
                self.read(word, range);
            }
        }
    }

    pub fn read_environment(&mut self, name: &Value, _range: TextRange) {
        let text = name.text.as_deref().unwrap_or("*").to_owned();
        self.frame().effects.environment_variables.insert(text);
    }

    fn result(
        &mut self,
        facts: &CallFacts,
        applied: &[&CallFacts],
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        _range: TextRange,
    ) -> Value {
        let returns = applied.iter().rev().find_map(|f| f.returns.as_deref());
        let mut returns = returns.map(str::to_owned);
        if let Some(unseeded) = &facts.returns_unseeded
            && !facts.seeded_by.iter().any(|which| is_certainly_given(&which, arguments))
        {
            returns = Some(unseeded.clone());
        }
        if let Some(inner) = &facts.returns_inner
            && !self.are_harmless(&facts.inner, arguments)
        {
            returns = Some(inner.clone());
        }
        let mut result = match returns.as_deref() {
            Some("self") => return receiver.cloned().unwrap_or_else(Value::immutable),
            Some(text) if text.starts_with("arg:") => {
                let which = &text["arg:".len()..];
                return select(which, receiver, arguments).into_iter().next().unwrap_or_else(Value::immutable);
            }
            None => self.fresh(Type::Unknown),
            Some(path) => self.made(path, receiver, arguments),
        };
        if result.objects.is_empty() {
            return result;
        }
        if let Some(element) = facts.element.as_deref()
            && self.typed(element).is_immutable()
        {
            let ty = result.ty;
            result = self.fresh_scalars(ty);
        }
        for facts in applied {
            for shared in concerned(&facts.result, arguments) {
                self.share(&mut result, &shared, receiver, arguments);
            }
        }
        if facts.separate && !facts.elements.is_empty() {
            result.parts = Some(Rc::new(self.separate_parts(facts, receiver, arguments)));
        }
        result
    }

    /// The elements of a result, which share nothing.
    fn separate_parts(&mut self, facts: &CallFacts, receiver: Option<&Value>, arguments: &Arguments<'a>) -> Vec<Value> {
        let given = facts.elements.iter().take_while(|element| match element.strip_prefix("like:") {
            Some(which) => !select(which, receiver, arguments).is_empty() && is_given(which, arguments),
            None => true,
        });
        let elements: Vec<&String> = given.collect();
        elements.into_iter().map(|element| self.made(element, receiver, arguments)).collect()
    }

    /// A new value of a type, or of the type of an argument (`like:0`).
    fn made(&mut self, path: &str, receiver: Option<&Value>, arguments: &Arguments<'a>) -> Value {
        if let Some(which) = path.strip_prefix("array:") {
            let like = select(which, receiver, arguments).into_iter().next();
            let pandas = like.and_then(|value| self.type_path(&value).map(str::to_owned));
            return self.typed(pandas.filter(|path| path.starts_with("pandas.")).as_deref().unwrap_or("numpy.ndarray"));
        }
        let Some(which) = path.strip_prefix("like:") else {
            return if path == "unknown" { self.fresh(Type::Unknown) } else { self.typed(path) };
        };
        let like = select(which, receiver, arguments).into_iter().next();
        match like.map(|value| value.ty) {
            Some(Type::Immutable) => Value::immutable(),
            Some(ty @ Type::Instance(_)) => self.fresh(ty),
            _ => self.fresh(Type::Unknown),
        }
    }

    /// Links a result with what it shares.
    fn share(&mut self, result: &mut Value, shared: &str, receiver: Option<&Value>, arguments: &Arguments<'a>) {
        let Some((kind, which)) = shared.split_once(':') else { return };
        for value in select(which, receiver, arguments) {
            let is_flat = |this: &Self| {
                this.type_path(&value).is_some_and(|path| this.knowledge.inherited(path, |t| t.flat) == Some(true))
            };
            let held = match kind {
                // What is made from an iterator holds its elements.
                _ if self.is_iterator(&value) && !self.is_iterator(result) => self.element(&value),
                "items" => self.element(&value),
                "copy" if is_flat(self) || self.element(&value).is_immutable() => continue,
                _ => value.clone(),
            };
            if kind == "view" && (value.is_constant() || self.is_collection(&value)) {
                continue;
            }
            if held.is_immutable() && matches!(kind, "items" | "copy") && arguments.all().count() <= 1 {
                let ty = result.ty;
                *result = self.fresh_scalars(ty);
                continue;
            }
            // An iterator does not travel anyway, and what is taken from it does not hold its source.
            let held = if matches!(self.kind(result), Kind::Unshippable(_)) { held.part(Type::Unknown) } else { held };
            self.link(result, &held, kind == "view");
            for code in held.code {
                if !result.code.contains(&code) {
                    result.code.push(code);
                }
            }
        }
    }

    /// `with manager as entered`.
    pub fn enter_context(&mut self, manager: &Value, range: TextRange) -> Value {
        if let Some(path) = self.type_path(manager).map(str::to_owned) {
            if let Some(spec) = self.knowledge.inherited(&path, |t| t.context.as_ref()) {
                return self.part(manager, spec);
            }
            if path.starts_with("io.") {
                return manager.clone();
            }
        }
        if !manager.is_constant() {
            self.mutate(manager);
            self.invoke_code(manager, range);
        }
        manager.part(Type::Unknown)
    }

    /// `%magic`, `!command`, `name?`.
    pub fn escape_command(&mut self, kind: IpyEscapeKind, text: &str, range: TextRange) {
        self.frame().effects.calls = true;
        match kind {
            IpyEscapeKind::Help | IpyEscapeKind::Help2 => {}
            IpyEscapeKind::Shell | IpyEscapeKind::ShCap => self.shell_command(text, range),
            IpyEscapeKind::Magic | IpyEscapeKind::Magic2 => self.magic_line(text, range),
            IpyEscapeKind::Quote | IpyEscapeKind::Quote2 | IpyEscapeKind::Paren => {
                let name = text.split_whitespace().next().unwrap_or_default().to_owned();
                let callee = self.read(&name, range);
                self.unknown_call(Some(&callee), &Arguments::default(), range);
            }
        }
    }

    fn shell_command(&mut self, text: &str, range: TextRange) {
        if text.trim_start().starts_with("pip ") || text.contains("pip install") {
            return;
        }
        for name in interpolated_names(text) {
            let interned = self.name(&name);
            if self.module_binding(interned).is_some() {
                self.read(&name, range);
            }
        }
        self.touch(Resource::Subprocess, true, range);
        self.touch(Resource::AnyFile, true, range);
    }

    fn magic_line(&mut self, text: &str, range: TextRange) {
        let magic = text.split_whitespace().next().unwrap_or_default();
        let calls = &mut self.frame().effects.calls;
        match magic {
            "matplotlib" | "pylab" => {
                *calls = false;
                self.frame().effects.settings.insert("matplotlib".to_owned());
            }
            "config" | "load_ext" | "reload_ext" | "autoreload" | "precision" | "xmode" | "colors" => {
                *calls = false;
                self.frame().effects.settings.insert(String::new());
            }
            "cd" | "pushd" | "popd" | "env" | "set_env" => {
                *calls = false;
                self.frame().effects.settings.insert(String::new());
            }
            "pip" | "conda" | "mamba" | "uv" | "time" | "timeit" | "prun" | "who" | "whos" | "pwd" | "lsmagic"
            | "watermark" | "memit" | "alias" => {}
            "ls" | "cat" | "ll" | "head" | "tail" => self.touch(Resource::AnyFile, false, range),
            "run" | "load" | "store" | "macro" | "recall" | "rerun" | "edit" | "reset" | "reset_selective"
            | "who_ls" | "xdel" => self.frame().effects.dynamic.push((format!("%{magic}"), range)),
            _ => {
                self.touch(Resource::Subprocess, true, range);
                self.touch(Resource::AnyFile, true, range);
            }
        }
    }
}

/// Names in `{...}` and `$name` of a shell command.
fn interpolated_names(text: &str) -> Vec<String> {
    let mut names = vec![];
    let mut rest = text;
    while let Some(at) = rest.find(['{', '$']) {
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 && !rest.starts_with(|c: char| c.is_ascii_digit()) {
            names.push(rest[..end].to_owned());
        }
    }
    names
}

fn generator(name: &str) -> Option<&'static str> {
    GENERATORS.iter().copied().find(|g| *g == name)
}

/// `./a//b` and `a/b` are one file.
fn normal_path(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = vec![];
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

/// The values that an argument specification means: `self`, a position, a keyword, or `*`.
fn select(which: &str, receiver: Option<&Value>, arguments: &Arguments<'_>) -> Vec<Value> {
    let spread = || arguments.spread.iter().cloned();
    match which {
        "self" => receiver.into_iter().cloned().collect(),
        "*" => receiver.into_iter().chain(arguments.all()).cloned().collect(),
        _ => {
            if let Ok(position) = which.parse::<usize>() {
                return match arguments.positional.get(position) {
                    Some((value, _)) => vec![value.clone()],
                    None => arguments.keywords.iter().map(|(_, value, _)| value.clone()).chain(spread()).collect(),
                };
            }
            let keyword = arguments.keywords.iter().filter(|(name, ..)| name == which);
            let found: Vec<Value> = keyword.map(|(_, value, _)| value.clone()).collect();
            if found.is_empty() { spread().collect() } else { found }
        }
    }
}

/// The path that is written: numpy and matplotlib add a suffix.
fn with_suffix(mut path: Value, facts: &CallFacts) -> Value {
    if let Some(text) = path.text.as_deref() {
        let file = text.rsplit('/').next().unwrap_or(text);
        let added = match (&facts.suffix, &facts.default_suffix) {
            (Some(suffix), _) if !text.ends_with(suffix.as_str()) => Some(format!("{text}{suffix}")),
            (_, Some(suffix)) if !file.contains('.') => Some(format!("{text}{suffix}")),
            _ => None,
        };
        if let Some(added) = added {
            path.text = Some(added.into());
        }
    }
    path
}

/// The first of several alternatives that the call gives. A position also stands for any keyword, so it comes last.
fn first(which: &OneOrMany, receiver: Option<&Value>, arguments: &Arguments<'_>) -> Option<Value> {
    let alternatives: Vec<String> = which.iter().collect();
    let filled = |text: &String| match text.parse::<usize>() {
        Ok(position) => arguments.positional.len() > position,
        Err(_) => text == "self" || arguments.keywords.iter().any(|(name, ..)| name == text),
    };
    let chosen = alternatives.iter().find(|text| filled(text))?;
    select(chosen, receiver, arguments).into_iter().next()
}

/// The expression of an argument, if the call gives it.
fn given<'a>(which: &str, arguments: &Arguments<'a>) -> Option<Option<&'a Expr>> {
    if let Ok(position) = which.parse::<usize>() {
        return arguments.positional.get(position).map(|(_, expr)| *expr);
    }
    arguments.keywords.iter().find(|(name, ..)| name == which).map(|(_, _, expr)| *expr)
}

fn is_given(which: &str, arguments: &Arguments<'_>) -> bool {
    given(which, arguments).is_some()
}

/// Whether the argument is given and cannot be None.
fn is_certainly_given(which: &str, arguments: &Arguments<'_>) -> bool {
    match given(which, arguments) {
        Some(Some(expr)) => match expr {
            Expr::NoneLiteral(_) => false,
            Expr::Name(_) => arguments
                .keywords
                .iter()
                .find(|(name, ..)| name == which)
                .is_none_or(|(_, value, _)| value.is_immutable() || !value.objects.is_empty()),
            _ => true,
        },
        _ => false,
    }
}

fn is_truthy_or_unknown(which: &str, arguments: &Arguments<'_>) -> bool {
    match given(which, arguments) {
        Some(Some(Expr::BooleanLiteral(literal))) => literal.value,
        Some(_) => true,
        None => !arguments.spread.is_empty(),
    }
}

/// Whether an argument is one of the literals (`'a'`, `True`) or kinds of literal (`<str>`, `<int>`) listed.
fn is_safe(expr: &Expr, safe: &[String]) -> bool {
    let kind = match expr {
        Expr::StringLiteral(_) => "<str>",
        Expr::NumberLiteral(literal) if matches!(literal.value, Number::Int(_)) => "<int>",
        Expr::NumberLiteral(_) => "<float>",
        _ => "",
    };
    safe.iter().any(|text| text == kind || literal_text(expr).as_deref() == Some(text))
}

/// Those of a fact's arguments that concern this call: where a position stands beside its keyword, a position that the
/// call does not fill means nothing.
fn concerned(list: &OneOrMany, arguments: &Arguments<'_>) -> Vec<String> {
    let name = |item: &str| item.rsplit(':').next().unwrap_or(item).to_owned();
    let items: Vec<String> = list.iter().collect();
    let has_keyword = items.iter().any(|item| {
        let name = name(item);
        name.parse::<usize>().is_err() && !matches!(name.as_str(), "self" | "*" | "fresh")
    });
    let fills = |item: &String| match name(item).parse::<usize>() {
        Ok(position) => arguments.positional.len() > position || !arguments.spread.is_empty(),
        Err(_) => true,
    };
    items.into_iter().filter(|item| !has_keyword || fills(item)).collect()
}

/// A literal as the knowledge base writes it.
fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::BooleanLiteral(literal) => Some(if literal.value { "True" } else { "False" }.to_owned()),
        Expr::NoneLiteral(_) => Some("None".to_owned()),
        Expr::StringLiteral(literal) => Some(format!("'{}'", literal.value.to_str())),
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => Some(int.to_string()),
            _ => None,
        },
        _ => None,
    }
}
