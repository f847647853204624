//! Methods of the notebook's classes: the functions for which a name in the body of a class stands, and what loading,
//! setting or deleting the attribute does.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::name::UnqualifiedName;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Decorator, Expr, Stmt, StmtFunctionDef};
use ruff_text_size::TextRange;

use super::analyzer::{Analyzer, Body, Definition, DefinitionKind};
use super::value::{CodeId, Type, Value};

impl<'a> Analyzer<'a> {
    /// The attributes of a class that are functions of the notebook, or that something has made of these. One that the
    /// body has only bound on some ways through it (`optional`) may be that of a base.
    pub(super) fn methods_among(
        &mut self,
        attributes: &[(String, Value)],
        optional: &BTreeSet<String>,
        bases: &[Type],
    ) -> BTreeMap<String, CodeId> {
        let mut methods = BTreeMap::new();
        for (name, value) in attributes {
            let method = match functions_of(value).filter(|functions| !self.captures_others(value, functions)) {
                Some(functions) => self.method_for(functions, false),
                None => {
                    let wrapped = self.wrapped_functions(value);
                    self.method_for(wrapped, true)
                }
            };
            let of_base = |base: &Type| match base {
                Type::Class(base) => self.method_of(*base, name),
                _ => None,
            };
            let inherited = bases.iter().find_map(of_base).filter(|_| optional.contains(name));
            let method = match (method, inherited) {
                (Some(own), Some(inherited)) => self.one_method_of(own, inherited),
                (own, inherited) => own.or(inherited),
            };
            methods.extend(method.map(|method| (name.clone(), method)));
        }
        methods
    }

    /// `Model.score = score`: from now on, objects of the class may have this method, or still the one before.
    pub(super) fn patch_method(&mut self, class: CodeId, name: &str, value: &Value) {
        // (`property(load, store, delete)` is of no known type, but data is not called by being an attribute.)
        let code = self.codes(value);
        let is_code = code.len() <= MAX_ACCESSORS && code.iter().all(|&code| self.methods(code).is_none());
        if value.ty == Type::Unknown && functions_of(value).is_none() && !is_code {
            return;
        }
        let patched = self.methods_among(&[(name.to_owned(), value.clone())], &BTreeSet::new(), &[]);
        for (name, method) in patched {
            let method = match self.methods(class).and_then(|methods| methods.get(&name)).copied() {
                Some(known) => self.one_method_of(known, method),
                None => Some(method),
            };
            if let DefinitionKind::Class { methods, .. } = &mut self.definitions[class.index()].kind
                && let Some(method) = method
                && methods.insert(name, method) != Some(method)
            {
                self.summaries_are_old = true;
            }
        }
    }

    fn one_method_of(&mut self, one: CodeId, other: CodeId) -> Option<CodeId> {
        let parts = |code: CodeId| match &*self.definitions[code.index()].alternatives {
            [] => vec![code],
            alternatives => alternatives.to_vec(),
        };
        let mut functions = parts(one);
        let new: Vec<CodeId> = parts(other).into_iter().filter(|code| !functions.contains(code)).collect();
        if new.is_empty() {
            return Some(one);
        }
        functions.extend(new);
        let is_wrapped = [one, other].iter().any(|code| self.definitions[code.index()].is_wrapped);
        self.method_for(functions, is_wrapped)
    }

    /// Whether functions hold others that have no name of their own, under which the class would have them.
    fn captures_others(&self, value: &Value, functions: &[CodeId]) -> bool {
        let is_other = |code: &CodeId| !functions.contains(code) && self.definitions[code.index()].name.is_none();
        value.code.iter().any(is_other)
    }

