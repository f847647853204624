//! From cells to blocks: which cells form a step, and which play another part.
//!
//! In a notebook with `step:` tags, an untagged cell joins the block before it, whatever that is; skipped cells are
//! looked through. Untagged cells before the first tag form a step `setup`. Without `step:` tags the untagged cells
//! stay single, and dataflow decides on the steps.

mod headings;
mod included;
mod roles;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{CellIndex, Code, Diagnostic, PythonVersion, Severity, Span, StepConfig, StepName, SubCells};

use self::included::{Included, expand_prev};
use self::roles::Declared;
use crate::magics::{CellCode, Reader};
use crate::metadata::{self, PipelineMetadata};
use crate::notebook::{Cell, CellKind, Notebook};
use crate::tag::{StepTag, Tag, step_config};

#[derive(Clone, Debug)]
pub struct Blocks {
    /// The code cells that hold code, in notebook order.
    pub cells: Vec<BlockCell>,
    /// Steps by tag, in notebook order.
    pub steps: Vec<StepTags>,
    /// Some cell has a `step:` tag, so tags decide on the steps.
    pub tagged: bool,
    pub headings: Vec<Heading>,
    pub metadata: PipelineMetadata,
    pub sub_cells: SubCells,
}

#[derive(Clone, Debug)]
pub struct BlockCell {
    pub index: CellIndex,
    pub id: String,
    pub code: CellCode,
    pub role: Role,
    /// What gave it the role; `None` when that was its place.
    pub mark: Option<Mark>,
    /// The cell's own tags about how to run it, for steps that no tag names.
    pub config: Vec<StepTag>,
}

/// Where the user wrote a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Among the cell's tags, in these words.
    Tag(String),
    /// On a `%%pipeline` line: the place of the word.
    Line(Span),
}

impl Mark {
    /// Tags of a cell have no extent in its text.
    pub(crate) fn new(text: String, place: Span) -> Mark {
        if place.start == place.end { Mark::Tag(text) } else { Mark::Line(place) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    Step(StepName),
    /// Of no block: only in notebooks without `step:` tags.
    Untagged,
    Imports,
    Functions,
    Parameters,
    Metrics,
    Skip,
}

/// A step that tags name.
#[derive(Clone, Debug)]
pub struct StepTags {
    pub name: StepName,
    pub config: StepConfig,
    /// The steps it was declared to run after, in order of declaration, each with the place of the declaration.
    pub prev: Vec<(StepName, Span)>,
    pub first_cell: CellIndex,
}

/// A markdown heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    pub cell: CellIndex,
    /// 1 for `#`.
    pub level: usize,
    pub text: String,
}

impl Blocks {
    /// What tags and defaults say about a step made of these cells.
    pub fn config_of<'a>(&self, cells: impl IntoIterator<Item = &'a BlockCell>) -> StepConfig {
        let own: Vec<&StepTag> = cells.into_iter().flat_map(|cell| &cell.config).collect();
        config(&self.metadata, own)
    }
}

fn config<'a>(metadata: &'a PipelineMetadata, own: impl IntoIterator<Item = &'a StepTag>) -> StepConfig {
    let no_caching = (metadata.enable_caching == Some(false)).then_some(&StepTag::Cache(false));
    step_config(no_caching.into_iter().chain(&metadata.step_defaults).chain(own))
}

/// Reads the cells of a notebook: their magics, tags, and the blocks these form.
pub fn blocks(notebook: &Notebook, version: PythonVersion) -> (Blocks, Vec<Diagnostic>) {
    let (metadata, mut diagnostics) = metadata::read(&notebook.metadata);
    let mut reader = Reader::new(version);
    let marked = marked(notebook, &mut reader, &mut diagnostics);
    let tagged = marked.iter().any(|cell| matches!(cell.declared.role, Some(Role::Step(_))));
    let placed = place(marked, tagged, &mut diagnostics);
    let contributions: Vec<_> = placed.iter().map(Placed::contribution).collect();
    let steps = steps::steps(&contributions, &metadata, &mut diagnostics);
    let headings = headings::headings(&notebook.cells);
    let blocks = Blocks {
        cells: placed.into_iter().map(Placed::into_block).collect(),
        steps,
        tagged,
        headings,
        metadata,
        sub_cells: notebook.sub_cells.clone(),
    };
    diagnostics.extend(nothing_to_run(notebook, &blocks));
    for diagnostic in &mut diagnostics {
        let cell = diagnostic.cell.map(|cell| notebook.sub_cells.visible(cell));
        diagnostic.cell_id = cell.map(|cell| notebook.cells[cell.0].id.clone());
    }
    (blocks, diagnostics)
}

/// The code cells with their tags, those of other notebooks in place of the cells that refer to them.
fn marked<'a>(notebook: &'a Notebook, reader: &mut Reader, diagnostics: &mut Vec<Diagnostic>) -> Vec<Marked<'a>> {
    let mut own = Vec::with_capacity(notebook.cells.len());
    let mut others = vec![];
    for cell in notebook.cells.iter().filter(|cell| cell.kind == CellKind::Code) {
        let marked = mark(cell, reader, diagnostics);
        match notebook.references.iter().find(|reference| reference.at == cell.index) {
            None => own.push(marked),
            Some(reference) => {
                let cells = reference.cells.iter().map(|cell| mark(cell, reader, diagnostics)).collect();
                others.push((own.len(), Included { owner: marked, name: reference.name.clone(), cells }));
            }
        }
    }
    let step = |cell: &Marked| match &cell.declared.role {
        Some(Role::Step(name)) => Some(name.clone()),
        _ => None,
    };
    let mut taken: BTreeSet<StepName> = own.iter().filter_map(step).collect();
    let references: BTreeMap<StepName, Vec<StepName>> =
        others.iter_mut().filter_map(|(_, other)| other.settle(&mut taken)).collect();
    for (position, other) in others.into_iter().rev() {
        own.splice(position..position, other.cells);
    }
    expand_prev(&mut own, &references);
    own
}

