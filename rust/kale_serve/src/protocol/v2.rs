//! KServe's protocol V2, the Open Inference Protocol: named tensors in, named tensors out.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::binary::{self, Parts};
use super::json::{Elements, Typed, flatten};
use super::{Datatype, Refused, Tensor, elements, miscounted, shown};

pub type Parameters = Map<String, Value>;

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub id: Option<String>,
    pub inputs: Vec<Tensor>,
    pub parameters: Parameters,
    pub wanted: Wanted,
}

/// Which outputs the answer is to have, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// None: all.
    outputs: Option<Vec<(String, bool)>>,
    binary: bool,
}

/// `length` is that of the JSON, from the header, where tensors follow it.
pub fn decode(body: &Bytes, length: Option<&str>) -> Result<Request, Refused> {
    let (json, rest) = match length {
        Some(length) => binary::split(body, length)?,
        None => (body.clone(), Bytes::new()),
    };
    let request: Written =
        serde_json::from_slice(&json).map_err(|error| Refused(format!("the body is no request of V2: {error}")))?;
    let mut parts = Parts::new(rest);
    let mut names = HashSet::new();
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in request.inputs {
        if !names.insert(input.name.clone()) {
            return Err(Refused(format!("there are two inputs `{}`", shown(&input.name))));
        }
        inputs.push(input.decode(&mut parts, length.is_some())?);
    }
    parts.end()?;
    if inputs.is_empty() {
        return Err(Refused("there are no inputs".to_owned()));
    }
    let parameters = request.parameters.unwrap_or_default();
    let binary = parameters.get("binary_data_output").and_then(Value::as_bool).unwrap_or_default();
    let outputs = request.outputs.filter(|outputs| !outputs.is_empty());
    let outputs = outputs.map(|outputs| outputs.into_iter().map(|one| one.wanted(binary)).collect());
    Ok(Request { id: request.id, inputs, parameters, wanted: Wanted { outputs, binary } })
}

#[derive(Deserialize)]
struct Written<'a> {
    id: Option<String>,
    parameters: Option<Parameters>,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    outputs: Option<Vec<Requested>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    #[serde(deserialize_with = "axes")]
    shape: Vec<u64>,
    datatype: String,
    parameters: Option<Parameters>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Requested {
    name: String,
    parameters: Option<Parameters>,
}

impl Requested {
    fn wanted(self, otherwise: bool) -> (String, bool) {
        let binary = self.parameters.as_ref().and_then(|parameters| parameters.get("binary_data")?.as_bool());
        (self.name, binary.unwrap_or(otherwise))
    }
}

/// Lengths of axes. A number with a point is one, too, as long as nothing follows it.
fn axes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    let written = Vec::<Value>::deserialize(deserializer)?;
    let axis = |value: &Value| {
        let whole = value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=9e15).contains(float));
        value.as_u64().or(whole.map(|float| float as u64))
    };
    let found: Option<Vec<u64>> = written.iter().map(axis).collect();
    found.ok_or_else(|| serde::de::Error::custom("`shape` has to be a list of lengths, none of them negative"))
}

impl Input<'_> {
    fn decode(self, parts: &mut Parts, is_binary: bool) -> Result<Tensor, Refused> {
        let datatype = Datatype::parse(&self.datatype)?;
        let size = self.parameters.as_ref().and_then(|parameters| parameters.get("binary_data_size"));
        let name = shown(&self.name);
        match (self.data, size) {
            (Some(_), Some(_)) => {
                Err(Refused(format!("input `{name}` has both `data` and `binary_data_size`: one of them is too much")))
            }
            (None, Some(_)) if !is_binary => {
                Err(Refused(format!("input `{name}` is to be binary, and the header `{}` is missing", binary::HEADER)))
            }
            (None, Some(size)) => {
                let data = parts.take(&self.name, size)?;
                Tensor::new(self.name, datatype, self.shape, data)
            }
            (None, None) => Err(Refused(format!("input `{name}` has no `data`"))),
            (Some(_), None) if datatype == Datatype::Fp16 => {
                Err(Refused(format!("FP16 does not go into JSON: send input `{name}` as binary data")))
            }
            (Some(data), None) => {
                let expected = elements(&self.name, &self.shape)?;
                if !data.get().starts_with('[') {
                    return Err(Refused(format!("`data` of input `{name}` has to be a list")));
                }
                let mut typed = Typed::new(datatype);
                flatten(data.get(), &mut typed).map_err(|why| Refused(format!("`data` of input `{name}`: {why}")))?;
                if typed.count != expected {
                    return Err(miscounted(&self.name, typed.count, &self.shape, expected));
                }
                Ok(Tensor { name: self.name, datatype, shape: self.shape, data: typed.data.into() })
            }
        }
    }
}

/// An answer's body, and the length of its JSON where tensors follow it.
pub struct Encoded {
    pub body: Vec<u8>,
    pub json_length: Option<usize>,
}

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    model_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<&'a str>,
}

pub fn encode(
    (model_name, model_version): (&str, Option<&str>),
    id: &str,
    outputs: &[Tensor],
    wanted: &Wanted,
) -> Result<Encoded, Refused> {
    let mut body = serde_json::to_vec(&Head { id, model_name, model_version }).expect("texts are JSON");
    body.pop();
    body.extend_from_slice(b",\"outputs\":[");
    let mut parts: Vec<&[u8]> = Vec::new();
    for (number, (output, binary)) in chosen(outputs, wanted)?.into_iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        write_output(output, binary, &mut body)?;
        if binary {
            parts.push(&output.data);
        }
    }
    body.extend_from_slice(b"]}");
    let json_length = (!parts.is_empty()).then_some(body.len());
    for part in parts {
        body.extend_from_slice(part);
    }
    Ok(Encoded { body, json_length })
}

fn chosen<'a>(outputs: &'a [Tensor], wanted: &Wanted) -> Result<Vec<(&'a Tensor, bool)>, Refused> {
    let Some(names) = &wanted.outputs else {
        return Ok(outputs.iter().map(|output| (output, wanted.binary)).collect());
    };
    let find = |(name, binary): &(String, bool)| {
        let known = || outputs.iter().map(|output| format!("`{}`", output.name)).collect::<Vec<_>>().join(", ");
        let found = outputs.iter().find(|output| output.name == *name);
        let output =
            found.ok_or_else(|| Refused(format!("there is no output `{}`; there is {}", shown(name), known())))?;
        Ok((output, *binary))
    };
    names.iter().map(find).collect()
}

fn write_output(output: &Tensor, binary: bool, body: &mut Vec<u8>) -> Result<(), Refused> {
    let head = Output { name: &output.name, shape: &output.shape, datatype: output.datatype.name() };
    let mut text = serde_json::to_vec(&head).expect("texts and numbers are JSON");
    text.pop();
    body.append(&mut text);
    if binary {
        body.extend_from_slice(format!(",\"parameters\":{{\"binary_data_size\":{}}}}}", output.data.len()).as_bytes());
        return Ok(());
    }
    body.extend_from_slice(b",\"data\":[");
    let mut elements_of = Elements::new(output.datatype, &output.data);
    for place in 0..elements(&output.name, &output.shape)? {
        if place > 0 {
            body.push(b',');
        }
        elements_of.write_next(body)?;
    }
    body.extend_from_slice(b"]}");
    Ok(())
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    shape: &'a [u64],
    datatype: &'a str,
}
