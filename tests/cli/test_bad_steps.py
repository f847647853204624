"""Steps that go wrong: the run fails, says where and why, steps after it are skipped, and other branches finish."""

import json
import time
from pathlib import Path

import pytest

from .support import call, cell, ids, notebook, processes_with, start, wait_for


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
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert (row["id"], row["cell"]) == ("step-died", 1) and "`memory:` limit" in row["message"]


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


def test_a_log_has_a_limit_and_printing_fills_no_disk(tmp_path):
    source = (
        "import os\nblock = b'x' * 2**20\nfor _ in range(400):\n    os.write(1, block)\n"
        "import time; time.sleep(1)\n"
        "print()\nprint(os.fstat(1).st_size >> 20, os.fstat(1).st_blocks * 512 >> 20)\nprint('the end')"
    )
    path = notebook(tmp_path / "n.ipynb", cell(source, "step:loud"))
    _, document = run(path)
    assert document["status"] == "succeeded"
    log = call("logs", "last", cwd=tmp_path).stdout
    assert 256 << 20 < len(log) < 257 << 20
    assert "the log of a step holds 256 MiB" in log[-200:]
    (cell_output,) = json.loads(Path(document["notebook"]).read_text())["cells"][0]["outputs"]
    *_, figures, last = "".join(cell_output["text"]).splitlines()
    size, on_disk = map(int, figures.split()[-2:])
    assert (last, size) == ("the end", 400) and on_disk < 40, "what was moved to the log is kept only there"


@pytest.mark.parametrize(
    "source",
    [
        "import builtins\ndef mine(*_, **__): raise ValueError\nbuiltins.open = mine",
        "import threading\nthreading.Thread = None",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (0, 0))",
    ],
)
def test_what_a_cell_takes_from_the_process_is_not_missed(source, tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell(source + "\nok = [1]", "step:takes"), cell("print(ok)", "step:after"))
    _, document = run(path)
    assert document["status"] == "succeeded", document["diagnostics"]
    assert "kale_runtime" not in call("logs", "last", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "source, told",
    [
        ("import json, os\njson.dumps = os.write = os.replace = None", "step-failed"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", "step-failed"),
        ("import sys\ndef no(event, _):\n    if event == 'open': raise OSError\nsys.addaudithook(no)", "step-died"),
    ],
)
def test_a_result_that_cannot_be_stored_is_told_without_our_stack(source, told, tmp_path):
    _, document = run(notebook(tmp_path / "n.ipynb", cell(f"{source}\nok = [1]", "step:takes")))
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert (row["id"], row["cell"]) == (told, 0)
    assert told == "step-died" or "the cell has changed what Python needs" in row["message"]
    assert "kale_runtime" not in call("logs", "last", cwd=tmp_path).stdout


def test_what_an_exception_says_does_not_command_the_terminal(tmp_path):
    source = "raise ValueError('\\x1b]0;title\\x07\\x1b[2J' + 'z' * 100_000)"
    done = call("run", notebook(tmp_path / "n.ipynb", cell(source, "step:a")), cwd=tmp_path)
    assert "\x1b" not in done.stderr and "\\u{1b}]0;title" in done.stderr
    assert len(done.stderr) < 10_000 and "characters more]" in done.stderr


def test_a_variable_that_is_stored_for_ever_keeps_nobody(tmp_path):
    source = "class Slow:\n    def __reduce__(self):\n        while True: pass\nslow = Slow()\nok = [1]"
    path = notebook(tmp_path / "n.ipynb", cell(source, "step:make"), cell("print(ok)", "step:use"))
    process = start("run", path, "--json", cwd=tmp_path)

    def steps():
        done = call("show", "last", "--json", cwd=tmp_path)
        return done.returncode == 0 and list(statuses(json.loads(done.stdout)).values())

    wait_for(lambda: steps() == ["succeeded", "succeeded"], "the steps' end")
    call("cancel", "last", cwd=tmp_path)
    document = json.loads(process.communicate(timeout=20)[0])
    assert document["status"] == "succeeded"
    wait_for(lambda: not processes_with(document["run_id"]), "the end of every process", 20)


def test_a_folder_that_is_moved_while_a_step_runs(tmp_path):
    (tmp_path / "here").mkdir()
    source = "import time\nopen('begun', 'w').close()\ntime.sleep(1)\nok = [1]"
    path = notebook(tmp_path / "here/n.ipynb", cell(source, "step:one"), cell("print(ok)", "step:two"))
    process = start("run", path, "--json", cwd=tmp_path)
    wait_for((tmp_path / "here/begun").exists, "the step's start")
    (tmp_path / "here").rename(tmp_path / "there")
    document = json.loads(process.communicate(timeout=60)[0])
    (row,) = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert (row["id"], row["cell"]) == ("step-died", 0)
    assert f"`{tmp_path / 'here'}` was moved or removed" in row["message"]


def test_values_that_the_disk_has_spoilt_are_made_anew(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = [1]", "step:one"), cell("print(a)", "step:two"))
    run(path)
    spoil(tmp_path)
    _, document = run(path, "--from", "two")
    assert ids(document, "error") == ["store-damaged"]
    assert "removed from the store" in document["diagnostics"][0]["help"]
    assert run(path)[1]["status"] == "succeeded", "what it says is what helps"
    spoil(tmp_path)
    _, document = run(path, "--no-cache")
    assert (document["status"], document["diagnostics"]) == ("succeeded", [])


def spoil(folder):
    for blob in (folder / ".kale_rs/blobs").glob("??/*"):
        blob.unlink()
        blob.write_text("not what it was")


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
