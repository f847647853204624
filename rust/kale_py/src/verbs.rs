//! One function per verb.

use std::ffi::OsString;

use kale_model::{Diagnostic, GraphView};
use kale_verbs::graph::GraphRequest;
use kale_verbs::render::{Context, Style, comparison, dot, outline, svg, text, why};
use kale_verbs::schedule::ScheduleAnswer;
use kale_verbs::serve::ServeRequest;
use kale_verbs::show::ShowRequest;
use kale_verbs::{Listing, Session, VerbError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::exception;
use crate::listener::Callback;
use crate::session::session;

/// Runs the command `kale-rs` and gives its exit status.
#[pyfunction]
pub fn main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<i32> {
    let session = session(py)?;
    Ok(py.detach(|| kale_cli::main(argv, &session)))
}

/// The verbs that the command's help lists.
#[pyfunction]
pub fn cli_verbs() -> Vec<String> {
    kale_cli::verbs()
}

/// An answer with its diagnostics as text beside it.
fn with_text(answer: &impl Serialize, diagnostics: &[Diagnostic], listing: &Listing) -> Value {
    let mut value = serde_json::to_value(answer).expect("answers are plain data");
    value["text"] = text::diagnostics(diagnostics, &Context { listing, colour: false }).into();
    value
}

fn read<R: DeserializeOwned>(request: &str) -> PyResult<R> {
    serde_json::from_str(request).map_err(|error| PyValueError::new_err(format!("the request is malformed: {error}")))
}

fn ask<R, A>(
    py: Python<'_>,
    request: &str,
    verb: impl FnOnce(&Session, &R) -> Result<A, VerbError> + Send,
) -> PyResult<String>
where
    R: DeserializeOwned + Send + Sync,
    A: Serialize + Send,
{
    let session = session(py)?;
    let request: R = read(request)?;
    let answer = py.detach(|| verb(&session, &request)).map_err(|error| exception(py, &error))?;
    Ok(serde_json::to_string(&answer).expect("answers are plain data"))
}

/// As [`ask`], for verbs that talk while they work.
fn follow<R, A>(
    py: Python<'_>,
    request: &str,
    mut callback: Callback,
    verb: impl FnOnce(&Session, &R, &mut Callback) -> Result<A, VerbError> + Send,
) -> PyResult<String>
where
    R: DeserializeOwned + Send + Sync,
    A: Serialize + Send,
{
    let session = session(py)?;
    let request: R = read(request)?;
    let answer = py.detach(|| verb(&session, &request, &mut callback));
    if let Some(raised) = callback.raised {
        return Err(raised);
    }
    let answer = answer.map_err(|error| exception(py, &error))?;
    Ok(serde_json::to_string(&answer).expect("answers are plain data"))
}

#[pyfunction]
pub fn check(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request| {
        let checked = kale_verbs::check::check(session, request)?;
        Ok(with_text(&checked, &checked.diagnostics, &checked.listing))
    })
}

#[pyfunction]
pub fn graph(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request: &GraphRequest| {
        let graphed = kale_verbs::graph::graph(session, request)?;
        let mut value = with_text(&graphed.graph, &graphed.graph.diagnostics, &graphed.listing);
        if let Some((from, to)) = request.why.as_ref().filter(|_| graphed.graph.why.is_some()) {
            let context = Context { listing: &graphed.listing, colour: false };
            value["reasons"] = why::why(&graphed.graph, from, to, &context).into();
        }
        if let Some(layout) = &graphed.layout {
            value["layout"] = serde_json::to_value(layout).expect("plain data");
        }
        Ok(value)
    })
}

#[pyfunction]
pub fn compile(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request| {
        let answer = kale_verbs::compile::compile(session, request)?;
        let mut value = with_text(&answer, &answer.diagnostics, &answer.listing);
        value["emitted"] = answer.text.into();
        Ok(value)
    })
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None, cancel_on_interrupt=true))]
pub fn run(py: Python<'_>, request: &str, on_event: Option<Py<PyAny>>, cancel_on_interrupt: bool) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, cancel_on_interrupt), |session, request, listener| {
        let answer = kale_verbs::run::run(session, request, listener)?;
        Ok(with_text(&answer, &answer.run.diagnostics, &answer.listing))
    })
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None, cancel_on_interrupt=true))]
pub fn resume(
    py: Python<'_>,
    request: &str,
    on_event: Option<Py<PyAny>>,
    cancel_on_interrupt: bool,
) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, cancel_on_interrupt), |session, request, listener| {
        let answer = kale_verbs::resume::resume(session, request, listener)?;
        Ok(with_text(&answer.run, &answer.run.diagnostics, &answer.listing))
    })
}

#[pyfunction]
pub fn runs(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::runs::runs)
}

