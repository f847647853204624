"""What breaks off while a cluster carries a notebook out: engines, networks, servers, contexts. There is never a second
run, and none that goes on without anybody knowing."""

import contextlib
import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from cli.support import call, cell, notebook, start, wait_for

from .running import CELLS, shown, states, waiting


def test_an_engine_that_was_killed_is_taken_up_without_a_second_run(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    wait_for(lambda: "waiting" in call("logs", run, "wait").stdout, "the step's output")
    kill_engine(run)
    (folder / "go").touch()
    resumed = call("resume", run, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert states(json.loads(resumed.stdout)) == {"wait": "succeeded"}
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


def test_a_gateway_may_refuse_for_a_moment(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    remote = wait_for(lambda: shown(run).get("remote"), "the cluster's id")["id"]
    words = "RBAC: access \x1b[2J\x1b]0;owned\x07 denied"
    cluster.tell(refuse={"method": "GET", "path": f"/runs/{remote}", "status": 403, "message": words, "times": 2})
    wait_for(lambda: not cluster.tell()["refusals"], "two refusals")
    (folder / "go").touch()
    wait_for(lambda: shown(run)["status"] == "succeeded", "the end of the run")
    [told] = [one["message"] for one in shown(run)["diagnostics"] if one["id"] == "cluster-unreachable"]
    assert "denied" in told and not any(letter < " " for letter in told), "a server's words do nothing to a terminal"


@pytest.mark.parametrize("code, status", [(0, "interrupted"), (5, "failed")])
def test_what_is_not_found_may_be_found_again(cluster, folder, monkeypatch, code, status):
    """A gateway has no route for a moment, in words of its own; a server that knows no such run says so itself."""
    monkeypatch.setenv("KALE_RS_CLUSTER_PATIENCE", "1")
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    remote = wait_for(lambda: shown(run).get("remote"), "the cluster's id")["id"]
    refusal = {"method": "GET", "path": f"/runs/{remote}", "status": 404, "message": "no route", "code": code}
    cluster.tell(refuse={**refusal, "times": 2})
    wait_for(lambda: not cluster.tell()["refusals"], "two refusals")
    cluster.tell(refuse={**refusal, "times": 9999})
    wait_for(lambda: shown(run)["status"] == status, "the engine's end")
    [told] = [one for one in shown(run)["diagnostics"] if f"kale-rs resume {run}" in one["help"]]
    assert "kale-rs run`" not in told["help"] and ("context test dev" in told["help"]) == (code == 5)
    cluster.tell(refuse=None)
    (folder / "go").touch()
    assert json.loads(call("resume", run, "--json").stdout)["status"] == "succeeded"
    assert cluster.runs() == 1


@pytest.mark.parametrize("how", ["down", "unauthorized"])
def test_patience_ends_and_resume_finds_out(cluster, folder, monkeypatch, how):
    monkeypatch.setenv("KALE_RS_CLUSTER_PATIENCE", "1")
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    process = start("run", "n.ipynb", "--on", "dev", cwd=folder)
    wait_for(lambda: "waiting" in call("logs", "last", "wait").stdout, "the step's output")
    run = shown()
    if how == "down":
        cluster.tell(down=True)
    else:
        path = f"/runs/{run['remote']['id']}"
        cluster.tell(refuse={"method": "GET", "path": path, "status": 401, "message": "who are you", "times": 9999})
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1 and f"kale-rs resume {run['run_id']}" in told
    left = shown()
    assert (left["status"], states(left)) == ("interrupted", {"wait": "interrupted"})
    assert [one["id"] for one in left["diagnostics"]][-2:] == ["cluster-unreachable", "cluster-unreachable"]
    cluster.tell(down=False, refuse=None)
    (folder / "go").touch()
    resumed = call("resume", "last", "--json")
    assert (resumed.returncode, states(json.loads(resumed.stdout))) == (0, {"wait": "succeeded"}), resumed.stderr
    assert cluster.runs() == 1


def test_patience_is_a_time(cluster, folder, monkeypatch):
    monkeypatch.setenv("KALE_RS_CLUSTER_PATIENCE", "long")
    refused = call("run", "n.ipynb", "--on", "dev")
    assert refused.returncode == 2 and "`KALE_RS_CLUSTER_PATIENCE` is no time: `long`" in refused.stderr
    assert json.loads(call("run", "n.ipynb", "--json").stdout)["status"] == "succeeded", "it is not about clusters"
    assert cluster.runs() == 0


def held(cluster, path: str) -> str:
    """A run whose engine waits for an answer to what it has asked for at this path."""
    cluster.tell(hold=path)
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    wait_for(lambda: cluster.tell()["held"], "the request")
    return run


def test_a_server_may_be_at_it_when_the_engine_is_killed(cluster, folder):
    """The run is there only later: whoever takes up waits for it, and starts no second one."""
    run = held(cluster, "/runs")
    kill_engine(run)
    resumed = start("resume", run, "--json", cwd=folder)
    wait_for(lambda: "asked to start the run" in call("show", run, "--json").stdout, "the warning")
    assert cluster.runs() == 0
    cluster.tell(release=True)
    told, _ = resumed.communicate(timeout=60)
    assert json.loads(told)["status"] == "succeeded"
    assert cluster.runs() == 1


def test_what_is_not_known_is_found_out_by_resume(cluster, folder, monkeypatch):
    """A server that fails in its own words may have begun: nobody says that the run has failed."""
    cluster.tell(refuse={"method": "POST", "path": "/runs", "status": 500, "message": "half way", "times": 1})
    done = call("run", "n.ipynb", "--on", "dev", "--json")
    run = json.loads(done.stdout)
    assert (done.returncode, run["status"]) == (1, "interrupted")
    [told] = [one for one in run["diagnostics"] if one["severity"] == "warning"]
    assert "not known" in told["message"] and f"kale-rs resume {run['run_id']}" in told["help"]
    call("gc", "--keep-days", "0")
    monkeypatch.setenv("KALE_RS_CLUSTER_PATIENCE", "1s")
    resumed = json.loads(call("resume", "last", "--json").stdout)
    assert (resumed["status"], cluster.runs()) == ("succeeded", 1)


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


def test_cancel_ends_there_what_has_no_engine_here(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    wait_for(lambda: "waiting" in call("logs", run, "wait").stdout, "the step's output")
    kill_engine(run)
    collected = json.loads(call("gc", "--keep-days", "0", "--json").stdout)
    assert shown(run)["status"] == "interrupted", f"it goes on there, and {collected} were removed"
    done = call("cancel", run, "--json")
    assert states(json.loads(done.stdout)) == {"wait": "cancelled"}, done.stderr
    assert list(cluster.tell()["runs"].values()) == ["CANCELED"]
    call("gc", "--keep-days", "0")
    assert call("show", run).returncode == 2, "nothing goes on any more"


def test_another_server_does_not_know_whether_it_is_there(cluster, folder):
    run = held(cluster, "/runs")
    kill_engine(run)
    options = ["--namespace", "team", "--auth", "token-env:DEV_TOKEN", "--replace"]
    assert call("context", "add", "dev", "--kfp", f"{cluster.url}/pipeline", *options).returncode == 0
    resumed = json.loads(call("resume", run, "--json").stdout)
    assert resumed["status"] == "interrupted" and f"`{cluster.url}` was asked" in str(resumed["diagnostics"])
    cluster.tell(release=True)
    assert call("context", "add", "dev", "--kfp", cluster.url, *options).returncode == 0
    assert json.loads(call("resume", run, "--json").stdout)["status"] == "succeeded"
    assert cluster.runs() == 1


def test_cancel_ends_there_what_was_not_there_yet(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = held(cluster, "/runs")
    kill_engine(run)
    call("gc", "--keep-days", "0")
    assert shown(run)["status"] == "interrupted", "it may be there"
    cancelled = start("cancel", run, "--json", cwd=folder)
    wait_for(lambda: "asked to start the run" in call("show", run, "--json").stdout, "the warning")
    cluster.tell(release=True)
    told, _ = cancelled.communicate(timeout=60)
    assert json.loads(told)["status"] == "cancelled"
    assert list(cluster.tell()["runs"].values()) == ["CANCELED"]


def test_what_is_cancelled_before_it_is_there_is_not_started(cluster, folder):
    run = held(cluster, "/experiments")
    kill_engine(run)
    cluster.tell(down=True)
    cancelled = json.loads(call("cancel", run, "--json").stdout)
    assert states(cancelled) == {"make": "cancelled", "add": "cancelled"}, "nobody need be asked"
    cluster.tell(down=False, release=True)
    assert (cluster.runs(), cluster.tell()["versions"]) == (0, 0)


def test_what_is_cancelled_while_it_is_handed_over_is_not_started(cluster, folder):
    run = held(cluster, "/pipelines/upload_version")
    cancelled = start("cancel", run, "--json", cwd=folder)
    wait_for(lambda: is_to_be_cancelled(folder, run), "the cancellation")
    cluster.tell(release=True)
    told, _ = cancelled.communicate(timeout=60)
    assert json.loads(told)["status"] == "cancelled"
    assert (cluster.runs(), cluster.tell()["versions"]) == (0, 1)


def is_to_be_cancelled(folder: Path, run: str) -> bool:
    [database] = folder.rglob("store.db")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT cancel FROM runs WHERE id = ?", [run]).fetchone() == (1,)


def test_a_context_that_was_removed_keeps_no_run(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    url = wait_for(lambda: shown(run).get("remote"), "the cluster's id")["url"]
    kill_engine(run)
    assert call("context", "remove", "dev").returncode == 0
    resumed = call("resume", run, "--json")
    assert json.loads(resumed.stdout)["status"] == "interrupted", "it may be added again"
    cancelled = json.loads(call("cancel", run, "--json").stdout)
    assert cancelled["status"] == "cancelled"
    told = [one for one in cancelled["diagnostics"] if "may go on there" in one["message"]][-1]
    assert url in told["help"] and f"kale-rs resume {run}" in told["help"]
    call("gc", "--keep-days", "0")
    assert call("show", run).returncode == 2, "nobody is told of it any more"
    # It does go on there, until somebody lets it end.
    (folder / "go").touch()


def test_two_terminals_take_up_one_run(cluster, folder):
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    wait_for(lambda: "waiting" in call("logs", run, "wait").stdout, "the step's output")
    kill_engine(run)
    resumed = [start("resume", run, "--json", cwd=folder) for _ in range(2)]
    wait_for(lambda: shown(run)["status"] == "running", "a new engine")
    (folder / "go").touch()
    told = ["".join(process.communicate(timeout=60)) for process in resumed]
    ends = ['"status": "succeeded"' in one or "is still at work" in one for one in told]
    assert all(ends) and 0 in [process.returncode for process in resumed], told
    assert cluster.runs() == 1


def test_an_address_that_moves_away_takes_no_token_along(cluster, folder, monkeypatch):
    """A gateway sends us elsewhere while a run goes on: nobody follows, and the run is taken up when it is back."""
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    remote = wait_for(lambda: shown(run).get("remote"), "the cluster's id")["id"]
    cluster.tell(refuse={"method": "GET", "path": f"/runs/{remote}", "status": 302, "message": "moved", "times": 3})
    wait_for(lambda: not cluster.tell()["refusals"], "the redirections")
    (folder / "go").touch()
    wait_for(lambda: shown(run)["status"] == "succeeded", "the end of the run")
    [told] = [one for one in shown(run)["diagnostics"] if one["id"] == "cluster-unreachable"]
    assert "sends us to" in told["message"] and "goes on there" in told["help"]


def test_a_name_may_be_of_any_script(cluster, folder):
    """Of the notebook, its folder, its experiment, and what it prints; the pipeline's is made of letters KFP takes."""
    place = folder / "ünï 工程"
    place.mkdir()
    values = [cell("名 = 'ä'", "pipeline-parameters"), cell("print('größe', 名)", "step:show")]
    metadata = {"kubeflow_notebook": {"experiment_name": "Versuch Ä 実験"}}
    notebook(place / "Übung 数据.ipynb", *values, metadata=metadata)
    done = call("run", str(place / "Übung 数据.ipynb"), "--on", "dev", "-p", "名=ö 𝛼", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["parameters"] == {"名": "ö 𝛼"} and run["status"] == "succeeded"
    assert "größe ö 𝛼" in call("logs", run["run_id"], "show", "--store", str(place)).stdout


def kill_engine(run: str) -> None:
    [engine] = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and run in command_line(path) and "engine" in command_line(path)
    ]
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: shown(run)["status"] == "interrupted", "the engine's end")


def command_line(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_text()
    return ""
