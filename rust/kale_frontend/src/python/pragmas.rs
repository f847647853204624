//! What pragma comments say about cells and calls (see [`crate::pragma`] for what they mean).

use ruff_python_ast::Expr;
use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::facts::{CellFacts, Resource, ResourceUse};
use crate::pragma::Pragma;

pub(super) fn pure_callee(said: &Pragma) -> Option<&str> {
    match said {
        Pragma::Pure(callee) => Some(callee),
        _ => None,
    }
}

pub(super) fn changed_name(said: &Pragma) -> Option<&str> {
    match said {
        Pragma::Mutates(name) => Some(name),
        _ => None,
    }
}

impl<'a> Analyzer<'a> {
    /// What a pragma says about the cell that has just been executed.
    pub(super) fn pragma(&mut self, said: &Pragma, range: TextRange) {
        match said {
            Pragma::Pure(_) => {}
            Pragma::Mutates(text) => {
                let name = self.name(text);
                if self.module_binding(name).is_none() {
                    return;
                }
                self.facts.heard.insert(text.clone());
                self.begin_statement();
                let value = self.read_module(name, range);
                self.mutate(&value);
                self.end_statement(range, None, &[]);
            }
            Pragma::Reads(path) => declare_file(self.cell_facts(), path, false, range),
            Pragma::Writes(path) => declare_file(self.cell_facts(), path, true, range),
            Pragma::Independent => self.cell_facts().independent = true,
            Pragma::Barrier => self.cell_facts().barrier = true,
        }
    }

    fn cell_facts(&mut self) -> &mut CellFacts {
        &mut self.facts.cells[self.cell]
    }

    /// Whether a pragma declares calls of this expression to be pure.
    pub(super) fn is_declared_pure(&mut self, callee: &Expr) -> bool {
        if self.pure.is_empty() {
            return false;
        }
        let method = match callee {
            Expr::Attribute(attribute) => Some(format!(".{}", attribute.attr)),
            _ => None,
        };
        let said = [dotted(callee), method].into_iter().flatten().find(|text| self.pure.contains(text.as_str()));
        let is_pure = said.is_some();
        self.facts.heard.extend(said);
        is_pure
    }

    /// Carries out a call; one that is `trusted` changes no object and has no hidden effect.
    pub(super) fn trusting<T>(&mut self, trusted: bool, call: impl FnOnce(&mut Self) -> T) -> T {
        if !trusted {
            return call(self);
        }
        let outer = std::mem::replace(&mut self.frame().trusts, true);
        let before = std::mem::take(&mut self.frame().effects);
        let result = call(self);
        let during = std::mem::replace(&mut self.frame().effects, before);
        self.frame().effects.absorb_visible(during);
        self.frame().trusts = outer;
        result
    }
}

/// Declared files take the place of files that could not be named.
fn declare_file(cell: &mut CellFacts, path: &str, write: bool, range: TextRange) {
    cell.resources.retain(|used| used.resource != Resource::AnyFile || used.write != write);
    cell.unknown_paths.clear();
    cell.resources.push(ResourceUse { resource: Resource::File(path.to_owned()), write, range });
}

/// `a.b.c`, for names and attributes of names.
fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => Some(format!("{}.{}", dotted(&attribute.value)?, attribute.attr)),
        _ => None,
    }
}
