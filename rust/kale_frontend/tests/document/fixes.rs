use kale_frontend::notebook::edit::apply;
use kale_frontend::tag::{near_miss, with_valid_name};
use kale_frontend::{CompileOptions, compile};
use kale_model::{CellIndex, Edit, Fix, NewCell, Position, Span};
use serde_json::{Value, json};

/// As Jupyter writes it, with things in it that no round trip through values would keep.
const JUPYTER: &str = r##"{
 "cells": [
  {
   "cell_type": "code",
   "execution_count": 3,
   "id": "aa",
   "metadata": {
    "collapsed": 1.50,
    "zoom": "\u00e9"
   },
   "outputs": [],
   "source": [
    "x = 'é'\n",
    "y = '😀' + 2"
   ]
  },
  {
   "cell_type": "markdown",
   "id": "bb",
   "metadata": {},
   "source": "# One string"
  },
  {
   "cell_type": "code",
   "id": "cc",
   "metadata": {
    "tags": [
     "keep",
     "old"
    ]
   },
   "outputs": [],
   "source": []
  }
 ],
 "metadata": {},
 "nbformat": 4,
 "nbformat_minor": 5
}
"##;

fn fix(edits: Vec<Edit>) -> Fix {
    Fix::new("a fix", edits)
}

fn edited(text: &str, edits: Vec<Edit>) -> String {
    let fix = fix(edits);
    let edited = apply(text, &[&fix]).expect("it is JSON");
    assert_eq!(edited.applied, [0]);
    serde_json::from_str::<Value>(&edited.text).expect("it is JSON still");
    edited.text
}

fn range(cell: usize, start: (usize, usize), end: (usize, usize)) -> Span {
    let at = |(line, column)| Position { line, column };
    Span { cell: CellIndex(cell), start: at(start), end: at(end) }
}

#[test]
fn tags_are_put_where_sorted_keys_have_them_and_nothing_else_changes() {
    let after = edited(JUPYTER, vec![Edit::add_tags(CellIndex(0), vec!["step:a".into(), "cpu:2".into()])]);
    let tags =
        "\"collapsed\": 1.50,\n    \"tags\": [\n     \"step:a\",\n     \"cpu:2\"\n    ],\n    \"zoom\": \"\\u00e9\"";
    assert_eq!(after, JUPYTER.replace("\"collapsed\": 1.50,\n    \"zoom\": \"\\u00e9\"", tags));

    let after = edited(JUPYTER, vec![Edit::replace_tag(CellIndex(2), "keep", "new")]);
    assert_eq!(after, JUPYTER.replace("\"keep\"", "\"new\""));

    let after = edited(JUPYTER, vec![Edit::add_tags(CellIndex(1), vec!["skip".into()])]);
    let empty = "\"id\": \"bb\",\n   \"metadata\": {}";
    assert_eq!(after, JUPYTER.replace(empty, &empty.replace("{}", "{\n    \"tags\": [\n     \"skip\"\n    ]\n   }")));
}

#[test]
fn text_is_replaced_by_utf16_columns_in_the_sources_own_form() {
    let after = edited(JUPYTER, vec![Edit::text(range(0, (2, 12), (2, 13)), "3\nz = 1")]);
    assert_eq!(after, JUPYTER.replace("\"y = '😀' + 2\"", "\"y = '😀' + 3\\n\",\n    \"z = 1\""));
    let after = edited(JUPYTER, vec![Edit::text(range(1, (1, 1), (1, 3)), "## ")]);
    assert_eq!(after, JUPYTER.replace("\"# One string\"", "\"## One string\""));
    let after = edited(JUPYTER, vec![Edit::text(range(0, (1, 8), (9, 9)), "")]);
    assert_eq!(after, JUPYTER.replace("\"x = 'é'\\n\",\n    \"y = '😀' + 2\"", "\"x = 'é'\""));
}

