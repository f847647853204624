# ruff: noqa: E501 (cells are easier to read on one line)
"""Cells that do what no cell should: the step neither lies, nor hangs, nor runs twice."""

import json
import os
import signal
import sys
import time

import pytest
from conftest import text_of

RICH = pytest.mark.parametrize("rich", [True, False], ids=["ipython", "plain"])


def outputs(result, cell=0):
    return result["cells"][str(cell)]["outputs"]


@RICH
@pytest.mark.parametrize("source", ["exit(0)", "import sys\nsys.exit(0)", "quit()", "raise SystemExit"])
def test_exit_is_a_failure(bench, rich, source):
    result = bench.cells("print('a')", source, "print('never')", rich=rich)
    assert (result["status"], bench.returncode) == ("failed", 1)
    error = result["error"]
    assert error["code"] == "step-failed" and error["type"] == "SystemExit" and error["cell"] == 1
    assert error["message"].startswith("cell 1 called `exit(")
    assert "2" not in result["cells"]
    assert [output["ename"] for output in outputs(result, 1) if output["output_type"] == "error"] == ["SystemExit"]


@RICH
def test_os_exit_leaves_no_result(bench, rich):
    assert bench.cells("print('a')", "import os\nos._exit(0)", rich=rich) is None
    assert bench.returncode == 0
    assert (bench.scratch / "log.txt").exists()


def test_last_words_can_be_found(bench):
    assert bench.cells("print('first')", "import os\nprint('last words')\nos._exit(1)") is None
    log, spool = bench.scratch / "log.txt", bench.scratch / "result.json.stdout"
    out, err = map(int, (bench.scratch / "result.json.drained").read_text().split())
    assert log.read_text() + spool.read_text()[out:] == "first\nlast words\n" and err == 0
    assert bench.cells("print('again')")["status"] == "succeeded"
    assert sorted(path.name for path in bench.scratch.glob("result.json*")) == ["result.json"]


def test_a_crash_in_c_says_where(bench):
    assert bench.cells("import ctypes\nctypes.string_at(0)") is None
    assert bench.returncode == -signal.SIGSEGV
    words = (bench.scratch / "result.json.stderr").read_text()
    assert "Segmentation fault" in words and 'File "<ipython-input-0>", line 2' in words


def test_exit_of_a_thread_is_the_threads(bench):
    result = bench.cells(
        "import sys, threading\nt = threading.Thread(target=sys.exit)\nt.start(); t.join()\nprint('on')"
    )
    assert result["status"] == "succeeded" and text_of(result) == "on\n"


@RICH
def test_a_fork_ends_with_its_cell(bench, rich):
    source = "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('parent' if pid else 'child')"
    result = bench.cells("print('before', end='')", source, "print('once')", rich=rich)
    assert result["status"] == "succeeded"
    assert text_of(result, cell=0) == "before"
    assert sorted(text_of(result, cell=1).split()) == ["child", "parent"]
    assert text_of(result, cell=2) == "once\n"


@RICH
def test_a_fork_that_fails_says_so_and_changes_nothing(bench, rich):
    source = "import os\npid = os.fork()\nif pid: print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\nelse: 1 / 0"
    result = bench.cells(source, "print('on')", rich=rich)
    assert result["status"] == "succeeded"
    assert text_of(result) == "1\n" and "ZeroDivisionError" in text_of(result, "stderr")


@RICH
@pytest.mark.parametrize(
    "closing",
    [
        "import sys\nsys.stdout.close()\nsys.stderr.close()",
        "import os\nos.close(1)\nos.close(2)",
        "import sys\nsys.stdout = sys.stderr = None",
    ],
)
def test_closed_streams(bench, rich, closing):
    result = bench.cells(
        closing, "import os\nprint('python')\nos.system('echo shell')\nos.system('echo oops >&2')", rich=rich
    )
    assert result["error"] is None
    assert text_of(result, cell=1) == "python\nshell\n" and text_of(result, "stderr", 1) == "oops\n"


@RICH
def test_nobody_to_ask(bench, rich):
    result = bench.cells("name = input('name? ')", rich=rich)
    assert result["error"]["type"] == "StdinNotImplementedError"
    assert result["error"]["message"] == "nobody to ask: make the answer a parameter"
    result = bench.cells("import getpass\ngetpass.getpass()", rich=rich)
    assert "nobody to ask" in result["error"]["message"]
    assert bench.cells("import subprocess\nsubprocess.run(['cat'])", rich=rich)["status"] == "succeeded"


@RICH
def test_much_output_takes_little_memory(bench, rich):
    source = "line = 'x' * 999\nfor i in range(100_000):\n    print(line)\nprint('the end')"
    began = time.monotonic()
    result = bench.cells("import os\nos.write(1, b'first')", source, rich=rich)
    assert time.monotonic() - began < 60
    text = text_of(result, cell=1)
    assert 1 << 20 < len(text) < (1 << 20) + 200
    assert (
        text.startswith("xxx") and text.endswith("the end\n") and "bytes are left out here; the log has them]" in text
    )
    assert (bench.scratch / "log.txt").stat().st_size == 100_000_000 + 5 + len("the end\n")
    assert result["peak_memory_bytes"] < 250 << 20
    assert text_of(result, cell=0) == "first"


