//! What `from module import *` binds, read from the module's source without executing it.
//!
//! A module with `__all__` exports what that lists, whatever else it holds; so `__all__` is followed through list
//! literals, `+=`, `.extend(...)` and the `__all__` of other modules. A module without one exports its public names: all
//! that its top level binds, its own star imports included. A name that only some paths bind is exported *perhaps*. When
//! either is computed in a way that cannot be followed, there is no answer, and never a guess.

mod lists;
mod namespace;

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{Export, PythonVersion};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, Stmt, StmtImportFrom, StmtTry};

use self::lists::ListReader;
use super::names::top_level;
use super::parse::parse;
use super::scope;

/// What a module's star import binds.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    pub names: BTreeMap<String, Export>,
    /// They are those of `__all__`.
    pub declared: bool,
}

/// A module as it lies on the disk.
pub struct ModuleSource {
    /// Its full name, such as `numpy.linalg`.
    pub name: String,
    pub text: String,
    /// For a package: the modules and packages in its folder.
    pub submodules: Option<Vec<String>>,
}

/// Gives what another module exports; `None` when that is not known.
pub type Lookup<'l> = dyn FnMut(&str) -> Option<Exports> + 'l;

/// What a module exports; `None` when its source does not say so plainly.
pub fn exports(source: &ModuleSource, version: PythonVersion, lookup: &mut Lookup<'_>) -> Option<Exports> {
    let parsed = parse(&source.text, version);
    if !parsed.errors.is_empty() {
        return None;
    }
    let body = &parsed.module.body;
    let declared = mentions(body, "__all__");
    let names = if declared {
        let mut reader = ListReader {
            source,
            lookup,
            lists: BTreeMap::new(),
            modules: BTreeMap::new(),
            before: &body[..0],
            broken: false,
        };
        for (index, statement) in body.iter().enumerate() {
            reader.before = &body[..index];
            reader.statement(statement, true);
        }
        let listed = reader.lists.remove("__all__").filter(|_| !reader.broken)?;
        let of_module = |(name, certain): (String, bool)| {
            let path = format!("{}.{name}", source.name);
            (name, Export { path, certain })
        };
        listed.into_iter().map(of_module).collect()
    } else {
        public_names(body, source, lookup)?
    };
    Some(Exports { names, declared })
}

/// The public names that code leaves in a module's namespace.
fn public_names(body: &[Stmt], source: &ModuleSource, lookup: &mut Lookup<'_>) -> Option<BTreeMap<String, Export>> {
    if namespace::may_be_written(body) {
        return None;
    }
    let mut reader = NameReader { source, lookup, unknown: false };
    let mut names = reader.block(body);
    if reader.unknown {
        return None;
    }
    names.add_perhaps(scope::declared_globals(body).into_iter(), &source.name);
    names.add_perhaps(source.submodules.iter().flatten().cloned(), &source.name);
    names.0.retain(|name, _| !name.starts_with('_'));
    Some(names.0)
}

/// The modules that a module's code star-imports, as written there without leading dots.
pub fn star_imports(body: &[Stmt]) -> BTreeSet<String> {
    struct Stars(BTreeSet<String>);
    impl<'a> Visitor<'a> for Stars {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            if let Stmt::ImportFrom(import) = statement
                && is_star(import)
                && import.level == 0
            {
                self.0.extend(import.module.as_ref().map(ToString::to_string));
            }
            visitor::walk_stmt(self, statement);
        }
    }
    let mut stars = Stars(BTreeSet::new());
    stars.visit_body(body);
    stars.0
}

fn is_star(import: &StmtImportFrom) -> bool {
    import.names.iter().any(|alias| alias.name.as_str() == "*")
}

/// Whether a name stands anywhere in the code, as a variable.
fn mentions(body: &[Stmt], name: &str) -> bool {
    struct Mentions<'n>(&'n str, bool);
    impl<'a> Visitor<'a> for Mentions<'_> {
        fn visit_expr(&mut self, expression: &'a Expr) {
            self.1 |= expression.as_name_expr().is_some_and(|name| name.id.as_str() == self.0);
            visitor::walk_expr(self, expression);
        }
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            if let Stmt::ImportFrom(import) = statement {
                let bound = import.names.iter().map(|alias| alias.asname.as_ref().unwrap_or(&alias.name));
                self.1 |= bound.into_iter().any(|bound| bound.as_str() == self.0);
            }
            visitor::walk_stmt(self, statement);
        }
    }
    let mut mentions = Mentions(name, false);
    mentions.visit_body(body);
    mentions.1
}

/// The full name of the module that an import statement of `source` names.
fn absolute(source: &ModuleSource, level: u32, module: Option<&str>) -> Option<String> {
    if level == 0 {
        return module.map(str::to_owned);
    }
    let mut parts: Vec<&str> = source.name.split('.').collect();
    let up = level as usize - usize::from(source.submodules.is_some());
    parts.truncate(parts.len().checked_sub(up)?);
    parts.extend(module);
    (!parts.is_empty()).then(|| parts.join("."))
}

/// `if TYPE_CHECKING:`, which never runs.
fn is_never(test: &Expr) -> bool {
    match test {
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TYPE_CHECKING",
        Expr::BooleanLiteral(literal) => !literal.value,
        _ => false,
    }
}

