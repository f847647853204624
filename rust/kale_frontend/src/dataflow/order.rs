//! Order among cells that hidden resources require, as in the notebook: read after write, write after read, write
//! after write. Writes to different files commute.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, planted};
use crate::python::facts::{CellId, Facts, Resource, StatementId, Use};

/// One cell must run after another because of a resource, or because a pragma says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ordering {
    pub from: CellId,
    pub to: CellId,
    pub resource: String,
    /// The file's path when `to` reads what `from` wrote.
    pub carries: Option<String>,
}

/// The resource of an ordering that only what is measured would show: how long other cells take.
pub const CLOCK: &str = "clock";

#[derive(Default)]
struct Usage {
    writer: Option<CellId>,
    readers: BTreeSet<CellId>,
}

pub fn orderings(facts: &Facts) -> BTreeSet<Ordering> {
    let mut files: BTreeMap<String, Usage> = BTreeMap::new();
    let mut any = Usage::default();
    let mut others: BTreeMap<&'static str, Usage> = BTreeMap::new();
    let mut found = BTreeSet::new();
    let mut barrier = Usage::default();
    measured(facts, &mut found);
    for (cell, cell_facts) in facts.cells.iter().enumerate() {
        barrier.conflicts(cell, cell_facts.barrier, "barrier", None, &mut found);
        barrier.note(cell, cell_facts.barrier);
        for used in cell_facts.resources.iter().filter(|_| !cell_facts.independent) {
            match &used.resource {
                Resource::File(path) => {
                    let name = format!("file:{path}");
                    let concerned = || files.iter().filter(|(other, _)| overlap(other, path));
                    let writers = concerned().filter_map(|(_, usage)| usage.writer);
                    let latest = writers.chain(any.writer).max();
                    for (other, usage) in concerned() {
                        // What another writer may have changed since is in the folder, and not in the writer's copy.
                        let is_last = !used.write && usage.writer == latest;
                        let carries = (other == path && is_last && !path.contains('{')).then(|| path.clone());
                        usage.conflicts(cell, used.write, &name, carries.as_deref(), &mut found);
                    }
                    any.conflicts(cell, used.write, &name, None, &mut found);
                    files.entry(path.clone()).or_default().note(cell, used.write);
                }
                Resource::AnyFile => {
                    for usage in files.values() {
                        usage.conflicts(cell, used.write, "files", None, &mut found);
                    }
                    any.conflicts(cell, used.write, "files", None, &mut found);
                    any.note(cell, used.write);
                }
                Resource::Network | Resource::Database | Resource::Subprocess => {
                    let name = match used.resource {
                        Resource::Network => "network",
                        Resource::Database => "database",
                        _ => "subprocess",
                    };
                    let usage = others.entry(name).or_default();
                    usage.conflicts(cell, used.write, name, None, &mut found);
                    usage.note(cell, used.write);
                }
                Resource::Clock | Resource::Entropy | Resource::UnseededRng(_) | Resource::Process(_) => {}
            }
        }
    }
    found
}

/// A cell that reads the clock, and uses a time that an earlier one has read, measures how long the cells between them
/// take: these run between them.
fn measured(facts: &Facts, found: &mut BTreeSet<Ordering>) {
    let readings = |cell: CellId| facts.cells[cell].resources.iter().filter(|used| used.resource == Resource::Clock);
    let mut ends: BTreeMap<CellId, BTreeSet<CellId>> = BTreeMap::new();
    for end in (0..facts.cells.len()).filter(|&cell| readings(cell).next().is_some()) {
        for used in &facts.cells[end].uses {
            let Some(made_by) = last_change(facts, used).map(|statement| facts.statement(statement)) else { continue };
            if made_by.cell < end && readings(made_by.cell).any(|used| made_by.range.contains_range(used.range)) {
                ends.entry(made_by.cell).or_default().insert(end);
            }
        }
    }
    // What is being measured at a cell. It follows the last start, which follows those before it; and so with ends.
    let mut open: BTreeSet<(CellId, CellId)> = BTreeSet::new();
    let mut order = |from: CellId, to: CellId| {
        found.insert(Ordering { from, to, resource: CLOCK.to_owned(), carries: None });
    };
    for cell in 0..facts.cells.len() {
        open.retain(|&(_, end)| end >= cell);
        if let Some(&(start, _)) = open.last() {
            order(start, cell);
        }
        if let Some(end) = open.iter().map(|&(_, end)| end).filter(|&end| end > cell).min() {
            order(cell, end);
        }
        let starting = ends.get(&cell).into_iter().flatten();
        open.extend(starting.map(|&end| (cell, end)));
    }
}

