"""What is shipped is needed: no tagged step is given a variable that its cells neither ask for nor change.

`test_equivalence.py` shows that nothing is missing; this shows that nothing is superfluous. The authority is the traced
run of the same cells from top to bottom (`tracer`). It sees one execution, so a name that only a branch not taken asks
for is known by its place in the text.
"""

import ast
import json

import kale_rs
import pytest

from .spec_cases import read_cases
from .tracer import trace_all

#: Inputs that no trace of this one run explains, each with the reason.
EXPLAINED = {
    # What the star import perhaps binds, it passes on.
    "imports/a-star-import-that-perhaps-binds-a-name-passes-the-earlier-value-on": {"b: rows"},
    # Only what is loaded together is as identical as in the notebook, and a later step needs two of the group's names.
    "found/a-group-that-two-cells-of-a-step-need-in-part-is-loaded-as-a-whole": {"alias: e", "both: e"},
    "found/two-aliases-of-one-value-made-by-two-steps-meet-in-a-third": {"two: a"},
    # `three` passes it on beside `d`, so that the last step loads as one what is one.
    "found/a-value-that-a-later-cell-needs-does-not-part-names-that-an-earlier-one-compares": {"three: e"},
    # So does `two`, beside `b`.
    "found/a-later-load-of-a-group-brings-what-a-later-cell-compares": {"two: c"},
    # The step that is entered again loads what is one as one, and `s3` passes on what it does not use.
    "found/what-a-step-is-given-together-may-be-made-by-a-later-cell": {"s3: C"},
    "found/what-comes-early-does-not-stay-under-a-name-that-a-cell-binds-meanwhile": {"s3: e"},
    "found/what-comes-early-does-not-take-the-name-that-the-same-cell-has-for-another-value": {"s5: b"},
    "found/what-comes-early-does-not-take-the-name-of-a-constant-that-the-same-cell-has": {"s4: b"},
    # Which of the two it is, is not known before the run.
    "conditional/break-leaves-a-name-as-it-was-in-the-middle-of-the-body": {"c: a"},
    "conditional/break-leaves-a-variable-of-a-function-as-it-was-in-the-middle-of-the-body": {"c: d"},
    "conditional/a-suppressed-exception-leaves-a-name-as-it-was-in-the-middle-of-the-block": {"c: a"},
    # They hold the class that changes.
    "classes/a-class-attribute-that-changes-is-seen-in-a-list-with-the-class-and-in-an-instance": {"c: a", "c: o"},
    "classes/a-class-that-holds-its-subclasses": {"more: Csv"},
    "classes/classes-that-a-decorator-registers": {"more: A"},
    "classes/an-enumeration-whose-members-change": {"change: favourite"},
    # Both lists hold one function, and go on together.
    "found/a-lambda-that-two-lists-hold-stays-one": {"one: b", "one: f", "two: a", "two: f"},
}


def is_tagged(case) -> bool:
    tags = {tag.split(":")[0] for cell in case.cells for tag in cell["tags"]}
    return bool(tags & {"step", "block"}) and "notebook" not in tags


CASES = [case for case in read_cases() if case.compiles and is_tagged(case)]


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """By case: its graph and its trace. Cells that are skipped are not traced."""
    found, paths = {}, {}
    for case in CASES:
        directory = tmp_path_factory.mktemp("shipping")
        path = case.write(directory)
        graph = kale_rs.graph(path)
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            if "skip" in cell["metadata"].get("tags", []):
                cell["source"] = ""
        path.write_text(json.dumps(notebook))
        paths[path], found[case.name] = case, (graph, None)
    for path, trace in trace_all(list(paths)).items():
        found[paths[path].name] = (found[paths[path].name][0], trace)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_input_is_needed(case, traces):
    graph, trace = traces[case.name]
    if trace.error and not case.raises:
        pytest.skip(f"the tracer, a plain interpreter that sees one cell at a time, cannot run it: {trace.error[1]}")
    superfluous = []
    for edge in graph.edges:
        cells = graph.steps[edge.target]
        if not trace.reads.keys() >= set(cells):
            continue  # The notebook's exception stopped the trace before them.
        needed = set().union(*(trace.reads.get(cell, set()) | trace.changes.get(cell, set()) for cell in cells))
        needed |= set().union(*(conditional_names(case.cells[cell]["source"]) for cell in cells))
        superfluous += [f"{edge.target}: {name}" for name in edge.variables if name not in needed]
    assert sorted(set(superfluous) - EXPLAINED.get(case.name, set())) == []


def test_most_cases_can_be_traced(traces):
    assert sum(trace.error is None for _, trace in traces.values()) >= 200


def conditional_names(source: str) -> set[str]:
    """Names in the branches and handlers of a cell, which one run need not reach."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    optional = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.Match, ast.BoolOp, ast.With, ast.comprehension)
    branches = [node for node in ast.walk(tree) if isinstance(node, optional)]
    return {name.id for branch in branches for name in ast.walk(branch) if isinstance(name, ast.Name)}
