//! What a step needs to be installed: the distributions whose modules it imports, pinned to what is installed here.
//!
//! ```text
//!   import sklearn, helpers, google.cloud.storage     %pip install pyarrow 'ray[tune]'
//!      |        |            `- the portion's distribution        `- imported nowhere: every step has it
//!      |        `- beside the notebook: packed, and its own imports followed
//!      `- scikit-learn==1.9.0
//! ```

use std::collections::{BTreeMap, BTreeSet};

use kale_model::name::slug;
use kale_model::{Code, Diagnostic, Environment, Requirement};

use crate::analysis::Analysis;
use crate::blocks::Role;
use crate::python::beside::module_of;
use crate::python::facts::Resource;
use crate::python::knowledge::Knowledge;
use crate::python::names::top_level;

pub struct Requirements<'a> {
    environment: &'a Environment,
    /// `%pip install` lines by distribution: the extras and the text of each.
    installs: BTreeMap<String, Install<'a>>,
    /// Those that no import asks for: they are used by name only, as pandas uses pyarrow.
    everywhere: BTreeSet<Requirement>,
    /// Modules that the notebook writes itself, by each part of their names: any folder may be one to import from.
    written: BTreeSet<String>,
}

struct Install<'a> {
    text: &'a str,
    /// `[tune]`, or nothing.
    extras: &'a str,
}

/// What it takes to run one step.
#[derive(Clone, Default)]
pub struct Packages {
    pub requirements: BTreeSet<Requirement>,
    /// Modules of this machine, which are packed.
    pub local: BTreeSet<String>,
    /// Those of them that are installed, with their place.
    unpublished: Vec<(String, String)>,
    unknown: Vec<String>,
}

