//! The steps that tags name: what they add up to over a step's cells, and the order that `prev:` declares.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{CellIndex, Code, Diagnostic, Edit, Fix, Span, StepName};

use super::roles::{add_config, correction};
use super::{Mark, Role, StepTags, config};
use crate::metadata::PipelineMetadata;
use crate::spelling::distance;
use crate::tag::StepTag;

/// A step's tags, gathered over its cells.
struct Gathered {
    name: StepName,
    first_cell: CellIndex,
    prev: Vec<(StepName, Span)>,
    config: Vec<(StepTag, Span)>,
}

/// What one cell contributes to its step.
pub(super) struct Contribution<'a> {
    pub cell: CellIndex,
    pub role: &'a Role,
    pub prev: &'a [(StepName, Span)],
    pub config: &'a [(StepTag, Span)],
}

/// The steps in notebook order, with only such `prev:` edges as can be honoured.
pub(super) fn steps(
    cells: &[Contribution],
    metadata: &PipelineMetadata,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<StepTags> {
    let gathered = gather(cells, diagnostics);
    let order: BTreeMap<StepName, usize> = gathered.iter().map(|s| s.name.clone()).zip(0..).collect();
    let mut graph: Vec<BTreeSet<usize>> = vec![];
    for step in &gathered {
        graph.push(step.prev.iter().filter_map(|(name, _)| order.get(name).copied()).collect());
    }
    let mut steps = vec![];
    for (index, step) in gathered.into_iter().enumerate() {
        let mut prev = step.prev;
        prev.retain(|(name, span)| {
            let fault = match order.get(name) {
                None => Some(unknown(&step.name, name, *span, &order, index)),
                Some(earlier) if *earlier < index => None,
                Some(later) => Some(out_of_order(&step.name, name, circle(&graph, &order, index, *later))),
            };
            let good = fault.is_none();
            diagnostics.extend(fault.map(|fault| fault.at(*span)));
            good
        });
        let own = step.config.iter().map(|(tag, _)| tag);
        steps.push(StepTags { config: config(metadata, own), name: step.name, prev, first_cell: step.first_cell });
    }
    steps
}

fn gather(cells: &[Contribution], diagnostics: &mut Vec<Diagnostic>) -> Vec<Gathered> {
    let mut steps: Vec<Gathered> = vec![];
    let mut positions: BTreeMap<&StepName, usize> = BTreeMap::new();
    for cell in cells {
        let Role::Step(name) = cell.role else { continue };
        let position = *positions.entry(name).or_insert_with(|| {
            steps.push(Gathered { name: name.clone(), first_cell: cell.cell, prev: vec![], config: vec![] });
            steps.len() - 1
        });
        let step = &mut steps[position];
        for (name, span) in cell.prev {
            if !step.prev.iter().any(|(other, _)| other == name) {
                step.prev.push((name.clone(), *span));
            }
        }
        for tag in cell.config {
            add_config(&mut step.config, tag.clone(), &format!("step `{name}`"), diagnostics);
        }
    }
    steps
}

/// `index` is the place of `step`: only steps before it can be meant.
fn unknown(
    step: &StepName,
    prev: &StepName,
    place: Span,
    order: &BTreeMap<StepName, usize>,
    index: usize,
) -> Diagnostic {
    let earlier = || order.iter().filter(|(_, at)| **at < index).map(|(name, _)| name);
    let nearest = earlier().min_by_key(|name| distance(name.as_str(), prev.as_str()));
    let nearest = nearest.filter(|name| distance(name.as_str(), prev.as_str()) <= 2);
    let help = match nearest {
        Some(name) => format!("did you mean `prev:{name}`?"),
        None if index == 0 => "remove it; no step comes before this one".to_owned(),
        None => {
            let names: Vec<String> = earlier().map(|name| format!("`{name}`")).collect();
            format!("name an earlier step that is not skipped: {}", names.join(", "))
        }
    };
    let message = format!("step `{step}` has `prev:{prev}`, and there is no step `{prev}`");
    let mut diagnostic = Diagnostic::new(Code::UnknownPrev, message, help);
    diagnostic.fixes.extend(nearest.map(|name| correct_prev(place, prev, name)));
    diagnostic
}

fn correct_prev(place: Span, old: &StepName, new: &StepName) -> Fix {
    match Mark::new(format!("prev:{old}"), place) {
        Mark::Line(span) => Fix::new(format!("Write `{new}`"), vec![Edit::text(span, new.as_str())]),
        Mark::Tag(old) => correction(place, &old, &format!("prev:{new}")),
    }
}

fn out_of_order(step: &StepName, prev: &StepName, circle: Option<Vec<StepName>>) -> Diagnostic {
    let (message, help) = match circle {
        _ if step == prev => (format!("step `{step}` has itself as `prev:`"), "remove it"),
        Some(circle) => {
            let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
            (format!("`prev:` tags form a circle: {}", names.join(" after ")), "remove one of them")
        }
        None => (
            format!("step `{step}` has `prev:{prev}`, but `{prev}` comes later in the notebook"),
            "move the cells into the order in which they run, or remove the `prev:`",
        ),
    };
    Diagnostic::new(Code::PrevOrder, message, help)
}

/// The circle that the edge from `step` to `prev` closes, if it closes one: `step`, `prev`, ..., `step`.
fn circle(
    graph: &[BTreeSet<usize>],
    order: &BTreeMap<StepName, usize>,
    step: usize,
    prev: usize,
) -> Option<Vec<StepName>> {
    let mut came_from = BTreeMap::from([(prev, step)]);
    let mut queue = vec![prev];
    while let Some(at) = queue.pop() {
        for &next in graph[at].iter().filter(|next| **next != at) {
            if came_from.contains_key(&next) {
                continue;
            }
            came_from.insert(next, at);
            queue.push(next);
        }
    }
    came_from.contains_key(&step).then(|| {
        let mut path = vec![step];
        let mut at = came_from[&step];
        while at != step {
            path.push(at);
            at = came_from[&at];
        }
        path.push(step);
        path.reverse();
        let name = |index: usize| order.iter().find(|(_, at)| **at == index).map(|(name, _)| name.clone());
        path.into_iter().filter_map(name).collect()
    })
}