def test_many_small_writes_on_both_streams(bench):
    source = "import sys\nfor i in range(3000):\n    print('o', i)\n    print('e', i, file=sys.stderr)"
    result = bench.cells(source)
    assert text_of(result) == "".join(f"o {i}\n" for i in range(3000))
    assert text_of(result, "stderr") == "".join(f"e {i}\n" for i in range(3000))
    assert [output["text"] for output in outputs(result)[:4]] == ["o 0\n", "e 0\n", "o 1\n", "e 1\n"]


def test_output_of_many_children(bench):
    source = "import multiprocessing as mp\ndef f(i):\n    for _ in range(200): print('child', i)\n"
    source += "ps = [mp.get_context('fork').Process(target=f, args=(i,)) for i in range(4)]\n"
    source += "print('start')\n[p.start() for p in ps]; [p.join() for p in ps]\nprint('end')"
    lines = text_of(bench.cells(source)).splitlines()
    assert lines[0] == "start" and lines[-1] == "end" and len(lines) == 802
    assert all(lines.count(f"child {i}") == 200 for i in range(4))


def test_output_in_the_order_it_was_made(bench):
    source = "import os, subprocess\nprint('1')\nos.system('echo 2')\nprint('3')\nsubprocess.run(['echo', '4'])\ndisplay('five')\nos.write(1, b'6\\n')\n7"
    texts = [output.get("text") or output["data"]["text/plain"] for output in outputs(bench.cells(source))]
    assert texts == ["1\n2\n3\n4\n", "'five'", "6\n", "7"]


