//! Notebook metadata.

use kale_model::{PipelineName, Volume};

use crate::tag::StepTag;

/// What the notebook's metadata says about the pipeline as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineMetadata {
    pub name: Option<PipelineName>,
    pub description: Option<String>,
    /// KFP's sense: the group that runs belong to.
    pub experiment: Option<String>,
    pub base_image: Option<String>,
    pub enable_caching: Option<bool>,
    pub volumes: Vec<Volume>,
    /// Apply to every step that does not say otherwise.
    pub step_defaults: Vec<StepTag>,
}
