//! What KServe refuses, or takes and does otherwise (versions 0.20 and 0.21).

use super::{Fault, Mode, Runtime, Service};

/// Hosts are named after a service and its component: `NAME-transformer`, within the 63 characters of a label.
pub const LONGEST_NAME: usize = 63 - "-transformer".len();
/// Where KServe's storage initializer reads from.
const SCHEMES: &[&str] = &[
    "pvc://",
    "s3://",
    "gs://",
    "hdfs://",
    "webhdfs://",
    "hf://",
    "modelscope://",
    "oci://",
    "oci+native://",
    "oci+fetch://",
    "https://",
    "http://",
];

pub fn faults(service: &Service) -> Vec<Fault> {
    let mut found = vec![];
    let mut refuse = |message: String, help: &str| found.push((message, help.to_owned()));
    let uris = [Some(&service.storage_uri), service.canary.as_ref().and_then(|canary| canary.stable_uri.as_ref())];
    for uri in uris.into_iter().flatten() {
        if !SCHEMES.iter().any(|scheme| uri.len() > scheme.len() && uri.starts_with(scheme)) {
            let message = format!("KServe cannot read a bundle from `{uri}`.");
            refuse(
                message,
                "Copy the bundle to a claim (`pvc://CLAIM/PATH`) or an object store (`s3://BUCKET/PATH`), and name that.",
            );
        }
    }
    let scaling = &service.scaling;
    let (min, max) = (scaling.min.unwrap_or(1), scaling.max);
    if max.is_some_and(|max| max < min.max(1)) {
        refuse(
            format!("At most {} replicas are fewer than at least {min}.", max.unwrap_or_default()),
            "Give a larger `--max-replicas`.",
        );
    }
    let metric = scaling.metric.as_deref().unwrap_or("cpu");
    match service.mode {
        Mode::Standard => {
            let keda = scaling.class.as_deref() == Some("keda");
            if scaling.min == Some(0) && !keda {
                refuse(
                    "The mode Standard keeps at least one replica: its autoscaler cannot come from none.".to_owned(),
                    "Use `--mode knative`, or `--autoscaler keda`.",
                );
            }
            if !matches!(metric, "cpu" | "memory") && !keda {
                refuse(
                    format!("In the mode Standard replicas follow `cpu` or `memory`, and not `{metric}`."),
                    "Use another `--scale-metric`, `--autoscaler keda`, or `--mode knative`.",
                );
            }
        }
        Mode::Knative => {
            if let Some(class) = &scaling.class {
                refuse(
                    format!("The autoscaler `{class}` is one of the mode Standard; Knative has its own."),
                    "Leave `--autoscaler` out.",
                );
            }
        }
    }
    if let Some(canary) = &service.canary {
        if canary.percent == 0 || canary.percent > 100 {
            refuse(
                format!("A canary has 1 to 100 percent of the requests, and not {}.", canary.percent),
                "Give another share.",
            );
        }
        if service.mode == Mode::Standard && canary.stable_uri.is_none() {
            refuse(
                "In the mode Standard a canary stands beside a stable predictor, which the same resource describes."
                    .to_owned(),
                "Say where its bundle is, with `--stable-uri`.",
            );
        }
        if service.transformer && service.mode == Mode::Standard {
            refuse(
                "In the mode Standard a canary is a predictor: a transformer before it is the same for both."
                    .to_owned(),
                "Leave `--transformer` out, or use `--mode knative`.",
            );
        }
    }
    if service.transformer && !service.model.has_functions {
        refuse(
            "The bundle has no functions that a transformer would carry out.".to_owned(),
            "Leave `--transformer` out.",
        );
    }
    found
}

pub fn quirks(service: &Service) -> Vec<Fault> {
    let mut found = vec![];
    if service.mode == Mode::Knative && service.canary.as_ref().is_some_and(|canary| canary.stable_uri.is_some()) {
        found.push((
            "Knative gives the other requests to the revision that it had before, wherever its bundle is.".to_owned(),
            "Leave `--stable-uri` out.".to_owned(),
        ));
    }
    if matches!(service.runtime, Runtime::Native(_)) && !service.limits.contains_key("memory") {
        found.push((
            "Runtimes of KServe's have limits of their own: 1 CPU and 2 GiB of memory.".to_owned(),
            "Set `resources` in the overlay where the model needs more.".to_owned(),
        ));
    }
    found
}
