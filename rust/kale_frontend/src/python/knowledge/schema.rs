//! The facts that a line of `knowledge/*.toml` may state, as its README defines them. What is not here is refused, so
//! that a misspelt fact fails a test instead of being silently without effect.

use rustc_hash::FxHashMap;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, from_value};

use super::Map;

/// What a call does. An entry that exists is pure unless it says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallFacts {
    #[serde(alias = "type")]
    pub returns: Option<String>,
    /// By the suffix of the path that is read.
    pub returns_by_suffix: FxHashMap<String, String>,
    pub element: Option<String>,
    pub elements: Vec<String>,
    /// The types of what the result holds besides what it shares.
    pub contents: Option<Vec<String>>,
    /// What each tuple has that iterating over the result gives, by position.
    pub tuples: Words,
    pub separate: bool,
    pub result: Words,
    pub mutates: Words,
    pub inplace: bool,
    /// As a decorator, it makes a class known and gives it back.
    pub registers: bool,
    pub stores: Words,
    pub keeper: Option<String>,
    pub iterates: Words,
    pub calls: Words,
    pub special: Words,
    pub rng: OneOrMany<Generator>,
    pub rng_unless: Words,
    pub rng_through: Words,
    pub seeds: OneOrMany<Generator>,
    pub returns_unseeded: Option<String>,
    pub seeded_by: Words,
    /// The result's type instead, when the text of `names` names a variable.
    pub returns_naming: Option<String>,
    pub inner: Words,
    pub returns_inner: Option<String>,
    pub reads: Words,
    pub writes: Words,
    pub appends: Words,
    pub open: bool,
    pub lists: Words,
    pub config: OneOrMany<Setting>,
    /// Text that names variables: queries and formulas.
    pub names: Words,
    /// What the path of a written file ends in; `default_suffix` only when it has none.
    pub suffix: Option<String>,
    pub default_suffix: Option<String>,
    pub env_reads: Words,
    pub env_writes: Words,
    pub effects: OneOrMany<Effect>,
    /// For a module's constant: its type.
    pub value: Option<String>,
    pub when: Vec<Conditional>,
}

impl CallFacts {
    /// Whether the call does nothing but give a result, of which its arguments say all.
    pub fn only_returns(&self) -> bool {
        let words =
            [&self.mutates, &self.stores, &self.iterates, &self.calls, &self.names, &self.lists, &self.rng_unless];
        let files = [&self.reads, &self.writes, &self.appends, &self.env_reads, &self.env_writes];
        words.into_iter().chain(files).all(Words::is_empty)
            && !self.inplace
            && !self.open
            && !self.registers
            && self.rng.is_empty()
            && self.seeds.is_empty()
            && self.config.is_empty()
            && self.effects.is_empty()
            && self.when.is_empty()
    }
}

/// Further facts that hold for some calls only.
#[derive(Clone, Debug)]
pub struct Conditional {
    pub condition: Condition,
    pub facts: Box<CallFacts>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    pub given: Words,
    /// Literals, as text, with which the condition does not hold.
    pub safe: Vec<String>,
    /// Literals, as text, with which alone it holds.
    #[serde(rename = "is")]
    pub is_literal: Vec<String>,
    pub without: Words,
}

impl<'de> Deserialize<'de> for Conditional {
    /// One table holds the condition and the facts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Conditional, D::Error> {
        let facts = Map::deserialize(deserializer)?;
        let is_condition = |key: &str| matches!(key, "given" | "safe" | "is" | "without");
        let (condition, facts): (Map, Map) = facts.into_iter().partition(|(key, _)| is_condition(key));
        let condition = from_value(condition.into()).map_err(|e| Error::custom(format!("in `when`: {e}")))?;
        let facts = from_value(facts.into()).map_err(|e| Error::custom(format!("in `when`: {e}")))?;
        Ok(Conditional { condition, facts: Box::new(facts) })
    }
}