/// The statement that has bound a name last, or changed its object; none where it may as well be executed again.
fn last_change(facts: &Facts, used: &Use) -> Option<StatementId> {
    let version = facts.version(facts.maker(used.name, used.version)?);
    match version.bound.get(&used.name) {
        Some(bound) => (!bound.replay).then_some(bound.statement),
        None => version.mutated.get(&used.name).copied(),
    }
}

/// Whether using a resource is what an ordering by that name (see [`Ordering::resource`]) is about.
pub fn touches(resource: &Resource, name: &str) -> bool {
    match resource {
        Resource::File(path) => name.strip_prefix("file:").map_or(name == "files", |other| overlap(path, other)),
        Resource::AnyFile => name == "files" || name.starts_with("file:"),
        Resource::Network => name == "network",
        Resource::Database => name == "database",
        Resource::Subprocess => name == "subprocess",
        Resource::Clock => name == CLOCK,
        Resource::Entropy | Resource::UnseededRng(_) | Resource::Process(_) => false,
    }
}

impl Usage {
    fn conflicts(&self, cell: CellId, write: bool, name: &str, carries: Option<&str>, found: &mut BTreeSet<Ordering>) {
        let mut add = |from: CellId, carries: Option<&str>| {
            if from != cell {
                let (resource, carries) = (name.to_owned(), carries.map(str::to_owned));
                found.insert(Ordering { from, to: cell, resource, carries });
            }
        };
        if let Some(writer) = self.writer
            && (write || !planted(Fault::FileReadAfterWriteMissed))
        {
            add(writer, carries);
        }
        if write && !planted(Fault::FileWriteAfterReadMissed) {
            self.readers.iter().for_each(|&reader| add(reader, None));
        }
    }

    fn note(&mut self, cell: CellId, write: bool) {
        if write {
            self.writer = Some(cell);
            self.readers.clear();
        } else {
            self.readers.insert(cell);
        }
    }
}

/// Whether two paths are the same file, or one is a directory that holds the other. Of paths that start in different
/// places (`data.csv`, `/home/ada/data.csv`, `../project/data.csv`) that is not known when they end alike.
fn overlap(a: &str, b: &str) -> bool {
    if a.contains('{') || b.contains('{') || is_within(a, b) || is_within(b, a) {
        return true;
    }
    let ((start_of_a, a), (start_of_b, b)) = (start_and_rest(a), start_and_rest(b));
    start_of_a != start_of_b && (may_end_in(a, b) || may_end_in(b, a))
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || outer.is_empty()
}

/// The root or the `..`s with which a path starts, and what follows.
fn start_and_rest(path: &str) -> (&str, &str) {
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    while let Some(more) = rest.strip_prefix("..").filter(|more| more.is_empty() || more.starts_with('/')) {
        rest = more.strip_prefix('/').unwrap_or(more);
    }
    (&path[..path.len() - rest.len()], rest)
}

/// Whether some end of the first path is the second, or lies within it or around it.
fn may_end_in(path: &str, end: &str) -> bool {
    let starts = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
    starts.map(|start| &path[start..]).any(|own| is_within(own, end) || is_within(end, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_may_be_one_file_overlap() {
        let pairs = [
            ("a/b.csv", "a"),
            ("/home/ada/d.csv", "d.csv"),
            ("../project/d.csv", "d.csv"),
            ("../../team/project/d.csv", "../project/d.csv"),
            ("/home/ada/out/d.csv", "out"),
            ("..", "d.csv"),
            ("out/{name}.csv", "d.csv"),
        ];
        for (a, b) in pairs {
            assert!(overlap(a, b) && overlap(b, a), "{a} {b}");
        }
    }

    #[test]
    fn other_files_do_not() {
        let pairs = [
            ("a.csv", "b.csv"),
            ("/data/a.csv", "/data/b/a.csv"),
            ("../a.csv", "../b/a.csv"),
            ("/data/a.csv", "b.csv"),
            ("out/a.csv", "a.csv"),
            ("..hidden/a.csv", "a.csv"),
        ];
        for (a, b) in pairs {
            assert!(!overlap(a, b) && !overlap(b, a), "{a} {b}");
        }
    }
}
