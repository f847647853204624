//! What the analysis believes about the cells of a step, for the run that checks it (see [`kale_model::Claims`]).

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{CellClaims, CellIndex, ClaimedResource, Claims};

use crate::analysis::Analysis;
use crate::python::facts::{CellFacts, CellId, Facts, Resource, Version};
use crate::python::names::Name;
use crate::python::pseudo;

/// Makes the claims of a pipeline's steps.
pub struct Claimant<'a> {
    analysis: &'a Analysis<'a>,
    /// The first cell that seeds each generator.
    seeds: BTreeMap<&'a str, CellId>,
}

impl<'a> Claimant<'a> {
    pub fn new(analysis: &'a Analysis<'a>) -> Claimant<'a> {
        let mut seeds = BTreeMap::new();
        for version in &analysis.facts.versions {
            for &name in version.bound.keys() {
                if let Some(generator) = pseudo::generator(analysis.facts.text(name)) {
                    seeds.entry(generator).or_insert(version.cell);
                }
            }
        }
        Claimant { analysis, seeds }
    }

    pub fn claims(&self, cells: &[CellId]) -> Claims {
        Claims { cells: cells.iter().map(|&cell| self.cell(cell)).collect() }
    }

    /// Every variable of the notebook, with the first cell that binds it.
    pub fn bindings(&self) -> BTreeMap<String, CellIndex> {
        let facts = &self.analysis.facts;
        let mut first = BTreeMap::new();
        for statement in &facts.statements {
            for &name in &statement.binds {
                let text = facts.text(name);
                if pseudo::is_variable(text) {
                    first.entry(text.to_owned()).or_insert(self.analysis.cells[statement.cell].block.index);
                }
            }
        }
        first
    }

    fn cell(&self, id: CellId) -> CellClaims {
        let facts = &self.analysis.facts;
        let cell = &facts.cells[id];
        let mut claims = CellClaims::nothing(self.analysis.cells[id].block.index);
        claims.unseen = !cell.dynamic.is_empty();
        claims.independent = cell.independent;
        claims.reads = variables(facts, cell.uses.iter().map(|used| used.name));
        let bound = cell.statements.iter().flat_map(|&statement| facts.statement(statement).binds.iter().copied());
        claims.binds = variables(facts, bound);
        claims.remade = claims.binds.iter().filter(|text| self.is_remade(cell, text)).cloned().collect();
        let versions = || cell.versions.iter().map(|&version| facts.version(version));
        claims.changes = variables(facts, versions().flat_map(|version| version.mutated.keys().copied()));
        claims.optional = variables(facts, versions().flat_map(|version| version.optional.iter().copied()));
        claims.groups = versions().map(|version| variables(facts, members(version))).filter(|g| g.len() > 1).collect();
        claims.settings = cell.settings.iter().cloned().collect();
        self.hidden(id, cell, &mut claims);
        claims
    }

    /// Whether the last binding of a name in a cell is a definition, of which nothing has changed since.
    fn is_remade(&self, cell: &CellFacts, text: &str) -> bool {
        let facts = &self.analysis.facts;
        let bound = cell.versions.iter().map(|&version| facts.version(version)).flat_map(|version| {
            let of = version.bound.iter().filter(|(name, _)| facts.text(**name) == text);
            of.map(|(name, bound)| bound.replay && !version.mutated.contains_key(name))
        });
        bound.fold(None, |all, one| Some(all.unwrap_or(true) && one)).unwrap_or(false)
    }

    fn hidden(&self, id: CellId, cell: &CellFacts, claims: &mut CellClaims) {
        let facts = &self.analysis.facts;
        let (mut reads, mut writes) = (BTreeSet::new(), BTreeSet::new());
        let (mut resources, mut generators) = (BTreeSet::new(), BTreeSet::new());
        let versions = cell.versions.iter().flat_map(|&version| members(facts.version(version)));
        let states = versions.filter_map(|name| pseudo::generator(facts.text(name)));
        generators.extend(states.map(str::to_owned));
        for used in &cell.resources {
            match &used.resource {
                Resource::File(path) if used.write => {
                    writes.insert(path.clone());
                }
                Resource::File(path) => {
                    reads.insert(path.clone());
                }
                Resource::AnyFile if used.write => {
                    resources.extend([ClaimedResource::ReadsAnyFile, ClaimedResource::WritesAnyFile]);
                }
                Resource::AnyFile => {
                    resources.insert(ClaimedResource::ReadsAnyFile);
                }
                Resource::Network => {
                    resources.insert(ClaimedResource::Network);
                }
                Resource::Database => {
                    resources.insert(ClaimedResource::Database);
                }
                Resource::Subprocess => {
                    resources.insert(ClaimedResource::Subprocess);
                }
                Resource::UnseededRng(generator) => {
                    generators.insert((*generator).to_owned());
                }
                Resource::Clock | Resource::Entropy | Resource::Process(_) => {}
            }
        }
        let seeded = self.seeds.iter().filter(|&(generator, &first)| first <= id && !generators.contains(*generator));
        claims.seeded = seeded.map(|(generator, _)| (*generator).to_owned()).collect();
        claims.files.reads = reads.into_iter().collect();
        claims.files.writes = writes.into_iter().collect();
        claims.resources = resources.into_iter().collect();
        claims.generators = generators.into_iter().collect();
    }
}

/// All names of an alias group: those that the cell binds, and those that it keeps from before.
fn members(version: &Version) -> impl Iterator<Item = Name> + '_ {
    version.bound.keys().chain(version.parents.keys()).copied()
}

fn variables(facts: &Facts, names: impl Iterator<Item = Name>) -> Vec<String> {
    let mut texts: Vec<&str> = names.map(|name| facts.text(name)).filter(|text| pseudo::is_variable(text)).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().map(str::to_owned).collect()
}
