//! What may change of a module that lies beside the notebook, read from its source without executing it.
//!
//! A module is imported anew in every step, so what its functions keep in its variables (a cache, a counter, a registry)
//! is lost between steps. Which functions only compute, and which touch such variables, is told by their code: names,
//! attributes, items and calls, followed through the module's own functions and through other modules beside it. Local
//! names that may stand for a variable or for a part of one count as that, wherever in the function they do. What is
//! not followed: a part that is given to another function (`helper(CONFIG["path"])`), which mostly is a constant.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{ModuleState, PythonVersion};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Comprehension, Expr, Stmt};
use ruff_text_size::Ranged;

use super::names::top_level;
use super::parse::parse;
use super::scope::{Dialect, Resolution, ScopeKind, ScopeRef, SymbolTable, Uses, declared_globals, target_names};

/// Functions that do no more than look at their arguments.
const LOOKING: &[&str] = &[
    "all",
    "any",
    "bool",
    "dict",
    "enumerate",
    "float",
    "frozenset",
    "hash",
    "int",
    "isinstance",
    "iter",
    "len",
    "list",
    "max",
    "min",
    "print",
    "range",
    "repr",
    "reversed",
    "set",
    "sorted",
    "str",
    "sum",
    "tuple",
    "type",
    "zip",
];
/// Methods of containers that change nothing.
const LOOKING_METHODS: &[&str] = &[
    "copy",
    "count",
    "difference",
    "endswith",
    "format",
    "get",
    "index",
    "intersection",
    "issubset",
    "items",
    "join",
    "keys",
    "lower",
    "most_common",
    "split",
    "startswith",
    "strip",
    "union",
    "upper",
    "values",
];
/// Calls whose results do not change.
const CONSTANT_MAKERS: &[&str] =
    &["Path", "PurePath", "compile", "frozenset", "getLogger", "join", "dirname", "abspath", "namedtuple", "TypeVar"];

/// What a function or class of the module does itself.
#[derive(Default)]
struct Deeds {
    reads: bool,
    writes: bool,
    /// It may give away one of the variables.
    leaks: bool,
    /// Functions and classes that it uses: of the module by name, of other modules by path.
    uses: BTreeSet<String>,
}

/// Reads a module. `lookup` gives what is known of another module beside the notebook.
pub fn module_state(
    text: &str,
    version: PythonVersion,
    lookup: &mut dyn FnMut(&str) -> Option<ModuleState>,
) -> Option<ModuleState> {
    let parsed = parse(text, version);
    if !parsed.errors.is_empty() {
        return None;
    }
    let body = &parsed.module.body;
    let (table, _) = SymbolTable::build(text, &parsed.module, Dialect::of_module(version));
    let mut top = Top { variables: declared_globals(body), ..Top::default() };
    top.block(body);
    let mut deeds: BTreeMap<String, Deeds> = BTreeMap::new();
    for (name, statement) in &top.definitions {
        let found = Reader::read(&top, ScopeRef::module(&table), statement);
        let known = deeds.entry(name.clone()).or_default();
        known.reads |= found.reads;
        known.writes |= found.writes;
        known.leaks |= found.leaks;
        known.uses.extend(found.uses);
    }
    let mut state = ModuleState { variables: top.variables.clone(), ..ModuleState::default() };
    for name in deeds.keys() {
        let (mut todo, mut seen) = (vec![name.clone()], BTreeSet::from([name.clone()]));
        let mut calls = BTreeSet::new();
        while let Some(used) = todo.pop() {
            let Some(own) = deeds.get(&used) else {
                follow_outside(&used, name, &mut state, &mut calls, lookup);
                continue;
            };
            for (does, list) in
                [(own.reads, &mut state.readers), (own.writes, &mut state.writers), (own.leaks, &mut state.leakers)]
            {
                if does {
                    list.insert(name.clone());
                }
            }
            todo.extend(own.uses.iter().filter(|used| seen.insert((*used).clone())).cloned());
        }
        state.calls.insert(name.clone(), calls);
    }
    Some(state)
}

