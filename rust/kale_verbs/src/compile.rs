//! `compile`: the files of a target. A file is written whole or not at all.

mod katib;
mod kserve;

use std::io::Write;
use std::path::{Path, PathBuf};

use kale_model::sweep::Space;
use kale_model::{Diagnostic, Namespace, Pipeline};
use kale_targets::{EmitOptions, Emitted, Found, Manifests, Target};
use serde::{Deserialize, Serialize};

use crate::build_context;
use crate::error::VerbError;
use crate::notebook::{Listing, STDIN, plain};
use crate::packing;
use crate::parameters::ParameterInputs;
use crate::serve::is_bundle;
use crate::session::Session;
use crate::source::{Compiled, Source};
use crate::sweep::definition::SweepOptions;
pub use kserve::KserveOptions;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct CompileRequest {
    #[serde(flatten)]
    pub source: Source,
    /// `kfp` (the default), `kfp-script` or `katib`; or `kserve`, for which the notebook is the folder of a bundle.
    #[serde(default)]
    pub target: Option<String>,
    /// Where the file goes: `None` beside the current directory under the pipeline's name, `-` nowhere (the text is
    /// in the answer).
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// A folder for what an image for the steps is built from.
    #[serde(default)]
    pub build_context: Option<PathBuf>,
    /// Emit also what is over a size limit of KFP or Kubernetes.
    #[serde(default)]
    pub allow_oversize: bool,
    /// KFP's IR as the resources `Pipeline` and `PipelineVersion` of Kubernetes.
    #[serde(default)]
    pub kubernetes: bool,
    /// The context that it is for: its overlay counts.
    #[serde(default)]
    pub on: Option<String>,
    /// The namespace that these resources name, or those of Katib.
    #[serde(default)]
    pub namespace: Option<String>,
    /// What Katib varies.
    #[serde(flatten)]
    pub options: SweepOptions,
    /// Values of parameters that Katib does not vary.
    #[serde(default)]
    pub parameters: ParameterInputs,
    /// What is wanted of a service.
    #[serde(default)]
    pub kserve: KserveOptions,
    /// As whom Katib's trials ask for runs, or as whom KServe reads a bundle.
    #[serde(default)]
    pub service_account: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CompileAnswer {
    pub target: String,
    /// Files written, the main one first.
    pub files: Vec<PathBuf>,
    /// Files of the image's build context.
    #[serde(rename = "build_context", skip_serializing_if = "Vec::is_empty")]
    pub image_files: Vec<PathBuf>,
    pub diagnostics: Vec<Diagnostic>,
    /// What Katib varies, where nobody said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guessed: Option<Space>,
    /// The main file's text; `None` when there are errors.
    #[serde(skip)]
    pub text: Option<String>,
    #[serde(skip)]
    pub listing: Listing,
    #[serde(skip)]
    pub remarks: Vec<String>,
}

pub fn compile(session: &Session, request: &CompileRequest) -> Result<CompileAnswer, VerbError> {
    let is_service = match request.target.as_deref() {
        Some(target) => target == kserve::NAME,
        None => is_bundle(&session.directory.join(&request.source.notebook)),
    };
    if is_service {
        return compile_service(session, request);
    }
    let target = target(request.target.as_deref())?;
    kserve::refuse_elsewhere(request, &target.to_string())?;
    katib::refuse_elsewhere(request, target)?;
    let (allow_oversize, namespace) = (request.allow_oversize, namespace(request)?);
    let manifests = manifests(request, target, namespace.as_ref())?;
    let mut options = EmitOptions { allow_oversize, manifests, trials: None };
    let mut compiled = request.source.compile(session, request.on.as_deref())?;
    let pipeline = compiled.compilation.pipeline.take();
    let mut answer = CompileAnswer {
        target: target.to_string(),
        files: vec![],
        image_files: vec![],
        guessed: None,
        text: None,
        listing: compiled.listing(),
        remarks: compiled.remark.clone().into_iter().collect(),
        diagnostics: compiled.compilation.diagnostics.clone(),
    };
    let Some(pipeline) = pipeline else { return Ok(answer) };
    if target == Target::Katib {
        match katib::asked(session, request, &compiled.notebook.text, &pipeline, namespace)? {
            Ok(asked) => {
                (options.trials, answer.guessed) = (Some(asked.trials), asked.guessed);
                answer.remarks.extend(asked.remarks);
            }
            Err(faults) => {
                answer.diagnostics.extend(faults);
                return Ok(answer);
            }
        }
    }
    let image = request.build_context.as_deref().map(|folder| (folder, build_context::files(&compiled, &pipeline)));
    let mut found = files(&compiled, &pipeline, packing::LARGEST);
    found.in_image = image.iter().flat_map(|(_, files)| files.keys().cloned()).collect();
    let emitted = kale_targets::emit_with_files(&pipeline, target, &options, &found);
    answer.diagnostics.extend(emitted.diagnostics);
    let Some(bundle) = emitted.files else { return Ok(answer) };
    if let Some((folder, files)) = image {
        answer.image_files = build_context::write(session, &compiled, &pipeline, files, folder)?;
    }
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

/// The resource that serves a bundle.
fn compile_service(session: &Session, request: &CompileRequest) -> Result<CompileAnswer, VerbError> {
    let (emitted, name, remark) = kserve::compile(session, request, namespace(request)?)?;
    let mut answer = CompileAnswer {
        target: kserve::NAME.to_owned(),
        files: vec![],
        image_files: vec![],
        guessed: None,
        text: None,
        listing: Listing::default(),
        remarks: remark.into_iter().collect(),
        diagnostics: emitted.diagnostics,
    };
    let Some((_, text)) = emitted.files.and_then(|bundle| bundle.files.into_iter().next()) else { return Ok(answer) };
    if request.output.as_deref() != Some(Path::new(STDIN)) {
        let file =
            request.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}{}", kale_targets::kserve::SUFFIX)));
        write(&session.directory.join(&file), &text)?;
        answer.files.push(file);
    }
    answer.text = Some(text);
    Ok(answer)
}

/// The pipeline for a target, with the files from beside the notebook that its steps need.
pub fn emit(compiled: &Compiled, pipeline: &Pipeline, target: Target, options: &EmitOptions) -> Emitted {
    kale_targets::emit_with_files(pipeline, target, options, &files(compiled, pipeline, packing::LARGEST))
}

/// What the steps need from beside the notebook, but for files of more than `largest` bytes.
pub fn files(compiled: &Compiled, pipeline: &Pipeline, largest: u64) -> Found {
    let place_of = |module: &str| compiled.unpublished.get(module).map(PathBuf::from);
    packing::read(&kale_targets::wanted(pipeline), &compiled.notebook.directory, largest, place_of)
}

/// For command lines and completion.
pub fn target_names() -> Vec<&'static str> {
    kale_targets::TARGETS.iter().map(|info| info.name).chain([kserve::NAME]).collect()
}

