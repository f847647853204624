//! Which values every cell must be given: liveness over versions, from the last cell to the first.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, planted};
use crate::python::facts::{CellId, Facts, Kind, Source, StatementId, VersionId};
use crate::python::names::{Name, NameSet};

/// What a cell must find in its process before it runs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Names of one version, to be bound together so that identity among them holds.
    pub values: BTreeMap<VersionId, NameSet>,
    /// Definitions to be executed again: the statement, and for each name the version that it makes.
    pub definitions: BTreeMap<StatementId, BTreeMap<Name, VersionId>>,
    /// Names that the cell uses and must not find, with the version in which they are deleted: a built-in of the name,
    /// or an error that it expects.
    pub absent: BTreeMap<Name, VersionId>,
    /// What of all this the cell itself asks for.
    pub wanted: Request,
    /// What only matters if something else is loaded or executed: what unpickling needs, what a definition reads.
    pub support: BTreeMap<Item, Request>,
}

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub values: BTreeMap<VersionId, NameSet>,
    pub definitions: BTreeSet<StatementId>,
}

/// A value to be loaded, or a definition to be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    Value(VersionId),
    Definition(StatementId),
}

impl Needs {
    fn request(&mut self, by: Option<Item>) -> &mut Request {
        match by {
            Some(item) => self.support.entry(item).or_default(),
            None => &mut self.wanted,
        }
    }
}

/// Values that a cell must be given together, although it does not ask for all of them itself: later cells of its
/// process need the others, as identical to these as in the notebook.
pub type Together = BTreeMap<CellId, BTreeMap<VersionId, NameSet>>;

/// For each cell, its needs.
pub fn demands(facts: &Facts, together: &Together) -> Vec<Needs> {
    let mut settings: BTreeMap<&str, Vec<StatementId>> = BTreeMap::new();
    for (index, statement) in facts.statements.iter().enumerate() {
        if let Some(setting) = statement.replay.setting() {
            setting.modules.iter().for_each(|module| settings.entry(module).or_default().push(StatementId(index)));
        }
    }
    let needs = vec![Needs::default(); facts.cells.len()];
    let mut demands = Demands { facts, settings, together, needs, asked: BTreeMap::new() };
    for cell in (0..facts.cells.len()).rev() {
        demands.settle(cell);
    }
    // What is given together may be made behind the cell that it is given to, by a cell that was settled before.
    while let Some((&cell, _)) = demands.asked.last_key_value() {
        demands.settle(cell);
    }
    demands.needs
}

struct Demands<'f> {
    facts: &'f Facts,
    /// By module, the statements that change its settings, in notebook order.
    settings: BTreeMap<&'f str, Vec<StatementId>>,
    together: &'f Together,
    needs: Vec<Needs>,
    /// Names asked of cells before they are settled, by the version that reaches the cell.
    asked: BTreeMap<CellId, BTreeMap<VersionId, NameSet>>,
}

