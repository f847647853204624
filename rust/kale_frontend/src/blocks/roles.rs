//! What the tags of one cell say, read and checked against each other.

use kale_model::{Code, Diagnostic, Edit, Fix, Severity, Span, StepName};

use super::Role;
use crate::tag::{NearMiss, StepTag, Tag, TagError, conflict, near_miss, with_valid_name};

#[derive(Debug, Default)]
pub(super) struct Declared {
    /// `None`: the cell is of the block that its place gives it.
    pub role: Option<Role>,
    /// The place of the tag that gives the role.
    pub role_place: Option<Span>,
    pub prev: Vec<(StepName, Span)>,
    pub config: Vec<(StepTag, Span)>,
    pub stands_for_notebook: bool,
}

/// Reads the texts of tags; foreign ones are left out.
pub(super) fn parse(texts: &[String], place: Span, diagnostics: &mut Vec<Diagnostic>) -> Vec<(Tag, Span)> {
    let mut tags = vec![];
    for text in texts {
        match text.parse() {
            Ok(tag) => tags.push((tag, place)),
            Err(TagError::Foreign) => diagnostics.extend(near_miss(text).map(|near| resembles(text, &near, place))),
            Err(TagError::Malformed { cause, help }) => {
                let message = format!("the tag `{text}` is malformed: {cause}");
                let mut diagnostic = Diagnostic::new(Code::BadTag, message, help).at(place);
                diagnostic.fixes.extend(with_valid_name(text).map(|tag| correction(place, text, &tag)));
                diagnostics.push(diagnostic);
            }
        }
    }
    tags
}

fn resembles(text: &str, near: &NearMiss, place: Span) -> Diagnostic {
    let meant = &near.meant;
    let message = format!("The tag `{text}` is none of kale_rs's, so it has no effect; it resembles `{meant}`.");
    let help = format!("Write `{meant}` if that is meant, else give the tag another name.");
    let diagnostic = Diagnostic::new(Code::UnknownTag, message, help).at(place);
    if near.valid { diagnostic.with_fix(correction(place, text, meant)) } else { diagnostic }
}

/// Another tag in place of one.
pub(super) fn correction(place: Span, old: &str, new: &str) -> Fix {
    Fix::new(format!("Write `{new}`"), vec![Edit::replace_tag(place.cell, old, new)])
}

pub(super) fn declared(tags: &[(Tag, Span)], diagnostics: &mut Vec<Diagnostic>) -> Declared {
    if tags.iter().any(|(tag, _)| *tag == Tag::Skip) {
        return Declared { role: Some(Role::Skip), ..Declared::default() };
    }
    let special = one_role(tags, special, diagnostics);
    let step = one_role(tags, step, diagnostics);
    if let Some((role, place)) = special {
        note_idle(tags, diagnostics);
        return Declared { role: Some(role), role_place: Some(place), ..Declared::default() };
    }
    let (role, role_place) = step.unzip();
    let mut declared = Declared { role, role_place, ..Declared::default() };
    for (tag, span) in tags {
        match tag {
            Tag::Prev(name) => declared.prev.push((name.clone(), *span)),
            Tag::Config(tag) => add_config(&mut declared.config, (tag.clone(), *span), "this cell", diagnostics),
            Tag::Notebook(_) => declared.stands_for_notebook = true,
            _ => {}
        }
    }
    if declared.role.is_none() && !declared.stands_for_notebook {
        for (name, span) in declared.prev.drain(..) {
            let message = format!("`prev:{name}` stands on a cell that names no step");
            let help = "tag the cell with `step:NAME` too, or remove the `prev:`";
            diagnostics.push(Diagnostic::new(Code::BadTag, message, help).at(span));
        }
    }
    declared
}

fn special(tag: &Tag) -> Option<Role> {
    match tag {
        Tag::Imports => Some(Role::Imports),
        Tag::Functions => Some(Role::Functions),
        Tag::Parameters => Some(Role::Parameters),
        Tag::Metrics => Some(Role::Metrics),
        _ => None,
    }
}

fn step(tag: &Tag) -> Option<Role> {
    match tag {
        Tag::Step(name) => Some(Role::Step(name.clone())),
        _ => None,
    }
}

/// The role that the tags give, of those that `role_of` knows; a second, different one is a fault.
fn one_role(
    tags: &[(Tag, Span)],
    role_of: fn(&Tag) -> Option<Role>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Role, Span)> {
    let mut giving = tags.iter().filter_map(|(tag, span)| Some((tag, role_of(tag)?, *span)));
    let (first_tag, first, place) = giving.next()?;
    for (tag, _, span) in giving.filter(|(_, role, _)| *role != first) {
        let message = format!("the cell is tagged both `{first_tag}` and `{tag}`");
        let help = "keep one of the two, or split the cell";
        diagnostics.push(Diagnostic::new(Code::BadTag, message, help).at(span));
    }
    Some((first, place))
}

/// The text of the tag, among a cell's, that gives this role.
pub(super) fn text_of(texts: &[String], role: &Role) -> String {
    let gives = |text: &&String| {
        let tag = text.parse::<Tag>().ok();
        tag.and_then(|tag| special(&tag).or_else(|| step(&tag))).as_ref() == Some(role)
    };
    texts.iter().find(gives).cloned().unwrap_or_default()
}

/// As in Kale, a tag such as `imports` makes the cell's other tags idle; unlike Kale we say so.
fn note_idle(tags: &[(Tag, Span)], diagnostics: &mut Vec<Diagnostic>) {
    let Some((role, _)) = tags.iter().find(|(tag, _)| special(tag).is_some()) else { return };
    for (tag, span) in tags.iter().filter(|(tag, _)| special(tag).is_none()) {
        let message = format!("`{tag}` has no effect on a cell tagged `{role}`");
        let mut diagnostic = Diagnostic::new(Code::BadTag, message, "remove one of the two").at(*span);
        diagnostic.severity = Severity::Warning;
        diagnostics.push(diagnostic);
    }
}

/// Adds a tag to those of `owner`, unless it contradicts one of them.
pub(super) fn add_config(
    config: &mut Vec<(StepTag, Span)>,
    (tag, span): (StepTag, Span),
    owner: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    match config.iter().find(|(other, _)| conflict(other, &tag)) {
        Some((other, place)) => {
            let message = format!("{owner} is tagged both `{other}` and `{tag}`");
            let diagnostic = Diagnostic::new(Code::BadTag, message, "keep one of the two").at(span);
            diagnostics.push(diagnostic.with_related(*place, format!("`{other}` is here")));
        }
        None => config.push((tag, span)),
    }
}
