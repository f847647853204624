//! The modules beside a notebook: reads their sources, to tell what of them may change while they are imported, and
//! what they import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kale_engine::module_place;
use kale_frontend::python::imports::imports as imported;
use kale_frontend::python::module_state::module_state;
use kale_frontend::python::names::top_level;
use kale_frontend::stack::with_large_stack;
use kale_model::{Environment, ModuleState, PythonVersion};

/// A folder with more sources is not read to the end: it is no module of somebody's notebook.
const MOST: usize = 1_000;

/// The states of those modules whose names are in the notebook's text, and of the modules that these use.
pub fn module_states(
    text: &str,
    directory: &Path,
    modules: &[String],
    version: PythonVersion,
) -> BTreeMap<String, ModuleState> {
    let named: Vec<&String> = modules.iter().filter(|module| text.contains(module.as_str())).collect();
    if named.is_empty() {
        return BTreeMap::new();
    }
    with_large_stack(|| {
        let mut reader = Reader { directory, modules, version, known: BTreeMap::new() };
        for module in &named {
            for (name, _) in sources(directory, module) {
                reader.state(&name);
            }
        }
        reader.known.into_iter().filter_map(|(name, state)| Some((name, state?))).collect()
    })
}

/// What modules of this machine import: those whose names are in the notebook's text, and those that these import.
pub fn imports(text: &str, directory: &Path, environment: &Environment) -> BTreeMap<String, BTreeSet<String>> {
    let is_known = |name: &str| {
        environment.local_modules.iter().any(|local| local == name) || environment.unpublished.contains_key(name)
    };
    let names = environment.local_modules.iter().chain(environment.unpublished.keys());
    let named: Vec<&String> = names.filter(|name| has_word(text, name)).collect();
    if named.is_empty() {
        return BTreeMap::new();
    }
    with_large_stack(|| {
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut todo: Vec<String> = named.iter().map(|name| (*name).clone()).collect();
        while let Some(module) = todo.pop() {
            if known.contains_key(&module) {
                continue;
            }
            let beside = || module_place(directory, &module);
            let local = environment.local_modules.contains(&module);
            let installed = environment.unpublished.get(&module).filter(|_| !local);
            let place = installed.map_or_else(beside, PathBuf::from);
            let found: BTreeSet<String> = python_files(&place)
                .iter()
                .take(MOST)
                .filter_map(|file| fs::read_to_string(file).ok())
                .flat_map(|text| imported(&text, environment.python))
                .filter(|import| top_level(import) != module)
                .collect();
            todo.extend(found.iter().filter(|name| is_known(name)).cloned());
            known.insert(module, found);
        }
        known
    })
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(start, _)| !text[..start].ends_with(is_part) && !text[start + word.len()..].starts_with(is_part))
}

/// The file itself, or all sources below the folder.
fn python_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let sources = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "py"));
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let below = folders.iter().filter(|folder| !hidden(folder) && !folder.is_symlink());
    sources.chain(below.flat_map(|folder| python_files(folder))).collect()
}

struct Reader<'a> {
    directory: &'a Path,
    modules: &'a [String],
    version: PythonVersion,
    /// `None` while the module is being read, and for what cannot be.
    known: BTreeMap<String, Option<ModuleState>>,
}

impl Reader<'_> {
    fn state(&mut self, module: &str) -> Option<ModuleState> {
        if let Some(known) = self.known.get(module) {
            return known.clone();
        }
        let top = top_level(module);
        if !self.modules.iter().any(|known| known == top) {
            return None;
        }
        self.known.insert(module.to_owned(), None);
        let (_, path) = sources(self.directory, top).into_iter().find(|(name, _)| name == module)?;
        let text = fs::read_to_string(path).ok()?;
        let version = self.version;
        let state = module_state(&text, version, &mut |other| self.state(other));
        self.known.insert(module.to_owned(), state.clone());
        state
    }
}

/// The source of a module; of a package, those of the modules in its folder as well.
fn sources(directory: &Path, module: &str) -> Vec<(String, PathBuf)> {
    let file = directory.join(format!("{module}.py"));
    let folder = directory.join(module);
    let package = folder.join("__init__.py");
    if !package.is_file() {
        return if file.is_file() { vec![(module.to_owned(), file)] } else { vec![] };
    }
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let inner = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".py")?.to_owned();
        (name != "__init__").then(|| (format!("{module}.{name}"), path))
    });
    let mut found: Vec<(String, PathBuf)> = inner.collect();
    found.push((module.to_owned(), package));
    found.sort();
    found
}
