"""Services over the channel: real kernels, real servers."""

import json
import subprocess

import kale_rs
import pytest
from cli.support import COMMAND, call, cell, environment, notebook, wait_for
from kale_rs import _native
from sklearn.linear_model import LinearRegression

from .support import Panel, kernel, text

#: Answers each row with its sum, and refuses rows that are none.
SERVE = """
import kale_rs, numpy as np
table = np.arange(12.0).reshape(4, 3)
texts = ["a", "b"]
def add(rows):
    print("asked for", len(rows))
    if len(rows) > 3:
        raise RuntimeError("too many rows")
    return np.asarray(rows, dtype=float).sum(axis=1)
service = kale_rs.serve(add, name="add", example=[[1.0, 2.0, 3.0]])
"""
TRAINING = [
    cell("power = 1", "pipeline-parameters"),
    cell("import numpy as np\nrows = np.arange(8.0)[:, None]", "step:load"),
    cell(
        "from sklearn.linear_model import LinearRegression\n"
        "model = LinearRegression().fit(rows, 3 * rows[:, 0] ** power)",
        "step:train",
        "prev:load",
    ),
    cell("loss = float(abs(model.predict(rows)[-1] - 21))\nprint(loss)", "pipeline-metrics"),
]


@pytest.fixture
def folder(tmp_path):
    notebook(tmp_path / "n.ipynb", *TRAINING)
    yield tmp_path
    for service in kale_rs.services(store=tmp_path):
        kale_rs.services("stop", service.name, store=tmp_path)


def services(panel, matches):
    """The services that are told, once they are so."""

    def told(message):
        return message.get("method") == "services" and matches(message["params"]["services"])

    return panel.take(told)["params"]["services"]


def lines(panel, *wanted):
    """What is told of a log, until all of this is in it."""
    text = ""
    while not all(each in text for each in wanted):
        told = panel.told("service_log")
        text = told["text"] if told["first"] else text + told["text"]
    return text


