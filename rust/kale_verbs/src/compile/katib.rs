//! What the target `katib` wants beside the pipeline: a sweep, as it is asked for.

use std::collections::BTreeMap;

use kale_model::sweep::Space;
use kale_model::{Diagnostic, Namespace, Pipeline};
use kale_targets::{Target, Trials};
use serde_json::Value;

use super::CompileRequest;
use crate::error::VerbError;
use crate::parameters::{ParameterInputs, arguments};
use crate::session::Session;
use crate::sweep::definition::SweepOptions;

/// A sweep for Katib, and the ranges in it that nobody gave.
pub struct Asked {
    pub trials: Trials,
    pub guessed: Option<Space>,
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
    let (sweep, is_guessed) = options.definition(pipeline)?;
    let fixed = match fixed(session, request, pipeline, &sweep.space)? {
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
    Ok(Ok(Asked { trials: Trials { sweep, parallel, seed, arguments, namespace, service_account }, guessed }))
}

/// Values that are given, of parameters that are not varied.
fn fixed(
    session: &Session,
    request: &CompileRequest,
    pipeline: &Pipeline,
    space: &Space,
) -> Result<Result<BTreeMap<String, Value>, Vec<Diagnostic>>, VerbError> {
    let values = match request.parameters.read(session)?.resolve(&pipeline.parameters) {
        Ok(values) => values,
        Err(diagnostics) => return Ok(Err(diagnostics)),
    };
    let is_default = |name: &str, value: &Value| {
        pipeline.parameters.iter().any(|parameter| parameter.name.as_str() == name && parameter.default == *value)
    };
    let fixed: BTreeMap<String, Value> = values.into_iter().filter(|(name, value)| !is_default(name, value)).collect();
    match space.0.iter().find(|dimension| fixed.contains_key(dimension.name.as_str())) {
        Some(dimension) => {
            let message = format!("`{}` is varied, and has one value", dimension.name);
            Err(VerbError::usage(message, "give it either a range, with `--param`, or a value, with `-p`"))
        }
        None => Ok(Ok(fixed)),
    }
}
