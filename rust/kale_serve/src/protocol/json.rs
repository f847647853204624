//! Nested lists of JSON, straight into the bytes of a tensor.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::{Datatype, Refused};

/// Takes the elements, in C's order.
pub trait Sink {
    fn integer(&mut self, value: i64) -> Result<(), Refused>;
    fn large(&mut self, value: u64) -> Result<(), Refused>;
    fn float(&mut self, value: f64) -> Result<(), Refused>;
    fn boolean(&mut self, value: bool) -> Result<(), Refused>;
    fn text(&mut self, value: &str) -> Result<(), Refused>;
    fn nothing(&mut self) -> Result<(), Refused>;
}

/// The shape of what `json` nests, its elements going to `sink`. Lists have to be alike at each depth.
pub fn flatten(json: &str, sink: &mut impl Sink) -> Result<Vec<u64>, Refused> {
    let mut shape = Shape::default();
    let mut reader = serde_json::Deserializer::from_str(json);
    let nest = Nest { depth: 0, shape: &mut shape, sink };
    nest.deserialize(&mut reader).map_err(|error| Refused(without_place(&error.to_string())))?;
    Ok(shape.lengths)
}

/// Where in the text of one value an error was found says little about the request.
fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

#[derive(Default)]
struct Shape {
    lengths: Vec<u64>,
    /// How deep elements are, once one was seen.
    leaf: Option<usize>,
}

impl Shape {
    fn element(&mut self, depth: usize) -> Result<(), Refused> {
        if *self.leaf.get_or_insert(depth) == depth && self.lengths.len() <= depth {
            return Ok(());
        }
        Err(Refused("its lists are nested to different depths".to_owned()))
    }

    fn enter(&mut self, depth: usize) -> Result<(), Refused> {
        if self.leaf.is_some_and(|leaf| leaf <= depth) {
            return Err(Refused("its lists are nested to different depths".to_owned()));
        }
        Ok(())
    }
}

struct Nest<'a, S> {
    depth: usize,
    shape: &'a mut Shape,
    sink: &'a mut S,
}

impl<'de, S: Sink> DeserializeSeed<'de> for Nest<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<S: Sink> Nest<'_, S> {
    fn element<E: Error>(self, put: impl FnOnce(&mut S) -> Result<(), Refused>) -> Result<(), E> {
        self.shape.element(self.depth).and_then(|()| put(self.sink)).map_err(E::custom)
    }
}

