//! Why a step must run after another: for each variable and resource that flows between them, the line that produces it
//! and the line that consumes it.

use std::collections::BTreeSet;

use kale_model::graph::{Reason, ReasonKind};
use kale_model::{Related, Span};
use ruff_text_size::TextRange;

use crate::analysis::Analysis;
use crate::dataflow::demand::Needs;
use crate::dataflow::order::{CLOCK, Ordering, touches};
use crate::dataflow::program::Transfer;
use crate::grouping::Groups;
use crate::python::facts::{CellId, Resource, ResourceUse, VersionId};
use crate::python::names::Name;
use crate::python::pseudo;

/// The reasons for every edge, those of one edge by kind and name.
pub fn reasons(analysis: &Analysis, groups: &Groups) -> Vec<Reason> {
    let teller = Teller { analysis, groups, needs: &groups.needs };
    let mut found: Vec<Reason> = groups.programs.transfers.iter().flat_map(|t| teller.values(t)).collect();
    found.extend(groups.orderings.iter().filter_map(|ordering| teller.resource(ordering)));
    found.extend(teller.declared());
    found.sort_by(|a, b| (&a.from, &a.to, a.kind, &a.name).cmp(&(&b.from, &b.to, b.kind, &b.name)));
    found.dedup_by(|a, b| (&a.from, &a.to, a.kind, &a.name) == (&b.from, &b.to, b.kind, &b.name));
    found
}

struct Teller<'a> {
    analysis: &'a Analysis<'a>,
    groups: &'a Groups,
    needs: &'a [Needs],
}

impl Teller<'_> {
    fn values(&self, transfer: &Transfer) -> Vec<Reason> {
        let told = transfer.names.iter().map(|&name| {
            let text = self.text(name);
            let (kind, shown) = match pseudo::generator(text) {
                Some(generator) => (ReasonKind::Resource, format!("the state of {generator}'s generator")),
                None => (ReasonKind::Variable, format!("`{text}`")),
            };
            Reason {
                from: self.step(transfer.from),
                to: self.step(transfer.to),
                kind,
                name: text.to_owned(),
                produced: self.produced(transfer.version, name, &shown),
                consumed: self.consumed(transfer, name, &shown),
            }
        });
        told.collect()
    }

    /// Where a cell made a version of a name.
    fn produced(&self, id: VersionId, name: Name, shown: &str) -> Related {
        let facts = &self.analysis.facts;
        let version = facts.version(id);
        let changed = version.mutated.get(&name).map(|&statement| (statement, "changes"));
        let made = changed.or_else(|| version.bound.get(&name).map(|bound| (bound.statement, "binds")));
        match made {
            Some((statement, verb)) => {
                self.place(version.cell, facts.statement(statement).range, format!("{verb} {shown}"))
            }
            None => {
                self.place(version.cell, version.range, format!("makes something that may share objects with {shown}"))
            }
        }
    }

    /// Where a step needs a name: read by a cell, by a definition that is executed again, or through another name.
    fn consumed(&self, transfer: &Transfer, name: Name, shown: &str) -> Related {
        let facts = &self.analysis.facts;
        let uses = &facts.cells[transfer.cell].uses;
        if let Some(used) = uses.iter().find(|used| used.name == name) {
            return self.place(transfer.cell, used.range, format!("reads {shown}"));
        }
        let again = self.needs[transfer.cell].definitions.keys().map(|&id| facts.statement(id));
        if let Some(statement) = again.into_iter().find(|s| s.reads.iter().any(|(read, _)| *read == name)) {
            return self.place(statement.cell, statement.range, format!("is executed again, and reads {shown}"));
        }
        if let Some(used) = uses.iter().find(|used| transfer.names.contains(&used.name)) {
            let message = format!("reads `{}`, which shares objects with {shown}", self.text(used.name));
            return self.place(transfer.cell, used.range, message);
        }
        let instance = uses.iter().find(|used| facts.version(used.version).needs.contains_key(&name));
        match instance {
            Some(used) => {
                let message = format!("reads `{}`, which {shown} defines", self.text(used.name));
                self.place(transfer.cell, used.range, message)
            }
            None => self.cell(transfer.cell, format!("may keep {shown} as it was")),
        }
    }

    fn resource(&self, ordering: &Ordering) -> Option<Reason> {
        let grouping = &self.groups.grouping;
        let (from, to) = (grouping[ordering.from]?, grouping[ordering.to]?);
        let place = |cell: CellId| {
            let uses = &self.analysis.facts.cells[cell].resources;
            match uses.iter().find(|used| touches(&used.resource, &ordering.resource)) {
                Some(used) => self.place(cell, used.range, shown_use(used)),
                None if ordering.resource == CLOCK => self.cell(cell, "takes time, which is measured".to_owned()),
                None => self.cell(cell, "stands on this side of the barrier".to_owned()),
            }
        };
        (from != to).then(|| Reason {
            from: self.step(from),
            to: self.step(to),
            kind: ReasonKind::Resource,
            name: ordering.resource.clone(),
            produced: place(ordering.from),
            consumed: place(ordering.to),
        })
    }

    fn declared(&self) -> Vec<Reason> {
        let pairs: BTreeSet<(String, String)> =
            self.groups.declared.iter().map(|&(from, to)| (self.step(from), self.step(to))).collect();
        let steps = &self.analysis.blocks.steps;
        let of = |(from, to): (String, String)| {
            let step = steps.iter().find(|step| step.name.as_str() == to)?;
            let (_, span) = step.prev.iter().find(|(prev, _)| prev.as_str() == from)?;
            let first = steps.iter().find(|step| step.name.as_str() == from)?.first_cell;
            let produced = Related { span: Span::of_cell(first), message: format!("is step `{from}`") };
            let consumed = Related { span: *span, message: format!("is tagged `prev:{from}`") };
            let name = format!("prev:{from}");
            Some(Reason { from, to, kind: ReasonKind::Declared, name, produced, consumed })
        };
        pairs.into_iter().filter_map(of).collect()
    }

    fn step(&self, group: usize) -> String {
        self.groups.groups[group].name.to_string()
    }

    fn text(&self, name: Name) -> &str {
        self.analysis.facts.text(name)
    }

    fn place(&self, cell: CellId, range: TextRange, message: String) -> Related {
        if range.is_empty() {
            return self.cell(cell, message);
        }
        Related { span: self.analysis.place(cell, range), message }
    }

    fn cell(&self, cell: CellId, message: String) -> Related {
        Related { span: Span::of_cell(self.analysis.cells[cell].block.index), message }
    }
}

fn shown_use(used: &ResourceUse) -> String {
    let verb = if used.write { "write" } else { "read" };
    match &used.resource {
        Resource::File(path) => format!("{verb}s the file `{path}`"),
        Resource::AnyFile => format!("may {verb} any file"),
        Resource::Network => "uses the network".to_owned(),
        Resource::Database => "uses a database".to_owned(),
        Resource::Subprocess => "runs a program".to_owned(),
        Resource::Clock => "reads the clock".to_owned(),
        Resource::Entropy | Resource::UnseededRng(_) => "draws random numbers".to_owned(),
        Resource::Process(_) => "changes settings of the process".to_owned(),
    }
}
