//! Which modules a source imports, anywhere in it: also in functions that nobody calls yet.

use std::collections::BTreeSet;

use kale_model::PythonVersion;
use ruff_python_ast::Stmt;
use ruff_python_ast::visitor::{self, Visitor};

use super::names::top_level;
use super::parse::parse;

/// Dotted, each with its top-level module. What cannot be parsed imports nothing.
pub fn imports(text: &str, version: PythonVersion) -> BTreeSet<String> {
    let parsed = parse(text, version);
    let mut reader = Reader::default();
    reader.visit_body(&parsed.module.body);
    reader.modules
}

#[derive(Default)]
struct Reader {
    modules: BTreeSet<String>,
}

impl Reader {
    fn add(&mut self, module: &str) {
        self.modules.extend([top_level(module).to_owned(), module.to_owned()]);
    }
}

impl<'a> Visitor<'a> for Reader {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => import.names.iter().for_each(|alias| self.add(&alias.name)),
            // A relative import stays in its package.
            Stmt::ImportFrom(import) if import.level == 0 => {
                let Some(module) = &import.module else { return };
                self.add(module);
                import.names.iter().for_each(|alias| self.add(&format!("{module}.{}", alias.name)));
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_wherever_they_are() {
        let text = "import os.path as p\ntry:\n    from . import near\nexcept ImportError:\n    pass\n\
                    class A:\n    def f(self):\n        from google.cloud import storage\n";
        let found = imports(text, PythonVersion::default());
        let expected = ["google", "google.cloud", "google.cloud.storage", "os", "os.path"];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }
}
