"""`run --on`: a cluster carries a notebook out, and terminal, Python and store know of it what they know of others."""

import itertools
import json

import kale_rs
from cli.support import call, cell, notebook, start, wait_for

from .running import CELLS, TOKEN, shown, states, waiting


def test_a_run_is_followed_and_recorded_as_others_are(cluster, folder):
    done = call("run", "n.ipynb", "--on", "dev", "-p", "count=4", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["status"], run["context"], run["parameters"]) == ("succeeded", "dev", {"count": 4})
    assert states(run) == {"make": "succeeded", "add": "succeeded"}
    assert "0.00 s" not in call("show", run["run_id"]).stdout, "nobody tells of CPU time"
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


def test_a_step_that_is_tried_again_has_not_failed(cluster, folder):
    mark = repr(str(folder / "tried"))
    flaky = f"""
import os
if not os.path.exists({mark}):
    open({mark}, "w").close()
    raise OSError("not yet")
a = 1
"""
    notebook(folder / "n.ipynb", cell(flaky, "step:flaky", "retries:2"), cell("b = a + 1", "step:after"))
    done = call("run", "n.ipynb", "--on", "dev", "--json")
    assert done.returncode == 0, done.stderr
    assert states(json.loads(done.stdout)) == {"flaky": "succeeded", "after": "succeeded"}
    assert "step-failed" not in done.stdout, done.stdout
    assert "not yet" in done.stderr, "it was seen to fail"


def test_a_log_that_takes_long_is_read_seldom(cluster, folder):
    slowness = 0.1
    notebook(folder / "n.ipynb", CELLS[0], waiting(folder))
    cluster.tell(slow_logs=slowness)
    process = start("run", "n.ipynb", "--on", "dev", cwd=folder)
    wait_for(lambda: len(cluster.tell()["logs"]) >= 3, "three looks into the log")
    logs = cluster.tell()["logs"]
    assert all(later - earlier > 10 * slowness for earlier, later in itertools.pairwise(logs)), logs
    (folder / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0 and call("logs", "last", "wait").stdout.startswith("waiting")


def test_what_a_cluster_refuses_is_told_in_words(cluster, folder, monkeypatch):
    assert "there is no context `prod`" in call("run", "n.ipynb", "--on", "prod").stderr
    notebook(folder / "long.ipynb", *CELLS, metadata={"kubeflow_notebook": {"experiment_name": "x" * 200}})
    long = json.loads(call("run", "long.ipynb", "--on", "dev", "--json").stdout)
    assert [one["id"] for one in long["diagnostics"]] == ["cluster-value"] and "experiment" in str(long)
    inexact = json.loads(call("run", "n.ipynb", "--on", "dev", "-p", f"count={2**53 + 1}", "--json").stdout)
    assert "KFP cannot hold 9007199254740993 in the parameter `count`" in str(inexact["diagnostics"])
    assert cluster.runs() == 0
    monkeypatch.setenv("DEV_TOKEN", "wrong")
    done = call("run", "n.ipynb", "--on", "dev", "--json")
    assert done.returncode == 1
    [refusal] = json.loads(done.stdout)["diagnostics"]
    assert "mending the notebook" not in call("resume", "last").stdout
    assert refusal["id"] == "cluster-refused" and "DEV_TOKEN" in refusal["message"] + refusal["help"]
    monkeypatch.setenv("DEV_TOKEN", TOKEN)
    assert json.loads(call("resume", "last", "--json").stdout)["status"] == "succeeded"
    assert cluster.runs() == 1