// --- modules without `__all__` -------------------------------------------------------------------------------------

/// Names that code binds, and whether every path does.
#[derive(Clone, Default)]
struct Names(BTreeMap<String, Export>);

impl Names {
    fn add(&mut self, name: &str, path: String) {
        self.0.insert(name.to_owned(), Export { path, certain: true });
    }

    fn add_perhaps(&mut self, names: impl Iterator<Item = String>, module: &str) {
        for name in names {
            let path = format!("{module}.{name}");
            self.0.entry(name).or_insert(Export { path, certain: false });
        }
    }

    /// After code of which only one alternative runs.
    fn choose(&mut self, alternatives: &[Names], module: &str) {
        let all: BTreeSet<&String> = alternatives.iter().flat_map(|names| names.0.keys()).collect();
        for name in all {
            let found: Vec<&Export> = alternatives.iter().filter_map(|names| names.0.get(name)).collect();
            let before = self.0.get(name);
            let by_all = found.len() == alternatives.len() && found.iter().all(|export| export.certain);
            let certain = by_all || before.is_some_and(|export| export.certain);
            let mut paths = found.iter().copied().chain(before.filter(|_| !by_all)).map(|export| export.path.as_str());
            let first = paths.next().unwrap_or_default();
            let path = if paths.all(|path| path == first) { first.to_owned() } else { format!("{module}.{name}") };
            self.0.insert(name.clone(), Export { path, certain });
        }
    }

    fn extend(&mut self, other: Names) {
        for (name, export) in other.0 {
            if export.certain || !self.0.contains_key(&name) {
                self.0.insert(name, export);
            }
        }
    }
}

struct NameReader<'r, 'l> {
    source: &'r ModuleSource,
    lookup: &'r mut Lookup<'l>,
    /// A star import of a module that cannot be read.
    unknown: bool,
}

impl NameReader<'_, '_> {
    fn block(&mut self, body: &[Stmt]) -> Names {
        let mut names = Names::default();
        for statement in body {
            self.statement(statement, &mut names);
        }
        names
    }

    fn statement(&mut self, statement: &Stmt, names: &mut Names) {
        let module = self.source.name.clone();
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let top = top_level(&alias.name);
                    match &alias.asname {
                        Some(bound) => names.add(bound, alias.name.to_string()),
                        None => names.add(top, top.to_owned()),
                    }
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import, names),
            Stmt::If(branch) => {
                let mut alternatives = vec![];
                if !is_never(&branch.test) {
                    alternatives.push(self.block(&branch.body));
                }
                for clause in &branch.elif_else_clauses {
                    alternatives.push(self.block(&clause.body));
                }
                let falls_through = branch.elif_else_clauses.last().is_none_or(|clause| clause.test.is_some());
                if falls_through && !is_never(&branch.test) {
                    alternatives.push(Names::default());
                }
                names.choose(&alternatives, &module);
            }
            Stmt::Try(attempt) => self.attempt(attempt, names),
            Stmt::With(with) => {
                let inside = self.block(&with.body);
                names.choose(&[inside, Names::default()], &module);
            }
            Stmt::For(_) | Stmt::While(_) | Stmt::Match(_) => {
                let bound = scope::block_bindings(std::slice::from_ref(statement));
                names.add_perhaps(bound.into_iter().map(String::from), &module);
                self.unknown |= !star_imports(std::slice::from_ref(statement)).is_empty();
            }
            Stmt::Delete(delete) => {
                for name in delete.targets.iter().flat_map(scope::target_names) {
                    names.0.remove(name);
                }
            }
            _ => {
                for name in scope::block_bindings(std::slice::from_ref(statement)) {
                    names.add(&name, format!("{module}.{name}"));
                }
            }
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom, names: &mut Names) {
        let from = absolute(self.source, import.level, import.module.as_deref());
        for alias in &import.names {
            let bound = alias.asname.as_ref().unwrap_or(&alias.name);
            match &from {
                Some(from) if bound.as_str() == "*" => match (self.lookup)(from) {
                    Some(exports) => names.extend(Names(exports.names)),
                    None => self.unknown = true,
                },
                Some(from) => names.add(bound, format!("{from}.{}", alias.name)),
                None => self.unknown = true,
            }
        }
    }

    /// The body with `else`, or one of the handlers; then `finally`.
    fn attempt(&mut self, attempt: &StmtTry, names: &mut Names) {
        let mut whole = self.block(&attempt.body);
        whole.extend(self.block(&attempt.orelse));
        let mut alternatives = vec![whole];
        for handler in &attempt.handlers {
            let handler = handler.as_except_handler().expect("there is one kind");
            if !handler.body.iter().any(|statement| statement.is_raise_stmt()) {
                alternatives.push(self.block(&handler.body));
            }
        }
        let partly: Vec<String> = alternatives[0].0.keys().cloned().collect();
        names.choose(&alternatives, &self.source.name);
        // A body that fails half way has bound some of its names.
        names.add_perhaps(partly.into_iter(), &self.source.name);
        let last = self.block(&attempt.finalbody);
        names.extend(last);
    }
}
