"""Cells that stand for another notebook: where its faults, outputs and steps are shown."""

import json

import pytest

from .support import call, cell, notebook


@pytest.fixture
def path(tmp_path):
    (tmp_path / "parts").mkdir()
    notebook(
        tmp_path / "parts" / "prep.ipynb", cell("# Preparation", kind="markdown"), "rows = [1]\nprint('hi')", "rows"
    )
    reference = cell("", "notebook:prep")
    reference["metadata"]["notebook_path"] = "parts/prep.ipynb"
    return notebook(
        tmp_path / "main.ipynb", cell("start = 1", "step:start"), reference, cell("print(rows)", "step:use")
    )


def test_steps_and_outputs_stand_at_the_referring_cell(path, tmp_path):
    done = call("run", path, "--json", "--output-notebook", tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stderr
    steps = {step["name"]: step["cells"] for step in json.loads(done.stdout)["steps"]}
    assert steps == {"start": [0], "prep": [1], "use": [2]}
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    shown = [row.get("text") or row["data"]["text/plain"] for row in cells[1]["outputs"]]
    assert shown == [["hi\n"], ["[1]"]]
    assert cells[1]["source"] == ""


def test_a_change_of_the_other_notebook_is_seen(path, tmp_path):
    assert call("run", path).returncode == 0
    again = json.loads(call("run", path, "--json").stdout)
    assert {step["status"] for step in again["steps"]} == {"cached"}
    notebook(tmp_path / "parts" / "prep.ipynb", "rows = [2]")
    last = json.loads(call("run", path, "--json").stdout)
    assert {step["name"]: step["status"] for step in last["steps"]}["prep"] == "succeeded"


def test_a_failure_names_notebook_cell_and_line(path, tmp_path):
    notebook(tmp_path / "parts" / "prep.ipynb", "rows = [1]", "x = 1\nrows[3]")
    document = json.loads(call("run", path, "--json").stdout)
    (row,) = [row for row in document["diagnostics"] if row["id"] == "step-failed"]
    assert "in cell 1 of `parts/prep.ipynb`, line 2" in row["message"]
    assert (row["cell"], row["start"]["line"]) == (1, 1)


def test_a_fault_names_notebook_cell_and_line(path, tmp_path):
    notebook(tmp_path / "parts" / "prep.ipynb", "rows = [1]", "x = 1\ny = = 2")
    done = call("check", path)
    assert done.returncode == 1
    assert "In cell 1 of `parts/prep.ipynb`, line 2: " in done.stdout
    assert f"{path} cell 1:1:1" in done.stdout


def test_a_notebook_that_is_not_there_is_named(path, tmp_path):
    (tmp_path / "parts" / "prep.ipynb").unlink()
    done = call("check", path)
    assert done.returncode == 1
    assert "`parts/prep.ipynb`" in done.stdout and "No such file" in done.stdout and "notebook_path" in done.stdout


def test_it_is_part_of_the_emitted_pipeline(path, tmp_path):
    done = call("compile", path, "-o", tmp_path / "out.yaml")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out.yaml").read_text()
    assert "# prep (cell 1)" in text or "prep (cell 1)" in text


@pytest.mark.parametrize("line", ["%run self.ipynb", "%run ./self.ipynb"])
def test_a_notebook_that_runs_itself(tmp_path, line):
    path = notebook(tmp_path / "self.ipynb", "rows = [1]", line)
    done = call("check", path)
    assert done.returncode == 1
    assert "error[sub-notebook]: Cell 1 runs" in done.stdout and "without end" in done.stdout