/// A function of another module: of one beside the notebook, what that does; of a library, that it is called.
fn follow_outside(
    path: &str,
    by: &str,
    state: &mut ModuleState,
    calls: &mut BTreeSet<String>,
    lookup: &mut dyn FnMut(&str) -> Option<ModuleState>,
) {
    let Some((module, name)) = path.rsplit_once('.') else { return };
    let Some(other) = lookup(module) else {
        calls.insert(path.to_owned());
        return;
    };
    for (theirs, ours) in [
        (&other.readers, &mut state.readers),
        (&other.writers, &mut state.writers),
        (&other.leakers, &mut state.leakers),
    ] {
        if theirs.contains(name) {
            ours.insert(by.to_owned());
        }
    }
    if other.variables.contains(name) {
        state.readers.insert(by.to_owned());
    }
    calls.extend(other.calls.get(name).into_iter().flatten().cloned());
}

/// The top level of a module.
#[derive(Default)]
struct Top<'a> {
    variables: BTreeSet<String>,
    definitions: Vec<(String, &'a Stmt)>,
    /// Names that imports bind, with what they mean.
    imports: BTreeMap<String, String>,
}

impl<'a> Top<'a> {
    fn block(&mut self, body: &'a [Stmt]) {
        body.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(def) => self.define(&def.name, statement),
            Stmt::ClassDef(def) => self.define(&def.name, statement),
            Stmt::Import(import) => {
                for alias in &import.names {
                    let whole = alias.name.as_str();
                    let (bound, path) = match &alias.asname {
                        Some(name) => (name.as_str(), whole),
                        None => (top_level(whole), top_level(whole)),
                    };
                    self.imports.insert(bound.to_owned(), path.to_owned());
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.imports.insert(bound.to_owned(), format!("{module}.{}", alias.name));
                }
            }
            Stmt::Assign(assign) if !is_constant(&assign.value) => {
                self.variables.extend(assign.targets.iter().flat_map(target_names).map(str::to_owned));
            }
            Stmt::AnnAssign(assign) if assign.value.as_deref().is_some_and(|value| !is_constant(value)) => {
                self.variables.extend(target_names(&assign.target).into_iter().map(str::to_owned));
            }
            Stmt::For(each) => {
                self.block(&each.body);
                self.block(&each.orelse);
            }
            Stmt::With(with) => self.block(&with.body),
            Stmt::If(branch) if is_main(&branch.test) => {}
            Stmt::If(branch) => {
                self.block(&branch.body);
                branch.elif_else_clauses.iter().for_each(|clause| self.block(&clause.body));
            }
            Stmt::Try(attempt) => {
                self.block(&attempt.body);
                for handler in &attempt.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    self.block(&handler.body);
                }
                self.block(&attempt.orelse);
                self.block(&attempt.finalbody);
            }
            _ => {}
        }
    }

    fn define(&mut self, name: &str, statement: &'a Stmt) {
        self.definitions.push((name.to_owned(), statement));
    }

    fn is_stateless(&self, name: &str) -> bool {
        self.definitions.iter().any(|(known, _)| known == name)
    }

    /// What a dotted name means: a path in another module.
    fn path(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => self.imports.get(name.id.as_str()).cloned(),
            Expr::Attribute(attribute) => Some(format!("{}.{}", self.path(&attribute.value)?, attribute.attr)),
            _ => None,
        }
    }
}

/// `if __name__ == "__main__"`: not of an imported module.
fn is_main(test: &Expr) -> bool {
    test.as_compare_expr()
        .is_some_and(|compare| compare.left.as_name_expr().is_some_and(|name| name.id.as_str() == "__name__"))
}

fn is_constant(value: &Expr) -> bool {
    match value {
        Expr::UnaryOp(op) => is_constant(&op.operand),
        Expr::BinOp(op) => is_constant(&op.left) && is_constant(&op.right),
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_constant),
        Expr::Name(_) | Expr::Attribute(_) | Expr::Lambda(_) | Expr::FString(_) => true,
        Expr::Call(call) => {
            let name = match call.func.as_ref() {
                Expr::Name(name) => name.id.as_str(),
                Expr::Attribute(attribute) => attribute.attr.as_str(),
                _ => return false,
            };
            CONSTANT_MAKERS.contains(&name)
        }
        other => other.is_literal_expr(),
    }
}

/// Reads the code of one definition.
struct Reader<'r, 'a> {
    top: &'r Top<'a>,
    scope: ScopeRef<'a>,
    /// Local names for one of the module's variables, and for parts of them.
    aliases: BTreeSet<&'a str>,
    parts: BTreeSet<&'a str>,
    deeds: Deeds,
}