fn target(name: Option<&str>) -> Result<Target, VerbError> {
    let help = "give `--target kfp`, `--target kfp-script`, `--target katib` or `--target kserve`";
    name.map_or(Ok(Target::Kfp), |name| name.parse().map_err(|message: String| VerbError::usage(message, help)))
}

fn namespace(request: &CompileRequest) -> Result<Option<Namespace>, VerbError> {
    let namespace = request.namespace.as_deref().map(str::parse::<Namespace>).transpose();
    namespace.map_err(|error| VerbError::usage(error.to_string(), "such as `--namespace team-a`"))
}

fn manifests(
    request: &CompileRequest,
    target: Target,
    namespace: Option<&Namespace>,
) -> Result<Option<Manifests>, VerbError> {
    if !request.kubernetes {
        let help = "add `--kubernetes`, or leave the namespace to the context that the run goes to";
        return match namespace {
            Some(_) if target != Target::Katib => {
                Err(VerbError::usage("only resources of Kubernetes have a namespace", help))
            }
            _ => Ok(None),
        };
    }
    if target != Target::Kfp {
        let help = "use `--kubernetes` with `--target kfp`";
        let message = match target {
            Target::Katib => format!("`{target}` is resources of Kubernetes anyway"),
            _ => format!("`{target}` is no resource of Kubernetes"),
        };
        return Err(VerbError::usage(message, help));
    }
    Ok(Some(Manifests { namespace: namespace.cloned() }))
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
