//! One group's process, played in the notebook's order: what it holds under each name, and so what it has to load, define
//! or forget before a cell runs.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::Grouping;
use super::demand::{Item, Needs, Request, Together};
use super::order::Ordering;
use super::program::Action;
use crate::fault::{Fault, planted};
use crate::python::facts::{CellId, Facts, StatementId, VersionId};
use crate::python::names::{Name, NameSet};

/// A position in the notebook: the cell, and the statement in it or, for the cell as a whole, what follows all of them.
type Position = (CellId, usize);

/// Behind all statements of a cell, and ahead of the cell as a whole: where what it makes is loaded elsewhere.
const BEHIND_STATEMENTS: usize = usize::MAX - 1;
/// The cell as a whole.
const CELL: usize = usize::MAX;

/// Where a name's object in a process came from: names with one origin are as identical as in the notebook.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Holding {
    version: VersionId,
    origin: usize,
    at: Position,
}

/// Versions to be loaded, each with the names that are wanted of it.
type Values = BTreeMap<VersionId, NameSet>;

/// What a cell lacks in its process.
#[derive(Default)]
struct Chosen {
    values: Values,
    definitions: BTreeSet<StatementId>,
}

/// Values of one version that the process loads.
pub struct Load {
    /// All names that it binds, sooner or later.
    pub names: NameSet,
    /// The first cell that needs it.
    pub cell: CellId,
    /// Index of the last action that binds some of them.
    action: usize,
    origin: usize,
}

/// What a process does, and what it is given for that.
pub struct Played {
    pub actions: Vec<Action>,
    pub loads: BTreeMap<VersionId, Load>,
    /// Values of one alias group that it would load apart.
    pub torn: Together,
}

pub struct Player<'f> {
    facts: &'f Facts,
    grouping: &'f Grouping,
    group: usize,
    /// Each with its position, where it is to be done.
    actions: Vec<(Position, Action)>,
    held: FxHashMap<Name, Holding>,
    defined: BTreeSet<StatementId>,
    /// Where definitions bind names, needed or not.
    bound_again: BTreeMap<Name, BTreeSet<Position>>,
    /// Names that a cell must not find and that nothing had bound when it was played, with the version in which the
    /// notebook has deleted them.
    absent: Vec<(CellId, Name, VersionId)>,
    loads: BTreeMap<VersionId, Load>,
    /// What of them brings a name.
    bringing: FxHashMap<Name, BTreeSet<VersionId>>,
    origin: usize,
    torn: Together,
}

