//! Attributes that keep what they hold to themselves.
//!
//! `self.weights -= step` changes an array in place, and with it whatever else is that array. Where nothing else can be, it
//! is as good as `self.weights = self.weights - step`: the object whose attribute it is changes, and none of the other
//! arrays in its alias class. An attribute is *owned* when the notebook stores nothing in it but what was just made, and
//! loads it for nothing but operators that make something new of it. That is told by the names of attributes, of all
//! classes together; what they hold (arrays, and nothing that was put there unseen) the types of the alias class tell.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, PatternKeyword, Stmt, StmtClassDef};
use rustc_hash::FxHashSet;

use super::analyzer::{Analyzer, Unit};
use super::scope::target_names;
use super::types::Types;
use super::value::{Type, Value};

/// What notebooks contain that may get at attributes without naming them.
const DYNAMIC: &[&str] = &["attr", "vars", "__dict__", "__match_args__", "__slots__", "exec", "eval"];

/// What of an array may be taken where it is only looked at.
const LOOKS: &[&str] = &["T", "dtype", "ndim", "shape", "size"];

/// Special methods that get no operand.
const HARMLESS: &[&str] =
    &["__call__", "__init__", "__iter__", "__len__", "__next__", "__post_init__", "__repr__", "__str__"];

/// The names of attributes that are owned, and changed in place somewhere.
pub fn owned_attributes<'a>(units: &[Unit<'a>]) -> FxHashSet<&'a str> {
    let is_dynamic = |unit: &Unit| DYNAMIC.iter().any(|word| unit.source.contains(word));
    if !units.iter().any(|unit| unit.source.contains("class ")) {
        return FxHashSet::default();
    }
    let mut finder = Finder::default();
    units.iter().for_each(|unit| finder.visit_body(&unit.module.body));
    let Finder { mut changed, escaped, is_blind } = finder;
    changed.retain(|name| !is_blind && !escaped.contains(name));
    if !changed.is_empty() && units.iter().any(is_dynamic) {
        return FxHashSet::default();
    }
    changed
}

#[derive(Default)]
struct Finder<'a> {
    /// Attributes that are changed in place.
    changed: FxHashSet<&'a str>,
    /// Those that something else may refer to.
    escaped: FxHashSet<&'a str>,
    /// There is a class that may have more attributes than can be seen, or that may keep the operands of operators.
    is_blind: bool,
}

impl<'a> Finder<'a> {
    /// What a class binds, its instances have; and a method or a property of the name is no attribute.
    fn class(&mut self, class: &'a StmtClassDef) {
        for statement in &class.body {
            match statement {
                Stmt::FunctionDef(def) => {
                    self.is_blind |= def.name.starts_with("__") && !HARMLESS.contains(&def.name.as_str());
                    self.escaped.insert(&def.name);
                }
                Stmt::Assign(assign) => self.escaped.extend(assign.targets.iter().flat_map(target_names)),
                Stmt::AnnAssign(assign) => self.escaped.extend(target_names(&assign.target)),
                Stmt::Expr(_) | Stmt::Pass(_) => {}
                _ => self.is_blind = true,
            }
        }
    }

    /// What is only looked at: an operand, of which the operator makes something new.
    fn look(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Attribute(look) if LOOKS.contains(&look.attr.as_str()) => self.look(&look.value),
            Expr::Subscript(part) => {
                self.visit_expr(&part.slice);
                self.look(&part.value);
            }
            Expr::Attribute(attribute) => self.visit_expr(&attribute.value),
            _ => self.visit_expr(expr),
        }
    }
}

impl<'a> Visitor<'a> for Finder<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::ClassDef(class) => self.class(class),
            Stmt::AugAssign(assign) => {
                if let Expr::Attribute(attribute) = assign.target.as_ref() {
                    self.changed.insert(&attribute.attr);
                }
                self.look(&assign.target);
                return self.visit_expr(&assign.value);
            }
            Stmt::Assign(assign) => {
                let target = match assign.targets.as_slice() {
                    [target @ Expr::Subscript(_)] => Some(target),
                    [target @ Expr::Attribute(_)] if makes(&assign.value) => Some(target),
                    _ => None,
                };
                if let Some(target) = target {
                    self.look(target);
                    return self.visit_expr(&assign.value);
                }
            }
            Stmt::Delete(delete) => return delete.targets.iter().for_each(|target| self.look(target)),
            Stmt::IpyEscapeCommand(command) => {
                self.escaped.extend(command.value.split(|c: char| !c.is_alphanumeric() && c != '_'));
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::BinOp(op) => {
                self.look(&op.left);
                self.look(&op.right);
            }
            Expr::UnaryOp(op) => self.look(&op.operand),
            Expr::Compare(compare) => {
                self.look(&compare.left);
                compare.comparators.iter().for_each(|operand| self.look(operand));
            }
            Expr::Attribute(attribute) => {
                self.escaped.insert(&attribute.attr);
                self.visit_expr(&attribute.value);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_pattern_keyword(&mut self, keyword: &'a PatternKeyword) {
        self.escaped.insert(&keyword.attr);
        visitor::walk_pattern_keyword(self, keyword);
    }
}

/// Whether the value of an expression may be an object that it makes.
fn makes(expr: &Expr) -> bool {
    matches!(expr, Expr::Call(_) | Expr::BinOp(_))
}

impl<'a> Analyzer<'a> {
    /// Whether what is in the attribute is an array, and no other object's.
    pub(super) fn is_owned(&mut self, owner: &Value, name: &str) -> bool {
        let Some(at) = self.owned.get(name).copied().and_then(|name| self.attribute_name(name)) else { return false };
        let owners = self.possible_types(owner).unwrap_or_default();
        let is_plain =
            |ty: &Type| self.is_exact(*ty) && matches!(ty, Type::Object(class) if self.sets_plainly(*class, name));
        if owners.is_empty() || !owners.iter().all(is_plain) {
            return false;
        }
        let array = Type::Instance(self.name("numpy.ndarray"));
        owner.objects.clone().into_iter().all(|object| {
            let types = &self.frame().heap.class(object).types;
            owners.iter().all(|&owner| match types.held_by(owner) {
                Some(Some(held)) => {
                    held.iter().all(|&(place, ty)| place.is_some() && (place != Some(at) || ty == array))
                        && held.contains(&(Some(at), array))
                }
                _ => false,
            })
        })
    }

    /// After something was stored in an attribute that is owned as far as names tell: unless it was just made, and nothing
    /// refers to it, the attribute is not.
    pub(super) fn note_stored(&mut self, owner: &Value, is_new: bool) {
        if !is_new {
            owner.objects.iter().for_each(|&object| self.frame().heap.learn_with(object, Types::loosen));
        }
    }

    /// Whether the value is a new array since the heap was of this age, which nothing refers to.
    pub(super) fn is_new_array(&mut self, value: &Value, age: u32) -> bool {
        let array = Type::Instance(self.name("numpy.ndarray"));
        self.possible_types(value).is_some_and(|types| types == [array])
            && !value.objects.is_empty()
            && value.objects.clone().into_iter().all(|object| self.frame().heap.is_alone_since(object, age))
    }
}
