"""The promise, on every example: what nbclient shows of the notebook, the pipeline's executed notebook shows too."""

import json
import shutil

import pytest

from . import product
from .equivalence import metric_differences, run_linear, value_differences
from .examples import EXAMPLES, NAMES, OTHER_PARAMETERS, read, run_with_nbclient, visible
from .linear import LinearExecutor

SUBJECTS = [
    pytest.param(name, parameters, id=f"{name}-{label}")
    for name in NAMES
    for label, parameters in (("default", {}), ("other", OTHER_PARAMETERS.get(name)))
    if parameters is not None
]


@pytest.fixture(scope="module")
def executor():
    with LinearExecutor() as executor:
        yield executor


def run_product(name, directory, parameters, options=()):
    directory.mkdir(exist_ok=True)
    notebook = shutil.copy(EXAMPLES / name / "notebook.ipynb", directory)
    return product.run(directory / notebook, parameters, options)


@pytest.mark.parametrize("name, parameters", SUBJECTS)
def test_pipeline_shows_what_jupyter_shows(name, parameters, executor, tmp_path):
    run = run_product(name, tmp_path / "pipeline", parameters)
    assert run.report["status"] == "succeeded", run.report["diagnostics"]
    notebook = read(name)
    for place in ("jupyter", "linear"):
        (tmp_path / place).mkdir()
    expected = run_with_nbclient(notebook, tmp_path / "jupyter", parameters)
    actual = {index: run.notebook["cells"][index]["outputs"] for index in expected}
    assert {i: visible(rows) for i, rows in actual.items()} == {i: visible(rows) for i, rows in expected.items()}
    linear = run_linear(executor, notebook, tmp_path / "linear", parameters, run)
    assert linear.error is None
    assert metric_differences(run, linear) + value_differences(run, linear, varying=set()) == []


def test_every_example_explains_itself():
    for name in NAMES:
        assert (EXAMPLES / name / "README.md").read_text(encoding="utf-8").startswith("# ")
        assert not any(cell.get("outputs") for cell in read(name)["cells"])


def test_tabular_branches_overlap_in_time(tmp_path):
    run = run_product("tabular", tmp_path, {}, ["--no-cache", "--jobs", "2"])
    forest, boosting = span(run.events, "forest"), span(run.events, "boosting")
    assert max(forest[0], boosting[0]) < min(forest[1], boosting[1])


def test_figures_stay_in_the_executed_notebook(tmp_path):
    run = run_product("digits", tmp_path, {})
    assert json.dumps(run.notebook).count('"image/png"') == 2


def span(events, step):
    times = {row["event"]: row["time"] for row in events if row.get("step") == step and "time" in row}
    return times["step-started"], times["step-finished"]