impl<'r, 'a> Reader<'r, 'a> {
    /// What the statement does. Local names are followed without regard to order: until no further one turns out to
    /// stand for a part of a variable.
    fn read(top: &'r Top<'a>, module: ScopeRef<'a>, statement: &'a Stmt) -> Deeds {
        let (aliases, parts) = (BTreeSet::new(), BTreeSet::new());
        let mut reader = Reader { top, scope: module, aliases, parts, deeds: Deeds::default() };
        loop {
            let known = reader.aliases.len() + reader.parts.len();
            reader.visit_stmt(statement);
            if reader.aliases.len() + reader.parts.len() == known {
                return reader.deeds;
            }
        }
    }

    fn is_variable(&self, name: &str) -> bool {
        let is_global = || matches!(self.scope.resolve(name), Resolution::GlobalExplicit | Resolution::GlobalImplicit);
        self.top.variables.contains(name) && is_global()
    }

    fn is_whole(&self, expr: &Expr) -> bool {
        let stands = |name: &str| self.is_variable(name) || self.aliases.contains(name);
        expr.as_name_expr().is_some_and(|name| stands(&name.id))
    }

    /// Whether an expression is one of the module's variables, or a part of it: `CACHE`, `CACHE["a"].rows`.
    fn is_part(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Name(name) => self.is_whole(expr) || self.parts.contains(name.id.as_str()),
            Expr::Attribute(attribute) => self.is_part(&attribute.value),
            Expr::Subscript(subscript) => self.is_part(&subscript.value),
            Expr::Call(call) => call.func.as_attribute_expr().is_some_and(|method| self.is_part(&method.value)),
            Expr::Tuple(tuple) => tuple.elts.iter().any(|element| self.is_part(element)),
            Expr::List(list) => list.elts.iter().any(|element| self.is_part(element)),
            Expr::If(choice) => self.is_part(&choice.body) || self.is_part(&choice.orelse),
            Expr::BoolOp(op) => op.values.iter().any(|value| self.is_part(value)),
            Expr::Named(named) => self.is_part(&named.value),
            _ => false,
        }
    }

    /// Whether a store or deletion there changes a variable, a function or a class of the module.
    fn is_inside(&self, target: &Expr) -> bool {
        match target {
            Expr::Attribute(attribute) => {
                let owner = attribute.value.as_name_expr();
                self.is_part(&attribute.value) || owner.is_some_and(|owner| self.top.is_stateless(&owner.id))
            }
            Expr::Subscript(subscript) => self.is_part(&subscript.value),
            Expr::Tuple(tuple) => tuple.elts.iter().any(|element| self.is_inside(element)),
            _ => false,
        }
    }

    /// A target gets a value: what it changes, and what its names stand for from now on.
    fn bind(&mut self, target: &'a Expr, value: &Expr) {
        self.deeds.writes |= self.is_inside(target);
        if self.is_whole(value) && target.is_name_expr() {
            self.aliases.extend(target_names(target));
        } else if self.is_part(value) {
            self.bind_parts(target);
        }
    }

    /// A target gets a part of a variable.
    fn bind_parts(&mut self, target: &'a Expr) {
        let names = target_names(target);
        // Under an attribute or an item of another object it is followed no further.
        self.deeds.writes |= names.is_empty();
        self.parts.extend(names);
    }

    fn call(&mut self, call: &ruff_python_ast::ExprCall) {
        self.deeds.uses.extend(self.top.path(&call.func));
        let (looks, changes_own) = match call.func.as_ref() {
            Expr::Name(name) => (LOOKING.contains(&name.id.as_str()), false),
            Expr::Attribute(method) => {
                let is_part = self.is_part(&method.value);
                let looks = LOOKING_METHODS.contains(&method.attr.as_str());
                (looks, is_part && !looks)
            }
            _ => (false, false),
        };
        let keywords = call.arguments.keywords.iter().map(|keyword| &keyword.value);
        let given = call.arguments.args.iter().chain(keywords).any(|given| self.is_whole(given));
        self.deeds.writes |= changes_own || (given && !looks);
    }
}

