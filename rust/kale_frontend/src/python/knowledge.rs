//! Facts about library calls, read from `knowledge/*.toml` (its README defines them, `schema` lists them).
//!
//! The knowledge base may only make the answer more precise: a call it does not know changes its receiver and its
//! arguments, and its result may share parts with all of them.

pub mod schema;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

use kale_model::Environment;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde_json::Value;

pub use schema::TypeFacts;
pub use schema::Unlisted;
pub use schema::{CallFacts, Condition, Effect, Generator, PartFacts, Pure, Ships, Store, Words};
use schema::{Setting, TYPE_KEYS};

use super::names::top_level;

type Map = serde_json::Map<String, Value>;

#[derive(Default)]
pub struct Knowledge {
    calls: FxHashMap<String, CallFacts>,
    types: FxHashMap<String, TypeFacts>,
    aliases: FxHashMap<String, String>,
    /// Prefix of dotted paths to the type that CamelCase names below it construct.
    constructors: BTreeMap<String, String>,
    pure_decorators: BTreeSet<String>,
    cheap: FxHashSet<String>,
    class_makers: ClassMakers,
    /// What functions do that the module does not list.
    modules: FxHashMap<String, Unlisted>,
    /// Libraries of which anything is known.
    libraries: FxHashSet<String>,
    stdlib: BTreeSet<String>,
    builtins: FxHashSet<String>,
    /// Generators of libraries that are not installed: nothing draws from them.
    absent: Vec<Generator>,
}

include!(concat!(env!("OUT_DIR"), "/knowledge_sources.rs"));

/// A table `["module:NAME"]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleFacts {
    unknown_functions: Unlisted,
}

/// Calls that make a class: the table `[class_makers]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassMakers {
    classes: Vec<String>,
    /// Instances of what these make are tuples.
    records: Vec<String>,
}

/// For which versions a file's tables replace those of the others: `[overlay]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlay {
    distribution: String,
    /// The major version from which on the file does not hold any more.
    before: String,
}

impl Overlay {
    /// Whether the environment's distribution is older, or not known.
    fn applies(&self, environment: &Environment) -> bool {
        let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let installed = environment.distributions.get(&self.distribution).and_then(|version| major(version));
        installed.is_none_or(|installed| Some(installed) < major(&self.before))
    }
}

/// A file of the shipped knowledge base.
struct Source {
    tables: Map,
    overlay: Option<Overlay>,
}

impl Source {
    fn read(text: &str) -> Result<Source, String> {
        let mut tables: Map = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let overlay = tables.remove("overlay").map(read).transpose();
        Ok(Source { tables, overlay: overlay.map_err(|e| format!("in [overlay]: {e}"))? })
    }
}

/// The shipped files. They are part of the program, so a fault in them is a bug, and a test reads them.
static SHIPPED: LazyLock<Vec<Source>> =
    LazyLock::new(|| SOURCES.iter().map(|text| Source::read(text).expect("a shipped file is well formed")).collect());

/// What of an environment matters: which files describe it, and which generators it does not have.
type Choice = (Vec<bool>, Vec<Generator>);

/// Knowledge bases by what was chosen for them; they live as long as the process.
static ASSEMBLED: Mutex<BTreeMap<Choice, &'static Knowledge>> = Mutex::new(BTreeMap::new());

