//! Which definitions to execute and which values to load so that every variable is what it was at a point.
//!
//! A variable has a history of *states*, each made by one cell: a definition, a stored value, or nothing that is left
//! of it. The newest state before the point counts; where that was not stored, the variable is missing and not older.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kale_model::{Artifact, ArtifactKind, CellClaims, CellIndex, Definition, Instruction, Pipeline, Step, StepStatus};
use kale_store::{Digest, RunRecord, StepRecord, StepResult, StepSnapshot, Store};
use serde::Serialize;
use serde_json::Value;

use super::{Point, place};
use crate::error::VerbError;
use crate::on_cluster::fetching::{Unfetched, UnfetchedOutput};

/// What to do, in this order: each action only needs what the actions before it have bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    Define {
        cell: usize,
        line: usize,
        source: String,
    },
    Parameter {
        name: String,
        /// As in `kale_model::ParameterType`.
        #[serde(rename = "type")]
        kind: &'static str,
        value: Value,
        default: Value,
    },
    /// Forget what a definition has bound: it is unbound or missing at the point.
    Unbind {
        names: Vec<String>,
    },
    /// Bind these names of a stored pickle.
    Load {
        names: Vec<String>,
        kind: String,
        path: PathBuf,
        /// Variables of it, each as some cell had made it, of which another pickle has a copy as well: what refers to them
        /// in the one and in the other comes back apart.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        copies: Vec<(String, usize)>,
    },
    /// Set a global random generator.
    Generator {
        name: String,
        path: PathBuf,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub name: String,
    /// The cell that made it, of those that people see.
    pub cell: usize,
    pub reason: String,
}

/// A file that a step wrote, with what is stored of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    pub path: String,
    pub step: String,
    pub content: Digest,
}

/// A file that a step wrote, and that is still on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnfetchedFile {
    pub path: String,
    pub step: String,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Namespace {
    pub actions: Vec<Action>,
    /// Variables that were bound and cannot be put back.
    pub missing: Vec<Missing>,
    /// Files that the steps wrote until then.
    pub files: Vec<WrittenFile>,
    /// Those of them of which nothing is here.
    pub unfetched_files: Vec<UnfetchedFile>,
}

/// Where a cell stands in the notebook.
type Place = (usize, usize);

/// What one cell made of a variable.
#[derive(Clone, Debug)]
enum State {
    Defined,
    Stored(usize),
    Unbound,
    Lost(String),
}

/// What comes first at one place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Definition,
    Callable,
    Value,
}

/// Variables stored together.
struct Pickle {
    names: Vec<String>,
    /// The last cell that had made one of them when they were stored.
    place: Place,
    /// The cell behind which the file was written: what it refers to by name means what it meant there.
    stored: Place,
    kind: String,
    content: Digest,
}

/// The history of all variables up to a point.
struct History<'r> {
    pipeline: &'r Pipeline,
    /// The cluster that has carried the run out.
    context: Option<&'r str>,
    point: Point<'r>,
    /// What that cluster has not given out.
    unfetched: &'r Unfetched,
    /// The newest state of each variable.
    states: BTreeMap<String, (Place, State)>,
    /// Pickles that states refer to.
    pickles: Vec<Pickle>,
    generators: BTreeMap<String, (Place, Digest)>,
    /// Where each variable was bound or changed.
    made: BTreeMap<String, BTreeSet<Place>>,
}

pub fn namespace(
    store: &Store,
    record: &RunRecord,
    point: Point,
    unfetched: &Unfetched,
) -> Result<Namespace, VerbError> {
    let pipeline = &record.pipeline;
    let mut history = History {
        pipeline,
        context: record.options.context.as_deref(),
        point,
        unfetched,
        states: BTreeMap::new(),
        pickles: vec![],
        generators: BTreeMap::new(),
        made: BTreeMap::new(),
    };
    history.add_definitions();
    let steps = store.steps(&record.id)?;
    for step in &steps {
        let snapshot = store.snapshot(&record.id, step.position)?;
        history.add_step(step, snapshot.as_ref());
    }
    let mut namespace = history.actions(store, &record.parameters);
    namespace.files = files(pipeline, point, &steps);
    namespace.unfetched_files = unfetched_files(record, point, unfetched);
    Ok(namespace)
}

