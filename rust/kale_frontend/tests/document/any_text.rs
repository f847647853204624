//! Whatever the text, the document layer answers.

use kale_frontend::blocks::blocks;
use kale_frontend::metrics::metric_sites;
use kale_frontend::notebook::Notebook;
use kale_frontend::parameters::parameters;
use kale_frontend::python::parse::parse;
use kale_frontend::text::span;
use proptest::prelude::*;
use serde_json::json;

use crate::PYTHON;

/// Text made of the pieces that the scanners look for.
fn code() -> impl Strategy<Value = String> {
    let pieces = [
        "%%",
        "%",
        "!",
        "?",
        "\n",
        "\r\n",
        "\r",
        "\\",
        "\\\n",
        "    ",
        "\t",
        " ",
        "'",
        "\"",
        "'''",
        "\"\"\"",
        "#",
        "(",
        ")",
        "[",
        "{",
        "}",
        "=",
        "==",
        ";",
        ",",
        ":",
        ".",
        "x",
        "é",
        "😀",
        "time ",
        "timeit ",
        "-n 3 ",
        "capture out",
        "bash",
        "pipeline step a ",
        "--after ",
        "--gpu 1",
        "kale_rs",
        "import kale_rs",
        "kale_rs.run()",
        "print(x)",
        "x = 1",
        ">>> ",
        "In [1]: ",
        "...: ",
        "if x:\n    ",
        "pip install x",
        "ls",
        "f'{x}'",
        "$x",
        "-",
        "\u{feff}",
        "\0",
        "\u{2028}",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

fn tags() -> impl Strategy<Value = String> {
    let tags = [
        "",
        "step:a",
        "step:b",
        "prev:a",
        "prev:b",
        "imports",
        "parameters",
        "pipeline-metrics",
        "skip",
        "cpu:1",
        "gpu:é",
    ];
    prop::collection::vec(prop::sample::select(tags.to_vec()), 0..3).prop_map(|tags| tags.join(" "))
}

fn answers(notebook: &Notebook) {
    let (blocks, _) = blocks(notebook, PYTHON);
    for cell in &blocks.cells {
        let code = &cell.code;
        assert_eq!(breaks(&code.python), breaks(&code.run_source), "{:?}", notebook.cells[cell.index.0].source);
        for offset in 0..=code.python.len() + 1 {
            let place = span(cell.index, code, offset, offset + 1);
            assert!(place.start.line >= 1 && place.start.column >= 1);
        }
        let module = parse(&code.python, PYTHON).module;
        parameters(&[(cell, &module)]);
        metric_sites(cell, &module, &mut Default::default());
    }
}

fn breaks(text: &str) -> usize {
    text.replace("\r\n", "\n").matches(['\n', '\r']).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(notebook) = Notebook::read(&text) {
            answers(&notebook);
        }
    }

    #[test]
    fn any_cells_have_blocks(cells in prop::collection::vec((tags(), code()), 0..5)) {
        let cells: Vec<(&str, &str)> = cells.iter().map(|(tags, source)| (tags.as_str(), source.as_str())).collect();
        answers(&crate::notebook_of(&cells));
    }

    #[test]
    fn any_json_is_read_or_refused(source in any::<String>(), tag in any::<String>(), noise in "[NaInfity{}\\[\\]\",:\\\\ud80-9.]{0,40}") {
        let cell = json!({"cell_type": "code", "source": source, "metadata": {"tags": [tag]}});
        let text = json!({"nbformat": 4, "cells": [cell], "metadata": {"kubeflow_notebook": {"pipeline_name": tag}}});
        answers(&Notebook::read(&text.to_string()).unwrap());
        if let Ok(notebook) = Notebook::read(&format!("{{\"cells\": [{{\"source\": \"{noise}\"}}], \"x\": {noise}}}")) {
            answers(&notebook);
        }
    }
}
