//! `compile`: the files of a target. A file is written whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use kale_model::{Diagnostic, Namespace, Pipeline};
use kale_targets::{EmitOptions, Emitted, Manifests, Target};
use serde::{Deserialize, Serialize};

use crate::error::VerbError;
use crate::notebook::{Listing, STDIN, plain};
use crate::packing;
use crate::session::Session;
use crate::source::{Compiled, Source};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct CompileRequest {
    #[serde(flatten)]
    pub source: Source,
    /// `kfp` (the default) or `kfp-script`.
    #[serde(default)]
    pub target: Option<String>,
    /// Where the file goes: `None` beside the current directory under the pipeline's name, `-` nowhere (the text is
    /// in the answer).
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// Emit also what is over a size limit of KFP or Kubernetes.
    #[serde(default)]
    pub allow_oversize: bool,
    /// KFP's IR as the resources `Pipeline` and `PipelineVersion` of Kubernetes.
    #[serde(default)]
    pub kubernetes: bool,
    /// The namespace that these resources name.
    #[serde(default)]
    pub namespace: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CompileAnswer {
    pub target: String,
    /// Files written, the main one first.
    pub files: Vec<PathBuf>,
    pub diagnostics: Vec<Diagnostic>,
    /// The main file's text; `None` when there are errors.
    #[serde(skip)]
    pub text: Option<String>,
    #[serde(skip)]
    pub listing: Listing,
    #[serde(skip)]
    pub remark: Option<String>,
}

pub fn compile(session: &Session, request: &CompileRequest) -> Result<CompileAnswer, VerbError> {
    let target = target(request.target.as_deref())?;
    let options = EmitOptions { allow_oversize: request.allow_oversize, manifests: manifests(request, target)? };
    let mut compiled = request.source.compile(session)?;
    let pipeline = compiled.compilation.pipeline.take();
    let mut answer = CompileAnswer {
        target: target.to_string(),
        files: vec![],
        text: None,
        listing: compiled.listing(),
        remark: compiled.remark.clone(),
        diagnostics: compiled.compilation.diagnostics.clone(),
    };
    let Some(pipeline) = pipeline else { return Ok(answer) };
    let emitted = emit(&compiled, &pipeline, target, &options);
    answer.diagnostics.extend(emitted.diagnostics);
    let Some(bundle) = emitted.files else { return Ok(answer) };
    if request.output.as_deref() != Some(Path::new(STDIN)) {
        let main = request.output.clone().unwrap_or_else(|| {
            // KFP's own tools look for the pipeline's name.
            PathBuf::from(format!("{}{}", pipeline.name, target.info().suffix))
        });
        for (number, (suffix, text)) in bundle.files.iter().enumerate() {
            let file = if number == 0 { main.clone() } else { beside(&main, suffix) };
            write(&session.directory.join(&file), text)?;
            answer.files.push(file);
        }
    }
    answer.text = bundle.files.into_iter().next().map(|(_, text)| text);
    Ok(answer)
}

/// The pipeline for a target, with the files from beside the notebook that its steps need.
pub fn emit(compiled: &Compiled, pipeline: &Pipeline, target: Target, options: &EmitOptions) -> Emitted {
    let place_of = |module: &str| compiled.unpublished.get(module).map(PathBuf::from);
    let files = packing::read(&kale_targets::wanted(pipeline), &compiled.notebook.directory, place_of);
    kale_targets::emit_with_files(pipeline, target, options, &files)
}

/// For command lines and completion.
pub fn target_names() -> Vec<&'static str> {
    kale_targets::TARGETS.iter().map(|info| info.name).collect()
}

fn target(name: Option<&str>) -> Result<Target, VerbError> {
    let help = "give `--target kfp` or `--target kfp-script`";
    name.map_or(Ok(Target::Kfp), |name| name.parse().map_err(|message: String| VerbError::usage(message, help)))
}

fn manifests(request: &CompileRequest, target: Target) -> Result<Option<Manifests>, VerbError> {
    if !request.kubernetes {
        let help = "add `--kubernetes`, or leave the namespace to the context that the run goes to";
        return match request.namespace {
            Some(_) => Err(VerbError::usage("only resources of Kubernetes have a namespace", help)),
            None => Ok(None),
        };
    }
    if target != Target::Kfp {
        let help = "use `--kubernetes` with `--target kfp`";
        return Err(VerbError::usage(format!("`{target}` is no resource of Kubernetes"), help));
    }
    let namespace = request.namespace.as_deref().map(str::parse::<Namespace>).transpose();
    let namespace = namespace.map_err(|error| VerbError::usage(error.to_string(), "such as `--namespace team-a`"))?;
    Ok(Some(Manifests { namespace }))
}

/// `out/a.yaml` and `-platform.yaml` give `out/a-platform.yaml`.
fn beside(main: &Path, suffix: &str) -> PathBuf {
    let stem = main.file_stem().unwrap_or_default().to_string_lossy();
    main.with_file_name(format!("{stem}{suffix}"))
}

fn write(path: &Path, text: &str) -> Result<(), VerbError> {
    kale_engine::replace_file(path, |file| file.write_all(text.as_bytes()))
        .map_err(|error| VerbError::writing(path, plain(&error)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn further_files_lie_beside_the_main_one() {
        assert_eq!(beside(Path::new("out/a.yaml"), "-platform.yaml"), Path::new("out/a-platform.yaml"));
    }

    #[test]
    fn a_file_is_replaced_and_folders_are_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/a.yaml");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