impl History<'_> {
    fn place(&self, cell: CellIndex) -> Option<Place> {
        self.point.has(cell).then(|| place(self.pipeline, cell))
    }

    /// A state counts if no newer one is known. Of one cell, what is said later counts: a value that was stored after
    /// it was defined.
    fn add(&mut self, name: &str, cell: CellIndex, state: State) {
        let Some(place) = self.place(cell) else { return };
        if self.states.get(name).is_none_or(|(known, _)| *known <= place) {
            self.states.insert(name.to_owned(), (place, state));
        }
    }

    fn add_definitions(&mut self) {
        let pipeline = self.pipeline;
        for definition in &pipeline.definitions {
            for name in &definition.names {
                self.add(name, definition.cell, State::Defined);
            }
        }
    }

    /// First what the cells did to variables, as if nothing of it had been stored, then what has been.
    fn add_step(&mut self, record: &StepRecord, snapshot: Option<&StepSnapshot>) {
        let step = &self.pipeline.steps[record.position];
        let result = record.result.as_ref().filter(|_| has_result(record.status));
        for claims in step.claims.iter().flat_map(|claims| &claims.cells) {
            let reason = || self.why_not_stored(step, record, claims.cell, snapshot.is_some());
            let reason = reason();
            for name in claims.binds.iter().chain(&claims.changes) {
                self.made.entry(name.clone()).or_default().insert(place(self.pipeline, claims.cell));
            }
            for name in made(claims) {
                self.add(name, claims.cell, State::Lost(reason.clone()));
            }
        }
        self.add_unfetched(step, record.position);
        let Some(result) = result else { return };
        self.add_artifacts(step, result);
        let Some(snapshot) = snapshot else { return };
        for lost in &snapshot.lost {
            let kind = lost.kind.as_ref().map_or_else(String::new, |kind| format!("a `{kind}`: "));
            self.add(&lost.name, CellIndex(lost.cell), State::Lost(format!("{kind}{}", lost.reason)));
        }
        for unbound in &snapshot.unbound {
            self.add(&unbound.name, CellIndex(unbound.cell), State::Unbound);
        }
        for group in &snapshot.groups {
            let cell = CellIndex(group.cell);
            match group.kind.strip_prefix("rng:") {
                Some(generator) => self.add_generator(generator, cell, &group.content),
                None => {
                    let kind = self.kind_of(step, &group.kind, &group.content, result);
                    let is_artifact = result.outputs.values().any(|content| content == &group.content);
                    let last = step.cells.iter().map(|cell| cell.index).max();
                    let stored = if is_artifact { cell } else { last.unwrap_or(cell) };
                    self.add_pickle(&group.names, cell, stored, &kind, &group.content);
                }
            }
        }
    }

    fn why_not_stored(&self, step: &Step, record: &StepRecord, cell: CellIndex, has_snapshot: bool) -> String {
        let name = &step.name;
        let later = step.cells.iter().any(|other| !self.point.has(other.index));
        if !has_result(record.status) {
            format!("step `{name}` has not finished")
        } else if let Some(context) = self.context {
            format!("step `{name}` ran on `{context}`, where only what other steps need outlives it")
        } else if later {
            format!("step `{name}` has later cells, and what it left there was stored")
        } else if has_snapshot {
            format!("nothing was stored of it after {}", self.pipeline.sub_cells.name(cell))
        } else {
            format!("step `{name}` ended before its variables were stored")
        }
    }

    /// What the step shipped and a cluster has kept.
    fn add_unfetched(&mut self, step: &Step, position: usize) {
        for (cell, artifact, names) in shipped(self.pipeline, step) {
            if let Some(reason) = self.unfetched.reason(position, &artifact.key) {
                let reason = format!("it is on `{}`: {reason}", self.context.unwrap_or_default());
                names.iter().for_each(|name| self.add(name, cell, State::Lost(reason.clone())));
            }
        }
    }

    /// What the step shipped was stored right behind the cell that had made it.
    fn add_artifacts(&mut self, step: &Step, result: &StepResult) {
        for (cell, artifact, names) in shipped(self.pipeline, step) {
            let Some(content) = result.outputs.get(&artifact.key) else { continue };
            match &artifact.kind {
                ArtifactKind::Rng(generator) => self.add_generator(generator, cell, content),
                ArtifactKind::Value => self.add_pickle(names, cell, cell, "value", content),
                ArtifactKind::Callable => self.add_pickle(names, cell, cell, "callable", content),
                ArtifactKind::File(_) => {}
            }
        }
    }

    /// A group that stands for an artifact is read as that is.
    fn kind_of(&self, step: &Step, kind: &str, content: &Digest, result: &StepResult) -> String {
        let shipped = step.outputs.iter().map(|id| self.pipeline.artifact(*id));
        let mut same = shipped.filter(|artifact| result.outputs.get(&artifact.key) == Some(content));
        let by_value = same.any(|artifact| artifact.kind == ArtifactKind::Callable);
        if by_value { "callable".to_owned() } else { kind.to_owned() }
    }

    fn add_pickle(&mut self, names: &[String], cell: CellIndex, stored: CellIndex, kind: &str, content: &Digest) {
        let (place, stored) = (place(self.pipeline, cell), place(self.pipeline, stored));
        let (names, kind) = (names.to_vec(), kind.to_owned());
        self.pickles.push(Pickle { names: names.clone(), place, stored, kind, content: content.clone() });
        for name in &names {
            self.add(name, cell, State::Stored(self.pickles.len() - 1));
        }
    }

    /// The variables of a pickle, each with the cell that had bound or changed it last by then.
    fn versions(&self, pickle: usize) -> impl Iterator<Item = (&String, usize)> {
        let Pickle { names, place, .. } = &self.pickles[pickle];
        let made = move |name| self.made.get(name)?.range(..=place).next_back().map(|(_, cell)| *cell);
        names.iter().filter_map(move |name| Some((name, made(name)?)))
    }

    /// The last place at which a definition gives a name another meaning.
    fn last_bound_anew(&self) -> Option<Place> {
        let mut known: BTreeMap<&String, &Definition> = BTreeMap::new();
        let mut last = None;
        for definition in self.pipeline.definitions.iter().filter(|definition| self.point.has(definition.cell)) {
            for name in &definition.names {
                let earlier = known.insert(name, definition);
                if earlier.is_some_and(|earlier| source(earlier) != source(definition)) {
                    last = last.max(Some(place(self.pipeline, definition.cell)));
                }
            }
        }
        last
    }

    fn add_generator(&mut self, name: &str, cell: CellIndex, content: &Digest) {
        let Some(place) = self.place(cell) else { return };
        if self.generators.get(name).is_none_or(|(known, _)| *known <= place) {
            self.generators.insert(name.to_owned(), (place, content.clone()));
        }
    }

    /// Definitions come first, since pickles refer to them by name, but for those that give a name another meaning than it
    /// had where a pickle was stored; then what other pickles may refer to.
    fn actions(&self, store: &Store, parameters: &BTreeMap<String, Value>) -> Namespace {
        let before = self.pipeline.definitions.iter().filter(|definition| self.point.has(definition.cell));
        let mut ordered: Vec<(Option<Place>, Rank, Action)> = before
            .filter_map(|definition| {
                let place = place(self.pipeline, definition.cell);
                Some((Some(place), Rank::Definition, action_of(definition, self.pipeline, parameters)?))
            })
            .collect();
        let last_anew = self.last_bound_anew();
        let (mut unbound, mut missing) = (BTreeSet::new(), vec![]);
        let mut loads: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (name, (place, state)) in &self.states {
            let lost = |reason: &str| Missing { name: name.clone(), cell: place.0, reason: reason.to_owned() };
            match state {
                State::Defined => {}
                State::Unbound => drop(unbound.insert(name.clone())),
                State::Lost(reason) => missing.push(lost(reason)),
                State::Stored(pickle) if store.blobs().contains(&self.pickles[*pickle].content) => {
                    loads.entry(*pickle).or_default().push(name.clone());
                }
                State::Stored(_) => missing.push(lost("its value is no longer in the store")),
            }
        }
        unbound.extend(missing.iter().map(|missing| missing.name.clone()));
        // Steps that were given the same object have each stored it, with what they made of it.
        let mut copies: BTreeMap<(&String, usize), usize> = BTreeMap::new();
        for version in loads.keys().flat_map(|pickle| self.versions(*pickle)) {
            *copies.entry(version).or_default() += 1;
        }
        for (pickle, names) in loads {
            let Pickle { kind, content, stored, .. } = &self.pickles[pickle];
            let again = self.versions(pickle).filter(|version| copies[version] > 1);
            let copies = again.map(|(name, cell)| (name.clone(), cell)).collect();
            let load = Action::Load { names, kind: kind.clone(), path: store.blobs().path(content), copies };
            let at = last_anew.filter(|anew| stored < anew).map(|_| *stored);
            ordered.push((at, if kind == "callable" { Rank::Callable } else { Rank::Value }, load));
        }
        ordered.sort_by_key(|(at, rank, _)| (at.is_none(), *at, *rank));
        let mut actions: Vec<Action> = ordered.into_iter().map(|(_, _, action)| action).collect();
        let defined: BTreeSet<&String> = self.pipeline.definitions.iter().flat_map(|each| &each.names).collect();
        let names: Vec<String> = unbound.into_iter().filter(|name| defined.contains(name)).collect();
        if !names.is_empty() {
            actions.push(Action::Unbind { names });
        }
        let generator = |(name, (_, content)): (&String, &(Place, Digest))| Action::Generator {
            name: name.clone(),
            path: store.blobs().path(content),
        };
        actions.extend(self.generators.iter().map(generator));
        Namespace { actions, missing, ..Namespace::default() }
    }
}

