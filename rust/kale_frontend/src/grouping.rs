//! Which cells form a step.
//!
//! Tags decide where there are any; otherwise one group per cell, joined where values cannot travel and where joining
//! costs no parallelism. A boundary that the user tagged is never given up silently: what would need it is an error.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use kale_model::{Diagnostic, StepName};
use petgraph::algo::{has_path_connecting, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::unionfind::UnionFind;

use crate::analysis::Analysis;
use crate::blocks::Role;
use crate::dataflow::Grouping;
use crate::dataflow::demand::Needs;
use crate::dataflow::hazard::{Hazard, hazards};
use crate::dataflow::order::{CLOCK, Ordering, orderings};
use crate::dataflow::program::{Programs, programs};
use crate::naming::step_names;
use crate::python::facts::{CellId, Replay};
use crate::{CompileOptions, Granularity, report};

/// The steps to be, and what flows between them.
pub struct Groups {
    pub grouping: Grouping,
    /// In topological order, ties in notebook order.
    pub groups: Vec<Group>,
    pub orderings: BTreeSet<Ordering>,
    /// Of every cell.
    pub needs: Vec<Needs>,
    pub programs: Programs,
    /// Pairs of groups, by index, that the user ordered with `prev:`.
    pub declared: BTreeSet<(usize, usize)>,
    /// Cells of automatic steps that were joined because a value cannot travel.
    pub joined: Vec<Hazard>,
}

pub struct Group {
    pub name: StepName,
    /// In notebook order.
    pub cells: Vec<CellId>,
    /// Whether tags name it.
    pub tagged: bool,
}

/// A group under construction.
#[derive(Clone)]
struct Draft {
    cells: Vec<CellId>,
    tag: Option<StepName>,
    role: Role,
}

pub fn group(analysis: &Analysis, options: &CompileOptions, diagnostics: &mut Vec<Diagnostic>) -> Option<Groups> {
    let drafts = drafts(analysis, options, diagnostics);
    let orderings = orderings(&analysis.facts);
    let is_automatic = options.granularity.unwrap_or_default() == Granularity::Auto && !analysis.blocks.tagged;
    let mut joined = vec![];
    let settled = settled(analysis, drafts, &orderings, &mut joined).and_then(|(drafts, state)| {
        let groups = drafts.len();
        let drafts = if is_automatic { join_cheap(analysis, drafts, &state.edges) } else { drafts };
        if drafts.len() == groups { Ok((drafts, state)) } else { settled(analysis, drafts, &orderings, &mut joined) }
    });
    let (mut drafts, mut state) = settled.map_err(|found| diagnostics.extend(found)).ok()?;
    let order = topological(&state.edges, &drafts);
    if !order.is_sorted() {
        drafts = order.iter().map(|&group| drafts[group].clone()).collect();
        state = State::new(analysis, &drafts, &orderings);
    }
    Some(state.finish(analysis, drafts, orderings, joined))
}

/// Joins what cannot stay apart; gives what flows between the rest.
fn settled(
    analysis: &Analysis,
    mut drafts: Vec<Draft>,
    orderings: &BTreeSet<Ordering>,
    joined: &mut Vec<Hazard>,
) -> Result<(Vec<Draft>, State), Vec<Diagnostic>> {
    loop {
        let state = State::new(analysis, &drafts, orderings);
        let together = state.must_join(analysis, &drafts, joined)?;
        if together.is_empty() {
            return Ok((drafts, state));
        }
        drafts = merge(drafts, &together);
    }
}

/// The first cut: by tags, by heading, or by cell. Cells that only define names belong to no group.
fn drafts(analysis: &Analysis, options: &CompileOptions, diagnostics: &mut Vec<Diagnostic>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = vec![];
    let by_heading = options.granularity == Some(Granularity::Heading) && !analysis.blocks.tagged;
    let mut by_name: BTreeMap<&StepName, usize> = BTreeMap::new();
    let mut sections: BTreeMap<usize, usize> = BTreeMap::new();
    // Code that we cannot see may use what no other code needs, so everything is there when it runs.
    let is_dynamic = analysis.facts.cells.iter().any(|cell| !cell.dynamic.is_empty());
    for (cell, analysed) in analysis.cells.iter().enumerate() {
        let role = &analysed.block.role;
        let own = |tag| Draft { cells: vec![cell], tag, role: role.clone() };
        match role {
            Role::Step(name) => match by_name.get(name) {
                Some(&draft) => drafts[draft].cells.push(cell),
                None => {
                    by_name.insert(name, drafts.len());
                    drafts.push(own(Some(name.clone())));
                }
            },
            Role::Metrics => drafts.push(own(None)),
            Role::Imports | Role::Functions | Role::Parameters => {
                let is_impure = !is_definitions(analysis, cell);
                if is_impure {
                    diagnostics.push(report::impure_prelude(analysis, cell));
                }
                if is_impure || is_dynamic {
                    match drafts.iter_mut().find(|draft| draft.role == *role) {
                        Some(draft) if draft.tag.is_none() => draft.cells.push(cell),
                        _ => drafts.push(own(None)),
                    }
                }
            }
            Role::Untagged if is_definitions(analysis, cell) && !analysis.facts.cells[cell].displays && !is_dynamic => {
            }
            Role::Untagged if by_heading => {
                let section = section_of(analysis, cell);
                match sections.get(&section) {
                    Some(&draft) => drafts[draft].cells.push(cell),
                    None => {
                        sections.insert(section, drafts.len());
                        drafts.push(own(None));
                    }
                }
            }
            Role::Untagged | Role::Skip => drafts.push(own(None)),
        }
    }
    if drafts.is_empty() {
        // Nothing but definitions: they run once, so that a failing import fails the run.
        let cells: Vec<CellId> = (0..analysis.cells.len()).collect();
        let role = analysis.cells.first().map_or(Role::Untagged, |cell| cell.block.role.clone());
        drafts.push(Draft { cells, tag: None, role });
    }
    drafts
}

/// Whether every statement of the cell may be repeated in the steps that need it.
fn is_definitions(analysis: &Analysis, cell: CellId) -> bool {
    let facts = &analysis.facts;
    let remade = |&id| facts.version(id).bound.values().all(|bound| bound.replay);
    facts.cells[cell].statements.iter().all(|&id| facts.statement(id).replay != Replay::No)
        && facts.cells[cell].versions.iter().all(remade)
}

/// The section a cell is in: the number of headings of the splitting level above it. That level is the shallowest one
/// with two headings.
fn section_of(analysis: &Analysis, cell: CellId) -> usize {
    let headings = &analysis.blocks.headings;
    let level = (1..=6).find(|level| headings.iter().filter(|h| h.level == *level).count() > 1).unwrap_or(1);
    let index = analysis.blocks.sub_cells.visible(analysis.cells[cell].block.index);
    headings.iter().filter(|h| h.level <= level && h.cell < index).count()
}

impl Draft {
    /// Takes over another draft's cells.
    fn absorb(&mut self, taken: Draft) {
        self.cells.extend(taken.cells);
        self.tag = self.tag.take().or(taken.tag);
        if self.role == Role::Metrics {
            self.role = taken.role;
        }
    }
}

/// Joins the drafts of each pair; what is joined stands where its first draft stood.
fn merge(drafts: Vec<Draft>, together: &[(usize, usize)]) -> Vec<Draft> {
    let mut homes = UnionFind::new(drafts.len());
    for &(a, b) in together {
        homes.union(a, b);
    }
    let places = places(drafts.len(), |draft| homes.find(draft));
    merge_by(drafts, &places)
}

/// Numbers the homes of drafts in the order of their first drafts.
fn places(drafts: usize, home: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    (0..drafts)
        .map(|draft| {
            let next = numbers.len();
            *numbers.entry(home(draft)).or_insert(next)
        })
        .collect()
}

/// Joins the drafts that have the same place.
fn merge_by(drafts: Vec<Draft>, places: &[usize]) -> Vec<Draft> {
    let mut merged: Vec<Draft> = vec![];
    for (draft, &place) in drafts.into_iter().zip(places) {
        match merged.get_mut(place) {
            Some(into) => into.absorb(draft),
            None => merged.push(draft),
        }
    }
    merged.iter_mut().for_each(|draft| draft.cells.sort());
    merged
}

/// Drafts with what flows between them.
struct State {
    grouping: Grouping,
    /// Of every cell, with what has to be loaded together because of the drafts.
    needs: Vec<Needs>,
    programs: Programs,
    edges: BTreeSet<(usize, usize)>,
    declared: BTreeSet<(usize, usize)>,
}

impl State {
    /// What follows from the drafts.
    fn new(analysis: &Analysis, drafts: &[Draft], orderings: &BTreeSet<Ordering>) -> State {
        let facts = &analysis.facts;
        let mut grouping: Grouping = vec![None; facts.cells.len()];
        for (group, draft) in drafts.iter().enumerate() {
            for &cell in &draft.cells {
                grouping[cell] = Some(group);
            }
        }
        let (programs, needs) = programs(facts, orderings, &grouping, drafts.len());
        let mut edges: BTreeSet<(usize, usize)> = programs.transfers.iter().map(|t| (t.from, t.to)).collect();
        let pair = |ordering: &Ordering| Some((grouping[ordering.from]?, grouping[ordering.to]?));
        let (measured, needed): (Vec<&Ordering>, _) = orderings.iter().partition(|o| o.resource == CLOCK);
        edges.extend(needed.into_iter().filter_map(pair));
        let tagged = drafts.iter().enumerate().filter_map(|(group, draft)| Some((draft.tag.as_ref()?, group)));
        let by_name: BTreeMap<&StepName, usize> = tagged.collect();
        let mut declared = BTreeSet::new();
        for step in &analysis.blocks.steps {
            let Some(&to) = by_name.get(&step.name) else { continue };
            declared.extend(step.prev.iter().filter_map(|(name, _)| by_name.get(name)).map(|&from| (from, to)));
        }
        edges.extend(declared.iter().copied());
        edges.retain(|(from, to)| from != to);
        for (from, to) in measured.into_iter().filter_map(pair).filter(|(from, to)| from != to) {
            // Steps that tags have made are not refused for what they measure.
            let closes_circle =
                || has_path_connecting(&graph(drafts.len(), &edges), NodeIndex::new(to), NodeIndex::new(from), None);
            if !analysis.blocks.tagged || !closes_circle() {
                edges.insert((from, to));
            }
        }
        State { grouping, needs, programs, edges, declared }
    }

    fn groups(&self) -> usize {
        self.programs.actions.len()
    }

    /// Pairs of groups that cannot stay apart, or what is wrong when tags keep them apart. Joining some groups can make
    /// others meet, so this is asked again until nothing is left.
    fn must_join(
        &self,
        analysis: &Analysis,
        drafts: &[Draft],
        joined: &mut Vec<Hazard>,
    ) -> Result<Vec<(usize, usize)>, Vec<Diagnostic>> {
        let metrics = self.homes_of_metrics(analysis, drafts);
        if !metrics.is_empty() {
            return Ok(metrics);
        }
        let (fatal, mergeable) = self.hazards(analysis, drafts);
        if !fatal.is_empty() {
            return Err(fatal.iter().map(|hazard| report::hazard(analysis, hazard)).collect());
        }
        if !mergeable.is_empty() {
            let pairs = mergeable.iter().filter_map(|h| self.pair(h)).collect();
            joined.extend(mergeable);
            return Ok(pairs);
        }
        let circles = self.circles();
        let tagged = |circle: &&Vec<usize>| circle.iter().any(|&group| drafts[group].tag.is_some());
        if let Some(circle) = circles.iter().find(tagged).filter(|_| analysis.blocks.tagged) {
            return Err(vec![report::step_cycle(analysis, &self.edges, circle, |group| &drafts[group].cells)]);
        }
        Ok(circles.iter().flat_map(|circle| circle.windows(2).map(|pair| (pair[0], pair[1]))).collect())
    }

    /// Metrics cells, each with the step that produces all it reads.
    fn homes_of_metrics(&self, analysis: &Analysis, drafts: &[Draft]) -> Vec<(usize, usize)> {
        let is_plain = |cell: &CellId| analysis.cells[*cell].block.role == Role::Metrics;
        let metrics: BTreeSet<usize> = (0..drafts.len())
            .filter(|&group| drafts[group].tag.is_none() && drafts[group].cells.iter().all(is_plain))
            .collect();
        let mut upstream: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for transfer in self.programs.transfers.iter().filter(|t| metrics.contains(&t.to)) {
            upstream.entry(transfer.to).or_default().insert(transfer.from);
        }
        for &group in &metrics {
            let defined = drafts[group].cells.iter().flat_map(|&cell| self.needs[cell].definitions.keys());
            let makers = defined.filter_map(|&id| self.grouping[analysis.facts.statement(id).cell]);
            upstream.entry(group).or_default().extend(makers.filter(|&maker| maker != group));
        }
        let only = |(group, upstream): (usize, BTreeSet<usize>)| match upstream.len() {
            1 => upstream.first().map(|&into| (group, into)),
            _ => None,
        };
        upstream.into_iter().filter_map(only).collect()
    }

    /// Hazards that would swallow a tagged boundary (also by way of automatic steps), and those that joining automatic
    /// steps removes: of these no more than are needed to join what they join.
    fn hazards(&self, analysis: &Analysis, drafts: &[Draft]) -> (Vec<Hazard>, Vec<Hazard>) {
        let all = hazards(&analysis.facts, &self.needs, &self.programs.transfers, &self.grouping);
        let mut homes = UnionFind::new(self.groups());
        let mut tagged: Vec<bool> = drafts.iter().map(|draft| draft.tag.is_some()).collect();
        let (mut fatal, mut mergeable) = (vec![], vec![]);
        for hazard in all {
            let pair = self.pair(&hazard).map(|(earlier, later)| (homes.find(earlier), homes.find(later)));
            let Some((earlier, later)) = pair.filter(|(earlier, later)| earlier != later) else { continue };
            if tagged[earlier] && tagged[later] {
                fatal.push(hazard);
            } else {
                homes.union(earlier, later);
                tagged[homes.find(earlier)] = tagged[earlier] || tagged[later];
                mergeable.push(hazard);
            }
        }
        (fatal, mergeable)
    }

    fn pair(&self, hazard: &Hazard) -> Option<(usize, usize)> {
        Some((self.grouping[hazard.earlier]?, self.grouping[hazard.later]?))
    }

    /// Groups that would have to run before and after each other.
    fn circles(&self) -> Vec<Vec<usize>> {
        let mut circles: Vec<Vec<usize>> = tarjan_scc(&graph(self.groups(), &self.edges))
            .into_iter()
            .filter(|component| component.len() > 1)
            .map(|component| component.into_iter().map(|node| node.index()).collect())
            .collect();
        circles.iter_mut().for_each(|circle| circle.sort());
        circles.sort();
        circles
    }

    /// Names the groups.
    fn finish(
        self,
        analysis: &Analysis,
        drafts: Vec<Draft>,
        mut orderings: BTreeSet<Ordering>,
        joined: Vec<Hazard>,
    ) -> Groups {
        let named: Vec<_> =
            drafts.iter().map(|draft| (draft.cells.as_slice(), draft.tag.as_ref(), &draft.role)).collect();
        let names = step_names(analysis, &named);
        let groups = drafts
            .into_iter()
            .zip(names)
            .map(|(draft, name)| Group { name, cells: draft.cells, tagged: draft.tag.is_some() })
            .collect();
        let State { grouping, needs, programs, declared, edges } = self;
        let is_kept = |ordering: &Ordering| match (grouping[ordering.from], grouping[ordering.to]) {
            (Some(from), Some(to)) => from == to || edges.contains(&(from, to)),
            _ => true,
        };
        orderings.retain(is_kept);
        Groups { grouping, groups, orderings, needs, programs, declared, joined }
    }
}

/// The groups by number, as nodes.
fn graph(groups: usize, edges: &BTreeSet<(usize, usize)>) -> DiGraph<(), ()> {
    let mut graph = DiGraph::with_capacity(groups, edges.len());
    for _ in 0..groups {
        graph.add_node(());
    }
    for &(from, to) in edges {
        graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
    }
    graph
}

/// The groups with those they wait for before them, ties in notebook order.
fn topological(edges: &BTreeSet<(usize, usize)>, drafts: &[Draft]) -> Vec<usize> {
    let mut waiting = vec![0usize; drafts.len()];
    let mut after: Vec<Vec<usize>> = vec![vec![]; drafts.len()];
    for &(from, to) in edges {
        waiting[to] += 1;
        after[from].push(to);
    }
    let key = |group: usize| Reverse((drafts[group].cells.first().copied().unwrap_or_default(), group));
    let mut ready: BinaryHeap<Reverse<(CellId, usize)>> =
        (0..drafts.len()).filter(|&group| waiting[group] == 0).map(key).collect();
    let mut order = Vec::with_capacity(drafts.len());
    while let Some(Reverse((_, group))) = ready.pop() {
        order.push(group);
        for &next in &after[group] {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(key(next));
            }
        }
    }
    order
}

