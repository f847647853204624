//! Facts about library calls, read from `knowledge/*.toml` (its README defines the fields).
//!
//! The knowledge base may only make the answer more precise: a call it does not know changes its receiver and its
//! arguments, and its result may share parts with all of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use kale_model::Environment;
use serde::Deserialize;

/// What a call does. An entry that exists is pure unless it says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CallFacts {
    #[serde(alias = "type")]
    pub returns: Option<String>,
    pub element: Option<String>,
    pub elements: Vec<String>,
    pub separate: bool,
    pub result: OneOrMany,
    pub mutates: OneOrMany,
    pub inplace: bool,
    pub stores: OneOrMany,
    pub keeper: Option<String>,
    pub iterates: OneOrMany,
    pub calls: OneOrMany,
    pub rng: OneOrMany,
    pub rng_unless: OneOrMany,
    pub rng_through: OneOrMany,
    pub seeds: OneOrMany,
    pub returns_unseeded: Option<String>,
    pub seeded_by: OneOrMany,
    pub inner: OneOrMany,
    pub returns_inner: Option<String>,
    pub reads: OneOrMany,
    pub writes: OneOrMany,
    pub appends: OneOrMany,
    pub open: bool,
    pub lists: OneOrMany,
    pub config: OneOrMany,
    /// Text that names variables: queries and formulas.
    pub names: OneOrMany,
    /// What the path of a written file ends in; `default_suffix` only when it has none.
    pub suffix: Option<String>,
    pub default_suffix: Option<String>,
    pub env_reads: OneOrMany,
    pub env_writes: OneOrMany,
    pub effects: OneOrMany,
    /// For a module's constant: its type.
    pub value: Option<String>,
    pub when: Vec<Conditional>,
}

/// Further facts that hold for some calls only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Conditional {
    pub given: OneOrMany,
    /// Literals, as text, with which the condition does not hold.
    pub safe: Vec<String>,
    /// Literals, as text, with which alone it holds.
    #[serde(rename = "is")]
    pub is_literal: Vec<String>,
    pub without: OneOrMany,
    #[serde(flatten)]
    pub facts: Box<CallFacts>,
}

/// A type: its methods, attributes, and how its values behave.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TypeFacts {
    pub bases: Vec<String>,
    pub methods: HashMap<String, CallFacts>,
    pub attributes: HashMap<String, PartSpec>,
    pub ships: Option<String>,
    pub iterator: Option<bool>,
    pub immutable: Option<bool>,
    pub flat: Option<bool>,
    /// Using it never draws from a global generator.
    pub deterministic: Option<bool>,
    pub operators: Option<String>,
    pub operator_returns: Option<String>,
    pub operator_result: OneOrMany,
    pub compare_returns: Option<String>,
    pub subscript: Option<PartSpec>,
    pub slice: Option<PartSpec>,
    pub select: Option<PartSpec>,
    pub store: Option<String>,
    pub iterate: Option<PartSpec>,
    pub call: Option<CallFacts>,
    pub context: Option<PartSpec>,
    pub unknown_methods: Option<String>,
    pub unknown_attributes: Option<PartSpec>,
    /// Changing a value of the type changes this setting.
    pub config: Option<String>,
}

impl TypeFacts {
    /// Replaces, key by key, what `newer` states.
    fn overlay(&mut self, newer: TypeFacts) {
        self.methods.extend(newer.methods);
        self.attributes.extend(newer.attributes);
        if !newer.bases.is_empty() {
            self.bases = newer.bases;
        }
        if !newer.operator_result.is_empty() {
            self.operator_result = newer.operator_result;
        }
        replace(&mut self.ships, newer.ships);
        replace(&mut self.iterator, newer.iterator);
        replace(&mut self.immutable, newer.immutable);
        replace(&mut self.flat, newer.flat);
        replace(&mut self.deterministic, newer.deterministic);
        replace(&mut self.operators, newer.operators);
        replace(&mut self.operator_returns, newer.operator_returns);
        replace(&mut self.compare_returns, newer.compare_returns);
        replace(&mut self.subscript, newer.subscript);
        replace(&mut self.slice, newer.slice);
        replace(&mut self.select, newer.select);
        replace(&mut self.store, newer.store);
        replace(&mut self.iterate, newer.iterate);
        replace(&mut self.call, newer.call);
        replace(&mut self.context, newer.context);
        replace(&mut self.unknown_methods, newer.unknown_methods);
        replace(&mut self.unknown_attributes, newer.unknown_attributes);
        replace(&mut self.config, newer.config);
    }
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

/// An attribute, element or slice: its type alone, or the facts of the access.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum PartSpec {
    Type(String),
    Facts(Box<CallFacts>),
}

impl PartSpec {
    pub fn type_path(&self) -> Option<&str> {
        match self {
            PartSpec::Type(path) => Some(path),
            PartSpec::Facts(facts) => facts.returns.as_deref(),
        }
    }