/// The definitions of cells that come before a point, in their order.
pub fn definitions<'a>(
    pipeline: &'a Pipeline,
    parameters: &'a BTreeMap<String, Value>,
    is_before: impl Fn(CellIndex) -> bool + 'a,
) -> impl Iterator<Item = Action> + 'a {
    let before = pipeline.definitions.iter().filter(move |definition| is_before(definition.cell));
    before.filter_map(|definition| action_of(definition, pipeline, parameters))
}

fn action_of(definition: &Definition, pipeline: &Pipeline, parameters: &BTreeMap<String, Value>) -> Option<Action> {
    match &definition.instruction {
        Instruction::Define { cell, line, source } => {
            let cell = pipeline.sub_cells.visible(*cell).0;
            Some(Action::Define { cell, line: *line, source: source.clone() })
        }
        Instruction::Parameter { name } => {
            let parameter = pipeline.parameters.iter().find(|parameter| parameter.name == *name)?;
            Some(Action::Parameter {
                name: name.to_string(),
                kind: parameter.parameter_type.as_str(),
                value: parameters.get(name.as_str()).unwrap_or(&parameter.default).clone(),
                default: parameter.default.clone(),
            })
        }
        _ => None,
    }
}

fn source(definition: &Definition) -> Option<&str> {
    match &definition.instruction {
        Instruction::Define { source, .. } => Some(source),
        _ => None,
    }
}

