//! Pairs of cells that cannot be in different processes, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::Grouping;
use super::demand::{Needs, may_see_settings};
use super::program::Transfer;
use crate::python::facts::{CellId, Facts, Kind, Resource, VersionId};
use crate::python::names::{Name, NameSet};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hazard {
    pub earlier: CellId,
    pub later: CellId,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The value of `name` cannot travel: it is of this type, or only shares its state with such a value.
    Unshippable { name: Name, type_path: Name, is_own: bool, version: VersionId },
    /// The names may share a buffer that the later cell changes.
    SharedBuffer { names: NameSet, version: VersionId },
    /// A loaded array that may have gaps has none in this process, and by that something is a view of it or a copy, one
    /// of which the later cell changes.
    Layout { names: NameSet, version: VersionId },
    /// The earlier cell changes process-wide state in a way that cannot be repeated.
    ProcessState { module: String },
    /// The cell executes code that cannot be seen.
    Dynamic { what: String },
}

/// Every hazard between cells of different groups.
pub fn hazards(facts: &Facts, needs: &[Needs], transfers: &[Transfer], grouping: &Grouping) -> BTreeSet<Hazard> {
    let mut found = BTreeSet::new();
    for transfer in transfers {
        unshippable(facts, transfer, &mut found);
    }
    shared_buffers(facts, needs, grouping, &mut found);
    process_state(facts, needs, grouping, &mut found);
    dynamic_code(facts, grouping, &mut found);
    found
}

fn unshippable(facts: &Facts, transfer: &Transfer, found: &mut BTreeSet<Hazard>) {
    let version = facts.version(transfer.version);
    for &name in &transfer.names {
        let (type_path, is_own) = match kind_of(facts, name, transfer.version) {
            Kind::Unshippable(path) => (path, true),
            Kind::Instance(path) if is_changed_copy(facts, name, transfer) => (path, true),
            Kind::Immutable => continue,
            Kind::Instance(path) if !holds_others(facts.text(path)) => continue,
            // A function that is not made again holds what it has captured, its defaults and its attributes.
            Kind::Instance(_) | Kind::Callable | Kind::Unknown => {
                match version.unshippable.filter(|_| !version.free.contains(&name)) {
                    Some(unshippable) => (unshippable.type_path, false),
                    None => continue,
                }
            }
        };
        let reason = Reason::Unshippable { name, type_path, is_own, version: transfer.version };
        found.insert(Hazard { earlier: version.cell, later: transfer.cell, reason });
    }
}

/// Whether the cell changes a value that may travel only to be looked at.
fn is_changed_copy(facts: &Facts, name: Name, transfer: &Transfer) -> bool {
    let is_changed = |id: &VersionId| facts.version(*id).mutated.contains_key(&name);
    facts.bound(name, transfer.version).is_some_and(|bound| bound.only_unchanged)
        && facts.cells[transfer.cell].versions.iter().any(is_changed)
}

/// Whether values of the type may hold arbitrary objects.
fn holds_others(path: &str) -> bool {
    matches!(path, "list" | "dict" | "set" | "tuple" | "frozenset" | "object" | "iterator" | "element_iterator")
        || path.starts_with("collections.")
}

pub fn kind_of(facts: &Facts, name: Name, id: VersionId) -> Kind {
    facts.bound(name, id).map_or(Kind::Unknown, |bound| bound.kind)
}

