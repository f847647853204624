//! Operators on abstract values: what they may call, and what their result is and shares.

use std::sync::LazyLock;

use ruff_python_ast::{CmpOp, ExprBoolOp, ExprCompare, ExprIf, Operator};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::calls::Given;
use super::classes::OPERATORS;
use super::displays::MAX_TEXT;
use super::knowledge::Words;
use super::types::Types;
use super::value::{Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    /// `and`, `or`: one of the operands, of which the first is looked at for certain.
    pub(super) fn connective(&mut self, op: &'a ExprBoolOp) -> Value {
        let mut values = vec![];
        for (index, value) in op.values.iter().enumerate() {
            values.push(if index == 0 { self.evaluate(value) } else { self.perhaps(|this| this.evaluate(value)) });
        }
        self.operate(&values.iter().collect::<Vec<_>>(), op.range());
        values.into_iter().reduce(|a, b| self.either(a, &b)).unwrap_or_else(Value::immutable)
    }

    pub(super) fn comparison(&mut self, compare: &'a ExprCompare) -> Value {
        let mut values = vec![self.evaluate(&compare.left)];
        for (index, value) in compare.comparators.iter().enumerate() {
            // In `a < b < c` the last one is only looked at when `a < b`.
            let value = if index == 0 { self.evaluate(value) } else { self.perhaps(|this| this.evaluate(value)) };
            values.push(value);
        }
        let operands: Vec<&Value> = values.iter().collect();
        let given = self.operate(&operands, compare.range());
        self.compare(&operands, compare.ops.iter().any(|op| matches!(op, CmpOp::Is | CmpOp::IsNot)));
        if compare.ops.iter().all(gives_bool) {
            return Value::immutable();
        }
        self.operated(&operands, &given, true)
    }

    /// `a if test else b`.
    pub(super) fn choice(&mut self, choice: &'a ExprIf) -> Value {
        let test = self.evaluate(&choice.test);
        self.operate(&[&test], choice.test.range());
        let one = self.perhaps(|this| this.evaluate(&choice.body));
        let other = self.perhaps(|this| this.evaluate(&choice.orelse));
        self.either(one, &other)
    }

    /// What operators (and `repr`, truth tests, formatting) on these values may call: methods of the notebook's classes.
    pub fn operate(&mut self, values: &[&Value], range: TextRange) -> Vec<Given> {
        let mut given = vec![];
        for value in values.iter().filter(|_| !planted(Fault::OperatorMissed)) {
            let calls_code = matches!(value.ty, Type::Object(_))
                || (value.ty == Type::Unknown && !value.code.is_empty())
                || matches!(value.ty, Type::Class(class) if self.metaclass_of(class).is_some());
            if calls_code {
                given.extend(self.invoke_methods(value, range, is_operator));
            }
        }
        given
    }

    /// The result of an operator whose operands have been looked at: one of the notebook's methods may have given it.
    pub(super) fn operated(&mut self, operands: &[&Value], given: &[Given], compares: bool) -> Value {
        let result = self.computed(operands, compares);
        for Given { value, .. } in given.iter().filter(|given| gives_result(&given.name)) {
            self.link(&result, value, false);
        }
        result
    }

    /// What looking for a value as a key may call, or taking it for an index.
    pub(super) fn hash(&mut self, value: &Value, range: TextRange) {
        if !value.code.is_empty() && !value.is_callable() && !planted(Fault::OperatorMissed) {
            self.invoke_methods(value, range, |name| matches!(name, "__eq__" | "__hash__" | "__index__"));
        }
    }

    /// What showing a value may call. (IPython sorts the elements of sets.)
    pub(super) fn show(&mut self, value: &Value, range: TextRange) {
        if !self.is_flat(value) && !planted(Fault::OperatorMissed) {
            self.invoke_special(value, range, |name| SHOWING.contains(&name));
        }
    }

    /// Runs those special methods that are called. Of what is not known to be an object of the notebook or a container
    /// of these, all are: whatever it is may do anything with what it holds.
    fn invoke_special(&mut self, value: &Value, range: TextRange, is_called: impl Fn(&str) -> bool) {
        let types = self.types_in_class(value);
        let is_seen = types.known().is_some_and(|types| types.iter().all(|&ty| self.is_exact(ty)));
        self.invoke_methods_of(value, range, |this, class, name| {
            is_operator(name) && (!is_seen || is_called(name) || !this.shows_its_methods(class))
        });
    }

    /// What `owner[key]` may call: of what a built-in container holds, keys are compared.
    pub(super) fn look_up(&mut self, owner: &Value, range: TextRange) {
        let is_built_in = |ty: &Type| matches!(ty, Type::Instance(_)) && self.is_exact(*ty);
        match owner.ty == Type::Unknown && self.candidates(owner).is_some_and(|types| types.iter().all(is_built_in)) {
            true if planted(Fault::OperatorMissed) => {}
            true => {
                self.invoke_methods(owner, range, |name| matches!(name, "__eq__" | "__hash__" | "__index__"));
            }
            false => {
                self.operate(&[owner], range);
            }
        }
    }

    /// As [`Self::operate`], for values of any type: what a built-in function may do to them, which calls these special
    /// methods, or (where none are named) any.
    pub fn operate_loosely(&mut self, value: &Value, special: &Words, range: TextRange) {
        self.invoke_special(value, range, |name| special.is_empty() || special.iter().any(|called| called == name));
    }

    /// The result of an operator: new, of no known type unless the knowledge base has it. It may share parts with an
    /// operand whose operators are not known, and what the knowledge base says with the others.
    pub(super) fn computed(&mut self, values: &[&Value], compares: bool) -> Value {
        let only: Vec<Option<Value>> = values.iter().map(|value| self.as_only(value)).collect();
        if only.iter().all(Option::is_none) {
            return self.computed_of(values, compares);
        }
        let values: Vec<&Value> = only.iter().zip(values).map(|(only, value)| only.as_ref().unwrap_or(value)).collect();
        let result = self.computed_of(&values, compares);
        match result.ty {
            Type::Immutable | Type::Unknown => result,
            ty => Value { ty: Type::Unknown, among: Some([ty].into()), ..result },
        }
    }

    /// A value that is immutable, or of one type whose operators are known, as one of this type: what an operator makes of
    /// an immutable one shares no more.
    fn as_only(&self, value: &Value) -> Option<Value> {
        let candidates = self.candidates(value)?;
        let [ty @ Type::Instance(path)] = candidates.as_slice() else { return None };
        self.of_named_type(*path, |t| t.operators)?;
        Some(Value { ty: *ty, among: None, ..value.clone() })
    }

    fn computed_of(&mut self, values: &[&Value], compares: bool) -> Value {
        if values.iter().all(|value| value.is_constant()) {
            return Value::immutable();
        }
        if values.iter().all(|value| value.is_constant() || (self.is_collection(value) && self.holds_scalars(value))) {
            let ty = values.iter().find(|value| !value.is_constant()).map_or(Type::Unknown, |value| value.ty);
            return if compares { Value::immutable() } else { self.fresh_scalars(ty) };
        }
        if compares && values.iter().all(|value| value.is_constant() || self.compares_plainly(value)) {
            return Value::immutable();
        }
        let known = values.iter().find_map(|value| self.operator_type(value, compares));
        let mut result = match &known {
            Some(path) if self.is_container(path) => {
                let ty = Type::Instance(self.name(path));
                self.fresh_empty(ty)
            }
            Some(path) => self.typed(path),
            // `+` of lists makes a list: no other type than theirs.
            None if values.iter().all(|value| value.is_constant() || self.compares_plainly(value)) => {
                self.fresh_of(Types::none())
            }
            None => self.fresh(Type::Unknown),
        };
        if result.is_immutable() {
            return result;
        }
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_constant()) {
            let Some(facts) = self.operator_result(value) else {
                self.link(&result, value, false);
                result.code.extend(value.code.iter().copied());
                continue;
            };
            let others = values.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| *other);
            let others = Arguments::of_values(&others.cloned().collect::<Vec<_>>());
            for shared in facts.iter().filter(|_| !compares) {
                self.share(&mut result, shared, Some(value), &others);
            }
        }
        result
    }

    /// The type of an operator's result, where the value's type decides it.
    fn operator_type(&self, value: &Value, compares: bool) -> Option<String> {
        let path = self.type_path(value)?;
        self.of_type(value, |t| t.operators)?;
        Some(match compares {
            true => self.of_type(value, |t| t.compare_returns.clone()).unwrap_or_else(|| "bool".to_owned()),
            false => self.of_type(value, |t| t.operator_returns.clone()).unwrap_or_else(|| path.to_owned()),
        })
    }

    /// What the result of an operator shares with its operands; `None` when the value's operators are not known.
    fn operator_result(&self, value: &Value) -> Option<&'static Words> {
        static NOTHING: LazyLock<Words> = LazyLock::new(Words::default);
        self.of_type(value, |t| t.operators)?;
        Some(self.of_type(value, |t| t.operator_result.as_ref()).unwrap_or(&NOTHING))
    }

    /// `old += value` in place: `old` then holds of the value what the result of `old + value` would.
    pub(super) fn add_to(&mut self, old: &Value, value: &Value) {
        let Some(facts) = self.operator_result(old) else { return self.link(old, value, false) };
        let mut old = old.clone();
        for shared in facts.iter().filter(|shared| !shared.ends_with(":self")) {
            self.share(&mut old, shared, None, &Arguments::of_values(std::slice::from_ref(value)));
        }
    }

    pub(super) fn binary(&mut self, operator: Operator, left: &Value, right: &Value, range: TextRange) -> Value {
        let given = self.operate(&[left, right], range);
        let joined = match operator {
            Operator::Add => join_texts(left, right, ""),
            Operator::Div => self.is_path(left).then(|| join_texts(left, right, "/")).flatten(),
            _ => None,
        };
        if let Some(text) = joined {
            return Value { text: Some(text.into()), ty: left.ty, ..Value::immutable() };
        }
        if operator == Operator::Div && self.is_path(left) {
            return Value { ty: left.ty, ..Value::immutable() };
        }
        if self.gives_immutable(operator, left, right) {
            return Value::immutable();
        }
        let mut result = self.operated(&[left, right], &given, false);
        if operator == Operator::MatMult {
            result.axes = self.axes_of_product(left, right);
        }
        result
    }

    /// Whether the operands of an operator can only be immutable: no other of their types has it.
    pub(super) fn gives_immutable(&self, operator: Operator, left: &Value, right: &Value) -> bool {
        [left, right].into_iter().all(|value| {
            value.is_constant()
                || self.candidates(value).is_some_and(|types| types.iter().all(|&ty| self.lacks_operator(ty, operator)))
        })
    }

    fn lacks_operator(&self, ty: Type, operator: Operator) -> bool {
        use Operator::{Add, BitAnd, BitOr, BitXor, Mult, Sub};
        match ty {
            Type::Instance(path) => match self.facts.text(path) {
                "list" | "tuple" | "collections.deque" => !matches!(operator, Add | Mult),
                "dict" | "collections.defaultdict" => operator != BitOr,
                "set" | "frozenset" | "dict_view" => !matches!(operator, Sub | BitOr | BitAnd | BitXor),
                "element_iterator" | "iterator" | "generator" => true,
                _ => false,
            },
            Type::Object(class) if self.is_record(class) => {
                !matches!(operator, Add | Mult) && !self.has_operators(class)
            }
            Type::Object(class) => self.is_closed(class) && !self.has_operators(class),
            Type::Function(_) => true,
            _ => false,
        }
    }

    /// Whether comparing a value of unknown type gives a bool.
    fn compares_plainly(&self, value: &Value) -> bool {
        self.candidates(value).is_some_and(|types| {
            types.iter().all(|&ty| match ty {
                Type::Instance(path) => self.is_container(self.facts.text(path)),
                Type::Object(class) => self.is_closed(class) && !self.has_operators(class),
                ty => matches!(ty, Type::Function(_)),
            })
        })
    }
}

const SHOWING: &[&str] = &["__class__", "__getattr__", "__getattribute__", "__lt__", "__repr__", "__str__"];

/// Methods that operators, conversions and iteration may call.
pub(super) fn is_operator(name: &str) -> bool {
    name.starts_with("__") && !matches!(name, "__init__" | "__new__" | "__call__" | "__enter__" | "__exit__")
}

/// Whether what the method gives is the result of an operator as it is.
pub(super) fn gives_result(name: &str) -> bool {
    let in_place = name.strip_prefix("__i").is_some_and(|rest| OPERATORS.contains(&format!("__{rest}").as_str()));
    in_place || OPERATORS.contains(&name) || matches!(name, "__neg__" | "__pos__" | "__invert__" | "__abs__")
}

/// `in` and `is` give a bool, whatever they compare.
pub(super) fn gives_bool(operator: &CmpOp) -> bool {
    matches!(operator, CmpOp::In | CmpOp::NotIn | CmpOp::Is | CmpOp::IsNot)
}

fn join_texts(left: &Value, right: &Value, between: &str) -> Option<String> {
    let (left, right) = (left.text.as_deref()?, right.text.as_deref()?);
    (left.len() + right.len() <= MAX_TEXT).then(|| format!("{left}{between}{right}"))
}
