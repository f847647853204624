//! The symbol table: what every name of a cell means, decided before anything is interpreted.
//!
//! Python decides at compile time which variables a block of code has. A name that a function binds *anywhere* is local
//! in *all* of it; a name that it only reads belongs to the nearest enclosing function that binds it (PEP 227), else to
//! the module or the builtins. Classes bind names, but functions inside of them do not see these. Comprehensions have a
//! scope of their own, although a walrus in them binds outside (PEP 572); annotations and type parameters may have one
//! (PEP 649, PEP 695). So the table is a tree of scopes, made in the two passes of CPython's own `symtable`:
//!
//! 1. [`build`] walks the syntax tree once and notes what each scope does with each name ([`Uses`]).
//! 2. [`resolve`] decides from that where each name lives ([`Resolution`]), and which locals are shared with functions
//!    inside (cells).
//!
//! What Python refuses at this stage (`nonlocal` without a binding, `return` outside of a function) is found on the way:
//! by the two passes where it is about names, by [`rules`] where it is about places. `tests/oracle/test_scopes.py`
//! compares the whole table with CPython's, on the standard library and everything that is installed.

mod build;
mod resolve;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use bitflags::bitflags;
use kale_model::PythonVersion;
use ruff_python_ast::name::Name;
use ruff_python_ast::{Expr, ModModule, Stmt};
use ruff_text_size::{TextRange, TextSize};
use rustc_hash::FxHashMap;

/// What decides the meaning of a source beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub version: PythonVersion,
    /// A cell: IPython compiles its statements one by one, and `await` may stand outside of functions.
    pub in_notebook: bool,
    /// `from __future__ import annotations` was executed before.
    pub future_annotations: bool,
}

impl Dialect {
    pub fn of_cell(version: PythonVersion) -> Dialect {
        Dialect { version, in_notebook: true, future_annotations: false }
    }

    pub fn of_module(version: PythonVersion) -> Dialect {
        Dialect { in_notebook: false, ..Dialect::of_cell(version) }
    }

    fn since(&self, minor: u8) -> bool {
        (self.version.major, self.version.minor) >= (3, minor)
    }

    /// Annotations are evaluated when asked for, in a scope of their own (PEP 649).
    pub fn has_lazy_annotations(&self) -> bool {
        self.since(14)
    }

    /// Comprehensions run in the frame around them, and their names are merged into its names (PEP 709).
    fn inlines_comprehensions(&self) -> bool {
        self.since(12)
    }
}

bitflags! {
    /// What the code of one scope does with a name.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Uses: u16 {
        const DECLARED_GLOBAL = 1;
        const ASSIGNED = 1 << 1;
        const PARAMETER = 1 << 2;
        const DECLARED_NONLOCAL = 1 << 3;
        const REFERENCED = 1 << 4;
        /// In a class: a method has a free variable of this name, which is not the class's.
        const FREE_IN_CLASS = 1 << 5;
        const IMPORTED = 1 << 6;
        const ANNOTATED = 1 << 7;
        /// The target of a comprehension's `for`.
        const ITERATION = 1 << 8;
        const TYPE_PARAMETER = 1 << 9;
        /// The cell of a comprehension that was inlined here.
        const INLINED_CELL = 1 << 10;

        const BOUND = Self::ASSIGNED.bits() | Self::PARAMETER.bits() | Self::IMPORTED.bits()
            | Self::TYPE_PARAMETER.bits();
    }
}

