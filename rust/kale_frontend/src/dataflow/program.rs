//! What each group's process does, in the notebook's order: definitions, loads, cells and saves.

use std::collections::{BTreeMap, BTreeSet};

use super::Grouping;
use super::demand::{Needs, Together, demands};
use super::order::Ordering;
use super::player::Player;
use crate::python::facts::{CellId, Facts, StatementId, VersionId};
use crate::python::names::{Name, NameSet};

/// One action, in terms of cells and versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Define(StatementId),
    /// Deletes what the process has under a name that is deleted in this version.
    Forget(Name, VersionId),
    Load(VersionId, NameSet),
    LoadFile {
        path: String,
        writer: CellId,
    },
    Run(CellId),
    Save(VersionId, NameSet),
    SaveFile {
        path: String,
        writer: CellId,
    },
}

/// Values that go from one group to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub version: VersionId,
    pub names: NameSet,
    pub from: usize,
    pub to: usize,
    /// The cell that needs it.
    pub cell: CellId,
}

#[derive(Default)]
pub struct Programs {
    pub actions: Vec<Vec<Action>>,
    pub transfers: Vec<Transfer>,
}

/// What each group's process does: the notebook with everything left out that the group does not need, and with values
/// loaded where the cells that make them are left out. So whatever binds a name twice does it in the notebook's order.
/// `groups` is the number of groups. Also gives what every cell needs, with what cells of one group have to be given
/// together: of that, other groups need other things.
pub fn programs(
    facts: &Facts,
    orderings: &BTreeSet<Ordering>,
    grouping: &Grouping,
    groups: usize,
) -> (Programs, Vec<Needs>) {
    let mut together = Together::new();
    loop {
        let needs = demands(facts, &together);
        let (made, torn) = play(facts, &needs, orderings, grouping, groups);
        if !add_all(&mut together, &torn) {
            return (made, needs);
        }
    }
}

/// Adds names to those that are to be given together; false when all are there already.
fn add_all(together: &mut Together, torn: &Together) -> bool {
    let mut is_new = false;
    for (&cell, values) in torn {
        for (&version, names) in values {
            let known = together.entry(cell).or_default().entry(version).or_default();
            is_new |= !names.is_subset(known);
            known.extend(names);
        }
    }
    is_new
}

/// Also gives the values of one alias group that a process would load apart, so that they were no longer identical.
fn play(
    facts: &Facts,
    needs: &[Needs],
    orderings: &BTreeSet<Ordering>,
    grouping: &Grouping,
    groups: usize,
) -> (Programs, Together) {
    let (mut made, mut torn) = (Programs::default(), Together::new());
    let mut saves: BTreeMap<VersionId, NameSet> = BTreeMap::new();
    let mut cells_of: Vec<Vec<CellId>> = vec![vec![]; groups];
    for (cell, group) in grouping.iter().enumerate() {
        if let Some(group) = group {
            cells_of[*group].push(cell);
        }
    }
    let mut carried: BTreeMap<CellId, Vec<&Ordering>> = BTreeMap::new();
    for ordering in orderings.iter().filter(|o| o.carries.is_some()) {
        carried.entry(ordering.to).or_default().push(ordering);
    }
    for (group, cells) in cells_of.into_iter().enumerate() {
        let mut player = Player::new(facts, grouping, group);
        for cell in cells {
            player.play(cell, &needs[cell], carried.get(&cell).map_or(&[], Vec::as_slice));
        }
        let played = player.finish();
        for (version, load) in played.loads {
            saves.entry(version).or_default().extend(&load.names);
            if let Some(from) = grouping[facts.version(version).cell] {
                made.transfers.push(Transfer { version, names: load.names, from, to: group, cell: load.cell });
            }
        }
        add_all(&mut torn, &played.torn);
        made.actions.push(played.actions);
    }
    add_saves(facts, orderings, grouping, saves, &mut made);
    (made, torn)
}

/// Puts each save right behind the cell that makes the version, before anything can change it.
fn add_saves(
    facts: &Facts,
    orderings: &BTreeSet<Ordering>,
    grouping: &Grouping,
    saves: BTreeMap<VersionId, NameSet>,
    made: &mut Programs,
) {
    let mut after: BTreeMap<CellId, Vec<Action>> = BTreeMap::new();
    for (version, names) in saves {
        after.entry(facts.version(version).cell).or_default().push(Action::Save(version, names));
    }
    let mut files = BTreeSet::new();
    for ordering in orderings.iter().filter(|o| grouping[o.from] != grouping[o.to]) {
        if let Some(path) = &ordering.carries
            && files.insert((ordering.from, path.clone()))
        {
            let save = Action::SaveFile { path: path.clone(), writer: ordering.from };
            after.entry(ordering.from).or_default().push(save);
        }
    }
    for actions in &mut made.actions {
        let old = std::mem::take(actions);
        for action in old {
            let follow = match action {
                Action::Run(cell) => after.remove(&cell),
                _ => None,
            };
            actions.push(action);
            actions.extend(follow.unwrap_or_default());
        }
    }
}