impl Knowledge {
    /// The knowledge base for an environment.
    pub fn shipped(environment: &Environment) -> &'static Knowledge {
        let applies = |source: &Source| source.overlay.as_ref().is_none_or(|overlay| overlay.applies(environment));
        let chosen: Vec<bool> = SHIPPED.iter().map(applies).collect();
        let is_absent = |generator: &Generator| {
            let known = |name: &str| environment.distributions.contains_key(name);
            let distributions = generator.distributions();
            !environment.distributions.is_empty()
                && !distributions.is_empty()
                && !distributions.iter().any(|d| known(d))
        };
        let absent: Vec<Generator> = Generator::ALL.into_iter().filter(is_absent).collect();
        let mut assembled = ASSEMBLED.lock().expect("nobody panics while holding it");
        assembled.entry((chosen, absent)).or_insert_with_key(|(chosen, absent)| {
            Box::leak(Box::new(Knowledge { absent: absent.clone(), ..Knowledge::assemble(chosen) }))
        })
    }

    /// The files that are chosen, overlays last.
    fn assemble(chosen: &[bool]) -> Knowledge {
        let mut knowledge = Knowledge::default();
        let chosen = || SHIPPED.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(source, _)| source);
        let (base, overlays): (Vec<_>, Vec<_>) = chosen().partition(|source| source.overlay.is_none());
        for source in base.into_iter().chain(overlays) {
            knowledge.add(&source.tables).expect("a shipped file is well formed");
        }
        knowledge
    }

    /// Adds the tables of one file. Errors name the table.
    fn add(&mut self, tables: &Map) -> Result<(), String> {
        for (name, content) in tables {
            let Value::Object(content) = content else {
                return Err(format!("`{name}` is not a table"));
            };
            self.add_table(name, content).map_err(|e| format!("in [{name}]: {e}"))?;
        }
        Ok(())
    }

    fn add_table(&mut self, name: &str, content: &Map) -> Result<(), String> {
        match name {
            "constructors" => self.constructors.extend(paths(content)?),
            "aliases" => self.aliases.extend(paths(content)?),
            "decorators" => self.pure_decorators.extend(lists(content, &["pure"])?),
            "cheap" => self.cheap.extend(lists(content, &["functions"])?),
            "class_makers" => self.class_makers = read(content.clone().into())?,
            "stdlib" => self.stdlib.extend(lists(content, &["modules"])?),
            "builtin_names" => self.builtins.extend(lists(content, &["python", "ipython"])?),
            _ if name.starts_with("module:") => {
                let facts: ModuleFacts = read(content.clone().into())?;
                self.modules.insert(name["module:".len()..].to_owned(), facts.unknown_functions);
            }
            _ if content.keys().any(|key| TYPE_KEYS.contains(&key.as_str())) => {
                let facts: TypeFacts = read(content.clone().into())?;
                self.types.entry(name.to_owned()).or_default().overlay(facts);
            }
            module => {
                self.libraries.insert(top_level(module).to_owned());
                for (key, value) in content {
                    let facts = read(value.clone()).map_err(|e| format!("`{key}`: {e}"))?;
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
        self.calls.get(path).or_else(|| self.calls.get(self.canonical(path).as_ref()))
    }

    pub fn type_facts(&self, path: &str) -> Option<&TypeFacts> {
        self.types.get(path).or_else(|| self.types.get(self.canonical(path).as_ref()))
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

    pub fn attribute(&self, type_path: &str, name: &str) -> Option<&PartFacts> {
        self.inherited(type_path, |facts| facts.attributes.get(name))
    }

    pub fn ships(&self, type_path: &str) -> Ships {
        self.inherited(type_path, |facts| facts.ships).unwrap_or(Ships::Value)
    }

    /// Whether the environment has the generator.
    pub fn has(&self, generator: Generator) -> bool {
        !self.absent.contains(&generator)
    }

    /// The setting that changing a value of the type changes.
    pub fn setting_of(&self, type_path: &str) -> Option<&Setting> {
        self.inherited(type_path, |facts| facts.config.as_ref())
    }

    /// The first of the type and its bases for which `question` has an answer.
    pub fn inherited<'k, T>(&'k self, type_path: &str, question: impl Fn(&'k TypeFacts) -> Option<T>) -> Option<T> {
        self.ask(type_path, &question)
    }

    /// The type and those that it is based on, in the order in which they are asked.
    pub fn lineage(&self, type_path: &str) -> Vec<&TypeFacts> {
        let Some(facts) = self.type_facts(type_path) else { return vec![] };
        std::iter::once(facts).chain(facts.bases.iter().flat_map(|base| self.lineage(base))).collect()
    }

    fn ask<'k, T>(&'k self, type_path: &str, question: &dyn Fn(&'k TypeFacts) -> Option<T>) -> Option<T> {
        let facts = self.type_facts(type_path)?;
        question(facts).or_else(|| facts.bases.iter().find_map(|base| self.ask(base, question)))
    }

    pub fn is_pure_decorator(&self, path: &str) -> bool {
        self.pure_decorators.contains(self.canonical(path).as_ref())
            || path.strip_prefix("builtins.").is_some_and(|name| self.pure_decorators.contains(name))
    }

    /// Whether a function is called again where its result is needed, instead of shipping that.
    pub fn is_cheap(&self, path: &str) -> bool {
        self.cheap.contains(path)
    }

    /// Whether a call makes a class, to which instances refer by the name that it is assigned to.
    pub fn makes_class(&self, path: &str) -> bool {
        self.makes_record(path) || self.class_makers.classes.iter().any(|maker| maker == path)
    }

    /// Whether a call makes a class of tuples.
    pub fn makes_record(&self, path: &str) -> bool {
        self.class_makers.records.iter().any(|maker| maker == path)
    }

    /// What the function at `path` does, as one that its module does not list: the innermost module with such a rule.
    pub fn unlisted(&self, path: &str) -> Option<&Unlisted> {
        path.rmatch_indices('.').find_map(|(end, _)| {
            let rule = self.modules.get(&path[..end])?;
            // That nothing has an effect is said of a module and not of those inside it.
            (matches!(rule, Unlisted::Facts(_)) || !path[end + 1..].contains('.')).then_some(rule)
        })
    }

    /// Whether code may use the name without binding it.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtins.contains(name)
    }

    /// Whether somebody has looked at what the functions of the library do, whose top module it is.
    pub fn describes(&self, library: &str) -> bool {
        self.libraries.contains(library) || self.is_stdlib(library)
    }

    pub fn is_stdlib(&self, module: &str) -> bool {
        self.stdlib.contains(module)
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|e| e.to_string())
}

/// A table whose values are strings.
fn paths(content: &Map) -> Result<BTreeMap<String, String>, String> {
    read(content.clone().into())
}

/// A table of lists of strings under these keys, all of them together.
fn lists(content: &Map, keys: &[&str]) -> Result<Vec<String>, String> {
    if let Some(key) = content.keys().find(|key| !keys.contains(&key.as_str())) {
        return Err(format!("unknown key `{key}`"));
    }
    let lists: BTreeMap<String, Vec<String>> = read(content.clone().into())?;
    Ok(lists.into_values().flatten().collect())
}

#[cfg(test)]
mod tests;
