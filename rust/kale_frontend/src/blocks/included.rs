//! The cells of another notebook as blocks of this one.
//!
//! Its steps are steps of this pipeline. Where a name is taken, the name of the reference goes before it. Its cells
//! without a block of their own form the step that `notebook:NAME` names; those of `%run` are of the block that the cell
//! itself is of. What the referring cell is tagged with (`prev:`, `cpu:` and the like) goes for each of its steps.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::StepName;

use super::{Declared, Marked, Role};
use crate::tag::conflict;

/// A referring cell's own tags, the name of its `notebook:` tag, and the other notebook's cells.
pub(super) struct Included<'a> {
    pub owner: Marked<'a>,
    pub name: Option<String>,
    pub cells: Vec<Marked<'a>>,
}

impl Included<'_> {
    /// Settles the names and tags of the included steps; `taken` are all names used so far. Gives the names of the
    /// reference and of the steps that it became.
    pub fn settle(&mut self, taken: &mut BTreeSet<StepName>) -> Option<(StepName, Vec<StepName>)> {
        let wanted = self.name.as_deref().map(|name| name.parse().ok().or_else(|| StepName::slug(name)));
        let name = wanted.map(|name| name.unwrap_or_else(|| slug("notebook")));
        self.rename(name.as_ref(), taken);
        let own = match &name {
            Some(name) => Some(Role::Step(free(name.as_str(), taken))),
            None => self.owner.declared.role.clone(),
        };
        self.give_role(own, taken);
        let steps = self.share_tags();
        if name.is_none() {
            // `%run` shows what cells print, and not what their last expressions are.
            self.cells
                .iter_mut()
                .filter(|cell| cell.code.cell_magic.is_none())
                .for_each(|cell| cell.code.show_nothing());
        }
        name.map(|name| (name, steps))
    }

    /// Gives other names to steps whose names are taken.
    fn rename(&mut self, name: Option<&StepName>, taken: &mut BTreeSet<StepName>) {
        let mut renamed: BTreeMap<StepName, StepName> = BTreeMap::new();
        for cell in &self.cells {
            let Some(Role::Step(step)) = &cell.declared.role else { continue };
            let prefix = name.map_or("notebook", StepName::as_str);
            let free_name =
                || if taken.contains(step) { free(&format!("{prefix}_{step}"), taken) } else { step.clone() };
            renamed.entry(step.clone()).or_insert_with(free_name);
        }
        taken.extend(renamed.values().cloned());
        for Declared { role, prev, .. } in self.cells.iter_mut().map(|cell| &mut cell.declared) {
            let known = prev.iter_mut().map(|(step, _)| step);
            let own = match role {
                Some(Role::Step(step)) => Some(step),
                _ => None,
            };
            for step in known.chain(own) {
                if let Some(new) = renamed.get(step) {
                    *step = new.clone();
                }
            }
        }
    }

    /// The role of cells before the first one that has a role of its own; further ones follow that.
    fn give_role(&mut self, role: Option<Role>, taken: &mut BTreeSet<StepName>) {
        let first = self.cells.iter_mut().find(|cell| !cell.code.is_empty() || cell.declared.role.is_some());
        let Some(first) = first.filter(|cell| cell.declared.role.is_none()) else { return };
        if let Some(Role::Step(step)) = &role {
            taken.insert(step.clone());
        }
        first.declared.role = role;
    }

    /// Hands the referring cell's tags to the first cell of each step, where they contradict none; gives the steps.
    fn share_tags(&mut self) -> Vec<StepName> {
        let Declared { prev, config, .. } = &self.owner.declared;
        let mut steps = vec![];
        for cell in &mut self.cells {
            let Some(Role::Step(step)) = &cell.declared.role else { continue };
            if steps.contains(step) {
                continue;
            }
            steps.push(step.clone());
            cell.declared.prev.extend(prev.iter().cloned());
            for tag in config {
                if !cell.declared.config.iter().any(|(own, _)| conflict(own, &tag.0)) {
                    cell.declared.config.push(tag.clone());
                }
            }
        }
        steps
    }
}

fn slug(text: &str) -> StepName {
    StepName::slug(text).expect("it holds letters")
}

fn free(wanted: &str, taken: &BTreeSet<StepName>) -> StepName {
    let candidates = std::iter::once(wanted.to_owned()).chain((2..).map(|n| format!("{wanted}_{n}")));
    let mut names = candidates.map(|name| name.parse().ok().unwrap_or_else(|| slug(&format!("step_{name}"))));
    names.find(|name| !taken.contains(name)).expect("a notebook has finitely many steps")
}

/// A `prev:` of a reference means all steps that it became.
pub(super) fn expand_prev(marked: &mut [Marked<'_>], references: &BTreeMap<StepName, Vec<StepName>>) {
    for prev in marked.iter_mut().map(|cell| &mut cell.declared.prev) {
        let expanded = std::mem::take(prev).into_iter().flat_map(|(name, place)| {
            let steps = references.get(&name).cloned().unwrap_or_else(|| vec![name]);
            steps.into_iter().map(move |step| (step, place))
        });
        *prev = expanded.collect();
    }
}
