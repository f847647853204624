"""A minute of random notebooks, in this process and in real ones. `make fuzz` runs for longer."""

import json
import os

import pytest
from oracle import product
from oracle.equivalence import differences, run_linear
from oracle.linear import LinearExecutor

from .campaign import run
from .comparison import REFUSALS
from .planner import build
from .writer import Writer

SECONDS = float(os.environ.get("KALE_FUZZ_SECONDS", "45"))
SAMPLE = range(int(os.environ.get("KALE_FUZZ_SAMPLE", "8")))


def test_pipelines_compute_what_the_notebooks_compute():
    tally = run(build(), first=0, stride=1, cells=10**9, seconds=SECONDS)
    assert not tally.found, "\n\n".join(tally.found)
    # Notebooks of one step, or that stop at once, would show nothing.
    assert tally.steps / tally.planned > 3, tally.summary()
    assert tally.raised / tally.planned < 0.05, tally.summary()
    assert tally.planned / tally.notebooks > 0.9, tally.summary()


@pytest.fixture(scope="module")
def executor():
    with LinearExecutor() as executor:
        yield executor


@pytest.mark.parametrize("seed", SAMPLE)
def test_real_processes_do_the_same(seed, executor, tmp_path):
    """The executor of `test_pipelines...` stands for processes: here they are."""
    notebook = Writer(seed).write()
    document = notebook.document()
    path = tmp_path / "random.ipynb"
    path.write_text(json.dumps(document), encoding="utf-8")
    options = ["--granularity", notebook.granularity] if notebook.granularity else []
    run = product.run(path, notebook.parameters, options)
    if run.report["run_id"] is None:
        assert {row["id"] for row in run.report["diagnostics"] if row["severity"] == "error"} <= REFUSALS
        return
    (tmp_path / "linear").mkdir()
    linear = run_linear(executor, document, tmp_path / "linear", notebook.parameters, run)
    assert differences(run, linear) == [], "\n\n".join(notebook.sources)
