//! Prints symbol tables, to be compared with CPython's (`tests/oracle/test_scopes.py`).
//!
//!     symbol_table 3.11 < sources > tables
//!
//! Each line of the input is a JSON object: `{"source": "x = 1", "notebook": false}`. Each line of the output is the
//! table of one of them, or what Python's compiler refuses: `{"faults": [...], "table": {...}}`. Names are listed with
//! what the scope does with them and where they live: `"x": "assigned local"`.

use std::io::{BufRead, BufWriter, Write};

use kale_frontend::python::parse::parse;
use kale_frontend::python::scope::{Dialect, Resolution, Scope, ScopeId, ScopeKind, Symbol, SymbolTable, Uses};
use kale_model::PythonVersion;
use serde_json::{Value, json};

/// Syntax nests; the main thread's stack is too small for the deepest that Python accepts.
const STACK_BYTES: usize = 256 << 20;

fn main() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(print_tables);
    thread.expect("a thread").join().expect("tables are made of any source");
}

fn print_tables() {
    let version = std::env::args().nth(1).and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some(PythonVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    });
    let version = version.expect("the first argument is a Python version, such as 3.11");
    let mut output = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("UTF-8")).expect("a JSON object on each line");
        let source = request["source"].as_str().expect("a source");
        let in_notebook = request["notebook"].as_bool().unwrap_or_default();
        let answer = answer(source, Dialect { version, in_notebook, future_annotations: false });
        writeln!(output, "{answer}").expect("the reader reads on");
    }
}

fn answer(source: &str, dialect: Dialect) -> Value {
    let parsed = parse(source, dialect.version);
    if !parsed.errors.is_empty() {
        let faults: Vec<&str> = parsed.errors.iter().map(|fault| fault.message.as_str()).collect();
        return json!({ "faults": faults });
    }
    let (table, faults) = SymbolTable::build(source, &parsed.module, dialect);
    let faults: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    let lines = Lines::new(source);
    json!({ "faults": faults, "table": tree(&table, SymbolTable::MODULE, &lines) })
}

fn tree(table: &SymbolTable, id: ScopeId, lines: &Lines) -> Value {
    let scope = table.scope(id);
    let symbols: serde_json::Map<String, Value> =
        scope.symbols.iter().map(|(name, symbol)| (name.to_string(), words(symbol).into())).collect();
    let children: Vec<Value> = table.listed_children(id).into_iter().map(|child| tree(table, child, lines)).collect();
    json!({
        "kind": kind(scope.kind),
        "name": scope.name.as_str(),
        "line": line(scope, lines),
        "nested": scope.is_nested,
        "symbols": symbols,
        "children": children,
    })
}

/// CPython has no kinds for lambdas and comprehensions: they are functions of a certain name.
fn kind(kind: ScopeKind) -> &'static str {
    match kind {
        ScopeKind::Module => "module",
        ScopeKind::Class => "class",
        ScopeKind::TypeParameters => "type parameters",
        ScopeKind::TypeVariable => "type variable",
        ScopeKind::TypeAlias => "type alias",
        ScopeKind::Annotations => "annotations",
        _ => "function",
    }
}

fn words(symbol: &Symbol) -> String {
    const WORDS: [(Uses, &str); 11] = [
        (Uses::DECLARED_GLOBAL, "declared-global"),
        (Uses::ASSIGNED, "assigned"),
        (Uses::PARAMETER, "parameter"),
        (Uses::DECLARED_NONLOCAL, "declared-nonlocal"),
        (Uses::REFERENCED, "referenced"),
        (Uses::FREE_IN_CLASS, "free-in-class"),
        (Uses::IMPORTED, "imported"),
        (Uses::ANNOTATED, "annotated"),
        (Uses::ITERATION, "iteration"),
        (Uses::TYPE_PARAMETER, "type-parameter"),
        (Uses::INLINED_CELL, "inlined-cell"),
    ];
    let uses = WORDS.iter().filter(|(uses, _)| symbol.uses.contains(*uses)).map(|(_, word)| *word);
    let resolution = match symbol.resolution {
        Resolution::Local => "local",
        Resolution::Cell => "cell",
        Resolution::Free => "free",
        Resolution::GlobalExplicit => "global-explicit",
        Resolution::GlobalImplicit => "global-implicit",
    };
    uses.chain([resolution]).collect::<Vec<_>>().join(" ")
}

fn line(scope: &Scope, lines: &Lines) -> usize {
    if scope.kind == ScopeKind::Module { 0 } else { lines.of(scope.start.to_usize()) }
}

/// Offsets where lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn new(source: &str) -> Lines {
        let bytes = source.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|&(at, &byte)| byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
        Lines(std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect())
    }

    fn of(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset)
    }
}
