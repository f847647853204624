//! Carries out fixes on a notebook's text.
//!
//! What no fix touches keeps every byte: the source and the tags of the cells concerned are cut out of the text and
//! written anew, in the file's own layout; the rest is never parsed into values and back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kale_model::{Edit, Fix, NewCell, Position, Span, TagChange};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::layout::Layout;
use crate::text::{lines_with_breaks, without_break};

/// A notebook's text after some fixes.
pub struct Edited {
    pub text: String,
    /// Which of the given fixes were carried out. One is left out when it touches a cell that an earlier one touches
    /// (after which its places may be wrong) or when it does not fit the notebook.
    pub applied: Vec<usize>,
}

#[derive(Deserialize)]
struct RawNotebook<'a> {
    #[serde(borrow)]
    cells: Vec<&'a RawValue>,
    #[serde(default)]
    nbformat_minor: f64,
}

#[derive(Deserialize)]
struct RawCell<'a> {
    #[serde(borrow)]
    source: &'a RawValue,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    id: Option<String>,
}

/// `None`: the text is not JSON to the letter (it holds `NaN`, say), so nothing in it can be found.
pub fn apply(text: &str, fixes: &[&Fix]) -> Option<Edited> {
    let raw: RawNotebook<'_> = serde_json::from_str(text).ok()?;
    let document = Document::new(text, raw)?;
    let mut patches = vec![];
    let mut touched = BTreeSet::new();
    let mut applied = vec![];
    for (index, fix) in fixes.iter().enumerate() {
        let cells: BTreeSet<usize> = fix.edits.iter().map(|edit| edit.cell().0).collect();
        if fix.edits.is_empty() || !touched.is_disjoint(&cells) {
            continue;
        }
        if let Some(found) = document.patches(fix) {
            patches.extend(found);
            touched.extend(cells);
            applied.push(index);
        }
    }
    patches.sort_by_key(|patch| (patch.range.start, patch.range.end));
    let mut edited = String::with_capacity(text.len());
    let mut at = 0;
    for patch in patches {
        edited.push_str(&text[at..patch.range.start]);
        edited.push_str(&patch.text);
        at = patch.range.end;
    }
    edited.push_str(&text[at..]);
    Some(Edited { text: edited, applied })
}

/// What to put in place of a range of the file.
struct Patch {
    range: Range<usize>,
    text: String,
}

struct Document<'a> {
    text: &'a str,
    layout: Layout,
    /// Each cell as a whole, and its parts.
    cells: Vec<(&'a RawValue, RawCell<'a>)>,
    ids: BTreeSet<String>,
    cells_have_ids: bool,
}

