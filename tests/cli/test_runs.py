"""A run from start to end, and everything that can be asked about it afterwards."""

import json
import os
import re
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from .support import call, cell, notebook, processes_with, start, wait_for

STEPS = [
    cell("count = 3\nname = 'x'", "pipeline-parameters"),
    cell("numbers = list(range(count))\nprint('loaded', name)", "step:load"),
    cell("total = sum(numbers)\nprint('total', total)", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]


@pytest.fixture
def path(tmp_path):
    return notebook(tmp_path / "n.ipynb", *STEPS)


def run(path, *arguments, status=0):
    done = call("run", path, "--json", *arguments, cwd=path.parent)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def show(path, which="last"):
    return json.loads(call("show", which, "--json", cwd=path.parent).stdout)


def test_a_run_gives_its_metrics_and_the_executed_notebook(path):
    document = run(path)
    assert (document["status"], document["metrics"]) == ("succeeded", {"total": 3})
    assert document["source"] == str(path)
    assert [(step["name"], step["status"]) for step in document["steps"]] == [
        ("load", "succeeded"),
        ("add", "succeeded"),
    ]
    executed = json.loads(Path(document["notebook"]).read_text())
    assert executed["cells"][1]["outputs"][0]["text"] in ("loaded x\n", ["loaded x\n"])
    assert show(path) == document


def test_parameters_reach_the_steps(path, tmp_path):
    assert run(path, "-p", "count=5", "-p", "name=a 'quoted' = \"näme\"")["metrics"] == {"total": 10}
    assert "loaded a 'quoted' = \"näme\"" in call("logs", "last", "load", cwd=tmp_path).stdout
    (tmp_path / "p.yaml").write_text("count: 4\n")
    document = run(path, "--params", tmp_path / "p.yaml")
    assert (document["metrics"], document["parameters"]) == ({"total": 6}, {"count": 4, "name": "x"})


def test_output_notebook_and_a_notebook_from_standard_input(path, tmp_path):
    out = tmp_path / "out.ipynb"
    run(path, "--output-notebook", out)
    assert "loaded x" in out.read_text()
    done = call("run", "-", "--json", cwd=tmp_path, stdin=path.read_text())
    document = json.loads(done.stdout)
    assert (document["status"], document["source"]) == ("succeeded", None)


def test_the_executed_notebook_shows_the_parameters_of_the_run(path, tmp_path):
    out = tmp_path / "out.ipynb"
    given = "a 'quoted' = \"näme\""
    first = run(path, "-p", "count=5", "-p", f"name={given}", "--output-notebook", out)
    names: dict = {}
    exec("".join(json.loads(out.read_text())["cells"][0]["source"]), names)
    assert (names["count"], names["name"]) == (5, given)
    assert run(out)["metrics"] == first["metrics"]
    assert "count = 3" in path.read_text(), "the notebook itself stays"


def test_prose_goes_to_stderr_and_the_summary_to_stdout(path):
    done = call("run", path)
    assert re.search(r"succeeded in [\d.]+ s\n\nmetric +value\ntotal +3\n", done.stdout)
    assert "notebook  " in done.stdout
    assert "✓ load" in done.stderr and "✓ add" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_second_run_is_cached_and_no_cache_runs_again(path):
    run(path)
    assert [step["status"] for step in run(path)["steps"]] == ["cached", "cached"]
    assert run(path)["metrics"] == {"total": 3}
    assert [step["status"] for step in run(path, "--no-cache")["steps"]] == ["succeeded", "succeeded"]


def test_runs_are_listed_newest_first(path, tmp_path):
    assert json.loads(call("runs", "--json", cwd=tmp_path).stdout) == {"runs": []}
    none = call("runs", cwd=tmp_path).stderr
    assert "no runs in" in none and "--store NOTEBOOK" in none
    first, second = run(path), run(path, "-p", "count=4")
    listed = json.loads(call("runs", "--json", cwd=tmp_path).stdout)["runs"]
    assert [one["run_id"] for one in listed] == [second["run_id"], first["run_id"]]
    assert len(call("runs", "-n", "1", cwd=tmp_path).stdout.splitlines()) == 2
    elsewhere = call("runs", "--store", path, "--json", cwd="/")
    assert json.loads(elsewhere.stdout)["runs"] == listed


def test_show_takes_the_start_of_an_id(path, tmp_path):
    document = run(path)
    done = call("show", document["run_id"], cwd=tmp_path)
    assert "status    succeeded" in done.stdout and "peak memory" in done.stdout
    assert show(path, document["run_id"][:-1]) == document
    unknown = call("show", "19990101", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "there is no run `19990101`" in unknown.stderr and "kale-rs runs" in unknown.stderr


def test_logs_of_all_steps_and_of_one(path, tmp_path):
    run(path)
    assert call("logs", "last", cwd=tmp_path).stdout == "── load ──\nloaded x\n── add ──\ntotal 3\n3\n"
    assert call("logs", "last", "load", cwd=tmp_path).stdout == "loaded x\n"
    assert call("logs", "last", "load", "-f", cwd=tmp_path).stdout == "loaded x\n"
    document = json.loads(call("logs", "last", "--json", cwd=tmp_path).stdout)
    assert document["logs"][0] == {"step": "load", "text": "loaded x\n"}
    assert call("logs", "last", "nowhere", cwd=tmp_path).returncode == 2


def test_diff_names_what_differs(path, tmp_path):
    first = run(path)["run_id"]
    notebook(path, *STEPS[:2], cell("total = sum(numbers) * 2", "step:add"), STEPS[3])
    second = run(path, "-p", "count=4")["run_id"]
    document = json.loads(call("diff", first, second, "--json", cwd=tmp_path).stdout)
    assert document["code"] == [{"step": "add", "change": "changed"}]
    assert document["metrics"] == [{"name": "total", "left": 3, "right": 12}]
    assert {change["name"] for change in document["parameters"]} == {"count"}
    text = call("diff", first, second, cwd=tmp_path).stdout
    assert "add" in text and "changed" in text
    report = call("diff", first, "last", "--markdown", cwd=tmp_path).stdout
    assert "### Metrics" in report and "| total | 3 | 12 |" in report
    assert "do not differ" in call("diff", first, first, cwd=tmp_path).stdout


SLOW = [
    cell("a = [1]", "step:quick"),
    cell("import time\nprint('waiting', flush=True)\ntime.sleep(600)\nb = a + [2]", "step:slow"),
    cell("c = b + [3]", "step:after"),
]


@pytest.fixture
def slow(tmp_path):
    return notebook(tmp_path / "slow.ipynb", *SLOW)


def running(path, step):
    listed = json.loads(call("runs", "--json", cwd=path.parent).stdout)["runs"]
    return listed and any(one["name"] == step and one["status"] == "running" for one in listed[0]["steps"])


def no_process_left(path):
    """Steps and engine hold the store's path on their command line or in their environment."""
    marker = str(path.parent / ".kale_rs")
    wait_for(lambda: not processes_with(marker), "the end of every process", 20)


def test_ctrl_c_cancels_the_run_and_every_process(slow):
    process = start("run", slow, "--json", cwd=slow.parent, start_new_session=True)
    wait_for(lambda: running(slow, "slow"), "the slow step's start")
    os.killpg(process.pid, signal.SIGINT)
    stdout, _ = process.communicate(timeout=30)
    document = json.loads(stdout)
    assert process.returncode == 130
    assert document["status"] == "cancelled"
    assert [step["status"] for step in document["steps"]] == ["succeeded", "cancelled", "cancelled"] or [
        step["status"] for step in document["steps"]
    ] == ["succeeded", "cancelled", "skipped"]
    no_process_left(slow)


def test_a_detached_run_is_cancelled_by_name_and_resumed(slow):
    document = run(slow, "--detach")
    assert document["status"] in ("pending", "running")
    wait_for(lambda: running(slow, "slow"), "the slow step's start")
    done = call("cancel", "last", "--json", cwd=slow.parent)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "cancelled")
    no_process_left(slow)
    assert call("cancel", "last", cwd=slow.parent).returncode == 0


def test_the_terminal_may_die_and_the_run_goes_on(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb", cell("import time\ntime.sleep(3)\na = 1", "step:one"), cell("b = a", "step:two")
    )
    process = start("run", path, cwd=tmp_path)
    wait_for(lambda: running(path, "one"), "the step's start")
    process.kill()
    process.communicate()
    wait_for(lambda: show(path)["status"] == "succeeded", "the run's end")


def test_a_killed_engine_is_interrupted_and_resume_finishes(tmp_path):
    flag = tmp_path / "flag"
    source = (
        "import os, time\nfrom pathlib import Path\n"
        f"if not Path({str(flag)!r}).exists():\n    time.sleep(600)\nb = a + [2]"
    )
    path = notebook(tmp_path / "n.ipynb", cell("a = [1]\nprint('once')", "step:one"), cell(source, "step:two"))
    run(path, "--detach")
    wait_for(lambda: running(path, "two"), "the second step's start")
    os.kill(engine_of(path), signal.SIGKILL)
    document = wait_for(lambda: (found := show(path))["status"] == "interrupted" and found, "the interruption")
    assert [step["status"] for step in document["steps"]] == ["succeeded", "interrupted"]
    (row,) = document["diagnostics"]
    assert row["id"] == "engine-died" and "it was killed" in row["message"]
    assert f"`kale-rs resume {document['run_id']}`" in row["help"]
    no_process_left(path)
    flag.touch()
    done = call("resume", "last", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (done.returncode, document["status"]) == (0, "succeeded"), done.stderr
    assert "one" not in [line.split()[1] for line in done.stderr.splitlines() if line.startswith("✓")]


def engine_of(path):
    with sqlite3.connect(f"file:{path.parent / '.kale_rs/store.db'}?mode=ro", uri=True) as database:
        return database.execute("SELECT engine_pid FROM runs").fetchone()[0]


def test_resume_of_a_finished_run_changes_nothing(path, tmp_path):
    document = run(path)
    done = call("resume", "last", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, document)
    assert "nothing to resume" in call("resume", "last", cwd=tmp_path).stderr
    assert "nothing to cancel" in call("cancel", "last", cwd=tmp_path).stderr


def test_two_runs_of_one_notebook_at_the_same_time(path):
    processes = [start("run", path, "--json", "-p", f"count={n}", cwd=path.parent) for n in (4, 5, 4)]
    documents = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [document["metrics"] for document in documents] == [{"total": 6}, {"total": 10}, {"total": 6}]
    assert len({document["run_id"] for document in documents}) == 3


def test_independent_steps_run_at_the_same_time_unless_jobs_says_no(tmp_path):
    source = "import time\nstart = time.time()\ntime.sleep(1)\nprint(start, time.time())"
    path = notebook(
        tmp_path / "n.ipynb", cell(source.replace("start", "p"), "step:a"), cell(source.replace("start", "q"), "step:b")
    )

    def spans(*arguments):
        run(path, "--no-cache", *arguments)
        return [list(map(float, call("logs", "last", s, cwd=tmp_path).stdout.split())) for s in "ab"]

    (a, b), (c, d) = spans("--jobs", "2"), spans("--jobs", "1")
    assert max(a[0], b[0]) < min(a[1], b[1])
    assert max(c[0], d[0]) >= min(c[1], d[1])


def test_another_interpreter(path, tmp_path):
    import venv

    venv.create(tmp_path / "other", system_site_packages=False, with_pip=False)
    other = tmp_path / "other/bin/python"
    notebook(path, cell("import sys\nprint(sys.prefix)", "step:where"))
    run(path, "--python", other)
    assert call("logs", "last", cwd=tmp_path).stdout.endswith(f"{tmp_path / 'other'}\n")
    kernels = tmp_path / "data/kernels/special"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        json.dumps({"argv": [str(other), "-m", "x"], "display_name": "x", "language": "python"})
    )
    notebook(path, cell("import sys\nprint(sys.prefix)", "step:where"), metadata={"kernelspec": {"name": "special"}})
    done = call("run", path, "--json", cwd=tmp_path, JUPYTER_PATH=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert call("logs", "last", cwd=tmp_path).stdout.endswith(f"{tmp_path / 'other'}\n")
    assert sys.prefix != str(tmp_path / "other")
