# ruff: noqa: E501 (cells are easier to read on one line)
"""What enters and leaves a step: parameters, values, random generators, files."""

import json
import os
import tarfile

import pytest
from conftest import text_of

RICH = pytest.mark.parametrize("rich", [True, False], ids=["ipython", "plain"])


def run(index, source, parameters=(), sites=()):
    return ["run", index, 1, source, list(parameters), list(sites)]


@pytest.mark.parametrize(
    "kind, given, expected",
    [
        ("int", 10.0, 10), ("int", "9007199254740993", 9007199254740993), ("int", -3, -3), ("float", 2, 2.0),
        ("float", "NaN", "nan"), ("float", "-Infinity", "-inf"), ("bool", True, True), ("bool", "false", False),
        ("str", "a'\"\n\\é😀{{$}}", "a'\"\n\\é😀{{$}}"), ("str", "5", "5"), ("list", [1, {"a": None}], [1, {"a": None}]),
        ("list", "[1, 2.5]", [1, 2.5]), ("dict", {"k": [1]}, {"k": [1]}), ("json", "null", None), ("json", None, None),
        ("json", "plain text", "plain text"), ("json", "[1]", [1]), ("json", 7, 7),
    ],
)  # fmt: skip
@RICH
def test_parameters_replace_the_literal(bench, rich, kind, given, expected):
    source = "p = 1\nq = 'other'\nprint(repr(p) if repr(p) in ('nan', '-inf') else __import__('json').dumps(p))"
    program = [run(0, source, ["p"])]
    result = bench.run(program, rich=rich, parameters={"p": kind}, values={"p": given})
    assert result["error"] is None
    printed = text_of(result).strip()
    if expected in ("nan", "-inf"):
        assert printed == expected
    else:
        got = json.loads(printed)
        assert got == expected and type(got) is type(expected)


@RICH
def test_only_the_first_assignment_is_replaced(bench, rich):
    source = "a: float = 0.5  # note\nb = a * 2\na = a + 1\nx, y = 1, 2\nprint(a, b)"
    result = bench.run([run(0, source, ["a"])], rich=rich, parameters={"a": "float"}, values={"a": 3})
    assert text_of(result) == "4.0 6.0\n"


def test_parameter_rows_bind(bench):
    program = [["parameter", "p"], run(0, "print(p + 1)")]
    assert text_of(bench.run(program, parameters={"p": "int"}, values={"p": 4})) == "5\n"


def test_a_default_keeps_its_own_type(bench):
    """The notebook says `rate: float = 1`, and there it is an int."""
    program = [["parameter", "rate"], run(0, "rate: float = 1\nprint(rate * 2)", ["rate"])]
    for given, printed in ((1, "2\n"), (1.0, "2\n"), (3, "6.0\n")):
        options = {"parameters": {"rate": "float"}, "values": {"rate": given}, "defaults": {"rate": 1}}
        assert text_of(bench.run(program, **options)) == printed


@pytest.mark.parametrize(
    "kind, given", [("int", 1.5), ("int", "x"), ("list", {"a": 1}), ("bool", "maybe"), ("float", [1])]
)
def test_wrong_parameters_are_refused(bench, kind, given):
    result = bench.run([["parameter", "p"]], parameters={"p": kind}, values={"p": given})
    assert result["error"]["code"] == "parameter-value"
    assert f"`p` must be of type {kind}" in result["error"]["message"]


def test_a_missing_parameter_and_a_missing_literal(bench):
    result = bench.run([["parameter", "p"]], parameters={"p": "int"})
    assert result["error"]["message"] == "parameter `p` must be of type int: missing"
    result = bench.run([run(3, "q = 1", ["p"])], parameters={"p": "int"}, values={"p": 1})
    assert (result["error"]["message"], result["error"]["cell"]) == ("cell 3 has no place for ['p']", 3)


@RICH
def test_a_missing_metric_site_is_no_success(bench, rich):
    result = bench.run([run(0, "x = 1\n", sites=[["m", 4, None]])], rich=rich)
    assert result["status"] == "failed"


def test_blank_lines_and_indents(bench):
    for rich in (True, False):
        result = bench.cells("  \n\n    x = 1\n    x\n  ", "\n\n", "# nothing", rich=rich)
        assert result["cells"]["0"]["outputs"][0]["data"] == {"text/plain": "1"}


