"""The promise, on every spec: the pipeline computes what the notebook computes, also with other parameters."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import product
from .equivalence import differences, run_linear
from .linear import LinearExecutor
from .spec_cases import read_cases

#: Every run spends its time in processes of its own; a few at a time keep all cores busy.
PARALLEL_RUNS = 4
SUBJECTS = [
    pytest.param(case, parameters, id=case.name + (f"-{number}" if number else ""))
    for case in read_cases()
    if case.compiles
    for number, parameters in enumerate(case.parameter_sets)
]


@pytest.fixture(scope="module")
def executor():
    with LinearExecutor() as executor:
        yield executor


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """Starts the runs of all selected subjects; each test waits for its own."""
    chosen = [item.callspec for item in request.session.items if item.module is request.module]
    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        yield {spec.id: pool.submit(run_subject, tmp_path_factory.mktemp("run"), **spec.params) for spec in chosen}
        pool.shutdown(cancel_futures=True)


def run_subject(directory, case, parameters):
    notebook = case.write(directory)
    return product.run(notebook, parameters, [*case.options, "--verify", "full"])


@pytest.mark.parametrize("case, parameters", SUBJECTS)
def test_pipeline_computes_what_the_notebook_computes(case, parameters, runs, executor, request, tmp_path):
    run = runs[request.node.callspec.id].result()
    case.write(tmp_path)
    linear = run_linear(executor, case.notebook(), tmp_path, parameters, run)
    assert differences(run, linear, case.expectations.get("varies", ())) == []
    if not parameters and "metrics" in case.expectations:
        reported = [f"{name} = {float(value)!r}" for name, value in run.report["metrics"].items()]
        assert sorted(reported) == sorted(case.expectations["metrics"])
    shutil.rmtree(tmp_path)
