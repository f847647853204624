"""Precision, not only soundness: the compiler keeps at least 75 % of the parallelism that a traced run allows.

Every fourth notebook of the corpus is also executed in `make test`, all of them with `KALE_TEST_ALL=1` (`make
test-all`).
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from . import product
from .equivalence import differences, run_linear
from .linear import LinearExecutor
from .precision import REQUIRED, measure, notebooks

STRIDE = 1 if os.environ.get("KALE_TEST_ALL") else 4
#: Outputs that say nothing when compared as text: the time that fits took; a table that pandas lays out for a notebook
#: in a step, and for a terminal in the linear executor.
NOT_REPEATABLE = {"docs_sklearn_selection", "missing_values"}
CORPUS = [path for half in ("open", "held") for path in notebooks(half)]
EXECUTED = [path for half in ("open", "held") for path in notebooks(half)[::STRIDE] if path.stem not in NOT_REPEATABLE]


@pytest.fixture(scope="module")
def measured():
    return {row.name: row for row in measure(CORPUS)}


def test_the_corpus_is_complete():
    assert all(len(notebooks(half)) >= 20 for half in ("open", "held"))


@pytest.mark.parametrize("name", [path.stem for path in CORPUS])
def test_what_a_run_depends_on_is_in_the_graph(name, measured):
    assert measured[name].missed == []


@pytest.mark.parametrize("name", [path.stem for path in CORPUS])
def test_parallelism_is_kept(name, measured):
    row = measured[name]
    assert row.precision >= REQUIRED, f"{row.traced} of {row.compiled} cells in the longest chain"


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_pipeline_computes_what_the_notebook_computes(path, tmp_path):
    """With the steps as small as they get, so that as much as possible travels."""
    for place in ("pipeline", "linear"):
        (tmp_path / place).mkdir()
    copied = Path(shutil.copy(path, tmp_path / "pipeline"))
    run = product.run(copied, {}, ["--granularity", "cell"])
    with LinearExecutor() as executor:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        linear = run_linear(executor, notebook, tmp_path / "linear", {}, run)
    assert linear.error is None
    assert differences(run, linear) == []