    /// What calling an attribute may call: a method that a decorator has replaced, `property(load, store)`.
    fn wrapped_functions(&mut self, value: &Value) -> Vec<CodeId> {
        let may_call = match value.ty {
            Type::Unknown | Type::Function(_) => true,
            Type::Instance(path) => !self.is_container(self.facts.text(path)),
            _ => false,
        };
        let mut functions = if may_call { self.codes(value).to_vec() } else { vec![] };
        functions.retain(|code| matches!(self.definitions[code.index()].kind, DefinitionKind::Function(_)));
        functions
    }

    /// A method that is one of these functions, or wraps them.
    fn method_for(&mut self, functions: Vec<CodeId>, is_wrapped: bool) -> Option<CodeId> {
        let &first = functions.first()?;
        if functions.len() == 1 && !is_wrapped {
            return Some(first);
        }
        let key = (functions, is_wrapped);
        if let Some(&known) = self.choices.get(&key) {
            return Some(known);
        }
        let Definition { kind: DefinitionKind::Function(function), class_name, .. } = &self.definitions[first.index()]
        else {
            return None;
        };
        let definition = Definition::new(DefinitionKind::Function(*function), class_name.clone());
        let code = CodeId::next(self.definitions.len());
        self.definitions.push(Definition { alternatives: key.0.clone(), is_wrapped, ..definition });
        self.choices.insert(key, code);
        Some(code)
    }

    pub(super) fn methods(&self, code: CodeId) -> Option<&BTreeMap<String, CodeId>> {
        match &self.definitions[code.index()].kind {
            DefinitionKind::Class { methods, .. } => Some(methods),
            DefinitionKind::Function(_) => None,
        }
    }