/// Where a name that occurs in a scope lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    Local,
    /// Local, and captured by a function inside.
    Cell,
    /// Local to an enclosing function.
    Free,
    GlobalExplicit,
    /// A variable of the module, or a builtin.
    #[default]
    GlobalImplicit,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Symbol {
    pub uses: Uses,
    pub resolution: Resolution,
    /// Where the scope's own code uses the name for the last time.
    last_use: TextSize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScopeKind {
    Module,
    Class,
    Function,
    Lambda,
    ListComprehension,
    SetComprehension,
    DictComprehension,
    Generator,
    /// Around a generic function, class or type alias.
    TypeParameters,
    /// The bound, or the default, of a type parameter.
    TypeVariable,
    TypeAlias,
    Annotations,
}

impl ScopeKind {
    /// Whether code inside sees its names, as it sees those of a function.
    pub fn is_function_like(self) -> bool {
        !matches!(self, ScopeKind::Module | ScopeKind::Class)
    }

    pub fn is_comprehension(self) -> bool {
        matches!(
            self,
            ScopeKind::ListComprehension
                | ScopeKind::SetComprehension
                | ScopeKind::DictComprehension
                | ScopeKind::Generator
        )
    }

    /// Whether its code may run after the expression or statement that makes it.
    fn outlives_its_value(self) -> bool {
        matches!(self, ScopeKind::Function | ScopeKind::Lambda | ScopeKind::Generator)
    }

    fn is_function(self) -> bool {
        matches!(self, ScopeKind::Function | ScopeKind::Lambda) || self.is_comprehension()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeId(usize);

#[derive(Clone, Debug)]
pub struct Scope {
    pub kind: ScopeKind,
    pub name: Name,
    /// Where the line begins that CPython gives as the scope's.
    pub start: TextSize,
    pub parent: Option<ScopeId>,
    pub children: Vec<ScopeId>,
    pub symbols: BTreeMap<Name, Symbol>,
    /// Whether a function is around it.
    pub is_nested: bool,
    pub is_async: bool,
    /// Whether `yield` stands in it.
    pub has_yield: bool,
    /// A comprehension that became part of the scope around it.
    pub is_inlined: bool,
    /// Directly in a class and, unlike a function there, aware of the names that the class binds (PEP 695).
    sees_class: bool,
    /// An annotation that is never evaluated: the scopes around it are not concerned.
    is_detached: bool,
}

/// The scopes of one cell, or one file. The first is the module's.
#[derive(Clone, Debug)]
pub struct SymbolTable {
    scopes: Vec<Scope>,
    by_node: FxHashMap<(ScopeKind, TextRange), ScopeId>,
    /// For the cells after this one.
    pub dialect: Dialect,
}

/// A scope, and the table that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct ScopeRef<'a> {
    pub table: &'a SymbolTable,
    pub id: ScopeId,
}

impl<'a> ScopeRef<'a> {
    pub fn module(table: &'a SymbolTable) -> ScopeRef<'a> {
        ScopeRef { table, id: SymbolTable::MODULE }
    }

    pub fn scope(&self) -> &'a Scope {
        self.table.scope(self.id)
    }

    /// The scope of this kind that a syntax node of the same source opens.
    pub fn opened_by(&self, kind: ScopeKind, node: TextRange) -> Option<ScopeRef<'a>> {
        let id = self.table.by_node.get(&(kind, node)).copied()?;
        Some(ScopeRef { table: self.table, id })
    }

    /// Where a name lives that occurs in the scope's own code.
    pub fn symbol(&self, name: &str) -> Option<Resolution> {
        self.scope().symbols.get(name).map(|symbol| symbol.resolution)
    }

    /// Where a name lives, seen from a scope in whose code it need not occur (a magic's text may name it).
    pub fn resolve(&self, name: &str) -> Resolution {
        if let Some(resolution) = self.symbol(name) {
            return resolution;
        }
        for scope in self.around().filter(|scope| scope.kind.is_function_like()) {
            match scope.symbols.get(name).map(|symbol| symbol.resolution) {
                Some(Resolution::Local | Resolution::Cell | Resolution::Free) => return Resolution::Free,
                Some(_) => break,
                None => {}
            }
        }
        Resolution::GlobalImplicit
    }

    /// Variables of enclosing functions that the code of the scope, or code inside of it, uses.
    pub fn captures(self) -> impl Iterator<Item = &'a Name> {
        let symbols = self.scope().symbols.iter();
        let free = symbols.filter(|(_, symbol)| symbol.resolution == Resolution::Free).map(|(name, _)| name);
        free.filter(move |name| self.captures_variable(name))
    }

    /// Whether a free name is a variable: not the class that `super()` means, nor a type parameter.
    pub fn captures_variable(&self, name: &str) -> bool {
        let mut around = self.around().filter(|scope| scope.kind.is_function_like());
        let binder = around.find(|s| s.symbols.get(name).is_some_and(|symbol| symbol.uses.intersects(Uses::BOUND)));
        binder.is_some_and(|scope| scope.kind != ScopeKind::TypeParameters)
    }

    /// What functions (and generator expressions) inside do with a variable of this scope; comprehensions are no
    /// functions, since they are over when their value is there.
    pub fn uses_inside(&self, name: &str) -> Uses {
        let mut uses = Uses::empty();
        for &child in &self.scope().children {
            let inside = ScopeRef { table: self.table, id: child };
            match inside.scope().symbols.get(name).filter(|symbol| symbol.resolution == Resolution::Free) {
                Some(symbol) if inside.scope().kind.outlives_its_value() => uses |= symbol.uses | Uses::REFERENCED,
                _ => {}
            }
            if inside.scope().symbols.get(name).is_some_and(|symbol| symbol.resolution == Resolution::Free) {
                uses |= inside.uses_inside(name);
            }
        }
        uses
    }

    fn around(&self) -> impl Iterator<Item = &'a Scope> {
        let table = self.table;
        std::iter::successors(self.scope().parent, |id| table.scope(*id).parent).map(|id| table.scope(id))
    }
}