/// A code cell with its own tags.
struct Marked<'a> {
    cell: &'a Cell,
    code: CellCode,
    declared: Declared,
}

/// A code cell with the part it plays.
struct Placed<'a> {
    marked: Marked<'a>,
    role: Role,
}

impl Placed<'_> {
    fn contribution(&self) -> steps::Contribution<'_> {
        let Declared { prev, config, .. } = &self.marked.declared;
        steps::Contribution { cell: self.marked.cell.index, role: &self.role, prev, config }
    }

    fn into_block(self) -> BlockCell {
        let Marked { cell, code, declared } = self.marked;
        let config = declared.config.into_iter().map(|(tag, _)| tag).collect();
        let written = |place| Mark::new(roles::text_of(&cell.tags, &self.role), place);
        let mark = declared.role_place.map(written);
        BlockCell { index: cell.index, id: cell.id.clone(), code, role: self.role, mark, config }
    }
}

fn mark<'a>(cell: &'a Cell, reader: &mut Reader, diagnostics: &mut Vec<Diagnostic>) -> Marked<'a> {
    let skipped = cell.tags.iter().any(|tag| tag.trim() == "skip");
    let read = reader.read(cell.index, &cell.source, skipped);
    let mut faults = read.diagnostics;
    let mut tags = roles::parse(&cell.tags, Span::of_cell(cell.index), &mut faults);
    tags.extend(read.tags);
    // A skipped cell may hold anything.
    if !tags.iter().any(|(tag, _)| *tag == Tag::Skip) {
        diagnostics.extend(faults);
    }
    Marked { cell, code: read.code, declared: roles::declared(&tags, diagnostics) }
}

/// Gives every cell its role by its place; cells that neither hold code nor name a step are left out.
fn place<'a>(marked: Vec<Marked<'a>>, tagged: bool, diagnostics: &mut Vec<Diagnostic>) -> Vec<Placed<'a>> {
    let setup = setup_name(&marked);
    let mut current: Option<Role> = None;
    let mut placed = Vec::with_capacity(marked.len());
    for mut cell in marked {
        let own = cell.declared.role.take();
        if let Some(role) = own.as_ref().filter(|role| **role != Role::Skip) {
            current = Some(role.clone());
        }
        let names_a_step = matches!(own, Some(Role::Step(_)));
        if cell.code.is_empty() && !names_a_step {
            continue;
        }
        let role = match own {
            Some(role) => role,
            None if !tagged => Role::Untagged,
            None => current
                .get_or_insert_with(|| {
                    diagnostics.push(setup_step(&setup, cell.cell.index));
                    Role::Step(setup.clone())
                })
                .clone(),
        };
        if !matches!(role, Role::Step(_) | Role::Untagged) {
            diagnostics.extend(cell.declared.config.drain(..).map(|(tag, span)| no_step(&tag, span)));
        }
        placed.push(Placed { marked: cell, role });
    }
    placed
}

/// `setup`, or `setup_2` and so on where a tag already names a step so.
fn setup_name(marked: &[Marked]) -> StepName {
    let is_taken = |name: &StepName| marked.iter().any(|cell| cell.declared.role == Some(Role::Step(name.clone())));
    let candidates = std::iter::once("setup".to_owned()).chain((2..).map(|n| format!("setup_{n}")));
    let mut names = candidates.filter_map(|name| name.parse::<StepName>().ok());
    names.find(|name| !is_taken(name)).expect("a notebook has finitely many steps")
}

fn setup_step(name: &StepName, cell: CellIndex) -> Diagnostic {
    let message = format!("the cells before the first tag form a step of their own, `{name}`");
    let help = "tag them `imports`, `functions`, `skip`, or `step:NAME` to say otherwise";
    Diagnostic::new(Code::SetupStep, message, help).at(Span::of_cell(cell))
}

/// A tag about how to run a step, on a cell that only joined a block such as `imports`.
fn no_step(tag: &StepTag, span: Span) -> Diagnostic {
    let message = format!("`{tag}` has no effect here, since the cell belongs to no step");
    let mut diagnostic = Diagnostic::new(Code::BadTag, message, "tag the cell with `step:NAME` too").at(span);
    diagnostic.severity = Severity::Warning;
    diagnostic
}

fn nothing_to_run(notebook: &Notebook, blocks: &Blocks) -> Option<Diagnostic> {
    if blocks.cells.iter().any(|cell| cell.role != Role::Skip && !cell.code.is_empty()) {
        return None;
    }
    let message = if notebook.cells.is_empty() {
        "the notebook is empty"
    } else if blocks.cells.iter().any(|cell| cell.role == Role::Skip) {
        "every code cell is tagged `skip`"
    } else if notebook.cells.iter().any(|cell| cell.kind == CellKind::Code && !cell.source.trim().is_empty()) {
        "no code is left without the lines that control pipelines or install packages"
    } else {
        "the notebook has no code"
    };
    Some(Diagnostic::new(Code::NoCode, message, "write the code that the pipeline is to run, and save the notebook"))
}
