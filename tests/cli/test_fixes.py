"""`check --fix`: what can be mended without a thought is, in the file, and nothing else of it changes."""

import json
import re
import stat

import kale_rs
import nbformat
import pytest

from tests.oracle.spec_cases import read_cases

from .support import call, cell, ids, notebook

MISSPELT = [cell("rows = [1]", "step:load"), cell("more = [2]", "stp:more"), cell("print(rows, more)", "step:use")]


def jupyter_notebook(path, *cells):
    """As Jupyter writes files."""
    notebook(path, *cells)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def test_a_fix_is_offered_and_carried_out(tmp_path):
    path = jupyter_notebook(tmp_path / "n.ipynb", *MISSPELT)
    path.chmod(0o600)
    before = path.read_text()
    offered = call("check", path)
    assert offered.returncode == 0 and path.read_text() == before
    assert "warning[unknown-tag]" in offered.stdout and "fix: Write `step:more`" in offered.stdout
    done = call("check", path, "--fix", "--json")
    document = json.loads(done.stdout)
    assert document["fixed"] == [{"id": "unknown-tag", "cell": 1, "title": "Write `step:more`"}]
    assert "unknown-tag" not in ids(document)
    assert "fixed [unknown-tag] in cell 1: Write `step:more`" in done.stderr
    assert path.read_text() == before.replace("stp:more", "step:more")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    steps = json.loads(call("graph", path, "--json").stdout)["steps"]
    assert [step["name"] for step in steps] == ["load", "more", "use"]


def test_a_fix_may_lay_bare_another(tmp_path):
    cells = [
        cell("rows = [1]", "step:a"),
        cell("more = rows + [2]", "step:b", "perv:a"),
        cell("last = more + [3]", "step:a"),
        cell("print(rows, last)", "step:c", "prev:b"),
    ]
    path = notebook(tmp_path / "n.ipynb", *cells)
    assert call("check", path).returncode == 1
    done = call("check", path, "--fix", "--json")
    assert done.returncode == 0, done.stdout
    document = json.loads(done.stdout)
    assert [row["id"] for row in document["fixed"]] == ["unknown-tag", "step-cycle", "missing-prev"]
    tags = [row["metadata"]["tags"] for row in json.loads(path.read_text())["cells"]]
    assert tags == [["step:a"], ["step:b", "prev:a"], ["step:a_2"], ["step:c", "prev:b", "prev:a_2"]]


def test_a_misspelt_order_names_an_earlier_step(tmp_path):
    """The step `losb` is as near, and comes later."""
    cells = [cell("rows = [1]", "step:load"), cell("x = 2", "step:use", "prev:losd"), cell("y = 1", "step:losb")]
    path = jupyter_notebook(tmp_path / "n.ipynb", *cells)
    done = call("check", path, "--fix", "--json")
    assert [row["title"] for row in json.loads(done.stdout)["fixed"]] == ["Write `prev:load`"]


def test_edits_are_part_of_the_contract(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("import os\nprint(os.sep)", "imports"), *MISSPELT)
    rows = json.loads(call("check", path, "--json").stdout)["diagnostics"]
    fixes = {row["id"]: row["fixes"] for row in rows}
    assert fixes["unknown-tag"] == [
        {"title": "Write `step:more`", "edits": [{"cell": 2, "tags": {"add": ["step:more"], "remove": ["stp:more"]}}]}
    ]
    assert fixes["impure-prelude"][0]["edits"] == [
        {"cell": 0, "start": {"line": 1, "column": 10}, "end": {"line": 2, "column": 14}, "text": ""},
        {"cell": 0, "insert": {"source": "print(os.sep)", "tags": ["step:setup"]}},
    ]


def test_from_python(tmp_path):
    path = notebook(tmp_path / "n.ipynb", *MISSPELT)
    assert [one.id for one in kale_rs.check(path)] == ["unknown-tag"]
    done = kale_rs.check(path, fix=True)
    assert list(done) == [] and done.fixed == [("unknown-tag", 1, "Write `step:more`")]


def test_nothing_to_mend_leaves_the_file_alone(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "x = 1")
    before = path.stat()
    assert json.loads(call("check", path, "--fix", "--json").stdout)["fixed"] == []
    assert path.stat() == before


def test_standard_input_cannot_be_rewritten(tmp_path):
    path = notebook(tmp_path / "n.ipynb", *MISSPELT)
    done = call("check", "-", "--fix", stdin=path.read_text())
    assert done.returncode == 2 and "standard input" in done.stderr and done.stdout == ""


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    done = call("check", tmp_path / "absent.ipynb", "--fix")
    assert done.returncode == 2 and "absent.ipynb" in done.stderr


#: A fix may name what a star import stands for, when the module does not say it.
STARS = re.compile(r"^(from helpers import) .*")


def code_lines(document):
    """The code of a notebook without blank lines and `%%pipeline` lines; of a star import, only the module."""
    sources = ["".join(row["source"]) for row in document["cells"] if row["cell_type"] == "code"]
    lines = (line for source in sources for line in source.splitlines())
    lines = (STARS.sub(r"\1", line) for line in lines)
    return [line for line in lines if line.strip() and not line.startswith("%%pipeline")]


@pytest.mark.parametrize("case", read_cases(), ids=lambda case: case.name)
def test_fixes_of_the_specs_keep_the_code(case, tmp_path):
    """In whatever notebook: the code stays, the file stays a notebook, and what was offered is gone."""
    path = case.write(tmp_path)
    before = json.loads(path.read_text())
    broken = bool(kale_rs.check(path).errors)
    left = kale_rs.check(path, fix=True)
    after = json.loads(path.read_text())
    assert code_lines(after) == code_lines(before)
    nbformat.validate(after)
    assert broken or not left.errors
    if not left.fixed:
        assert after == before