impl Demands<'_> {
    /// Every later cell has been settled, so all that is asked of this one's versions is known, but for what is given
    /// together: that asks once more.
    fn settle(&mut self, cell: CellId) {
        let mut wanted = self.asked.remove(&cell).unwrap_or_default();
        for used in &self.facts.cells[cell].uses {
            wanted.entry(used.version).or_default().insert(used.name);
        }
        for statement in self.settings(cell, &wanted) {
            self.needs[cell].definitions.entry(statement).or_default();
            self.needs[cell].wanted.definitions.insert(statement);
            self.add_reads(cell, statement);
        }
        for (version, names) in wanted {
            self.supply(cell, version, names, None);
        }
        for (version, names) in self.together.get(&cell).into_iter().flatten() {
            self.ship(cell, *version, names.clone(), None);
        }
    }

    /// Finds the version that must supply `names`, all of which `version` holds, to `cell`.
    ///
    /// A version that only joined names, without changing an object, need not be waited for unless one of the names
    /// wanted was bound by it. `by` is what asks for them, if it is not the cell itself.
    fn supply(&mut self, cell: CellId, id: VersionId, names: NameSet, by: Option<Item>) {
        let facts = self.facts;
        let mut wanted: Vec<(VersionId, Name)> =
            names.into_iter().filter_map(|name| Some((facts.maker(name, id)?, name))).collect();
        while let Some(&(maker, _)) = wanted.iter().max() {
            let version = facts.version(maker);
            let made = |name: &Name| version.mutated.contains_key(name) || version.bound.contains_key(name);
            let mut values = NameSet::default();
            wanted.retain(|&(made_by, name)| {
                if made_by < maker {
                    return true;
                }
                match version.bound.get(&name).filter(|b| b.replay && !version.mutated.contains_key(&name)) {
                    Some(bound) => {
                        let is_new = self.define(cell, bound.statement, Some((name, maker)), by);
                        // Where its own cell has run, nothing is defined again.
                        if is_new {
                            self.ask_for_parent(maker, name);
                        }
                    }
                    None if made(&name) => values.extend([name]),
                    // What is made by being deleted is no value. The cell itself must not find it, or may leave it so; a
                    // definition from before may have asked for a name that the cell is given.
                    None if by.is_none() => drop(self.needs[cell].absent.insert(name, maker)),
                    None => {}
                }
                false
            });
            if !values.is_empty() {
                // Older names of the group go along, so that identity among them holds. Not so a stateless definition: the
                // step makes it again, and the pickle refers to it by its name.
                if by.is_some() || !facts.only_looks(cell, maker) {
                    let stays =
                        |(made_by, name)| !version.parents.contains_key(&name) || is_made_again(facts, made_by, name);
                    wanted.retain(|&item| stays(item) || !values.insert(item.1));
                }
                self.ship(cell, maker, values, by);
            }
        }
    }

    fn ship(&mut self, cell: CellId, id: VersionId, names: NameSet, by: Option<Item>) {
        // Definitions may need each other in a circle.
        let version = self.facts.version(id);
        let has_constant_kind = |name: &Name| version.bound.get(name).is_some_and(|b| b.kind == Kind::Immutable);
        self.needs[cell].request(by).values.entry(id).or_default().extend(&names);
        let known = self.needs[cell].values.entry(id).or_default();
        let names: NameSet = names.into_iter().filter(|&name| known.insert(name)).collect();
        if names.is_empty() {
            return;
        }
        if !names.iter().all(has_constant_kind) {
            for (&name, &needed) in &version.needs {
                self.supply(cell, needed, NameSet::of(name), Some(Item::Value(id)));
            }
        }
        names.iter().for_each(|&name| self.ask_for_parent(id, name));
    }

    /// The cell that makes a version must have those of its names that it does not bind itself, or not for certain.
    fn ask_for_parent(&mut self, id: VersionId, name: Name) {
        let version = self.facts.version(id);
        if let Some(&parent) = version.parents.get(&name) {
            self.asked.entry(version.cell).or_default().entry(parent).or_default().insert(name);
        }
    }

    /// `made`: the name that is asked for, and the version in which the statement binds it. Whether that is new.
    fn define(
        &mut self,
        cell: CellId,
        statement: StatementId,
        made: Option<(Name, VersionId)>,
        by: Option<Item>,
    ) -> bool {
        let needs = &mut self.needs[cell];
        needs.request(by).definitions.insert(statement);
        let mut is_new = !needs.definitions.contains_key(&statement);
        let known = needs.definitions.entry(statement).or_default();
        is_new |= made.is_some_and(|(name, version)| known.insert(name, version).is_none());
        if is_new {
            self.add_reads(cell, statement);
        }
        is_new
    }

    /// What a definition reads when it is executed.
    fn add_reads(&mut self, cell: CellId, statement: StatementId) {
        let facts = self.facts.statement(statement);
        let by = Some(Item::Definition(statement));
        let displays = facts.replay.setting().map(|setting| &setting.displays);
        for &(name, source) in &facts.reads {
            match (displays.and_then(|displays| displays.get(&name)), source) {
                (Some(&display), _) => drop(self.define(cell, display, None, by)),
                (None, Source::Version(version)) => self.supply(cell, version, NameSet::of(name), by),
                // The cell may have deleted the name since.
                (None, Source::Statement(earlier)) => {
                    let version = self.version_made_by(earlier, name);
                    self.define(cell, earlier, version.map(|version| (name, version)), by);
                }
            }
        }
    }

    /// The version in which the cell of `statement` leaves `name`, for bookkeeping of what is bound.
    fn version_made_by(&self, statement: StatementId, name: Name) -> Option<VersionId> {
        let cell = self.facts.statement(statement).cell;
        let versions = &self.facts.cells[cell].versions;
        versions.iter().copied().find(|&id| self.facts.version(id).bound.contains_key(&name))
    }

    /// Settings made by earlier cells that matter to this one.
    fn settings(&self, cell: CellId, wanted: &BTreeMap<VersionId, NameSet>) -> Vec<StatementId> {
        if planted(Fault::SettingNotRepeated) {
            return vec![];
        }
        let made_before = |id: &StatementId| self.facts.statement(*id).cell < cell;
        let concerns = |module: &str| may_see_settings(self.facts, cell, wanted, module);
        let concerning = self.settings.iter().filter(|(module, made)| made_before(&made[0]) && concerns(module));
        let mut found: Vec<StatementId> =
            concerning.flat_map(|(_, made)| made.iter().copied().take_while(made_before)).collect();
        found.sort();
        found.dedup();
        found
    }
}

/// Whether what a cell does may depend on the settings of a library: it uses that, or values that it is given may be
/// shown or handled by it.
pub fn may_see_settings(facts: &Facts, cell: CellId, values: &BTreeMap<VersionId, NameSet>, module: &str) -> bool {
    let mut values = values.iter().flat_map(|(&id, names)| names.iter().map(move |&name| (name, id)));
    facts.may_use(cell, module) || values.any(|(name, id)| may_be_handled_by(facts, name, id, module))
}

fn may_be_handled_by(facts: &Facts, name: Name, id: VersionId, module: &str) -> bool {
    match facts.bound(name, id).map(|bound| bound.kind) {
        Some(Kind::Immutable | Kind::Callable) => false,
        Some(Kind::Instance(path) | Kind::Unshippable(path)) => {
            // A list may hold anything, which is shown with it; figures are not.
            match facts.text(path).split_once('.') {
                Some((library, _)) => library == module,
                None => module != "matplotlib",
            }
        }
        Some(Kind::Unknown) | None => true,
    }
}

/// Whether `name` is a definition without state that is not shipped from the version in which it was made.
fn is_made_again(facts: &Facts, maker: VersionId, name: Name) -> bool {
    let version = facts.version(maker);
    version
        .bound
        .get(&name)
        .is_some_and(|bound| bound.replay && bound.stateless && !version.mutated.contains_key(&name))
}