impl<'a> Document<'a> {
    fn new(text: &'a str, raw: RawNotebook<'a>) -> Option<Document<'a>> {
        let parts = |raw: &'a RawValue| Some((raw, serde_json::from_str::<RawCell<'a>>(raw.get()).ok()?));
        let cells: Vec<_> = raw.cells.into_iter().map(parts).collect::<Option<_>>()?;
        let ids = cells.iter().filter_map(|(_, cell)| cell.id.clone()).collect();
        let cells_have_ids = raw.nbformat_minor >= 5.0;
        Some(Document { text, layout: Layout::of(text), cells, ids, cells_have_ids })
    }

    /// Where a part of the text lies in it.
    fn range(&self, part: &RawValue) -> Range<usize> {
        let start = part.get().as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + part.get().len()
    }

    /// `None` when an edit does not fit: a cell or a tag to be removed is not there.
    fn patches(&self, fix: &Fix) -> Option<Vec<Patch>> {
        let mut texts: BTreeMap<usize, Vec<(Span, &str)>> = BTreeMap::new();
        let mut tags: BTreeMap<usize, TagChange> = BTreeMap::new();
        let mut patches = vec![];
        for (number, edit) in fix.edits.iter().enumerate() {
            let cell = edit.cell().0;
            self.cells.get(cell)?;
            match edit {
                Edit::Text { span, text } => texts.entry(cell).or_default().push((*span, text)),
                Edit::Tags { tags: change, .. } => {
                    let all = tags.entry(cell).or_default();
                    all.add.extend(change.add.iter().cloned());
                    all.remove.extend(change.remove.iter().cloned());
                }
                Edit::Insert { insert, .. } => patches.push(self.insertion(cell, number, insert)),
            }
        }
        for (cell, edits) in texts {
            patches.push(self.source_patch(cell, edits)?);
        }
        for (cell, change) in tags {
            patches.push(self.tags_patch(cell, &change)?);
        }
        Some(patches)
    }

    fn source_patch(&self, cell: usize, edits: Vec<(Span, &str)>) -> Option<Patch> {
        let raw = self.cells[cell].1.source;
        let lines: Option<Vec<String>> = serde_json::from_str(raw.get()).ok();
        let source = match &lines {
            Some(lines) => lines.concat(),
            None => serde_json::from_str(raw.get()).ok()?,
        };
        let source = edited_source(&source, edits)?;
        let text = match lines {
            Some(_) => self.layout.list(4, &line_texts(&source)),
            None => Layout::string(&source),
        };
        Some(Patch { range: self.range(raw), text })
    }

    fn tags_patch(&self, cell: usize, change: &TagChange) -> Option<Patch> {
        let (raw, parts) = &self.cells[cell];
        let Some(metadata) = parts.metadata.filter(|metadata| metadata.get().starts_with('{')) else {
            let tags = changed_tags(vec![], change)?;
            let metadata = self.layout.object(4, &[("tags", self.layout.list(5, &tags))]);
            return parts.metadata.is_none().then(|| self.new_key(raw, 3, "metadata", &metadata)).flatten();
        };
        let entries: BTreeMap<String, &RawValue> = serde_json::from_str(metadata.get()).ok()?;
        match entries.get("tags") {
            Some(tags) => {
                let old: Vec<String> = serde_json::from_str(tags.get()).ok()?;
                let text = self.layout.list(5, &changed_tags(old, change)?);
                Some(Patch { range: self.range(tags), text })
            }
            None => self.new_key(metadata, 4, "tags", &self.layout.list(5, &changed_tags(vec![], change)?)),
        }
    }

    /// A key more in an object, where sorted keys have it.
    fn new_key(&self, object: &RawValue, depth: usize, key: &str, value: &str) -> Option<Patch> {
        let entries: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).ok()?;
        let place = self.range(object);
        if entries.is_empty() {
            return Some(Patch { range: place, text: self.layout.object(depth, &[(key, value.to_owned())]) });
        }
        let entry = format!("{}: {value}", Layout::string(key));
        let before = entries.range(..key.to_owned()).next_back().map(|(_, value)| self.range(value).end);
        let (at, text) = match before {
            Some(end) => (end, format!(",{}{entry}", self.layout.line_break(depth, " "))),
            None => (place.start + 1, format!("{}{entry},", self.layout.line_break(depth, ""))),
        };
        Some(Patch { range: at..at, text })
    }

    fn insertion(&self, cell: usize, number: usize, new: &NewCell) -> Patch {
        let layout = &self.layout;
        let tags = [("tags", layout.list(5, &new.tags))];
        let metadata = if new.tags.is_empty() { "{}".to_owned() } else { layout.object(4, &tags) };
        let mut entries = vec![("cell_type", "\"code\"".to_owned()), ("execution_count", "null".to_owned())];
        if self.cells_have_ids {
            entries.push(("id", Layout::string(&self.free_id(cell, number, &new.source))));
        }
        entries.push(("metadata", metadata));
        entries.push(("outputs", "[]".to_owned()));
        entries.push(("source", layout.list(4, &line_texts(&new.source))));
        let end = self.range(self.cells[cell].0).end;
        Patch { range: end..end, text: format!(",{}{}", layout.line_break(2, " "), layout.object(3, &entries)) }
    }

    /// An id that no cell has, the same for the same notebook.
    fn free_id(&self, cell: usize, number: usize, source: &str) -> String {
        let hash = |salt: usize| blake3::hash(format!("{cell}\n{number}\n{salt}\n{source}").as_bytes());
        let mut ids = (0..).map(|salt| hash(salt).to_hex()[..8].to_owned());
        ids.find(|id| !self.ids.contains(id)).expect("a notebook has finitely many cells")
    }
}

/// The lines of a source as notebooks list them.
fn line_texts(source: &str) -> Vec<String> {
    source.split_inclusive('\n').map(str::to_owned).collect()
}

fn changed_tags(mut tags: Vec<String>, change: &TagChange) -> Option<Vec<String>> {
    for old in &change.remove {
        let at = tags.iter().position(|tag| tag == old)?;
        tags.remove(at);
        // What comes instead of a tag stands in its place.
        let new = change.add.get(change.remove.iter().position(|tag| tag == old)?);
        if let Some(new) = new.filter(|new| !tags.contains(new)) {
            tags.insert(at, new.clone());
        }
    }
    for new in &change.add {
        if !tags.contains(new) {
            tags.push(new.clone());
        }
    }
    Some(tags)
}

/// A cell's source after edits of it; `None` when they overlap.
fn edited_source(source: &str, edits: Vec<(Span, &str)>) -> Option<String> {
    let lines = lines_with_breaks(source);
    let mut starts = vec![0];
    for line in &lines {
        starts.push(starts[starts.len() - 1] + line.len());
    }
    let offset = |position: Position| {
        let line = (position.line - 1).min(lines.len());
        starts[line] + lines.get(line).map_or(0, |text| column_offset(without_break(text), position.column))
    };
    let mut ranges: Vec<(Range<usize>, &str)> =
        edits.into_iter().map(|(span, text)| (offset(span.start)..offset(span.end), text)).collect();
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    for (range, text) in ranges {
        out.push_str(source.get(at..range.start)?);
        out.push_str(text);
        at = range.end.max(range.start);
    }
    out.push_str(source.get(at..)?);
    Some(out)
}

/// The byte offset of a column, which counts UTF-16 units from 1.
fn column_offset(line: &str, column: usize) -> usize {
    let mut units = 1;
    for (offset, c) in line.char_indices() {
        if units >= column {
            return offset;
        }
        units += c.len_utf16();
    }
    line.len()
}
