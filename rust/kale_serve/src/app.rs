//! What all requests share, and how a prediction goes from its bytes to its answer.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use serde::Serialize;
use tokio::sync::{oneshot, watch};

use crate::body::{BodyError, Room};
use crate::bundle::Bundle;
use crate::frames::{Answer, Fault, Question};
use crate::guard::Guard;
use crate::log::Logger;
use crate::metrics::Metrics;
use crate::options::Limits;
use crate::pool::{Pool, ReplicaView};
use crate::protocol::Refused;
use crate::queue::{Failure, Full, Job, Reply};
use crate::status::{Requests, State, Status};

pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bodies that take longer to read or to write than others should have to wait are seen to elsewhere.
const LARGE: usize = 256 << 10;

pub struct App {
    pub bundle: Bundle,
    pub url: String,
    pub begun: Instant,
    pub limits: Limits,
    pub guard: Guard,
    pub pool: Arc<Pool>,
    pub metrics: Arc<Metrics>,
    pub logger: Logger,
    pub room: Arc<Room>,
    pub ids: Ids,
    pub stopping: watch::Receiver<bool>,
}

/// Names of requests that came without: the server's own, and a number.
pub struct Ids {
    server: u64,
    next: AtomicU64,
}

impl Ids {
    pub fn new() -> Ids {
        Ids { server: RandomState::new().hash_one("server"), next: AtomicU64::new(1) }
    }

    pub fn next(&self) -> String {
        format!("{:016x}-{:x}", self.server, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What the log tells of a request besides what everybody sees; goes along with its response.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub rows: Option<usize>,
    pub replica: Option<usize>,
    pub error: Option<String>,
    pub traceback: Option<String>,
}

/// An answer that is none.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub message: String,
    kind: Option<String>,
    traceback: Option<String>,
    retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Problem {
        Problem { status, message: message.into(), kind: None, traceback: None, retry_after: None }
    }

    fn unavailable(message: impl Into<String>, retry_after: u64) -> Problem {
        Problem { retry_after: Some(retry_after), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// With the traceback where whoever asks may see it.
    pub fn response(self, shows_traceback: bool) -> Response {
        #[derive(Serialize)]
        struct Told<'a> {
            error: &'a str,
            #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
            kind: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            traceback: Option<&'a str>,
        }
        let traceback = self.traceback.as_deref().filter(|_| shows_traceback);
        let told = Told { error: &self.message, kind: self.kind.as_deref(), traceback };
        let mut response = json(self.status, &told);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let trace = Trace { error: Some(self.message), traceback: self.traceback, ..Trace::default() };
        response.extensions_mut().insert(trace);
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, refused.0)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Problem {
        match error {
            BodyError::TooLarge { most } => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {most} bytes"))
            }
            BodyError::TooSlow => Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            BodyError::NoRoom => Problem::unavailable("too many large requests or answers at one time", 1),
            BodyError::Broken(reason) => Problem::new(StatusCode::BAD_REQUEST, format!("the body broke off: {reason}")),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A request that is wrong has no type: its message says all.
        let kind = status.is_server_error().then_some(fault.kind);
        Problem { kind, traceback: fault.traceback, ..Problem::new(status, fault.message) }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        match failure {
            Failure::Lost(reason) => {
                let first = reason.lines().next().unwrap_or_default().trim_end_matches("; its last words:");
                let message = format!("the model's process was lost while it had this request: {first}");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
            Failure::Slow => slow(),
            Failure::Stopping => Problem::unavailable("the server is stopping", 1),
        }
    }
}

fn slow() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "the model did not answer in time")
}

pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("plain data is JSON");
    bytes_response(status, "application/json", body)
}

pub fn bytes_response(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl App {
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.pool.is_ready()
    }

    pub fn shows_tracebacks(&self) -> bool {
        self.guard.is_loopback
    }

    /// The answer of the model's process, or why there is none.
    pub async fn predict(&self, id: &str, question: Question) -> Result<Reply, Problem> {
        if self.is_stopping() {
            return Err(Failure::Stopping.into());
        }
        if !self.pool.is_promising() {
            let name = &self.bundle.name;
            return Err(Problem::unavailable(format!("Model with name {name} is not ready."), 1));
        }
        let (reply, answered) = oneshot::channel();
        let arrived = tokio::time::Instant::now();
        let deadline = arrived + self.limits.request_timeout;
        let job = Job { id: id.to_owned(), question, arrived, deadline, reply };
        if let Err(Full) = self.pool.queue.push(job) {
            self.metrics.rejected.inc();
            return Err(Problem::unavailable("too many requests are waiting", self.pool.retry_after()));
        }
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(answered)) => answered.map_err(Problem::from),
            Ok(Err(_)) => Err(Failure::Stopping.into()),
            Err(_) => Err(slow()),
        }
    }

    pub fn status(&self) -> Status {
        let state = match () {
            () if self.is_stopping() => State::Stopping,
            () if self.pool.is_whole() => State::Ready,
            () if self.pool.is_promising() => State::Degraded,
            () => State::Starting,
        };
        let (total, errors) = self.metrics.predictions();
        Status {
            name: self.bundle.name.clone(),
            version: self.bundle.version.clone(),
            state,
            url: self.url.clone(),
            uptime_seconds: self.begun.elapsed().as_secs_f64(),
            replicas: self.replicas(),
            batch_rows: self.pool.queue.max_rows,
            requests: Requests {
                total,
                errors,
                rejected: self.metrics.rejected.get(),
                in_flight: self.metrics.in_flight.get(),
                queued: self.pool.queue.len(),
            },
            latency_seconds: self.metrics.latency(),
        }
    }

    pub fn replicas(&self) -> Vec<ReplicaView> {
        self.pool.replicas.iter().map(crate::pool::Replica::view).collect()
    }

    /// The name that a client has given its request, or a new one.
    pub fn request_id(&self, headers: &HeaderMap) -> String {
        let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        given.filter(|id| !id.is_empty() && id.len() <= 128).map_or_else(|| self.ids.next(), str::to_owned)
    }
}

/// Carries out what may take long beside the requests of others.
pub async fn beside<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if size < LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// How much an answer has to write.
pub fn size(answer: &Answer) -> usize {
    match answer {
        Answer::Outputs(outputs) => outputs.iter().map(|output| output.data.len()).sum(),
        Answer::Json(text) => text.len(),
        Answer::Fault(_) => 0,
    }
}
