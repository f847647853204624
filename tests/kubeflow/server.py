"""Kubeflow Pipelines for tests: a server on the loopback interface that remembers, and records what it was asked.

Its answers are made of the official models (`kfp-server-api`). It keeps to the server's rules as far as clients can
tell: filters, pages, storage states, errors as `google.rpc.Status`. A `Fault` makes one answer go wrong.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import email
import email.policy
import http.server
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import kfp_server_api as api

from . import faults, metadata

PREFIX = "/apis/v2beta1"
#: Ids are numbers, and instants go on by a second: the same scenario gives the same answers.
BEGINNING = datetime.datetime(2026, 11, 20, 9, 0, tzinfo=datetime.timezone.utc)
#: The end of what goes on.
NEVER = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
SERIALIZER = api.ApiClient()


@dataclass
class Request:
    """One request, as it arrived."""

    method: str
    path: str
    query: list[tuple[str, str]]
    #: By names in lower case.
    headers: dict[str, str]
    body: object


@dataclass
class Fault:
    """What goes wrong with the first requests of a kind."""

    method: str
    path: str
    #: `before`: it is not carried out. `after`: it is, and only the answer goes wrong.
    when: str
    #: How it goes wrong: gets the handler, and the answer's text.
    how: Callable[[Handler, str], None]
    times: int = 1


class Refusal(Exception):
    """An error of the API: HTTP status, code of gRPC, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Kubeflow:
    """What the server has, and what it was asked."""

    multi_user: bool = True
    token: str | None = None
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    experiments: dict[str, api.V2beta1Experiment] = field(default_factory=dict)
    pipelines: dict[str, api.V2beta1Pipeline] = field(default_factory=dict)
    versions: dict[str, api.V2beta1PipelineVersion] = field(default_factory=dict)
    runs: dict[str, api.V2beta1Run] = field(default_factory=dict)
    recurring: dict[str, api.V2beta1RecurringRun] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    #: What tasks have left; `None`: nobody here knows.
    metadata: metadata.Metadata | None = field(default_factory=metadata.Metadata)
    #: Artifacts by `SOURCE/BUCKET/KEY`.
    objects: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    #: Every connection breaks off.
    is_down: bool = False
    #: What a log takes to come, in seconds.
    slow_logs: float = 0
    #: When logs were asked for.
    log_requests: list[float] = field(default_factory=list)
    #: Lets those go on that wait for a slow answer.
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)
    made: int = 0

    def now(self) -> datetime.datetime:
        return BEGINNING + datetime.timedelta(seconds=self.made)

    def new_id(self, kind: str) -> str:
        self.made += 1
        return f"{kind}-{self.made}"

    def asked(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == (method, PREFIX + path)]

    def object(self, place: str) -> bytes | None:
        """The bytes at `SOURCE/BUCKET/KEY`."""
        return self.objects.get(place)

    # --- what can be asked: the method's name, then the path ------------------------------------------------------

    def answer(self, request: Request) -> object:
        path = request.path.removeprefix(PREFIX)
        for method, pattern, function in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                return getattr(self, function.__name__)(request, *match.groups())
        raise Refusal(404, 5, "Not Found")

    def healthz(self, request):
        return api.V2beta1GetHealthzResponse(multi_user=self.multi_user, pipeline_store="database")

    def make_experiment(self, request):
        wanted = request.body
        name, namespace = wanted["display_name"], wanted.get("namespace", "")
        if any(each.display_name == name and each.namespace == namespace for each in self.experiments.values()):
            raise Refusal(409, 6, f"Already exist error: the name {name} already exists")
        id = self.new_id("experiment")
        self.experiments[id] = api.V2beta1Experiment(
            experiment_id=id,
            display_name=name,
            description=wanted.get("description"),
            namespace=namespace,
            created_at=self.now(),
            storage_state="AVAILABLE",
        )
        return self.experiments[id]

    def list_experiments(self, request):
        found, more = self.page(request, self.experiments)
        return api.V2beta1ListExperimentsResponse(experiments=found, next_page_token=more)

    def store_experiment(self, request, id, verb):
        self.find(self.experiments, id).storage_state = "ARCHIVED" if verb == "archive" else "AVAILABLE"
        return {}

    def make_pipeline(self, request):
        return self.add_pipeline(request.body["display_name"], request.body)

    def upload_pipeline(self, request):
        query = dict(request.query)
        pipeline = self.add_pipeline(query["name"], query)
        self.add_version(pipeline.pipeline_id, query["name"], query)
        return pipeline

    def add_pipeline(self, name, wanted):
        if any(each.display_name == name for each in self.pipelines.values()):
            raise Refusal(409, 6, f"Already exist error: the name {name} already exists")
        id = self.new_id("pipeline")
        self.pipelines[id] = api.V2beta1Pipeline(
            pipeline_id=id,
            display_name=name,
            name=name,
            description=wanted.get("description"),
            namespace=wanted.get("namespace"),
            created_at=self.now(),
        )
        return self.pipelines[id]

    def list_pipelines(self, request):
        found, more = self.page(request, self.pipelines)
        return api.V2beta1ListPipelinesResponse(pipelines=found, next_page_token=more)

    def upload_version(self, request):
        query = dict(request.query)
        return self.add_version(self.find(self.pipelines, query["pipelineid"]).pipeline_id, query["name"], query)

    def add_version(self, pipeline_id, name, wanted):
        mine = (each for each in self.versions.values() if each.pipeline_id == pipeline_id)
        if any(each.display_name == name for each in mine):
            raise Refusal(409, 6, f"Already exist error: the name {name} already exists")
        id = self.new_id("version")
        self.versions[id] = api.V2beta1PipelineVersion(
            pipeline_id=pipeline_id,
            pipeline_version_id=id,
            display_name=name,
            name=name,
            description=wanted.get("description"),
            created_at=self.now(),
        )
        return self.versions[id]

    def list_versions(self, request, pipeline_id):
        self.find(self.pipelines, pipeline_id)
        mine = {id: each for id, each in self.versions.items() if each.pipeline_id == pipeline_id}
        found, more = self.page(request, mine)
        return api.V2beta1ListPipelineVersionsResponse(pipeline_versions=found, next_page_token=more)

    def delete_version(self, request, pipeline_id, id):
        self.find(self.versions, id)
        del self.versions[id]
        return {}

    def make_run(self, request):
        wanted = request.body
        self.find(self.experiments, wanted["experiment_id"])
        id = self.new_id("run")
        self.runs[id] = api.V2beta1Run(
            run_id=id,
            experiment_id=wanted["experiment_id"],
            display_name=wanted["display_name"],
            description=wanted.get("description"),
            runtime_config=wanted["runtime_config"],
            storage_state="AVAILABLE",
            created_at=self.now(),
            finished_at=NEVER,
            state="PENDING",
        )
        return self.runs[id]

    def get_run(self, request, id):
        return self.find(self.runs, id)

    def list_runs(self, request):
        found, more = self.page(request, self.runs)
        return api.V2beta1ListRunsResponse(runs=found, next_page_token=more)

    def change_run(self, request, id, verb):
        run = self.find(self.runs, id)
        if verb == "terminate":
            if run.state in ("SUCCEEDED", "FAILED", "CANCELED"):
                raise Refusal(400, 3, "Failed to terminate a run: it has ended")
            run.state = "CANCELING"
        elif verb == "retry":
            if run.state not in ("FAILED", "CANCELED"):
                raise Refusal(400, 3, f"Failed to retry a run: it is {run.state}")
            run.state = "RUNNING"
        else:
            run.storage_state = "ARCHIVED" if verb == "archive" else "AVAILABLE"
        return {}

    def delete_run(self, request, id):
        self.find(self.runs, id)
        del self.runs[id]
        return {}

    def make_recurring(self, request):
        wanted = request.body
        id = self.new_id("recurring")
        self.recurring[id] = api.V2beta1RecurringRun(
            recurring_run_id=id,
            experiment_id=wanted["experiment_id"],
            display_name=wanted["display_name"],
            description=wanted.get("description"),
            max_concurrency=str(wanted["max_concurrency"]),
            no_catchup=wanted.get("no_catchup"),
            trigger=wanted["trigger"],
            status="ENABLED" if wanted["mode"] == "ENABLE" else "DISABLED",
            created_at=self.now(),
        )
        return self.recurring[id]

    def get_recurring(self, request, id):
        return self.find(self.recurring, id)

    def list_recurring(self, request):
        found, more = self.page(request, self.recurring)
        return api.V2beta1ListRecurringRunsResponse(recurring_runs=found, next_page_token=more)

    def change_recurring(self, request, id, verb):
        self.find(self.recurring, id).status = "ENABLED" if verb == "enable" else "DISABLED"
        return {}

    def delete_recurring(self, request, id):
        self.find(self.recurring, id)
        del self.recurring[id]
        return {}

    # --- what lists and look-ups share ----------------------------------------------------------------------------

    @staticmethod
    def find(table, id):
        if id not in table:
            raise Refusal(404, 5, f"ResourceNotFoundError: {id} not found")
        return table[id]

    def page(self, request, table):
        query = dict(request.query)
        if len(query.get("page_size") or "20") > 3 or int(query.get("page_size") or 20) > 200:
            raise Refusal(400, 3, "Invalid input error: The page size is too large")
        rows = [row for row in table.values() if self.is_meant(row, query)]
        if query.get("sort_by") == "created_at desc":
            rows.sort(key=lambda row: row.created_at, reverse=True)
        start = int(base64.b64decode(query["page_token"])) if query.get("page_token") else 0
        end = start + int(query.get("page_size") or 20)
        more = base64.b64encode(str(end).encode()).decode() if end < len(rows) else None
        return rows[start:end], more

    @staticmethod
    def is_meant(row, query):
        predicates = json.loads(query["filter"])["predicates"] if query.get("filter") else []
        wanted = [(each["key"], each["stringValue"]) for each in predicates if each["operation"] == 1]
        if query.get("experiment_id"):
            wanted.append(("experiment_id", query["experiment_id"]))
        return all(getattr(row, key) == value for key, value in wanted)


