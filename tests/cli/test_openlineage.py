"""Events of OpenLineage, read by OpenLineage's own client: its classes know no field that the standard does not."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated import (
    dataset_version_dataset,
    error_message_run,
    execution_parameters_run,
    job_type_job,
    parent_run,
    processing_engine_run,
    source_code_job,
    source_code_location_job,
)

from .support import call, cell, ids, notebook, wait_for

CELLS = [
    cell("count = 3", "pipeline-parameters"),
    cell("text = open('in.txt').read()\nnumbers = list(range(count))", "step:load"),
    cell("total = sum(numbers)\nopen('out.txt', 'w').write(str(total))", "step:add"),
    cell("print(total, text)", "step:tell"),
]
COMMIT = "1" * 40


def parent(run: dict, job: dict, **rest: Any) -> parent_run.ParentRunFacet:
    return parent_run.ParentRunFacet(run=parent_run.Run(**run), job=parent_run.Job(**job), **rest)


def parameters(parameters: list[dict], **rest: Any) -> execution_parameters_run.ExecutionParametersRunFacet:
    rows = [execution_parameters_run.ExecutionParameter(**row) for row in parameters]
    return execution_parameters_run.ExecutionParametersRunFacet(parameters=rows, **rest)


#: What a facet is called, and what reads it.
FACETS: dict[str, Callable[..., Any]] = {
    "parent": parent,
    "executionParameters": parameters,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "sourceCode": source_code_job.SourceCodeJobFacet,
    "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}


def facets(given: dict[str, dict]) -> dict[str, Any]:
    found = {}
    for name, facts in given.items():
        assert facts["_producer"].startswith("urn:kale-rs:")
        facet = FACETS[name](**{key: value for key, value in facts.items() if not key.startswith("_")})
        assert facts["_schemaURL"] == facet._get_schema()
        found[name] = facet
    return found


def read(event: dict) -> RunEvent:
    """As a server would: whatever the standard does not know or asks for in vain raises."""
    assert set(event) == {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}

    def dataset(kind: type, given: dict) -> Any:
        return kind(**{**given, "facets": facets(given["facets"])})

    made = RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        eventType=RunState[event["eventType"]],
        run=Run(**{**event["run"], "facets": facets(event["run"]["facets"])}),
        job=Job(**{**event["job"], "facets": facets(event["job"]["facets"])}),
        inputs=[dataset(InputDataset, one) for one in event["inputs"]],
        outputs=[dataset(OutputDataset, one) for one in event["outputs"]],
    )
    assert event["schemaURL"] == made.schemaURL
    assert uuid.UUID(made.run.runId).variant == uuid.RFC_4122
    return made


def is_over(events: list[dict]) -> bool:
    return any(event["job"]["name"] == "n" and event["eventType"] != "START" for event in events)


def events_of(file: Path) -> list[RunEvent]:
    """What a file has when the run's last event is there: its engine may still be writing when we know of the end."""

    def lines() -> list[dict]:
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    wait_for(lambda: is_over(lines()), "the last event", 20)
    return [read(event) for event in lines()]


def outline(events: list[RunEvent]) -> list[tuple[str, str]]:
    return [(event.job.name, event.eventType.value) for event in events]


def names(datasets: list) -> list[tuple[str, str]]:
    return [(one.namespace, one.name) for one in datasets]


@pytest.fixture
def folder(tmp_path):
    notebook(tmp_path / "n.ipynb", *CELLS)
    (tmp_path / "in.txt").write_text("hello")
    return tmp_path


def run(folder: Path, target: object, *arguments: str, **variables: str) -> dict:
    done = call("run", "n.ipynb", "--openlineage", target, *arguments, "--json", cwd=folder, **variables)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_a_run_is_told_to_a_file(folder):
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(COMMIT + "\n")
    run(folder, "events.jsonl", "-p", "count=4", "--jobs", "1")
    events = events_of(folder / "events.jsonl")
    steps = [f"n.{step}" for step in ("load", "add", "tell")]
    assert outline(events)[0] == ("n", "START") and outline(events)[-1] == ("n", "COMPLETE")
    assert outline(events)[1:-1] == [(step, kind) for step in steps for kind in ("START", "COMPLETE")]
    assert [event.eventTime for event in events] == sorted(event.eventTime for event in events)
    by_job = {event.job.name: event for event in events if event.eventType is not RunState.START}
    whole, load, add, tell = (by_job[name] for name in ("n", *steps))
    assert len({event.run.runId for event in events}) == 4 and events[0].run.runId == whole.run.runId
    for step in (load, add, tell):
        assert step.run.facets["parent"].run.runId == whole.run.runId
        assert step.run.facets["parent"].job.name == "n"
    # What one makes, others use: the same dataset, in the same version.
    numbers = next(one for one in load.outputs if "numbers" in one.name)
    assert numbers in [OutputDataset(one.namespace, one.name, facets=one.facets) for one in add.inputs]
    assert ("file", str(folder / "in.txt")) in names(load.inputs)
    assert ("file", str(folder / "out.txt")) in names(add.outputs)
    assert names(whole.inputs) == [("file", str(folder / "in.txt"))]
    assert names(whole.outputs) == [("file", str(folder / "out.txt"))]
    assert whole.run.facets["executionParameters"].parameters[0].value == "4"
    assert "sum(numbers)" in add.job.facets["sourceCode"].sourceCode
    location = add.job.facets["sourceCodeLocation"]
    assert (location.type, location.version, location.url) == ("git", COMMIT, f"file://{folder}/n.ipynb")


