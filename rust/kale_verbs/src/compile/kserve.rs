//! What the target `kserve` is made from: a bundle, and what is wanted of its service.

use std::path::Path;

use kale_model::{Code, Diagnostic, Namespace};
use kale_targets::kserve::{Canary, Mode, Model, Runtime, Scaling, Service, emit};
use kale_targets::{Emitted, kserve};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CompileRequest;
use crate::error::VerbError;
use crate::overlay::{self, Overlay};
use crate::serve::{Bundle, read_bundle};
use crate::session::Session;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KserveOptions {
    /// What the service is called; `None`: as the bundle.
    #[serde(default)]
    pub name: Option<String>,
    /// Where the bundle is to be on the cluster.
    #[serde(default)]
    pub storage_uri: Option<String>,
    /// The image of our server; `None`: the overlay's, else a plain Python.
    #[serde(default)]
    pub image: Option<String>,
    /// `native`, or the name of one of KServe's runtimes; `None`: our server.
    #[serde(default)]
    pub runtime: Option<String>,
    /// `standard` (the default) or `knative`.
    #[serde(default)]
    pub mode: Option<String>,
    #[serde(default)]
    pub transformer: bool,
    #[serde(default)]
    pub min_replicas: Option<u32>,
    #[serde(default)]
    pub max_replicas: Option<u32>,
    #[serde(default)]
    pub scale_metric: Option<String>,
    #[serde(default)]
    pub scale_target: Option<u32>,
    #[serde(default)]
    pub autoscaler: Option<String>,
    /// Percent of the requests.
    #[serde(default)]
    pub canary: Option<u8>,
    #[serde(default)]
    pub stable_uri: Option<String>,
    /// Requests that a pod takes at the same time.
    #[serde(default)]
    pub concurrency: Option<u32>,
}

pub fn refuse_elsewhere(request: &CompileRequest, target: &str) -> Result<(), VerbError> {
    if request.kserve == KserveOptions::default() {
        return Ok(());
    }
    let message = format!("`{target}` is a pipeline, and no service");
    Err(VerbError::usage(message, "for a service, compile its bundle: `--target kserve`"))
}

/// The resource, its name, and a remark where something was left open.
pub fn compile(
    session: &Session,
    request: &CompileRequest,
    namespace: Option<Namespace>,
) -> Result<(Emitted, String, Option<String>), VerbError> {
    if request.kubernetes || request.build_context.is_some() {
        let help = "leave `--kubernetes` and `--build-context` out";
        return Err(VerbError::usage("an InferenceService is a resource of Kubernetes anyway, in a plain image", help));
    }
    let folder = session.directory.join(&request.source.notebook);
    if !folder.is_dir() {
        let message =
            format!("`{}` is no bundle: a service is compiled from the folder of one", request.source.notebook);
        return Err(VerbError::usage(message, "`kale-rs serve MODEL --pack` packs one, and says where it is"));
    }
    let bundle = read_bundle(&folder)?;
    let (service, remark) = service(session, request, &bundle, namespace)?;
    let mut emitted = emit(&service);
    let is_ours = service.runtime == Runtime::Ours || service.transformer;
    if emitted.files.is_some() && is_ours && !bundle.has_wheel(session) {
        let message =
            "The bundle has no wheel of kale_rs for Linux: its container installs kale-rs from the package index.";
        let help = "Compile it where kale-rs is installed on Linux, or give an image that has it.";
        emitted.diagnostics.push(Diagnostic::new(Code::KserveDiffers, message, help));
    }
    Ok((emitted, service.name, remark))
}

fn service(
    session: &Session,
    request: &CompileRequest,
    bundle: &Bundle,
    namespace: Option<Namespace>,
) -> Result<(Service, Option<String>), VerbError> {
    let options = &request.kserve;
    let name = options.name.clone().unwrap_or_else(|| bundle.name.clone());
    // One asks the other by the bundle's name.
    if options.transformer && (name != bundle.name || name != kale_model::name::slug(&name, '-')) {
        let message = format!("a transformer asks for the model `{}`, so the service has to be called so", bundle.name);
        let help = "pack the bundle under the service's name (`kale-rs serve MODEL --pack --name NAME`), in lower case";
        return Err(VerbError::usage(message, help));
    }
    let usual = || format!("pvc://models/{name}/{}", bundle.version);
    let remark = options.storage_uri.is_none().then(|| {
        format!(
            "nobody said where the bundle will be (`--storage-uri`): copy it to the claim `models`, as `{}`",
            &usual()[13..]
        )
    });
    let mut service = Service {
        storage_uri: options.storage_uri.clone().unwrap_or_else(usual),
        version: bundle.version.clone(),
        model: model(bundle),
        python: text(&bundle.about, "/environment/python_version"),
        namespace,
        runtime: match options.runtime.as_deref() {
            None | Some("kale-rs") => Runtime::Ours,
            Some("native") => Runtime::Native(None),
            Some(name) => Runtime::Native(Some(name.to_owned())),
        },
        mode: mode(options.mode.as_deref())?,
        scaling: Scaling {
            class: options.autoscaler.clone(),
            min: options.min_replicas,
            max: options.max_replicas,
            metric: options.scale_metric.clone(),
            target: options.scale_target,
        },
        canary: options.canary.map(|percent| Canary { percent, stable_uri: options.stable_uri.clone() }),
        transformer: options.transformer,
        concurrency: options.concurrency,
        service_account: request.service_account.clone(),
        name,
        ..Service::default()
    };
    for overlay in overlays(session, request)? {
        overlay.place_service(&mut service);
    }
    service.image = options.image.clone().or(service.image);
    Ok((service, remark))
}

/// That of the context first: the other one counts more.
fn overlays(session: &Session, request: &CompileRequest) -> Result<Vec<Overlay>, VerbError> {
    let of_context = request.on.as_deref().map(|name| overlay::of_context(session, name)).transpose()?.flatten();
    let own = request.source.overlay.as_deref().map(|file| Overlay::read(session, Path::new(file))).transpose()?;
    Ok(of_context.into_iter().chain(own).collect())
}

fn mode(text: Option<&str>) -> Result<Mode, VerbError> {
    match text.map(str::to_lowercase).as_deref() {
        None | Some("standard" | "rawdeployment") => Ok(Mode::Standard),
        Some("knative" | "serverless") => Ok(Mode::Knative),
        Some(other) => Err(VerbError::usage(format!("KServe has no mode `{other}`"), "use `standard` or `knative`")),
    }
}

fn model(bundle: &Bundle) -> Model {
    let about = &bundle.about;
    let functions = |kind: &str| !text(about, &format!("/functions/{kind}")).is_empty();
    Model {
        flavour: text(about, "/model/flavour"),
        format: text(about, "/model/format"),
        class: text(about, "/model/class"),
        method: text(about, "/model/method"),
        file: text(about, "/model/file"),
        takes_tables: text(about, "/signature/container") == "dataframe",
        has_functions: functions("preprocess") || functions("postprocess"),
        has_code: !functions("preprocess") && !functions("postprocess") && about.get("functions").is_some(),
        versions: bundle.requirements(),
    }
}

fn text(about: &serde_json::Map<String, Value>, pointer: &str) -> String {
    let mut parts = pointer[1..].split('/');
    let first = parts.next().and_then(|key| about.get(key));
    let found = parts.fold(first, |value, key| value.and_then(|value| value.get(key)));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// For command lines and completion.
pub const NAME: &str = kserve::NAME;
