//! What Prometheus asks for. Three of the names are KServe's, so that dashboards made for it have something to show.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use crate::frames::Seconds;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Requests whose latency is remembered one by one.
const RECENT: usize = 1024;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Labels {
    protocol: &'static str,
    code: u16,
}

pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Histogram,
    preprocess: Histogram,
    predict: Histogram,
    postprocess: Histogram,
    pub batch_rows: Histogram,
    pub in_flight: Gauge,
    pub rejected: Counter,
    pub restarts: Counter,
    queued: Gauge,
    replicas_ready: Gauge,
    memory: Family<ReplicaLabel, Gauge>,
    recent: Mutex<VecDeque<f64>>,
    predictions: Counter,
    failed: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReplicaLabel {
    replica: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub mean: f64,
}

/// Half a millisecond to a minute.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const ROWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0, 1024.0];

impl Metrics {
    pub fn new(model: &str) -> Metrics {
        let mut registry = Registry::default();
        let histogram = || Histogram::new(SECONDS);
        let metrics = Metrics {
            requests: Family::default(),
            seconds: histogram(),
            preprocess: histogram(),
            predict: histogram(),
            postprocess: histogram(),
            batch_rows: Histogram::new(ROWS),
            in_flight: Gauge::default(),
            rejected: Counter::default(),
            restarts: Counter::default(),
            queued: Gauge::default(),
            replicas_ready: Gauge::default(),
            memory: Family::default(),
            recent: Mutex::default(),
            predictions: Counter::default(),
            failed: Counter::default(),
            registry: Registry::default(),
        };
        let r = registry.sub_registry_with_label(("model_name".into(), model.to_owned().into()));
        r.register("kale_requests", "Requests answered, by protocol and status", metrics.requests.clone());
        r.register("kale_request_seconds", "From the request's headers to its answer", metrics.seconds.clone());
        r.register(
            "request_preprocess_seconds",
            "Reading the data and preprocess, of a batch",
            metrics.preprocess.clone(),
        );
        r.register("request_predict_seconds", "Predict, of a batch", metrics.predict.clone());
        r.register("request_postprocess_seconds", "Postprocess, of a batch", metrics.postprocess.clone());
        r.register("kale_batch_rows", "Rows that went to the model together", metrics.batch_rows.clone());
        r.register("kale_requests_in_flight", "Requests that are being answered", metrics.in_flight.clone());
        r.register(
            "kale_requests_rejected",
            "Requests turned away because too many were waiting",
            metrics.rejected.clone(),
        );
        r.register("kale_worker_restarts", "Processes of the model that were lost", metrics.restarts.clone());
        r.register("kale_queue_length", "Requests that wait for a process of the model", metrics.queued.clone());
        r.register("kale_replicas_ready", "Processes that have the model loaded", metrics.replicas_ready.clone());
        r.register("kale_worker_resident_bytes", "Memory of a process of the model", metrics.memory.clone());
        Metrics { registry, ..metrics }
    }

    pub fn answered(&self, protocol: &'static str, code: u16, seconds: f64) {
        self.requests.get_or_create(&Labels { protocol, code }).inc();
        if protocol == "other" {
            return;
        }
        self.seconds.observe(seconds);
        self.predictions.inc();
        if code >= 400 {
            self.failed.inc();
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(seconds);
    }

    pub fn worked(&self, seconds: &Seconds) {
        self.preprocess.observe(seconds.preprocess);
        self.predict.observe(seconds.predict);
        self.postprocess.observe(seconds.postprocess);
    }

    /// Predictions that were asked for, and those of them that failed.
    pub fn predictions(&self) -> (u64, u64) {
        (self.predictions.get(), self.failed.get())
    }

    pub fn latency(&self) -> Latency {
        let mut sorted: Vec<f64> = self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return Latency::default() };
        let at = |share: f64| sorted[(last as f64 * share).round() as usize];
        Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), mean: sorted.iter().sum::<f64>() / sorted.len() as f64 }
    }

    /// As text; what changes by itself is told when it is asked for.
    pub fn text(&self, queued: usize, replicas: &[crate::pool::ReplicaView]) -> String {
        self.queued.set(queued.try_into().unwrap_or(i64::MAX));
        let ready = replicas.iter().filter(|one| one.state.is_ready()).count();
        self.replicas_ready.set(ready.try_into().unwrap_or(i64::MAX));
        for (replica, view) in (0..).zip(replicas) {
            let bytes = view.rss_bytes.unwrap_or_default();
            self.memory.get_or_create(&ReplicaLabel { replica }).set(bytes.try_into().unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry);
        text
    }
}
