//! Modules that lie beside the notebook: each has a state, which every process makes anew by importing it.
//!
//! The state of such a module is one object under a pseudo-variable, `module:NAME`, which the import binds. While nothing
//! changes it, importing again makes it just as well. Once a cell has changed it (by a function that does, as
//! [`super::module_state`] tells, or through one of the module's variables), the cells that use it belong in one process.

use kale_model::ModuleState;
use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::names::{Name, top_level};
use super::pseudo;
use super::value::{Type, Value};

/// The type of a module's state.
const STATE_TYPE: &str = "module";

/// What a path through a module beside the notebook names.
struct Member<'m> {
    state: &'m ModuleState,
    module: String,
    /// The variable, function or class.
    name: String,
    /// What is taken of it: the method in `helper.CACHE.append`.
    attribute: Option<String>,
}

impl<'a> Analyzer<'a> {
    /// Binds the state of a module that the notebook imports, unless it is imported already.
    pub(super) fn import_state(&mut self, path: &str) {
        let states = &self.environment.module_states;
        let modules = path.match_indices('.').map(|(end, _)| &path[..end]).chain([path]);
        let stateful: Vec<&str> = modules.filter(|module| states.contains_key(*module)).collect();
        for module in stateful {
            let name = self.name(&pseudo::of_module(module));
            if self.in_module() && self.frames[0].lookup(name).is_none() {
                let ty = Type::Instance(self.name(STATE_TYPE));
                let state = self.fresh(ty);
                self.bind(name, state);
            }
        }
    }

    /// A file is written: the module that it holds, if it has been imported, is from now on another than the file's.
    pub(super) fn rewrite_module(&mut self, path: &str, range: TextRange) {
        let Some(module) = module_of(path) else { return };
        if let Some(state) = self.module_state(&module, range) {
            self.mutate(&state);
        }
    }

    fn member(&self, path: &str) -> Option<Member<'a>> {
        if self.environment.module_states.is_empty() {
            return None;
        }
        let mut ends = path.rmatch_indices('.').map(|(end, _)| end);
        ends.find_map(|end| {
            let state = self.environment.module_states.get(&path[..end])?;
            let mut rest = path[end + 1..].split('.');
            let name = rest.next()?.to_owned();
            Some(Member { state, module: path[..end].to_owned(), name, attribute: rest.next().map(str::to_owned) })
        })
    }

    /// The state of the module, as it is now.
    fn module_state(&mut self, module: &str, range: TextRange) -> Option<Value> {
        let name: Name = self.name(&pseudo::of_module(module));
        self.frames[0].lookup(name)?;
        Some(self.read_variable(name, range))
    }

    /// A name of a module is looked up: what reads or changes the module's state, when it is called, counts as doing so.
    pub(super) fn use_member(&mut self, path: &str, range: TextRange) {
        let Some(member) = self.member(path) else { return };
        let (reads, writes) = (member.reads(), member.state.writers.contains(&member.name));
        if !reads && !writes {
            return;
        }
        let Some(state) = self.module_state(&member.module, range) else { return };
        if writes {
            self.mutate(&state);
        }
    }

    /// Calls something of a module: what that does to the module's state and to the process. Gives what the result may
    /// be part of.
    pub(super) fn call_member(&mut self, path: &str, arguments: &Arguments<'a>, range: TextRange) -> Option<Value> {
        let member = self.member(path)?;
        self.library_calls(&member, range);
        let is_variable = member.state.variables.contains(&member.name);
        let writes = member.state.writers.contains(&member.name);
        if !is_variable && !writes && !member.state.leakers.contains(&member.name) {
            return None;
        }
        if is_variable && arguments.all().all(Value::is_immutable) && member.changes_container() {
            // `helper.PATHS.append("data")`: repeated like a setting.
            let module = top_level(&member.module).to_owned();
            self.frame().effects.settings.insert(module);
            return None;
        }
        let state = self.module_state(&member.module, range)?;
        if writes || is_variable {
            self.mutate(&state);
            for value in arguments.all() {
                self.link(&state, value, false);
            }
        }
        Some(state)
    }

    /// The generators that a module's function seeds or draws from, and the settings that it makes.
    fn library_calls(&mut self, member: &Member<'a>, range: TextRange) {
        let calls = member.state.calls.get(&member.name).into_iter().flatten();
        let paths: Vec<String> = calls.map(|path| self.knowledge.canonical(path).into_owned()).collect();
        for path in paths {
            let Some(facts) = self.knowledge.call(&path) else { continue };
            for generator in facts.seeds.iter().filter(|generator| self.knowledge.has(**generator)) {
                self.seed(generator.name());
            }
            if facts.rng_unless.iter().next().is_none() && facts.rng_through.iter().next().is_none() {
                for generator in facts.rng.iter().filter(|generator| self.knowledge.has(**generator)) {
                    self.draw(generator.name(), range);
                }
            }
            let settings: Vec<String> = facts.config.iter().map(|setting| setting.module().to_owned()).collect();
            self.frame().effects.settings.extend(settings);
        }
    }

    /// A variable of a module that gets a name of the notebook: part of the module's state.
    pub(super) fn of_member(&mut self, value: Value, range: TextRange) -> Value {
        let Type::Library(path) = value.ty else { return value };
        let path = self.facts.text(path).to_owned();
        let Some(member) = self.member(&path) else { return value };
        if !member.state.variables.contains(&member.name) {
            return value;
        }
        self.module_state(&member.module, range).map_or(value, |state| state.part(Type::Unknown))
    }

    /// An attribute or item of a module is set to a value: what has a state of its own becomes part of the module's.
    pub(super) fn store_in_member(&mut self, path: &str, value: &Value, range: TextRange) {
        let Some(member) = self.member(path).filter(|_| !value.is_constant()) else { return };
        if let Some(state) = self.module_state(&member.module, range) {
            self.mutate(&state);
            self.link(&state, value, false);
        }
    }
}

/// The module whose source a file is.
pub fn module_of(path: &str) -> Option<String> {
    let path = path.strip_prefix("./").unwrap_or(path).strip_suffix(".py")?;
    Some(path.strip_suffix("/__init__").unwrap_or(path).replace('/', "."))
}

impl Member<'_> {
    fn reads(&self) -> bool {
        self.state.variables.contains(&self.name) || self.state.readers.contains(&self.name)
    }

    /// Whether it is a method by which containers change.
    fn changes_container(&self) -> bool {
        let methods =
            ["add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "setdefault", "update"];
        self.attribute.as_deref().is_some_and(|method| methods.contains(&method))
    }
}
