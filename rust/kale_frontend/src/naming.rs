//! Names of steps: the tag's, the heading's, or a number.

use std::collections::BTreeMap;

use kale_model::StepName;
use rustc_hash::FxHashSet;

use crate::analysis::Analysis;
use crate::blocks::Role;
use crate::python::facts::CellId;

/// Names for groups of (cells, tag, role), in the same order; repeats get `_2`, `_3`, ...
pub fn step_names(analysis: &Analysis, groups: &[(&[CellId], Option<&StepName>, &Role)]) -> Vec<StepName> {
    let mut taken: FxHashSet<StepName> = groups.iter().filter_map(|(_, tag, _)| tag.cloned()).collect();
    let mut numbered = 0;
    let mut repeats = BTreeMap::new();
    let mut notebook_order: Vec<usize> = (0..groups.len()).collect();
    notebook_order.sort_by_key(|&group| groups[group].0.first().copied());
    let mut names: Vec<(usize, StepName)> = vec![];
    for group in notebook_order {
        let (cells, tag, role) = groups[group];
        let name = tag.cloned().unwrap_or_else(|| {
            let wanted = wanted(analysis, cells, role).unwrap_or_else(|| {
                numbered += 1;
                format!("step_{numbered}")
            });
            free(wanted, &taken, &mut repeats)
        });
        taken.insert(name.clone());
        names.push((group, name));
    }
    names.sort_by_key(|(group, _)| *group);
    names.into_iter().map(|(_, name)| name).collect()
}

fn wanted(analysis: &Analysis, cells: &[CellId], role: &Role) -> Option<String> {
    match role {
        Role::Imports => Some("imports".to_owned()),
        Role::Functions => Some("functions".to_owned()),
        Role::Parameters => Some("parameters".to_owned()),
        Role::Metrics => Some("metrics".to_owned()),
        Role::Step(_) | Role::Untagged | Role::Skip => {
            let first = analysis.blocks.sub_cells.visible(analysis.cells[*cells.first()?].block.index);
            let heading = analysis.blocks.headings.iter().rfind(|heading| heading.cell < first)?;
            StepName::slug(&heading.text).map(String::from)
        }
    }
}

/// `repeats` has the number that each wanted name was given last.
fn free(wanted: String, taken: &FxHashSet<StepName>, repeats: &mut BTreeMap<String, usize>) -> StepName {
    let number = repeats.entry(wanted.clone()).or_default();
    loop {
        *number += 1;
        let name = if *number == 1 { wanted.clone() } else { format!("{wanted}_{number}") };
        if let Some(name) = name.parse::<StepName>().ok().filter(|name| !taken.contains(name)) {
            return name;
        }
    }
}
