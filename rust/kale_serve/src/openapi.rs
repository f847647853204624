//! The server's own description, with the model's columns in its examples.

use serde_json::{Value, json};

use crate::bundle::{Bundle, TensorType};
use crate::status::STATUS;

pub fn document(bundle: &Bundle, has_token: bool) -> Value {
    let name = &bundle.name;
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": bundle.version.as_deref().unwrap_or("1"),
            "description": "A model behind KServe's protocols V1 and V2 (Open Inference)."
        },
        "paths": {
            format!("/v1/models/{name}:predict"): {"post": operation("Predict (V1)", v1_request(bundle), v1_answer())},
            format!("/v2/models/{name}/infer"): {"post": operation("Infer (V2)", v2_request(bundle), v2_answer())},
            "/v1/models": {"get": plain("Names of models")},
            format!("/v1/models/{name}"): {"get": plain("Whether the model is ready (V1)")},
            "/v2": {"get": plain("The server and its extensions")},
            "/v2/models": {"get": plain("Names of models")},
            format!("/v2/models/{name}"): {"get": plain("What the model takes and gives")},
            format!("/v2/models/{name}/ready"): {"get": plain("Whether the model is ready")},
            "/v2/health/live": {"get": plain("Whether the server lives")},
            "/v2/health/ready": {"get": plain("Whether the server is ready")},
            "/metrics": {"get": plain("Metrics for Prometheus")},
            (STATUS): {"get": plain("State, traffic and latency")}
        },
        "components": {"schemas": schemas()}
    });
    if has_token {
        document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
        document["security"] = json!([{"token": []}]);
    }
    document
}

fn operation(summary: &str, request: Value, answer: Value) -> Value {
    let problem = json!({"description": "Why there is no answer", "content": content(json!({"$ref": "#/components/schemas/Error"}))});
    json!({
        "summary": summary,
        "requestBody": {"required": true, "content": content(request)},
        "responses": {
            "200": {"description": "The answer", "content": content(answer)},
            "400": problem, "413": problem, "500": problem, "503": problem, "504": problem
        }
    })
}

fn plain(summary: &str) -> Value {
    json!({"summary": summary, "responses": {"200": {"description": summary}}})
}

fn content(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn v1_request(bundle: &Bundle) -> Value {
    let mut schema = json!({
        "type": "object", "required": ["instances"], "properties": {"instances": {"type": "array", "items": {}}}
    });
    let signature = bundle.signature.as_ref().filter(|_| !bundle.wants_plain_rows());
    let shape = signature.and_then(|signature| signature.inputs.first()).map(|input| &input.shape);
    if let Some(columns) = signature.map(|signature| &signature.columns).filter(|columns| !columns.is_empty()) {
        let row: serde_json::Map<String, Value> = columns
            .iter()
            .map(|column| (column.name.clone(), example(column.dtype.as_deref().unwrap_or("float"))))
            .collect();
        schema["examples"] = json!([{"instances": [row]}]);
    } else if let Some([_, width]) = shape.map(Vec::as_slice)
        && let Ok(width @ 1..=64) = usize::try_from(*width)
    {
        schema["examples"] = json!([{"instances": [vec![0.5; width]]}]);
    }
    schema
}

fn example(dtype: &str) -> Value {
    match dtype {
        _ if dtype.starts_with("int") || dtype.starts_with("uint") => json!(1),
        _ if dtype.starts_with("bool") => json!(true),
        _ if dtype.starts_with("float") => json!(0.5),
        _ => json!("text"),
    }
}

fn v1_answer() -> Value {
    json!({"type": "object", "properties": {"predictions": {}}})
}

fn v2_request(bundle: &Bundle) -> Value {
    let mut schema = json!({
        "type": "object", "required": ["inputs"], "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}}
        }
    });
    let inputs = bundle.signature.iter().flat_map(|signature| &signature.inputs);
    let examples: Vec<Value> = inputs.map(tensor).collect();
    if !examples.is_empty() {
        schema["examples"] = json!([{"inputs": examples}]);
    }
    schema
}

/// With one row.
fn tensor(about: &TensorType) -> Value {
    let shape: Vec<u64> = about.shape.iter().map(|&axis| u64::try_from(axis).unwrap_or(1)).collect();
    let value = match about.datatype.as_str() {
        "BYTES" => json!("text"),
        "BOOL" => json!(true),
        float if float.starts_with("FP") => json!(0.5),
        _ => json!(1),
    };
    let count: u64 = shape.iter().product::<u64>().min(64);
    json!({"name": about.name, "datatype": about.datatype, "shape": shape, "data": vec![value; count as usize]})
}

fn v2_answer() -> Value {
    json!({
        "type": "object", "required": ["model_name", "id", "outputs"], "properties": {
            "model_name": {"type": "string"}, "model_version": {"type": "string"}, "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}}
        }
    })
}

fn schemas() -> Value {
    let datatypes: Vec<&str> = crate::protocol::Datatype::ALL.iter().map(|one| one.name()).collect();
    json!({
        "Tensor": {
            "type": "object", "required": ["name", "datatype", "shape"], "properties": {
                "name": {"type": "string"},
                "datatype": {"enum": datatypes},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "parameters": {"type": "object"},
                "data": {"type": "array"}
            }
        },
        "Error": {
            "type": "object", "required": ["error"], "properties": {
                "error": {"type": "string"}, "type": {"type": "string"}, "traceback": {"type": "string"}
            }
        }
    })
}
