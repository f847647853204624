//! The protocols' shared words: tensors, and why a request is refused.

pub mod binary;
pub mod json;
pub mod v1;
pub mod v2;

use bytes::Bytes;

/// More would not be an array of numpy's.
const MOST_AXES: usize = 32;
/// No honest shape has more elements, also where one axis is empty.
const MOST_ELEMENTS: u64 = 1 << 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    /// Text or other bytes, each element with its length (u32, little-endian) before it.
    Bytes,
}

impl Datatype {
    pub const ALL: [Datatype; 13] = [
        Datatype::Bool,
        Datatype::Uint8,
        Datatype::Uint16,
        Datatype::Uint32,
        Datatype::Uint64,
        Datatype::Int8,
        Datatype::Int16,
        Datatype::Int32,
        Datatype::Int64,
        Datatype::Fp16,
        Datatype::Fp32,
        Datatype::Fp64,
        Datatype::Bytes,
    ];

    /// As the protocol writes it; in lower case it is understood, too.
    pub fn parse(text: &str) -> Result<Datatype, Refused> {
        let found = Datatype::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let known: Vec<&str> = Datatype::ALL.iter().map(|one| one.name()).collect();
            Refused(format!("there is no datatype `{}`; there are {}", shown(text), known.join(", ")))
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Datatype::Bool => "BOOL",
            Datatype::Uint8 => "UINT8",
            Datatype::Uint16 => "UINT16",
            Datatype::Uint32 => "UINT32",
            Datatype::Uint64 => "UINT64",
            Datatype::Int8 => "INT8",
            Datatype::Int16 => "INT16",
            Datatype::Int32 => "INT32",
            Datatype::Int64 => "INT64",
            Datatype::Fp16 => "FP16",
            Datatype::Fp32 => "FP32",
            Datatype::Fp64 => "FP64",
            Datatype::Bytes => "BYTES",
        }
    }

    /// Bytes of an element, where all have the same.
    pub fn size(self) -> Option<usize> {
        match self {
            Datatype::Bool | Datatype::Uint8 | Datatype::Int8 => Some(1),
            Datatype::Uint16 | Datatype::Int16 | Datatype::Fp16 => Some(2),
            Datatype::Uint32 | Datatype::Int32 | Datatype::Fp32 => Some(4),
            Datatype::Uint64 | Datatype::Int64 | Datatype::Fp64 => Some(8),
            Datatype::Bytes => None,
        }
    }
}

/// Contents are little-endian, in C's order, and fit datatype and shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub datatype: Datatype,
    pub shape: Vec<u64>,
    pub data: Bytes,
}

impl Tensor {
    /// Refuses contents that are not what datatype and shape promise.
    pub fn new(name: String, datatype: Datatype, shape: Vec<u64>, data: Bytes) -> Result<Tensor, Refused> {
        let expected = elements(&name, &shape)?;
        match datatype.size() {
            Some(size) if expected.checked_mul(size) == Some(data.len()) => {}
            Some(size) => {
                return Err(Refused(format!(
                    "input `{}` has {} bytes; {expected} elements of {} (shape {shape:?}) have {}",
                    shown(&name),
                    data.len(),
                    datatype.name(),
                    expected.saturating_mul(size)
                )));
            }
            None => {
                let found =
                    binary::count_texts(&data).map_err(|why| Refused(format!("input `{}`: {why}", shown(&name))))?;
                if found != expected {
                    return Err(miscounted(&name, found, &shape, expected));
                }
            }
        }
        Ok(Tensor { name, datatype, shape, data })
    }

    /// How many rows it has: what batches are counted in.
    pub fn rows(&self) -> usize {
        self.shape.first().map_or(1, |&rows| usize::try_from(rows).unwrap_or(usize::MAX))
    }
}

/// How many elements a shape has.
pub fn elements(name: &str, shape: &[u64]) -> Result<usize, Refused> {
    if shape.len() > MOST_AXES {
        return Err(Refused(format!("input `{}` has {} axes, and {MOST_AXES} is the most", shown(name), shape.len())));
    }
    let span = shape.iter().try_fold(1_u64, |product, &axis| product.checked_mul(axis.max(1)));
    match span {
        Some(span) if span <= MOST_ELEMENTS => {
            let count: u64 = shape.iter().product();
            Ok(usize::try_from(count).expect("not more than 2^40"))
        }
        _ => Err(Refused(format!("the shape of input `{}` is too large: {shape:?}", shown(name)))),
    }
}

pub fn miscounted(name: &str, found: usize, shape: &[u64], expected: usize) -> Refused {
    Refused(format!("input `{}` has {found} elements, and its shape {shape:?} has {expected}", shown(name)))
}

/// Why a request cannot be answered, in words for its sender.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Text of a request within a message: not longer than people read.
pub fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
