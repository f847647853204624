//! Pairs of cells that cannot be in different processes, and why.

use std::collections::BTreeSet;

use super::Grouping;
use super::demand::Needs;
use super::program::Transfer;
use crate::python::facts::{CellId, Facts, Kind, Resource, VersionId};
use crate::python::names::Name;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hazard {
    pub earlier: CellId,
    pub later: CellId,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The value of `name` cannot travel; its type, when known.
    Unshippable { name: Name, type_path: Option<Name>, version: VersionId },
    /// The names may share a buffer that the later cell changes.
    SharedBuffer { names: BTreeSet<Name>, version: VersionId },
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
    process_state(facts, grouping, &mut found);
    dynamic_code(facts, grouping, &mut found);
    found
}

fn unshippable(facts: &Facts, transfer: &Transfer, found: &mut BTreeSet<Hazard>) {
    let version = facts.version(transfer.version);
    for &name in &transfer.names {
        let type_path = match kind_of(facts, name, transfer.version) {
            Kind::Unshippable(path) => Some(path),
            Kind::Immutable | Kind::Callable => continue,
            Kind::Instance(path) if !holds_others(facts.text(path)) => continue,
            Kind::Instance(_) | Kind::Unknown => match version.unshippable {
                Some(unshippable) => Some(unshippable.type_path),
                None => continue,
            },
        };
        let reason = Reason::Unshippable { name, type_path, version: transfer.version };
        found.insert(Hazard { earlier: version.cell, later: transfer.cell, reason });
    }
}

/// Whether values of the type may hold arbitrary objects.
fn holds_others(path: &str) -> bool {
    matches!(path, "list" | "dict" | "set" | "tuple" | "frozenset" | "object" | "iterator")
        || path.starts_with("collections.")
}

pub fn kind_of(facts: &Facts, name: Name, id: VersionId) -> Kind {
    let version = facts.version(id);
    match version.bound.get(&name) {
        Some(bound) => bound.kind,
        None => version.parents.get(&name).map_or(Kind::Unknown, |&parent| kind_of(facts, name, parent)),
    }
}

/// A cell that changes one of several loaded names that share a buffer would change only one of the copies.
fn shared_buffers(facts: &Facts, needs: &[Needs], grouping: &Grouping, found: &mut BTreeSet<Hazard>) {
    for (cell, cell_facts) in facts.cells.iter().enumerate() {
        for &id in &cell_facts.versions {
            let version = facts.version(id);
            if version.mutated.is_empty() || !version.view {
                continue;
            }
            // A name that the cell itself binds, if only perhaps (a loop's target), does not see the change.
            let kept = version.parents.keys().filter(|name| !version.bound.contains_key(name));
            let group: BTreeSet<Name> = kept.copied().collect();
            for (&loaded, names) in &needs[cell].values {
                let source = facts.version(loaded);
                let shared: BTreeSet<Name> =
                    names.intersection(&group).copied().filter(|&n| may_be_buffer(facts, n, loaded)).collect();
                if shared.len() > 1 && source.view && grouping[source.cell] != grouping[cell] {
                    let reason = Reason::SharedBuffer { names: shared, version: loaded };
                    found.insert(Hazard { earlier: source.cell, later: cell, reason });
                }
            }
        }
    }
}

fn may_be_buffer(facts: &Facts, name: Name, id: VersionId) -> bool {
    match kind_of(facts, name, id) {
        Kind::Immutable | Kind::Callable => false,
        Kind::Instance(path) => {
            let path = facts.text(path);
            !holds_others(path) && path.contains('.')
        }
        Kind::Unshippable(_) | Kind::Unknown => true,
    }
}

fn process_state(facts: &Facts, grouping: &Grouping, found: &mut BTreeSet<Hazard>) {
    for (cell, cell_facts) in facts.cells.iter().enumerate() {
        for used in &cell_facts.resources {
            let Resource::Process(module) = &used.resource else { continue };
            let later = (cell + 1..facts.cells.len()).filter(|&later| {
                grouping[later].is_some()
                    && grouping[later] != grouping[cell]
                    && (module.is_empty() || facts.cells[later].libraries.contains(module))
            });
            for later in later {
                found.insert(Hazard { earlier: cell, later, reason: Reason::ProcessState { module: module.clone() } });
            }
        }
    }
}

/// Code that we cannot see may use and bind any name.
fn dynamic_code(facts: &Facts, grouping: &Grouping, found: &mut BTreeSet<Hazard>) {
    for (cell, cell_facts) in facts.cells.iter().enumerate() {
        let Some((what, _)) = cell_facts.dynamic.first() else { continue };
        for other in (0..facts.cells.len()).filter(|&o| grouping[o].is_some() && grouping[o] != grouping[cell]) {
            let (earlier, later) = (cell.min(other), cell.max(other));
            found.insert(Hazard { earlier, later, reason: Reason::Dynamic { what: what.clone() } });
        }
    }
}