    pub fn method_of(&self, class: CodeId, name: &str) -> Option<CodeId> {
        let mut todo = vec![class];
        let mut seen = vec![];
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { methods, bases, .. } = &self.definitions[class.index()].kind else { continue };
            if let Some(&method) = methods.get(name) {
                return Some(method);
            }
            if seen.contains(&class) {
                continue;
            }
            seen.push(class);
            todo.extend(bases.iter().rev().filter_map(|base| match base {
                Type::Class(code) => Some(*code),
                _ => None,
            }));
        }
        None
    }

    /// The method of a name, and what loading it does.
    pub fn method_kind(&self, class: CodeId, name: &str) -> Option<(CodeId, MethodKind)> {
        let method = self.method_of(class, name)?;
        if let Some(known) = self.method_kinds.borrow().get(&method).and_then(|kinds| kinds.of(name)) {
            return Some(known);
        }
        let found = match &*self.definitions[method.index()].alternatives {
            several @ [_, _, ..] => {
                let kinds: Option<Vec<_>> =
                    several.iter().map(|&method| self.kind_by_statement(method, name)).collect();
                kinds.map(|kinds| match kinds.iter().all(|(_, kind)| *kind == MethodKind::Plain) {
                    true => (method, MethodKind::Plain),
                    false => (method, MethodKind::Decorated),
                })
            }
            _ => self.kind_by_statement(method, name),
        };
        if let Some(found) = found {
            self.method_kinds.borrow_mut().entry(method).or_default().0.push((name.to_owned(), found));
        }
        // (While the body of the class is being executed, its methods are not known yet.)
        Some(found.unwrap_or((method, MethodKind::Decorated)))
    }

    /// By the statement of the class that has the method.
    fn kind_by_statement(&self, method: CodeId, name: &str) -> Option<(CodeId, MethodKind)> {
        let Definition { kind: DefinitionKind::Function(function), is_wrapped, .. } = &self.definitions[method.index()]
        else {
            return Some((method, MethodKind::Decorated));
        };
        let address = function.body.address();
        let is_it = |def: &&StmtFunctionDef| Body::Statements(&def.body).address() == address;
        let found = self.definitions.iter().find_map(|definition| match &definition.kind {
            DefinitionKind::Class { statement: Some(class), .. } => {
                Some(functions_named(&class.body, name)).filter(|found| found.iter().any(is_it))
            }
            _ => None,
        })?;
        let is_kept = |d: &Decorator| {
            let path = UnqualifiedName::from_expr(&d.expression);
            path.is_some_and(|path| path.segments().last() == Some(&"cached_property"))
        };
        let mut getters = found.iter().filter(|def| accessor(def) == Some(Accessor::Get));
        Some(match found.as_slice() {
            // `v = property(v)`
            defs if defs.iter().all(|def| def.decorator_list.is_empty()) => match is_wrapped {
                true => (method, MethodKind::Decorated),
                false => (method, MethodKind::Plain),
            },
            [def] if def.decorator_list.iter().any(is_kept) => (method, MethodKind::Kept),
            defs if defs.iter().all(|def| accessor(def).is_some()) => match (getters.next(), getters.next()) {
                (Some(getter), None) => (self.code_of(getter).unwrap_or(method), MethodKind::Property),
                _ => (method, MethodKind::Decorated),
            },
            _ => (method, MethodKind::Decorated),
        })
    }

    fn code_of(&self, def: &StmtFunctionDef) -> Option<CodeId> {
        self.code_ids.get(&Body::Statements(&def.body).address()).copied()
    }

    /// The functions that the bodies of a class and of those that it is based on define under a name, the nearest first.
    pub(super) fn defined_in(&self, class: CodeId, name: &str, accessor_is: Option<Accessor>) -> Vec<CodeId> {
        let mut found = vec![];
        for class in self.ancestors(&[class]) {
            let DefinitionKind::Class { statement: Some(statement), methods, .. } =
                &self.definitions[class.index()].kind
            else {
                continue;
            };
            let defs = functions_named(&statement.body, name);
            let method = methods.get(name).map(|&method| (method, &self.definitions[method.index()]));
            match method {
                Some((method, _)) if defs.is_empty() => found.push(method),
                Some((_, definition)) if definition.is_wrapped => found.extend(&definition.alternatives),
                _ => {}
            }
            let is_meant = |def: &&StmtFunctionDef| accessor(def).is_none_or(|is| Some(is) == accessor_is);
            let meant = defs.into_iter().filter(|def| accessor_is.is_none() || is_meant(def));
            found.extend(meant.filter_map(|def| self.code_of(def)));
        }
        found
    }

    /// Loading the attribute may call a property, or what another decorator has made of a method.
    pub(super) fn invoke_properties(&mut self, owner: &Value, name: &str, range: TextRange) {
        for code in self.classes_among(owner) {
            if let Some((method, kind)) = self.method_kind(code, name).filter(|(_, kind)| *kind != MethodKind::Plain) {
                if kind == MethodKind::Decorated {
                    self.invoke_defined(code, name, None, owner, &[], range);
                }
                let given = self.call_loosely(method, owner, std::slice::from_ref(owner), range);
                if kind == MethodKind::Kept {
                    self.mutate(owner);
                    self.link(owner, &given, false);
                }
            }
        }
    }

    /// As [`Self::invoke_properties`], where the attribute's name is not known.
    pub(super) fn invoke_any_property(&mut self, owner: &Value, range: TextRange) {
        for name in self.method_names(owner) {
            self.invoke_properties(owner, &name, range);
        }
    }

    /// As [`Self::invoke_accessors`], where the attribute's name is not known.
    pub(super) fn invoke_any_accessor(&mut self, owner: &Value, accessor: Accessor, given: &[Value], range: TextRange) {
        for name in self.method_names(owner) {
            self.invoke_accessors(owner, &name, accessor, given, range);
        }
    }

    /// What the methods of the classes are called of which a value may hold objects.
    fn method_names(&mut self, value: &Value) -> BTreeSet<String> {
        let classes = self.classes_among(value);
        let ancestors = self.ancestors(&classes);
        ancestors.iter().filter_map(|&class| self.methods(class)).flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Setting or deleting an attribute may call a property.
    pub(super) fn invoke_accessors(
        &mut self,
        owner: &Value,
        name: &str,
        accessor: Accessor,
        given: &[Value],
        range: TextRange,
    ) {
        let mut classes = self.classes_among(owner);
        if !matches!(owner.ty, Type::Object(_)) {
            // It may be one of the classes itself.
            let metaclasses: Vec<CodeId> = classes.iter().filter_map(|&class| self.metaclass_of(class)).collect();
            classes.extend(metaclasses);
        }
        for class in classes {
            self.invoke_defined(class, name, Some(accessor), owner, given, range);
        }
    }

    /// The classes of the notebook of which a value may hold objects.
    pub(super) fn classes_among(&mut self, value: &Value) -> Vec<CodeId> {
        let mut codes = self.codes(value);
        if let Type::Object(class) = value.ty
            && !codes.contains(&class)
        {
            codes.push(class);
        }
        codes.retain(|code| matches!(self.definitions[code.index()].kind, DefinitionKind::Class { .. }));
        codes.to_vec()
    }

    /// Runs functions that a class has defined under a name, one or the other.
    pub(super) fn invoke_defined(
        &mut self,
        class: CodeId,
        name: &str,
        accessor: Option<Accessor>,
        owner: &Value,
        given: &[Value],
        range: TextRange,
    ) {
        let values: Vec<Value> = std::iter::once(owner).chain(given).cloned().collect();
        for code in self.defined_in(class, name, accessor) {
            self.perhaps(|this| this.call_loosely(code, owner, &values, range));
        }
    }
}

