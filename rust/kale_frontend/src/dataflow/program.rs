//! What each group's process does, in order: definitions, loads, cells and saves.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::Grouping;
use super::demand::{Item, Needs, Request};
use super::order::Ordering;
use crate::fault::{Fault, planted};
use crate::python::facts::{CellId, Facts, StatementId, VersionId};
use crate::python::names::Name;

/// One action, in terms of cells and versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Define(StatementId),
    Load(VersionId, BTreeSet<Name>),
    LoadFile { path: String, writer: CellId },
    Run(CellId),
    Save(VersionId, BTreeSet<Name>),
    SaveFile { path: String, writer: CellId },
}

/// Values and files that go from one group to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub version: VersionId,
    pub names: BTreeSet<Name>,
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

/// Where a name's object in a process came from: names with one origin are as identical as in the notebook.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    version: VersionId,
    origin: usize,
}

/// Plays the cells of each group in notebook order. `groups` is the number of groups.
pub fn programs(
    facts: &Facts,
    needs: &[Needs],
    orderings: &BTreeSet<Ordering>,
    grouping: &Grouping,
    groups: usize,
) -> Programs {
    let mut made = Programs { actions: vec![vec![]; groups], transfers: vec![] };
    let mut saves: BTreeMap<VersionId, BTreeSet<Name>> = BTreeMap::new();
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
        let mut player =
            Player { facts, grouping, group, held: FxHashMap::default(), defined: BTreeSet::new(), origin: 0 };
        for cell in cells {
            player.prepare(cell, &needs[cell], &mut made, &mut saves);
            for ordering in carried.get(&cell).into_iter().flatten() {
                if let Some(path) = &ordering.carries
                    && grouping[ordering.from] != Some(group)
                {
                    let load = Action::LoadFile { path: path.clone(), writer: ordering.from };
                    made.actions[group].push(load);
                }
            }
            made.actions[group].push(Action::Run(cell));
            player.run(cell, &needs[cell]);
        }
    }
    add_saves(facts, orderings, grouping, saves, &mut made);
    made
}

/// Puts each save right behind the cell that makes the version, before anything can change it.
fn add_saves(
    facts: &Facts,
    orderings: &BTreeSet<Ordering>,
    grouping: &Grouping,
    saves: BTreeMap<VersionId, BTreeSet<Name>>,
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

/// What a cell lacks in its process.
#[derive(Default)]
struct Chosen {
    values: BTreeMap<VersionId, BTreeSet<Name>>,
    definitions: BTreeSet<StatementId>,
    /// Definitions that would overwrite what the process has bound since, with the last cell of theirs.
    early: Vec<(CellId, BTreeSet<StatementId>)>,
}

struct Player<'f> {
    facts: &'f Facts,
    grouping: &'f Grouping,
    group: usize,
    held: FxHashMap<Name, Held>,
    /// Settings that the process has made.
    defined: BTreeSet<StatementId>,
    origin: usize,
}

