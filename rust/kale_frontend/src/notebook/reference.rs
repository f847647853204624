//! Cells that stand for another notebook: `notebook:NAME` with `notebook_path` in the cell's metadata, or nothing but
//! `%run other.ipynb`.
//!
//! The other notebook's cells run at that place, in the same namespace. Their texts are given from outside, since the
//! frontend reads no files. It goes one level deep, as in Kale.

use std::collections::BTreeMap;

use kale_model::{CellIndex, Code, Diagnostic, Span, SubCell, SubCells};

use super::{Cell, CellKind, Notebook};
use crate::tag::Tag;

/// Texts of other notebooks by the path that is written in this one, or why there is none.
pub type Sources = BTreeMap<String, Result<String, String>>;

/// Why a notebook cannot be read that is the one which refers to it.
pub const ITSELF: &str = "it is this notebook itself";

/// Another notebook in place of a cell.
#[derive(Clone, Debug)]
pub struct Reference {
    pub at: CellIndex,
    /// The name in `notebook:NAME`; `None` for `%run`, which shows only what cells print.
    pub name: Option<String>,
    /// Its code cells, with numbers of their own.
    pub cells: Vec<Cell>,
}

/// What a cell refers to.
struct Target {
    name: Option<String>,
    path: Option<String>,
}

/// The paths of the notebooks that a notebook refers to.
pub fn paths(text: &str) -> Vec<String> {
    if !text.contains("notebook_path") && !text.contains("%run") {
        return vec![];
    }
    let Ok(notebook) = Notebook::read(text) else { return vec![] };
    notebook.cells.iter().filter_map(target).filter_map(|target| target.path).collect()
}

fn target(cell: &Cell) -> Option<Target> {
    let tags: Vec<Tag> = cell.tags.iter().filter_map(|tag| tag.parse().ok()).collect();
    if cell.kind != CellKind::Code || tags.contains(&Tag::Skip) {
        return None;
    }
    let named = tags.into_iter().find_map(|tag| match tag {
        Tag::Notebook(name) => Some(name),
        _ => None,
    });
    if let Some(name) = named {
        let path = cell.metadata.get("notebook_path").and_then(|path| path.as_str());
        let path = path.map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned);
        return Some(Target { name: Some(name), path });
    }
    run_path(&cell.source).map(|path| Target { name: None, path: Some(path) })
}

/// `%run other.ipynb`, alone in its cell. (With `-i` it means the same: a notebook always runs in this namespace.)
fn run_path(source: &str) -> Option<String> {
    let rest = source.trim().strip_prefix("%run")?;
    let path = rest.starts_with([' ', '\t']).then_some(rest.trim())?;
    let path = path.strip_prefix("-i ").unwrap_or(path).trim();
    let path = ['"', '\''].iter().find_map(|quote| path.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(path);
    let is_plain = !path.contains(['\n', '\r', '{', '$', '*', '~', '"', '\'']);
    (is_plain && path.ends_with(".ipynb")).then(|| path.to_owned())
}

/// Reads what the cells of a notebook refer to.
pub(super) fn resolve(notebook: &Notebook, sources: &Sources) -> (Vec<Reference>, SubCells, Vec<Diagnostic>) {
    let mut references = vec![];
    let mut sub_cells = SubCells::after(notebook.cells.len());
    let mut diagnostics = vec![];
    for cell in &notebook.cells {
        let Some(target) = target(cell) else { continue };
        match read(cell, &target, sources) {
            Ok(other) => {
                let path = target.path.unwrap_or_default();
                if target.name.is_some() {
                    diagnostics.extend(not_empty(cell, &path));
                }
                diagnostics.extend(other.cells.iter().filter_map(|sub| nested(cell, sub, &path)));
                let code = other.cells.into_iter().filter(|sub| sub.kind == CellKind::Code);
                let numbered = code.map(|sub| {
                    let origin = SubCell { at: cell.index, notebook: path.clone(), cell: sub.index.0 };
                    Cell { index: sub_cells.push(origin), id: cell.id.clone(), ..sub }
                });
                references.push(Reference { at: cell.index, name: target.name, cells: numbered.collect() });
            }
            // IPython looks for the file when it gets there; until then `%run` is code like any other.
            Err(_) if target.name.is_none() && !is_itself(&target, sources) => {}
            Err((cause, help)) => {
                diagnostics.push(Diagnostic::new(Code::SubNotebook, cause, help).at(Span::of_cell(cell.index)));
            }
        }
    }
    (references, sub_cells, diagnostics)
}

fn is_itself(target: &Target, sources: &Sources) -> bool {
    let found = target.path.as_ref().and_then(|path| sources.get(path));
    matches!(found, Some(Err(reason)) if reason == ITSELF)
}

fn read(cell: &Cell, target: &Target, sources: &Sources) -> Result<Notebook, (String, String)> {
    let name = target.name.clone().unwrap_or_default();
    let Some(path) = &target.path else {
        let cause = format!("The cell is tagged `notebook:{name}`, but nothing says where that notebook is.");
        return Err((
            cause,
            "Write its path, from this notebook's folder, into the cell's metadata: `notebook_path`.".into(),
        ));
    };
    let text = match sources.get(path) {
        Some(Ok(text)) => text,
        Some(Err(reason)) if reason == ITSELF => {
            let cause = format!("Cell {} runs `{path}`, the notebook that it is in, without end.", cell.index.0);
            return Err((cause, "Remove the cell, or name another notebook.".into()));
        }
        Some(Err(reason)) => {
            let cause =
                format!("The notebook `{path}`, which cell {} stands for, cannot be read: {reason}.", cell.index.0);
            return Err((
                cause,
                "Correct `notebook_path` in the cell's metadata; it is taken from this notebook's folder.".into(),
            ));
        }
        None => {
            let cause = format!("The notebook `{path}`, which cell {} stands for, was not given.", cell.index.0);
            return Err((cause, "Compile the notebook from its file.".into()));
        }
    };
    Notebook::read(text).map_err(|fault| (format!("`{path}` cannot be used: {}", fault.message), fault.help))
}

fn not_empty(cell: &Cell, path: &str) -> Option<Diagnostic> {
    let is_code = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    cell.source.lines().any(is_code).then(|| {
        Diagnostic::new(
            Code::SubNotebook,
            format!("This cell stands for the notebook `{path}`, so its own code would never run."),
            "Move the code into a cell before or behind it.",
        )
        .at(Span::of_cell(cell.index))
    })
}

fn nested(cell: &Cell, sub: &Cell, path: &str) -> Option<Diagnostic> {
    let name = target(sub)?.name?;
    Some(
        Diagnostic::new(
            Code::SubNotebook,
            format!("`{path}` refers to another notebook in its turn (`notebook:{name}`), which goes too deep."),
            "Refer to that notebook from this one.",
        )
        .at(Span::of_cell(cell.index)),
    )
}

#[cfg(test)]
mod tests {
    use super::run_path;

    #[test]
    fn a_cell_that_only_runs_a_notebook() {
        let check =
            |source: &str, expected: Option<&str>| assert_eq!(run_path(source).as_deref(), expected, "{source}");
        check("%run prep.ipynb\n", Some("prep.ipynb"));
        check("%run -i 'sub dir/prep.ipynb'", Some("sub dir/prep.ipynb"));
        check("%run prep.py", None);
        check("%run {name}.ipynb", None);
        check("%run a.ipynb\nx = 1", None);
        check("%runner a.ipynb", None);
    }
}
