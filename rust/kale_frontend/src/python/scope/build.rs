//! The first pass: what each scope does with each name.
//!
//! Parts of a statement are visited in CPython's order, which is not always the order of evaluation: it decides in which
//! order the scopes inside are listed, and which of two faults of one statement is the first.

mod definitions;
mod visit;

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::name::Name;
use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Alias, ExprContext, Identifier, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};
use rustc_hash::FxHashMap;

use super::rules::Rules;
use super::{Dialect, Scope, ScopeFault, ScopeId, ScopeKind, SymbolTable, Uses, mangled};

pub(super) struct Built {
    pub table: SymbolTable,
    pub faults: Vec<ScopeFault>,
    pub declarations: Declarations,
}

/// Where a scope declares a name `global` or `nonlocal`.
pub(super) type Declarations = FxHashMap<(ScopeId, Name), TextRange>;

/// Visits a source's statements; the rules about places are checked when the source itself is given, too.
pub(super) fn build(source: Option<&str>, body: &[Stmt], dialect: Dialect) -> Built {
    let table = SymbolTable { scopes: vec![], by_node: FxHashMap::default(), dialect };
    let mut builder = Builder {
        source: source.unwrap_or_default(),
        table,
        entered: vec![],
        class: None,
        declarations: FxHashMap::default(),
        faults: vec![],
        rules: source.map(|_| Rules::default()),
        statement: TextSize::default(),
        call: TextSize::default(),
    };
    builder.enter(ScopeKind::Module, "top", TextRange::default(), TextSize::default());
    for statement in body {
        builder.statement = statement.start();
        builder.visit_stmt(statement);
    }
    Built { table: builder.table, faults: builder.faults, declarations: builder.declarations }
}

pub(super) struct Builder<'s> {
    pub source: &'s str,
    pub table: SymbolTable,
    /// The scopes around the current node, the module's first.
    entered: Vec<Entered>,
    class: Option<Class>,
    declarations: Declarations,
    faults: Vec<ScopeFault>,
    rules: Option<Rules>,
    /// Where the current statement of the module begins.
    statement: TextSize,
    /// Where the parentheses of the last call begin.
    call: TextSize,
}

/// A scope whose code is being visited.
struct Entered {
    scope: ScopeId,
    in_iteration_target: bool,
    /// Iterables of comprehensions around the current expression, also outside of this scope.
    iterables: usize,
    loops: usize,
    /// Inside of a statement that may leave its body out.
    is_conditional: bool,
    /// In an annotation of a local variable, which nothing evaluates.
    is_unevaluated: bool,
    /// The scope of its annotations, once there is one.
    annotations: Option<ScopeId>,
}

/// The class that private names belong to.
struct Class {
    name: Name,
    /// Around a generic class, only its type parameters are private names.
    only: Option<BTreeSet<Name>>,
}

