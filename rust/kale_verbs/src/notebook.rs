//! The notebook a request names: its text, where it lies, and where its cells are in the file.

use std::fs;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use kale_frontend::notebook::reference::{self, Sources};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::VerbError;
use crate::session::Session;

/// `-` reads standard input.
pub const STDIN: &str = "-";

#[derive(Clone, Debug)]
pub struct NotebookText {
    /// As the user wrote it, for messages.
    pub label: String,
    /// Absolute; `None` when it came from standard input.
    pub path: Option<PathBuf>,
    /// Where its relative paths start: the notebook's directory, or the current one for standard input.
    pub directory: PathBuf,
    pub text: String,
}

impl NotebookText {
    pub fn read(session: &Session, notebook: &str) -> Result<NotebookText, VerbError> {
        if notebook == STDIN {
            let mut bytes = vec![];
            std::io::stdin().read_to_end(&mut bytes).map_err(|error| VerbError::reading("<stdin>", error))?;
            let text = decode(bytes).map_err(|reason| VerbError::reading("<stdin>", reason))?;
            let directory = session.directory.clone();
            return Ok(NotebookText { label: "<stdin>".to_owned(), path: None, directory, text });
        }
        let path = session.directory.join(notebook);
        let bytes = fs::read(&path).map_err(|error| VerbError::opening(notebook, &error))?;
        let text = decode(bytes).map_err(|reason| VerbError::reading(notebook, reason))?;
        let path = resolved(&path);
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(NotebookText { label: notebook.to_owned(), path: Some(path), directory, text })
    }

    /// A notebook that an editor has open.
    pub fn unsaved(session: &Session, notebook: &str, text: &str) -> NotebookText {
        let path = resolved(&session.directory.join(notebook));
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        NotebookText { label: notebook.to_owned(), path: Some(path), directory, text: text.to_owned() }
    }