/// What Python's compiler refuses beyond grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeFault {
    pub message: String,
    pub range: TextRange,
}

impl SymbolTable {
    pub const MODULE: ScopeId = ScopeId(0);

    /// The table of a source that the parser accepted, with what Python's compiler would refuse.
    pub fn build(source: &str, module: &ModModule, dialect: Dialect) -> (SymbolTable, Vec<ScopeFault>) {
        let build::Built { mut table, mut faults, declarations } = build::build(Some(source), &module.body, dialect);
        faults.extend(resolve::resolve(&mut table, &declarations));
        faults.sort_by_key(|fault| (fault.range.start(), fault.range.end()));
        (table, faults)
    }

    pub fn scope(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.0]
    }

    /// Names that the source's own code binds in the module, functions left out.
    pub fn module_bindings(&self) -> BTreeSet<&Name> {
        let own = self.scope(Self::MODULE).symbols.iter();
        let bound = own.filter(|(_, symbol)| symbol.uses.intersects(Uses::BOUND)).map(|(name, _)| name);
        let walrus = Uses::DECLARED_GLOBAL | Uses::ASSIGNED;
        let in_comprehensions = self.scopes.iter().filter(|scope| scope.kind.is_comprehension());
        let walruses = in_comprehensions
            .flat_map(|scope| &scope.symbols)
            .filter(|(_, symbol)| symbol.uses.contains(walrus))
            .map(|(name, _)| name);
        bound.chain(walruses).collect()
    }

    /// Variables of the module that code reads which may run later than it stands: bodies of functions, above all.
    pub fn read_late(&self) -> impl Iterator<Item = &str> {
        let at_once = |scope: &&Scope| {
            let kind = scope.kind;
            kind == ScopeKind::Module || (kind.is_comprehension() && !kind.outlives_its_value())
        };
        let late = self.scopes.iter().filter(move |scope| !at_once(scope)).flat_map(|scope| &scope.symbols);
        let is_global =
            |symbol: &Symbol| matches!(symbol.resolution, Resolution::GlobalExplicit | Resolution::GlobalImplicit);
        late.filter(move |(_, symbol)| is_global(symbol)).map(|(name, _)| name.as_str())
    }

    /// The scopes inside of one, as CPython lists them: in place of an inlined comprehension, those inside of it.
    pub fn listed_children(&self, id: ScopeId) -> Vec<ScopeId> {
        let children = self.scope(id).children.iter().filter(|child| !self.scope(**child).is_detached);
        children
            .flat_map(|&child| if self.scope(child).is_inlined { self.listed_children(child) } else { vec![child] })
            .collect()
    }
}

/// Names that some statements of a module bind in it, by any version of Python.
pub fn block_bindings(body: &[Stmt]) -> BTreeSet<Name> {
    let table = build::build(None, body, Dialect::of_cell(PythonVersion::default())).table;
    table.module_bindings().into_iter().cloned().collect()
}

/// Names of the module that functions and classes inside some statements declare as theirs to bind.
pub fn declared_globals(body: &[Stmt]) -> BTreeSet<String> {
    let table = build::build(None, body, Dialect::of_cell(PythonVersion::default())).table;
    let inside = table.scopes.iter().filter(|scope| scope.kind != ScopeKind::Module).flat_map(|scope| &scope.symbols);
    let declared = inside.filter(|(_, symbol)| symbol.uses.contains(Uses::DECLARED_GLOBAL));
    declared.map(|(name, _)| name.to_string()).collect()
}

/// Names that an assignment target binds (`a, (b, *c) = ...`); attributes and subscripts bind none.
pub fn target_names(target: &Expr) -> Vec<&str> {
    match target {
        Expr::Name(name) => vec![name.id.as_str()],
        Expr::Tuple(tuple) => tuple.elts.iter().flat_map(target_names).collect(),
        Expr::List(list) => list.elts.iter().flat_map(target_names).collect(),
        Expr::Starred(starred) => target_names(&starred.value),
        _ => vec![],
    }
}

/// The private name that `name` means inside of a class: `__x` is `_Class__x`.
pub fn mangled(class: &str, name: &str) -> Option<Name> {
    let class = class.trim_start_matches('_');
    let is_private = name.starts_with("__") && !name.ends_with("__") && !name.contains('.') && !class.is_empty();
    is_private.then(|| Name::from(format!("_{class}{name}")))
}

#[cfg(test)]
mod tests;
