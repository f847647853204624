"""Notebooks that cannot become a pipeline: status 1, a diagnostic that says where and why, and what to do."""

import json
import time

import pytest

from tests.oracle.spec_cases import check_prose

from .support import call, cell, ids, notebook


def check(path, *more):
    done = call("check", path, "--json", *more)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    check_prose(document["diagnostics"])
    return done.returncode, document


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "not-a-notebook"),
        ("not json", "not-a-notebook"),
        ("[1, 2]", "not-a-notebook"),
        ('{"a": 1}', "not-a-notebook"),
        ('{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not-a-notebook"),
        ('{"worksheets": [], "nbformat": 3, "nbformat_minor": 0, "metadata": {}}', "old-notebook-format"),
        ('{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no-code"),
    ],
)
def test_files_that_are_no_notebook(text, told, tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    status, document = check(path)
    assert (status, ids(document, "error")) == (1, [told])


def test_old_format_says_how_to_upgrade(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text('{"worksheets": [], "nbformat": 3, "nbformat_minor": 0, "metadata": {}}')
    (row,) = check(path)[1]["diagnostics"]
    assert "nbconvert --to notebook --nbformat 4" in row["help"]


def test_another_language(tmp_path):
    kernel = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}, "language_info": {"name": "R"}}
    path = notebook(tmp_path / "n.ipynb", "x <- 1", metadata=kernel)
    assert "not-python" in ids(check(path)[1], "error")


def test_only_markdown(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("# Title", kind="markdown"))
    assert ids(check(path)[1], "error") == ["no-code"]


def test_a_syntax_error_is_placed_in_its_cell(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "a = 1", "b = 2\nc = = 3")
    status, document = check(path)
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert (status, row["id"], row["cell"], row["start"]["line"]) == (1, "syntax-error", 1, 2)
    shown = call("check", path).stdout
    assert f"{path} cell 1:2:" in shown and "c = = 3" in shown and "^" in shown


@pytest.mark.parametrize("source", ["(" * 5000 + ")" * 5000, "x = " + "[" * 5000, "a" + "[0]" * 5000 + "(" * 5000])
def test_5000_brackets_do_not_take_the_process_down(source, tmp_path):
    status, document = check(notebook(tmp_path / "n.ipynb", source))
    assert status == 1
    assert set(ids(document, "error")) <= {"nesting-too-deep", "syntax-error"}


@pytest.mark.parametrize(
    "cells, message, help",
    [
        (
            ["print(rows)", "rows = [1]"],
            "`rows` is not bound before cell 1; run from top",
            "Move what binds `rows` above",
        ),
        (
            ["print(rows)\nrows = [1]"],
            "`rows` is read before this cell binds it; run from top",
            "Move what binds `rows`",
        ),
        (
            ["train_rows = [1]", "print(trian_rows)"],
            "Nothing before this binds `trian_rows`",
            "Did you mean `train_rows`?",
        ),
        (["rows = [1]", "print(columns)"], "Nothing before this binds `columns`", "Bind the name in an earlier cell"),
    ],
)
def test_a_name_that_is_not_bound_yet(cells, message, help, tmp_path):
    status, document = check(notebook(tmp_path / "n.ipynb", *[cell(source) for source in cells]))
    [told] = document["diagnostics"]
    assert (status, told["id"]) == (0, "undefined-name")
    assert told["message"].startswith(message) and told["help"].startswith(help)


def test_equal_step_names_that_make_a_cycle(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("a = [1]", "step:one"),
        cell("b = a + [2]", "step:two"),
        cell("c = b + a", "step:one"),
    )
    status, document = check(path)
    assert (status, ids(document, "error")) == (1, ["step-cycle"])
    assert "`one`" in document["diagnostics"][0]["message"]


