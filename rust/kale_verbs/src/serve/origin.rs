//! Which model is meant: `RUN:STEP:VARIABLE`, that of a sweep's best trial, or a file.

use std::path::Path;

use serde_json::{Value, json};

use super::ServeRequest;
use crate::error::VerbError;
use crate::interpreter;
use crate::restore::{RestoreRequest, restore};
use crate::session::{Interpreter, Session};

/// What the process that packs a model is asked for, and under which interpreter.
pub struct Origin {
    pub python: Interpreter,
    pub asked: Value,
    /// What the service is called where nobody says so.
    pub name: String,
}

pub fn origin(session: &Session, request: &ServeRequest, model: &str, own: &Interpreter) -> Result<Origin, VerbError> {
    let path = session.directory.join(model);
    if path.is_file() {
        return of_file(session, request, &path, own);
    }
    let parts: Vec<&str> = model.rsplitn(3, ':').collect();
    let [variable, step, run] = parts[..] else {
        let message = format!("`{model}` is no file, and no variable of a run");
        let help = "write `RUN:STEP:VARIABLE`, such as `last:train:model`; `kale-rs show RUN STEP` lists variables";
        return Err(VerbError::usage(message, help));
    };
    let (store, id) = request.store.find(session, run)?;
    let record = store.run(&id)?;
    let asked = RestoreRequest {
        run: id.to_string(),
        step: Some(step.to_owned()),
        trust: request.trust,
        store: request.store.clone(),
        ..RestoreRequest::default()
    };
    let restored = restore(session, &asked)?;
    let missing = restored.namespace.missing.iter().find(|missing| missing.name == variable);
    if let Some(missing) = missing {
        let message = format!("`{variable}` is not stored: {}", missing.reason);
        return Err(VerbError::usage(message, "serve it from the notebook: `kale_rs.serve(model)`"));
    }
    // The run may be from another machine, or its environment be gone.
    let python = match &record.options.python {
        its if request.python.is_none() && its.is_file() => interpreter::named(session, Some(its))?,
        _ => own.clone(),
    };
    let asked = json!({
        "actions": restored.namespace.actions,
        "directory": restored.directory,
        "variable": variable,
        "preprocess": request.preprocess,
        "postprocess": request.postprocess,
        "assets": request.assets,
        "example": request.example,
        "origin": {"run": restored.run_id, "step": restored.step, "variable": variable},
    });
    Ok(Origin { python, asked, name: as_name(variable) })
}

fn of_file(session: &Session, request: &ServeRequest, path: &Path, own: &Interpreter) -> Result<Origin, VerbError> {
    let functions = [&request.preprocess, &request.postprocess, &request.example];
    if functions.iter().any(|given| given.is_some()) || !request.assets.is_empty() {
        let help =
            "serve it from a run (`RUN:STEP:VARIABLE`) or from the notebook: `kale_rs.serve(model, preprocess=...)`";
        return Err(VerbError::usage("a file of a model has no functions and no variables", help));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let asked = json!({"file": path, "directory": session.directory, "origin": {"file": path.file_name().map(|name| name.to_string_lossy())}});
    Ok(Origin { python: own.clone(), asked, name: as_name(&stem) })
}

/// A name for URLs.
fn as_name(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name: String = name.chars().take(63).collect();
    if name.is_empty() { "model".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_a_url() {
        assert_eq!(as_name("_my model.v2"), "my-model.v2");
        assert_eq!(as_name("__"), "model");
    }
}
