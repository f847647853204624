//! What the target `katib` wants beside the pipeline: a sweep, as it is asked for.

use std::collections::BTreeMap;

use kale_model::sweep::Space;
use kale_model::{Diagnostic, Namespace, Pipeline};
use kale_targets::{Target, Trials};
use serde_json::Value;

use super::CompileRequest;
use crate::error::VerbError;
use crate::parameters::{GivenParameters, ParameterInputs, arguments};
use crate::session::Session;
use crate::sweep::definition::{Defined, SweepOptions};

/// A sweep for Katib, and the ranges in it that nobody gave.
pub struct Asked {
    pub trials: Trials,
    pub guessed: Option<Space>,
    pub remarks: Vec<String>,
}

/// Other targets vary nothing.
pub fn refuse_elsewhere(request: &CompileRequest, target: Target) -> Result<(), VerbError> {
    let CompileRequest { options, parameters, service_account, .. } = request;
    let is_asked =
        *options != SweepOptions::default() || *parameters != ParameterInputs::default() || service_account.is_some();
    if target == Target::Katib || !is_asked {
        return Ok(());
    }
    let message = format!("`{target}` is one pipeline, which takes its parameters when it is run");
    Err(VerbError::usage(message, "for a sweep, use `--target katib`; for one run, `kale-rs run -p NAME=VALUE`"))
}

/// Completed by what is written down, and compared with what the notebook has. Values that do not fit are the notebook's
/// diagnostics.
pub fn asked(
    session: &Session,
    request: &CompileRequest,
    notebook: &str,
    pipeline: &Pipeline,
    namespace: Option<Namespace>,
) -> Result<Result<Asked, Vec<Diagnostic>>, VerbError> {
    let options = request.options.clone().completed(session, notebook)?;
    let given = request.parameters.read(session)?;
    let defined = options.definition(pipeline, &given)?;
    let remarks = defined.remarks();
    let Defined { sweep, is_guessed, .. } = defined;
    let fixed = match fixed(given, pipeline) {
        Ok(fixed) => fixed,
        Err(diagnostics) => return Ok(Err(diagnostics)),
    };
    let arguments = match arguments(pipeline, &fixed) {
        Ok(arguments) => arguments,
        Err(diagnostics) => return Ok(Err(diagnostics)),
    };
    let guessed = is_guessed.then(|| sweep.space.clone());
    let SweepOptions { parallel, seed, .. } = options;
    let service_account = request.service_account.clone();
    Ok(Ok(Asked { trials: Trials { sweep, parallel, seed, arguments, namespace, service_account }, guessed, remarks }))
}

/// Values that are given, of parameters that are not varied, where they are not the notebook's own.
fn fixed(given: GivenParameters, pipeline: &Pipeline) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
    let is_default = |name: &str, value: &Value| {
        pipeline.parameters.iter().any(|parameter| parameter.name.as_str() == name && parameter.default == *value)
    };
    let values = given.resolve(&pipeline.parameters)?;
    Ok(values.into_iter().filter(|(name, value)| !is_default(name, value)).collect())
}
