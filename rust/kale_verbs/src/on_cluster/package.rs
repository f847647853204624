//! What a cluster is given of a notebook, for one run or for a schedule.

use std::collections::BTreeMap;

use kale_model::{Caching, Diagnostic, Pipeline};
use kale_targets::{EmitOptions, Target};
use serde_json::{Map, Value};

use crate::compile;
use crate::parameters::{GivenParameters, arguments};
use crate::source::Compiled;

pub struct Package {
    /// The pipeline as the cluster reads it.
    pub ir: String,
    /// Values of all parameters.
    pub values: BTreeMap<String, Value>,
    /// The same, as the cluster is told them.
    pub arguments: Map<String, Value>,
    /// What there is to say of it.
    pub remarks: Vec<Diagnostic>,
}

impl Package {
    /// Everything that can be known is looked at before anything is sent. What a cluster would refuse is told instead.
    pub fn of(
        compiled: &Compiled,
        pipeline: &mut Pipeline,
        given: GivenParameters,
        no_cache: bool,
    ) -> Result<Package, Vec<Diagnostic>> {
        let values = given.resolve(&pipeline.parameters)?;
        if no_cache {
            pipeline.steps.iter_mut().for_each(|step| step.config.caching = Caching::Disabled);
        }
        let emitted = compile::emit(compiled, pipeline, Target::Kfp, &EmitOptions::default());
        let mut remarks = emitted.diagnostics;
        let arguments = arguments(pipeline, &values).map_err(|faults| remarks.extend(faults));
        let ir = emitted.files.and_then(|bundle| bundle.files.into_iter().next()).map(|(_, text)| text);
        match (ir, arguments) {
            (Some(ir), Ok(arguments)) if !remarks.iter().any(Diagnostic::is_error) => {
                Ok(Package { ir, values, arguments, remarks })
            }
            _ => Err(remarks),
        }
    }
}
