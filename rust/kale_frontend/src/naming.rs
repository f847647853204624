//! Names of steps: the tag's, the heading's, or a number.

use std::collections::BTreeSet;

use kale_model::StepName;

use crate::blocks::Role;
use crate::compile::Analysis;
use crate::grouping::Group;
use crate::python::facts::CellId;

/// Names groups of (cells, tag, role) in order; repeats get `_2`, `_3`, ...
pub fn name_groups(analysis: &Analysis, groups: Vec<(Vec<CellId>, Option<StepName>, Role)>) -> Vec<Group> {
    let mut taken: BTreeSet<StepName> = groups.iter().filter_map(|(_, tag, _)| tag.clone()).collect();
    let mut numbered = 0;
    let mut notebook_order: Vec<usize> = (0..groups.len()).collect();
    notebook_order.sort_by_key(|&group| groups[group].0.first().copied());
    let mut names: Vec<Option<StepName>> = vec![None; groups.len()];
    for group in notebook_order {
        let (cells, tag, role) = &groups[group];
        let name = match tag {
            Some(name) => name.clone(),
            None => {
                let wanted = wanted(analysis, cells, role).unwrap_or_else(|| {
                    numbered += 1;
                    format!("step_{numbered}")
                });
                free(&wanted, &taken)
            }
        };
        taken.insert(name.clone());
        names[group] = Some(name);
    }
    groups
        .into_iter()
        .zip(names)
        .filter_map(|((cells, tag, _), name)| Some(Group { name: name?, cells, tagged: tag.is_some() }))
        .collect()
}

fn wanted(analysis: &Analysis, cells: &[CellId], role: &Role) -> Option<String> {
    match role {
        Role::Imports => Some("imports".to_owned()),
        Role::Functions => Some("functions".to_owned()),
        Role::Parameters => Some("parameters".to_owned()),
        Role::Metrics => Some("metrics".to_owned()),
        Role::Step(_) | Role::Untagged | Role::Skip => {
            let first = analysis.cells[*cells.first()?].block.index;
            let heading = analysis.blocks.headings.iter().rfind(|heading| heading.cell < first)?;
            StepName::slug(&heading.text).map(String::from)
        }
    }
}

fn free(wanted: &str, taken: &BTreeSet<StepName>) -> StepName {
    let candidates = std::iter::once(wanted.to_owned()).chain((2..).map(|n| format!("{wanted}_{n}")));
    candidates
        .filter_map(|name| name.parse::<StepName>().ok())
        .find(|name| !taken.contains(name))
        .expect("some number is free")
}
