"""Steps that go wrong: the run fails, says where and why, steps after it are skipped, and other branches finish."""

import json
import time
from pathlib import Path

import pytest

from .support import call, cell, ids, notebook, processes_with, wait_for


def run(path, *arguments, **variables):
    done = call("run", path, "--json", *arguments, cwd=path.parent, **variables)
    return done, json.loads(done.stdout)


def branches(path, source, *tags):
    """`bad` runs `source`; `after` needs it, `other` does not."""
    return notebook(
        path,
        cell("a = [1]", "step:load"),
        cell(f"{source}\nbad = a + [2]", "step:bad", *tags),
        cell("c = bad", "step:after"),
        cell("d = a + [3]\nprint('other branch')", "step:other"),
    )


def statuses(document):
    return {step["name"]: step["status"] for step in document["steps"]}


FAILED = {"load": "succeeded", "bad": "failed", "after": "skipped", "other": "succeeded"}


@pytest.mark.parametrize(
    "source, told, words",
    [
        ("x = {}\nx['key']", "step-failed", "KeyError"),
        ("raise SystemExit(0)", "step-failed", "SystemExit"),
        ("exit(0)", "step-failed", "exit"),
        ("import os\nos._exit(0)", "step-died", ""),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "step-died", ""),
        ("import os\nos.abort()", "step-died", ""),
        ("def f(n):\n    return f(n + 1)\nf(0)", "step-failed", "RecursionError"),
    ],
)
def test_a_step_that_ends_badly(source, told, words, tmp_path):
    done, document = run(branches(tmp_path / "n.ipynb", source))
    assert (done.returncode, document["status"]) == (1, "failed")
    assert statuses(document) == FAILED
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert (row["id"], row["cell"]) == (told, 1)
    assert words in row["message"] + row["help"]


def test_what_to_do_next_is_a_command_that_works(tmp_path):
    path = branches(tmp_path / "n.ipynb", "1 / 0")
    said = call("run", path, cwd=tmp_path).stdout
    assert "after mending the notebook: `kale-rs run n.ipynb`" in said
    shown = call("show", "last", cwd=tmp_path)
    assert "--> n.ipynb cell 1:1:1" in shown.stderr, "as `run` has named it"
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert next(row for row in rows if row[:1] == ["after"])[:3] == ["after", "skipped", "2"], "no time, no memory"


def test_an_exception_is_placed_at_its_line(tmp_path):
    done, document = run(branches(tmp_path / "n.ipynb", "x = {}\ny = x['key']"))
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert row["start"]["line"] == 2
    assert "KeyError" in row["message"] and "key" in row["message"]
    assert "error[step-failed]" in done.stderr and "y = x['key']" in done.stderr
    executed = json.loads(Path(document["notebook"]).read_text())
    assert any(output["output_type"] == "error" for output in executed["cells"][1]["outputs"])


def test_memory_beyond_the_limit_kills_the_step(tmp_path):
    source = "block = bytearray(3 * 1024 ** 3)\nfor i in range(0, len(block), 4096):\n    block[i] = 1"
    _, document = run(branches(tmp_path / "n.ipynb", source, "memory:512Mi"))
    assert statuses(document) == FAILED
    assert ids(document, "error")[0] in ("step-died", "step-failed")


def test_a_step_that_prints_100_megabytes(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("for _ in range(100):\n    print('x' * 1024 ** 2)\nok = 1", "step:loud"),
        cell("print(ok)", "step:after"),
    )
    _, document = run(path)
    assert document["status"] == "succeeded"
    assert statuses(document) == {"loud": "succeeded", "after": "succeeded"}


def test_a_step_that_forks_and_leaves_the_child_behind(tmp_path):
    source = "import os, time\npid = os.fork()\nif pid == 0:\n    time.sleep(600)\n    os._exit(0)"
    path = notebook(tmp_path / "n.ipynb", cell(source + "\nok = 1", "step:forks"), cell("print(ok)", "step:after"))
    before = time.monotonic()
    _, document = run(path)
    assert document["status"] == "succeeded"
    assert time.monotonic() - before < 60
    wait_for(lambda: not processes_with(str(tmp_path / ".kale_rs")), "the end of every process", 20)


