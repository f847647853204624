//! Paths, and what each answers.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use serde_json::json;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::app::{App, Problem, REQUEST_ID, Trace, beside, bytes_response, json, size};
use crate::bundle::Bundle;
use crate::connections::Connection;
use crate::frames::{Answer, Question};
use crate::guard::Denied;
use crate::log::RequestLine;
use crate::protocol::{binary, v1, v2};
use crate::status::STATUS;
use crate::{body, metrics, openapi};

type Shared = State<Arc<App>>;
type Answered = Result<Response, Problem>;

pub fn router(app: Arc<App>, origins: &[String]) -> Router {
    let router = Router::new()
        .route("/", get(alive))
        .route("/metrics", get(prometheus))
        .route("/openapi.json", get(described))
        .route(STATUS, get(status))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(v1_ready).post(v1_predict))
        .route("/v2", get(server_metadata))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models", get(models))
        .route("/v2/models/{model}", get(model_metadata))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", axum::routing::post(v2_infer))
        .route("/v2/models/{model}/versions/{version}", get(model_metadata))
        .route("/v2/models/{model}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{model}/versions/{version}/infer", axum::routing::post(v2_infer))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(app.clone())
        .layer(middleware::from_fn_with_state(app, around));
    if origins.is_empty() { router } else { router.layer(cors(origins)) }
}

/// Pages of these origins (`*`: of all) may ask, from within a browser.
fn cors(origins: &[String]) -> CorsLayer {
    let listed = || AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()));
    CorsLayer::new()
        .allow_origin(if origins.iter().any(|origin| origin == "*") { AllowOrigin::any() } else { listed() })
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, REQUEST_ID.clone()])
}

/// What goes before and behind every request: who may ask, its id, the log, and the metrics.
async fn around(
    State(app): Shared,
    connection: Option<Extension<Arc<Connection>>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let protocol = protocol(&path);
    let id = app.request_id(request.headers());
    let _in_flight = InFlight::new(&app);
    let mut response = match allowed(&app, &path, request.headers()) {
        Ok(()) => {
            let mut request = request;
            request.extensions_mut().insert(RequestId(id.clone()));
            next.run(request).await
        }
        Err(problem) => problem.response(false),
    };
    if let Some(Extension(connection)) = connection {
        connection.keeps_waiting();
    }
    let trace = response.extensions_mut().remove::<Trace>().unwrap_or_default();
    let (status, seconds) = (response.status().as_u16(), begun.elapsed().as_secs_f64());
    app.metrics.answered(protocol, status, seconds);
    // A panel asks every second how it does: that is no news.
    if path != STATUS || status >= 400 {
        app.logger.request(&RequestLine {
            request_id: &id,
            method: method.as_str(),
            path: &path,
            status,
            seconds,
            rows: trace.rows,
            replica: trace.replica,
            error: trace.error.as_deref(),
            traceback: trace.traceback.as_deref(),
        });
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

#[derive(Clone)]
struct RequestId(String);

/// Counts a request, also when its client goes away in the middle.
struct InFlight<'a>(&'a App);

impl InFlight<'_> {
    fn new(app: &App) -> InFlight<'_> {
        app.metrics.in_flight.inc();
        InFlight(app)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

/// For metrics: predictions by protocol, and all else.
fn protocol(path: &str) -> &'static str {
    match path {
        _ if path.starts_with("/v1/models/") && path.ends_with(":predict") => "v1",
        _ if path.starts_with("/v2/models/") && path.ends_with("/infer") => "v2",
        _ => "other",
    }
}

fn allowed(app: &App, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    // Whether a server lives is asked by those who have no token.
    if matches!(path, "/" | "/v2/health/live" | "/v2/health/ready") && app.guard.token.is_some() {
        return Ok(());
    }
    app.guard.check(headers).map_err(|denied| match denied {
        Denied::NoToken => Problem::new(StatusCode::UNAUTHORIZED, "send the token: `Authorization: Bearer TOKEN`"),
        Denied::OtherHost(host) => {
            let host = crate::protocol::shown(&host);
            Problem::new(StatusCode::FORBIDDEN, format!("this server has no name `{host}`: ask for localhost"))
        }
    })
}