    /// `Some(view)` when it shares state with its owner.
    pub fn shares(&self) -> Option<bool> {
        match self {
            PartSpec::Type(_) => None,
            PartSpec::Facts(facts) => {
                let kinds = || facts.result.iter().filter(|r| *r != "fresh");
                kinds().next()?;
                Some(kinds().any(|r| r.starts_with("view")))
            }
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    #[default]
    None,
    Number(i64),
    One(String),
    Many(Vec<Item>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Item {
    Number(i64),
    Text(String),
}

impl OneOrMany {
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        let items: Vec<String> = match self {
            OneOrMany::None => vec![],
            OneOrMany::Number(number) => vec![number.to_string()],
            OneOrMany::One(text) => vec![text.clone()],
            OneOrMany::Many(items) => items
                .iter()
                .map(|item| match item {
                    Item::Number(number) => number.to_string(),
                    Item::Text(text) => text.clone(),
                })
                .collect(),
        };
        items.into_iter()
    }

    pub fn is_empty(&self) -> bool {
        match self {
            OneOrMany::None => true,
            OneOrMany::Many(items) => items.is_empty(),
            _ => false,
        }
    }
}

#[derive(Default)]
pub struct Knowledge {
    calls: HashMap<String, CallFacts>,
    types: HashMap<String, TypeFacts>,
    aliases: HashMap<String, String>,
    /// Prefix of dotted paths to the type that CamelCase names below it construct.
    constructors: BTreeMap<String, String>,
    pure_decorators: BTreeSet<String>,
    /// Modules none of whose functions has an effect.
    pure_modules: BTreeSet<String>,
    stdlib: BTreeSet<String>,
}

/// The shipped knowledge base, for pandas 3 (first) and for older or unknown versions. It is part of the program, so a
/// fault in it is a bug, and a test reads it.
static SHIPPED: [LazyLock<Knowledge>; 2] = [LazyLock::new(|| shipped(false)), LazyLock::new(|| shipped(true))];

fn shipped(overlays: bool) -> Knowledge {
    let mut knowledge = Knowledge::default();
    let (base, overlay): (Vec<&str>, Vec<&str>) = SOURCES.iter().partition(|text| !text.contains("\n[overlay]"));
    for text in base.into_iter().chain(overlay.into_iter().filter(|_| overlays)) {
        knowledge.add(text).expect("the shipped knowledge base is well formed");
    }
    knowledge
}

impl Knowledge {
    /// The knowledge base for an environment.
    pub fn shipped(environment: &Environment) -> &'static Knowledge {
        let pandas = environment.distributions.get("pandas");
        let is_pandas_3 = pandas.and_then(|v| v.split('.').next()?.parse::<u32>().ok()).is_some_and(|major| major >= 3);
        &SHIPPED[usize::from(!is_pandas_3)]
    }
}

include!(concat!(env!("OUT_DIR"), "/knowledge_sources.rs"));

const TYPE_KEYS: &[&str] = &[
    "attributes",
    "bases",
    "call",
    "config",
    "context",
    "deterministic",
    "flat",
    "immutable",
    "iterate",
    "iterator",
    "methods",
    "operator_returns",
    "operators",
    "select",
    "ships",
    "slice",
    "store",
    "subscript",
    "unknown_attributes",
    "unknown_methods",
];

impl Knowledge {
    /// Reads one file. Errors name the table.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let document: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        for (table, content) in document {
            let toml::Value::Table(content) = content else {
                return Err(format!("`{table}` is not a table"));
            };
            self.add_table(&table, content).map_err(|e| format!("in [{table}]: {e}"))?;
        }
        Ok(())
    }

    fn add_table(&mut self, table: &str, content: toml::Table) -> Result<(), String> {
        let strings = |value: toml::Value| -> Result<Vec<String>, String> {
            value.try_into().map_err(|e: toml::de::Error| e.to_string())
        };
        match table {
            "overlay" => {}
            "constructors" | "aliases" => {
                for (key, value) in content {
                    let value = value.as_str().ok_or("a path is expected")?.to_owned();
                    match table {
                        "aliases" => self.aliases.insert(key, value),
                        _ => self.constructors.insert(key, value),
                    };
                }
            }
            "decorators" => {
                for (_, value) in content {
                    self.pure_decorators.extend(strings(value)?);
                }
            }
            "stdlib" => {
                for (_, value) in content {
                    self.stdlib.extend(strings(value)?);
                }
            }
            _ if table.starts_with("module:") => {
                if content.get("unknown_functions").and_then(toml::Value::as_str) == Some("pure") {
                    self.pure_modules.insert(table["module:".len()..].to_owned());
                }
            }
            _ if content.keys().any(|key| TYPE_KEYS.contains(&key.as_str())) => {
                let facts: TypeFacts =
                    toml::Value::Table(content).try_into().map_err(|e: toml::de::Error| e.to_string())?;
                self.types.entry(table.to_owned()).or_default().overlay(facts);
            }
            module => {
                for (key, value) in content {
                    let facts: CallFacts = value.try_into().map_err(|e: toml::de::Error| format!("`{key}`: {e}"))?;
                    self.calls.insert(format!("{module}.{key}"), facts);
                }
            }
        }
        Ok(())
    }

