"""`run --verify` and `run --differential`, end to end: the compiler believes what is wrong, and the run finds out."""

import json
import os
import pickle
import signal
import sqlite3

import kale_rs
import pytest
from kale_runtime.linear import hold_the_same

from .support import call, cell, notebook, wait_for

TOOLS = """
import copy, heapq, math, os, random
# The knowledge base is made wrong: one function changes its argument (in C), the other returns it.
math.fsum = heapq.heapify
copy.copy = lambda value: value
def change(values): values.sort(); return len(values)
def draw(): return random.random()
def move(): os.chdir('/')
def put(): os.environ['MOVED_BY_TOOLS'] = '1'
def save(): open('saved.txt', 'w').write('1')
def secret(): import __main__; return __main__.hidden
"""


def run(path, *options):
    done = call("run", path, "--json", *options, cwd=path.parent)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def found(report):
    return [(one["id"], one["cell"]) for one in report["diagnostics"] if one["severity"] == "error"]


@pytest.fixture
def made(tmp_path):
    def make(*cells):
        (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
        return notebook(tmp_path / "n.ipynb", cell("import tools, random", "imports"), *cells)

    return make


def lies(name):
    """The user's word for it, which is wrong: `pure` says that a call changes nothing that exists."""
    return f"# kale: pure tools.{name}\nresult = tools.{name}"


LIES = {
    "change": (["values = sorted([2, 1], reverse=True)", lies("change") + "(values)", "print(values)"], 2),
    "draw": (["random.seed(1)\nrandom.random()", lies("draw") + "()", "random.random()"], 2),
    "move": (["1", lies("move") + "()", "2"], 2),
    "put": (["1", lies("put") + "()", "2"], 2),
    "secret": (["hidden = sum([1])", lies("secret") + "()", "print(hidden)"], 2),
}
LIES["fsum"] = ["values = sorted([2, 1], reverse=True)", "import math, tools\nmath.fsum(values)", "print(values)"], 2
IDS = {
    "fsum": "change",
    "change": "change",
    "draw": "randomness",
    "move": "setting",
    "put": "setting",
    "secret": "read",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out(made, lie):
    sources, where = LIES[lie]
    path = made(*(cell(source, f"step:s{number}") for number, source in enumerate(sources)))
    report = run(path)
    assert found(report) == [(f"undeclared-{IDS[lie]}", where)]
    assert report["status"] == "failed"
    told = call("run", path, cwd=path.parent)
    assert told.returncode == 1 and f"undeclared-{IDS[lie]}" in told.stderr and "n.ipynb cell 2" in told.stderr
    if lie != "secret":
        assert found(run(path, "--verify", "off", "--no-cache")) == []


def test_shared_objects_are_found_by_full(made):
    source = "import copy, tools\nvalues = sorted([1])\nother = copy.copy(values)"
    path = made(
        cell(source, "step:a"), cell("values.append(2)\nprint(values)", "step:b"), cell("print(other)", "step:c")
    )
    assert found(run(path)) == []
    assert found(run(path, "--verify", "full", "--no-cache")) == [("undeclared-sharing", 1)]


def test_a_file_that_meets_another_step(made):
    wait = "import os, time\nwhile not os.path.exists('saved.txt'): time.sleep(0.05)\nprint(open('saved.txt').read())"
    path = made(cell("tools.save()", "step:save"), cell(wait, "step:read"))
    report = run(path, "--jobs", "2")
    assert found(report) == [("undeclared-resource", 1)]
    assert [one["cell"] for one in report["diagnostics"][-1]["related"]] == [2]
    path = made(cell("tools.save()", "step:save"), cell("1", "step:read"))
    report = run(path)
    assert [(one["id"], one["cell"]) for one in report["diagnostics"]] == [("unforeseen-resource", 1)]
    # The word that it concerns nobody is taken.
    path = made(cell("# kale: independent\ntools.save()", "step:save"), cell("1", "step:read"))
    assert run(path)["diagnostics"] == []


def test_a_wrong_level_is_refused(made):
    path = made("1")
    done = call("run", path, "--verify", "much")
    assert done.returncode == 2 and "[possible values: off, inputs, full]" in done.stderr
    with pytest.raises(kale_rs.UsageError, match="`verify` cannot be 'much'"):
        kale_rs.run(path, verify="much")


# --differential


def test_a_pipeline_that_computes_what_the_notebook_computes(made):
    path = made(
        cell("n = 3", "pipeline-parameters"),
        cell("def f(x):\n    return x * n", "functions"),
        cell(
            "random.seed(n)\nvalues = [f(random.random()) for _ in range(n)]\nopen('log.txt', 'a').write('x')", "step:a"
        ),
        cell("print(len(open('log.txt').read()))\nvalues.append(object)\nvalues", "step:b"),
        cell("total = sum(values[:-1])\nprint(random.random())", "step:c"),
        cell("print(total)", "pipeline-metrics"),
    )
    report = run(path, "--differential", "-p", "n=4")
    assert (report["status"], report["diagnostics"]) == ("succeeded", [])
    assert [one["id"] for one in report["diagnostics"]] == []
    # The notebook ran in a copy of the folder.
    assert (path.parent / "log.txt").read_text() == "x"


def test_the_copy_of_the_folder_is_as_the_folder(made, tmp_path):
    path = made(
        cell("import os\ntoken = open('.env').read()\nopen('link/log.txt', 'a').write('x')", "step:a"),
        cell("print(token, sorted(os.listdir('.')), len(open('data/log.txt').read()))", "step:b"),
    )
    (tmp_path / ".env").write_text("token")
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".kale_rs").mkdir()
    report = run(path, "--differential")
    assert (report["status"], report["diagnostics"]) == ("succeeded", [])
    assert (tmp_path / "data/log.txt").read_text() == "x", "the notebook wrote into the copy"


def test_what_lies_beside_the_folder_is_beside_its_copy(tmp_path):
    folder, beside = tmp_path / "project/notebooks", tmp_path / "project/data"
    folder.mkdir(parents=True)
    beside.mkdir()
    (beside / "in.csv").write_text("1,2")
    (tmp_path / "top.txt").write_text("3")
    path = notebook(
        folder / "n.ipynb",
        cell("words = open('../data/in.csv').read().split(',') + [open('../../top.txt').read()]", "step:read"),
        cell("print(words, open('../notebooks/n.ipynb').read(1))", "step:show"),
    )
    report = run(path, "--differential")
    assert (report["status"], report["diagnostics"]) == ("succeeded", [])


def test_a_figure_is_shown_where_another_step_has_made_it(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("import matplotlib.pyplot as plt", "imports"),
        cell("figure, axes = plt.subplots()\naxes.plot([1, 2])", "step:draw"),
        cell("figure", "step:show"),
        cell("axes.get_figure()", "step:again"),
    )
    report = run(path, "--differential")
    assert (report["status"], report["diagnostics"]) == ("succeeded", [])
    cells = json.loads((tmp_path / report["notebook"]).read_text())["cells"]
    assert all("image/png" in cells[index]["outputs"][0]["data"] for index in (2, 3))


def test_a_pickle_of_equal_values_is_no_difference(tmp_path):
    """One string that is shared in the notebook is two in a value that was sent."""
    path = notebook(
        tmp_path / "n.ipynb",
        cell("import pickle\nd = {'a': ['x1', 'x2']}", "step:a"),
        cell("d['b'] = ['x1', 'x2']", "step:b"),
        cell("with open('d.pkl', 'wb') as file:\n    pickle.dump(d, file)", "step:c"),
        cell("with open('d.pkl', 'rb') as file:\n    print(pickle.load(file))", "step:d"),
    )
    report = run(path, "--differential")
    assert (report["status"], report["diagnostics"]) == ("succeeded", [])


@pytest.mark.parametrize(
    "one, other, same",
    [
        (pickle.dumps(["x1", "x1"]), pickle.dumps(["x1", b"x1".decode()]), True),
        (pickle.dumps(1) + pickle.dumps(2), pickle.dumps(1) + pickle.dumps(3), False),
        (pickle.dumps(1) + b"a", pickle.dumps(1) + b"b", False),
        (b"a", b"b", False),
    ],
)
def test_all_that_is_in_a_file_of_pickles_counts(one, other, same, tmp_path):
    paths = [tmp_path / "one", tmp_path / "other"]
    for path, content in zip(paths, (one, other), strict=True):
        path.write_bytes(content)
    assert hold_the_same(*paths) is same


def test_a_comparison_goes_on_after_the_engine_was_killed(made, tmp_path):
    """With the folder as it was before the steps wrote to it."""
    go, reached = tmp_path.with_name("go"), tmp_path.with_name("reached")
    path = made(
        cell("import os, time\nopen('log.txt', 'a').write('x')", "step:a"),
        cell(
            f"n = len(open('log.txt').read())\nopen({str(reached)!r}, 'w').close()\n"
            f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\nprint(n)",
            "step:b",
        ),
    )
    call("run", path, "--differential", "--detach", "--json", cwd=tmp_path)
    wait_for(reached.exists, "the second step's cell")
    with sqlite3.connect(f"file:{tmp_path / '.kale_rs/store.db'}?mode=ro", uri=True) as database:
        os.kill(database.execute("SELECT engine_pid FROM runs").fetchone()[0], signal.SIGKILL)
    shown = lambda: json.loads(call("show", "last", "--json", cwd=tmp_path).stdout)  # noqa: E731
    wait_for(lambda: shown()["status"] == "interrupted", "the interruption")
    go.touch()
    report = json.loads(call("resume", "last", "--json", cwd=tmp_path).stdout)
    assert (report["status"], found(report)) == ("succeeded", []), report
    assert (tmp_path / "log.txt").read_text() == "x"


def test_a_value_an_output_and_a_metric_that_differ(made):
    path = made(
        cell("values = sorted([2.5, 1], reverse=True)", "step:a"),
        cell(lies("change") + "(values)", "step:b"),
        cell("print('first', values[0])\nhead = values[:1]", "step:c"),
        cell("top = head[0]\ntop", "step:d"),
        cell("print(top)", "pipeline-metrics"),
    )
    report = run(path, "--differential", "--verify", "off")
    assert report["status"] == "failed"
    told = [(one["id"], one["cell"], one["message"]) for one in report["diagnostics"]]
    assert {row[:2] for row in told} == {("differs-from-notebook", cell) for cell in (None, 3, 4, 5)}
    messages = "\n".join(row[2] for row in told)
    assert "`head[0]` is 1 after cell 3, and the pipeline stored 2.5" in messages
    assert "cell 3 prints `first 1`, and the pipeline `first 2.5`" in messages
    assert "cell 4 displays `1` (text/plain), and the pipeline `2.5`" in messages
    assert "metric `top` is 1" in messages


def test_what_the_notebook_does_not_repeat_is_no_difference(made):
    path = made(
        cell("import time, os\nstart = time.time()\nx = random.random()", "step:a"),
        cell("y = [x, os.getpid()]\nprint(y)\nobject()", "step:b"),
        cell("print(len(y))", "step:c"),
    )
    report = run(path, "--differential")
    assert (report["status"], found(report)) == ("succeeded", [])
    remarks = [one["cell"] for one in report["diagnostics"] if one["id"] == "not-repeatable"]
    assert remarks == [1, 2]


def test_a_notebook_that_stops_where_the_pipeline_does_not(made):
    path = made(
        cell("values = sorted([2, 1], reverse=True)", "step:a"),
        cell(lies("change") + "(values)", "step:b"),
        cell("assert values[0] == 2", "step:c"),
    )
    report = run(path, "--differential", "--verify", "off")
    assert found(report) == [("differs-from-notebook", 3)]
    assert "the notebook stops with `AssertionError`" in report["diagnostics"][-1]["message"]


def test_both_stop(made):
    path = made(cell("values = [1]", "step:a"), cell("values[3]", "step:b"))
    assert found(run(path, "--differential")) == [("step-failed", 2)]


def test_the_same_from_python(made):
    path = made(cell("a = sum([1])", "step:a"), cell("print(a)", "step:b"))
    result = kale_rs.run(path, differential=True, verify="full", progress=False)
    assert (result.status, list(result.diagnostics)) == ("succeeded", [])
