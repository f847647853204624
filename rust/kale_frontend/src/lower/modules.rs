//! Which modules the process of a step imports, and the packages that it takes for that.

use std::collections::BTreeSet;

use kale_model::{Artifact, ArtifactKind, Diagnostic};

use super::Lowering;
use crate::dataflow::hazard::kind_of;
use crate::dataflow::program::Action;
use crate::python::facts::Kind;
use crate::python::names::top_level;
use crate::requirements::Packages;

impl<'a> Lowering<'a> {
    /// Modules that the group's process imports, dotted as far as they are named: its own, those of repeated
    /// definitions, and those of what it makes and is given. (`load_wine(as_frame=True)` needs `pandas` in a step that
    /// never names it.)
    fn modules(&self, group: usize) -> BTreeSet<&'a str> {
        let mut modules = self.direct_modules(group);
        let facts = &self.analysis.facts;
        let mut makers = BTreeSet::new();
        for transfer in self.incoming[group].iter().chain(&self.outgoing[group]) {
            for &name in &transfer.names {
                match kind_of(facts, name, transfer.version) {
                    Kind::Immutable => {}
                    Kind::Instance(path) | Kind::Unshippable(path) if facts.text(path).contains('.') => {
                        modules.insert(top_level(facts.text(path)));
                    }
                    _ if transfer.from == group => {}
                    // A list of frames, or an object of a type we do not know: whatever its maker could import.
                    _ => drop(makers.insert(transfer.from)),
                }
            }
        }
        makers.into_iter().for_each(|maker: usize| modules.extend(&self.upstream_modules[maker]));
        modules
    }

    pub(super) fn collect_modules(&mut self) {
        // Groups are in topological order, so what comes before is known.
        for group in 0..self.groups.groups.len() {
            let mut modules = self.direct_modules(group);
            let makers: BTreeSet<usize> = self.incoming[group].iter().map(|transfer| transfer.from).collect();
            makers.into_iter().for_each(|maker| modules.extend(&self.upstream_modules[maker]));
            self.upstream_modules.push(modules);
        }
    }

    fn direct_modules(&self, group: usize) -> BTreeSet<&'a str> {
        let facts = &self.analysis.facts;
        let mut modules = BTreeSet::new();
        for action in &self.groups.programs.actions[group] {
            match action {
                Action::Run(cell) => modules.extend(facts.cells[*cell].imports.iter().map(String::as_str)),
                Action::Define(statement) => {
                    modules.extend(facts.statement(*statement).imports.iter().map(String::as_str))
                }
                _ => {}
            }
        }
        modules
    }

    /// What the group's process imports: what has to be installed for that, and which modules of this machine travel.
    pub(super) fn packages(
        &mut self,
        group: usize,
        needs_ipython: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Packages {
        let modules = self.modules(group);
        let known = self.packages.entry(modules);
        let mut packages = known.or_insert_with_key(|modules| self.requirements.of(modules)).clone();
        if needs_ipython {
            self.requirements.add("ipython", &mut packages);
        }
        let callable = |artifact: &Artifact| artifact.kind == ArtifactKind::Callable;
        let ships_callables = self.groups.programs.actions[group].iter().any(|action| match action {
            Action::Load(version, _) | Action::Save(version, _) => {
                callable(&self.artifacts.list[self.artifacts.of_version(*version).0])
            }
            _ => false,
        });
        if ships_callables {
            self.requirements.add("dill", &mut packages);
        }
        diagnostics.extend(packages.diagnostics(self.groups.groups[group].name.as_str()));
        packages
    }
}