/// A cell that changes one of several loaded names that share a buffer would change only one of the copies. One loaded
/// name alone is enough where something was made of it that is a view or a copy by its layout.
fn shared_buffers(facts: &Facts, needs: &[Needs], grouping: &Grouping, found: &mut BTreeSet<Hazard>) {
    let loads = loads_of_views(facts, needs, grouping);
    let by_layout: Vec<CellId> = (0..facts.cells.len()).filter(|&cell| facts.cells[cell].layout).collect();
    for (cell, cell_facts) in facts.cells.iter().enumerate() {
        for &id in &cell_facts.versions {
            let version = facts.version(id);
            if !version.rewritten || !version.view {
                continue;
            }
            // A name that the cell itself binds, if only perhaps (a loop's target), does not see the change.
            let kept = version.parents.keys().filter(|name| !version.bound.contains_key(name));
            let group: NameSet = kept.copied().collect();
            // What the process has loaded for an earlier cell of its own is as separate as what it loads for this one.
            for &(reader, loaded, names) in loads.get(&grouping[cell]).into_iter().flatten() {
                let source = facts.version(loaded);
                if reader > cell || grouping[source.cell] == grouping[cell] {
                    continue;
                }
                // The change may come before the cell binds a name that it reads.
                let reads = |name| cell_facts.uses.iter().any(|used| used.name == name && used.version == loaded);
                // And views may have been made of all that was loaded before.
                let is_old = reader < cell && !names.is_disjoint(&group);
                let shared: NameSet = names
                    .iter()
                    .copied()
                    .filter(|&name| is_old || group.contains(&name) || (reader == cell && reads(name)))
                    .filter(|&name| may_be_buffer(facts, name, loaded))
                    .collect();
                let depends = |&at: &CellId| (reader..=cell).contains(&at) && grouping[at] == grouping[cell];
                let reason = match shared.len() {
                    0 => continue,
                    1 if !by_layout.iter().any(depends) => continue,
                    1 => Reason::Layout { names: shared, version: loaded },
                    _ => Reason::SharedBuffer { names: shared, version: loaded },
                };
                found.insert(Hazard { earlier: source.cell, later: cell, reason });
            }
        }
    }
}

/// By group, what its cells load of versions that may be views.
type Loads<'n> = BTreeMap<Option<usize>, Vec<(CellId, VersionId, &'n NameSet)>>;

fn loads_of_views<'n>(facts: &Facts, needs: &'n [Needs], grouping: &Grouping) -> Loads<'n> {
    let mut loads = Loads::new();
    for (cell, needs) in needs.iter().enumerate() {
        let views = needs.values.iter().filter(|(id, _)| facts.version(**id).view);
        loads.entry(grouping[cell]).or_default().extend(views.map(|(&id, names)| (cell, id, names)));
    }
    loads
}

fn may_be_buffer(facts: &Facts, name: Name, id: VersionId) -> bool {
    let bound = facts.bound(name, id);
    if bound.is_some_and(|bound| bound.own_buffers) {
        return false;
    }
    match bound.map_or(Kind::Unknown, |bound| bound.kind) {
        Kind::Immutable | Kind::Callable => false,
        Kind::Instance(path) => {
            let path = facts.text(path);
            bound.is_some_and(|bound| bound.holds_buffers) || (!holds_others(path) && path.contains('.'))
        }
        Kind::Unshippable(_) | Kind::Unknown => true,
    }
}

/// Every cell that depends on the state must be with the first that makes it, and each further maker with the next cell
/// that depends on it: that holds all of them together, in a number of pairs that grows with the number of cells.
fn process_state(facts: &Facts, needs: &[Needs], grouping: &Grouping, found: &mut BTreeSet<Hazard>) {
    let mut makers: BTreeMap<&str, Vec<CellId>> = BTreeMap::new();
    for (cell, cell_facts) in facts.cells.iter().enumerate() {
        for used in cell_facts.resources.iter().filter(|_| !cell_facts.independent) {
            if let Resource::Process(module) = &used.resource {
                makers.entry(module).or_default().push(cell);
            }
        }
    }
    for (module, cells) in makers {
        let concerned =
            |&later: &CellId| grouping[later].is_some() && may_see_settings(facts, later, &needs[later].values, module);
        let mut add = |earlier: CellId, later: CellId| {
            if grouping[later] != grouping[earlier] {
                found.insert(Hazard { earlier, later, reason: Reason::ProcessState { module: module.to_owned() } });
            }
        };
        (cells[0] + 1..facts.cells.len()).filter(concerned).for_each(|later| add(cells[0], later));
        for &cell in &cells[1..] {
            add(cells[0], cell);
            (cell + 1..facts.cells.len()).find(concerned).into_iter().for_each(|later| add(cell, later));
        }
    }
}

/// Code that we cannot see may use and bind any name, so every cell must be with the first that executes such code.
fn dynamic_code(facts: &Facts, grouping: &Grouping, found: &mut BTreeSet<Hazard>) {
    let mut dynamic = (0..facts.cells.len()).filter_map(|cell| Some((cell, &facts.cells[cell].dynamic.first()?.0)));
    let Some((first, what)) = dynamic.next() else { return };
    for other in (0..facts.cells.len()).filter(|&other| grouping[other].is_some() && grouping[other] != grouping[first])
    {
        let (earlier, later) = (first.min(other), first.max(other));
        found.insert(Hazard { earlier, later, reason: Reason::Dynamic { what: what.clone() } });
    }
}