def test_the_log_grows_while_the_cell_runs(bench):
    process = bench.start([["run", 0, 1, "import os, time\nos.system('echo working')\ntime.sleep(30)", [], []]])
    log = bench.scratch / "log.txt"
    try:
        deadline = time.monotonic() + 15
        while not (log.exists() and "working" in log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
    assert not (bench.scratch / "result.json").exists()


@RICH
def test_threads_that_never_end_do_not_keep_the_step(bench, rich):
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"
    began = time.monotonic()
    assert bench.cells(source, rich=rich)["status"] == "succeeded"
    assert bench.returncode == 0 and time.monotonic() - began < 15


def test_modules_beside_the_notebook_keep_their_names(bench):
    for name in ("step", "shell", "capture", "audit", "local", "random"):
        (bench.folder / f"{name}.py").write_text(f"mine = '{name}'\n")
    source = "import step, shell, capture, audit, local, random\nprint(step.mine, shell.mine, capture.mine, audit.mine, local.mine)\nrandom.random()"
    assert text_of(bench.cells(source + ";")) == "step shell capture audit local\n"


@RICH
def test_a_cell_may_leave_the_folder(bench, rich):
    result = bench.cells(
        "import os, tempfile\nd = tempfile.mkdtemp()\nos.chdir(d)\nos.rmdir(d)", "print('on')", rich=rich
    )
    assert result["status"] == "succeeded"


@RICH
def test_odd_exceptions(bench, rich):
    odd = "class Odd(Exception):\n    def __str__(self): raise ValueError\n    def __len__(self): return 0\nraise Odd"
    result = bench.cells(odd, rich=rich)
    assert result["status"] == "failed" and result["error"]["type"] == "Odd"
    result = bench.cells("raise KeyboardInterrupt", rich=rich)
    assert result["status"] == "failed" and result["error"]["type"] == "KeyboardInterrupt"
    result = bench.cells("class B(BaseException): pass\nraise B('x')", rich=rich)
    assert result["error"]["type"] == "B"
    result = bench.cells("def f(): f()\nf()", rich=rich)
    assert result["error"]["type"] == "RecursionError" and len(result["error"]["traceback"]) < 100


@RICH
def test_texts_that_json_does_not_like(bench, rich):
    result = bench.cells(
        "print('\\ud800 \\x00 \\u2028')", "import os\nos.write(1, b'\\xff\\xfe')", "'\\ud800'", rich=rich
    )
    assert result["status"] == "succeeded"
    assert text_of(result) == "\\ud800 \x00 \u2028\n"


@RICH
def test_half_a_character_in_an_exception_is_told(bench, rich):
    result = bench.cells("raise ValueError('\\ud800')", rich=rich)
    assert result["error"]["message"] == "\\ud800" and "\\ud800" in result["error"]["traceback"][-1]


@RICH
def test_a_syntax_error_has_its_place(bench, rich):
    result = bench.run([["run", 4, 3, "x = 1\ny = (2,\nz = 3 3", [], []]], rich=rich)
    error = result["error"]
    assert (error["type"], error["cell"], error["line"]) == ("SyntaxError", 4, 4)
    assert outputs(result, 4)[-1]["ename"] == "SyntaxError"


@RICH
def test_an_error_has_its_place(bench, rich):
    define = ["define", 1, 5, "def divide(x):\n    return 1 / x"]
    result = bench.run([define, ["run", 4, 2, "\n\nprint('é😀', divide(0))", [], []]], rich=rich)
    error = result["error"]
    assert (error["type"], error["message"], error["cell"], error["line"]) == (
        "ZeroDivisionError",
        "division by zero",
        4,
        4,
    )
    assert error["column"] == (14 if sys.version_info >= (3, 11) else None)
    text = "\n".join(error["traceback"])
    assert "cell 4, line 4" in text and "cell 1, line 6, in divide" in text and "return 1 / x" in text
    assert "File" not in text and "kale_runtime" not in text
    assert outputs(result, 4)[-1]["output_type"] == "error"


def test_an_error_below_a_cell_magic_has_its_place(bench):
    ipython = pytest.importorskip("IPython")
    if ipython.version_info < (9,):
        pytest.skip("there `%%time` shows an error and goes on, in a kernel too")
    error = bench.cells("%%time\nx = 1\n1 / 0")["error"]
    assert (error["cell"], error["line"]) == (0, 3)
    assert "cell 0, line 3\n    1 / 0" in "\n".join(error["traceback"])


def test_an_error_of_a_definition(bench):
    error = bench.run([["define", 2, 4, "import no_such_module"], ["run", 3, 1, "1", [], []]])["error"]
    assert (error["cell"], error["line"], error["type"]) == (2, 4, "ModuleNotFoundError")


def test_ipython_that_is_missing_is_named(bench):
    (bench.folder / "sitecustomize.py").write_text("import sys\nsys.modules['IPython'] = None\n")
    environment = {"PYTHONPATH": str(bench.folder)}
    result = bench.cells("%time 1", ipython=True, environment=environment)
    assert result["error"]["code"] == "step-not-started" and "install `ipython`" in result["error"]["message"]
    result = bench.cells("print('plain')\ndisplay([1])\n{'a': 1}", environment=environment)
    kinds = [output["output_type"] for output in outputs(result)]
    assert kinds == ["stream", "display_data", "execute_result"]
    assert outputs(result)[2]["data"] == {"text/plain": "{'a': 1}"}


@pytest.mark.parametrize("rich", [False])
def test_plain_python_awaits_and_remembers_futures(bench, rich):
    cells = [
        "from __future__ import annotations\nimport asyncio",
        "async def f(): return 3\nawait f()",
        "def g(x: Nowhere): pass",
        "    y = 5\n    y",
        "y;",
        "asyncio.run(f())",
    ]
    result = bench.cells(*cells, rich=rich)
    assert outputs(result, 1)[0]["data"] == {"text/plain": "3"}
    assert outputs(result, 3)[0]["data"] == {"text/plain": "5"}
    assert outputs(result, 4) == []
    assert result["error"]["cell"] == 5 and "running event loop" in result["error"]["message"]


def test_cells_outlive_a_step_that_is_killed(bench):
    path = bench.scratch / "cells.json"
    program = [
        ["run", 0, 1, "print('kept')", [], []],
        ["run", 1, 1, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", [], []],
    ]
    assert bench.run(program, cells=str(path)) is None
    assert bench.returncode == -signal.SIGKILL
    assert json.loads(path.read_text())["0"]["outputs"][0]["text"] == "kept\n"


def test_execution_counts_are_the_notebooks(bench):
    program = [["run", 5, 1, "1", [], []], ["run", 9, 1, "2", [], []]]
    cells = {"5": {"id": "a", "execution_count": 3}, "9": {"id": "b", "execution_count": 7}}
    result = bench.run(program, cells=cells)
    assert [result["cells"][key]["execution_count"] for key in ("5", "9")] == [3, 7]
    assert [outputs(result, cell)[0]["execution_count"] for cell in (5, 9)] == [3, 7]


def test_the_users_history_is_left_alone(bench):
    pytest.importorskip("IPython")
    home = bench.folder / "home"
    home.mkdir()
    bench.cells("1 + 1", environment={"HOME": str(home), "IPYTHONDIR": str(home / ".ipython")})
    assert not list(home.rglob("history.sqlite*"))


def test_progress_is_told(bench):
    bench.cells("1", "2")
    events = [json.loads(line) for line in (bench.scratch / "events.jsonl").read_text().splitlines()]
    assert events == [{"event": "cell-started", "cell": cell, "done": cell, "total": 2} for cell in (0, 1)]


def test_resources_are_measured(bench):
    result = bench.cells("x = bytearray(200 << 20)\nsum(range(3_000_000))")
    assert result["peak_memory_bytes"] > 200 << 20
    assert 0 < result["cpu_seconds"] < 60


def test_unwritable_log_does_not_fail_the_step(bench):
    assert bench.cells("print('a')", log="/dev/full")["status"] == "succeeded"


def test_nothing_is_printed_by_the_runtime_itself(bench):
    bench.cells("print('a')", "import os\nos.system('echo b')")
    assert (bench.stdout, bench.stderr) == ("", "")
    assert (bench.scratch / "log.txt").read_text() == "a\nb\n"
    assert not [name for name in os.listdir(bench.folder) if name != ".kale_rs"]
