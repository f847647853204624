"""The specs themselves: every notebook in `tests/spec` runs under CPython, or stops as it says, the same way twice."""

import pytest

from .linear import LinearExecutor, comparable
from .spec_cases import read_cases

CASES = [case for case in read_cases() if case.compiles]


@pytest.fixture(scope="module")
def executor():
    with LinearExecutor() as executor:
        yield executor


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_runs_under_cpython(case, executor, tmp_path):
    for parameters in case.parameter_sets:
        runs = [run_in(executor, case, tmp_path / f"{place}", parameters) for place in ("a", "b")]
        assert runs[0].error is None if case.raises is None else runs[0].error[1] == case.raises, runs[0].error
        assert outputs(runs[0]) == outputs(runs[1]), "a spec must be deterministic"


def run_in(executor, case, directory, parameters):
    directory.mkdir(exist_ok=True)
    case.write(directory)
    return executor.run(case.notebook(), directory, parameters)


def outputs(run):
    return {index: (comparable(cell.stdout), cell.displayed) for index, cell in run.cells.items()}


def test_names_of_cases_are_unique():
    names = [case.name for case in read_cases()]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