impl<'de, S: Sink> Visitor<'de> for Nest<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, or lists of them")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.element(|sink| sink.integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.element(|sink| match i64::try_from(value) {
            Ok(value) => sink.integer(value),
            Err(_) => sink.large(value),
        })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.element(|sink| sink.float(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.element(|sink| sink.boolean(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.element(|sink| sink.text(value))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.element(Sink::nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Nest { depth, shape, sink } = self;
        shape.enter(depth).map_err(A::Error::custom)?;
        // Known from the first list on; the others have to be as long.
        let known = shape.lengths.get(depth).copied();
        if known.is_none() {
            shape.lengths.push(u64::MAX);
        }
        let mut count = 0;
        while list.next_element_seed(Nest { depth: depth + 1, shape, sink })?.is_some() {
            count += 1;
        }
        if known.is_some_and(|known| known != count) {
            return Err(A::Error::custom(Refused("its lists have different lengths".to_owned())));
        }
        shape.lengths[depth] = count;
        Ok(())
    }
}

/// Elements of a datatype that was declared.
pub struct Typed {
    datatype: Datatype,
    pub data: Vec<u8>,
    pub count: usize,
}

impl Typed {
    pub fn new(datatype: Datatype) -> Typed {
        Typed { datatype, data: Vec::new(), count: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.data.extend_from_slice(bytes);
        self.count += 1;
        Ok(())
    }

    fn wrong(&self, value: impl fmt::Display) -> Refused {
        Refused(format!("`{}` is no {}", super::shown(&value.to_string()), self.datatype.name()))
    }

    fn whole(&mut self, value: i128) -> Result<(), Refused> {
        macro_rules! narrow {
            ($type:ty) => {
                match <$type>::try_from(value) {
                    Ok(narrow) => self.put(&narrow.to_le_bytes()),
                    Err(_) => Err(self.wrong(value)),
                }
            };
        }
        match self.datatype {
            Datatype::Bool if value == 0 || value == 1 => self.put(&[value as u8]),
            Datatype::Uint8 => narrow!(u8),
            Datatype::Uint16 => narrow!(u16),
            Datatype::Uint32 => narrow!(u32),
            Datatype::Uint64 => narrow!(u64),
            Datatype::Int8 => narrow!(i8),
            Datatype::Int16 => narrow!(i16),
            Datatype::Int32 => narrow!(i32),
            Datatype::Int64 => narrow!(i64),
            Datatype::Fp32 => self.put(&(value as f64 as f32).to_le_bytes()),
            Datatype::Fp64 => self.put(&(value as f64).to_le_bytes()),
            Datatype::Bool | Datatype::Fp16 | Datatype::Bytes => Err(self.wrong(value)),
        }
    }
}

impl Sink for Typed {
    fn integer(&mut self, value: i64) -> Result<(), Refused> {
        self.whole(value.into())
    }

    fn large(&mut self, value: u64) -> Result<(), Refused> {
        self.whole(value.into())
    }

    fn float(&mut self, value: f64) -> Result<(), Refused> {
        match self.datatype {
            Datatype::Fp32 => self.put(&(value as f32).to_le_bytes()),
            Datatype::Fp64 => self.put(&value.to_le_bytes()),
            // Some languages write every number with a point.
            _ if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => self.whole(value as i128),
            _ => Err(self.wrong(value)),
        }
    }

    fn boolean(&mut self, value: bool) -> Result<(), Refused> {
        match self.datatype {
            Datatype::Bytes | Datatype::Fp16 => Err(self.wrong(value)),
            _ => self.whole(value.into()),
        }
    }

    fn text(&mut self, value: &str) -> Result<(), Refused> {
        if self.datatype != Datatype::Bytes {
            return Err(self.wrong(value));
        }
        let length = u32::try_from(value.len()).map_err(|_| Refused("a text is too long".to_owned()))?;
        self.data.extend_from_slice(&length.to_le_bytes());
        self.put(value.as_bytes())
    }

    /// JSON has no other word for what is not a number.
    fn nothing(&mut self) -> Result<(), Refused> {
        match self.datatype {
            Datatype::Fp32 => self.put(&f32::NAN.to_le_bytes()),
            Datatype::Fp64 => self.put(&f64::NAN.to_le_bytes()),
            _ => Err(self.wrong("null")),
        }
    }
}

/// Numbers of which nothing was declared: what numpy would make of them. It refuses what only Python can tell.
#[derive(Default)]
pub struct Guessed {
    kind: Kind,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Unknown,
    Booleans,
    Integers,
    Floats,
}

impl Guessed {
    pub fn finish(self) -> (Datatype, Vec<u8>) {
        match self.kind {
            Kind::Booleans => (Datatype::Bool, self.data),
            Kind::Integers => (Datatype::Int64, self.data),
            Kind::Unknown | Kind::Floats => (Datatype::Fp64, self.data),
        }
    }

    fn floats(&mut self) -> Result<(), Refused> {
        match self.kind {
            Kind::Booleans => return undecided(),
            Kind::Integers => {
                for place in self.data.chunks_exact_mut(8) {
                    let value = i64::from_le_bytes(place.try_into().expect("8 bytes"));
                    place.copy_from_slice(&(value as f64).to_le_bytes());
                }
            }
            Kind::Unknown | Kind::Floats => {}
        }
        self.kind = Kind::Floats;
        Ok(())
    }
}

fn undecided() -> Result<(), Refused> {
    Err(Refused("numpy decides".to_owned()))
}

impl Sink for Guessed {
    fn integer(&mut self, value: i64) -> Result<(), Refused> {
        match self.kind {
            Kind::Booleans => return undecided(),
            Kind::Floats => self.data.extend_from_slice(&(value as f64).to_le_bytes()),
            Kind::Unknown | Kind::Integers => {
                self.kind = Kind::Integers;
                self.data.extend_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    fn large(&mut self, _: u64) -> Result<(), Refused> {
        undecided()
    }

    fn float(&mut self, value: f64) -> Result<(), Refused> {
        // It may have been an integer that was too large, or `-0`.
        if value.abs() >= 9.2e18 || (value == 0.0 && value.is_sign_negative()) {
            return undecided();
        }
        self.floats()?;
        self.data.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn boolean(&mut self, value: bool) -> Result<(), Refused> {
        if !matches!(self.kind, Kind::Unknown | Kind::Booleans) {
            return undecided();
        }
        self.kind = Kind::Booleans;
        self.data.push(value.into());
        Ok(())
    }

    fn text(&mut self, _: &str) -> Result<(), Refused> {
        undecided()
    }

    fn nothing(&mut self) -> Result<(), Refused> {
        undecided()
    }
}

/// Writes the elements of a tensor (but not of half precision, which JSON does not carry).
pub struct Elements<'a> {
    datatype: Datatype,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub fn new(datatype: Datatype, data: &'a [u8]) -> Elements<'a> {
        Elements { datatype, rest: data }
    }

    /// The next element as JSON. What is no number in JSON is null.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        macro_rules! number {
            ($type:ty) => {{
                let value = <$type>::from_le_bytes(self.take(size_of::<$type>())?.try_into().expect("its size"));
                write(out, &value)
            }};
        }
        match self.datatype {
            Datatype::Bool => {
                let byte = self.take(1)?[0];
                out.extend_from_slice(if byte == 0 { b"false" } else { b"true" });
            }
            Datatype::Uint8 => number!(u8),
            Datatype::Uint16 => number!(u16),
            Datatype::Uint32 => number!(u32),
            Datatype::Uint64 => number!(u64),
            Datatype::Int8 => number!(i8),
            Datatype::Int16 => number!(i16),
            Datatype::Int32 => number!(i32),
            Datatype::Int64 => number!(i64),
            // As Python has it, which knows no single precision.
            Datatype::Fp32 => {
                let value = f32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes"));
                write(out, &f64::from(value));
            }
            Datatype::Fp64 => number!(f64),
            Datatype::Fp16 => {
                return Err(Refused("FP16 does not go into JSON: ask for it with `binary_data`".to_owned()));
            }
            Datatype::Bytes => {
                let length = u32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes"));
                let text = std::str::from_utf8(self.take(length as usize)?)
                    .map_err(|_| Refused("the output is not text: ask for it with `binary_data`".to_owned()))?;
                write(out, text);
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| Refused("the output is shorter than its shape".to_owned()))?;
        self.rest = rest;
        Ok(taken)
    }
}

fn write<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("memory takes all, and numbers and texts are JSON");
}