/// What a step ships: the artifact, the cell behind which it is saved, and the names that it has there.
fn shipped<'p>(
    pipeline: &'p Pipeline,
    step: &'p Step,
) -> impl Iterator<Item = (CellIndex, &'p Artifact, &'p [String])> {
    let mut cell = None;
    step.program.iter().filter_map(move |instruction| match instruction {
        Instruction::Run { cell: ran, .. } => {
            cell = Some(*ran);
            None
        }
        Instruction::Save { artifact, names } => Some((cell?, pipeline.artifact(*artifact), names.as_slice())),
        _ => None,
    })
}

/// Variables of which the cell leaves values that no definition makes again.
fn made(claims: &CellClaims) -> impl Iterator<Item = &String> {
    let bound = claims.binds.iter().filter(|name| !claims.remade.contains(name));
    bound.chain(&claims.changes)
}

fn has_result(status: StepStatus) -> bool {
    matches!(status, StepStatus::Succeeded | StepStatus::Cached)
}

/// Of the steps that were done by then, in their order; the last to write a path counts.
fn files(pipeline: &Pipeline, point: Point, steps: &[StepRecord]) -> Vec<WrittenFile> {
    let mut found = BTreeMap::new();
    for record in steps.iter().filter(|record| has_result(record.status)) {
        let step = &pipeline.steps[record.position];
        let done = step.cells.iter().all(|cell| point.has(cell.index));
        for (path, content) in record.result.iter().filter(|_| done).flat_map(|result| &result.files) {
            let file = WrittenFile { path: path.clone(), step: record.name.clone(), content: content.clone() };
            found.insert(path.clone(), file);
        }
    }
    found.into_values().collect()
}

/// Of the steps that were done by then.
fn unfetched_files(record: &RunRecord, point: Point, unfetched: &Unfetched) -> Vec<UnfetchedFile> {
    let file = |one: &UnfetchedOutput| {
        let step = &record.pipeline.steps[one.position];
        let is_done = step.cells.iter().all(|cell| point.has(cell.index));
        let path = one.file(record).filter(|_| is_done)?.to_owned();
        Some(UnfetchedFile { path, step: step.name.to_string(), reason: one.reason.clone() })
    };
    unfetched.0.iter().filter_map(file).collect()
}