ROUTES = [
    ("GET", "/healthz", Kubeflow.healthz),
    ("POST", "/experiments", Kubeflow.make_experiment),
    ("GET", "/experiments", Kubeflow.list_experiments),
    ("POST", "/experiments/([^/:]+):(archive|unarchive)", Kubeflow.store_experiment),
    ("POST", "/pipelines", Kubeflow.make_pipeline),
    ("GET", "/pipelines", Kubeflow.list_pipelines),
    ("POST", "/pipelines/upload", Kubeflow.upload_pipeline),
    ("POST", "/pipelines/upload_version", Kubeflow.upload_version),
    ("GET", "/pipelines/([^/:]+)/versions", Kubeflow.list_versions),
    ("DELETE", "/pipelines/([^/:]+)/versions/([^/:]+)", Kubeflow.delete_version),
    ("POST", "/runs", Kubeflow.make_run),
    ("GET", "/runs", Kubeflow.list_runs),
    ("GET", "/runs/([^/:]+)", Kubeflow.get_run),
    ("POST", "/runs/([^/:]+):(terminate|retry|archive|unarchive)", Kubeflow.change_run),
    ("DELETE", "/runs/([^/:]+)", Kubeflow.delete_run),
    ("POST", "/recurringruns", Kubeflow.make_recurring),
    ("GET", "/recurringruns", Kubeflow.list_recurring),
    ("GET", "/recurringruns/([^/:]+)", Kubeflow.get_recurring),
    ("POST", "/recurringruns/([^/:]+):(enable|disable)", Kubeflow.change_recurring),
    ("DELETE", "/recurringruns/([^/:]+)", Kubeflow.delete_recurring),
]


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP around `Kubeflow.answer`."""

    protocol_version = "HTTP/1.1"
    #: Head and body are written one after the other: the body would wait for a word of the client.
    disable_nagle_algorithm = True

    @property
    def kubeflow(self) -> Kubeflow:
        return self.server.kubeflow

    def handle_any(self) -> None:
        parsed = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qsl(parsed.query, keep_blank_values=True)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.unquote(parsed.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, read_body(self.headers, content))
        with self.kubeflow.lock:
            self.kubeflow.requests.append(request)
            fault = self.fault(request)
            status, text = (0, "") if fault and fault.when == "before" else self.carry_out(request)
        is_log = path.endswith("/log")
        if is_log:
            self.kubeflow.log_requests.append(time.monotonic())
            time.sleep(self.kubeflow.slow_logs)
        if fault:
            fault.how(self, text)
        else:
            plain = "text/plain" if is_log else "application/json"
            self.send(status, text, kind="application/octet-stream" if isinstance(text, bytes) else plain)

    do_GET = do_POST = do_DELETE = handle_any

    def fault(self, request: Request) -> Fault | None:
        if self.kubeflow.is_down:
            return Fault(request.method, request.path, "before", faults.drop)
        for fault in self.kubeflow.faults:
            if fault.times and fault.method == request.method and request.path in (PREFIX + fault.path, fault.path):
                fault.times -= 1
                return fault
        return None

    def carry_out(self, request: Request) -> tuple[int, str | bytes]:
        token = self.kubeflow.token
        if token and request.headers.get("authorization") != f"Bearer {token}":
            shown = request.headers.get("authorization")
            return 401, json.dumps({"code": 16, "message": f"Unauthenticated: {shown} is not known", "details": []})
        log = re.fullmatch("/apis/v1alpha1/runs/[^/]+/nodes/([^/]+)/log", request.path)
        if log:
            return 200, self.kubeflow.logs.get(log.group(1), '{"error_message": "no such pod", "error_details": ""}')
        if request.path.startswith(metadata.SERVICE) and self.kubeflow.metadata:
            return 200, self.kubeflow.metadata.answer(request.path.removeprefix(metadata.SERVICE), request.body)
        if request.path == "/":
            return 200, "<!doctype html><title>Kubeflow Pipelines</title>"
        if request.path.startswith("/artifacts/"):
            content = self.kubeflow.object(request.path.removeprefix("/artifacts/"))
            return (500, "Failed to get object in bucket") if content is None else (200, content)
        try:
            answer = self.kubeflow.answer(request)
        except Refusal as refusal:
            told = {"code": refusal.code, "message": refusal.message, "details": []}
            return refusal.status, json.dumps(told)
        return 200, json.dumps(SERIALIZER.sanitize_for_serialization(answer))

    def send(self, status: int, text: str | bytes, kind: str = "application/json", **headers: str) -> None:
        content = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


def read_body(headers, content: bytes) -> object:
    """JSON, or the parts of a form: name, file's name, and content."""
    kind = headers.get("Content-Type") or ""
    if kind.startswith("multipart/form-data"):
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content, policy=email.policy.HTTP)
        return [
            (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True))
            for part in message.iter_parts()
        ]
    if kind == metadata.CONTENT_TYPE:
        return content
    return json.loads(content) if content else None


# --- the process ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(kubeflow: Kubeflow | None = None, **settings: object) -> Iterator[Kubeflow]:
    """A server, ended whatever happens."""
    kubeflow = kubeflow or Kubeflow(**settings)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.kubeflow = True, kubeflow
    kubeflow.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kubeflow
    finally:
        kubeflow.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