#[pyfunction]
pub fn show(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request: &ShowRequest| {
        if request.pulse {
            return Ok(serde_json::to_value(kale_verbs::show::pulse(session, request)?).expect("plain data"));
        }
        if let Some(step) = &request.step {
            let page = kale_verbs::show::show_step(session, request, step)?;
            return Ok(serde_json::to_value(page).expect("plain data"));
        }
        let shown = kale_verbs::show::show(session, request)?;
        Ok(with_text(&shown, &shown.run.diagnostics, &shown.listing))
    })
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None))]
pub fn logs(py: Python<'_>, request: &str, on_event: Option<Py<PyAny>>) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, false), |session, request, listener| {
        kale_verbs::logs::logs(session, request, listener)
    })
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None))]
pub fn cancel(py: Python<'_>, request: &str, on_event: Option<Py<PyAny>>) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, false), |session, request, listener| {
        kale_verbs::cancel::cancel(session, request, listener)
    })
}

#[pyfunction]
pub fn archive(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::archive::archive)
}

#[pyfunction]
pub fn unarchive(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::archive::unarchive)
}

#[pyfunction]
pub fn schedule(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request| {
        let answer = kale_verbs::schedule::schedule(session, request)?;
        Ok(match &answer {
            ScheduleAnswer::Added(added) => with_text(added, &added.diagnostics, &added.listing),
            other => serde_json::to_value(other).expect("answers are plain data"),
        })
    })
}

/// Returns once the service is ready; a request that is not detached would never come back.
#[pyfunction]
pub fn serve(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request: &ServeRequest| {
        let request = ServeRequest { detach: true, ..request.clone() };
        kale_verbs::serve::serve(session, &request, &())
    })
}

/// What of a service would be refused when its model has been packed.
#[pyfunction]
pub fn check_service(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::serve::check)
}

#[pyfunction]
pub fn services(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::services::services)
}

#[pyfunction]
pub fn predict(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::predict::predict)
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None, cancel_on_interrupt=true))]
pub fn sweep(
    py: Python<'_>,
    request: &str,
    on_event: Option<Py<PyAny>>,
    cancel_on_interrupt: bool,
) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, cancel_on_interrupt), |session, request, listener| {
        let answer = kale_verbs::sweep::sweep(session, request, listener)?;
        Ok(with_text(&answer, &answer.diagnostics, &answer.listing))
    })
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None, cancel_on_interrupt=true))]
pub fn sweeps(
    py: Python<'_>,
    request: &str,
    on_event: Option<Py<PyAny>>,
    cancel_on_interrupt: bool,
) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, cancel_on_interrupt), |session, request, listener| {
        kale_verbs::sweeps::sweeps(session, request, listener)
    })
}

#[pyfunction]
pub fn diff(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request| {
        let diff = kale_verbs::diff::diff(session, request)?;
        let (text, markdown) = (comparison::text(&diff, Style { colour: false }), comparison::markdown(&diff));
        Ok(serde_json::json!({"diff": diff, "text": text, "markdown": markdown}))
    })
}

#[pyfunction]
pub fn restore(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::restore::restore)
}

#[pyfunction]
#[pyo3(signature = (request, on_event=None))]
pub fn snapshot(py: Python<'_>, request: &str, on_event: Option<Py<PyAny>>) -> PyResult<String> {
    follow(py, request, Callback::new(on_event, false), |session, request, listener| {
        kale_verbs::snapshot::snapshot(session, request, listener)
    })
}

#[pyfunction]
pub fn lineage(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::lineage::lineage)
}

#[pyfunction]
pub fn artifact(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::artifact::artifact)
}

#[pyfunction]
pub fn gc(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::gc::gc)
}

#[pyfunction]
pub fn context(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::context::context)
}

#[pyfunction]
pub fn doctor(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, kale_verbs::doctor::doctor)
}

#[pyfunction]
pub fn explain(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |_session, request| kale_verbs::explain::explain(request))
}

#[pyfunction]
pub fn explain_overlay(py: Python<'_>, request: &str) -> PyResult<String> {
    ask(py, request, |session, request| {
        let explained = kale_verbs::explain_overlay::explain_overlay(session, request)?;
        Ok(with_text(&explained, &explained.diagnostics, &explained.listing))
    })
}

/// A graph (as `graph` gives it) in another format: `svg`, `dot` or `text`.
#[pyfunction]
pub fn render_graph(graph: &str, format: &str) -> PyResult<String> {
    let graph: GraphView = read(graph)?;
    match format {
        "svg" => Ok(svg::graph(&graph)),
        "dot" => Ok(dot::graph(&graph)),
        "text" => Ok(outline::graph(&graph, false)),
        other => Err(PyValueError::new_err(format!("`{other}` is no format: use `svg`, `dot` or `text`"))),
    }
}
