"""The graphs and diagnostics that the specs and examples state, against those of the compiler.

`KALE_BLESS=1` writes what the compiler says into the blocks; a person reads the difference before it is committed.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import product
from .spec_cases import bless, check_prose, diagnostic_line, flow_lines, normal_flow, read_cases

BLESS = os.environ.get("KALE_BLESS") == "1"
CASES = read_cases()
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def graphs(request, tmp_path_factory):
    items = [item for item in request.session.items if item.module is request.module and hasattr(item, "callspec")]
    cases = [item.callspec.params["case"] for item in items if "case" in item.callspec.params]
    with ThreadPoolExecutor(2) as pool:
        yield {case.name: pool.submit(graph_of, case, tmp_path_factory.mktemp("graph")) for case in cases}
        pool.shutdown(cancel_futures=True)


def graph_of(case, directory):
    return product.graph(case.write(directory), case.options)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_graph_is_the_stated_one(case, graphs):
    check_graph(case, graphs[case.name].result())


def check_graph(case, graph):
    told = [diagnostic_line(row) for row in graph["diagnostics"]]
    check_prose(graph["diagnostics"])
    errors = [row for row in graph["diagnostics"] if row["severity"] == "error"]
    if BLESS and (case.compiles or "diagnostics" not in case.expectations):
        bless_case(case, graph, told)
        return
    if case.compiles:
        assert not errors, [f"{row['id']}: {row['message']}" for row in errors]
        assert sorted(flow_lines(graph)) == sorted(map(normal_flow, case.expectations["flow"]))
    else:
        assert errors, f"it compiled: {flow_lines(graph)}"
        assert graph["steps"] == []
    if "diagnostics" in case.expectations:
        check_diagnostics(case.expectations["diagnostics"], told)


def check_diagnostics(stated, told):
    """What is stated is told, and no error or warning is told beyond it; a place may be left out."""
    missing = [line for line in stated if not any(matches(line, other) for other in told)]
    extra = [line for line in told if not line.startswith("info") and not any(matches(s, line) for s in stated)]
    assert not missing and not extra, f"missing {missing}, not stated {extra}, told {told}"


def matches(stated, told):
    return told == stated or told.startswith(stated + " ")


def bless_case(case, graph, told):
    if case.compiles:
        bless(case, "flow", flow_lines(graph))
    else:
        bless(case, "diagnostics", [line for line in told if line.startswith("error")])


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/notebook.ipynb")))
def test_graph_of_example_is_the_golden_one(name):
    text = product.graph_text(EXAMPLES / name / "notebook.ipynb")
    golden = EXAMPLES / name / "graph.txt"
    if BLESS:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