async fn not_found(request: Request) -> Response {
    let path = crate::protocol::shown(request.uri().path());
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at `{path}`: see /openapi.json")).response(false)
}

async fn not_allowed(request: Request) -> Response {
    let (method, path) = (request.method(), crate::protocol::shown(request.uri().path()));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{path}` does not answer {method}")).response(false)
}

async fn alive() -> Response {
    json(StatusCode::OK, &json!({"status": "alive"}))
}

async fn live() -> Response {
    json(StatusCode::OK, &json!({"live": true}))
}

async fn ready(State(app): Shared) -> Response {
    if app.is_ready() {
        return json(StatusCode::OK, &json!({"ready": true}));
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Server is not ready.").response(false)
}

async fn prometheus(State(app): Shared) -> Response {
    let text = app.metrics.text(app.pool.queue.len(), &app.replicas());
    bytes_response(StatusCode::OK, metrics::CONTENT_TYPE, text.into_bytes())
}

async fn described(State(app): Shared) -> Response {
    json(StatusCode::OK, &openapi::document(&app.bundle, app.guard.token.is_some()))
}

async fn status(State(app): Shared) -> Response {
    json(StatusCode::OK, &app.status())
}

async fn models(State(app): Shared) -> Response {
    json(StatusCode::OK, &json!({"models": [app.bundle.name]}))
}

async fn server_metadata() -> Response {
    let about = json!({"name": "kale_rs", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"]});
    json(StatusCode::OK, &about)
}

async fn v1_ready(State(app): Shared, Path(model): Path<String>) -> Response {
    model_ready(State(app), Path(vec![model])).await
}

/// The model, and perhaps its version.
async fn model_ready(State(app): Shared, Path(named): Path<Vec<String>>) -> Response {
    if let Err(problem) = known(&app, &named) {
        return problem.response(false);
    }
    let name = &app.bundle.name;
    if app.is_ready() {
        return json(StatusCode::OK, &json!({"name": name, "ready": true}));
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("Model with name {name} is not ready.")).response(false)
}

async fn model_metadata(State(app): Shared, Path(named): Path<Vec<String>>) -> Response {
    if let Err(problem) = known(&app, &named) {
        return problem.response(false);
    }
    let Bundle { name, version, model, signature, .. } = &app.bundle;
    let signature = signature.clone().unwrap_or_default();
    let mut about =
        json!({"name": name, "platform": model.flavour, "inputs": signature.inputs, "outputs": signature.outputs});
    if let Some(version) = version {
        about["versions"] = json!([version]);
    }
    json(StatusCode::OK, &about)
}

fn known(app: &App, named: &[String]) -> Result<(), Problem> {
    let Some(name) = named.first().filter(|name| **name != app.bundle.name) else {
        let version = named.get(1).filter(|version| app.bundle.version.as_ref() != Some(version));
        return version.map_or(Ok(()), |version| {
            let (name, version) = (&app.bundle.name, crate::protocol::shown(version));
            Err(Problem::new(StatusCode::NOT_FOUND, format!("Model with name {name} has no version {version}.")))
        });
    };
    let name = crate::protocol::shown(name);
    Err(Problem::new(StatusCode::NOT_FOUND, format!("Model with name {name} does not exist.")))
}

async fn v1_predict(state: Shared, path: Path<String>, id: Extension<RequestId>, request: Request) -> Response {
    let shows = state.shows_tracebacks();
    v1_predicted(state, path, id, request).await.unwrap_or_else(|problem| problem.response(shows))
}

async fn v1_predicted(
    State(app): Shared,
    Path(asked): Path<String>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Answered {
    let (model, verb) = asked.rsplit_once(':').unwrap_or((&asked, ""));
    match verb {
        "predict" => known(&app, &[model.to_owned()])?,
        "explain" => return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "this model has nothing that explains it")),
        _ => {
            return Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "predictions are made at `/v1/models/NAME:predict`",
            ));
        }
    }
    check_content_type(request.headers(), true)?;
    let (body, mut share) = arrived(&app, request).await?;
    let plain = app.bundle.wants_plain_rows();
    let instances = beside(body.len(), move || v1::decode(&body, plain)).await?;
    let question = Question::Instances(instances);
    share.grow(question.size())?;
    let rows = question.rows();
    let reply = app.predict(&id, question).await?;
    drop(share);
    let body = beside(size(&reply.answer), move || match reply.answer {
        Answer::Outputs(outputs) => match outputs.first() {
            Some(predictions) => Ok(v1::encode(predictions)?),
            None => Ok(v1::wrap(b"[]")),
        },
        Answer::Json(text) => Ok(v1::wrap(&text)),
        Answer::Fault(fault) => Err(Problem::from(fault)),
    })
    .await?;
    let response = bytes_response(StatusCode::OK, "application/json", body::answer(body, &app.room)?);
    Ok(traced(response, rows, reply.replica))
}

async fn v2_infer(state: Shared, path: Path<Vec<String>>, id: Extension<RequestId>, request: Request) -> Response {
    let shows = state.shows_tracebacks();
    v2_inferred(state, path, id, request).await.unwrap_or_else(|problem| problem.response(shows))
}

async fn v2_inferred(
    State(app): Shared,
    Path(named): Path<Vec<String>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Answered {
    known(&app, &named)?;
    let length =
        request.headers().get(binary::HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    check_content_type(request.headers(), length.is_some())?;
    let (body, mut share) = arrived(&app, request).await?;
    let asked = beside(body.len(), move || v2::decode(&body, length.as_deref())).await?;
    let v2::Request { id: asked_as, inputs: tensors, parameters, wanted } = asked;
    let question = Question::Inputs { tensors, parameters };
    share.grow(question.size())?;
    let rows = question.rows();
    let reply = app.predict(&id, question).await?;
    drop(share);
    let size = size(&reply.answer);
    let outputs = match reply.answer {
        Answer::Outputs(outputs) => outputs,
        Answer::Json(_) => {
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the worker has answered in V1"));
        }
        Answer::Fault(fault) => return Err(fault.into()),
    };
    let (name, version, id) = (app.bundle.name.clone(), app.bundle.version.clone(), asked_as.unwrap_or(id));
    let encoded = beside(size, move || v2::encode((&name, version.as_deref()), &id, &outputs, &wanted)).await?;
    let kind = if encoded.json_length.is_some() { "application/octet-stream" } else { "application/json" };
    let mut response = bytes_response(StatusCode::OK, kind, body::answer(encoded.body, &app.room)?);
    if let Some(length) = encoded.json_length {
        response.headers_mut().insert(binary::HEADER, HeaderValue::from(length));
    }
    Ok(traced(response, rows, reply.replica))
}

/// The body. From here on, it is us that the connection waits for.
async fn arrived(app: &App, request: Request<Body>) -> Result<(Bytes, body::Share), Problem> {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let read = body::read(request.into_body(), &app.room, &app.limits).await?;
    if let Some(connection) = connection {
        connection.is_served();
    }
    Ok(read)
}

fn traced(mut response: Response, rows: usize, replica: usize) -> Response {
    let trace = Trace { rows: Some(rows), replica: Some(replica), ..Trace::default() };
    response.extensions_mut().insert(trace);
    response
}

/// What pages of others can send without asking first is no JSON.
fn check_content_type(headers: &HeaderMap, may_be_bytes: bool) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(given.as_bytes()).to_ascii_lowercase();
    let kind = text.split(';').next().unwrap_or_default().trim();
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    if is_json || (may_be_bytes && kind == "application/octet-stream") {
        return Ok(());
    }
    let message = match kind {
        "application/octet-stream" => {
            format!("binary tensors need the header `{}`: the length of the JSON before them", binary::HEADER)
        }
        _ => {
            format!("the body is to be JSON (`Content-Type: application/json`), not `{}`", crate::protocol::shown(kind))
        }
    };
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}
