//! Execution of import statements.

use ruff_python_ast::{StmtImport, StmtImportFrom};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::Analyzer;
use super::names::top_level;
use super::value::Value;

impl<'a> Analyzer<'a> {
    pub(super) fn import_statement(&mut self, s: &'a StmtImport) {
        for alias in &s.names {
            self.import(&alias.name, alias.asname.as_ref().map(|n| n.as_str()), s.range());
        }
    }

    pub(super) fn import_from_statement(&mut self, s: &'a StmtImportFrom) {
        let module = s.module.as_ref().map_or("", |m| m.as_str()).to_owned();
        for alias in &s.names {
            let bound = alias.asname.as_ref().unwrap_or(&alias.name);
            self.import_from(&module, s.level, &alias.name, bound, alias.range());
        }
    }

    /// `__main__`, the notebook itself as a module: what is done through it binds names that nobody sees bound.
    fn note_main(&mut self, module: &str, range: TextRange) {
        if module == "__main__" {
            self.frame().effects.dynamic.push((module.to_owned(), range));
        }
    }

    fn import(&mut self, module: &str, alias: Option<&str>, range: TextRange) {
        self.note_main(module, range);
        let top = top_level(module).to_owned();
        let (bound, path) = match alias {
            Some(alias) => (alias.to_owned(), module.to_owned()),
            None => (top.clone(), top.clone()),
        };
        self.frame().effects.imports.extend([top, module.to_owned()]);
        self.import_state(module);
        let path = self.name(&path);
        self.bind_text(&bound, Value::library(path));
    }

    fn import_from(&mut self, module: &str, level: u32, name: &str, bound: &str, range: TextRange) {
        let module = format!("{}{module}", ".".repeat(level as usize));
        self.note_main(&module, range);
        if module == "__future__" {
            // It changes how the code after it is compiled, wherever that runs.
            self.change_interpreter();
            return;
        }
        if !module.starts_with('.') {
            let dotted = [top_level(&module).to_owned(), module.clone(), format!("{module}.{name}")];
            self.frame().effects.imports.extend(dotted);
        }
        self.import_state(&module);
        if name == "*" {
            return self.import_star(&module, range);
        }
        let value = self.imported(&format!("{module}.{name}"));
        self.bind_text(bound, value);
    }

    /// What an import of this path gives.
    fn imported(&mut self, path: &str) -> Value {
        let path = self.name(path);
        let canonical = self.knowledge.canonical(self.facts.text(path)).into_owned();
        match self.knowledge.call(&canonical).and_then(|c| c.value.as_deref()) {
            Some(type_path) => self.module_constant(type_path),
            None => {
                let path = self.name(&canonical);
                Value::library(path)
            }
        }
    }

    /// `from module import *`: as if the names that the module exports stood there.
    fn import_star(&mut self, module: &str, range: TextRange) {
        self.frame().effects.star_import = true;
        if !self.in_module() {
            return;
        }
        let Some(exports) = self.environment.exports.get(module) else {
            self.facts.cells[self.cell].unreadable_stars.push((module.to_owned(), range));
            return;
        };
        for (name, export) in exports {
            if !self.words.contains(name.as_str()) {
                continue;
            }
            let value = self.imported(&export.path);
            let name = self.name(name);
            if export.certain { self.bind(name, value) } else { self.bind_maybe(name, value) }
        }
    }
}