@RICH
def test_metrics_are_evaluated_and_recorded_once(bench, rich):
    source = "calls = []\ndef f(): calls.append(1); return 0.25\nprint('loss', f())\nf()\nprint(len(calls))"
    sites = [["loss", 2, 1], ["f", 3, None]]
    result = bench.run(
        [run(0, source, sites=sites), run(1, "import kale_rs\nfor i in range(3):\n    kale_rs.metric('l', i, step=i)")],
        rich=rich,
    )
    assert text_of(result) == "loss 0.25\n2\n"
    assert result["metrics"] == {"loss": 0.25, "f": 0.25, "l": 2.0}
    assert result["metric_steps"] == [["loss", 0.25, None], ["f", 0.25, None]] + [["l", float(i), i] for i in range(3)]
    events = [json.loads(line) for line in (bench.scratch / "events.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events] == [
        "cell-started",
        "metric",
        "metric",
        "cell-started",
        "metric",
        "metric",
        "metric",
    ]


def test_metric_values(bench):
    pytest.importorskip("numpy")
    cells = "import numpy as np\nimport fractions\nx = 1\nnan = float('nan')"
    lines = [
        "np.float32(0.5)",
        "np.array(2)",
        "fractions.Fraction(1, 4)",
        "True",
        "nan",
        "-np.inf",
        "'0.5'",
        "None",
        "np.array([1.0])",
        "10 ** 400",
        "1j",
    ]
    sites = [[f"m{index}", 4 + index, None] for index in range(len(lines))]
    result = bench.run([run(0, cells + "\n" + "\n".join(lines), sites=sites)])
    assert result["status"] == "succeeded"
    assert result["metrics"] == {"m0": 0.5, "m1": 2.0, "m2": 0.25, "m3": 1.0, "m4": "NaN", "m5": "-Infinity"}
    assert [warning["id"] for warning in result["warnings"]] == ["metric-value"] * 7
    assert result["warnings"][2]["message"] == "metric `m6` is no number but a `str`: left out"
    assert "NaN" in json.dumps(result["metrics"])


def test_metrics_and_parameters_below_a_cell_magic(bench):
    pytest.importorskip("IPython")
    program = [run(0, "%%time\nn = 1\nm = n + 1\nm", ["n"], [["m", 2, None]])]
    result = bench.run(program, parameters={"n": "int"}, values={"n": 5})
    assert result["metrics"] == {"m": 6.0}


@RICH
def test_absent_names_are_unbound(bench, rich):
    bench.run([run(0, "a = 1\nlen = 5\ndel len"), ["save", "k", "value", ["a", "b", "len"]]], rich=rich)
    program = [
        run(0, "b = 7\nlen = 3"),
        ["load", "k", "value", ["a", "b", "len"]],
        run(1, "print(a, 'b' in globals(), len([1]))"),
    ]
    assert text_of(bench.run(program, rich=rich), cell=1) == "1 False 1\n"


def test_shared_objects_stay_shared(bench):
    bench.run([run(0, "a = [1]\nb = {'a': a}"), ["save", "k", "value", ["a", "b"]]])
    program = [["load", "k", "value", ["a", "b"]], run(0, "print(b['a'] is a)")]
    assert text_of(bench.run(program)) == "True\n"


def test_what_is_loaded_twice_is_one_object(bench):
    bench.run([run(0, "a = [1]\nb = {'a': a}"), ["save", "k", "value", ["a", "b"]]])
    program = [
        run(0, "b = 'another'"),
        ["load", "k", "value", ["a"]],
        run(1, "a.append(b)"),
        ["load", "k", "value", ["b"]],
        run(2, "print(b['a'] is a, a)"),
    ]
    assert text_of(bench.run(program), cell=2) == "True [1, 'another']\n"


def test_loaded_arrays_can_be_changed_and_the_artifact_cannot(bench):
    pytest.importorskip("numpy")
    bench.run([run(0, "import numpy as np\na = np.zeros(300_000)\nv = a[:3]"), ["save", "k", "value", ["a", "v"]]])
    before = (bench.scratch / "k").read_bytes()
    program = [["load", "k", "value", ["a", "v"]], run(0, "a[0] = 5\na.sort()\nprint(a.max())")]
    assert text_of(bench.run(program)) == "5.0\n"
    assert (bench.scratch / "k").read_bytes() == before


@pytest.mark.parametrize("name", ["random", "numpy", "torch"])
def test_random_generators_go_on(bench, name):
    pytest.importorskip(name)
    draw = {"random": "random.random()", "numpy": "numpy.random.rand()", "torch": "torch.rand(1).item()"}[name]
    seed = {"random": "random.seed(1)", "numpy": "numpy.random.seed(1)", "torch": "torch.manual_seed(1)"}[name]
    both = bench.cells(f"import {name}\n{seed}\nprint({draw})\nprint({draw})")
    bench.run([run(0, f"import {name}\n{seed}\nprint({draw})"), ["save", "r", f"rng:{name}", []]])
    after = bench.run([["load", "r", f"rng:{name}", []], run(0, f"import {name}\nprint({draw})")])
    assert text_of(after) == text_of(both).split("\n")[1] + "\n"


UNSHIPPABLE = {
    "open file": "v = open(__import__('os').devnull)",
    "written file": "v = open('w.bin', 'wb')",
    "socket": "import socket\nv = socket.socket()",
    "lock": "import threading\nv = [threading.Lock()]",
    "recursive lock": "import threading\nv = {1: threading.RLock()}",
    "generator": "v = (i for i in range(3))",
    "temporary directory": "import tempfile\nv = tempfile.TemporaryDirectory()",
    "temporary file": "import tempfile\nv = tempfile.NamedTemporaryFile()",
    "memoryview": "v = memoryview(b'abc')",
    "csv reader": "import csv\nv = csv.reader([])",
    "database": "import sqlite3\nv = sqlite3.connect(':memory:')",
    "in an object": "class A: pass\nv = A()\nv.inner = [open(__import__('os').devnull)]",
    "thread": "import threading\nv = threading.Thread()",
    "process": "import subprocess\nv = subprocess.Popen(['true'])\nv.wait()",
    "lambda": "v = lambda: 1",
    "module": "import json as v",
}


@pytest.mark.parametrize("kind", UNSHIPPABLE)
def test_what_would_not_survive_is_refused(bench, kind):
    program = [
        run(2, "fine = 1"),
        run(5, UNSHIPPABLE[kind]),
        run(6, "other = 2"),
        ["save", "k", "value", ["fine", "v"]],
    ]
    error = bench.run(program)["error"]
    assert error["code"] == "value-not-stored"
    assert error["message"].startswith("`v`, a `") and "made in cell 5" in error["message"] and error["cell"] == 5


def test_callables_travel_by_dill(bench):
    pytest.importorskip("dill")
    source = "import functools\nk = 3\ndef outer():\n    n = 10\n    return lambda x: x * n + k\nf = outer()\npart = functools.partial(f, 2)"
    result = bench.run([run(0, source), ["save", "f", "callable", ["f", "part"]]])
    assert result["error"] is None
    program = [
        ["define", 0, 1, "k = 4"],
        ["load", "f", "callable", ["f", "part"]],
        run(1, "print(f(1), part(), f.__module__)\nk = 5\nprint(f(1))"),
    ]
    assert text_of(bench.run(program), cell=1) == "14 24 __main__\n15\n"
    error = bench.run(
        [run(0, "h = open(__import__('os').devnull)\nf = lambda: h"), ["save", "f", "callable", ["f", "h"]]]
    )["error"]
    assert error["code"] == "value-not-stored" and "`h`, a `TextIOWrapper`" in error["message"]


def test_dill_that_is_missing_is_named(bench):
    (bench.folder / "sitecustomize.py").write_text("import sys\nsys.modules['dill'] = None\n")
    environment = {"PYTHONPATH": str(bench.folder)}
    error = bench.run([run(0, "f = lambda: 1"), ["save", "f", "callable", ["f"]]], environment=environment)["error"]
    assert error["code"] == "step-not-started" and "`pip install dill`" in error["message"]


def test_values_that_cannot_be_read_back(bench):
    bench.run([run(0, "class A: pass\na = A()"), ["save", "k", "value", ["a"]]])
    error = bench.run([["load", "k", "value", ["a"]]])["error"]
    assert error["code"] == "value-not-loaded" and error["message"].startswith(
        "`a` could not be read back: AttributeError"
    )
    (bench.scratch / "k").write_bytes(b"rubbish")
    assert bench.run([["load", "k", "value", ["a"]]])["error"]["code"] == "value-not-loaded"
    (bench.scratch / "k").unlink()
    assert "No such file" in bench.run([["load", "k", "value", ["a"]]])["error"]["message"]


def test_files_travel(bench):
    (bench.folder / "out").mkdir()
    (bench.folder / "out" / "a.csv").write_text("1,2")
    bench.run([["save", "f", "file:out/a.csv", []]])
    assert (bench.scratch / "f").read_text() == "1,2"
    (bench.folder / "out" / "a.csv").unlink()
    (bench.folder / "out").rmdir()
    bench.run([["load", "f", "file:out/a.csv", []]])
    target = bench.folder / "out" / "a.csv"
    assert target.read_text() == "1,2"
    os.utime(target, (1, 1))
    bench.run([["load", "f", "file:out/a.csv", []]])
    assert target.stat().st_mtime == 1


def test_folders_travel(bench):
    deep = bench.folder / "model" / "deep"
    deep.mkdir(parents=True)
    (deep / "x.txt").write_text("x")
    (bench.folder / "model" / "empty").mkdir()
    bench.run([["save", "f", "file:model", []]])
    first = (bench.scratch / "f").read_bytes()
    os.utime(deep / "x.txt", (5, 5))
    bench.run([["save", "f", "file:model", []]])
    assert (bench.scratch / "f").read_bytes() == first
    bench.run([["load", "f", "file:copy", []]])
    assert (bench.folder / "copy" / "deep" / "x.txt").read_text() == "x"
    assert (bench.folder / "copy" / "empty").is_dir()


def test_a_tar_of_the_user_stays_a_file(bench):
    with tarfile.open(bench.folder / "t.tar", "w") as archive:
        archive.add(__file__, "x")
    bench.run([["save", "f", "file:t.tar", []]])
    content = (bench.folder / "t.tar").read_bytes()
    (bench.folder / "t.tar").unlink()
    bench.run([["load", "f", "file:t.tar", []]])
    assert (bench.folder / "t.tar").read_bytes() == content


def test_a_file_that_was_not_made(bench):
    assert bench.run([["save", "f", "file:nothing.txt", []]])["error"] is None
    assert bench.run([["load", "f", "file:nothing.txt", []]])["error"] is None
    assert not (bench.folder / "nothing.txt").exists()


def test_numbers_in_lists_are_the_defaults_again(bench):
    """KFP's Struct holds doubles only."""
    values = {"same": [1, {"a": 2.0}], "other": {"n": 3.0, "x": 0.5, "big": 1e300}}
    defaults = {"same": [1.0, {"a": 2}], "other": {}}
    program = [["parameter", "same"], ["parameter", "other"], run(0, "print(same, other)")]
    types = {"same": "list", "other": "dict"}
    bench.embedded(program, parameters=types, values=values, defaults=defaults)
    assert bench.stdout == "[1.0, {'a': 2}] {'n': 3, 'x': 0.5, 'big': 1e+300}\n"
    result = bench.run(program, parameters=types, values=values)
    assert text_of(result) == "[1, {'a': 2.0}] {'n': 3.0, 'x': 0.5, 'big': 1e+300}\n"


def test_a_full_disk(bench):
    artifact = bench.scratch / "k"
    artifact.symlink_to("/dev/full")
    error = bench.run([run(0, "a = list(range(100_000))"), ["save", "k", "value", ["a"]]])["error"]
    assert (
        error["code"] == "store-unwritable" and error["message"] == "`a` could not be stored: No space left on device"
    )


NETWORK = """
import torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
net(torch.ones(5, 3)).sum().backward()
"""
STEP = """
optimizer.step()
schedule.step()
print([p.tolist() for p in net.parameters()], optimizer.param_groups[0]["lr"])
"""


def test_gradients_of_tensors_survive(bench):
    pytest.importorskip("torch")
    both = bench.cells(NETWORK + STEP)
    names = ["net", "optimizer", "schedule"]
    bench.run([run(0, NETWORK), ["save", "k", "value", names]])
    assert text_of(bench.run([["load", "k", "value", names], run(0, STEP)])) == text_of(both)


def test_a_tensor_that_would_lose_its_graph_is_refused(bench):
    pytest.importorskip("torch")
    loss = "import torch\nw = torch.ones(2, requires_grad=True)\nloss = (w * 2).sum()"
    result = bench.run([run(0, loss), ["save", "k", "value", ["loss"]]])
    assert result["error"]["code"] == "value-not-stored"
    assert "detached" in result["error"]["message"]
