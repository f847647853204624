//! An InferenceService of `serving.kserve.io/v1beta1`, as types: what is not here cannot be emitted.

use std::collections::BTreeMap;

use kale_model::{Namespace, Toleration};
use serde::Serialize;

use super::ours::{self, Container, Part, Resources};
use super::{Mode, Service, resource_name, runtimes};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InferenceService {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub spec: Spec,
}

#[derive(Clone, Debug, Serialize)]
pub struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    pub labels: BTreeMap<&'static str, String>,
    pub annotations: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Spec {
    pub predictor: Predictor,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformer: Option<Predictor>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub canary: Vec<CanarySpec>,
}

/// A component; a transformer has no `model` and no `name`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Predictor {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_metric: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_target: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_traffic_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSpec>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// The schema wants one in a canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    pub model_format: ModelFormat,
    pub runtime: &'static str,
    pub protocol_version: &'static str,
    pub storage_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ModelFormat {
    pub name: &'static str,
    pub version: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanarySpec {
    pub traffic_percent: u8,
    pub predictor: Predictor,
}

const MODE: &str = "serving.kserve.io/deploymentMode";
const AUTOSCALER: &str = "serving.kserve.io/autoscalerClass";

pub fn of(service: &Service) -> InferenceService {
    let labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by", "kale-rs".to_owned()),
        ("kale-rs/bundle", service.version.clone()),
    ]);
    // Clusters differ in what they take it for, and say nothing where it is another.
    let mut annotations = BTreeMap::from([(MODE, service.mode.as_str().to_owned())]);
    if service.mode == Mode::Standard {
        annotations.insert(AUTOSCALER, service.scaling.class.clone().unwrap_or_else(|| "hpa".to_owned()));
    }
    InferenceService {
        api_version: "serving.kserve.io/v1beta1",
        kind: "InferenceService",
        metadata: Metadata { name: resource_name(service), namespace: service.namespace.clone(), labels, annotations },
        spec: spec(service),
    }
}

fn spec(service: &Service) -> Spec {
    let part = if service.transformer { Part::Model } else { Part::All };
    let mut predictor = scaled(service, serving(service, part, &service.storage_uri));
    let mut canary = vec![];
    match (&service.canary, service.mode) {
        (Some(share), Mode::Knative) => predictor.canary_traffic_percent = Some(share.percent),
        (Some(share), Mode::Standard) => {
            let stable = share.stable_uri.as_deref().unwrap_or(&service.storage_uri);
            // A canary has no autoscaler of its own.
            let mut new = serving(service, part, &service.storage_uri);
            new.name = Some(format!("v{}", service.version));
            if let Some(model) = &mut new.model {
                model.name = Some("kserve-container");
            }
            canary.push(CanarySpec { traffic_percent: share.percent, predictor: new });
            predictor =
                Predictor { name: Some("stable".to_owned()), ..scaled(service, serving(service, part, stable)) };
        }
        (None, _) => {}
    }
    let transformer =
        service.transformer.then(|| scaled(service, component(service, Part::Transformer, &service.storage_uri)));
    Spec { predictor, transformer, canary }
}

/// Who answers for the model.
fn serving(service: &Service, part: Part, storage_uri: &str) -> Predictor {
    let Ok(Some(runtime)) = runtimes::choose(service) else { return component(service, part, storage_uri) };
    let model = ModelSpec {
        name: None,
        model_format: ModelFormat { name: runtime.model_format, version: runtime.model_version },
        runtime: runtime.name,
        protocol_version: "v2",
        storage_uri: runtimes::model_uri(storage_uri),
        resources: ours::resources(&service.limits),
    };
    Predictor { model: Some(model), ..bare(service) }
}

fn component(service: &Service, part: Part, storage_uri: &str) -> Predictor {
    Predictor { containers: vec![ours::container(service, part, storage_uri)], ..bare(service) }
}

fn bare(service: &Service) -> Predictor {
    Predictor {
        container_concurrency: service.concurrency,
        timeout: service.timeout,
        service_account_name: service.service_account.clone(),
        node_selector: service.node_selector.clone(),
        tolerations: service.tolerations.clone(),
        ..Predictor::default()
    }
}

fn scaled(service: &Service, component: Predictor) -> Predictor {
    let scaling = &service.scaling;
    Predictor {
        min_replicas: scaling.min,
        max_replicas: scaling.max,
        scale_metric: scaling.metric.clone(),
        scale_target: scaling.target,
        ..component
    }
}
