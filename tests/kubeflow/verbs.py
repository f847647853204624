"""What a user does with a cluster by the verbs of `kale_rs`: the same by the official client, on equal servers.

Terminal and panel play their side in `test_kfp_terminal.py` and `test_kfp_panel.py`, under the same names of parts.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import kfp

from . import differences, faults, server
from .client import ROOT
from .server import PREFIX, Fault, Kubeflow
from .test_kfp_conformance import with_names

#: This is the environment of the SDK; kale_rs is in the other one.
COMMAND = ROOT / ".venv" / "bin" / "kale-rs"
TOKEN = "the-token-of-this-test"
NAME, NAMESPACE = "churn", "team"
CELLS = [("trees = 5", "pipeline-parameters"), ("print(trees)", "step:train")]
CRON, START = "0 30 6 * * MON-FRI", "2026-11-21T06:00:00Z"


class Server(Kubeflow):
    """Runs come to the end that is next, and at once."""

    next_state = "FAILED"

    def make_run(self, request):
        run = super().make_run(request)
        run.state = self.next_state
        return run

    def change_run(self, request, id, verb):
        answer = super().change_run(request, id, verb)
        ends = {"retry": "SUCCEEDED", "terminate": "CANCELED"}
        self.runs[id].state = ends.get(verb, self.runs[id].state)
        return answer


@dataclass
class Stage:
    """A folder with a notebook, and a context `dev`."""

    kubeflow: Server
    folder: Path
    ids: dict[str, str] = field(default_factory=dict)
    #: What our runs were called: the official client calls them so, too.
    names: dict[str, str] = field(default_factory=dict)
    client: kfp.Client | None = None
    #: A panel beside the notebook.
    panel: Callable | None = None

    def variables(self, token: str = TOKEN) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return {**outside, "KALE_RS_CONFIG": str(self.folder / "config"), "TOKEN": token, "NO_COLOR": "1"}

    def kale(self, *words: str, status: int = 0, token: str = TOKEN) -> dict:
        """What the command answers as JSON."""
        done = subprocess.run(
            [COMMAND, *words, "--json"],
            cwd=self.folder,
            env=self.variables(token),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done
        assert TOKEN not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def add_context(self, url: str) -> None:
        access = ("--namespace", NAMESPACE, "--auth", "token-env:TOKEN", "--replace")
        self.kale("context", "add", "dev", "--kfp", url, *access)

    def package(self) -> str:
        path = self.folder / "churn.yaml"
        if not path.exists():
            self.kale("compile", "churn.ipynb", "-o", str(path))
        return str(path)

    def note_run(self, name: str, id: str) -> None:
        """What a run of ours is called in the scenario."""
        self.ids[name] = id
        self.names[name] = self.kubeflow.runs[id].display_name

    def note_what_was_made(self) -> None:
        [self.ids["experiment"]] = self.kubeflow.experiments
        [self.ids["pipeline"]] = self.kubeflow.pipelines
        [self.ids["version"]] = self.kubeflow.versions


def staged(kubeflow: Server, folder: Path) -> Stage:
    folder.mkdir()
    rows = [
        {"cell_type": "code", "metadata": {"tags": [tag]}, "source": source, "outputs": [], "execution_count": None}
        for source, tag in CELLS
    ]
    notebook = {"cells": rows, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "churn.ipynb").write_text(json.dumps(notebook))
    stage = Stage(kubeflow, folder)
    stage.add_context(kubeflow.url)
    return stage


# --- the official client's side ------------------------------------------------------------------------------------


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


def official_retry(stage: Stage) -> None:
    stage.client._run_api.run_service_retry_run(stage.ids["run"])


def official_archive(stage: Stage) -> None:
    stage.client.archive_run(stage.ids["run"])
    stage.client.unarchive_run(stage.ids["run"])


def official_terminate(stage: Stage) -> None:
    """With the look for experiment and pipeline that belongs to each run of a notebook."""
    stage.kubeflow.next_state = "RUNNING"
    stage.client.create_experiment(NAME, namespace=NAMESPACE)
    stage.ids["second run"] = started(stage, "second run", {"trees": 5})
    stage.client.terminate_run(stage.ids["second run"])


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


Part = Callable[[Stage], None]


def side(functions: dict[str, object], name: str) -> dict[str, Part]:
    """The parts of one side, functions `NAME_PART`, in the order in which they stand."""
    found = {each: function for each, function in functions.items() if inspect.isfunction(function)}
    return {each.removeprefix(f"{name}_"): function for each, function in found.items() if each.startswith(f"{name}_")}


OFFICIAL = side(globals(), "official")
PARTS = list(OFFICIAL)


def played(stage: Stage, parts: dict[str, Part]) -> dict[str, list[server.Request]]:
    """What one side asked, by part."""
    found = {}
    for part in PARTS:
        stage.kubeflow.requests.clear()
        parts[part](stage)
        found[part] = list(stage.kubeflow.requests)
    return {part: [with_names(request, stage.ids) for request in requests] for part, requests in found.items()}


@contextlib.contextmanager
def official_client(kubeflow: Server, folder: Path) -> Iterator[kfp.Client]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kfp.Client._LOCAL_KFP_CONTEXT = str(folder / "context.json")
        yield kfp.Client(host=kubeflow.url, existing_token=TOKEN, namespace=NAMESPACE)


# --- where our verbs ask for more than the official client ---------------------------------------------------------

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


# --- what goes wrong when a run is started -------------------------------------------------------------------------

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
