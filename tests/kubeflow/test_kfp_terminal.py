"""The official client and the command `kale-rs` do the same with equal servers: what they ask is equal, but for what is
documented here and in `differences.py`. And where a server fails, the command starts nothing twice."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

pytest.importorskip("kfp", reason="needs the environment of tests/oracle/kfp_environment.py")

import kfp  # noqa: E402
from cli.support import wait_for  # noqa: E402

from . import differences, faults, server  # noqa: E402
from .client import ROOT  # noqa: E402
from .server import PREFIX, Fault, Kubeflow, serving  # noqa: E402
from .test_kfp_conformance import with_names  # noqa: E402

#: This is the environment of the SDK; kale_rs is in the other one.
COMMAND = ROOT / ".venv" / "bin" / "kale-rs"
TOKEN = "the-token-of-this-test"
NAME, NAMESPACE = "churn", "team"
CELLS = [("trees = 5", "pipeline-parameters"), ("print(trees)", "step:train")]
CRON, START = "0 30 6 * * MON-FRI", "2026-11-21T06:00:00Z"


class Server(Kubeflow):
    """Runs come to the end that is next, and at once."""

    def make_run(self, request):
        run = super().make_run(request)
        run.state = self.next_state
        return run

    next_state = "FAILED"

    def change_run(self, request, id, verb):
        answer = super().change_run(request, id, verb)
        ends = {"retry": "SUCCEEDED", "terminate": "CANCELED"}
        self.runs[id].state = ends.get(verb, self.runs[id].state)
        return answer


@dataclass
class Stage:
    kubeflow: Server
    folder: Path
    ids: dict[str, str] = field(default_factory=dict)
    #: What the command called its runs: the official client calls them so, too.
    names: dict[str, str] = field(default_factory=dict)
    client: kfp.Client | None = None

    def kale(self, *words: str, status: int = 0, token: str = TOKEN) -> dict:
        """What the command answers as JSON."""
        outside = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        variables = {"KALE_RS_CONFIG": str(self.folder / "config"), "TOKEN": token, "NO_COLOR": "1"}
        done = subprocess.run(
            [COMMAND, *words, "--json"],
            cwd=self.folder,
            env={**outside, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done
        assert TOKEN not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def package(self) -> str:
        path = self.folder / "churn.yaml"
        if not path.exists():
            self.kale("compile", "churn.ipynb", "-o", str(path))
        return str(path)


def staged(kubeflow: Server, folder: Path) -> Stage:
    folder.mkdir()
    rows = [
        {"cell_type": "code", "metadata": {"tags": [tag]}, "source": source, "outputs": [], "execution_count": None}
        for source, tag in CELLS
    ]
    notebook = {"cells": rows, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "churn.ipynb").write_text(json.dumps(notebook))
    stage = Stage(kubeflow, folder)
    stage.kale("context", "add", "dev", "--kfp", kubeflow.url, "--namespace", NAMESPACE, "--auth", "token-env:TOKEN")
    return stage


# --- the scenario: `terminal_X` and `official_X` -------------------------------------------------------------------


def terminal_run(stage: Stage) -> None:
    run = stage.kale("run", "churn.ipynb", "--on", "dev", "-p", "trees=300", status=1)
    stage.ids |= {"run": run["remote"]["id"], "local": run["run_id"]}
    stage.names["run"] = stage.kubeflow.runs[run["remote"]["id"]].display_name
    [stage.ids["experiment"]] = stage.kubeflow.experiments
    [stage.ids["pipeline"]] = stage.kubeflow.pipelines
    [stage.ids["version"]] = stage.kubeflow.versions


def official_run(stage: Stage) -> None:
    experiment = stage.client.create_experiment(NAME, namespace=NAMESPACE)
    pipeline = stage.client.upload_pipeline(stage.package(), NAME, namespace=NAMESPACE)
    version = stage.client.upload_pipeline_version(stage.package(), "v", pipeline_id=pipeline.pipeline_id)
    stage.ids |= {"experiment": experiment.experiment_id, "pipeline": pipeline.pipeline_id}
    stage.ids["version"] = version.pipeline_version_id
    stage.ids["run"] = started(stage, "run", {"trees": 300})


def started(stage: Stage, name: str, parameters: dict) -> str:
    ids = {"pipeline_id": stage.ids["pipeline"], "version_id": stage.ids["version"]}
    made = stage.client.run_pipeline(stage.ids["experiment"], stage.names[name], params=parameters, **ids)
    return made.run_id


def terminal_retry(stage: Stage) -> None:
    assert stage.kale("resume", stage.ids["local"])["status"] == "succeeded"


def official_retry(stage: Stage) -> None:
    stage.client._run_api.run_service_retry_run(stage.ids["run"])


def terminal_archive(stage: Stage) -> None:
    assert stage.kale("archive", stage.ids["local"])["archived"] is True
    assert stage.kubeflow.runs[stage.ids["run"]].storage_state == "ARCHIVED"
    assert stage.kale("unarchive", stage.ids["local"])["archived"] is False


def official_archive(stage: Stage) -> None:
    stage.client.archive_run(stage.ids["run"])
    stage.client.unarchive_run(stage.ids["run"])


def terminal_terminate(stage: Stage) -> None:
    stage.kubeflow.next_state = "RUNNING"
    local = stage.kale("run", "churn.ipynb", "--on", "dev", "--detach")["run_id"]
    # What is not there yet would never be started.
    wait_for(lambda: stage.kale("show", local).get("remote"), "the run on the server")
    assert stage.kale("cancel", local)["status"] == "cancelled"
    [stage.ids["second run"]] = set(stage.kubeflow.runs) - {stage.ids["run"]}
    stage.names["second run"] = stage.kubeflow.runs[stage.ids["second run"]].display_name


def official_terminate(stage: Stage) -> None:
    """With the look for experiment and pipeline that belongs to each run of a notebook."""
    stage.kubeflow.next_state = "RUNNING"
    stage.client.create_experiment(NAME, namespace=NAMESPACE)
    stage.ids["second run"] = started(stage, "second run", {"trees": 5})
    stage.client.terminate_run(stage.ids["second run"])


def terminal_schedules(stage: Stage) -> None:
    words = ("schedule", "add", "churn.ipynb", "--on", "dev")
    stage.kale(*words, "--cron", CRON, "--start", START, "--name", "every workday", "-p", "trees=7")
    hourly = stage.kale(*words, "--every", "1h", "--name", "hourly", "--paused", "--catch-up", "--max-concurrency", "3")
    stage.ids["hourly"] = hourly["schedule"]["id"]
    assert len(stage.kale("schedule", "list", "--on", "dev")["schedules"]) == 2
    for verb in ("resume", "pause", "remove"):
        stage.kale("schedule", verb, "hourly", "--on", "dev")


def official_schedules(stage: Stage) -> None:
    client, ids = stage.client, {"pipeline_id": stage.ids["pipeline"], "version_id": stage.ids["version"]}
    experiment = client.create_experiment(NAME, namespace=NAMESPACE).experiment_id
    arguments = {"cron_expression": CRON, "start_time": START, "params": {"trees": 7}, "no_catchup": True}
    client.create_recurring_run(experiment, "every workday", **arguments, **ids)
    client.create_experiment(NAME, namespace=NAMESPACE)
    arguments = {"interval_second": 3600, "params": {"trees": 5}, "no_catchup": False, "max_concurrency": 3}
    stage.ids["hourly"] = client.create_recurring_run(
        experiment, "hourly", enabled=False, **arguments, **ids
    ).recurring_run_id
    listed = {"sort_by": "created_at desc", "page_size": 100, "namespace": NAMESPACE}
    assert len(client.list_recurring_runs(**listed).recurring_runs) == 2
    for verb in (client.enable_recurring_run, client.disable_recurring_run, client.delete_recurring_run):
        client.list_recurring_runs(**listed)
        verb(stage.ids["hourly"])


PARTS = [name.removeprefix("official_") for name in globals() if name.startswith("official_")]

# --- where the command asks for more than the official client ------------------------------------------------------

Difference = Callable[[list[server.Request]], list[server.Request]]


def is_look_at_a_run(request: server.Request) -> bool:
    return request.method == "GET" and request.path.startswith(f"{PREFIX}/runs/")


def looks_at_a_run(requests: list[server.Request]) -> list[server.Request]:
    """A run is looked at as often as it takes, until it has ended."""
    return [each for each in requests if not is_look_at_a_run(each)]


def looks_for_a_run(requests: list[server.Request]) -> list[server.Request]:
    """Before a run is started, it is looked whether an engine that was killed has done so."""
    return [each for each in requests if not (each.method == "GET" and each.path == f"{PREFIX}/runs")]


def what_steps_have_left(requests: list[server.Request]) -> list[server.Request]:
    """Metrics and values are known to another service, which the official client does not ask."""
    return [each for each in requests if each.path.startswith(PREFIX)]


OWN: list[Difference] = [looks_at_a_run, looks_for_a_run, what_steps_have_left]


def without_differences(requests: list[server.Request]) -> list[dict]:
    for each in OWN:
        requests = each(requests)
    # What is about pipelines stands apart: each run looks whether its content is there, and uploads it where it is not.
    upload = [each for each in requests if each.path.startswith(f"{PREFIX}/pipelines")]
    rest = [each for each in requests if each not in upload]
    return [
        *differences.without_differences("upload", upload),
        *differences.without_differences("rest", rest),
    ]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> dict[str, dict[str, list[server.Request]]]:
    """What each side asked, by part. The command goes first, since it chooses the names of its runs."""
    folder = tmp_path_factory.mktemp("terminal")
    with serving(Server(token=TOKEN)) as kubeflow:
        ours = staged(kubeflow, folder / "ours")
        found = {"terminal": played(ours, "terminal")}
    with serving(Server(token=TOKEN)) as kubeflow, official_client(kubeflow, folder) as client:
        theirs = Stage(kubeflow, folder / "ours", names=ours.names, client=client)
        return found | {"official": played(theirs, "official")}


@contextlib.contextmanager
def official_client(kubeflow: Server, folder: Path) -> Iterator[kfp.Client]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kfp.Client._LOCAL_KFP_CONTEXT = str(folder / "context.json")
        yield kfp.Client(host=kubeflow.url, existing_token=TOKEN, namespace=NAMESPACE)


def played(stage: Stage, side: str) -> dict[str, list[server.Request]]:
    found = {}
    for part in PARTS:
        stage.kubeflow.requests.clear()
        globals()[f"{side}_{part}"](stage)
        found[part] = list(stage.kubeflow.requests)
    return {part: [with_names(request, stage.ids) for request in requests] for part, requests in found.items()}


@pytest.mark.parametrize("part", PARTS)
def test_requests_are_equal(recorded, part):
    official, terminal = (without_differences(recorded[side][part]) for side in ("official", "terminal"))
    assert official and terminal == official


def test_every_difference_is_one(recorded):
    """What is documented is there, on the side of the command alone."""
    terminal = [each for requests in recorded["terminal"].values() for each in requests]
    official = [each for requests in recorded["official"].values() for each in requests]
    for each in OWN:
        assert each(terminal) != terminal and each(official) == official, each.__name__


def test_both_show_the_same_credentials(recorded):
    for requests in recorded.values():
        of_the_api = [each for part in requests.values() for each in part if each.path.startswith(PREFIX)]
        assert {each.headers["authorization"] for each in of_the_api} == {f"Bearer {TOKEN}"}


# --- what goes wrong ------------------------------------------------------------------------------------------------

BUSY = faults.status(503, "no healthy upstream", "text/plain")
#: As a server answers the second of two requests: it was not there when they looked for it.
EXISTS = faults.status(409, '{"code": 6, "message": "Already exist error"}')
FAULTS = {
    "the answer to a start is lost": Fault("POST", "/runs", "after", faults.drop),
    "what carries a start breaks off": Fault("POST", "/runs", "before", faults.late(faults.drop, looks=1)),
    "a start is answered by half": Fault("POST", "/runs", "after", faults.break_off),
    "a gateway has no server for a moment": Fault("POST", "/runs", "before", BUSY),
    "a list is cut short": Fault("GET", "/experiments", "before", faults.truncate),
    "the answer to a pipeline is lost": Fault("POST", "/pipelines", "after", faults.drop),
    "somebody else is first to make the pipeline": Fault("POST", "/pipelines", "after", EXISTS),
    "somebody else is first to make the experiment": Fault("POST", "/experiments", "after", EXISTS),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_run_is_started_once_whatever_goes_wrong(what, tmp_path):
    with serving(Server(token=TOKEN)) as kubeflow:
        stage = staged(kubeflow, tmp_path / "project")
        kubeflow.next_state = "SUCCEEDED"
        kubeflow.faults.append(replace(FAULTS[what], times=1))
        run = stage.kale("run", "churn.ipynb", "--on", "dev")
        assert run["status"] == "succeeded" and list(kubeflow.runs) == [run["remote"]["id"]]
        assert kubeflow.faults[0].times == 0, "it went wrong"


def test_who_is_not_let_in_is_told(tmp_path):
    with serving(Server(token=TOKEN)) as kubeflow:
        stage = staged(kubeflow, tmp_path / "project")
        run = stage.kale("run", "churn.ipynb", "--on", "dev", status=1, token="another")
        [refusal] = [one for one in run["diagnostics"] if one["severity"] == "error"]
        assert refusal["id"] == "cluster-refused" and "TOKEN" in refusal["message"] + refusal["help"]
        assert not kubeflow.runs