impl Player<'_> {
    /// Brings what `cell` needs into the process, in notebook order: a class comes before the values that need it.
    fn prepare(
        &mut self,
        cell: CellId,
        needs: &Needs,
        made: &mut Programs,
        saves: &mut BTreeMap<VersionId, BTreeSet<Name>>,
    ) {
        let mut todo: Vec<((CellId, usize), Action)> = vec![];
        let mut chosen = Chosen::default();
        self.missing(&needs.wanted, needs, &mut chosen);
        for (latest, definitions) in std::mem::take(&mut chosen.early) {
            self.define_early(latest, &definitions, needs, &mut made.actions[self.group]);
        }
        for statement in chosen.definitions {
            todo.push(((self.facts.statement(statement).cell, statement.0), Action::Define(statement)));
        }
        for (version, names) in chosen.values {
            let at = (self.facts.version(version).cell, usize::MAX);
            if planted(Fault::AliasGroupSplit) {
                todo.extend(names.iter().map(|&name| (at, Action::Load(version, BTreeSet::from([name])))));
                continue;
            }
            todo.push((at, Action::Load(version, names)));
        }
        todo.sort_by_key(|(at, _)| *at);
        for action in self.needed_first(todo.into_iter().map(|(_, action)| action).collect()) {
            self.origin += 1;
            match &action {
                Action::Define(statement) => {
                    self.defined.insert(*statement);
                    for (&name, &version) in &needs.definitions[statement] {
                        self.held.insert(name, Held { version, origin: self.origin });
                    }
                }
                Action::Load(version, names) => {
                    let from = self.facts.version(*version).cell;
                    for &name in names {
                        self.held.insert(name, Held { version: *version, origin: self.origin });
                    }
                    saves.entry(*version).or_default().extend(names);
                    if let Some(from) = self.grouping[from] {
                        let (names, to) = (names.clone(), self.group);
                        made.transfers.push(Transfer { version: *version, names, from, to, cell });
                    }
                }
                _ => {}
            }
            made.actions[self.group].push(action);
        }
    }

    /// Adds to `chosen` what of a request the process lacks: definitions to execute, and values to load.
    ///
    /// To execute a definition, what it reads must be bound as it was then. Where the process has bound such a name to
    /// something else meanwhile, which it may need again, the definition is executed before that.
    fn missing(&self, request: &Request, needs: &Needs, chosen: &mut Chosen) {
        for (&version, names) in &request.values {
            if !self.holds(version, names) {
                self.load(version, names, needs, chosen);
            }
        }
        for &statement in &request.definitions {
            let own = &needs.definitions[&statement];
            if chosen.definitions.contains(&statement) || !self.must_define(statement, own) {
                continue;
            }
            let mut with_support = Chosen::default();
            self.with_support(statement, needs, &mut with_support);
            let latest = with_support.definitions.iter().map(|&s| self.facts.statement(s).cell).max();
            let is_newer = |name: &Name| self.made_in(name) > latest;
            let others = with_support.definitions.iter().filter(|&&other| other != statement);
            let overwrites = others.flat_map(|other| needs.definitions[other].keys()).any(is_newer);
            match latest.filter(|_| overwrites && !own.is_empty()) {
                Some(latest) => chosen.early.push((latest, with_support.definitions)),
                None => chosen.definitions.extend(with_support.definitions),
            }
            chosen.early.append(&mut with_support.early);
            for (version, names) in with_support.values {
                chosen.values.entry(version).or_default().extend(names);
            }
        }
    }

    /// Adds a definition and what it reads of what the process lacks.
    fn with_support(&self, statement: StatementId, needs: &Needs, chosen: &mut Chosen) {
        if !chosen.definitions.insert(statement) {
            return;
        }
        let Some(support) = needs.support.get(&Item::Definition(statement)) else { return };
        for (&version, names) in support.values.iter().filter(|(version, names)| !self.holds(**version, names)) {
            self.load(version, names, needs, chosen);
        }
        for &read in support.definitions.iter().filter(|read| self.must_define(**read, &needs.definitions[*read])) {
            self.with_support(read, needs, chosen);
        }
    }

    /// Executes definitions, of which `latest` is the last cell, where the process was when the notebook came to them.
    /// What it has bound since is bound after them, as in the notebook.
    fn define_early(
        &mut self,
        latest: CellId,
        definitions: &BTreeSet<StatementId>,
        needs: &Needs,
        actions: &mut Vec<Action>,
    ) {
        let is_before = |action: &Action| matches!(action, Action::Run(cell) if *cell < latest);
        let place = actions.iter().rposition(is_before).map_or(0, |at| at + 1);
        actions.splice(place..place, definitions.iter().map(|&statement| Action::Define(statement)));
        self.origin += 1;
        for (&name, &version) in definitions.iter().flat_map(|statement| &needs.definitions[statement]) {
            if self.made_in(&name) <= Some(latest) {
                self.held.insert(name, Held { version, origin: self.origin });
            }
        }
    }

    /// The cell that made what the process has under the name.
    fn made_in(&self, name: &Name) -> Option<CellId> {
        let held = self.held.get(name)?;
        Some(self.facts.version(self.maker(*name, held.version)).cell)
    }

    fn load(&self, version: VersionId, names: &BTreeSet<Name>, needs: &Needs, chosen: &mut Chosen) {
        let known = chosen.values.entry(version).or_default();
        let before = known.len();
        known.extend(names);
        if before == 0
            && let Some(support) = needs.support.get(&Item::Value(version))
        {
            self.missing(support, needs, chosen);
        }
    }

    /// Puts the load of a definition before the loads of values that refer to it.
    fn needed_first(&self, actions: Vec<Action>) -> Vec<Action> {
        let mut order = vec![];
        let mut seen = BTreeSet::new();
        for index in 0..actions.len() {
            self.visit(index, &actions, &mut seen, &mut order);
        }
        order.into_iter().map(|index| actions[index].clone()).collect()
    }

    fn visit(&self, index: usize, actions: &[Action], seen: &mut BTreeSet<usize>, order: &mut Vec<usize>) {
        if !seen.insert(index) {
            return;
        }
        if let Action::Load(version, _) = &actions[index] {
            for name in self.facts.version(*version).needs.keys() {
                let loads = |action: &Action| matches!(action, Action::Load(_, names) if names.contains(name));
                if let Some(needed) = actions.iter().position(loads) {
                    self.visit(needed, actions, seen, order);
                }
            }
        }
        order.push(index);
    }

    fn must_define(&self, statement: StatementId, names: &BTreeMap<Name, VersionId>) -> bool {
        let own = self.grouping[self.facts.statement(statement).cell] == Some(self.group);
        if names.is_empty() {
            return !own && !self.defined.contains(&statement);
        }
        names
            .iter()
            .any(|(name, version)| self.held.get(name).is_none_or(|held| !self.is_same(*name, held.version, *version)))
    }

    /// Whether the process has all of `names` as `version` has them, as identical to each other as there.
    fn holds(&self, version: VersionId, names: &BTreeSet<Name>) -> bool {
        if self.grouping[self.facts.version(version).cell] == Some(self.group)
            && names.iter().all(|name| self.held.get(name).is_some_and(|h| self.is_same(*name, h.version, version)))
        {
            return true;
        }
        let mut origins = BTreeSet::new();
        names.iter().all(|name| {
            self.held.get(name).is_some_and(|held| {
                origins.insert(held.origin);
                self.is_same(*name, held.version, version)
            })
        }) && origins.len() <= 1
    }

    /// The version in which `name` last got its object or its state.
    fn maker(&self, name: Name, id: VersionId) -> VersionId {
        self.facts.maker(name, id).unwrap_or(id)
    }

    /// Whether the name's object and its state are the same in two versions.
    fn is_same(&self, name: Name, one: VersionId, other: VersionId) -> bool {
        one == other || self.maker(name, one) == self.maker(name, other)
    }

    /// What the process holds after a cell of the group.
    fn run(&mut self, cell: CellId, needs: &Needs) {
        self.origin += 1;
        let defined = needs.definitions.values().flat_map(BTreeMap::keys);
        let given: BTreeSet<Name> = needs.values.values().flatten().chain(defined).copied().collect();
        for &id in &self.facts.cells[cell].versions {
            let version = self.facts.version(id);
            let is_kept = |name: &Name| {
                let Some(&parent) = version.parents.get(name) else { return false };
                given.contains(name) || self.held.get(name).is_some_and(|h| self.is_same(*name, h.version, parent))
            };
            // Of a large group, a process has few.
            let few = self.held.len() + given.len() < version.parents.len();
            let candidates: Vec<Name> = match few {
                true => self.held.keys().chain(&given).copied().collect(),
                false => version.parents.keys().copied().collect(),
            };
            let kept = candidates.into_iter().filter(is_kept);
            // What the cell has deleted is held as such.
            let deleted = version.optional.iter().filter(|name| !version.parents.contains_key(name));
            let now: Vec<Name> = version.bound.keys().chain(deleted).copied().chain(kept).collect();
            for name in now {
                self.held.insert(name, Held { version: id, origin: self.origin });
            }
        }
    }
}
