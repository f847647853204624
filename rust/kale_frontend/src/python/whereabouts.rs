//! Files that the code uses under another name than their own, or without naming them: relative ones once the notebook
//! has gone into another directory, that directory itself, and modules that the notebook writes before it imports them.

use std::collections::BTreeMap;

use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::effects::Effects;
use super::facts::{Resource, ResourceUse, Source};
use super::files::normal_path;
use super::names::{Name, top_level};
use super::value::Type;

pub struct Whereabouts {
    /// The working directory, relative to the notebook's; `None` where it is not known.
    directory: Option<String>,
    /// Where the notebook has gone: a step goes there, too.
    entered: Vec<String>,
    /// What the notebook has written, files and directories.
    written: Vec<String>,
    /// By the name of a module, the file that the notebook has written it to.
    modules: BTreeMap<String, String>,
}

impl Default for Whereabouts {
    fn default() -> Whereabouts {
        let directory = Some(String::new());
        Whereabouts { directory, entered: vec![], written: vec![], modules: BTreeMap::new() }
    }
}

impl<'a> Analyzer<'a> {
    /// What a statement does to files, under the names that these have in the notebook's folder.
    pub(super) fn located(&mut self, effects: &mut Effects, reads: &BTreeMap<Name, Source>, range: TextRange) {
        let is_home = |directory: &Option<String>| directory.as_deref() == Some("");
        let stays = effects.directories.is_empty() && !effects.elsewhere && is_home(&self.whereabouts.directory);
        for used in effects.resources.iter_mut().filter(|_| !stays) {
            if matches!(&used.resource, Resource::File(path) if !path.starts_with('/')) {
                used.resource = Resource::AnyFile;
            }
        }
        self.whereabouts.move_on(&effects.directories);
        let of_name = |name: &Name| match self.module_binding(*name)?.value.ty {
            Type::Library(path) => Some(top_level(self.facts.text(path))),
            _ => None,
        };
        let libraries = effects.libraries.iter().map(|&name| self.facts.text(name));
        let imported = libraries
            .chain(reads.keys().filter_map(of_name))
            .chain(effects.imports.iter().map(|module| top_level(module)));
        let modules = imported.filter_map(|module| self.whereabouts.modules.get(module));
        let read: Vec<String> = modules.chain(&self.whereabouts.entered).cloned().collect();
        for used in effects.resources.iter().filter(|used| used.write) {
            if let Resource::File(path) = &used.resource {
                self.whereabouts.note_written(path);
            }
        }
        let uses = read.into_iter().map(|path| ResourceUse { resource: Resource::File(path), write: false, range });
        effects.resources.extend(uses);
    }
}

impl Whereabouts {
    fn move_on(&mut self, directories: &[Option<String>]) {
        match directories {
            [] => {}
            [Some(next)] if next.starts_with('/') => self.directory = Some(normal_path(next)),
            [Some(next)] => {
                let joined = self.directory.as_deref().map(|from| match from {
                    "" => normal_path(next),
                    from => normal_path(&format!("{from}/{next}")),
                });
                self.directory = joined;
            }
            _ => self.directory = None,
        }
        let Some(directory) = self.directory.as_ref().filter(|_| !directories.is_empty()) else { return };
        let holds = |path: &String| {
            path.strip_prefix(directory.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // (A directory that was there before is there wherever a step runs.)
        if !directory.is_empty() && self.written.iter().any(holds) && !self.entered.contains(directory) {
            self.entered.push(directory.clone());
        }
    }

    fn note_written(&mut self, path: &str) {
        if self.written.iter().all(|known| known != path) {
            self.written.push(path.to_owned());
        }
        let mut parts = path.rsplit('/');
        let module = match (parts.next(), parts.next()) {
            (Some("__init__.py"), Some(package)) => Some(package),
            (Some(file), _) => file.strip_suffix(".py"),
            (None, _) => None,
        };
        if let Some(module) = module {
            self.modules.insert(module.to_owned(), path.to_owned());
        }
    }
}
