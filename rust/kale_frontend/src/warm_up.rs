//! What steps may find done when they start: the notebook's imports of installed modules, in its order, with the
//! environment variables that it sets between them.
//!
//! A step of its own process would import the same modules in the same order, so nothing is different but the time.
//! Where that is not sure (an environment variable whose value is computed, a change of `sys.path`, a library that
//! patches others) the list ends, and steps import the rest themselves.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{Environment, WarmUp};
use ruff_python_ast::{Expr, Stmt, StmtImport, StmtImportFrom};
use ruff_text_size::Ranged;

use crate::analysis::Analysis;
use crate::python::knowledge::Knowledge;
use crate::python::names::top_level;

/// Words of statements after which an import may find another world.
const ENDS: &[&str] = &[
    "environ",
    "putenv",
    "unsetenv",
    "sys.path",
    "sys.modules",
    "meta_path",
    "path_hooks",
    "importlib",
    "addsitedir",
    "monkey",
    "patch_",
    "%env",
    "set_env",
    "load_dotenv",
    "chdir",
];
/// Reads that are none of these.
const HARMLESS: &[&str] = &["os.environ.get(", "os.environ.copy("];
/// Libraries whose settings do not reach what is imported after them.
const INDEPENDENT: &[&str] = &[
    "IPython",
    "logging",
    "matplotlib",
    "numpy",
    "os",
    "pandas",
    "random",
    "seaborn",
    "sklearn",
    "sys",
    "torch",
    "warnings",
];

pub fn warm_up(analysis: &Analysis, environment: &Environment) -> Vec<WarmUp> {
    let mut list = List {
        environment,
        knowledge: Knowledge::shipped(environment),
        bound: BTreeMap::new(),
        configured: BTreeSet::new(),
        actions: vec![],
    };
    for cell in &analysis.cells {
        // What a magic runs, the parser does not see.
        if cell.block.code.cell_magic.is_some() {
            if ENDS.iter().any(|word| cell.block.code.run_source.contains(word)) {
                break;
            }
            continue;
        }
        let source = &cell.block.code.python;
        if !cell.parsed.module.body.iter().all(|statement| list.goes_on(statement, &source[statement.range()])) {
            break;
        }
    }
    list.actions
}

struct List<'a> {
    environment: &'a Environment,
    knowledge: &'a Knowledge,
    /// Variable to the top-level module that it is, or is of.
    bound: BTreeMap<String, String>,
    /// Top-level modules that were told something.
    configured: BTreeSet<String>,
    actions: Vec<WarmUp>,
}

impl List<'_> {
    /// Whether imports after the statement may be listed as well.
    fn goes_on(&mut self, statement: &Stmt, source: &str) -> bool {
        match statement {
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            _ => {
                if let Some((name, value)) = constant_variable(statement) {
                    self.actions.push(WarmUp::Set { name, value });
                    return true;
                }
                let changes = HARMLESS.iter().fold(source.to_owned(), |text, read| text.replace(read, ""));
                if ENDS.iter().any(|word| changes.contains(word)) {
                    return false;
                }
                if matches!(statement, Stmt::Expr(_)) || sets_an_attribute(statement) {
                    self.note_configured(source);
                }
            }
        }
        true
    }

    fn import(&mut self, import: &StmtImport) {
        for alias in &import.names {
            let module = alias.name.as_str();
            let bound = alias.asname.as_ref().map_or(top_level(module), |name| name.as_str());
            self.bound.insert(bound.to_owned(), top_level(module).to_owned());
            if self.is_listed(module) {
                self.actions.push(WarmUp::Import(format!("import {module}")));
            }
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        let Some(module) = import.module.as_ref().filter(|_| import.level == 0) else { return };
        let module = module.as_str();
        for alias in &import.names {
            let bound = alias.asname.as_ref().unwrap_or(&alias.name);
            self.bound.insert(bound.to_string(), top_level(module).to_owned());
        }
        if module == "__future__" || !self.is_listed(module) {
            return;
        }
        let names: Vec<&str> = import.names.iter().map(|alias| alias.name.as_str()).collect();
        let statement = if names == ["*"] {
            format!("import {module}")
        } else {
            format!("from {module} import {}", names.join(", "))
        };
        self.actions.push(WarmUp::Import(statement));
    }

    /// Whether it is installed, and nothing that was said meanwhile can reach it.
    fn is_listed(&self, module: &str) -> bool {
        let top = top_level(module);
        let installed = self.environment.modules.contains_key(top) || self.knowledge.is_stdlib(top);
        let beside = self.environment.local_modules.iter().any(|local| local == top);
        installed && !beside && top != "kale_rs" && !self.configured.contains(top)
    }

    fn note_configured(&mut self, source: &str) {
        for word in source.split(|character: char| !character.is_alphanumeric() && character != '_') {
            if let Some(module) = self.bound.get(word).filter(|module| !INDEPENDENT.contains(&module.as_str())) {
                self.configured.insert(module.clone());
            }
        }
    }
}

fn sets_an_attribute(statement: &Stmt) -> bool {
    match statement {
        Stmt::Assign(assign) => assign.targets.iter().any(|target| !target.is_name_expr()),
        Stmt::AugAssign(assign) => !assign.target.is_name_expr(),
        _ => false,
    }
}

/// `os.environ["NAME"] = "value"`.
fn constant_variable(statement: &Stmt) -> Option<(String, String)> {
    let Stmt::Assign(assign) = statement else { return None };
    let [Expr::Subscript(target)] = assign.targets.as_slice() else { return None };
    let Expr::Attribute(mapping) = target.value.as_ref() else { return None };
    let is_environment = mapping.attr.as_str() == "environ"
        && mapping.value.as_name_expr().is_some_and(|module| module.id.as_str() == "os");
    let name = target.slice.as_string_literal_expr()?;
    let value = assign.value.as_string_literal_expr()?;
    is_environment.then(|| (name.value.to_str().to_owned(), value.value.to_str().to_owned()))
}
