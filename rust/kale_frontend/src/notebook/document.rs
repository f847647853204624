//! The notebook's file as JSON, of which only what the compiler needs is kept: outputs may be large.
//!
//! What Jupyter tolerates is tolerated: unknown keys, and values of another type than expected, which count as missing.
//! Of a key that is given twice the last one counts, as in Python.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

#[derive(Default)]
pub(super) struct Document {
    pub nbformat: Value,
    pub has_worksheets: bool,
    pub metadata: Value,
    /// `None` where there is no list of them.
    pub cells: Option<Vec<RawCell>>,
}

#[derive(Default)]
pub(super) struct RawCell {
    pub cell_type: Value,
    pub id: Value,
    pub metadata: Value,
    pub source: Value,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Nbformat,
    Worksheets,
    Cells,
    CellType,
    Id,
    Metadata,
    Source,
    #[serde(other)]
    Other,
}

/// What is read from JSON of one shape, entry by entry.
trait Entries<'de>: Default {
    fn of_object<A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn of_list<A: SeqAccess<'de>>(&mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// `None` where the text has no object.
impl<'de> Entries<'de> for Option<Document> {
    fn of_object<A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        let document = self.insert(Document::default());
        while let Some(key) = object.next_key()? {
            match key {
                Key::Nbformat => document.nbformat = object.next_value()?,
                Key::Metadata => document.metadata = object.next_value()?,
                Key::Cells => document.cells = object.next_value::<Read<_>>()?.0,
                key => {
                    document.has_worksheets |= matches!(key, Key::Worksheets);
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> Entries<'de> for Option<Vec<RawCell>> {
    fn of_list<A: SeqAccess<'de>>(&mut self, mut list: A) -> Result<(), A::Error> {
        let cells = self.insert(vec![]);
        while let Some(Read(cell)) = list.next_element()? {
            cells.push(cell);
        }
        Ok(())
    }
}

impl<'de> Entries<'de> for RawCell {
    fn of_object<A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key()? {
            match key {
                Key::CellType => self.cell_type = object.next_value()?,
                Key::Id => self.id = object.next_value()?,
                Key::Metadata => self.metadata = object.next_value()?,
                Key::Source => self.source = object.next_value()?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

pub(super) struct Read<T>(pub T);

impl<'de, T: Entries<'de>> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Entries<'de>> Visitor<'de> for Reader<T> {
    type Value = Read<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Read<T>, A::Error> {
        let mut read = T::default();
        read.of_object(object).map(|()| Read(read))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Read<T>, A::Error> {
        let mut read = T::default();
        read.of_list(list).map(|()| Read(read))
    }

    fn visit_unit<E: Error>(self) -> Result<Read<T>, E> {
        Ok(Read(T::default()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Read<T>, E> {
        self.visit_unit()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Read<T>, E> {
        self.visit_unit()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Read<T>, E> {
        self.visit_unit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Read<T>, E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Read<T>, E> {
        self.visit_unit()
    }
}
