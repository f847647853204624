//! KServe's protocol V1: `{"instances": [...]}` in, `{"predictions": [...]}` out.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Elements, Guessed, flatten};
use super::{Refused, Tensor};

#[derive(Clone, Debug, PartialEq)]
pub enum Instances {
    /// Numbers, which are read here.
    Tensor(Tensor),
    /// All else is read by Python, which knows what becomes of it.
    Json { text: Bytes, rows: usize },
}

/// With `plain`, the instances go on as they were sent.
pub fn decode(body: &Bytes, plain: bool) -> Result<Instances, Refused> {
    let request: Request =
        serde_json::from_slice(body).map_err(|error| Refused(format!("the body is no JSON: {error}")))?;
    let Some(instances) = request.instances.map(RawValue::get) else {
        return Err(Refused(r#"the body has to be an object with `"instances"`: a list of rows"#.to_owned()));
    };
    if !instances.starts_with('[') {
        return Err(Refused("`instances` has to be a list of rows".to_owned()));
    }
    if !plain {
        let mut guessed = Guessed::default();
        if let Ok(shape) = flatten(instances, &mut guessed) {
            let (datatype, data) = guessed.finish();
            return Tensor::new("instances".to_owned(), datatype, shape, data.into()).map(Instances::Tensor);
        }
    }
    let rows = rows(instances);
    Ok(Instances::Json { text: body.slice_ref(instances.as_bytes()), rows })
}

fn rows(instances: &str) -> usize {
    serde_json::from_str::<Vec<IgnoredAny>>(instances).map_or(1, |rows| rows.len())
}

/// `{"predictions": ...}` of one tensor.
pub fn encode(predictions: &Tensor) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::with_capacity(32 + predictions.data.len() * 2);
    out.extend_from_slice(b"{\"predictions\":");
    let mut elements = Elements::new(predictions.datatype, &predictions.data);
    nest(&predictions.shape, &mut elements, &mut out)?;
    out.push(b'}');
    Ok(out)
}

fn nest(shape: &[u64], elements: &mut Elements<'_>, out: &mut Vec<u8>) -> Result<(), Refused> {
    let Some((&length, inner)) = shape.split_first() else { return elements.write_next(out) };
    out.push(b'[');
    for place in 0..length {
        if place > 0 {
            out.push(b',');
        }
        nest(inner, elements, out)?;
    }
    out.push(b']');
    Ok(())
}

/// `{"predictions": ...}` of what is JSON already.
pub fn wrap(predictions: &[u8]) -> Vec<u8> {
    [b"{\"predictions\":", predictions, b"}"].concat()
}

/// Of keys that come twice the last one counts, as in Python; `inputs` is another word for `instances`.
struct Request<'a> {
    instances: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Request<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Request<'a>, D::Error> {
        deserializer.deserialize_any(Keys).map(|instances| Request { instances })
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"an object with "instances""#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut instances, mut inputs) = (None, None);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "instances" => instances = Some(map.next_value()?),
                "inputs" => inputs = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(inputs.or(instances))
    }
}
