//! Follows `__all__` through a module's statements.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, ExprListComp, Operator, Stmt, StmtImportFrom, UnaryOp};

use super::super::scope;
use super::{Lookup, ModuleSource, absolute, is_never, public_names};

/// Texts in the order of their names, and whether each is in the list for certain.
type List = BTreeMap<String, bool>;

pub(super) struct ListReader<'r, 'l, 'b> {
    pub source: &'r ModuleSource,
    pub lookup: &'r mut Lookup<'l>,
    /// Lists of texts, by variable.
    pub lists: BTreeMap<String, List>,
    /// Modules, by the variable that an import binds.
    pub modules: BTreeMap<String, String>,
    /// The module's statements before the current one.
    pub before: &'b [Stmt],
    /// `__all__` is made in a way that cannot be followed.
    pub broken: bool,
}

impl ListReader<'_, '_, '_> {
    fn block(&mut self, body: &[Stmt], certain: bool) {
        for statement in body {
            self.statement(statement, certain);
        }
    }

    pub fn statement(&mut self, statement: &Stmt, certain: bool) {
        match statement {
            Stmt::Assign(assign) => {
                let value = self.list(&assign.value);
                for name in assign.targets.iter().flat_map(scope::target_names) {
                    let whole = assign.targets.iter().any(Expr::is_name_expr);
                    self.bind(name, value.clone().filter(|_| whole), certain);
                }
            }
            Stmt::AnnAssign(assign) => {
                let value = assign.value.as_ref().and_then(|value| self.list(value));
                for name in scope::target_names(&assign.target) {
                    self.bind(name, value.clone(), certain);
                }
            }
            Stmt::AugAssign(assign) => {
                for name in scope::target_names(&assign.target) {
                    let more =
                        self.list(&assign.value).filter(|_| matches!(assign.op, Operator::Add | Operator::BitOr));
                    self.grow(name, more, certain);
                }
            }
            Stmt::Expr(expression) => {
                if let Expr::Call(call) = &*expression.value {
                    self.call(call, certain);
                }
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let bound = alias.asname.as_ref().map_or(alias.name.as_str(), |name| name.as_str());
                    self.modules.insert(bound.to_owned(), alias.name.to_string());
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import, certain),
            Stmt::If(branch) if is_never(&branch.test) => {
                branch.elif_else_clauses.iter().for_each(|clause| self.block(&clause.body, false));
            }
            Stmt::If(branch) => {
                self.block(&branch.body, false);
                branch.elif_else_clauses.iter().for_each(|clause| self.block(&clause.body, false));
            }
            Stmt::Try(attempt) => {
                for body in [&attempt.body, &attempt.orelse] {
                    self.block(body, false);
                }
                for handler in &attempt.handlers {
                    self.block(&handler.as_except_handler().expect("there is one kind").body, false);
                }
                self.block(&attempt.finalbody, certain);
            }
            Stmt::With(with) => self.block(&with.body, false),
            // A function that only reads the list does no harm; one that changes it is seen by its name.
            other => self.broken |= changes_all(other),
        }
    }

    fn bind(&mut self, name: &str, value: Option<List>, certain: bool) {
        match value.filter(|_| certain) {
            Some(list) => {
                self.lists.insert(name.to_owned(), list);
            }
            None => {
                self.lists.remove(name);
                self.broken |= name == "__all__";
            }
        }
    }

    fn grow(&mut self, name: &str, more: Option<List>, certain: bool) {
        match (self.lists.get_mut(name), more) {
            (Some(list), Some(more)) => {
                for (text, sure) in more {
                    *list.entry(text).or_default() |= sure && certain;
                }
            }
            _ => self.bind(name, None, certain),
        }
    }

    /// `name.extend(...)` and the like.
    fn call(&mut self, call: &ExprCall, certain: bool) {
        let Expr::Attribute(method) = &*call.func else { return };
        let Expr::Name(owner) = &*method.value else { return };
        let argument = call.arguments.args.first();
        let more = match method.attr.as_str() {
            "extend" | "update" => argument.and_then(|argument| self.list(argument)),
            "append" | "add" => argument.and_then(text).map(|text| List::from([(text, true)])),
            "remove" | "discard" => {
                if let (Some(list), Some(gone)) = (self.lists.get_mut(owner.id.as_str()), argument.and_then(text)) {
                    list.remove(&gone);
                    return;
                }
                None
            }
            "sort" | "reverse" | "index" | "count" | "copy" => return,
            _ => None,
        };
        if self.lists.contains_key(owner.id.as_str()) {
            self.grow(owner.id.as_str(), more, certain);
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom, certain: bool) {
        let Some(from) = absolute(self.source, import.level, import.module.as_deref()) else { return };
        for alias in &import.names {
            let bound = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            if alias.name.as_str() == "__all__" {
                let list = self.declared(&from);
                self.bind(bound, list, certain);
            } else {
                self.modules.insert(bound.to_owned(), format!("{from}.{}", alias.name));
            }
        }
        // `from . import x` binds the module; so does, as a side effect, `from .x import y`.
        if let (1, Some(module), true) = (import.level, &import.module, self.source.submodules.is_some()) {
            self.modules.entry(module.to_string()).or_insert(from);
        }
    }

    /// What another module's `__all__` lists.
    fn declared(&mut self, module: &str) -> Option<List> {
        let exports = (self.lookup)(module).filter(|exports| exports.declared)?;
        Some(exports.names.into_iter().map(|(name, export)| (name, export.certain)).collect())
    }

    fn list(&mut self, expression: &Expr) -> Option<List> {
        match expression {
            Expr::List(list) => self.elements(&list.elts),
            Expr::Tuple(tuple) => self.elements(&tuple.elts),
            Expr::Set(set) => self.elements(&set.elts),
            Expr::Name(name) => self.lists.get(name.id.as_str()).cloned(),
            Expr::BinOp(sum) if matches!(sum.op, Operator::Add | Operator::BitOr) => {
                let mut list = self.list(&sum.left)?;
                for (text, sure) in self.list(&sum.right)? {
                    *list.entry(text).or_default() |= sure;
                }
                Some(list)
            }
            Expr::Call(call) => {
                let name = call.func.as_name_expr()?.id.as_str();
                let same_texts = matches!(name, "list" | "tuple" | "set" | "sorted" | "frozenset");
                match &call.arguments.args[..] {
                    [] if same_texts => Some(List::new()),
                    [one] if same_texts => self.list(one),
                    _ => None,
                }
            }
            Expr::Attribute(attribute) if attribute.attr.as_str() == "__all__" => {
                let module = dotted(&attribute.value)?;
                let module = self.modules.get(&module).cloned().unwrap_or(module);
                self.declared(&module)
            }
            Expr::ListComp(comprehension) if lists_public_names(comprehension) => {
                let names = public_names(self.before, self.source, self.lookup)?;
                Some(names.into_iter().map(|(name, export)| (name, export.certain)).collect())
            }
            _ => None,
        }
    }

    fn elements(&mut self, elements: &[Expr]) -> Option<List> {
        let mut list = List::new();
        for element in elements {
            match element {
                Expr::Starred(starred) => list.extend(self.list(&starred.value)?),
                other => {
                    list.insert(text(other)?, true);
                }
            }
        }
        Some(list)
    }
}

