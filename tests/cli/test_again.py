"""Running again: what is reused, what is not, and what is said about it."""

import json

import pytest

from .support import call, cell, notebook


def steps(tail="", note="", start="1"):
    return [
        cell("count = 3", "pipeline-parameters"),
        cell(f"import time\nopen('loads', 'a').write('x')\nstamp = time.time()\ndata = [count] * {start}", "step:load"),
        cell(f"rows = [int(n) for n in open('in.csv').read().split()]{note}", "step:read"),
        cell(f"total = sum(rows) + len(data){tail}", "step:join"),
        cell("print(total)", "step:tell"),
    ]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in.csv").write_text("1 2")
    notebook(tmp_path / "n.ipynb", *steps())
    run(tmp_path)
    return tmp_path


def run(folder, *arguments):
    """What is said of each step: its status and, of one that ran, why."""
    done = call("run", "n.ipynb", "--json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    shown = call("show", "last", cwd=folder).stdout.splitlines()
    said = {}
    for step in json.loads(done.stdout)["steps"]:
        line = next(line for line in shown if line.split()[:1] == [step["name"]])
        said[step["name"]] = (step["status"], line)
    return said


def why(said, step):
    status, line = said[step]
    assert status == "succeeded"
    return line


def test_what_changed_is_named(folder):
    said = run(folder)
    assert "never cached, since it uses the clock" in why(said, "load")
    assert [said[step][0] for step in ("read", "join", "tell")] == ["cached"] * 3
    assert "unchanged since run" in said["read"][1]

    (folder / "in.csv").write_text("1 3")
    said = run(folder)
    assert "file `in.csv` changed" in why(said, "read")
    assert "`rows` from step `read` changed" in why(said, "join")

    notebook(folder / "n.ipynb", *steps(tail=" + 1"))
    said = run(folder)
    assert said["read"][0] == "cached" and "cell 3 changed" in why(said, "join")

    assert "asked for by `--no-cache`" in why(run(folder, "--no-cache"), "read")


def test_a_parameter_runs_only_what_reads_it_and_equal_outputs_run_nothing(folder):
    said = run(folder, "-p", "count=4")
    assert said["read"][0] == "cached" and "`data` from step `load` changed" in why(said, "join")
    assert said["tell"][0] == "cached", "the total is the same, so nothing after it is"


def test_a_comment_runs_nothing(folder):
    notebook(folder / "n.ipynb", *steps(note="  # a comment"))
    assert [status for status, _ in run(folder).values()] == ["succeeded", "cached", "cached", "cached"]


def test_a_run_starts_from_a_step(folder):
    (folder / "in.csv").write_text("100")
    notebook(folder / "n.ipynb", *steps(tail=" + 1"))
    said = run(folder, "--from", "join")
    assert [said[step][0] for step in said] == ["cached", "cached", "succeeded", "succeeded"]
    assert (folder / "loads").read_text() == "x", "not even what is never cached ran again"
    said = run(folder, "--from", "tell")
    assert said["join"][0] == "cached" and "asked for by `--from`" in why(said, "tell")

    notebook(folder / "n.ipynb", *steps(tail=" + 1", start="2"))
    said = run(folder, "--from", "join")
    assert said["load"][0] == "succeeded", "of other code there is no result"

    done = call("run", "n.ipynb", "--from", "nothing", cwd=folder)
    assert done.returncode == 2 and "no step `nothing`" in done.stderr and "`join`" in done.stderr


def test_restore_mend_and_go_on(tmp_path):
    cells = [
        cell("import time\nopen('loads', 'a').write('x')\nstamp = time.time()\ndata = [1, 2]", "step:load"),
        cell("total = sum(data) / 0\nopen('done', 'w').write(str(total))", "step:divide"),
    ]
    notebook(tmp_path / "n.ipynb", *cells)
    assert call("run", "n.ipynb", cwd=tmp_path).returncode == 1
    assert call("restore", "last", "divide", "--before", cwd=tmp_path).returncode == 0
    path = tmp_path / "n-before-divide.ipynb"
    document = json.loads(path.read_text())
    document["cells"][2]["source"] = "total = sum(data) / 2\nopen('done', 'w').write(str(total))"
    path.write_text(json.dumps(document))
    done = call("run", path.name, "--from", "divide", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ((tmp_path / "loads").read_text(), (tmp_path / "done").read_text()) == ("x", "1.5")