#[test]
fn cells_are_put_in_as_jupyter_writes_them() {
    let insert = |source: &str, tags: &[&str]| Edit::Insert {
        cell: CellIndex(1),
        insert: NewCell { source: source.into(), tags: tags.iter().map(ToString::to_string).collect() },
    };
    let after: Value = serde_json::from_str(&edited(JUPYTER, vec![insert("a\nb", &[]), insert("c", &["x"])])).unwrap();
    let cells = after["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 5);
    assert_eq!(cells[2]["source"], json!(["a\n", "b"]));
    assert_eq!(cells[3]["metadata"], json!({"tags": ["x"]}));
    assert_ne!(cells[2]["id"], cells[3]["id"]);
    assert_eq!(cells[4]["id"], "cc");
}

#[test]
fn a_notebook_on_one_line_stays_on_one_line() {
    let compact = r#"{"cells": [{"cell_type": "code", "source": "x", "metadata": {}}], "nbformat_minor": 2}"#;
    let insert = Edit::Insert { cell: CellIndex(0), insert: NewCell { source: "y".into(), tags: vec![] } };
    let after = edited(compact, vec![Edit::add_tags(CellIndex(0), vec!["a".into(), "b".into()]), insert]);
    assert_eq!(
        after,
        r#"{"cells": [{"cell_type": "code", "source": "x", "metadata": {"tags": ["a", "b"]}}, {"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": ["y"]}], "nbformat_minor": 2}"#
    );
}

#[test]
fn fixes_that_touch_one_cell_wait_for_each_other() {
    let one = fix(vec![Edit::add_tags(CellIndex(0), vec!["a".into()])]);
    let same = fix(vec![Edit::text(range(0, (1, 1), (1, 2)), "b")]);
    let other = fix(vec![Edit::add_tags(CellIndex(1), vec!["c".into()])]);
    assert_eq!(apply(JUPYTER, &[&one, &same, &other]).unwrap().applied, [0, 2]);
    let absent = fix(vec![Edit::replace_tag(CellIndex(0), "absent", "d")]);
    assert_eq!(apply(JUPYTER, &[&absent, &one]).unwrap().applied, [1]);
    assert!(apply(r#"{"cells": [], "x": NaN}"#, &[&one]).is_none());
}

#[test]
fn tags_that_are_nearly_ours_are_told_from_those_of_other_tools() {
    let check = |text: &str, meant: &str| {
        let near = near_miss(text).unwrap_or_else(|| panic!("{text} resembles none"));
        assert_eq!((near.meant.as_str(), near.valid), (meant, true), "{text}");
    };
    check("stp:load", "step:load");
    check("steps:load", "step:load");
    check("Step: load", "step:load");
    check("step load", "step:load");
    check("step = load", "step:load");
    check("prev load", "prev:load");
    check("perv:load", "prev:load");
    check("Skip", "skip");
    check("import", "imports");
    check("funtions", "functions");
    check("pipeline-parameter", "pipeline-parameters");
    check("pipeline_parameters", "pipeline-parameters");
    check("Pipeline Metrics", "pipeline-metrics");
    check("params", "pipeline-parameters");
    check("limits:memory:2Gi", "limit:memory:2Gi");
    check("cpus:2", "cpu:2");
    check("memory 2Gi", "memory:2Gi");
    check("time-out:30m", "timeout:30m");
    let without_value = near_miss("limits:").unwrap();
    assert_eq!((without_value.meant.as_str(), without_value.valid), ("limit:", false));
    let foreign = "injected-parameters remove-input remove_cell hide-input hide_output remove-output raises-exception \
                   skip-execution nbval-ignore-output nbval-skip full-width margin popout scroll-output thebe-init \
                   solution solutions exercise test tests export default_exp hide slide:fragment nbgrader:solution \
                   id:3 stage:one stop:here mark:x image-processing preview ship label gpu-heavy memory report outputs \
                   parameterized step steps block caching";
    for text in foreign.split_whitespace().chain(["step by step", "image processing", "report draft", "step 1", ""]) {
        assert_eq!(near_miss(text), None, "{text}");
    }
    assert_eq!(with_valid_name("step:Load data").as_deref(), Some("step:load_data"));
    assert_eq!(with_valid_name("cpu:lots"), None);
}

/// What `--fix` would leave of a notebook of code cells: tags and source of each.
fn fixed(cells: &[(&str, &str)]) -> Vec<(String, String)> {
    let cell = |(tags, source): &(&str, &str)| {
        let tags: Vec<&str> = tags.split(';').filter(|tag| !tag.is_empty()).collect();
        json!({"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": []})
    };
    let cells: Vec<Value> = cells.iter().map(cell).collect();
    let mut text = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).to_string();
    loop {
        let diagnostics = compile(&text, &CompileOptions::default()).diagnostics;
        let fixes: Vec<&Fix> = diagnostics.iter().flat_map(|fault| &fault.fixes).collect();
        let edited = apply(&text, &fixes).unwrap();
        if edited.applied.is_empty() {
            break;
        }
        text = edited.text;
    }
    let document: Value = serde_json::from_str(&text).unwrap();
    let rows = document["cells"].as_array().unwrap().iter().map(|cell| {
        let tags = cell["metadata"]["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let source = &cell["source"];
        let lines: String = source.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        (tags.collect::<Vec<_>>().join(";"), source.as_str().map_or(lines, str::to_owned))
    });
    rows.collect()
}

fn check_fixed(cells: &[(&str, &str)], expected: &[(&str, &str)]) {
    let found = fixed(cells);
    let found: Vec<(&str, &str)> = found.iter().map(|(tags, source)| (tags.as_str(), source.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_missing_prev_is_added_where_the_step_has_its_name() {
    let (a, b, last) = (("step:a", "x = [1]"), ("step:b", "y = [2]"), ("", "print(y)"));
    check_fixed(&[a, b, ("step:c;prev:a", "print(x)"), last], &[a, b, ("step:c;prev:a;prev:b", "print(x)"), last]);
    let line = "%%pipeline step c --after a\nprint(x, y)";
    check_fixed(&[a, b, ("", line)], &[a, b, ("", "%%pipeline step c --after b --after a\nprint(x, y)")]);
}

#[test]
fn a_step_that_is_entered_again_is_split() {
    check_fixed(
        &[
            ("step:a;cpu:2", "x = [1]"),
            ("step:b;prev:a", "y = x + [2]"),
            ("block:a", "z = y + [3]"),
            ("", "w = z"),
            ("step:c;prev:a", "print(w)"),
        ],
        &[
            ("step:a;cpu:2", "x = [1]"),
            ("step:b;prev:a", "y = x + [2]"),
            ("step:a_2;limit:cpu:2", "z = y + [3]"),
            ("", "w = z"),
            ("step:c;prev:a;prev:a_2", "print(w)"),
        ],
    );
    let line = |name: &str| format!("%%pipeline step {name}\nprint(y)");
    let (old, new) = (line("a"), line("a_2"));
    check_fixed(
        &[("step:a", "x = [1]"), ("step:b", "y = x + [2]"), ("", &old)],
        &[("step:a", "x = [1]"), ("step:b", "y = x + [2]"), ("", &new)],
    );
}

#[test]
fn work_is_moved_out_of_a_cell_of_definitions() {
    check_fixed(
        &[
            ("imports", "import os\n\n# the data\nprint(os.sep)\nprint(1)\n\nN = 3"),
            ("", "M = 4"),
            ("step:a", "print(N)"),
        ],
        &[
            ("imports", "import os"),
            ("step:setup", "# the data\nprint(os.sep)\nprint(1)"),
            ("imports", "N = 3"),
            ("", "M = 4"),
            ("step:a", "print(N)"),
        ],
    );
    check_fixed(
        &[("functions", "print(1)"), ("", "def f(): pass"), ("step:setup", "f()")],
        &[("step:setup_2", "print(1)"), ("functions", "def f(): pass"), ("step:setup", "f()")],
    );
    check_fixed(
        &[("imports", "import os\nprint(os.sep)"), ("", "print(2)")],
        &[("imports", "import os"), ("", "print(os.sep)"), ("", "print(2)")],
    );
}

#[test]
fn work_stays_where_moving_it_would_show_or_hide_something() {
    for source in ["import os; print(1)", "import os\nos.getcwd()\nN = 3", "%%time\nimport os\nprint(os.sep)"] {
        check_fixed(&[("imports", source), ("step:a", "1")], &[("imports", source), ("step:a", "1")]);
    }
}

#[test]
fn misspelt_tags_are_corrected() {
    check_fixed(
        &[("stp:load", "x = 1"), ("step:Train it;perv:load;limits:memory:2Gi", "print(x)"), ("step:c;prev:laod", "x")],
        &[("step:load", "x = 1"), ("step:train_it;prev:load;limit:memory:2Gi", "print(x)"), ("step:c;prev:load", "x")],
    );
    check_fixed(
        &[("step:load", "x = 1"), ("", "%%pipeline step b --after laod,lod\nx")],
        &[("step:load", "x = 1"), ("", "%%pipeline step b --after load,load\nx")],
    );
}