    /// The public path of an object that is reachable by several.
    pub fn canonical<'p>(&'p self, path: &'p str) -> Cow<'p, str> {
        if let Some(public) = self.aliases.get(path) {
            return Cow::Borrowed(public);
        }
        for (end, _) in path.match_indices('.').rev() {
            if let Some(public) = self.aliases.get(&path[..=end]) {
                return Cow::Owned(format!("{public}{}", &path[end + 1..]));
            }
        }
        Cow::Borrowed(path)
    }

    /// Facts of calling the function or constructor at `path`.
    pub fn call(&self, path: &str) -> Option<&CallFacts> {
        self.calls.get(self.canonical(path).as_ref())
    }

    pub fn type_facts(&self, path: &str) -> Option<&TypeFacts> {
        self.types.get(self.canonical(path).as_ref())
    }

    /// The type that calling `path` constructs, when it is a known class or falls under a constructor rule.
    pub fn constructed(&self, path: &str) -> Option<&str> {
        let path = self.canonical(path);
        let path = path.as_ref();
        if let Some((known, _)) = self.types.get_key_value(path) {
            return Some(known);
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        self.constructors
            .iter()
            .filter(|(prefix, _)| path.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, constructed)| constructed.as_str())
    }

    pub fn method(&self, type_path: &str, name: &str) -> Option<&CallFacts> {
        self.inherited(type_path, |facts| facts.methods.get(name))
    }

    pub fn attribute(&self, type_path: &str, name: &str) -> Option<&PartSpec> {
        self.inherited(type_path, |facts| facts.attributes.get(name))
    }

    /// The first of the type and its bases for which `question` has an answer.
    pub fn inherited<'k, T>(&'k self, type_path: &str, question: impl Fn(&'k TypeFacts) -> Option<T>) -> Option<T> {
        let mut todo = vec![type_path.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(path) = todo.pop() {
            let Some(facts) = self.type_facts(&path).filter(|_| seen.insert(path)) else { continue };
            if let Some(answer) = question(facts) {
                return Some(answer);
            }
            todo.extend(facts.bases.iter().rev().cloned());
        }
        None
    }

    pub fn is_pure_decorator(&self, path: &str) -> bool {
        self.pure_decorators.contains(self.canonical(path).as_ref())
            || path.strip_prefix("builtins.").is_some_and(|name| self.pure_decorators.contains(name))
    }

    /// Whether every function of the module that holds `path` is free of effects.
    pub fn in_pure_module(&self, path: &str) -> bool {
        path.rsplit_once('.').is_some_and(|(module, _)| self.pure_modules.contains(module))
    }

    pub fn is_builtin(&self, name: &str) -> bool {
        BUILTINS.contains(&name)
    }

    pub fn is_stdlib(&self, module: &str) -> bool {
        self.stdlib.contains(module)
    }
}

/// Names of the `builtins` module that code may use without binding them (CPython 3.10 to 3.14), and what IPython adds.
const BUILTINS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BaseExceptionGroup",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "BytesWarning",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DeprecationWarning",
    "EOFError",
    "Ellipsis",
    "EncodingWarning",
    "EnvironmentError",
    "Exception",
    "ExceptionGroup",
    "False",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "FutureWarning",
    "GeneratorExit",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "None",
    "NotADirectoryError",
    "NotImplemented",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "PermissionError",
    "ProcessLookupError",
    "PythonFinalizationError",
    "RecursionError",
    "ReferenceError",
    "ResourceWarning",
    "RuntimeError",
    "RuntimeWarning",
    "StopAsyncIteration",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "SystemExit",
    "TabError",
    "TimeoutError",
    "True",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UnicodeTranslateError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
    "__build_class__",
    "__debug__",
    "__doc__",
    "__import__",
    "__loader__",
    "__name__",
    "__package__",
    "__spec__",
    "__builtins__",
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "breakpoint",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "copyright",
    "credits",
    "delattr",
    "dict",
    "dir",
    "display",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "exit",
    "filter",
    "float",
    "format",
    "frozenset",
    "get_ipython",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "license",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "quit",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_well_formed() {
        for text in SOURCES {
            if let Err(fault) = Knowledge::default().add(text) {
                panic!("{fault}\nin the file that starts with\n{}", text.lines().next().unwrap_or_default());
            }
        }
    }
}
