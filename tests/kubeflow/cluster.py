"""A cluster of one machine: `server.py`, which also carries runs out.

A step is what its container would be: its command line, with KFP's message to it in place of `{{$}}`, as a process in a
folder of its own. Its log, its exit status and its outputs are real; drivers, pods and the artifact store are played.
Nothing else of Kubernetes is there.

As a program it says its address, and then does what it is told on standard input (see `Cluster.told`); it ends with its
input.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import kfp_server_api as api
import yaml

from tests.kubeflow import faults, metadata, server

#: Where artifacts are said to lie.
PLACE = "minio://mlpipeline/v2/artifacts"
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


def now() -> datetime.datetime:
    return datetime.datetime.now(tz=datetime.timezone.utc)


class Cluster(server.Kubeflow):
    """What a server has, and the processes of its runs."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(**settings)
        self.folder = folder
        self.specs: dict[str, dict] = {}
        self.executions: dict[str, Execution] = {}
        #: What tasks have left, by all that a cache goes by; `None`: there is no cache.
        self.cached: dict[str, Path] | None = None
        #: The pages give out no artifacts.
        self.is_closed = False
        #: How often somebody has looked at a run.
        self.looks = 0
        #: Requests that are carried out when this is set, whoever waits for them then.
        self.released = threading.Event()
        self.held = 0

    def told(self, what: dict) -> dict:
        """Does what a line of JSON says, which has any of these: every connection breaks off, or not any more (`down`);
        requests are refused in these words (`refuse`); logs take this many seconds (`slow_logs`); results are used
        again (`cache`); nobody knows what tasks have left (`forget`); pages
        give out no artifacts, or do again (`closed`); the next request to make something at a path is held (`hold`)
        until those that are held go on (`release`). Gives the states of all runs, how many requests
        are yet to be refused, how many are held, when logs were asked for, and how many versions of pipelines there
        are, and how often an artifact was asked for."""
        with self.lock:
            self.is_down = what.get("down", self.is_down)
            if what.get("cache"):
                self.cached = {}
            self.is_closed = what.get("closed", self.is_closed)
            if what.get("forget"):
                self.metadata = None
            self.slow_logs = what.get("slow_logs", self.slow_logs)
            if "refuse" in what:
                self.faults = []
            for fault in [what["refuse"]] if what.get("refuse") else []:
                body = json.dumps({"code": fault.get("code", 0), "message": fault["message"], "details": []})
                how = faults.status(fault["status"], body)
                self.faults.append(server.Fault(fault["method"], fault["path"], "before", how, fault["times"]))
            if "hold" in what:
                self.faults.append(server.Fault("POST", what["hold"], "before", self.hold))
            if what.get("release"):
                self.released.set()
            refusals = sum(fault.times for fault in self.faults)
            runs = {id: run.state for id, run in self.runs.items()}
            told = {"runs": runs, "refusals": refusals, "held": self.held, "logs": self.log_requests}
            artifacts = [request for request in self.requests if request.path.startswith("/artifacts/")]
            return told | {"versions": len(self.versions), "artifacts": len(artifacts)}

    def hold(self, handler, text) -> None:
        """A server that is slow, and does not see that whoever has asked is gone."""
        request = self.requests[-1]
        self.held += 1
        self.released.wait()
        with self.lock:
            status, text = handler.carry_out(request)
        with contextlib.suppress(OSError):
            handler.send(status, text)

    def object(self, place: str) -> bytes | None:
        path = self.folder / place.removeprefix(f"{PLACE}/".replace("://", "/"))
        return path.read_bytes() if path.is_file() and not self.is_closed else None

    def get_run(self, request, id):
        self.looks += 1
        return super().get_run(request, id)

    def upload_version(self, request):
        version = super().upload_version(request)
        [content] = [content for name, _file, content in request.body if name == "uploadfile"]
        self.specs[version.pipeline_version_id] = next(yaml.safe_load_all(content))
        return version

    def make_run(self, request):
        if "pipeline_spec" in request.body:
            # Alone, or beside what it asks of Kubernetes.
            spec = request.body["pipeline_spec"]
            spec = spec.get("pipeline_spec", spec)
        else:
            spec = self.specs[request.body["pipeline_version_reference"]["pipeline_version_id"]]
        parameters = request.body["runtime_config"]["parameters"]
        refuse_values(spec, parameters)
        run = super().make_run(request)
        self.executions[run.run_id] = Execution(self, run, spec, parameters)
        self.start(run)
        return run

    def start(self, run):
        run.state, run.finished_at = "RUNNING", server.NEVER
        threading.Thread(target=self.executions[run.run_id].carry_out, daemon=True).start()

    def change_run(self, request, id, verb):
        answer = super().change_run(request, id, verb)
        if verb == "terminate":
            self.executions[id].stop()
        elif verb == "retry":
            self.start(self.runs[id])
        return answer