impl<'f> Player<'f> {
    pub fn new(facts: &'f Facts, grouping: &'f Grouping, group: usize) -> Player<'f> {
        Player {
            facts,
            grouping,
            group,
            actions: vec![],
            held: FxHashMap::default(),
            defined: BTreeSet::new(),
            bound_again: BTreeMap::new(),
            absent: vec![],
            loads: BTreeMap::new(),
            bringing: FxHashMap::default(),
            origin: 0,
            torn: Together::new(),
        }
    }

    /// The group's next cell, which reads the files that `carried` brings from others.
    pub fn play(&mut self, cell: CellId, needs: &Needs, carried: &[&Ordering]) {
        self.prepare(cell, needs);
        for ordering in carried {
            if let Some(path) = &ordering.carries
                && self.grouping[ordering.from] != Some(self.group)
            {
                let load = Action::LoadFile { path: path.clone(), writer: ordering.from };
                self.actions.push(((cell, BEHIND_STATEMENTS), load));
            }
        }
        self.actions.push(((cell, CELL), Action::Run(cell)));
        self.run(cell, needs);
    }

    pub fn finish(mut self) -> Played {
        if !planted(Fault::DeletionMissed) {
            self.forget_again();
        }
        self.actions.sort_by_key(|(position, _)| *position);
        let actions = self.actions.into_iter().map(|(_, action)| action).collect();
        Played { actions, loads: self.loads, torn: self.torn }
    }

    /// Brings what `cell` needs into the process.
    fn prepare(&mut self, cell: CellId, needs: &Needs) {
        let mut chosen = Chosen::default();
        self.missing(&needs.wanted, needs, &mut chosen);
        if chosen.values.len() > 1 {
            self.leave_out_parts(&mut chosen.values);
        }
        let mut order = self.needed_first(&chosen.values);
        let positions = self.positions(cell, &order, &chosen.values);
        for &statement in &chosen.definitions {
            self.define(statement, needs, &positions);
        }
        order.sort_by_key(|version| positions[version]);
        for version in order {
            self.note_replaced(version, &chosen.values[&version]);
            self.load(cell, version, &chosen.values[&version], positions[&version]);
        }
        for (&version, names) in &chosen.values {
            self.note_torn(version, names);
        }
        for (&name, &version) in &needs.absent {
            self.forget(cell, name, version);
        }
    }

    /// Deletes a name that the process may have although the notebook has deleted it, since it did what came before the
    /// `del`. (What it executes again may bring the name back; later cells have a say in that.)
    fn forget(&mut self, cell: CellId, name: Name, version: VersionId) {
        let has_other = self.held.get(&name).is_some_and(|held| !self.is_same(name, held.version, version));
        if !has_other {
            self.absent.push((cell, name, version));
        } else if !planted(Fault::DeletionMissed) {
            let at = (cell, BEHIND_STATEMENTS);
            self.held.insert(name, Holding { version, origin: self.origin, at });
            self.actions.push((at, Action::Forget(name, version)));
        }
    }

    /// Deletes what definitions have bound ahead of cells that must not find it.
    fn forget_again(&mut self) {
        let mut done: BTreeMap<Name, Position> = BTreeMap::new();
        for (cell, name, version) in std::mem::take(&mut self.absent) {
            let at = (cell, BEHIND_STATEMENTS);
            let bound = self.bound_again.get(&name).and_then(|positions| positions.range(..at).next_back());
            if bound.is_some_and(|bound| done.insert(name, at).is_none_or(|last| last < *bound)) {
                self.actions.push((at, Action::Forget(name, version)));
            }
        }
    }

    /// Of a group that the process loads for this cell, a later version that an earlier cell needed binds a name once more.
    /// Then that version has to bring all of these names.
    fn note_torn(&mut self, version: VersionId, names: &NameSet) {
        for later in self.sharing(names).into_iter().filter(|later| *later > version) {
            let load = &self.loads[&later];
            let group = &load.names;
            let is_replaced = |&name: &Name| group.contains(&name) && self.is_same(name, version, later);
            let brings = |name: &Name| self.facts.version(later).parents.contains_key(name);
            if !names.is_subset(group) && names.iter().any(is_replaced) && names.iter().all(brings) {
                self.torn.entry(load.cell).or_default().entry(later).or_default().extend(names);
            }
        }
    }

    /// What is loaded that brings one of the names.
    fn sharing(&self, names: &NameSet) -> BTreeSet<VersionId> {
        names.iter().filter_map(|name| self.bringing.get(name)).flatten().copied().collect()
    }

    /// Names that were loaded for an earlier cell, as part of a group, would be bound anew by this version, also when a
    /// cell has run since that left them as they were: then it has to bring the others of them, too.
    fn note_replaced(&mut self, version: VersionId, names: &NameSet) {
        let parents = &self.facts.version(version).parents;
        for older in self.sharing(names).into_iter().filter(|older| *older < version) {
            let load = &self.loads[&older];
            let group = &load.names;
            let is_replaced = |&name: &Name| {
                let held = self.held.get(&name).map(|held| held.version);
                let is_as_loaded = |other| self.is_same(name, other, version) && self.is_same(name, older, version);
                names.contains(&name) && held.is_some_and(is_as_loaded)
            };
            let brings = |&name: &Name| parents.contains_key(&name) && self.is_same(name, older, version);
            if !group.is_subset(names) && group.iter().any(is_replaced) && group.iter().all(brings) {
                let torn = self.torn.entry(load.cell).or_default().entry(version).or_default();
                torn.extend(group);
                torn.extend(names);
            }
        }
    }

    /// What a later version brings as well need not be loaded.
    fn leave_out_parts(&self, values: &mut Values) {
        let mut bringing: FxHashMap<Name, Vec<VersionId>> = FxHashMap::default();
        let mut parts = vec![];
        for (&version, names) in values.iter().rev() {
            let mut later = names.first().and_then(|name| bringing.get(name)).into_iter().flatten();
            let brings = |other: &&VersionId| {
                names.is_subset(&values[*other]) && names.iter().all(|&name| self.is_same(name, version, **other))
            };
            if later.any(|other| brings(&other)) {
                parts.push(version);
            }
            names.iter().for_each(|&name| bringing.entry(name).or_default().push(version));
        }
        parts.iter().for_each(|version| drop(values.remove(version)));
    }

    /// Where values are loaded: behind the cell that makes them, and not before the definitions among them that they
    /// refer to. (What a later cell of the process needs together with what this one needs may be made behind this one.)
    fn positions(&self, cell: CellId, needed_first: &[VersionId], values: &Values) -> BTreeMap<VersionId, Position> {
        let mut positions = BTreeMap::new();
        for &version in needed_first {
            let own = (self.facts.version(version).cell.min(cell), BEHIND_STATEMENTS);
            let needed = self.needed(version, values).filter_map(|other| positions.get(&other).copied());
            positions.insert(version, needed.max().map_or(own, |position| own.max(position)));
        }
        positions
    }

    /// The values, each behind those that it refers to, as far as that is possible: definitions may refer to each other
    /// in a circle.
    fn needed_first(&self, values: &Values) -> Vec<VersionId> {
        let (mut order, mut seen) = (vec![], BTreeSet::new());
        for &version in values.keys() {
            self.visit(version, values, &mut seen, &mut order);
        }
        order
    }

    fn visit(&self, version: VersionId, values: &Values, seen: &mut BTreeSet<VersionId>, order: &mut Vec<VersionId>) {
        if seen.insert(version) {
            self.needed(version, values).for_each(|needed| self.visit(needed, values, seen, order));
            order.push(version);
        }
    }

    /// Those of the values that have a definition which reading a value back refers to by its name.
    fn needed(&self, version: VersionId, values: &Values) -> impl Iterator<Item = VersionId> {
        let brings = |name: Name, needed: VersionId| {
            let mut versions = values.keys().copied();
            versions.find(|version| values[version].contains(&name) && self.is_same(name, *version, needed))
        };
        self.facts.version(version).needs.iter().filter_map(move |(&name, &needed)| brings(name, needed))
    }

    fn define(&mut self, statement: StatementId, needs: &Needs, positions: &BTreeMap<VersionId, Position>) {
        self.origin += 1;
        self.defined.insert(statement);
        let support = needs.support.get(&Item::Definition(statement));
        let read = support.into_iter().flat_map(|support| support.values.keys()).filter_map(|v| positions.get(v)).max();
        let own = self.position(statement);
        let at = read.map_or(own, |&read| own.max((read.0, read.1 + 1)));
        for &name in &self.facts.statement(statement).binds {
            self.bound_again.entry(name).or_default().insert(at);
        }
        for (&name, &version) in &needs.definitions[&statement] {
            self.hold(name, Holding { version, origin: self.origin, at });
        }
        self.actions.push((at, Action::Define(statement)));
    }

    /// What an earlier cell needs of a version, to be identical with what a later cell needs, comes ahead of the cell that
    /// makes it: then it binds only what is as the earlier cell has it, and the rest of the same objects where those are
    /// needed.
    fn load(&mut self, cell: CellId, version: VersionId, names: &NameSet, at: Position) {
        let is_ahead = |position: Position| position.0 < self.facts.version(version).cell;
        let is_made = |&name: &Name| self.facts.version(self.maker(name, version)).cell < cell;
        let bound: NameSet = names.iter().filter(|name| !is_ahead(at) || is_made(name)).copied().collect();
        let last = self.loads.get(&version).map(|load| (load.action, is_ahead(self.actions[load.action].0)));
        let action = match last {
            Some((action, false)) => action,
            _ => {
                self.actions.push((at, Action::Load(version, NameSet::default())));
                self.actions.len() - 1
            }
        };
        if let Action::Load(_, known) = &mut self.actions[action].1 {
            known.extend(&bound);
        }
        self.origin += 1;
        let new = Load { names: NameSet::default(), action, origin: self.origin, cell };
        let load = self.loads.entry(version).or_insert(new);
        load.action = action;
        load.names.extend(names);
        let origin = load.origin;
        for &name in names {
            self.bringing.entry(name).or_default().insert(version);
        }
        for &name in &bound {
            self.hold(name, Holding { version, origin, at });
        }
    }

    /// Notes what the process has under a name, unless something later has bound it since.
    fn hold(&mut self, name: Name, held: Holding) {
        if self.held.get(&name).is_none_or(|known| known.at <= held.at) {
            self.held.insert(name, held);
        }
    }

    fn position(&self, statement: StatementId) -> Position {
        (self.facts.statement(statement).cell, statement.0)
    }

    /// Adds to `chosen` what of a request the process lacks: definitions to execute, and values to load.
    fn missing(&self, request: &Request, needs: &Needs, chosen: &mut Chosen) {
        for (&version, names) in &request.values {
            if self.holds(version, names) {
                continue;
            }
            let known = chosen.values.entry(version).or_default();
            let is_new = known.is_empty();
            known.extend(names);
            if let Some(support) = needs.support.get(&Item::Value(version)).filter(|_| is_new) {
                self.missing(support, needs, chosen);
            }
        }
        for &statement in &request.definitions {
            let is_missing = self.must_define(statement, &needs.definitions[&statement]);
            if is_missing
                && chosen.definitions.insert(statement)
                && let Some(support) = needs.support.get(&Item::Definition(statement))
            {
                self.missing(support, needs, chosen);
            }
        }
    }

    fn must_define(&self, statement: StatementId, names: &BTreeMap<Name, VersionId>) -> bool {
        let is_own = self.grouping[self.facts.statement(statement).cell] == Some(self.group);
        if is_own || self.defined.contains(&statement) {
            return false;
        }
        // Another statement of the same cell may have bound the name meanwhile.
        let makes = |held: &Holding| held.at.1 >= BEHIND_STATEMENTS || held.at == self.position(statement);
        let has = |(name, version): (&Name, &VersionId)| {
            let held = self.held.get(name);
            held.is_some_and(|held| makes(held) && self.is_same(*name, held.version, *version))
        };
        names.is_empty() || !names.iter().all(has)
    }

    /// Whether the process has all of `names` as `version` has them, as identical to each other as there.
    fn holds(&self, version: VersionId, names: &NameSet) -> bool {
        let is_own = self.grouping[self.facts.version(version).cell] == Some(self.group);
        let mut origins = BTreeSet::new();
        names.iter().all(|name| {
            self.held.get(name).is_some_and(|held| {
                origins.insert(held.origin);
                self.is_same(*name, held.version, version)
            })
        }) && (is_own || origins.len() <= 1)
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
        let loaded = needs.values.iter().flat_map(|(&version, names)| names.iter().map(move |&name| (name, version)));
        let defined = needs.definitions.values().flatten().map(|(&name, &version)| (name, version));
        let mut given: BTreeMap<Name, Vec<VersionId>> = BTreeMap::new();
        loaded.chain(defined).for_each(|(name, version)| given.entry(name).or_default().push(version));
        for &id in &self.facts.cells[cell].versions {
            let version = self.facts.version(id);
            let is_kept = |name: &Name| {
                let Some(&parent) = version.parents.get(name) else { return false };
                let held = self.held.get(name).map(|held| &held.version);
                held.into_iter().chain(given.get(name).into_iter().flatten()).any(|&v| self.is_same(*name, v, parent))
            };
            // Of a large group, a process has few.
            let few = self.held.len() + given.len() < version.parents.len();
            let candidates: Vec<Name> = match few {
                true => self.held.keys().chain(given.keys()).copied().collect(),
                false => version.parents.keys().copied().collect(),
            };
            let kept: Vec<Name> = candidates.into_iter().filter(is_kept).collect();
            let now = Holding { version: id, origin: self.origin, at: (cell, CELL) };
            for name in kept {
                // What was loaded apart stays apart.
                let origin = self.held.get(&name).map_or(self.origin, |held| held.origin);
                self.held.insert(name, Holding { origin, ..now });
            }
            // What the cell has deleted is held as such.
            let deleted = version.optional.iter().filter(|name| !version.parents.contains_key(name));
            for &name in version.bound.keys().chain(deleted) {
                self.held.insert(name, now);
            }
        }
    }
}