/// A type: its methods, attributes, and how its values behave.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypeFacts {
    pub bases: Vec<String>,
    pub methods: FxHashMap<String, CallFacts>,
    pub attributes: FxHashMap<String, PartFacts>,
    pub ships: Option<Ships>,
    pub iterator: Option<bool>,
    pub immutable: Option<bool>,
    pub flat: Option<bool>,
    /// Nothing can be attached to it: what it holds are its elements.
    pub sealed: Option<bool>,
    /// Using it never draws from a global generator.
    pub deterministic: Option<bool>,
    /// Whether using it draws from a global generator, where it is not deterministic for other reasons.
    pub draws: Option<bool>,
    /// Types that stand for it when all that it is made of is deterministic, or of that type.
    pub like_parts: Words,
    pub operators: Option<Pure>,
    pub operator_returns: Option<String>,
    pub operator_result: Option<Words>,
    pub compare_returns: Option<String>,
    pub subscript: Option<PartFacts>,
    pub slice: Option<PartFacts>,
    pub select: Option<PartFacts>,
    pub store: Option<Store>,
    /// A subscript by the name of a listed attribute gives the attribute.
    pub keyed: Option<bool>,
    pub iterate: Option<PartFacts>,
    pub call: Option<CallFacts>,
    pub context: Option<PartFacts>,
    pub unknown_methods: Option<Unlisted>,
    pub unknown_attributes: Option<PartFacts>,
    /// Changing a value of the type changes this setting.
    pub config: Option<Setting>,
    /// A result of the first type that shares something with a value of this type is of the second type.
    pub spreads: Option<FxHashMap<String, String>>,
    /// `own`: no value of another type has a view of its buffers.
    pub buffers: Option<Buffers>,
    /// Within the context: instead of a value of the first type, there is one of the second.
    pub suspends: Option<FxHashMap<String, String>>,
}

/// Keys by which a table is known to describe a type.
pub const TYPE_KEYS: &[&str] = &[
    "attributes",
    "bases",
    "buffers",
    "call",
    "compare_returns",
    "config",
    "context",
    "deterministic",
    "draws",
    "flat",
    "immutable",
    "iterate",
    "iterator",
    "keyed",
    "like_parts",
    "methods",
    "operator_result",
    "operator_returns",
    "operators",
    "sealed",
    "select",
    "ships",
    "slice",
    "spreads",
    "store",
    "subscript",
    "suspends",
    "unknown_attributes",
    "unknown_methods",
];

impl TypeFacts {
    /// Replaces, key by key, what `newer` states.
    pub fn overlay(&mut self, newer: TypeFacts) {
        self.methods.extend(newer.methods);
        self.attributes.extend(newer.attributes);
        if !newer.bases.is_empty() {
            self.bases = newer.bases;
        }
        if !newer.like_parts.is_empty() {
            self.like_parts = newer.like_parts;
        }
        replace(&mut self.ships, newer.ships);
        replace(&mut self.iterator, newer.iterator);
        replace(&mut self.immutable, newer.immutable);
        replace(&mut self.flat, newer.flat);
        replace(&mut self.sealed, newer.sealed);
        replace(&mut self.deterministic, newer.deterministic);
        replace(&mut self.draws, newer.draws);
        replace(&mut self.operators, newer.operators);
        replace(&mut self.operator_returns, newer.operator_returns);
        replace(&mut self.operator_result, newer.operator_result);
        replace(&mut self.compare_returns, newer.compare_returns);
        replace(&mut self.subscript, newer.subscript);
        replace(&mut self.slice, newer.slice);
        replace(&mut self.select, newer.select);
        replace(&mut self.store, newer.store);
        replace(&mut self.keyed, newer.keyed);
        replace(&mut self.iterate, newer.iterate);
        replace(&mut self.call, newer.call);
        replace(&mut self.context, newer.context);
        replace(&mut self.unknown_methods, newer.unknown_methods);
        replace(&mut self.unknown_attributes, newer.unknown_attributes);
        replace(&mut self.config, newer.config);
        replace(&mut self.spreads, newer.spreads);
        replace(&mut self.buffers, newer.buffers);
        replace(&mut self.suspends, newer.suspends);
    }
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

/// An attribute, element or slice. In the file its type alone will do, for one that shares nothing with its owner.
#[derive(Clone, Debug)]
pub struct PartFacts(pub Box<CallFacts>);

impl<'de> Deserialize<'de> for PartFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PartFacts, D::Error> {
        let facts = match Value::deserialize(deserializer)? {
            Value::String(path) => CallFacts { returns: Some(path), ..CallFacts::default() },
            table => from_value(table).map_err(Error::custom)?,
        };
        Ok(PartFacts(Box::new(facts)))
    }
}

impl PartFacts {
    pub fn type_path(&self) -> Option<&str> {
        self.0.returns.as_deref()
    }

