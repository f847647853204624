//! From cells to blocks: which cells form a step, and which play another part.

use kale_model::{CellIndex, Diagnostic, PythonVersion, Span, StepConfig, StepName};

use crate::magics::CellCode;
use crate::metadata::PipelineMetadata;
use crate::notebook::Notebook;
use crate::tag::StepTag;

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
}

#[derive(Clone, Debug)]
pub struct BlockCell {
    pub index: CellIndex,
    pub id: String,
    pub code: CellCode,
    pub role: Role,
    /// The cell's own tags about how to run it, for steps that no tag names.
    pub config: Vec<StepTag>,
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
        let own = cells.into_iter().flat_map(|cell| &cell.config);
        crate::tag::step_config(self.metadata.step_defaults.iter().chain(own))
    }
}

pub fn blocks(_notebook: &Notebook, _version: PythonVersion) -> (Blocks, Vec<Diagnostic>) {
    let blocks = Blocks {
        cells: vec![],
        steps: vec![],
        tagged: false,
        headings: vec![],
        metadata: PipelineMetadata::default(),
    };
    (blocks, vec![])
}
