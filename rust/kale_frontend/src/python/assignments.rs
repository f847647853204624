//! Binding, changing and deleting by targets: names, attributes, items, and tuples of these.

use ruff_python_ast::{Expr, ExprAttribute, Operator, StmtAnnAssign, StmtAssign, StmtTypeAlias};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Inner};
use super::operators::gives_result;
use super::scope::ScopeKind;
use super::value::{Parts, Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    pub(super) fn assignment(&mut self, s: &'a StmtAssign) {
        if let Some((targets, values)) = pairs(&s.targets, &s.value) {
            let values: Vec<Value> = values.iter().map(|value| self.evaluate(value)).collect();
            for (target, value) in targets.iter().zip(values) {
                self.assign(target, value);
            }
            return;
        }
        if let [Expr::Attribute(attribute)] = s.targets.as_slice()
            && self.owned.contains(attribute.attr.as_str())
        {
            return self.assign_owned(attribute, &s.value, s.range());
        }
        let value = self.evaluate(&s.value);
        let value = self.of_member(value, s.range());
        // In `pair = a, b = f()` the parts are reached by two ways.
        let value = if s.targets.len() > 1 { value.named() } else { value };
        let copies = planted(Fault::NoAliasOfNames) && s.value.is_name_expr();
        let value = if copies { self.fresh(value.ty) } else { value };
        for target in &s.targets {
            self.assign(target, value.clone());
        }
    }

    pub(super) fn annotated(&mut self, s: &'a StmtAnnAssign) {
        let value = s.value.as_deref().map(|value| self.evaluate(value));
        if !matches!(s.target.as_ref(), Expr::Name(_)) || self.in_module() {
            self.evaluate(&s.annotation);
        }
        if let Some(value) = value {
            self.assign(&s.target, value);
        }
    }

    pub(super) fn type_alias(&mut self, s: &'a StmtTypeAlias) {
        let is_generic = self.enter_type_parameters(s.type_params.as_deref());
        let scope = self.scope_of(ScopeKind::TypeAlias, s.range());
        self.frame().inner.push(Inner::new(scope));
        self.evaluate(&s.value);
        self.frame().inner.pop();
        if is_generic {
            self.frame().inner.pop();
        }
        self.assign(&s.name, Value::immutable());
    }

    pub fn assign(&mut self, target: &'a Expr, value: Value) {
        match target {
            Expr::Name(name) => self.bind_text(&name.id, value),
            Expr::Tuple(_) | Expr::List(_) => {
                let elements: &[Expr] = match target {
                    Expr::Tuple(tuple) => &tuple.elts,
                    Expr::List(list) => &list.elts,
                    _ => &[],
                };
                let stars = elements.iter().any(Expr::is_starred_expr);
                match value.parts.as_deref() {
                    Some(Parts::Each(parts)) if parts.len() == elements.len() && !stars => {
                        for (element, part) in elements.iter().zip(parts) {
                            self.assign(element, part.clone());
                        }
                    }
                    Some(&Parts::Alike { ty, separate: true }) if !stars => {
                        for element in elements {
                            let part = if ty == Type::Immutable { Value::immutable() } else { self.fresh(ty) };
                            self.assign(element, part);
                        }
                    }
                    _ => {
                        let part = self.iterate(&value, target.range());
                        for element in elements {
                            self.assign(element, part.clone());
                        }
                    }
                }
            }
            Expr::Starred(starred) => {
                let path = self.name("list");
                let list = self.fresh_empty(Type::Instance(path));
                self.put(&list, &value);
                self.assign(&starred.value, list);
            }
            Expr::Attribute(attribute) => {
                let owner = self.evaluate(&attribute.value);
                self.store_attribute(&owner, &attribute.attr, &value, target.range());
            }
            Expr::Subscript(subscript) => {
                let owner = self.evaluate(&subscript.value);
                let key = self.evaluate(&subscript.slice);
                self.hash(&key, target.range());
                self.store_item(&owner, &subscript.slice, &value, target.range());
                self.put_key(&owner, &key);
            }
            _ => {
                self.evaluate(target);
            }
        }
    }

    /// `owner.name = value`, where the attribute keeps what it holds to itself as long as that is new.
    fn assign_owned(&mut self, target: &'a ExprAttribute, value: &'a Expr, range: TextRange) {
        let age = self.frame().heap.age();
        let value = self.evaluate(value);
        let value = self.of_member(value, range);
        let is_new = self.is_new_array(&value, age);
        let owner = self.evaluate(&target.value);
        self.set_attribute(&owner, &target.attr, &value, range);
        self.note_stored(&owner, is_new);
    }

    /// `owner.name -= operand`, where only the owner has what is there: as `owner.name = owner.name - operand`.
    fn augment_owned(&mut self, target: &'a ExprAttribute, operand: &'a Expr, range: TextRange) -> bool {
        let Expr::Name(name) = target.value.as_ref() else { return false };
        if !self.owned.contains(target.attr.as_str()) {
            return false;
        }
        let owner = self.read(&name.id, name.range());
        if !self.is_owned(&owner, &target.attr) {
            return false;
        }
        let value = self.evaluate(operand);
        self.operate(&[&value], range);
        let made = self.typed("numpy.ndarray");
        self.set_attribute(&owner, &target.attr, &made, range);
        true
    }

    pub(super) fn augmented(&mut self, target: &'a Expr, operator: Operator, operand: &'a Expr, range: TextRange) {
        if let Expr::Attribute(attribute) = target
            && self.augment_owned(attribute, operand, range)
        {
            return;
        }
        let old = self.evaluate_target(target);
        let value = self.evaluate(operand);
        let given = self.operate(&[&old, &value], range);
        let in_place = !planted(Fault::MissedAugmentedMutation) && !old.is_constant() && !self.has_pure_operators(&old);
        let result = if self.gives_immutable(operator, &old, &value) {
            Value::immutable()
        } else if in_place {
            match self.type_path(&old) {
                // (Which adds to the counts themselves.)
                Some("collections.Counter") => self.mutate(&old),
                _ => self.mutate_container(&old),
            }
            self.add_to(&old, &value);
            given
                .iter()
                .filter(|given| gives_result(&given.name))
                .for_each(|given| self.link(&old, &given.value, false));
            old
        } else if self.has_pure_operators(&old) && !old.is_constant() {
            Value { ty: old.ty, ..self.fresh(Type::Unknown) }
        } else {
            self.operated(&[&old, &value], &given, false)
        };
        self.assign(target, result);
    }

    /// The current value of an assignment target.
    fn evaluate_target(&mut self, target: &'a Expr) -> Value {
        match target {
            Expr::Name(name) => self.read(&name.id, name.range()),
            Expr::Subscript(s) => {
                let owner = self.evaluate(&s.value);
                self.evaluate(&s.slice);
                if self.type_path(&owner) == Some("collections.defaultdict") {
                    self.add_missing(&owner, s.range());
                }
                self.element(&owner)
            }
            Expr::Attribute(a) => {
                let owner = self.evaluate(&a.value);
                self.attribute(&owner, &a.attr, a.range())
            }
            other => self.evaluate(other),
        }
    }

    pub(super) fn delete_target(&mut self, target: &'a Expr) {
        match target {
            Expr::Name(name) => {
                self.read(&name.id, name.range());
                self.delete(&name.id);
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.delete_target(element)),
            Expr::List(list) => list.elts.iter().for_each(|element| self.delete_target(element)),
            Expr::Attribute(attribute) => {
                let owner = self.evaluate(&attribute.value);
                self.delete_attribute(&owner, &attribute.attr, target.range());
            }
            Expr::Subscript(subscript) => {
                let owner = self.evaluate(&subscript.value);
                self.evaluate(&subscript.slice);
                self.store_item(&owner, &subscript.slice, &Value::immutable(), target.range());
            }
            _ => {}
        }
    }
}

/// The targets and values of `a, b = x, y`.
fn pairs<'e>(targets: &'e [Expr], value: &'e Expr) -> Option<(&'e [Expr], &'e [Expr])> {
    let ([Expr::Tuple(targets)], Expr::Tuple(values)) = (targets, value) else { return None };
    let plain = |elements: &[Expr]| !elements.iter().any(Expr::is_starred_expr);
    (targets.elts.len() == values.elts.len() && plain(&targets.elts) && plain(&values.elts))
        .then_some((targets.elts.as_slice(), values.elts.as_slice()))
}
