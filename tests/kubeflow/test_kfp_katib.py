"""What the target `katib` emits, carried out: the command of a trial's Job, in an environment with nothing but Python,
as it stands and as Katib rewrites it, against a server that answers as Kubeflow Pipelines does and runs the steps."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("kfp_server_api", reason="needs the environment of tests/oracle/kfp_environment.py")

import yaml  # noqa: E402

from . import faults  # noqa: E402
from .client import ROOT  # noqa: E402
from .cluster import Cluster  # noqa: E402
from .server import Fault, serving  # noqa: E402

#: This is the environment of the SDK; kale_rs is in the other one.
OURS = ROOT / ".venv" / "bin"
TOKEN = "the-token-of-this-test"
#: Katib's, in `pkg/apis/controller/common/v1beta1`; Go's `\\w` is of ASCII.
COLLECTED = re.compile(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)", re.ASCII)
PATIENCE = 120
#: Where the report is read, and what a server answers that does not have it yet.
LOG = "/apis/v1alpha1/runs/run-2/nodes/pod-run-2-report-0/log"
LATE = faults.status(200, '{"error_message": "no such pod", "error_details": ""}')
#: The run waits for a file in the step `train` where its kind is `slow`, and fails where it is `bad`.
CELLS = [
    ("import os, time", "imports"),
    (
        "rate: float = 0.5\nlayers = 2\nkind = 'plain'\nflag = True\nitems = [1]\nfolder = ''",
        "pipeline-parameters",
    ),
    ("data = [layers, len(kind), len(items)]\nprint('rate=9 loss=9', flag)", "step:load"),
    (
        "while kind == 'slow' and not os.path.exists(os.path.join(folder, 'go')):\n    time.sleep(0.02)\n"
        "assert kind != 'bad', 'this kind is bad'\n"
        "loss = float('nan') if kind == 'none' else rate * sum(data)\nsize = len(data)",
        "step:train",
    ),
    ("print(loss)\nprint(size)", "pipeline-metrics"),
]
CHOICES = ["plain", "slow", "bad", "none", 'it\'s "quoted" ${trialParameters.rate} $(HOME) {{workflow.name}} é\n']
RANGES = [
    "rate=loguniform:1e-3:1",
    "layers=int:1:8",
    f"kind=choice:{json.dumps(CHOICES)}",
    "flag=choice:true,false",
    'items=choice:[[1],["a",{"b":2}]]',
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The two resources of a sweep."""
    folder = tmp_path_factory.mktemp("compiled")
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    kind = {"cell_type": "code", "outputs": [], "execution_count": None}
    cells = [
        {**kind, "id": f"c{n}", "metadata": {"tags": [tag]}, "source": text} for n, (text, tag) in enumerate(CELLS)
    ]
    document = {"cells": cells, "metadata": language, "nbformat": 4, "nbformat_minor": 5}
    (folder / "churn.ipynb").write_text(json.dumps(document))
    ranges = [word for text in RANGES for word in ("--param", text)]
    words = ["compile", "churn.ipynb", "--target", "katib", *ranges, "--objective", "loss", "-p", f"folder={folder}"]
    done = subprocess.run(
        [OURS / "kale-rs", *words, "-o", "-"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (folder / "go").unlink(missing_ok=True)
    return list(yaml.safe_load_all(done.stdout)), folder


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    # Steps run under the Python that has what they import.
    monkeypatch.setenv("PATH", f"{OURS}:{os.environ['PATH']}")
    (tmp_path / "cluster").mkdir()
    with serving(Cluster(tmp_path / "cluster", token=TOKEN)) as cluster:
        yield cluster
        for execution in cluster.executions.values():
            execution.stop()


@dataclass
class Pod:
    """A trial, as Katib, the Job controller and a node make it of the Experiment: the template with texts in the place
    of others, the ConfigMap's files where they are mounted, and a process with the container's variables only."""

    compiled: tuple
    cluster: Cluster
    folder: Path
    name: str = "churn-7f3k2m9q"
    patience: str = "30"
    is_rewritten: bool = False
    token: str = TOKEN
    values: dict = field(default_factory=dict)

    def __post_init__(self):
        (config_map, experiment), self.shared = self.compiled
        template = experiment["spec"]["trialTemplate"]
        default = {"rate": "0.25", "layers": "3", "kind": "plain", "flag": "true", "items": "[1]"}
        values = {**default, **self.values, "${trialSpec.Name}": self.name}
        text = json.dumps(template["trialSpec"])
        for parameter in template["trialParameters"]:
            text = text.replace(f"${{trialParameters.{parameter['name']}}}", values[parameter["reference"]])
        pod = json.loads(text)["spec"]["template"]["spec"]
        [self.container] = pod["containers"]
        assert self.container["name"] == template["primaryContainerName"]
        self.folder.mkdir()
        for directory in ("bin", "tmp", "secrets", "log"):
            (self.folder / directory).mkdir()
        # All that the image has.
        (self.folder / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
        (self.folder / "secrets" / "token").write_text(self.token)
        self.mounts = {}
        for mount in self.container["volumeMounts"]:
            [volume] = [each for each in pod["volumes"] if each["name"] == mount["name"]]
            if "configMap" in volume:
                assert volume["configMap"]["name"] == config_map["metadata"]["name"]
                self.place_files(config_map["data"], self.folder / "files")
                self.mounts[mount["mountPath"]] = str(self.folder / "files")
            else:
                self.mounts[mount["mountPath"]] = str(self.folder / "secrets")

    @staticmethod
    def place_files(data, folder):
        """Links to links, as a kubelet mounts a ConfigMap."""
        (folder / "..2026").mkdir(parents=True)
        (folder / "..data").symlink_to("..2026")
        for name, content in data.items():
            (folder / "..2026" / name).write_text(content)
            (folder / name).symlink_to(f"..data/{name}")

    def mounted(self, text: str) -> str:
        for path, place in self.mounts.items():
            text = text.replace(f"{path}/", f"{place}/")
        return text

    def variables(self) -> dict[str, str]:
        known = {"PATH": str(self.folder / "bin"), "TMPDIR": str(self.folder / "tmp")}
        for each in self.container["env"]:
            if "valueFrom" in each:
                assert each["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
            # A kubelet puts variables into others.
            value = re.sub(r"\$\((\w+)\)", lambda one: known.get(one[1], one[0]), each.get("value", "team"))
            known[each["name"]] = self.mounted(value)
        changes = {"KALE_KFP_URL": self.cluster.url, "KALE_POLL_SECONDS": "0.05"}
        return {**known, **changes, "KALE_PATIENCE_SECONDS": self.patience}

    def command(self) -> list[str]:
        words = [self.mounted(word) for word in [*self.container["command"], *self.container.get("args", [])]]
        if not self.is_rewritten:
            return words
        log = self.folder / "log"
        return ["/bin/sh", "-c", f"{' '.join(words)} 1>{log}/metrics.log 2>&1 && echo completed > {log}/$$.pid"]

    def start(self) -> subprocess.Popen:
        with (self.folder / "log" / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                self.command(),
                env=self.variables(),
                stdout=output,
                stderr=output,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
            )
        return self.process

    def end(self) -> int:
        try:
            return self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()

    def run(self) -> int:
        self.start()
        return self.end()

    def pre_stop(self) -> int:
        """What Kubernetes does first when the pod is deleted."""
        words = [self.mounted(word) for word in self.container["lifecycle"]["preStop"]["exec"]["command"]]
        return subprocess.run(words, env=self.variables(), cwd=self.folder, timeout=PATIENCE).returncode

    def said(self) -> str:
        return (self.folder / "log" / ("metrics.log" if self.is_rewritten else "output.log")).read_text()

    def collected(self) -> dict[str, str]:
        """What Katib's collector finds."""
        return {found[1]: found[2] for line in self.said().splitlines() for found in COLLECTED.finditer(line)}

    def is_completed(self) -> bool:
        return any((self.folder / "log").glob("*.pid"))


@pytest.fixture
def pod(compiled, cluster, tmp_path):
    yield lambda folder="pod", **settings: Pod(compiled, cluster, tmp_path / folder, **settings)
    (compiled[1] / "go").unlink(missing_ok=True)


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def states(cluster) -> list[str]:
    return [run.state for run in cluster.runs.values()]


def wait_for_state(cluster, state):
    wait_for(lambda: states(cluster) == [state], f"the run is {state}")


# --- a trial that goes well ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_rewritten", [False, True], ids=["as it stands", "as Katib rewrites it"])
def test_a_trial_comes_to_its_metrics(pod, cluster, is_rewritten):
    trial = pod(is_rewritten=is_rewritten)
    assert trial.run() == 0, trial.said()
    assert trial.collected() == {"loss": str(0.25 * (3 + 5 + 1)), "size": "3.0"}
    assert trial.is_completed() == is_rewritten
    [run] = cluster.runs.values()
    assert (run.display_name, run.state) == (trial.name, "SUCCEEDED")
    [experiment] = cluster.experiments.values()
    assert (experiment.display_name, experiment.namespace) == ("churn", "team")
    assert TOKEN not in trial.said()


def test_whatever_is_chosen_arrives(pod, cluster, compiled):
    """Texts that would break a template, a shell or JSON; and a whole number as some engines draw it."""
    (_, experiment), folder = compiled
    listed = {one["name"]: one["feasibleSpace"].get("list") for one in experiment["spec"]["parameters"]}
    trial = pod(
        values={
            "rate": "1e-3",
            "layers": "2.9999999",
            "kind": listed["kind"][4],
            "flag": listed["flag"][1],
            "items": listed["items"][1],
        }
    )
    assert trial.run() == 0, trial.said()
    [run] = cluster.runs.values()
    assert run.runtime_config["parameters"] == {
        "rate": 0.001,
        "layers": 3,
        "kind": CHOICES[4],
        "flag": False,
        "items": ["a", {"b": 2}],
        "folder": str(folder),
    }
    assert trial.collected()["loss"] == repr(0.001 * (3 + len(CHOICES[4]) + 2))


def test_steps_that_depend_on_nothing_varied_are_run_once(pod, cluster):
    """By the cluster's own cache. What writes the metrics is not taken from it: there would be no log."""
    cluster.cached = {}
    trials = [
        pod("one", name="churn-1"),
        pod("two", name="churn-2"),
        pod("other", name="churn-3", values={"rate": "1"}),
    ]
    assert [trial.run() for trial in trials] == [0, 0, 0]
    assert trials[0].collected() == trials[1].collected() != trials[2].collected()
    ran = [{pod for pod in cluster.logs if pod.startswith(f"pod-{id}-")} for id in cluster.runs]
    steps = [sorted(name.split("-")[3] for name in pods) for pods in ran]
    assert steps == [["load", "report", "train"], ["report"], ["report", "train"]]


def test_a_run_of_the_trials_name_is_not_started_again(pod, cluster):
    first, second = pod(), pod("again")
    assert (first.run(), second.run()) == (0, 0)
    assert first.collected() == second.collected() and len(cluster.runs) == 1
    assert "already" in second.said()


def test_trials_beside_each_other_share_an_experiment(pod, cluster):
    trials = [pod(f"pod-{n}", name=f"churn-{n}", values={"layers": str(n)}) for n in range(1, 4)]
    for trial in trials:
        trial.start()
    assert [trial.end() for trial in trials] == [0, 0, 0]
    assert len(cluster.experiments) == 1 and len(cluster.runs) == 3
    assert [trial.collected()["loss"] for trial in trials] == [repr(0.25 * (n + 6)) for n in range(1, 4)]


def test_a_server_of_one_user_hears_of_no_namespace(pod, cluster):
    cluster.multi_user, cluster.token = False, None
    trial = pod()
    (trial.folder / "secrets" / "token").unlink()
    assert trial.run() == 0, trial.said()
    assert not any("authorization" in request.headers for request in cluster.requests)
    asked = [dict(request.query) | (request.body or {}) for request in cluster.requests]
    assert not any("namespace" in each for each in asked)


def test_a_log_may_come_late(pod, cluster):
    cluster.faults.append(Fault("GET", LOG, "before", LATE, times=2))
    trial = pod()
    assert trial.run() == 0, trial.said()
    assert cluster.faults[0].times == 0 and "loss" in trial.collected()


# --- and one that does not -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_rewritten", [False, True], ids=["as it stands", "as Katib rewrites it"])
def test_a_run_that_fails(pod, cluster, is_rewritten):
    trial = pod(is_rewritten=is_rewritten, values={"kind": "bad"})
    assert trial.run() == 1
    assert "failed steps: train" in trial.said() and "this kind is bad" in trial.said()
    assert trial.collected() == {} and not trial.is_completed()
    assert states(cluster) == ["FAILED"]


def test_a_metric_that_is_no_number(pod):
    trial = pod(values={"kind": "none"})
    assert trial.run() == 1
    assert "the metric loss is NaN, which is no finite number" in trial.said() and trial.collected() == {}


def test_a_metric_that_is_missing(pod, cluster):
    report = faults.status(200, 'some words\nkale-metrics {"size": 3}\n', kind="text/plain")
    cluster.faults.append(Fault("GET", LOG, "before", report))
    trial = pod()
    assert trial.run() == 1
    assert "has not told the metric loss: it told size" in trial.said() and trial.collected() == {}


def test_a_log_that_does_not_come(pod, cluster):
    cluster.faults.append(Fault("GET", LOG, "before", LATE, times=1000))
    trial = pod(patience="0.5")
    assert trial.run() == 1
    assert "does not have the metrics" in trial.said() and trial.collected() == {}


def test_whoever_may_not_ask_is_told(pod, cluster):
    trial = pod(token="another")
    assert trial.run() == 1
    assert "401" in trial.said() and "service account" in trial.said()
    assert not cluster.runs


def test_a_value_that_the_server_refuses(pod, cluster):
    trial = pod(values={"layers": "many"})
    assert trial.run() == 1
    assert "Katib chose 'many' for layers" in trial.said() and not cluster.runs


# --- the network -----------------------------------------------------------------------------------------------------


def test_a_connection_that_is_lost_comes_back(pod, cluster, compiled):
    trial = pod(values={"kind": "slow"})
    trial.start()
    wait_for_state(cluster, "RUNNING")
    cluster.is_down = True
    wait_for(lambda: "asking again" in trial.said(), "it notices")
    (compiled[1] / "go").touch()
    cluster.is_down = False
    assert trial.end() == 0, trial.said()
    assert "loss" in trial.collected() and len(cluster.runs) == 1


def test_a_connection_that_stays_lost(pod, cluster):
    trial = pod(values={"kind": "slow"}, patience="0.5")
    trial.start()
    wait_for_state(cluster, "RUNNING")
    cluster.is_down = True
    assert trial.end() == 1
    assert "does not answer" in trial.said() and "The run run-2 may go on" in trial.said()


def test_nobody_is_there(pod, cluster):
    trial = pod(patience="0.5")
    variables = trial.variables
    trial.variables = lambda: {**variables(), "KALE_KFP_URL": "http://127.0.0.1:9"}
    assert trial.run() == 1
    assert "http://127.0.0.1:9 does not answer" in trial.said() and "Traceback" not in trial.said()


def test_an_answer_that_is_lost_starts_no_second_run(pod, cluster):
    cluster.faults.append(Fault("POST", "/runs", "after", faults.drop))
    trial = pod()
    assert trial.run() == 0, trial.said()
    assert len(cluster.runs) == 1 and "looking whether the run has begun" in trial.said()


def test_a_request_that_is_lost_is_not_sent_again(pod, cluster):
    cluster.faults.append(Fault("POST", "/runs", "before", faults.drop))
    trial = pod(patience="0.5")
    assert trial.run() == 1
    assert "not known whether the run has begun" in trial.said()
    assert not cluster.runs and len(cluster.asked("POST", "/runs")) == 1


@pytest.mark.parametrize("method, path", [("GET", "/experiments"), ("POST", "/experiments"), ("GET", "/runs")])
def test_what_starts_nothing_is_asked_again(pod, cluster, method, path):
    for how in (faults.drop, faults.status(503, "busy", kind="text/plain"), faults.truncate):
        cluster.faults.append(Fault(method, path, "after", how))
    trial = pod()
    assert trial.run() == 0, trial.said()
    assert (len(cluster.experiments), len(cluster.runs)) == (1, 1)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_sigterm_ends_the_run(pod, cluster):
    trial = pod(values={"kind": "slow"})
    trial.start()
    wait_for_state(cluster, "RUNNING")
    trial.process.send_signal(signal.SIGTERM)
    assert trial.end() == 128 + signal.SIGTERM
    wait_for_state(cluster, "CANCELED")
    assert "is cancelled" in trial.said() and trial.collected() == {}


def test_a_deleted_pod_ends_the_run(pod, cluster):
    """The shell that Katib puts before the command keeps the signal to itself: what Kubernetes calls first passes it
    on."""
    trial = pod(is_rewritten=True, values={"kind": "slow"})
    trial.start()
    wait_for_state(cluster, "RUNNING")
    assert trial.pre_stop() == 0
    wait_for_state(cluster, "CANCELED")
    assert trial.end() == 128 + signal.SIGTERM and not trial.is_completed()
    assert trial.pre_stop() == 0, "also when it is over"


def test_sigterm_while_the_run_is_being_started(pod, cluster):
    """The request has arrived, its answer has not: the run that it began is found, and ended."""
    arrived, goes_on = threading.Event(), threading.Event()

    def held(handler, text):
        arrived.set()
        assert goes_on.wait(PATIENCE)
        with cluster.lock:
            handler.carry_out(cluster.asked("POST", "/runs")[0])
        faults.drop(handler, text)

    cluster.faults.append(Fault("POST", "/runs", "before", held))
    trial = pod(values={"kind": "slow"})
    trial.start()
    assert arrived.wait(PATIENCE)
    trial.process.send_signal(signal.SIGTERM)
    # It looks for the run before there is one.
    looks = len(cluster.asked("GET", "/runs"))
    wait_for(lambda: len(cluster.asked("GET", "/runs")) > looks, "it looks for the run")
    goes_on.set()
    assert trial.end() == 128 + signal.SIGTERM
    wait_for_state(cluster, "CANCELED")


def test_sigterm_when_the_server_is_away(pod, cluster):
    trial = pod(values={"kind": "slow"})
    trial.start()
    wait_for_state(cluster, "RUNNING")
    cluster.faults.append(Fault("POST", "/runs/run-2:terminate", "before", faults.status(503, "busy"), times=2))
    trial.process.send_signal(signal.SIGTERM)
    assert trial.end() == 128 + signal.SIGTERM
    wait_for_state(cluster, "CANCELED")