#: What a server takes for a parameter of a type; numbers are not texts, and texts are none.
KINDS = {
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "STRING": str,
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}


def refuse_values(spec: dict, parameters: dict) -> None:
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in parameters.items():
        if name not in declared:
            raise server.Refusal(400, 3, f"Invalid input error: unknown parameter {name}")
        kind = declared[name]["parameterType"]
        is_bool = isinstance(value, bool)
        is_whole = kind != "NUMBER_INTEGER" or value == int(value)
        if not isinstance(value, KINDS[kind]) or is_bool != (kind == "BOOLEAN") or not is_whole:
            raise server.Refusal(400, 3, f"Invalid input error: {name} is no {kind}: {value!r}")


class Execution:
    """One run: its tasks in the order of what they wait for."""

    def __init__(self, cluster: Cluster, run, spec: dict, parameters: dict) -> None:
        self.cluster, self.run, self.spec = cluster, run, spec
        defaults = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        self.parameters = {name: one.get("defaultValue") for name, one in defaults.items()} | parameters
        self.tasks = spec["root"]["dag"]["tasks"]
        self.states: dict[str, str] = {}
        #: Where the outputs of tasks are.
        self.folders: dict[str, Path] = {}
        #: By what a cache will find them.
        self.to_cache: dict[str, str] = {}
        self.process: subprocess.Popen | None = None
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True
        if self.process is not None:
            self.process.kill()

    def carry_out(self) -> None:
        self.is_stopped = False
        pending = [name for name, state in self.states.items() if state in ("FAILED", "CANCELED", "SKIPPED")]
        for name in pending:
            del self.states[name]
        while len(self.states) < len(self.tasks) and not self.is_stopped:
            ready = [
                name
                for name, task in self.tasks.items()
                if name not in self.states and all(one in self.states for one in task.get("dependentTasks", []))
            ]
            for name in ready:
                upstream = self.tasks[name].get("dependentTasks", [])
                if self.is_stopped or any(self.states[one] != "SUCCEEDED" for one in upstream):
                    self.states[name] = "SKIPPED"
                else:
                    self.states[name] = self.carry_out_task(name)
        with self.cluster.lock:
            failed = "FAILED" in self.states.values()
            self.run.state = "CANCELED" if self.is_stopped else "FAILED" if failed else "SUCCEEDED"
            self.run.finished_at = now()

    def carry_out_task(self, name: str) -> str:
        """As often as the step may be tried. Each time it is told how it went, as a server does."""
        attempts = 1 + int(self.tasks[name].get("retryPolicy", {}).get("maxRetryCount", 0))
        if self.take_cached(name):
            return "SUCCEEDED"
        for attempt in range(attempts):
            if attempt:
                self.seen()
            state = self.attempt(name, attempt)
            if state != "FAILED":
                break
        return state

    def attempt(self, name: str, number: int) -> str:
        """In a pod of its own."""
        component = self.spec["components"][self.tasks[name]["componentRef"]["name"]]
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        folder = self.folders[name] = self.cluster.folder / self.run.run_id / name
        (folder / "work").mkdir(parents=True, exist_ok=True)
        message = json.dumps(self.message(name, component, folder))
        words = [word.replace("{{$}}", message) for word in [*container["command"], *container["args"]]]
        pod = f"pod-{self.run.run_id}-{name}-{number}"
        variables = {one["name"]: one["value"] for one in container.get("env", [])}
        log = folder / f"log-{number}.txt"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                words, stdout=output, stderr=output, cwd=folder / "work", env={**os.environ, **variables}
            )
        begun = now()
        while self.process.poll() is None:
            self.tell(name, pod, "RUNNING", begun, log)
            time.sleep(0.05)
        state = "SUCCEEDED" if self.process.returncode == 0 else "CANCELED" if self.is_stopped else "FAILED"
        self.publish(name, state)
        if state == "SUCCEEDED" and name in self.to_cache:
            self.cluster.cached[self.to_cache[name]] = folder
        self.tell(name, pod, state, begun, log)
        return state

    def publish(self, name: str, state: str) -> None:
        """What the task has left goes to the metadata; artifacts without a file are there as well."""
        if not self.cluster.metadata:
            return
        folder = self.folders[name]
        outputs = {}
        for key, value in self.told(folder / "output.json", state).items():
            uri = f"{PLACE}/{(folder / key).relative_to(self.cluster.folder)}"
            outputs[key] = (uri, value["artifacts"][0].get("metadata", {}))
        states = {"SUCCEEDED": metadata.COMPLETE, "CACHED": metadata.CACHED}
        with self.cluster.lock:
            self.cluster.metadata.publish(self.run.run_id, name, states.get(state, metadata.FAILED), outputs)

    @staticmethod
    def told(output: Path, state: str) -> dict:
        """The artifacts of a task, by its own word; it may have been ended while it wrote that."""
        try:
            return json.loads(output.read_text())["artifacts"] if output.exists() else {}
        except json.JSONDecodeError:
            if state == "SUCCEEDED":
                raise
            return {}

    def take_cached(self, name: str) -> bool:
        """Whether another run has done the same."""
        if self.cluster.cached is None or not self.tasks[name]["cachingOptions"].get("enableCache"):
            return False
        component = self.spec["components"][self.tasks[name]["componentRef"]["name"]]
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        key = json.dumps([container, self.message(name, component, Path())["inputs"]])
        if key not in self.cluster.cached:
            self.to_cache[name] = key
            return False
        self.folders[name] = self.cluster.cached[key]
        self.publish(name, "CACHED")
        self.tell(name, None, "SUCCEEDED", now(), None)
        return True

    def seen(self) -> None:
        """Waits until somebody has looked at the run as it is."""
        looks = self.cluster.looks
        while self.cluster.looks == looks and not self.is_stopped:
            time.sleep(0.01)

    def message(self, name: str, component: dict, folder: Path) -> dict:
        """KFP's `ExecutorInput`."""
        inputs = self.tasks[name].get("inputs", {})
        values = {
            key: self.parameters[source["componentInputParameter"]]
            for key, source in inputs.get("parameters", {}).items()
        }
        artifacts = {
            key: self.made(source["taskOutputArtifact"]["outputArtifactKey"], self.folders[producer])
            for key, source in inputs.get("artifacts", {}).items()
            for producer in [source["taskOutputArtifact"]["producerTask"]]
        }
        outputs = component.get("outputDefinitions", {}).get("artifacts", {})
        return {
            "inputs": {"parameterValues": values, "artifacts": artifacts},
            "outputs": {
                "artifacts": {key: self.artifact(key, folder) for key in outputs},
                "outputFile": str(folder / "output.json"),
            },
        }

    def made(self, key: str, folder: Path) -> dict:
        """An artifact with the metadata that its step has given it."""
        artifact = self.artifact(key, folder)
        output = folder / "output.json"
        told = json.loads(output.read_text())["artifacts"] if output.exists() else {}
        artifact["artifacts"][0]["metadata"] = told.get(key, artifact)["artifacts"][0].get("metadata", {})
        return artifact

    @staticmethod
    def artifact(key: str, folder: Path) -> dict:
        kind = {"schemaTitle": "system.Artifact"}
        return {"artifacts": [{"name": key, "type": kind, "uri": str(folder / key), "metadata": {}}]}

    def tell(self, name: str, pod: str | None, state: str, begun: datetime.datetime, log: Path | None) -> None:
        """The task as the server tells of it: a driver, the task, and below it the container, which was skipped where
        the result was there."""
        ended = now() if state in ENDED else server.NEVER
        error = api.GoogleRpcStatus(code=2, message="This step is in Error state") if state == "FAILED" else None

        def task(suffix: str, display_name: str, **more: object):
            return api.V2beta1PipelineTaskDetail(
                run_id=self.run.run_id,
                task_id=f"{name}{suffix}",
                display_name=display_name,
                state=state,
                start_time=begun,
                end_time=ended,
                **more,
            )

        mine = [
            task("-driver", f"{name}-driver"),
            task("", name, child_tasks=[api.PipelineTaskDetailChildTask(task_id=f"{name}-executor")]),
            task("-executor", "executor", parent_task_id=name, pod_name=pod, error=error),
        ]
        if pod is None:
            mine[-1].state = "SKIPPED"
        with self.cluster.lock:
            details = self.run.run_details or api.V2beta1RunDetails(task_details=[])
            others = [
                one for one in details.task_details if not one.task_id.startswith(f"{name}-") and one.task_id != name
            ]
            self.run.run_details = api.V2beta1RunDetails(task_details=[*others, *mine])
            if pod is not None:
                self.cluster.logs[pod] = log.read_text(errors="replace")


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    with server.serving(Cluster(folder, **settings)) as cluster:
        print(json.dumps({"url": cluster.url}), flush=True)
        for line in sys.stdin:
            print(json.dumps(cluster.told(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