/// `[name for name in dir() if not name.startswith("_")]`
fn lists_public_names(comprehension: &ExprListComp) -> bool {
    let [generator] = &comprehension.generators[..] else { return false };
    let (Expr::Name(target), Expr::Name(element)) = (&generator.target, &*comprehension.elt) else { return false };
    let is_dir = generator.iter.as_call_expr().is_some_and(|call| {
        call.arguments.is_empty() && call.func.as_name_expr().is_some_and(|name| name.id.as_str() == "dir")
    });
    let [Expr::UnaryOp(negation)] = &generator.ifs[..] else { return false };
    let is_private = negation.operand.as_call_expr().is_some_and(|call| {
        let of_name = call.func.as_attribute_expr().filter(|method| method.attr.as_str() == "startswith");
        let owner = of_name.and_then(|method| method.value.as_name_expr());
        let prefix = call.arguments.args.first().and_then(text);
        owner.is_some_and(|owner| owner.id == target.id) && prefix.as_deref() == Some("_")
    });
    target.id == element.id && is_dir && negation.op == UnaryOp::Not && is_private
}

fn text(expression: &Expr) -> Option<String> {
    expression.as_string_literal_expr().map(|literal| literal.value.to_str().to_owned())
}

/// `a.b.c` as text.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => Some(format!("{}.{}", dotted(&attribute.value)?, attribute.attr)),
        _ => None,
    }
}

/// Whether a statement binds `__all__` or calls a method of it: in a loop, or a function.
fn changes_all(statement: &Stmt) -> bool {
    struct Changes(bool);
    impl<'a> Visitor<'a> for Changes {
        fn visit_expr(&mut self, expression: &'a Expr) {
            let is_all =
                |expression: &Expr| expression.as_name_expr().is_some_and(|name| name.id.as_str() == "__all__");
            self.0 |= match expression {
                Expr::Name(name) => name.id.as_str() == "__all__" && !name.ctx.is_load(),
                Expr::Attribute(attribute) => is_all(&attribute.value),
                Expr::Subscript(subscript) => is_all(&subscript.value) && !subscript.ctx.is_load(),
                _ => false,
            };
            visitor::walk_expr(self, expression);
        }
    }
    let mut changes = Changes(false);
    changes.visit_stmt(statement);
    changes.0
}
