"""A cluster of one machine: `server.py`, which also carries runs out.

A step is what its container would be: its command line, with KFP's message to it in place of `{{$}}`, as a process in a
folder of its own. Its log, its exit status and its outputs are real; drivers, pods and the artifact store are played.
Nothing else of Kubernetes is there.

As a program it says its address, and then does what it is told on standard input: a line of JSON, such as
`{"down": true}`; it ends with its input.
"""

from __future__ import annotations

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

from tests.kubeflow import server

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

    def upload_version(self, request):
        version = super().upload_version(request)
        [content] = [content for name, _file, content in request.body if name == "uploadfile"]
        self.specs[version.pipeline_version_id] = next(yaml.safe_load_all(content))
        return version

    def make_run(self, request):
        run = super().make_run(request)
        spec = self.specs[request.body["pipeline_version_reference"]["pipeline_version_id"]]
        self.executions[run.run_id] = Execution(self, run, spec, request.body["runtime_config"]["parameters"])
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


class Execution:
    """One run: its tasks in the order of what they wait for."""

    def __init__(self, cluster: Cluster, run, spec: dict, parameters: dict) -> None:
        self.cluster, self.run, self.spec = cluster, run, spec
        defaults = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        self.parameters = {name: one.get("defaultValue") for name, one in defaults.items()} | parameters
        self.tasks = spec["root"]["dag"]["tasks"]
        self.states: dict[str, str] = {}
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
        component = self.spec["components"][self.tasks[name]["componentRef"]["name"]]
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        folder = self.cluster.folder / self.run.run_id / name
        (folder / "work").mkdir(parents=True, exist_ok=True)
        message = json.dumps(self.message(name, component, folder))
        words = [word.replace("{{$}}", message) for word in [*container["command"], *container["args"]]]
        pod = f"pod-{self.run.run_id}-{name}"
        variables = {one["name"]: one["value"] for one in container.get("env", [])}
        log = folder / "log.txt"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                words, stdout=output, stderr=output, cwd=folder / "work", env={**os.environ, **variables}
            )
        begun = now()
        while self.process.poll() is None:
            self.tell(name, pod, "RUNNING", begun, log)
            time.sleep(0.05)
        state = "SUCCEEDED" if self.process.returncode == 0 else "CANCELED" if self.is_stopped else "FAILED"
        self.tell(name, pod, state, begun, log)
        return state

    def message(self, name: str, component: dict, folder: Path) -> dict:
        """KFP's `ExecutorInput`."""
        inputs = self.tasks[name].get("inputs", {})
        values = {
            key: self.parameters[source["componentInputParameter"]]
            for key, source in inputs.get("parameters", {}).items()
        }
        artifacts = {
            key: self.artifact(source["taskOutputArtifact"]["outputArtifactKey"], folder.parent / producer)
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

    @staticmethod
    def artifact(key: str, folder: Path) -> dict:
        kind = {"schemaTitle": "system.Artifact"}
        return {"artifacts": [{"name": key, "type": kind, "uri": str(folder / key), "metadata": {}}]}

    def tell(self, name: str, pod: str, state: str, begun: datetime.datetime, log: Path) -> None:
        """The task as the server tells of it: a driver, the task, and below it the container."""
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
        with self.cluster.lock:
            details = self.run.run_details or api.V2beta1RunDetails(task_details=[])
            others = [
                one for one in details.task_details if not one.task_id.startswith(f"{name}-") and one.task_id != name
            ]
            self.run.run_details = api.V2beta1RunDetails(task_details=[*others, *mine])
            self.cluster.logs[pod] = log.read_text(errors="replace")


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    with server.serving(Cluster(folder, **settings)) as cluster:
        print(json.dumps({"url": cluster.url}), flush=True)
        for line in sys.stdin:
            cluster.is_down = json.loads(line)["down"]
            print(json.dumps({"runs": len(cluster.runs)}), flush=True)


if __name__ == "__main__":
    main()
