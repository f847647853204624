"""The time machine: namespaces of past runs, put back into another process."""

import ast
import json
import subprocess
import sys

import pytest

from .support import call, cell, environment, notebook

CELLS = [
    "import json\nimport numpy as np\nLIMIT = 4\n\ndef double(x):\n    return x * 2\n\n"
    "class Point:\n    def __init__(self, x):\n        self.x = x",
    cell("count = 3\nrate: float = 1", "pipeline-parameters"),
    cell(
        "data = list(range(count))\nunused = np.arange(LIMIT)\nalias = unused\npoint = Point(5)\n"
        "stream = (i for i in data)",
        "step:load",
    ),
    cell("left = sum(data)\nnested = {'a': [1], 'p': point}\ninner = nested['a']", "step:left"),
    cell(
        "right = max(data)\ndel LIMIT\nadd = lambda x: x + right\nnp.random.seed(3)\ndraw = np.random.rand()",
        "step:right",
    ),
    cell("total = left + right + double(2)\n1 / 0", "step:join"),
    cell("print(total)", "pipeline-metrics"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restore")
    done = call("run", notebook(folder / "n.ipynb", *CELLS), "-p", "count=5", cwd=folder)
    assert done.returncode == 1, done.stderr
    return folder


def in_a_process(folder, *lines, module="import kale_rs"):
    """Runs Python there, and gives what it prints as a literal."""
    code = "\n".join([module, *lines])
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


def test_every_variable_so_far_comes_back(folder):
    found = in_a_process(
        folder,
        "restored = kale_rs.restore('last', 'join', before=True)",
        "print((count, rate, type(rate).__name__, data, unused.tolist(), left, right, add(1), double(4), draw))",
    )
    assert found[:9] == (5, 1, "int", [0, 1, 2, 3, 4], [0, 1, 2, 3], 10, 4, 5, 8)
    assert found[9] == pytest.approx(0.5507979025745755)


def test_objects_are_shared_as_they_were_and_classes_are_one(folder):
    found = in_a_process(
        folder,
        "kale_rs.restore('last', 'join', before=True)",
        "import inspect",
        "print((alias is unused, inner is nested['a'], nested['p'] is point, type(point) is Point,"
        " inspect.getsource(double).splitlines()[1].strip(), 'LIMIT' in globals()))",
    )
    assert found == (True, True, True, True, "return x * 2", False)


def test_a_random_generator_goes_on_where_it_was(folder):
    found = in_a_process(
        folder,
        "kale_rs.restore('last', 'right')",
        "drawn = np.random.rand()",
        "np.random.seed(3)",
        "print((draw == np.random.rand(), drawn == np.random.rand()))",
    )
    assert found == (True, True)


def test_what_is_missing_is_told_with_the_reason(folder):
    restored = in_a_process(folder, "print(kale_rs.restore('last', 'load').missing)")
    assert list(restored) == ["stream"] and "generator" in restored["stream"]
    done = call("restore", "last", "join", "-o", "after.ipynb", cwd=folder)
    assert "not stored: total (cell 5): step `join` has not finished" in done.stdout


def test_a_point_knows_nothing_of_later_cells(folder):
    found = in_a_process(
        folder, "kale_rs.restore('last', 'left')", "print(('right' in globals(), LIMIT, 'nested' in globals()))"
    )
    assert found == (False, 4, True)


def test_the_notebook_is_written_and_restores_itself_in_a_kernel(folder):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    done = call("restore", "last", "join", "--before", "--json", cwd=folder)
    path = folder / "n-before-join.ipynb"
    assert json.loads(done.stdout)["notebook"] == str(path)
    path.write_text(path.read_text() + " ")
    again = json.loads(call("restore", "last", "join", "--before", "--json", cwd=folder).stdout)["notebook"]
    assert again == str(folder / "n-before-join-2.ipynb"), "what is there may be somebody's work"
    assert path.read_text() == open(again).read() + " "
    document = nbformat.read(path, as_version=4)
    nbformat.validate(document)
    assert [one.source for one in document.cells[1:]] == [
        one if isinstance(one, str) else one["source"] for one in CELLS
    ]
    marked = ["kale_rs" in one.metadata for one in document.cells]
    assert marked == [False, True, True, True, True, True, False, False]
    assert call("check", path, "--json", cwd=folder).returncode == 0
    document.cells = [document.cells[0], nbformat.v4.new_code_cell("print(double(left), add(2), point.x)")]
    nbclient.NotebookClient(document, resources={"metadata": {"path": str(folder)}}).execute()
    assert document.cells[1].outputs[0]["text"] == "20 6 5\n"


def test_a_cached_step_brings_its_variables(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = [1]\nspare = {2}", "step:one"), cell("b = a + [2]", "step:two"))
    for _ in range(2):
        assert call("run", path).returncode == 0
    shown = json.loads(call("show", "last", "--json", cwd=tmp_path).stdout)
    assert [step["status"] for step in shown["steps"]] == ["cached", "cached"]
    assert in_a_process(tmp_path, "kale_rs.restore('last', 'two')", "print((a, b, spare))") == ([1], [1, 2], {2})


def test_the_newest_version_counts_and_an_older_one_never_stands_for_it(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("a = [1]\nb = 1\nc = [3]", "step:one"),
        cell("a.append(2)\nb = (n for n in [b])\nc = c + [4]\nprint(a)", "step:two"),
        cell("print(c)", "step:three"),
    )
    assert call("run", path).returncode == 0
    found = in_a_process(
        tmp_path, "r = kale_rs.restore('last', 'three')", "print((a, c, 'b' in globals(), list(r.missing)))"
    )
    assert found == ([1, 2], [3, 4], False, ["b"])
    assert in_a_process(tmp_path, "kale_rs.restore('last', 'one')", "print((a, b, c))") == ([1], 1, [3])


def test_files_are_put_back_on_request(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("with open('made.txt', 'w') as file:\n    file.write('as made')", "step:write"),
        cell("x = open('made.txt').read()", "step:read"),
    )
    assert call("run", path).returncode == 0
    (tmp_path / "made.txt").write_text("changed since")
    restored = in_a_process(tmp_path, "print(kale_rs.restore('last', 'read').files)")
    assert restored == ["made.txt"] and (tmp_path / "made.txt").read_text() == "changed since"
    done = call("restore", "last", "read", "--files", cwd=tmp_path)
    assert "put back: made.txt" in done.stdout and (tmp_path / "made.txt").read_text() == "as made"
    (tmp_path / "made.txt").write_text("changed again")
    [shown] = in_a_process(tmp_path, "print([repr(kale_rs.restore('last', 'read', files=True))])")
    assert "put back   made.txt" in shown and "files=True" not in shown


def test_files_of_steps_that_are_never_cached_are_put_back_too(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("with open('made.txt', 'w') as file:\n    file.write('as made')", "step:write", "cache:disabled"),
        cell("print('next')", "step:next", "prev:write"),
    )
    made = tmp_path / "made.txt"
    assert call("run", path).returncode == 0
    made.write_text("grown since")
    assert call("run", path, "--from", "next").returncode == 0
    assert made.read_text() == "grown since", "a log that grows stays as it is"
    made.unlink()
    assert call("run", path, "--from", "next").returncode == 0
    assert made.read_text() == "as made"
    made.write_text("changed")
    assert "put back: made.txt" in call("restore", "last", "next", "--files", cwd=tmp_path).stdout
    assert made.read_text() == "as made"


def test_a_hundred_megabytes_are_usable_within_a_second(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("import numpy as np\nbig = np.arange(13_000_000)", "step:make"),
        cell("print(1)", "step:later"),
    )
    assert call("run", path).returncode == 0
    seconds, total = in_a_process(
        tmp_path,
        "import time, numpy; start = time.perf_counter()",
        "kale_rs.restore('last', 'make')",
        "big[0] = 7; print((time.perf_counter() - start, int(big[:3].sum())))",
    )
    assert total == 10 and seconds < 1


def test_what_a_step_may_store_is_limited(tmp_path):
    source = "import os\nlarge = os.urandom(20_000)\nsmall = os.urandom(1)"
    path = notebook(tmp_path / "n.ipynb", cell(source, "step:a"))
    look = (
        "there = kale_rs.restore('last', 'a')",
        "print([sorted({'large', 'small'} & {*there.names}), [*there.missing]])",
    )
    for limit, found in (("10kB", [["small"], ["large"]]), ("1MB", [["large", "small"], []])):
        assert call("run", path, "--no-cache", "--snapshot-limit", limit, cwd=tmp_path).returncode == 0
        assert in_a_process(tmp_path, *look) == found
    done = call("run", path, "--snapshot-limit", "much", cwd=tmp_path)
    assert (done.returncode, "`much` is no size" in done.stderr) == (2, True)


def test_numbers_keep_nobody_from_sharing(tmp_path):
    """`size` may share with `point`, as far as the compiler knows; what it is shows that it does not."""
    cells = [
        cell(
            "class Point:\n    def __init__(self, x):\n        self.x = x\npoint = Point(5)\npoints = [point]\n"
            "ends = (each for each in points)",
            "step:make",
        ),
        cell("size = point.x", "step:use"),
    ]
    assert call("run", notebook(tmp_path / "n.ipynb", *cells), cwd=tmp_path).returncode == 0
    found = in_a_process(
        tmp_path,
        "restored = kale_rs.restore('last', 'use')",
        "print((points[0] is point, size, restored.missing))",
    )
    assert found == (True, 5, {"ends": "a `builtins.generator`: a `generator` does not outlive its process"})


def test_what_two_steps_have_stored_apart_is_told(tmp_path):
    cells = [
        cell("a = [1]\nn = [0]", "step:make"),
        cell("b = [a]\nm = len(n)", "step:left"),
        cell("c = [a]\nd = [len(a)]", "step:right"),
        cell("a = [1]\ne = [a]", "step:again"),
    ]
    assert call("run", notebook(tmp_path / "n.ipynb", *cells), cwd=tmp_path).returncode == 0
    probe = "print((restored.apart, b[0] == a, b[0] is a, {}))"
    assert in_a_process(tmp_path, "restored = kale_rs.restore('last', 'left')", probe.format(0)) == ({}, True, True, 0)
    found = in_a_process(tmp_path, "restored = kale_rs.restore('last', 'right')", probe.format("c[0] is a, d"))
    assert found == ({"a": ["b"], "b": ["a", "c"], "c": ["b"]}, True, False, True, [1])
    found = in_a_process(tmp_path, "restored = kale_rs.restore('last', 'right')", "print((repr(restored),))")
    assert "apart      b: it shared objects with a, c" in found[0]
    # The last step's `a` is another one.
    found = in_a_process(tmp_path, "restored = kale_rs.restore('last', 'again')", probe.format("e[0] is a"))
    assert found == ({"b": ["c"], "c": ["b"]}, True, False, True)


def test_values_keep_the_definitions_that_they_were_made_with(tmp_path):
    cells = [
        cell(
            "def f(): return 1\nclass C:\n    n = 1\nt = [f, lambda: 0]\nc = C()\nd = C()\nd.f = lambda: 5", "step:one"
        ),
        cell("def f(): return 2\nclass C:\n    n = 2", "step:two"),
    ]
    assert call("run", notebook(tmp_path / "n.ipynb", *cells), cwd=tmp_path).returncode == 0
    probe = "print((t[0](), f(), t[0] is f, c.n, C.n, isinstance(c, C), type(c) is type(d), d.f()))"
    found = in_a_process(tmp_path, "kale_rs.restore('last', 'two')", probe)
    assert found == (1, 2, False, 1, 2, False, True, 5)


def test_what_another_step_was_given_keeps_its_definitions_too(tmp_path):
    cells = [
        cell("def f(): return 1\nt = [f, lambda: 0]", "step:one"),
        cell("def f(): return 2", "step:one"),
        cell("n = len(t)", "step:two"),
    ]
    assert call("run", notebook(tmp_path / "n.ipynb", *cells), cwd=tmp_path).returncode == 0
    assert in_a_process(tmp_path, "kale_rs.restore('last', 'one')", "print((t[0](), f()))") == (1, 2)


def test_what_is_deleted_later_is_there_for_what_needs_it(tmp_path):
    cells = [cell("class C:\n    n = 1\nc = C()\nc.f = lambda: 7\ne = C()\ndel C", "step:one")]
    assert call("run", notebook(tmp_path / "n.ipynb", *cells), cwd=tmp_path).returncode == 0
    probe = "print((c.n, c.f(), e.n, 'C' in globals()))"
    assert in_a_process(tmp_path, "kale_rs.restore('last', 'one')", probe) == (1, 7, 1, False)


def test_a_folder_that_was_moved(tmp_path):
    (tmp_path / "here").mkdir()
    call("run", notebook(tmp_path / "here/n.ipynb", cell("a = [1]", "step:one")), cwd=tmp_path)
    (tmp_path / "here").rename(tmp_path / "there")
    done = call("restore", "last", "one", cwd=tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/n-after-one.ipynb").is_file() and not (tmp_path / "here").exists()


def test_an_unknown_step_is_named(folder):
    done = call("restore", "last", "nothing", cwd=folder)
    assert done.returncode == 2
    assert "has no step `nothing`" in done.stderr and "`join`" in done.stderr
