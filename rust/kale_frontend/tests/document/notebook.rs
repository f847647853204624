use kale_frontend::notebook::{CellKind, Notebook};
use kale_model::{Code, PythonVersion};
use serde_json::{Value, json};

fn refused(text: &str) -> (Code, String) {
    let diagnostic = Notebook::read(text).expect_err("the text is refused");
    assert!(!diagnostic.help.is_empty());
    (diagnostic.code, diagnostic.message)
}

#[test]
fn what_is_no_notebook_says_why() {
    let check = |text: &str, code: Code, part: &str| {
        let (found, message) = refused(text);
        assert_eq!(found, code, "{text}");
        assert!(message.contains(part), "{message}");
    };
    check("", Code::NotANotebook, "not JSON");
    check("import os", Code::NotANotebook, "line 1 column 1");
    check("{\"cells\": [", Code::NotANotebook, "not JSON");
    check("[]", Code::NotANotebook, "top level");
    check("{}", Code::NotANotebook, "`cells`");
    check("{\"nbformat\": 4, \"cells\": {}}", Code::NotANotebook, "`cells`");
    check("{\"nbformat\": 5, \"cells\": []}", Code::NotANotebook, "nbformat 5");
    check("{\"nbformat\": 3, \"worksheets\": []}", Code::OldNotebookFormat, "nbformat 3");
    check("{\"worksheets\": []}", Code::OldNotebookFormat, "nbformat 3");
    check(&"[".repeat(5000), Code::NotANotebook, "not JSON");
    let kernel = |metadata: Value| json!({"nbformat": 4, "cells": [], "metadata": metadata}).to_string();
    check(&kernel(json!({"language_info": {"name": "julia"}})), Code::NotPython, "`julia`");
    check(&kernel(json!({"kernelspec": {"language": "R", "name": "ir"}})), Code::NotPython, "`R`");
    check(&kernel(json!({"language_info": {"name": "python", "version": "2.7.18"}})), Code::NotPython, "Python 2");
}

#[test]
fn small_faults_are_tolerated_as_jupyter_does() {
    let read = |text: &str| Notebook::read(text).unwrap_or_else(|error| panic!("{text}: {}", error.message));
    let sources = |text: &str| -> Vec<String> { read(text).cells.into_iter().map(|cell| cell.source).collect() };
    for minor in 0..=6 {
        let text = json!({"nbformat": 4, "nbformat_minor": minor, "cells": [{"cell_type": "code", "source": "1"}]});
        assert_eq!(sources(&text.to_string()), ["1"]);
    }
    assert_eq!(sources("\u{feff}{\"cells\": [{\"cell_type\": \"code\", \"source\": [\"a\\n\", \"b\"]}]}"), ["a\nb"]);
    assert_eq!(sources("{\"cells\": [{}, 7, {\"source\": null}, {\"source\": \"x\\r\\ny\"}]}"), ["", "", "", "x\r\ny"]);
    assert_eq!(sources("{\"cells\": [{\"source\": \"x\", \"outputs\": [NaN, -Infinity]}]}"), ["x"]);
    assert_eq!(sources("{\"cells\": [{\"source\": \"NaN\\ud800.\\\\ud800\", \"o\": NaN}]}"), ["NaN\u{fffd}.\\ud800"]);
    assert_eq!(sources("{\"cells\": [{\"source\": \"\\ud83d\\ude00\", \"o\": \"\\udc00\"}]}"), ["😀"]);
    assert_eq!(sources("{\"cells\": 3, \"cells\": [{\"source\": \"x\", \"source\": \"y\"}]}"), ["y"]);
    assert_eq!(read("{\"cells\": [], \"metadata\": 3}").cells.len(), 0);
}

#[test]
fn the_view_has_what_the_compiler_needs() {
    let text = json!({
        "nbformat": 4, "nbformat_minor": 5, "unknown": {"kept": 1.5},
        "metadata": {"kernelspec": {"name": "venv", "language": "python"},
                     "language_info": {"name": "python", "version": "3.13.0rc1"}},
        "cells": [
            {"cell_type": "markdown", "id": "intro", "source": "# A", "attachments": {"x": {}}},
            {"cell_type": "code", "id": "intro", "source": "1", "metadata": {"tags": ["step:a", 3, "hide-input"]}},
            {"cell_type": "code", "source": "1"},
            {"cell_type": "raw", "source": "1"},
        ],
    })
    .to_string();
    let notebook = Notebook::read(&text).unwrap();
    assert_eq!(notebook.kernel.as_deref(), Some("venv"));
    assert_eq!(notebook.python, Some(PythonVersion { major: 3, minor: 13 }));
    let kinds: Vec<CellKind> = notebook.cells.iter().map(|cell| cell.kind).collect();
    assert_eq!(kinds, [CellKind::Markdown, CellKind::Code, CellKind::Code, CellKind::Raw]);
    assert_eq!(notebook.cells[1].tags, ["step:a", "hide-input"]);
    let ids: Vec<&str> = notebook.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids[0], "intro");
    assert!(ids[1].starts_with("cell-1-") && ids[2].starts_with("cell-2-"), "{ids:?}");
    let again = Notebook::read(&text).unwrap();
    assert_eq!(ids, again.cells.iter().map(|cell| cell.id.as_str()).collect::<Vec<_>>());
}