def test_a_service_of_a_cell_is_told_asked_and_stopped(folder):
    with kernel(folder) as running:
        running.run("import kale_rs")
        panel = Panel(running)
        panel.ask("watch_services")
        assert services(panel, lambda found: True) == []
        outputs = running.run(SERVE)
        assert [each["content"] for each in outputs if each["msg_type"] == "error"] == []
        [service] = services(panel, lambda found: found and found[0]["state"] == "ready")
        assert (service["name"], service["requests"]["total"]) == ("add", 0)
        assert service["replicas"][0]["rss_bytes"] > 1e6 and service["url"].startswith("http://127.0.0.1:")
        page = panel.ask("services", action="show", name="add")
        assert (page["about"]["example"], page["origin"]) == ({"instances": [[1.0, 2.0, 3.0]]}, None)

        panel.ask("watch_service_log", name="add")
        told = panel.ask("predict", name="add")
        assert (told["predictions"], told["status"], told["error"]) == ([6.0], 200, None)
        assert panel.ask("predict", name="add", data=[[1, 1, 1], [2, 2, 2]])["predictions"] == [3.0, 6.0]
        assert panel.ask("predict", name="add", data={"instances": [[1, 2, 4]]})["predictions"] == [7.0]
        tensor = {"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 5]}
        assert panel.ask("predict", name="add", data={"inputs": [tensor]})["predictions"][0]["data"] == [8.0]
        # Rows of a variable, which only the kernel has; also while a cell is at work.
        with running.busy():
            assert panel.ask("predict", name="add", variable="table", rows="1:3")["predictions"] == [12.0, 21.0]
            assert panel.ask("predict", name="add", variable="table", rows="-1")["predictions"] == [30.0]
            offered = {each["name"]: each for each in panel.ask("variables")["variables"]}
        assert (offered["table"]["rows"], offered["table"]["type"]) == (4, "ndarray")
        assert "texts" in offered and "service" not in offered and "np" not in offered

        failed = panel.ask("predict", name="add", variable="table", rows="")
        assert (failed["status"], failed["predictions"]) == (500, None)
        assert failed["error"]["type"] == "RuntimeError" and "too many rows" in failed["error"]["message"]
        assert "in add" in failed["error"]["traceback"]
        assert panel.ask("predict", name="add", data=["no number"] * 3)["error"]["message"]
        log = lines(panel, "asked for 2", "POST /v1/models/add:predict 200", "RuntimeError")
        assert "/kale/status" not in log
        [service] = services(panel, lambda found: found and found[0]["requests"]["total"] == 8)
        assert service["requests"]["errors"] == 2 and service["latency_seconds"]["p99"] > 0

        for request, words in [
            ({"name": "none"}, "no service `none` runs"),
            ({"name": "add", "variable": "nothing", "rows": ":"}, "no variable `nothing`"),
            ({"name": "add", "variable": "table", "rows": "two"}, "names no rows"),
            ({"name": "add", "variable": "add", "rows": ":"}, "has no rows"),
        ]:
            refused = panel.refusal("predict", **request)
            assert words in refused["message"] and refused["data"]["kind"] == "UsageError"
        assert "has no log" in panel.refusal("watch_service_log", name="none")["message"]
        assert panel.refusal("watch_service_log")["code"] == -32602

        assert panel.ask("services", action="stop", name="add", pid=service["pid"])["name"] == "add"
        assert services(panel, lambda found: not found) == []


def test_a_model_of_a_run_is_served_and_leads_back_to_it(folder):
    with kernel(folder) as running:
        running.run("import kale_rs")
        panel = Panel(running)
        run = panel.ask("run", notebook="n.ipynb", text=text(*TRAINING))["run_id"]
        panel.ask("watch", run=run)
        assert panel.follow(run)[-1]["detail"]["status"] == "succeeded"
        kinds = {one["names"][0]: one["type"] for one in panel.ask("show", run=run, step="train")["artifacts"]}
        assert kinds["model"] == "Model"
        panel.ask("watch_services")
        served = panel.ask("serve", model=f"{run}:train:model", name="line", example="rows", tied=True)
        assert served["verified"] is True
        page = panel.ask("services", action="show", name="line")
        assert page["origin"] == {
            "run": run,
            "step": "train",
            "variable": "model",
            "ids": [f"kale://run/{run}", f"kale://run/{run}/step/train"],
        }
        assert panel.ask("lineage", id=page["origin"]["ids"][1])["kind"] == "step"
        assert panel.ask("predict", name="line", data=[[2.0]])["predictions"] == [pytest.approx(6.0)]
        kserve = {"name": "line", "storage_uri": "pvc://models/line"}
        manifest = panel.ask("compile", notebook=page["bundle"], target="kserve", kserve=kserve)
        assert "kind: InferenceService" in manifest["emitted"] and "pvc://models/line" in manifest["emitted"]
        refused = panel.refusal("serve", model=f"{run}:train:model", name="line", tied=True)
        assert "is running already" in refused["message"]
        assert "no variable `nothing`" in panel.refusal("serve", model=f"{run}:train:nothing")["message"]
    # It was tied to the kernel, which has ended.
    wait_for(lambda: kale_rs.services(store=folder) == [], "the end of the service")


def test_the_best_trial_is_known_by_its_service(folder, monkeypatch):
    """And the terminal has what the panel has."""
    monkeypatch.chdir(folder)
    done = call("sweep", "n.ipynb", "--param", "power=choice:1,2", "--algorithm", "grid", "--objective", "loss")
    assert done.returncode == 0, done.stderr
    [sweep] = json.loads(call("sweeps", "--json").stdout)["sweeps"]
    done = call("serve", "best:train:model", "--example", "rows", "--detach", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(call("services", "show", "model", "--json").stdout)
    best = sweep["best"]
    assert told["origin"]["trial"] == {"sweep_id": sweep["sweep_id"], "trial": best["trial"]}
    assert told["origin"]["run"] == best["run_id"]

    answers = [float(line) for line in call("predict", "model", "[[1], [2.0]]").stdout.split()]
    assert answers == pytest.approx([3.0, 6.0])
    (folder / "rows.json").write_text('{"instances": [[5]]}')
    answer = json.loads(call("predict", "model", "--file", "rows.json", "--json").stdout)
    assert (answer["status"], answer["predictions"]) == (200, [pytest.approx(15.0)])
    assert len(call("predict", "model").stdout.split()) > 0
    failed = call("predict", "model", '["text"]')
    assert (failed.returncode, failed.stdout) == (1, "") and "`model` answers 500" in failed.stderr
    assert "is no JSON" in call("predict", "model", "[1").stderr
    assert "no service `none` runs" in call("predict", "none", "[1]").stderr
    found = kale_rs.predict("model", [[1.0]], store=folder)
    assert found == [pytest.approx(3.0)]

    assert call("services").stdout.splitlines()[1].split()[4] == "5"
    shown = call("services", "show", "model").stdout
    assert f"{best['run_id']}:train:model" in shown and "p99" in shown
    assert "POST /v1/models/model:predict 500" in call("services", "logs", "model").stdout
    command = [COMMAND, "services", "logs", "model", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True) as follower:
        assert any("POST /v1/models/model:predict 200" in line for line in follower.stdout)
        assert call("services", "stop", "model").returncode == 0
        assert "predict 500" in follower.stdout.read()
    assert follower.returncode == 0


def test_a_service_that_wants_a_token(folder, monkeypatch):
    """Its figures and answers are for those who have it; that it is ready is told to everybody."""
    monkeypatch.setenv("SERVICE_TOKEN", "secret")
    line = LinearRegression().fit([[0.0], [1.0]], [0.0, 3.0])
    kale_rs.serve(line, name="line", token_env="SERVICE_TOKEN", store=folder)

    def asked():
        [service] = json.loads(_native.services(json.dumps({"action": "list", "store": str(folder)})))["services"]
        request = {"name": "line", "data": [[2.0]], "store": str(folder)}
        return service, json.loads(_native.predict(json.dumps(request)))

    service, told = asked()
    assert (service["state"], service["settings"]["token_env"]) == ("ready", "SERVICE_TOKEN")
    # Served again as the panel does it, it wants its token as before.
    kale_rs.services("stop", "line", store=folder)
    again = {**service["settings"], "bundle": service["bundle"], "name": "line", "tied": True, "store": str(folder)}
    _native.serve(json.dumps(again))
    service, told = asked()
    assert service["settings"]["token_env"] == "SERVICE_TOKEN"
    assert service["requests"]["total"] == 0 and told["predictions"] == [pytest.approx(6.0)]
    monkeypatch.delenv("SERVICE_TOKEN")
    service, told = asked()
    assert service["state"] == "ready" and "requests" not in service
    assert told["status"] == 401 and "send the token" in told["error"]["message"]
