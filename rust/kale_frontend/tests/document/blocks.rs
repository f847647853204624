use kale_frontend::blocks::{Blocks, Role};
use kale_model::{Caching, Quantity};
use serde_json::json;

use crate::{PYTHON, blocks_of, lines, notebook_with};

/// The part of every code cell, in one word each.
fn roles(blocks: &Blocks) -> Vec<String> {
    let word = |role: &Role| match role {
        Role::Step(name) => name.to_string(),
        Role::Untagged => "-".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    blocks.cells.iter().map(|cell| format!("{}={}", cell.index.0, word(&cell.role))).collect()
}

fn check(cells: &[(&str, &str)], expected: &str, expected_diagnostics: &[&str]) -> Blocks {
    let (blocks, diagnostics) = blocks_of(cells);
    assert_eq!(roles(&blocks).join(" "), expected);
    assert_eq!(lines(&diagnostics), expected_diagnostics);
    for diagnostic in &diagnostics {
        assert_eq!(diagnostic.cell.is_some(), diagnostic.cell_id.is_some());
    }
    blocks
}

#[test]
fn untagged_cells_join_the_block_before_them() {
    let blocks = check(
        &[
            ("#", "# Title"),
            ("imports", "import a"),
            ("", "import b"),
            ("functions", "def f(): pass"),
            ("", "def g(): pass"),
            ("pipeline-parameters", "x = 1"),
            ("", "y = 2"),
            ("step:load", "a = x"),
            ("hide-input", "b = a"),
            ("skip", "c"),
            ("", "d = b"),
            ("block:train prev:load", "m = d"),
            ("pipeline-metrics", "print(m)"),
            ("", "print(d)"),
        ],
        "1=IMPORTS 2=IMPORTS 3=FUNCTIONS 4=FUNCTIONS 5=PARAMETERS 6=PARAMETERS 7=load 8=load 9=SKIP 10=load 11=train \
         12=METRICS 13=METRICS",
        &[],
    );
    assert!(blocks.tagged);
    assert_eq!(blocks.steps.len(), 2);
    assert_eq!(blocks.steps[1].prev[0].0.as_str(), "load");
    assert_eq!(blocks.headings[0].text, "Title");
}

#[test]
fn cells_before_the_first_tag_form_a_step() {
    let note = |cell: usize, name: &str| {
        format!("info setup-step [{cell}] 1:1-1:1 the cells before the first tag form a step of their own, `{name}`")
    };
    check(&[("", " "), ("", "a"), ("", "b"), ("step:x", "c")], "1=setup 2=setup 3=x", &[&note(1, "setup")]);
    check(&[("skip", "z"), ("", "a"), ("step:setup", "c")], "0=SKIP 1=setup_2 2=setup", &[&note(1, "setup_2")]);
}

#[test]
fn without_step_tags_untagged_cells_stay_single() {
    let blocks = check(
        &[("parameters", "a = 1"), ("", "b"), ("", ""), ("gpu:1", "c"), ("imports", "import d"), ("", "e")],
        "0=PARAMETERS 1=- 3=- 4=IMPORTS 5=-",
        &[],
    );
    assert!(!blocks.tagged && blocks.steps.is_empty());
    let config = blocks.config_of(&blocks.cells[1..3]);
    assert_eq!(config.resources.accelerator(), Some(("nvidia.com/gpu", &Quantity("1".into()))));
}

#[test]
fn cells_of_equal_step_name_are_one_step() {
    let blocks = check(
        &[("step:a cpu:1", "1"), ("step:b prev:a prev:a", "2"), ("step:a memory:1Gi", "3"), ("retries:2", "4")],
        "0=a 1=b 2=a 3=a",
        &[],
    );
    let config = &blocks.steps[0].config;
    assert_eq!((config.resources.limits.len(), config.retries), (2, 2));
    assert_eq!((blocks.steps[0].first_cell.0, blocks.steps[1].prev.len()), (0, 1));
}

#[test]
fn an_empty_cell_may_name_a_step() {
    check(&[("step:a", ""), ("", "x"), ("step:b prev:a", " ")], "0=a 1=a 2=b", &[]);
}

#[test]
fn order_that_cannot_be_honoured() {
    let good = "1";
    check(
        &[("step:load", good), ("step:train prev:laod", good)],
        "0=load 1=train",
        &["error unknown-prev [1] 1:1-1:1 step `train` has `prev:laod`, and there is no step `laod`"],
    );
    check(&[("step:a prev:a", good)], "0=a", &["error prev-order [0] 1:1-1:1 step `a` has itself as `prev:`"]);
    check(
        &[("step:a prev:b", good), ("step:b", good)],
        "0=a 1=b",
        &["error prev-order [0] 1:1-1:1 step `a` has `prev:b`, but `b` comes later in the notebook"],
    );
    let blocks = check(
        &[("step:a prev:c", good), ("step:b prev:a", good), ("step:c prev:b", good)],
        "0=a 1=b 2=c",
        &["error prev-order [0] 1:1-1:1 `prev:` tags form a circle: `a` after `c` after `b` after `a`"],
    );
    assert!(blocks.steps[0].prev.is_empty());
    check(
        &[("step:a skip", good), ("step:b prev:a", good)],
        "0=SKIP 1=b",
        &["error unknown-prev [1] 1:1-1:1 step `b` has `prev:a`, and there is no step `a`"],
    );
}

#[test]
fn contradictions_within_a_cell() {
    check(
        &[("step:a step:b", "1")],
        "0=a",
        &["error bad-tag [0] 1:1-1:1 the cell is tagged both `step:a` and `step:b`"],
    );
    check(&[("step:a block:a", "1")], "0=a", &[]);
    check(
        &[("imports functions", "1")],
        "0=IMPORTS",
        &["error bad-tag [0] 1:1-1:1 the cell is tagged both `imports` and `functions`"],
    );
    check(
        &[("imports step:a cpu:1", "1"), ("step:b", "2")],
        "0=IMPORTS 1=b",
        &[
            "warning bad-tag [0] 1:1-1:1 `step:a` has no effect on a cell tagged `imports`",
            "warning bad-tag [0] 1:1-1:1 `limit:cpu:1` has no effect on a cell tagged `imports`",
        ],
    );
    check(
        &[("imports", "1"), ("cpu:1", "1"), ("step:b", "2")],
        "0=IMPORTS 1=IMPORTS 2=b",
        &["warning bad-tag [1] 1:1-1:1 `limit:cpu:1` has no effect here, since the cell belongs to no step"],
    );
    check(
        &[("step:a", "1"), ("prev:a", "2")],
        "0=a 1=a",
        &["error bad-tag [1] 1:1-1:1 `prev:a` stands on a cell that names no step"],
    );
    check(
        &[("step:a cpu:1 limit:cpu:2", "1")],
        "0=a",
        &["error bad-tag [0] 1:1-1:1 this cell is tagged both `limit:cpu:1` and `limit:cpu:2`"],
    );
    check(
        &[("step:a image:x", "1"), ("step:a image:y", "2"), ("step:a image:x", "3")],
        "0=a 1=a 2=a",
        &["error bad-tag [1] 1:1-1:1 step `a` is tagged both `image:x` and `image:y`"],
    );
    check(
        &[("step:", "1"), ("step:b", "2")],
        "0=setup 1=b",
        &[
            "error bad-tag [0] 1:1-1:1 the tag `step:` is malformed: it names no step",
            "info setup-step [0] 1:1-1:1 the cells before the first tag form a step of their own, `setup`",
        ],
    );
    check(&[("skip step: step:b cpu:x", "1"), ("", "2")], "0=SKIP 1=-", &[]);
}

#[test]
fn the_magic_stands_for_tags() {
    let blocks = check(
        &[
            ("", "%%pipeline imports\nimport a"),
            ("", "%%pipeline parameters\nx = 1"),
            ("", "%%pipeline step load\na = 1"),
            ("", "%%pipeline step other --after=load\na = 1"),
            (
                "",
                "%%pipeline step train --after load other --gpu 1 --memory 2Gi --cpu 2 --image X:1 --retries 2 --timeout \
                 1h --cache disabled --label team=ml --annotation 'note=a b' --limit amd.com/gpu=1 --secret a:b:C\nb",
            ),
            ("", "%%pipeline metrics\nprint(b)"),
            ("", "%%pipeline skip\nkale_rs.run()"),
            ("", "%%pipeline functions\ndef f(): pass"),
        ],
        "0=IMPORTS 1=PARAMETERS 2=load 3=other 4=train 5=METRICS 6=SKIP 7=FUNCTIONS",
        &[],
    );
    let train = &blocks.steps[2];
    let prev: Vec<&str> = train.prev.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(prev, ["load", "other"]);
    assert_eq!((train.prev[1].1.start.column, train.prev[1].1.end.column), (36, 41));
    assert_eq!(train.config.resources.limits.len(), 4);
    assert_eq!((train.config.caching, train.config.timeout_seconds), (Caching::Disabled, Some(3600)));
    assert_eq!(train.config.annotations["note"], "a b");
    assert_eq!(blocks.cells[4].code.run_source, "b");
    assert_eq!(blocks.cells[4].code.first_line, 2);
    assert!(!blocks.cells[4].code.needs_ipython);
}

#[test]
fn the_magic_is_checked_like_tags() {
    let check = |line: &str, expected: &str| {
        let (_, diagnostics) = blocks_of(&[("", &format!("{line}\nx"))]);
        assert_eq!(lines(&diagnostics), [expected], "{line}");
    };
    check("%%pipeline", "error bad-tag [0] 1:1-1:11 `%%pipeline` says nothing about the cell");
    check("%%pipeline run", "error bad-tag [0] 1:12-1:15 `run` is no part that a cell can play");
    check("%%pipeline step", "error bad-tag [0] 1:12-1:16 `step` names no step");
    check("  %%pipeline step a --gpus 1", "error bad-tag [0] 1:21-1:27 `--gpus` is no option");
    check("%%pipeline step a --gpu", "error bad-tag [0] 1:19-1:24 `--gpu` has no value");
    check("%%pipeline step a b", "error bad-tag [0] 1:19-1:20 `b` is neither an option nor the step's name");
    check("%%pipeline imports now", "error bad-tag [0] 1:20-1:23 `now` has no meaning here");
    check(
        "%%pipeline step a --memory 'a lot'",
        "error bad-tag [0] 1:28-1:35 `a lot` does not fit: `a lot` is not a Kubernetes quantity",
    );
    check(
        "%%pipeline step a --after b",
        "error unknown-prev [0] 1:27-1:28 step `a` has `prev:b`, and there is no step `b`",
    );
    let (_, diagnostics) = blocks_of(&[("", "# comment\n%%pipeline step a\nx")]);
    assert_eq!(lines(&diagnostics), ["error bad-tag [0] 2:1-2:18 `%%pipeline` is not on the first line of its cell"]);
    let (_, diagnostics) = blocks_of(&[("step:b", "%%pipeline step a\nx")]);
    assert_eq!(lines(&diagnostics), ["error bad-tag [0] 1:17-1:18 the cell is tagged both `step:b` and `step:a`"]);
}

#[test]
fn nothing_to_run_is_an_error() {
    let check = |cells: &[(&str, &str)], expected: &str| {
        let (_, diagnostics) = blocks_of(cells);
        assert_eq!(diagnostics.last().map(crate::line), Some(format!("error no-code {expected}")));
    };
    check(&[], "the notebook is empty");
    check(&[("#", "# Only text")], "the notebook has no code");
    check(&[("", " \n")], "the notebook has no code");
    check(&[("skip", "x")], "every code cell is tagged `skip`");
    check(&[("", "%pipeline run")], "no code is left without the lines that control pipelines or install packages");
}

#[test]
fn defaults_hold_for_steps_that_do_not_say_otherwise() {
    let metadata =
        json!({"kale_rs": {"version": 1, "enable_caching": false, "step_defaults": ["memory:1Gi", "retries:1"]}});
    let cells = [("step:a", "1"), ("step:b memory:4Gi cache:enabled", "2")];
    let (blocks, diagnostics) = kale_frontend::blocks::blocks(&notebook_with(metadata, &cells), PYTHON);
    assert_eq!(lines(&diagnostics), [""; 0]);
    let told = |index: usize| {
        let config = &blocks.steps[index].config;
        (config.resources.memory().unwrap().0.as_str(), config.retries, config.caching)
    };
    assert_eq!(told(0), ("1Gi", 1, Caching::Disabled));
    assert_eq!(told(1), ("4Gi", 1, Caching::Enabled));
}
