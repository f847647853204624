//! Annotations of parameters, as far as they name a type that parameters have.

use kale_model::ParameterType;
use ruff_python_ast::{Expr, Operator};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub base: ParameterType,
    /// `None` is allowed beside the base type.
    pub optional: bool,
}

/// The declared type; `None` when the annotation says nothing that helps, so that the default decides.
pub(super) fn read(annotation: &Expr) -> Option<Declared> {
    let plain = |base| Some(Declared { base, optional: false });
    match annotation {
        Expr::Name(name) => named(name.id.as_str()).and_then(plain),
        Expr::Attribute(attribute) => named(attribute.attr.as_str()).and_then(plain),
        Expr::StringLiteral(literal) => quoted(literal.value.to_str()),
        Expr::BinOp(union) if union.op == Operator::BitOr => either(&[&union.left, &union.right]),
        Expr::Subscript(subscript) => {
            let arguments: Vec<&Expr> = match &*subscript.slice {
                Expr::Tuple(tuple) => tuple.elts.iter().collect(),
                single => vec![single],
            };
            match last_name(&subscript.value)? {
                "Optional" => Some(Declared { optional: true, ..read(arguments.first()?)? }),
                "Union" => either(&arguments),
                "Annotated" | "Final" | "ClassVar" => read(arguments.first()?),
                generic => named(generic).and_then(plain),
            }
        }
        _ => None,
    }
}

fn last_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

fn named(name: &str) -> Option<ParameterType> {
    Some(match name {
        "int" => ParameterType::Int,
        "float" => ParameterType::Float,
        "bool" => ParameterType::Bool,
        "str" => ParameterType::Str,
        "list" | "List" => ParameterType::List,
        "dict" | "Dict" => ParameterType::Dict,
        "Any" | "object" => ParameterType::Json,
        _ => return None,
    })
}

/// `"int"`, `"int | None"`, `"Optional[int]"`: annotations in quotes, read as far as they are this simple.
fn quoted(text: &str) -> Option<Declared> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("Optional[").and_then(|rest| rest.strip_suffix(']')) {
        return Some(Declared { optional: true, ..quoted(inner)? });
    }
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    let mut types = parts.iter().filter(|part| **part != "None");
    let name = types.next()?.split('[').next()?;
    let optional = parts.contains(&"None");
    types.next().is_none().then(|| named(name))?.map(|base| Declared { base, optional })
}

/// A union: of a type and `None` the type, of `int` and `float` a float, of other types any JSON.
fn either(members: &[&Expr]) -> Option<Declared> {
    let is_none = |member: &&&Expr| matches!(member, Expr::NoneLiteral(_));
    let mut optional = members.iter().any(|member| is_none(&member));
    let mut base: Option<ParameterType> = None;
    for member in members.iter().filter(|member| !is_none(member)) {
        let declared = read(member)?;
        optional |= declared.optional;
        base = Some(match base {
            None => declared.base,
            Some(other) => common(other, declared.base),
        });
    }
    base.map(|base| Declared { base, optional })
}

fn common(one: ParameterType, other: ParameterType) -> ParameterType {
    use ParameterType::{Float, Int};
    match (one, other) {
        _ if one == other => one,
        (Int, Float) | (Float, Int) => Float,
        _ => ParameterType::Json,
    }
}