def test_a_failure_is_told_with_its_message(folder):
    notebook(folder / "n.ipynb", *CELLS[:2], cell("1 / 0", "step:add"), cell("print(text)", "step:tell", "prev:add"))
    assert run(folder, folder / "events.jsonl")["status"] == "failed"
    events = events_of(folder / "events.jsonl")
    failed = [event for event in events if event.eventType is RunState.FAIL]
    assert outline(failed) == [("n.add", "FAIL"), ("n", "FAIL")]
    assert all("division by zero" in event.run.facets["errorMessage"].message for event in failed)
    assert not any(event.job.name == "n.tell" for event in events), "what did not run is not told"
    assert "sourceCodeLocation" not in failed[0].job.facets, "no commit"


def test_stored_results_are_told_and_runs_told_apart(folder):
    run(folder, "first.jsonl", "--jobs", "1")
    run(folder, f"file://{folder}/second.jsonl", "--jobs", "1", OPENLINEAGE_NAMESPACE="team")
    first, second = events_of(folder / "first.jsonl"), events_of(folder / "second.jsonl")
    assert outline(first) == outline(second)
    assert not {event.run.runId for event in first} & {event.run.runId for event in second}
    assert {event.job.namespace for event in first + second} == {"kale_rs", "team"}

    def versions(events: list[RunEvent]) -> list[str]:
        ends = [event for event in events if event.eventType is RunState.COMPLETE]
        return [one.facets["version"].datasetVersion for event in ends for one in event.inputs + event.outputs]

    assert versions(first) == versions(second) != []


def test_a_run_that_is_resumed_stays_the_same_run(folder):
    notebook(folder / "n.ipynb", *CELLS[:2], cell("open('there').read()", "step:add"))
    failed = run(folder, "events.jsonl")
    before = events_of(folder / "events.jsonl")
    (folder / "there").write_text("now it is")
    assert call("resume", failed["run_id"], cwd=folder).returncode == 0
    wait_for(lambda: outline(events_of(folder / "events.jsonl"))[-1] == ("n", "COMPLETE"), "the last event")
    after = events_of(folder / "events.jsonl")[len(before) :]
    assert outline(after) == [("n", "START"), ("n.add", "START"), ("n.add", "COMPLETE"), ("n", "COMPLETE")]
    assert {event.run.runId for event in after} < {event.run.runId for event in before}


# --- servers --------------------------------------------------------------------------------------------------------


class Collector:
    """A server on the loopback interface that does with requests what it is told."""

    def __init__(self, answer: Callable[[int], int]) -> None:
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.events: list[dict] = []
        self.asked = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked += 1
                status = answer(collector.asked)
                if status == 201:
                    assert self.headers["Content-Type"] == "application/json"
                    collector.paths.append(self.path)
                    collector.keys.append(self.headers["Authorization"])
                    collector.events.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def collector():
    started: list[Collector] = []

    def start(answer: Callable[[int], int]) -> Collector:
        started.append(Collector(answer))
        return started[-1]

    yield start
    for one in started:
        one.server.shutdown()
        one.server.server_close()


def test_a_run_is_told_to_a_server(folder, collector):
    server = collector(lambda _: 201)
    secret = {"OPENLINEAGE_API_KEY": "hunter2", "NO_PROXY": "127.0.0.1"}
    result = run(folder, server.url, **secret)
    wait_for(lambda: is_over(server.events), "the last event", 20)
    assert len([read(event) for event in server.events]) == 8
    assert set(server.paths) == {"/api/v1/lineage"} and set(server.keys) == {"Bearer hunter2"}
    assert result["diagnostics"] == []
    assert not any(b"hunter2" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_events_that_a_server_does_not_take_come_later(folder, collector):
    server = collector(lambda number: 503 if number < 3 else 201)
    notebook(folder / "n.ipynb", *CELLS, cell("import time\ntime.sleep(0.5)", "step:wait"))
    result = run(folder, f"{server.url}/own", "--jobs", "1", NO_PROXY="127.0.0.1")
    wait_for(lambda: is_over(server.events), "the last event", 20)
    assert outline([read(event) for event in server.events])[0] == ("n", "START") and len(server.events) == 10
    assert result["status"] == "succeeded" and set(server.paths) == {"/own"}
    assert ids(result).count("lineage-unsent") == 1


def test_a_dead_server_costs_one_warning(folder):
    notebook(folder / "n.ipynb", *CELLS, cell("import time\ntime.sleep(0.5)", "step:wait"))
    result = run(folder, "http://127.0.0.1:9", NO_PROXY="127.0.0.1")
    assert result["status"] == "succeeded" and ids(result, "warning") == ["lineage-unsent"]
    shown = json.loads(call("show", "last", "--json", cwd=folder).stdout)
    assert ids(shown, "warning") == ["lineage-unsent"]


def test_a_server_that_hangs_delays_nothing(folder, collector):
    server = collector(lambda _: time.sleep(60) or 201)
    started = time.monotonic()
    assert run(folder, server.url, NO_PROXY="127.0.0.1")["status"] == "succeeded"
    assert time.monotonic() - started < 20
    assert call("run", "n.ipynb", "--openlineage", "nowhere/events.jsonl", cwd=folder).returncode == 0


@pytest.mark.parametrize("target", ["ftp://x/y", "https://me:hunter2@collector", ""])
def test_targets_that_cannot_be(folder, target):
    done = call("run", "n.ipynb", "--openlineage", target, cwd=folder)
    assert done.returncode == 2 and "cannot take events" in done.stderr and "hunter2" not in done.stderr