def test_prev_to_nowhere(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = 1", "step:one"), cell("b = 1", "step:two", "prev:none"))
    status, document = check(path)
    assert (status, ids(document, "error")) == (1, ["unknown-prev"])
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert (row["cell"], "`none`" in row["message"], bool(row["help"])) == (1, True, True)


def test_prev_in_a_circle(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = 1", "step:one", "prev:two"), cell("b = 1", "step:two", "prev:one"))
    status, document = check(path)
    assert status == 1
    assert "prev-order" in ids(document, "error")


@pytest.mark.parametrize("verb", ["graph", "compile", "run"])
def test_other_verbs_report_the_same_errors(verb, tmp_path):
    path = notebook(tmp_path / "n.ipynb", "c = = 3")
    output = ["-o", tmp_path / "out.yaml"] if verb == "compile" else []
    done = call(verb, path, "--json", *output)
    assert done.returncode == 1
    assert ids(json.loads(done.stdout), "error") == ["syntax-error"]
    shown = call(verb, path, *output)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "error[syntax-error]" in shown.stderr
    assert not (tmp_path / "out.yaml").exists()


def test_a_run_of_a_broken_notebook_has_no_id(tmp_path):
    done = call("run", notebook(tmp_path / "n.ipynb", "c = = 3"), "--json")
    document = json.loads(done.stdout)
    assert (document["run_id"], document["status"], document["steps"]) == (None, "failed", [])
    assert not (tmp_path / ".kale_rs").exists()


PARAMETERS = ("epochs = 10\nrate = 0.5\ntitle = 'x'", "pipeline-parameters")


@pytest.mark.parametrize(
    "given, told, words",
    [
        ("epochs=many", "parameter-value", ["`epochs`", "int", "`many`", "`10`"]),
        ("rate=fast", "parameter-value", ["`rate`", "float"]),
        ("epoch=3", "unknown-parameter", ["`epoch`", "`epochs` (int)", "`rate` (float)", "`title` (str)"]),
    ],
)
def test_parameters_that_do_not_fit(given, told, words, tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell(*PARAMETERS), cell("print(epochs, rate, title)", "step:show"))
    done = call("run", path, "-p", given, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["run_id"], ids(document, "error")) == (1, None, [told])
    row = next(row for row in document["diagnostics"] if row["id"] == told)
    assert all(word in row["message"] + row["help"] for word in words)
    assert not (tmp_path / ".kale_rs").exists()


def blocks(head, depth):
    """Blocks in blocks, each indented by one blank."""
    lines = [" " * level + head for level in range(depth)] + [" " * depth + "pass"]
    if head == "try:":
        lines += [" " * level + "finally: pass" for level in reversed(range(depth))]
    return "\n".join(lines)


@pytest.mark.parametrize("head", ["if 1:", "def f():", "class A:", "while 1:", "for i in x:", "with x:", "try:"])
@pytest.mark.parametrize("depth", [20, 21, 99, 100])
def test_blocks_nest_as_deep_as_python_lets_them(head, depth, tmp_path):
    source = blocks(head, depth)
    try:
        compile(source, "cell", "exec")
        expected = []
    except SyntaxError:
        expected = ["nesting-too-deep"]
    assert ids(check(notebook(tmp_path / "n.ipynb", "x = 1\nprint(x)", source))[1], "error") == expected


@pytest.mark.parametrize("head", ["if 1:", "def f():", "x = (lambda:"])
def test_nesting_beyond_all_reason_is_refused_and_not_slow(head, tmp_path):
    began = time.process_time()
    document = check(notebook(tmp_path / "n.ipynb", blocks(head, 1000)))[1]
    assert ids(document, "error") in (["nesting-too-deep"], ["syntax-error"])
    assert time.process_time() - began < 5


def test_a_long_chain_of_elif_is_not_slow(tmp_path):
    chain = "if x == 0: y = 0\n" + "".join(f"elif x == {n}: y = {n}\n" for n in range(1, 5000))
    path = notebook(tmp_path / "n.ipynb", "x = len([1])", chain, "print(y)")
    began = time.monotonic()
    assert ids(check(path)[1], "error") == []
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("line", ["%time rows = [1", "%timeit f(", "y = %time (1", "%time x = = 1"])
def test_a_broken_operand_of_a_magic_is_a_syntax_error(line, tmp_path):
    (row,) = check(notebook(tmp_path / "n.ipynb", f"x = 1\n{line}"))[1]["diagnostics"]
    assert (row["id"], row["cell"], row["start"]["line"]) == ("syntax-error", 0, 2)


def test_what_the_parser_does_not_expect_is_a_syntax_error_and_no_trace(tmp_path):
    done = call("check", notebook(tmp_path / "n.ipynb", "x = 1", "[}\n?x"))
    assert done.returncode == 1 and "error[syntax-error]: Brackets do not match" in done.stdout
    assert "panicked" not in done.stderr and "backtrace" not in done.stderr
