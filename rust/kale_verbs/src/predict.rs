//! `predict`: asks a service, by its name. What goes wrong in the service is part of the answer.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::VerbError;
use crate::notebook::plain;
use crate::serve::{Record, read_bundle};
use crate::services::{ServiceChoice, client, find};
use crate::session::Session;

/// The server itself gives up after a minute.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Deserialize)]
pub struct PredictRequest {
    #[serde(flatten)]
    pub service: ServiceChoice,
    /// A list of rows, one row as an object, or the body of a request: `{"instances": [...]}` (V1) or
    /// `{"inputs": [...]}` (V2). `None`: the example that it was packed with.
    #[serde(default)]
    pub data: Option<Value>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Predicted {
    pub name: String,
    /// HTTP's.
    pub status: u16,
    pub seconds: f64,
    /// The example that it was packed with, where nothing else was asked: `{"instances": [...]}`.
    pub example: Option<Value>,
    /// An answer for each row, or with V2 a tensor for each output; `None`: see `error`.
    pub predictions: Option<Value>,
    pub error: Option<ServiceFault>,
}

/// What a service says of a request that it does not answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceFault {
    pub message: String,
    /// The exception's class in the service, and its traceback there.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub traceback: Option<String>,
}

pub fn predict(session: &Session, request: &PredictRequest) -> Result<Predicted, VerbError> {
    let record = find(session, &request.service)?;
    let (data, example) = match &request.data {
        Some(data) => (data.clone(), None),
        None => example(&record).map(|example| (example.clone(), Some(example)))?,
    };
    let Asked { path, body, answer } = asked(&record.name, &data);
    let began = Instant::now();
    let told = client(&record, PATIENCE).post(&path, body.to_string().into_bytes()).map_err(|error| {
        let message = format!("service `{}` at {} does not answer: {}", record.name, record.url, plain(&error));
        VerbError::usage(message, format!("`kale-rs services logs {}` may say why", record.name))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let told_json: Value = serde_json::from_slice(&told.body).unwrap_or_default();
    let fault = || {
        let text = |key: &str| told_json[key].as_str().map(str::to_owned);
        let message = text("error").unwrap_or_else(|| String::from_utf8_lossy(&told.body).into_owned());
        ServiceFault { message, kind: text("type"), traceback: text("traceback") }
    };
    let is_good = told.status == 200;
    Ok(Predicted {
        name: record.name.clone(),
        status: told.status,
        seconds,
        example,
        predictions: is_good.then(|| told_json[answer].clone()),
        error: (!is_good).then(fault),
    })
}

struct Asked {
    path: String,
    body: Value,
    /// What of the answer holds the predictions.
    answer: &'static str,
}

fn asked(name: &str, data: &Value) -> Asked {
    let v1 = |body| Asked { path: format!("/v1/models/{name}:predict"), body, answer: "predictions" };
    match data {
        Value::Object(body) if body.contains_key("inputs") => {
            Asked { path: format!("/v2/models/{name}/infer"), body: data.clone(), answer: "outputs" }
        }
        Value::Object(body) if body.contains_key("instances") => v1(data.clone()),
        Value::Array(rows) => v1(json!({"instances": rows})),
        row => v1(json!({"instances": [row]})),
    }
}

fn example(record: &Record) -> Result<Value, VerbError> {
    let bundle = read_bundle(&record.bundle)?;
    bundle.about.get("example").cloned().ok_or_else(|| {
        VerbError::usage(
            format!("nothing to predict, and service `{}` has no example", record.name),
            "give rows as JSON, such as `[[1, 2], [3, 4]]`",
        )
    })
}