impl<'a> Visitor<'a> for Reader<'_, 'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let around = self.scope;
        match statement {
            Stmt::FunctionDef(_) => {
                self.scope = around.opened_by(ScopeKind::Function, statement.range()).unwrap_or(around);
                let mut symbols = self.scope.scope().symbols.values();
                self.deeds.writes |= symbols.any(|symbol| symbol.uses.contains(Uses::DECLARED_GLOBAL));
            }
            Stmt::Assign(assign) => assign.targets.iter().for_each(|target| self.bind(target, &assign.value)),
            Stmt::AugAssign(assign) => {
                self.deeds.writes |= self.is_part(&assign.target) || self.is_inside(&assign.target)
            }
            Stmt::AnnAssign(assign) => {
                assign.value.iter().for_each(|value| self.bind(&assign.target, value));
            }
            Stmt::For(each) => {
                self.deeds.writes |= self.is_inside(&each.target);
                if self.is_part(&each.iter) {
                    self.bind_parts(&each.target);
                }
            }
            Stmt::With(with) => {
                for item in &with.items {
                    let target = item.optional_vars.as_deref();
                    target.into_iter().for_each(|target| self.bind(target, &item.context_expr));
                }
            }
            Stmt::Delete(delete) => self.deeds.writes |= delete.targets.iter().any(|target| self.is_inside(target)),
            Stmt::Return(given) => self.deeds.leaks |= given.value.as_deref().is_some_and(|value| self.is_part(value)),
            _ => {}
        }
        visitor::walk_stmt(self, statement);
        self.scope = around;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if self.is_variable(&name.id) => self.deeds.reads = true,
            Expr::Name(name) if self.top.is_stateless(&name.id) => {
                self.deeds.uses.insert(name.id.to_string());
            }
            Expr::Name(_) => self.deeds.uses.extend(self.top.path(expr)),
            Expr::Call(call) => self.call(call),
            Expr::Named(named) => self.bind(&named.target, &named.value),
            Expr::Yield(given) => self.deeds.leaks |= given.value.as_deref().is_some_and(|value| self.is_part(value)),
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        if self.is_part(&comprehension.iter) {
            self.bind_parts(&comprehension.target);
        }
        visitor::walk_comprehension(self, comprehension);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> ModuleState {
        module_state(text, PythonVersion::default(), &mut |_| None).expect("the source is good")
    }

    fn names(found: &BTreeSet<String>) -> Vec<&str> {
        found.iter().map(String::as_str).collect()
    }

    #[test]
    fn functions_that_only_compute_touch_nothing() {
        let found = state(
            "import math\nSCALE = 2\ndef area(r, data=None):\n    data = data or []\n    data.append(r)\n    return math.pi * r * SCALE\n",
        );
        assert!(found.variables.is_empty() && found.readers.is_empty() && found.writers.is_empty());
    }

    #[test]
    fn readers_writers_and_who_calls_them() {
        let found = state(
            "SEEN = []\nCOUNT = 0\ndef add(x):\n    SEEN.append(x)\ndef get():\n    return SEEN\ndef size():\n    return len(SEEN)\ndef next_one():\n    global COUNT\n    COUNT += 1\n    return COUNT\ndef both(x):\n    add(x)\n    return size()\nclass Log:\n    total = 0\n    def note(self):\n        Log.total += 1\n",
        );
        assert_eq!(names(&found.variables), ["COUNT", "SEEN"]);
        assert_eq!(names(&found.writers), ["Log", "add", "both", "next_one"]);
        assert_eq!(names(&found.leakers), ["get", "next_one"]);
        assert!(found.readers.contains("size") && found.readers.contains("both"));
    }

    #[test]
    fn local_names_for_parts_are_followed() {
        let found = state(
            "CACHE = {}\nROWS = []\nLIMITS = {'a': 1}\ndef alias(x):\n    kept = CACHE\n    kept[x] = 1\ndef element(x):\n    for row in ROWS:\n        row.append(x)\ndef item(x):\n    rows = CACHE['a']\n    rows.append(x)\ndef look(x):\n    limit = LIMITS['a']\n    return min(x, limit)\ndef inner():\n    def shadow():\n        CACHE = {}\n        return len(CACHE)\n    CACHE.clear()\n    return shadow()\n",
        );
        assert_eq!(names(&found.writers), ["alias", "element", "inner", "item"]);
        assert!(found.leakers.is_empty());
    }

    #[test]
    fn calls_of_libraries_are_told_by_path() {
        let found = state(
            "import numpy as np\nfrom random import seed\ndef set_seed(n):\n    np.random.seed(n)\n    seed(n)\ndef start():\n    set_seed(1)\n",
        );
        let calls = &found.calls["start"];
        assert!(calls.contains("numpy.random.seed") && calls.contains("random.seed"), "{calls:?}");
    }
}
