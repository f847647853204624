"""`run --on`: a cluster carries a notebook out, and terminal, Python and store know of it what they know of others."""

import contextlib
import json
import os
import signal
from pathlib import Path

import kale_rs
import pytest
from cli.support import call, cell, notebook, start, wait_for

from .running import TOKEN, running

CELLS = [
    cell("import os, time", "imports"),
    cell("count = 3", "pipeline-parameters"),
    cell("numbers = list(range(count))\nprint('made', numbers)", "step:make"),
    cell("total = sum(numbers)\nprint('total is', total)", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]


def waiting(folder: Path) -> dict:
    return cell(
        f"print('waiting', flush=True)\nwhile not os.path.exists({str(folder / 'go')!r}):\n    time.sleep(0.02)\na = 1",
        "step:wait",
    )


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def folder(cluster, tmp_path, monkeypatch):
    """A folder with a notebook, and a context `dev` whose token is in the environment only."""
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("DEV_TOKEN", TOKEN)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    notebook(folder / "n.ipynb", *CELLS)
    added = call("context", "add", "dev", "--kfp", cluster.url, "--namespace", "team", "--auth", "token-env:DEV_TOKEN")
    assert added.returncode == 0, added.stderr
    yield folder
    written = [path for path in (*folder.rglob("*"), *(tmp_path / "config").rglob("*")) if path.is_file()]
    assert len(written) > 3 and not any(TOKEN.encode() in path.read_bytes() for path in written)


def shown(run: str = "last") -> dict:
    return json.loads(call("show", run, "--json").stdout)


def states(run: dict) -> dict:
    return {step["name"]: step["status"] for step in run["steps"]}


def test_a_run_is_followed_and_recorded_as_others_are(cluster, folder):
    done = call("run", "n.ipynb", "--on", "dev", "-p", "count=4", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["status"], run["context"], run["parameters"]) == ("succeeded", "dev", {"count": 4})
    assert states(run) == {"make": "succeeded", "add": "succeeded"}
    assert run["remote"]["url"].startswith(cluster.url) and run["remote"]["id"] in run["remote"]["url"]
    assert "✓ make" in done.stderr and f"on dev  {run['remote']['url']}" in done.stderr
    assert call("logs", "last", "add").stdout.strip().splitlines()[0] == "total is 6"
    assert shown() == run
    assert cluster.runs() == 1
    again = kale_rs.run("n.ipynb", on="dev", progress=False)
    assert (again.status, again.context, again.parameters) == ("succeeded", "dev", {"count": 3})
    assert again.url in repr(again)
    assert "count" in call("diff", run["run_id"], again.run_id).stdout


def test_the_context_in_use_is_where_runs_go(cluster, folder):
    call("context", "use", "dev")
    assert json.loads(call("run", "n.ipynb", "--json").stdout)["context"] == "dev"
    local = json.loads(call("run", "n.ipynb", "--json", "--on", "local").stdout)
    assert "context" not in local and local["status"] == "succeeded"
    refused = call("run", "n.ipynb", "--isolated")
    assert refused.returncode == 2
    assert "`--isolated` is for runs on this machine" in refused.stderr and "--on local" in refused.stderr


def test_a_failed_step_leads_to_its_cell(cluster, folder):
    notebook(
        folder / "n.ipynb",
        cell("x = 1", "step:one"),
        cell("z = [x]\nz.append(x / 0)", "step:two"),
        cell("print(z)", "step:three"),
    )
    done = call("run", "n.ipynb", "--on", "dev", "--json")
    assert done.returncode == 1
    run = json.loads(done.stdout)
    assert states(run) == {"one": "succeeded", "two": "failed", "three": "skipped"}
    [failure] = [one for one in run["diagnostics"] if one["id"] == "step-failed"]
    assert (failure["cell"], failure["start"]["line"]) == (1, 2)
    assert "ZeroDivisionError: division by zero" in failure["message"]
    # What has failed is tried again, by the cluster's own run.
    again = call("resume", "last", "--json")
    assert again.returncode == 1 and states(json.loads(again.stdout))["one"] == "succeeded"
    assert cluster.runs() == 1


def test_ctrl_c_ends_the_run_there(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    process = start("run", "n.ipynb", "--on", "dev", "--json", cwd=folder)
    wait_for(lambda: "waiting" in call("logs", "last", "wait").stdout, "the step's output")
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert states(json.loads(told)) == {"wait": "cancelled"}
    (folder / "go").touch()
    assert states(json.loads(call("resume", "last", "--json").stdout)) == {"wait": "succeeded"}
    assert cluster.runs() == 1


def test_whoever_follows_may_die_and_the_network_too(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    process = start("run", "n.ipynb", "--on", "dev", cwd=folder)
    wait_for(lambda: "waiting" in call("logs", "last", "wait").stdout, "the step's output")
    process.kill()
    process.communicate(timeout=60)
    cluster.tell(down=True)
    wait_for(lambda: "cluster-unreachable" in call("show", "last", "--json").stdout, "the warning")
    cluster.tell(down=False)
    (folder / "go").touch()
    wait_for(lambda: shown()["status"] == "succeeded", "the end of the run")
    assert cluster.runs() == 1


def test_an_engine_that_was_killed_is_taken_up_without_a_second_run(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    wait_for(lambda: "waiting" in call("logs", run, "wait").stdout, "the step's output")
    [engine] = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and run in command_line(path) and "engine" in command_line(path)
    ]
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: shown(run)["status"] == "interrupted", "the engine's end")
    (folder / "go").touch()
    resumed = call("resume", run, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert states(json.loads(resumed.stdout)) == {"wait": "succeeded"}
    assert cluster.runs() == 1


def command_line(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_text()
    return ""


def test_what_a_cluster_refuses_is_told_in_words(cluster, folder, monkeypatch):
    assert "there is no context `prod`" in call("run", "n.ipynb", "--on", "prod").stderr
    notebook(folder / "long.ipynb", *CELLS, metadata={"kubeflow_notebook": {"experiment_name": "x" * 200}})
    long = json.loads(call("run", "long.ipynb", "--on", "dev", "--json").stdout)
    assert [one["id"] for one in long["diagnostics"]] == ["cluster-refused"] and "experiment" in str(long)
    inexact = json.loads(call("run", "n.ipynb", "--on", "dev", "-p", f"count={2**53 + 1}", "--json").stdout)
    assert "KFP cannot hold 9007199254740993 in the parameter `count`" in str(inexact["diagnostics"])
    assert cluster.runs() == 0
    monkeypatch.setenv("DEV_TOKEN", "wrong")
    done = call("run", "n.ipynb", "--on", "dev", "--json")
    assert done.returncode == 1
    [refusal] = json.loads(done.stdout)["diagnostics"]
    assert refusal["id"] == "cluster-refused" and "DEV_TOKEN" in refusal["message"] + refusal["help"]
    monkeypatch.setenv("DEV_TOKEN", TOKEN)
    assert json.loads(call("resume", "last", "--json").stdout)["status"] == "succeeded"
    assert cluster.runs() == 1