/// Joins a cheap group with its only predecessor, or its only successor, when nothing else would wait for it: that
/// costs no parallelism and saves a process.
fn join_cheap(analysis: &Analysis, drafts: Vec<Draft>, edges: &BTreeSet<(usize, usize)>) -> Vec<Draft> {
    let mut chain = Chain::new(edges, &drafts, analysis);
    for from in topological(edges, &drafts) {
        chain.join_forward(from);
    }
    let places = places(drafts.len(), |group| chain.find(group));
    merge_by(drafts, &places)
}

/// Groups as they are joined. Joining along an edge that is the only way out of its start and the only way into its
/// end adds no edge, so the edges need not be computed again.
struct Chain {
    home: Vec<usize>,
    before: Vec<BTreeSet<usize>>,
    after: Vec<BTreeSet<usize>>,
    cheap: Vec<bool>,
}

impl Chain {
    fn new(edges: &BTreeSet<(usize, usize)>, drafts: &[Draft], analysis: &Analysis) -> Chain {
        let is_cheap = |draft: &Draft| draft.cells.iter().all(|&cell| !analysis.facts.cells[cell].expensive);
        let mut chain = Chain {
            home: (0..drafts.len()).collect(),
            before: vec![BTreeSet::new(); drafts.len()],
            after: vec![BTreeSet::new(); drafts.len()],
            cheap: drafts.iter().map(is_cheap).collect(),
        };
        for &(from, to) in edges {
            chain.after[from].insert(to);
            chain.before[to].insert(from);
        }
        chain
    }

    fn find(&self, mut group: usize) -> usize {
        while self.home[group] != group {
            group = self.home[group];
        }
        group
    }

    /// Joins the group with its successor, as long as that is allowed. Called in topological order.
    fn join_forward(&mut self, group: usize) {
        let from = self.find(group);
        let Some(&next) = self.after[from].first().filter(|_| self.after[from].len() == 1) else { return };
        let to = next;
        if self.before[to].len() != 1 || !(self.cheap[from] || self.cheap[to]) {
            return;
        }
        self.home[to] = from;
        self.cheap[from] &= self.cheap[to];
        self.after[from] = std::mem::take(&mut self.after[to]);
        for next in self.after[from].clone() {
            self.before[next].remove(&to);
            self.before[next].insert(from);
        }
    }
}