    /// The pipeline's name where the notebook has none.
    pub fn stem(&self) -> String {
        let stem = self.path.as_deref().and_then(Path::file_stem);
        stem.map_or_else(|| "notebook".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// The texts of the notebooks that it refers to; paths start at its directory.
    pub fn references(&self) -> Sources {
        let read = |path: String| {
            let place = self.directory.join(&path);
            let own = self.path.as_ref().and_then(|path| path.canonicalize().ok());
            if own.is_some() && place.canonicalize().ok() == own {
                return (path, Err(reference::ITSELF.to_owned()));
            }
            let bytes = fs::read(place).map_err(|error| plain(&error));
            let text = bytes.and_then(decode);
            (path, text)
        };
        reference::paths(&self.text).into_iter().map(read).collect()
    }

    /// The name of the kernelspec it asks for.
    pub fn kernelspec(&self) -> Option<String> {
        let outline: Outline = serde_json::from_str(&self.text).ok()?;
        outline.metadata?.kernelspec?.name
    }
}

/// A notebook's path, by its folder's name without links. A notebook that is a link itself lies where the link does: its
/// kernel in JupyterLab works there, and so do its relative paths.
pub fn resolved(path: &Path) -> PathBuf {
    let in_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    in_folder().unwrap_or_else(|| path.to_owned())
}

/// Text in UTF-8; a byte order mark is not part of it.
fn decode(bytes: Vec<u8>) -> Result<String, String> {
    let text =
        String::from_utf8(bytes).map_err(|error| format!("not UTF-8 (byte {})", error.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Puts another text in place of a file's, by a rename: whoever reads meanwhile sees the old or the new one. Links stay.
pub fn rewrite(path: &Path, text: &str) -> std::io::Result<()> {
    let path = &path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut part = tempfile::Builder::new().permissions(fs::metadata(path)?.permissions()).tempfile_in(folder)?;
    part.write_all(text.as_bytes())?;
    part.as_file().sync_all()?;
    part.persist(path).map(drop).map_err(|error| error.error)
}

/// Whether a path stays in the folder that it starts from, as far as its text tells.
pub fn is_beside(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The system's words without its error number.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
struct Outline {
    metadata: Option<OutlineMetadata>,
}

#[derive(Deserialize)]
struct OutlineMetadata {
    kernelspec: Option<Kernelspec>,
}

#[derive(Deserialize)]
struct Kernelspec {
    name: Option<String>,
}

/// The notebook as renderers quote it: its name and the lines of every cell (none when the text is no notebook).
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// As the user named it.
    pub label: String,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
struct Cell {
    lines: Vec<String>,
    /// Line of the file, from 1, on which each line of the cell stands; one entry when the source is one string.
    file_lines: Vec<usize>,
}

#[derive(Deserialize)]
struct RawNotebook<'a> {
    #[serde(borrow)]
    cells: Vec<RawCell<'a>>,
}

#[derive(Deserialize)]
struct RawCell<'a> {
    #[serde(borrow)]
    source: &'a RawValue,
}

impl Listing {
    pub fn of(label: &str, text: &str) -> Listing {
        let mut counter = LineCounter { text, offset: 0, line: 1 };
        let raw = serde_json::from_str::<RawNotebook<'_>>(text).map(|raw| raw.cells).unwrap_or_default();
        let cells = raw.iter().map(|cell| Cell::read(cell.source, &mut counter)).collect();
        Listing { label: label.to_owned(), cells }
    }

    /// Line `line` (from 1) of a cell, as the user sees it.
    pub fn line(&self, cell: usize, line: usize) -> Option<&str> {
        self.cells.get(cell)?.lines.get(line.checked_sub(1)?).map(String::as_str)
    }

    /// The line of the `.ipynb` file on which a cell's line stands: what tools that show the file itself need.
    pub fn file_line(&self, cell: usize, line: usize) -> Option<usize> {
        let lines = &self.cells.get(cell)?.file_lines;
        lines.get(line.saturating_sub(1)).or(lines.last()).copied()
    }
}

impl Cell {
    fn read(source: &RawValue, counter: &mut LineCounter<'_>) -> Cell {
        let parts: Vec<&RawValue> = serde_json::from_str(source.get()).unwrap_or_else(|_| vec![source]);
        let file_lines = parts.iter().map(|part| counter.line_of(part.get())).collect();
        let text: String = parts.iter().filter_map(|part| serde_json::from_str::<String>(part.get()).ok()).collect();
        Cell { lines: text.lines().map(str::to_owned).collect(), file_lines }
    }
}

/// Counts lines of `text` up to slices of it that come in order.
struct LineCounter<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl LineCounter<'_> {
    fn line_of(&mut self, slice: &str) -> usize {
        let offset = (slice.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        let passed = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.offset = offset.max(self.offset);
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_cell_are_found_in_the_file() {
        let text = "{\n \"cells\": [\n  {\"source\": [\n   \"a = 1\\n\",\n   \"b = 2\"\n  ]},\n  {\"source\": \"c\\nd\"}\n ]\n}\n";
        let lines = Listing::of("a.ipynb", text);
        assert_eq!(lines.line(0, 2), Some("b = 2"));
        assert_eq!(lines.file_line(0, 1), Some(4));
        assert_eq!(lines.file_line(0, 2), Some(5));
        assert_eq!(lines.line(1, 2), Some("d"));
        assert_eq!(lines.file_line(1, 2), Some(7));
        assert_eq!(lines.line(2, 1), None);
    }

    #[test]
    fn no_notebook_has_no_lines() {
        assert_eq!(Listing::of("a", "not json").line(0, 1), None);
    }

    #[test]
    fn what_lies_beside_the_notebook_is_told_from_the_rest() {
        assert!(["a.csv", "./out/a.csv"].into_iter().all(is_beside));
        assert!(!["../a.csv", "/etc/passwd", "out/../../a"].into_iter().any(is_beside));
    }
}
