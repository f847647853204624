"""Notebooks of the heavy libraries: the expected graph, and the promise, as in `tests/oracle`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.oracle import product
from tests.oracle.equivalence import differences, run_linear
from tests.oracle.linear import LinearExecutor
from tests.oracle.spec_cases import read_cases
from tests.oracle.test_spec_graphs import check_graph, graph_of

CASES = read_cases(Path(__file__).parent / "spec")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_graph_is_the_specified_one(case, tmp_path):
    check_graph(case, graph_of(case, tmp_path))


@pytest.fixture(scope="module")
def executor():
    with LinearExecutor() as executor:
        yield executor


@pytest.mark.parametrize("case", [case for case in CASES if case.compiles], ids=lambda case: case.name)
def test_pipeline_computes_what_the_notebook_computes(case, executor, tmp_path):
    for name in ("pipeline", "linear"):
        (tmp_path / name).mkdir()
    run = product.run(case.write(tmp_path / "pipeline"))
    case.write(tmp_path / "linear")
    linear = run_linear(executor, case.notebook(), tmp_path / "linear", {}, run)
    assert differences(run, linear) == []
    assert os.environ["KERAS_BACKEND"] == "torch"