impl Builder<'_> {
    fn since(&self, minor: u8) -> bool {
        self.table.dialect.since(minor)
    }

    fn here(&mut self) -> &mut Entered {
        self.entered.last_mut().expect("the module is entered first")
    }

    fn current_id(&self) -> ScopeId {
        self.entered.last().expect("the module is entered first").scope
    }

    pub fn current(&self) -> &Scope {
        self.table.scope(self.current_id())
    }

    pub fn kind(&self) -> ScopeKind {
        self.current().kind
    }

    pub fn in_loop(&self) -> bool {
        self.entered.last().is_some_and(|entered| entered.loops > 0)
    }

    /// The scopes around the current node, the innermost first.
    pub fn around(&self) -> impl Iterator<Item = &Scope> {
        self.entered.iter().rev().map(|entered| self.table.scope(entered.scope))
    }

    pub fn fault(&mut self, message: impl Into<String>, range: TextRange) {
        self.faults.push(ScopeFault { message: message.into(), range });
    }

    // Scopes.

    fn enter(&mut self, kind: ScopeKind, name: &str, node: TextRange, start: TextSize) {
        let parent = self.entered.last().map(|entered| entered.scope);
        let around = parent.map(|parent| self.table.scope(parent));
        let id = ScopeId(self.table.scopes.len());
        let scope = Scope {
            kind,
            name: Name::from(name),
            start,
            parent,
            children: vec![],
            symbols: BTreeMap::new(),
            is_nested: around.is_some_and(|scope| scope.is_nested || scope.kind.is_function_like()),
            is_async: false,
            has_yield: false,
            is_inlined: false,
            sees_class: false,
            is_detached: kind == ScopeKind::Annotations && self.table.dialect.future_annotations,
        };
        self.table.scopes.push(scope);
        self.table.by_node.insert((kind, node), id);
        if let Some(parent) = parent {
            self.table.scopes[parent.0].children.push(id);
        }
        self.enter_again(id);
        let is_thunk = matches!(kind, ScopeKind::Annotations | ScopeKind::TypeVariable | ScopeKind::TypeAlias);
        if is_thunk && self.table.dialect.has_lazy_annotations() {
            self.define(".format", Uses::PARAMETER | Uses::REFERENCED, node);
        }
    }

    fn enter_again(&mut self, scope: ScopeId) {
        self.entered.push(Entered {
            scope,
            in_iteration_target: false,
            iterables: self.entered.last().map_or(0, |around| around.iterables),
            loops: 0,
            is_conditional: false,
            is_unevaluated: false,
            annotations: None,
        });
    }

    fn exit(&mut self) {
        self.entered.pop();
    }

    /// Lets the current scope, which stands in a class, see what the class binds.
    fn see_class(&mut self, range: TextRange) {
        let id = self.current_id();
        self.table.scopes[id.0].sees_class = true;
        self.define("__classdict__", Uses::REFERENCED, range);
    }

    // Names.

    /// What a name means in the current class.
    fn private(&self, name: &str) -> Name {
        let class = self.class.as_ref().filter(|class| class.only.as_ref().is_none_or(|only| only.contains(name)));
        class.and_then(|class| mangled(&class.name, name)).unwrap_or_else(|| Name::from(name))
    }

    fn uses(&self, scope: ScopeId, name: &Name) -> Uses {
        self.table.scope(scope).symbols.get(name).map(|symbol| symbol.uses).unwrap_or_default()
    }

    fn define(&mut self, name: &str, uses: Uses, range: TextRange) {
        let name = self.private(name);
        self.note(self.current_id(), name, uses, range);
    }

    fn note(&mut self, scope: ScopeId, name: Name, mut uses: Uses, range: TextRange) {
        let entered = self.entered.last().expect("the module is entered first");
        if entered.in_iteration_target && entered.scope == scope {
            if self.uses(scope, &name).intersects(Uses::DECLARED_GLOBAL | Uses::DECLARED_NONLOCAL) {
                let what = "comprehension inner loop cannot rebind assignment expression target";
                self.fault(format!("{what} `{name}`"), range);
            }
            uses |= Uses::ITERATION;
        }
        if uses.contains(Uses::DECLARED_GLOBAL) && scope != SymbolTable::MODULE {
            self.table.scopes[0].symbols.entry(name.clone()).or_default().uses |= Uses::DECLARED_GLOBAL;
        }
        let symbol = self.table.scopes[scope.0].symbols.entry(name).or_default();
        symbol.uses |= uses;
        symbol.last_use = range.start();
    }

    fn bind(&mut self, name: &Identifier) {
        self.define(name, Uses::ASSIGNED, name.range());
    }

    /// `global` or `nonlocal`: it must come before any other use of the names.
    fn declare(&mut self, names: &[Identifier], how: Uses) {
        let word = if how == Uses::DECLARED_GLOBAL { "global" } else { "nonlocal" };
        for identifier in names {
            let name = self.private(identifier);
            let earlier = self.uses(self.current_id(), &name);
            let what = if earlier.contains(Uses::PARAMETER) {
                Some(format!("name `{name}` is parameter and {word}"))
            } else if earlier.contains(Uses::REFERENCED) {
                Some(format!("name `{name}` is used prior to {word} declaration"))
            } else if earlier.contains(Uses::ANNOTATED) {
                Some(format!("annotated name `{name}` can't be {word}"))
            } else if earlier.contains(Uses::ASSIGNED) {
                Some(format!("name `{name}` is assigned to before {word} declaration"))
            } else {
                None
            };
            if let Some(what) = what.filter(|_| !self.is_only_used_before(&name)) {
                self.fault(what, identifier.range());
            }
            self.note(self.current_id(), name.clone(), how, identifier.range());
            self.declarations.insert((self.current_id(), name), identifier.range());
        }
    }

    /// Whether a module's name was last used by an earlier statement. Statements of a cell are compiled one by one, so
    /// that what is said of the name in this one does not come too late.
    fn is_only_used_before(&self, name: &Name) -> bool {
        let is_separate = self.table.dialect.in_notebook && self.kind() == ScopeKind::Module;
        is_separate && self.current().symbols.get(name).is_some_and(|symbol| symbol.last_use < self.statement)
    }

    fn import(&mut self, alias: &Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name);
        let bound = name.split('.').next().unwrap_or_default();
        if bound != "*" {
            self.define(bound, Uses::IMPORTED, alias.range());
        }
    }

    fn name(&mut self, name: &str, context: ExprContext, range: TextRange) {
        if self.here().is_unevaluated {
            return;
        }
        if matches!(context, ExprContext::Store | ExprContext::Del) {
            return self.define(name, Uses::ASSIGNED, range);
        }
        self.define(name, Uses::REFERENCED, range);
        // `super()` finds its class by a variable that the compiler makes.
        let kind = self.kind();
        if name == "super" && (kind.is_function() || (self.since(13) && kind.is_function_like())) {
            self.define("__class__", Uses::REFERENCED, range);
        }
    }
}
