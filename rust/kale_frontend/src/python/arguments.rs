//! The arguments of a call, and how the knowledge base names them.

use ruff_python_ast::{Expr, Number};
use smallvec::{SmallVec, smallvec};

use super::knowledge::Words;
use super::value::Value;

/// The arguments of a call, evaluated.
#[derive(Default)]
pub struct Arguments<'a> {
    pub positional: Vec<(Value, Option<&'a Expr>)>,
    pub keywords: Vec<(&'a str, Value, Option<&'a Expr>)>,
    /// Elements of `*args` and values of `**kwargs`: each may be any argument.
    pub spread: Vec<Value>,
}

impl<'a> Arguments<'a> {
    pub fn of_values(values: &[Value]) -> Arguments<'a> {
        Arguments { positional: values.iter().map(|value| (value.clone(), None)).collect(), ..Arguments::default() }
    }

    pub fn all(&self) -> impl Iterator<Item = &Value> {
        let positional = self.positional.iter().map(|(value, _)| value);
        positional.chain(self.keywords.iter().map(|(_, value, _)| value)).chain(&self.spread)
    }
}

pub type Selected<'v> = SmallVec<[&'v Value; 4]>;

/// The values that an argument specification means: `self`, a position, a keyword, or `*`.
pub fn select<'v>(which: &str, receiver: Option<&'v Value>, arguments: &'v Arguments<'_>) -> Selected<'v> {
    match which {
        "self" => receiver.into_iter().collect(),
        "*" => receiver.into_iter().chain(arguments.all()).collect(),
        _ => {
            if let Ok(position) = which.parse::<usize>() {
                return match arguments.positional.get(position) {
                    Some((value, _)) => smallvec![value],
                    None => arguments.keywords.iter().map(|(_, value, _)| value).chain(&arguments.spread).collect(),
                };
            }
            let keyword = arguments.keywords.iter().filter(|(name, ..)| *name == which);
            let found: Selected<'v> = keyword.map(|(_, value, _)| value).collect();
            if found.is_empty() { arguments.spread.iter().collect() } else { found }
        }
    }
}

/// The first of several alternatives that the call gives. A position also stands for any keyword, so it comes last.
pub fn first<'w, 'v>(
    mut which: impl Iterator<Item = &'w str>,
    receiver: Option<&'v Value>,
    arguments: &'v Arguments<'_>,
) -> Option<&'v Value> {
    let filled = |text: &str| match text.parse::<usize>() {
        Ok(position) => arguments.positional.len() > position,
        Err(_) => text == "self" || arguments.keywords.iter().any(|(name, ..)| *name == text),
    };
    let chosen = which.find(|text| filled(text))?;
    select(chosen, receiver, arguments).into_iter().next()
}

/// An argument and its expression, if the call gives it.
pub fn given<'g, 'a>(which: &str, arguments: &'g Arguments<'a>) -> Option<(&'g Value, Option<&'a Expr>)> {
    if let Ok(position) = which.parse::<usize>() {
        return arguments.positional.get(position).map(|(value, expr)| (value, *expr));
    }
    arguments.keywords.iter().find(|(name, ..)| *name == which).map(|(_, value, expr)| (value, *expr))
}

pub fn is_given(which: &str, arguments: &Arguments<'_>) -> bool {
    which == "*" || given(which, arguments).is_some()
}

/// Whether the argument is given and cannot be None.
pub fn is_certainly_given(which: &str, arguments: &Arguments<'_>) -> bool {
    match given(which, arguments) {
        Some((value, Some(_))) if value.may_be_none => false,
        Some((value, Some(Expr::Name(_)))) => value.is_immutable() || !value.objects.is_empty(),
        Some((_, Some(_))) => true,
        _ => false,
    }
}

pub fn is_truthy_or_unknown(which: &str, arguments: &Arguments<'_>) -> bool {
    match given(which, arguments) {
        Some((_, Some(Expr::BooleanLiteral(literal)))) => literal.value,
        Some(_) => true,
        None => !arguments.spread.is_empty(),
    }
}

/// The kinds of literal that an argument is, as the knowledge base names them.
pub fn literal_kinds(expr: &Expr) -> Vec<&'static str> {
    let kind = match expr {
        Expr::StringLiteral(_) => Some("<str>"),
        Expr::NumberLiteral(literal) if matches!(literal.value, Number::Int(_)) => Some("<int>"),
        Expr::NumberLiteral(_) => Some("<float>"),
        _ => None,
    };
    kind.into_iter().chain(is_literal(expr).then_some("<literal>")).collect()
}

/// Whether the expression is a literal, or a list, tuple or dict display of literals.
pub(super) fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::List(list) => list.elts.iter().all(is_literal),
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_literal),
        Expr::Dict(dict) => {
            dict.items.iter().all(|item| item.key.as_ref().is_some_and(is_literal) && is_literal(&item.value))
        }
        Expr::UnaryOp(op) => is_literal(&op.operand),
        _ => expr.is_literal_expr(),
    }
}

/// Those of a fact's arguments that concern this call: where a position stands beside its keyword, a position that the
/// call does not fill means nothing.
pub fn concerned<'w>(list: &'w Words, arguments: &Arguments<'_>) -> Vec<&'w str> {
    if list.is_empty() {
        return vec![];
    }
    let position = |item: &str| item.rsplit(':').next().unwrap_or(item).parse::<usize>().ok();
    let is_keyword =
        |item: &str| position(item).is_none() && !matches!(item.rsplit(':').next(), Some("self" | "*" | "fresh"));
    let has_keyword = list.iter().any(is_keyword);
    let fills = |item: &str| match position(item) {
        Some(position) => arguments.positional.len() > position || !arguments.spread.is_empty(),
        None => true,
    };
    list.iter().filter(|item| !has_keyword || fills(item)).collect()
}

/// A literal as the knowledge base writes it.
pub fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::BooleanLiteral(literal) => Some(if literal.value { "True" } else { "False" }.to_owned()),
        Expr::NoneLiteral(_) => Some("None".to_owned()),
        Expr::StringLiteral(literal) => Some(format!("'{}'", literal.value.to_str())),
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => Some(int.to_string()),
            _ => None,
        },
        _ => None,
    }
}