    /// `Some(view)` when it shares state with its owner.
    pub fn shares(&self) -> Option<bool> {
        let kinds = || self.0.result.iter().filter(|r| *r != "fresh");
        kinds().next()?;
        Some(kinds().any(|r| r.starts_with("view")))
    }
}

/// Whether a value reaches another process by pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ships {
    Value,
    No,
    /// Only to be looked at: a copy in another process would not go on as the original does.
    Unchanged,
    /// Not, but until it is changed, the statement that made it may be executed again there.
    Rebuild,
    /// As its name, under which its module has the same in every process; its statement may be executed again, too.
    Name,
}

impl Ships {
    /// Whether the statement that made a value is executed again where it is needed, as long as that makes the same.
    pub fn is_remade(self) -> bool {
        matches!(self, Ships::Rebuild | Ships::Name)
    }

    /// Whether a value itself cannot leave its process.
    pub fn is_unshippable(self) -> bool {
        matches!(self, Ships::No | Ships::Rebuild)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pure {
    Pure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Buffers {
    Own,
}

/// What the functions of a module, or the methods of a type, do that are not listed.
#[derive(Clone, Debug)]
pub enum Unlisted {
    /// Nothing.
    Pure,
    /// Anything to what they are given, and this.
    Facts(Box<CallFacts>),
}

impl<'de> Deserialize<'de> for Unlisted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unlisted, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "pure" => Ok(Unlisted::Pure),
            facts => from_value(facts).map(|facts| Unlisted::Facts(Box::new(facts))).map_err(Error::custom),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    Copies,
}

/// A global random generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generator {
    Random,
    Numpy,
    Torch,
    Tensorflow,
}

impl Generator {
    pub const ALL: [Generator; 4] = [Generator::Random, Generator::Numpy, Generator::Torch, Generator::Tensorflow];

    /// The distributions any of which brings it; none for Python's own.
    pub fn distributions(self) -> &'static [&'static str] {
        match self {
            Generator::Random => &[],
            Generator::Numpy => &["numpy"],
            Generator::Torch => &["torch"],
            Generator::Tensorflow => &["tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly"],
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Generator::Random => "random",
            Generator::Numpy => "numpy",
            Generator::Torch => "torch",
            Generator::Tensorflow => "tensorflow",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    Network,
    Database,
    Subprocess,
    Clock,
    Entropy,
    Files,
    Input,
    Dynamic,
    History,
    Plot,
    Exit,
    Layout,
    Print,
}

/// A setting of the process: the interpreter's own, or a library's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Setting(String);

const INTERPRETER_SETTINGS: &[&str] = &[
    "csv",
    "cwd",
    "decimal",
    "environ",
    "gc",
    "interpreter",
    "ipython",
    "locale",
    "logging",
    "multiprocessing",
    "recursionlimit",
    "sys.path",
    "time",
    "tracemalloc",
    "warnings",
];

/// Libraries with settings of their own.
const LIBRARIES: &[&str] = &[
    "joblib",
    "keras",
    "lightgbm",
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
    "xgboost",
];

impl TryFrom<String> for Setting {
    type Error = String;

    fn try_from(name: String) -> Result<Setting, String> {
        let known = INTERPRETER_SETTINGS.contains(&name.as_str()) || LIBRARIES.contains(&name.as_str());
        if known { Ok(Setting(name)) } else { Err(format!("`{name}` is no setting")) }
    }
}

impl Setting {
    pub fn is_directory(&self) -> bool {
        self.0 == "cwd"
    }

    /// The library whose steps the setting concerns, `""` for the interpreter's own, which concern every step.
    pub fn module(&self) -> &str {
        if LIBRARIES.contains(&self.0.as_str()) { &self.0 } else { "" }
    }
}

/// A word or a list of words: in the file, the list's brackets may be left out.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<String>);

impl Words {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        OneOrMany::deserialize(deserializer).map(|words| Words(words.0))
    }
}

/// One or several.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(vec![])
    }
}

impl<T> OneOrMany<T> {
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany<T>, D::Error> {
        let items = match Value::deserialize(deserializer)? {
            Value::Array(items) => items,
            item => vec![item],
        };
        items
            .into_iter()
            .map(|item| T::deserialize(item).map_err(Error::custom))
            .collect::<Result<_, _>>()
            .map(OneOrMany)
    }
}
