//! The second pass: where each name lives.
//!
//! A scope is resolved together with the scopes inside of it: their free variables pass through it, up to the function
//! that binds them and must keep them in cells.

use std::collections::BTreeSet;

use ruff_python_ast::name::Name;

use super::build::Declarations;
use super::{Resolution, ScopeFault, ScopeId, ScopeKind, Symbol, SymbolTable, Uses};

pub(super) fn resolve(table: &mut SymbolTable, declarations: &Declarations) -> Vec<ScopeFault> {
    let mut resolver = Resolver { table, declarations, faults: vec![] };
    resolver.scope(SymbolTable::MODULE, None);
    resolver.faults
}

struct Resolver<'t> {
    table: &'t mut SymbolTable,
    declarations: &'t Declarations,
    faults: Vec<ScopeFault>,
}

impl Resolver<'_> {
    /// Resolves a scope and those inside. Returns the names that are free in it.
    ///
    /// `class` is the class whose names are visible here although it is not a function.
    fn scope(&mut self, id: ScopeId, class: Option<ScopeId>) -> BTreeSet<Name> {
        let mut own = BTreeSet::new();
        let names: Vec<(Name, Uses)> = self.symbols(id).map(|(name, symbol)| (name.clone(), symbol.uses)).collect();
        for (name, uses) in names {
            let resolution = self.name(id, &name, uses, class);
            self.set(id, &name, resolution);
            if resolution == Resolution::Free {
                own.insert(name);
            }
        }
        let mut inside = self.children(id, class);
        if self.table.scope(id).kind.is_function_like() {
            self.make_cells(id, &mut inside);
        } else if self.table.scope(id).kind == ScopeKind::Class {
            for made_by_the_compiler in ["__class__", "__classdict__", "__conditional_annotations__"] {
                inside.remove(made_by_the_compiler);
            }
        }
        self.pass_through(id, &inside);
        own.append(&mut inside);
        own
    }

    fn symbols(&self, id: ScopeId) -> impl Iterator<Item = (&Name, &Symbol)> {
        self.table.scope(id).symbols.iter()
    }

    fn set(&mut self, id: ScopeId, name: &Name, resolution: Resolution) {
        self.table.scopes[id.0].symbols.entry(name.clone()).or_default().resolution = resolution;
    }

    /// Decides where a name of a scope lives.
    fn name(&mut self, id: ScopeId, name: &Name, uses: Uses, class: Option<ScopeId>) -> Resolution {
        if uses.contains(Uses::DECLARED_GLOBAL) {
            if uses.contains(Uses::DECLARED_NONLOCAL) {
                self.fault(id, name, format!("name `{name}` is nonlocal and global"));
            }
            return Resolution::GlobalExplicit;
        }
        if uses.contains(Uses::DECLARED_NONLOCAL) {
            self.check_nonlocal(id, name);
            return Resolution::Free;
        }
        if uses.intersects(Uses::BOUND) {
            return Resolution::Local;
        }
        // A class around that binds the name hides what functions around the class bind.
        if let Some(symbol) = class.and_then(|class| self.table.scope(class).symbols.get(name)) {
            if symbol.uses.contains(Uses::DECLARED_GLOBAL) {
                return Resolution::GlobalExplicit;
            }
            if symbol.uses.intersects(Uses::BOUND) && !symbol.uses.contains(Uses::DECLARED_NONLOCAL) {
                return Resolution::GlobalImplicit;
            }
        }
        match self.binder(id, name) {
            Some(_) => Resolution::Free,
            None => Resolution::GlobalImplicit,
        }
    }

    /// The scope around `id` whose variable a free name is; its uses of the name.
    fn binder(&self, id: ScopeId, name: &str) -> Option<Uses> {
        let mut at = self.table.scope(id).parent;
        while let Some(id) = at {
            let scope = self.table.scope(id);
            if scope.kind == ScopeKind::Class && self.is_made_for_methods(name) {
                return Some(Uses::ASSIGNED);
            }
            let uses = scope.symbols.get(name).filter(|_| scope.kind.is_function_like()).map(|symbol| symbol.uses);
            match uses {
                Some(uses) if uses.contains(Uses::DECLARED_GLOBAL) => return None,
                Some(uses) if uses.contains(Uses::DECLARED_NONLOCAL) => {}
                Some(uses) if uses.intersects(Uses::BOUND) => return Some(uses),
                _ => {}
            }
            at = scope.parent;
        }
        None
    }

    /// Variables that the compiler makes in a class.
    fn is_made_for_methods(&self, name: &str) -> bool {
        match name {
            "__class__" => true,
            "__classdict__" => self.table.dialect.since(12),
            "__conditional_annotations__" => self.table.dialect.has_lazy_annotations(),
            _ => false,
        }
    }

    fn check_nonlocal(&mut self, id: ScopeId, name: &Name) {
        // In the module, the rules about places have refused it.
        if id == SymbolTable::MODULE {
            return;
        }
        match self.binder(id, name) {
            None => self.fault(id, name, format!("no binding for nonlocal `{name}` found")),
            Some(uses) if uses.contains(Uses::TYPE_PARAMETER) => {
                self.fault(id, name, format!("nonlocal binding not allowed for type parameter `{name}`"));
            }
            Some(_) => {}
        }
    }

    fn fault(&mut self, id: ScopeId, name: &Name, message: String) {
        let range = self.declarations.get(&(id, name.clone())).copied().unwrap_or_default();
        self.faults.push(ScopeFault { message, range });
    }

    /// Resolves the scopes inside. Returns the names that are free in any of them.
    fn children(&mut self, id: ScopeId, class: Option<ScopeId>) -> BTreeSet<Name> {
        let children = self.table.scope(id).children.clone();
        let mut free: Vec<BTreeSet<Name>> = vec![];
        for &child in &children {
            let seen = match self.table.scope(id).kind {
                ScopeKind::Class => Some(id),
                _ => class,
            };
            let seen = seen.filter(|_| self.table.scope(child).sees_class);
            let names = self.scope(child, seen);
            free.push(if self.table.scope(child).is_detached { BTreeSet::new() } else { names });
        }
        // Only now: names that a comprehension brings along are not visible to its neighbours.
        if self.table.dialect.inlines_comprehensions() && !self.table.scope(id).sees_class {
            for (&child, free) in children.iter().zip(&mut free) {
                let kind = self.table.scope(child).kind;
                if kind.is_comprehension() && kind != ScopeKind::Generator {
                    self.inline(id, child, free);
                }
            }
        }
        free.into_iter().flatten().collect()
    }

    /// Merges a comprehension's names into the scope around it, in whose frame it runs.
    fn inline(&mut self, id: ScopeId, comprehension: ScopeId, free: &mut BTreeSet<Name>) {
        self.table.scopes[comprehension.0].is_inlined = true;
        let symbols: Vec<(Name, Symbol)> = self.symbols(comprehension).map(|(n, s)| (n.clone(), *s)).collect();
        for (name, mut symbol) in symbols.into_iter().filter(|(_, s)| !s.uses.contains(Uses::PARAMETER)) {
            let is_cell = symbol.resolution == Resolution::Cell || symbol.uses.contains(Uses::INLINED_CELL);
            let is_class = self.table.scope(id).kind == ScopeKind::Class;
            if is_class && name == "__class__" && symbol.resolution == Resolution::Free {
                symbol.resolution = Resolution::GlobalImplicit;
                free.remove(&name);
            }
            let existing = self.table.scope(id).symbols.get(&name).map(|existing| existing.uses);
            match existing {
                None => {
                    self.table.scopes[id.0].symbols.insert(name.clone(), symbol);
                }
                Some(uses)
                    if uses.intersects(Uses::BOUND) && !is_class && !self.is_free_inside(comprehension, &name) =>
                {
                    free.remove(&name);
                }
                Some(_) => {}
            }
            if is_cell && let Some(symbol) = self.table.scopes[id.0].symbols.get_mut(&name) {
                symbol.uses |= Uses::INLINED_CELL;
            }
        }
    }

    fn is_free_inside(&self, id: ScopeId, name: &Name) -> bool {
        let listed = self.table.listed_children(id);
        let mut symbols = listed.iter().filter_map(|child| self.table.scope(*child).symbols.get(name));
        symbols.any(|symbol| symbol.resolution == Resolution::Free)
    }

    /// Locals that are free in a scope inside become cells.
    fn make_cells(&mut self, id: ScopeId, free: &mut BTreeSet<Name>) {
        for (name, symbol) in &mut self.table.scopes[id.0].symbols {
            let is_shared = free.contains(name) || symbol.uses.contains(Uses::INLINED_CELL);
            if symbol.resolution == Resolution::Local && is_shared {
                symbol.resolution = Resolution::Cell;
                free.remove(name);
            }
        }
    }

    /// Names that are free inside and not bound here are free here, too.
    fn pass_through(&mut self, id: ScopeId, free: &BTreeSet<Name>) {
        let is_classlike = self.table.scope(id).kind == ScopeKind::Class || self.table.scope(id).sees_class;
        let marks_all = self.table.dialect.since(12);
        for name in free {
            match self.table.scopes[id.0].symbols.get_mut(name) {
                None => {
                    let symbol = Symbol { resolution: Resolution::Free, ..Symbol::default() };
                    self.table.scopes[id.0].symbols.insert(name.clone(), symbol);
                }
                Some(symbol) => {
                    let marked = marks_all || symbol.uses.intersects(Uses::BOUND | Uses::DECLARED_GLOBAL);
                    if is_classlike && marked {
                        symbol.uses |= Uses::FREE_IN_CLASS;
                    }
                }
            }
        }
    }
}