def test_a_step_that_closes_stdout(tmp_path):
    source = "import os, sys\nos.close(1)\nos.close(2)\nok = 1"
    path = notebook(tmp_path / "n.ipynb", cell(source, "step:closes"), cell("print(ok)", "step:after"))
    _, document = run(path)
    assert statuses(document) == {"closes": "succeeded", "after": "succeeded"}


def test_a_step_that_never_ends_meets_its_timeout(tmp_path):
    _, document = run(branches(tmp_path / "n.ipynb", "while True:\n    pass", "timeout:2"))
    assert statuses(document) == FAILED
    assert ids(document, "error") == ["step-timed-out"]


def test_retries(tmp_path):
    source = (
        "from pathlib import Path\n"
        f"seen = Path({str(tmp_path / 'seen')!r})\n"
        "first = not seen.exists()\nseen.touch()\n"
        "assert not first, 'only the first attempt fails'"
    )
    path = notebook(tmp_path / "n.ipynb", cell(source, "step:flaky", "retries:2"))
    _, document = run(path)
    assert document["status"] == "succeeded", document["diagnostics"]


def test_a_value_that_cannot_be_pickled(tmp_path):
    source = "class Stubborn:\n    def __reduce__(self):\n        raise TypeError('I stay here')\nstubborn = Stubborn()"
    path = notebook(tmp_path / "n.ipynb", cell(source, "step:make"), cell("print(stubborn)", "step:use"))
    done, document = run(path)
    assert done.returncode == 1
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert row["id"] in ("value-not-stored", "unshippable-value")
    assert "`stubborn`" in row["message"]


def test_an_input_file_that_changed_between_runs(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        cell("text = open('data.txt').read()", "step:read"),
        cell("print(len(text))", "step:count"),
        cell("size = len(text)\nprint(size)", "pipeline-metrics"),
    )
    (tmp_path / "data.txt").write_text("abc")
    assert run(path)[1]["metrics"] == {"size": 3}
    assert set(statuses(run(path)[1]).values()) == {"cached"}
    (tmp_path / "data.txt").write_text("abcdef")
    _, document = run(path)
    assert document["metrics"] == {"size": 6}
    assert statuses(document)["read"] == "succeeded"


def test_a_store_of_a_newer_version(tmp_path):
    import sqlite3

    path = notebook(tmp_path / "n.ipynb", cell("a = 1", "step:one"))
    run(path)
    database = sqlite3.connect(tmp_path / ".kale_rs/store.db")
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()
    done, document = run(path)
    assert (done.returncode, document["run_id"], ids(document, "error")) == (1, None, ["newer-store"])
    for arguments in (["runs"], ["show", "last"], ["doctor"]):
        other = call(*arguments, cwd=tmp_path)
        assert other.returncode == 1
        assert "version 99" in other.stdout + other.stderr


def test_a_store_that_cannot_be_written(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = 1", "step:one"))
    (tmp_path / "file").write_text("in the way")
    done, document = run(path, KALE_RS_HOME=str(tmp_path / "file/store"))
    assert (done.returncode, document["run_id"], ids(document, "error")) == (1, None, ["store-unwritable"])


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands for the disk: what the system says and what must hold are the same."""
    import subprocess

    from .support import COMMAND, environment

    path = notebook(
        tmp_path / "n.ipynb",
        cell("import os\nbig = os.urandom(40_000_000)", "step:make"),
        cell("print(len(big))", "step:use"),
    )
    limited = ["sh", "-c", f"ulimit -f 16384; exec '{COMMAND}' run '{path}' --json"]
    done = subprocess.run(limited, capture_output=True, text=True, env=environment(), cwd=tmp_path, timeout=120)
    document = json.loads(done.stdout)
    assert (done.returncode, document["status"]) == (1, "failed")
    assert statuses(document) == {"make": "failed", "use": "skipped"}
    assert run(path)[1]["status"] == "succeeded", "with room on the disk the store is as good as before"
