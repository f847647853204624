//! Cell magics: whose bodies are Python, whose are not, and what the magic's own line binds and reads.

use super::CodeKind;
use super::options::{self, Arguments};
use super::scan::words;

/// What a cell magic does with the cell.
pub(super) struct CellMagic {
    /// `Python` when the body is code of the notebook.
    pub kind: CodeKind,
    pub binds: Vec<String>,
    pub reads: Vec<String>,
    /// What the body binds does not survive.
    pub scratch: bool,
    /// Byte offset in the magic's line of code that runs before the body (`%%timeit`).
    pub setup: Option<usize>,
}

/// Whether a line may be one of a cell magic.
pub(super) fn opens(line: &str) -> bool {
    line.starts_with("%%")
}

/// Reads a line such as `%%bash --out text`; `None` when it is no cell magic (`%%time?` asks for help).
pub(super) fn parse(line: &str, body: &str) -> Option<(String, CellMagic)> {
    let call = line.strip_prefix("%%")?.trim_end();
    let name = call.split(' ').next().filter(|name| !name.is_empty() && !name.ends_with('?'))?;
    let arguments = &call[name.len()..];
    let mut magic = CellMagic {
        kind: CodeKind::Python,
        binds: vec![],
        reads: expanded_names(arguments),
        scratch: name == "timeit",
        setup: None,
    };
    let parsed = Arguments::parse(arguments);
    match name {
        "time" | "prun" | "memit" => magic.reads.clear(),
        "timeit" => {
            magic.reads.clear();
            let start = options::operand(name, arguments);
            magic.setup = (start < arguments.len()).then_some(2 + name.len() + start);
        }
        "capture" => magic.binds.extend(parsed.positional.first().cloned().filter(|name| is_identifier(name))),
        "writefile" | "file" => magic.kind = written_file(name, &parsed),
        "html" | "HTML" | "javascript" | "js" | "latex" | "markdown" | "svg" | "SVG" => magic.kind = CodeKind::Display,
        _ => {
            magic.kind = CodeKind::Opaque { magic: name.to_owned() };
            magic.binds = opaque_binds(name, &parsed, body);
            if name == "R" {
                magic.reads.extend(parsed.values("i"));
            }
        }
    }
    magic.binds.sort();
    magic.binds.dedup();
    magic.reads.sort();
    magic.reads.dedup();
    Some((name.to_owned(), magic))
}

fn written_file(name: &str, arguments: &Arguments) -> CodeKind {
    let append = arguments.flags.iter().any(|flag| flag == "a" || flag == "append");
    match arguments.positional.first() {
        // IPython expands `{name}` and `$name` there, so the path is only known at run time.
        Some(path) if !path.contains(['{', '$']) => CodeKind::WriteFile { path: path.clone(), append },
        _ => CodeKind::Opaque { magic: name.to_owned() },
    }
}

fn opaque_binds(name: &str, arguments: &Arguments, body: &str) -> Vec<String> {
    let mut binds = match name {
        "R" => arguments.values("o"),
        "cython" => cython_names(body),
        "sql" if arguments.positional.get(1).is_some_and(|word| word == "<<") => arguments.positional[..1].to_vec(),
        _ => ["out", "err", "proc"].iter().flat_map(|option| arguments.values(option)).collect(),
    };
    binds.retain(|name| is_identifier(name));
    binds
}

/// Names that a Cython module exports: its top-level functions and classes.
fn cython_names(body: &str) -> Vec<String> {
    let exported = body.lines().filter(|line| ["def ", "cpdef ", "class "].iter().any(|word| line.starts_with(word)));
    exported
        .filter_map(|line| line.split(['(', ':']).next()?.split_whitespace().last())
        .map(str::to_owned)
        .filter(|name| !name.starts_with('_'))
        .collect()
}

/// Names in `{expression}` and `$name`, which IPython replaces in a magic's line.
fn expanded_names(line: &str) -> Vec<String> {
    let mut names = vec![];
    let mut rest = line;
    while let Some(at) = rest.find(['{', '$']) {
        let after = &rest[at + 1..];
        let expression = if rest[at..].starts_with('{') {
            after.split('}').next().unwrap_or("")
        } else {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
            &after[..end]
        };
        names.extend(words(expression).into_iter().map(str::to_owned));
        rest = &after[expression.len()..];
    }
    names
}

pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
