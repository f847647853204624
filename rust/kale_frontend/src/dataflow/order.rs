//! Order among cells that hidden resources require, as in the notebook: read after write, write after read, write
//! after write. Writes to different files commute.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, planted};
use crate::python::facts::{CellId, Facts, Resource};

/// One cell must run after another because of a resource, or because a pragma says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ordering {
    pub from: CellId,
    pub to: CellId,
    pub resource: String,
    /// The file's path when `to` reads what `from` wrote.
    pub carries: Option<String>,
}

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

/// Whether using a resource is what an ordering by that name (see [`Ordering::resource`]) is about.
pub fn touches(resource: &Resource, name: &str) -> bool {
    match resource {
        Resource::File(path) => name.strip_prefix("file:").map_or(name == "files", |other| overlap(path, other)),
        Resource::AnyFile => name == "files" || name.starts_with("file:"),
        Resource::Network => name == "network",
        Resource::Database => name == "database",
        Resource::Subprocess => name == "subprocess",
        Resource::Clock | Resource::Entropy | Resource::UnseededRng(_) | Resource::Process(_) => false,
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

/// Whether two paths are the same file, or one is a directory that holds the other.
fn overlap(a: &str, b: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || outer.is_empty()
    };
    a.contains('{') || b.contains('{') || within(a, b) || within(b, a)
}