impl<'a> Requirements<'a> {
    pub fn new(analysis: &'a Analysis, environment: &'a Environment) -> Requirements<'a> {
        let run = analysis.blocks.cells.iter().filter(|cell| cell.role != Role::Skip);
        let lines = run.flat_map(|cell| &cell.code.requirements);
        let installs: BTreeMap<String, Install> = lines.map(|line| Install::read(line)).collect();
        let written = written_modules(analysis);
        let mut requirements = Requirements { environment, installs, everywhere: BTreeSet::new(), written };
        let imported: BTreeSet<&str> =
            analysis.facts.cells.iter().flat_map(|cell| cell.imports.iter().map(String::as_str)).collect();
        let asked_for: BTreeSet<String> =
            requirements.of(&imported).requirements.into_iter().map(|requirement| requirement.name).collect();
        let left = requirements.installs.keys().filter(|name| !asked_for.contains(*name));
        requirements.everywhere = left.map(|name| requirements.distribution(name)).collect();
        requirements
    }

    /// What it takes to import `modules`, dotted as far as they are named.
    pub fn of(&self, modules: &BTreeSet<&str>) -> Packages {
        let mut packages = Packages { requirements: self.everywhere.clone(), ..Packages::default() };
        let (mut todo, mut named): (Vec<&str>, BTreeSet<&str>) = (vec![], BTreeSet::new());
        // Steps have a stand-in of `kale_rs`.
        todo.extend(modules.iter().copied().filter(|module| *module != "kale_rs" && !module.starts_with("kale_rs.")));
        while let Some(module) = todo.pop() {
            let top = top_level(module);
            if self.is_local(top, &mut packages) {
                let imports = self.environment.local_imports.get(top).into_iter().flatten();
                todo.extend(imports.map(String::as_str).filter(|import| named.insert(import)));
            } else {
                named.insert(module);
            }
        }
        for module in &named {
            let top = top_level(module);
            if !packages.local.contains(top) {
                self.add_module(module, &named, &mut packages);
            }
        }
        // What a module of the user's imports without having it is its own business: it may do without.
        packages.unknown.retain(|module| modules.contains(module.as_str()));
        packages
    }

    /// Adds an installed distribution; nothing when it is not installed.
    pub fn add(&self, distribution: &str, packages: &mut Packages) {
        if self.environment.distributions.contains_key(distribution) {
            packages.requirements.insert(self.distribution(distribution));
        }
    }

    fn is_local(&self, top: &str, packages: &mut Packages) -> bool {
        if self.environment.local_modules.iter().any(|local| local == top) {
            packages.local.insert(top.to_owned());
            return true;
        }
        let Some(place) = self.environment.unpublished.get(top) else { return false };
        if packages.local.insert(top.to_owned()) {
            packages.unpublished.push((top.to_owned(), place.clone()));
        }
        true
    }

    /// The distribution of the longest part of the module's name that one is known for.
    fn add_module(&self, module: &str, named: &BTreeSet<&str>, packages: &mut Packages) {
        if let Some(portion) = self.portion(module) {
            packages.requirements.insert(self.spelled(portion));
            return;
        }
        // `import google.cloud.storage` names `google` as well, and means the portion.
        let is_below = |name: &&&str| name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'));
        if named.iter().filter(is_below).any(|below| self.portion(below).is_some()) {
            return;
        }
        let top = top_level(module);
        match self.environment.modules.get(top) {
            Some(found) => drop(packages.requirements.insert(self.spelled(found))),
            None => self.add_unknown(top, packages),
        }
    }

    /// Who installs the part of a namespace that a module is in.
    fn portion(&self, module: &str) -> Option<&Requirement> {
        let ends = module.match_indices('.').map(|(end, _)| end).chain([module.len()]);
        ends.skip(1).filter_map(|end| self.environment.modules.get(&module[..end])).last()
    }

    fn add_unknown(&self, top: &str, packages: &mut Packages) {
        let knowledge = Knowledge::shipped(self.environment);
        let needs_nothing = knowledge.is_stdlib(top) || top == "__main__" || self.written.contains(top);
        if needs_nothing || self.environment.modules.is_empty() {
            return;
        }
        let name = slug(top, '-');
        if self.installs.contains_key(&name) {
            packages.requirements.insert(self.distribution(&name));
        }
        if !packages.unknown.iter().any(|known| known == top) {
            packages.unknown.push(top.to_owned());
        }
    }

    /// With the extras that the notebook installs it with.
    fn spelled(&self, found: &Requirement) -> Requirement {
        let extras = self.installs.get(&found.name).map_or("", |install| install.extras);
        if extras.is_empty() || found.spelling.is_some() {
            return found.clone();
        }
        let spelling = Some(format!("{}{extras}=={}", found.name, found.version));
        Requirement { spelling, ..found.clone() }
    }

    /// As installed, else as the notebook installs it.
    fn distribution(&self, name: &str) -> Requirement {
        let version = self.environment.distributions.get(name);
        let by_module = self.environment.modules.values().find(|requirement| requirement.name == name);
        match (by_module, version) {
            (Some(found), _) => self.spelled(found),
            (None, Some(version)) => self.spelled(&Requirement::pinned(name, version)),
            (None, None) => Requirement {
                spelling: self.installs.get(name).map(|install| install.text.to_owned()),
                ..Requirement::pinned(name, "")
            },
        }
    }
}

fn written_modules(analysis: &Analysis) -> BTreeSet<String> {
    let used = analysis.facts.cells.iter().flat_map(|cell| &cell.resources).filter(|used| used.write);
    let modules = used.filter_map(|used| match &used.resource {
        Resource::File(path) => module_of(path),
        _ => None,
    });
    modules.flat_map(|module| module.split('.').map(str::to_owned).collect::<Vec<_>>()).collect()
}

impl<'a> Install<'a> {
    /// `ray[tune]>=2` by its normalised name.
    fn read(text: &'a str) -> (String, Install<'a>) {
        let name = text.split(['[', '=', '<', '>', '!', '~']).next().unwrap_or(text);
        let extras = text.find('[').zip(text.find(']')).map_or("", |(start, end)| &text[start..=end]);
        (slug(name, '-'), Install { text, extras })
    }
}

impl Packages {
    pub fn diagnostics(&self, step: &str) -> Vec<Diagnostic> {
        let unknown = self.unknown.iter().map(|module| {
            Diagnostic::new(
                Code::UnknownRequirement,
                format!("Step `{step}` imports `{module}`, which is not installed here."),
                format!("Install the package that has `{module}`, so that its version is known."),
            )
        });
        let unpublished = self.unpublished.iter().map(|(module, place)| {
            Diagnostic::new(
                Code::LocalRequirement,
                format!("Step `{step}` imports `{module}`, which is installed from this machine: `{place}`."),
                "Its modules travel with the step; what else it needs at run time does not.",
            )
        });
        unknown.chain(unpublished).collect()
    }
}
