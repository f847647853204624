//! The arguments of a call, and how the knowledge base names them.

use ruff_python_ast::{Expr, Number};

use super::knowledge::OneOrMany;
use super::value::Value;

/// The arguments of a call, evaluated.
#[derive(Default)]
pub struct Arguments<'a> {
    pub positional: Vec<(Value, Option<&'a Expr>)>,
    pub keywords: Vec<(String, Value, Option<&'a Expr>)>,
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

/// The values that an argument specification means: `self`, a position, a keyword, or `*`.
pub fn select(which: &str, receiver: Option<&Value>, arguments: &Arguments<'_>) -> Vec<Value> {
    let spread = || arguments.spread.iter().cloned();
    match which {
        "self" => receiver.into_iter().cloned().collect(),
        "*" => receiver.into_iter().chain(arguments.all()).cloned().collect(),
        _ => {
            if let Ok(position) = which.parse::<usize>() {
                return match arguments.positional.get(position) {
                    Some((value, _)) => vec![value.clone()],
                    None => arguments.keywords.iter().map(|(_, value, _)| value.clone()).chain(spread()).collect(),
                };
            }
            let keyword = arguments.keywords.iter().filter(|(name, ..)| name == which);
            let found: Vec<Value> = keyword.map(|(_, value, _)| value.clone()).collect();
            if found.is_empty() { spread().collect() } else { found }
        }
    }
}

/// The first of several alternatives that the call gives. A position also stands for any keyword, so it comes last.
pub fn first(which: &OneOrMany, receiver: Option<&Value>, arguments: &Arguments<'_>) -> Option<Value> {
    let alternatives: Vec<String> = which.iter().collect();
    let filled = |text: &String| match text.parse::<usize>() {
        Ok(position) => arguments.positional.len() > position,
        Err(_) => text == "self" || arguments.keywords.iter().any(|(name, ..)| name == text),
    };
    let chosen = alternatives.iter().find(|text| filled(text))?;
    select(chosen, receiver, arguments).into_iter().next()
}

/// The expression of an argument, if the call gives it.
pub fn given<'a>(which: &str, arguments: &Arguments<'a>) -> Option<Option<&'a Expr>> {
    if let Ok(position) = which.parse::<usize>() {
        return arguments.positional.get(position).map(|(_, expr)| *expr);
    }
    arguments.keywords.iter().find(|(name, ..)| name == which).map(|(_, _, expr)| *expr)
}

pub fn is_given(which: &str, arguments: &Arguments<'_>) -> bool {
    given(which, arguments).is_some()
}

/// Whether the argument is given and cannot be None.
pub fn is_certainly_given(which: &str, arguments: &Arguments<'_>) -> bool {
    match given(which, arguments) {
        Some(Some(expr)) => match expr {
            Expr::NoneLiteral(_) => false,
            Expr::Name(_) => arguments
                .keywords
                .iter()
                .find(|(name, ..)| name == which)
                .is_none_or(|(_, value, _)| value.is_immutable() || !value.objects.is_empty()),
            _ => true,
        },
        _ => false,
    }
}

pub fn is_truthy_or_unknown(which: &str, arguments: &Arguments<'_>) -> bool {
    match given(which, arguments) {
        Some(Some(Expr::BooleanLiteral(literal))) => literal.value,
        Some(_) => true,
        None => !arguments.spread.is_empty(),
    }
}

/// Whether an argument is one of the literals (`'a'`, `True`) or kinds of literal (`<str>`, `<int>`) listed.
pub fn is_safe(expr: &Expr, safe: &[String]) -> bool {
    let kind = match expr {
        Expr::StringLiteral(_) => "<str>",
        Expr::NumberLiteral(literal) if matches!(literal.value, Number::Int(_)) => "<int>",
        Expr::NumberLiteral(_) => "<float>",
        _ => "",
    };
    safe.iter().any(|text| text == kind || literal_text(expr).as_deref() == Some(text))
}

/// Those of a fact's arguments that concern this call: where a position stands beside its keyword, a position that the
/// call does not fill means nothing.
pub fn concerned(list: &OneOrMany, arguments: &Arguments<'_>) -> Vec<String> {
    let name = |item: &str| item.rsplit(':').next().unwrap_or(item).to_owned();
    let items: Vec<String> = list.iter().collect();
    let has_keyword = items.iter().any(|item| {
        let name = name(item);
        name.parse::<usize>().is_err() && !matches!(name.as_str(), "self" | "*" | "fresh")
    });
    let fills = |item: &String| match name(item).parse::<usize>() {
        Ok(position) => arguments.positional.len() > position || !arguments.spread.is_empty(),
        Err(_) => true,
    };
    items.into_iter().filter(|item| !has_keyword || fills(item)).collect()
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