/// How many functions a property has.
const MAX_ACCESSORS: usize = 3;

/// What loading a method from an instance does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// It gives the bound method.
    Plain,
    /// It calls the method.
    Property,
    /// It calls the method the first time, and the object keeps what that gives.
    Kept,
    /// What its decorators say.
    Decorated,
}

/// By the name under which a method is loaded: what that does, and the function that it calls.
#[derive(Default)]
pub struct MethodKinds(Vec<(String, (CodeId, MethodKind))>);

impl MethodKinds {
    fn of(&self, name: &str) -> Option<(CodeId, MethodKind)> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind)
    }
}

/// The functions of which a value is one, where that is all it may be.
fn functions_of(value: &Value) -> Option<Vec<CodeId>> {
    let own = [value.ty];
    let types = value.among.as_deref().filter(|_| value.ty == Type::Unknown).unwrap_or(&own);
    let functions = types.iter().map(|ty| match ty {
        Type::Function(code) => Some(*code),
        _ => None,
    });
    functions.collect::<Option<Vec<CodeId>>>().filter(|functions| !functions.is_empty())
}

/// What a property calls a function for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Accessor {
    Get,
    Set,
    Delete,
}

/// `@property`, `@x.getter`, `@x.setter`, `@x.deleter`.
fn accessor(def: &StmtFunctionDef) -> Option<Accessor> {
    let [decorator] = def.decorator_list.as_slice() else { return None };
    let word = match &decorator.expression {
        Expr::Name(name) if name.id.as_str() == "property" => "getter",
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return None,
    };
    match word {
        "getter" => Some(Accessor::Get),
        "setter" => Some(Accessor::Set),
        "deleter" => Some(Accessor::Delete),
        _ => None,
    }
}

/// The functions of a name in the body of a class, also those in branches.
pub(super) fn functions_named<'a>(body: &'a [Stmt], name: &str) -> Vec<&'a StmtFunctionDef> {
    struct Finder<'a, 'n> {
        name: &'n str,
        found: Vec<&'a StmtFunctionDef>,
    }
    impl<'a> Visitor<'a> for Finder<'a, '_> {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::FunctionDef(def) if def.name.as_str() == self.name => self.found.push(def),
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
                _ => visitor::walk_stmt(self, statement),
            }
        }

        fn visit_expr(&mut self, _: &'a Expr) {}
    }
    let mut finder = Finder { name, found: vec![] };
    finder.visit_body(body);
    finder.found
}
