//! The notebook as a document: a typed view of what the compiler needs.
//!
//! It tolerates what Jupyter tolerates (missing metadata, sources as a string or a list, unknown keys) and refuses only
//! what no reader could make sense of.

mod document;
pub mod edit;
mod layout;
mod lenient;
pub mod reference;

use kale_model::{CellIndex, Code, Diagnostic, PythonVersion, SubCells};
use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use self::document::{Document, RawCell, Read};
use self::reference::{Reference, Sources};

#[derive(Clone, Debug)]
pub struct Notebook {
    pub cells: Vec<Cell>,
    /// Name of the kernelspec.
    pub kernel: Option<String>,
    /// Version of the Python that last ran the notebook.
    pub python: Option<PythonVersion>,
    /// The notebook's own metadata; an empty object where it has none.
    pub metadata: Value,
    /// Other notebooks that stand in place of cells, in the order of these.
    pub references: Vec<Reference>,
    pub sub_cells: SubCells,
}

#[derive(Clone, Debug)]
pub struct Cell {
    pub index: CellIndex,
    /// nbformat's cell id; derived from index and source where the notebook has none or repeats one.
    pub id: String,
    pub kind: CellKind,
    /// Line breaks as in the file.
    pub source: String,
    pub tags: Vec<String>,
    pub metadata: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    Code,
    Markdown,
    /// Raw cells, and cells of a kind that we do not know.
    Raw,
}

impl Notebook {
    /// Reads the text of an `.ipynb` file, nbformat 4.
    #[expect(clippy::result_large_err, reason = "made at most once per notebook, and never passed through layers")]
    pub fn read(text: &str) -> Result<Notebook, Diagnostic> {
        let Read(document): Read<Option<Document>> = lenient::parse(text).map_err(not_json)?;
        let document = document.ok_or_else(|| not_a_notebook("its top level is not an object"))?;
        if let Some(fault) = format_fault(&document) {
            return Err(fault);
        }
        let cells = document.cells.ok_or_else(|| not_a_notebook("it has no `cells`"))?;
        let metadata = object_or_empty(document.metadata);
        if let Some(fault) = language_fault(&metadata) {
            return Err(fault);
        }
        Ok(Notebook {
            cells: typed_cells(cells),
            kernel: text_at(&metadata, &["kernelspec", "name"]).map(str::to_owned),
            python: python_version(&metadata),
            metadata,
            references: vec![],
            sub_cells: SubCells::default(),
        })
    }

    /// Puts other notebooks in place of the cells that refer to them.
    pub fn include(&mut self, sources: &Sources) -> Vec<Diagnostic> {
        let (references, sub_cells, diagnostics) = reference::resolve(self, sources);
        self.references = references;
        self.sub_cells = sub_cells;
        diagnostics
    }
}

fn not_json(error: serde_json::Error) -> Diagnostic {
    Diagnostic::new(
        Code::NotANotebook,
        format!("the file is not JSON: {error}"),
        "check that the path is the notebook you meant, or open it in JupyterLab and save it again",
    )
}

fn not_a_notebook(cause: &str) -> Diagnostic {
    Diagnostic::new(
        Code::NotANotebook,
        format!("the file is JSON but not a Jupyter notebook: {cause}"),
        "check that the path is the notebook you meant",
    )
}

fn format_fault(document: &Document) -> Option<Diagnostic> {
    // nbformat 1-3 had `worksheets` around the cells (3) or no such structure at all.
    let major = document.nbformat.as_f64().unwrap_or(if document.has_worksheets { 3.0 } else { 4.0 });
    if major < 4.0 {
        return Some(Diagnostic::new(
            Code::OldNotebookFormat,
            format!("the notebook is in nbformat {major}; kale_rs reads nbformat 4"),
            "upgrade it once with `jupyter nbconvert --to notebook --nbformat 4 --inplace NOTEBOOK`, or open it in \
             JupyterLab and save it",
        ));
    }
    (major >= 5.0).then(|| {
        not_a_notebook(&format!("it is in nbformat {major}, which is not known here; kale_rs reads nbformat 4"))
    })
}

fn language_fault(metadata: &Value) -> Option<Diagnostic> {
    let declared = [&["kernelspec", "language"], &["language_info", "name"]];
    let languages: Vec<&str> = declared.iter().filter_map(|path| text_at(metadata, *path)).collect();
    let any_python = languages.iter().any(|language| language.to_ascii_lowercase().contains("python"));
    if let Some(language) = languages.first().filter(|_| !any_python) {
        return Some(Diagnostic::new(
            Code::NotPython,
            format!("the notebook's kernel language is `{language}`, and kale_rs compiles Python"),
            "choose a Python kernel for the notebook in JupyterLab and save it",
        ));
    }
    python_version(metadata).filter(|version| version.major < 3).map(|version| {
        Diagnostic::new(
            Code::NotPython,
            format!("the notebook was last run with Python {version}, and kale_rs compiles Python 3"),
            "choose a Python 3 kernel for the notebook in JupyterLab, port the code, and save it",
        )
    })
}

fn python_version(metadata: &Value) -> Option<PythonVersion> {
    let mut parts = text_at(metadata, &["language_info", "version"])?.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().unwrap_or("0");
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some(PythonVersion { major, minor: minor[..digits].parse().ok()? })
}

fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn object_or_empty(value: Value) -> Value {
    if value.is_object() { value } else { Value::Object(Map::new()) }
}

fn typed_cells(cells: Vec<RawCell>) -> Vec<Cell> {
    let mut seen = FxHashSet::default();
    let mut typed = Vec::with_capacity(cells.len());
    for (index, cell) in cells.into_iter().enumerate() {
        let source = joined_source(cell.source);
        let own_id = cell.id.as_str().filter(|id| !id.is_empty() && !seen.contains(*id));
        let id = own_id.map_or_else(|| derived_id(index, &source), str::to_owned);
        seen.insert(id.clone());
        let metadata = object_or_empty(cell.metadata);
        typed.push(Cell {
            index: CellIndex(index),
            id,
            kind: match cell.cell_type.as_str() {
                Some("code") => CellKind::Code,
                Some("markdown") => CellKind::Markdown,
                _ => CellKind::Raw,
            },
            source,
            tags: tags(&metadata),
            metadata,
        });
    }
    typed
}

fn joined_source(source: Value) -> String {
    match source {
        Value::String(text) => text,
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn tags(metadata: &Value) -> Vec<String> {
    let listed = metadata.get("tags").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An id that stays the same as long as the cell keeps its place and text.
fn derived_id(index: usize, source: &str) -> String {
    let hash = blake3::hash(format!("{index}\n{source}").as_bytes());
    format!("cell-{index}-{}", &hash.to_hex()[..8])
}
