//! What the star imports of a notebook bind: finds the modules on the interpreter's path and has their source read.
//!
//! Nothing of the user's, and nothing installed, is executed. Only modules of the standard library whose names are in no
//! source (`math` is C) are asked for in the interpreter itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kale_frontend::python::exports::{Exports, ModuleSource, exports};
use kale_frontend::python::knowledge::Knowledge;
use kale_frontend::python::names::top_level;
use kale_frontend::stack::with_large_stack;
use kale_model::{Environment, Export};

use crate::session::Interpreter;

/// Exports of the modules that the notebook's text star-imports, as far as they can be told.
pub fn star_exports(
    text: &str,
    interpreter: &Interpreter,
    directory: &Path,
    environment: &Environment,
) -> BTreeMap<String, BTreeMap<String, Export>> {
    let wanted = candidates(text);
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    with_large_stack(|| {
        let mut modules = Modules {
            interpreter,
            directory,
            knowledge: Knowledge::shipped(environment),
            known: BTreeMap::new(),
            reading: BTreeSet::new(),
        };
        let read = |module: &String| Some((module.clone(), modules.exports(module)?.names));
        wanted.iter().filter_map(read).collect()
    })
}

/// Modules named in `from MODULE import *`. What only looks like it (in a comment) does no harm.
fn candidates(text: &str) -> BTreeSet<String> {
    // In JSON a tab is an escape.
    let text = text.replace("\\t", "\t");
    let mut found = BTreeSet::new();
    for (at, word) in text.match_indices("import") {
        if !text[at + word.len()..].trim_start_matches([' ', '\t']).starts_with('*') {
            continue;
        }
        let mut before = text[..at].trim_end_matches([' ', '\t']).rsplit([' ', '\t']).filter(|word| !word.is_empty());
        let (module, from) = (before.next().unwrap_or_default(), before.next().unwrap_or_default());
        if from.ends_with("from") && !module.starts_with('.') {
            found.insert(module.to_owned());
        }
    }
    found
}

struct Modules<'a> {
    interpreter: &'a Interpreter,
    /// The notebook's: first on the path.
    directory: &'a Path,
    knowledge: &'static Knowledge,
    known: BTreeMap<String, Option<Exports>>,
    /// Modules whose source is being read; one that imports itself by a detour has no plain answer.
    reading: BTreeSet<String>,
}

/// Where a module is.
enum Found {
    Source {
        file: PathBuf,
        package: bool,
    },
    /// Compiled from another language.
    Native(PathBuf),
}

impl Modules<'_> {
    fn exports(&mut self, module: &str) -> Option<Exports> {
        if let Some(known) = self.known.get(module) {
            return known.clone();
        }
        if !self.reading.insert(module.to_owned()) {
            return None;
        }
        let exports = self.read(module);
        self.reading.remove(module);
        self.known.insert(module.to_owned(), exports.clone());
        exports
    }

    fn read(&mut self, module: &str) -> Option<Exports> {
        let top = top_level(module);
        let is_standard = self.knowledge.is_stdlib(top);
        let beside = |name: &str| self.directory.join(name).exists();
        if is_standard && (beside(&format!("{top}.py")) || beside(top)) {
            // Which of the two is imported depends on whether Python has its own built in.
            return None;
        }
        let found = self.find(module);
        let from_source = match &found {
            Some(Found::Source { file, package }) => self.exports_of(module, file, *package),
            _ => None,
        };
        let from_stub = || match &found {
            Some(Found::Source { file, package }) => Some((file.with_extension("pyi"), *package)),
            Some(Found::Native(file)) => Some((stub_of(file)?, false)),
            None => None,
        };
        from_source
            .or_else(|| {
                let (stub, package) = from_stub()?;
                self.exports_of(module, &stub, package).filter(|exports| exports.declared)
            })
            .or_else(|| self.ask(module).filter(|_| is_standard))
    }

    fn exports_of(&mut self, module: &str, file: &Path, package: bool) -> Option<Exports> {
        let text = fs::read_to_string(file).ok()?;
        let submodules = package.then(|| submodules(file.parent().unwrap_or(file)));
        let source = ModuleSource { name: module.to_owned(), text, submodules };
        exports(&source, self.interpreter.version, &mut |other| self.exports(other))
    }

    fn find(&self, module: &str) -> Option<Found> {
        let mut parts = module.split('.');
        let path = std::iter::once(self.directory).chain(self.interpreter.path.iter().map(PathBuf::as_path));
        let top = parts.next()?;
        let mut found = path.into_iter().find_map(|directory| in_directory(directory, top))?;
        for part in parts {
            let Found::Source { file, package: true } = &found else { return None };
            found = in_directory(file.parent()?, part)?;
        }
        Some(found)
    }

    /// The names that a module of the standard library gives to a star import, by the interpreter itself.
    fn ask(&self, module: &str) -> Option<Exports> {
        const QUESTION: &str = "import importlib, json, sys; m = importlib.import_module(sys.argv[1]); \
             print(json.dumps(list(getattr(m, '__all__', [n for n in vars(m) if n[0] != '_']))))";
        let output = Command::new(&self.interpreter.executable)
            .args(["-I", "-c", QUESTION, module])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let names: Vec<String> = serde_json::from_slice(&output.stdout).ok()?;
        let export = |name: String| (name.clone(), Export { path: format!("{module}.{name}"), certain: true });
        Some(Exports { names: names.into_iter().map(export).collect(), declared: false })
    }
}

fn in_directory(directory: &Path, name: &str) -> Option<Found> {
    let package = directory.join(name).join("__init__.py");
    if package.is_file() {
        return Some(Found::Source { file: package, package: true });
    }
    let entries = || fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_native = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".so"))
    };
    let source = directory.join(format!("{name}.py"));
    // Python, too, takes an extension module first.
    entries()
        .find(is_native)
        .map(Found::Native)
        .or_else(|| source.is_file().then_some(Found::Source { file: source, package: false }))
}

/// `x.pyi` beside `x.cpython-311-x86_64-linux-gnu.so`.
fn stub_of(native: &Path) -> Option<PathBuf> {
    let name = native.file_name()?.to_str()?.split('.').next()?;
    Some(native.with_file_name(format!("{name}.pyi")))
}

/// Modules and packages of a package's folder, sorted.
fn submodules(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = entries
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("py" | "so")) || path.join("__init__.py").is_file()
        })
        .filter_map(|path| path.file_name()?.to_str()?.split('.').next().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_imports_are_found_in_the_text() {
        let text = r#""from  a.b import *\n", "x\nfrom c import\t*  # y", "from .d import *", "import e", "from f import (g)""#;
        assert_eq!(candidates(text).into_iter().collect::<Vec<_>>(), ["a.b", "c"]);
    }
}
