"""Compares the model server with its peers: part of `make bench`, or `python tests/bench/serving.py`.

The iris model (two rows a request) behind our server, behind KServe's own, and behind a bare FastAPI on uvicorn, the
same libraries below all of them, one thread each, on loopback. CPU per request is what the system has counted for all
processes of a server, the model's own included, over requests of eight clients; latency is that of one client. Servers
are asked in turn, and the least of the rounds counts. Ours is as `kale-rs serve` starts it: what waits goes to the
model together, since packing finds that this changes no bit of an answer, which a peer has no switch for; `each alone`
is without that.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import compare

sys.path.insert(0, str(compare.ROOT / "tests" / "oracle"))
import environments

ROUNDS, REQUESTS, CLIENTS, ALONE = 3, 4000, 8, 1000
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
V1 = {"instances": ROWS}
V2 = {"inputs": [{"name": "input-0", "shape": [2, 4], "datatype": "FP64", "data": sum(ROWS, [])}]}
SERVER = compare.ROOT / "target" / "release" / "examples" / "serve"
RUNTIME = compare.ROOT / "python" / "kale_runtime"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

TRAIN = """
import pickle, sys
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
rows, kinds = load_iris(return_X_y=True)
pickle.dump(LogisticRegression(max_iter=500).fit(rows, kinds), open(sys.argv[1], "wb"))
"""

#: What stands before the model in all of them, where it is asked for.
PREPROCESS = """
import numpy as np

def preprocess(rows):
    return np.clip(np.asarray(rows, dtype=float), 0.0, 8.0)
"""

BARE = f"""
import pickle, sys
import uvicorn
from fastapi import FastAPI, Request
{PREPROCESS}
model = pickle.load(open(sys.argv[1], "rb"))
app = FastAPI()

@app.post("/v1/models/iris:predict")
async def predict(body: dict):
    return {{"predictions": model.predict(prepare(body["instances"])).tolist()}}

prepare = preprocess if "preprocess" in sys.argv else np.array
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""

KSERVE = f"""
import pickle, sys
import uvicorn
from kserve import Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response
{PREPROCESS}
class Iris(Model):
    def __init__(self):
        super().__init__("iris")
        self.model = pickle.load(open(sys.argv[1], "rb"))
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        return get_predict_response(payload, self.model.predict(prepare(get_predict_input(payload))), self.name)

def on_loopback(config, *arguments, **options):
    original(config, *arguments, **options | {{"host": "127.0.0.1"}})

prepare = preprocess if "preprocess" in sys.argv else np.asarray
original = uvicorn.Config.__init__
uvicorn.Config.__init__ = on_loopback
ModelServer(enable_grpc=False, http_port=int(sys.argv[2])).start([Iris()])
"""


@dataclass
class Engine:
    name: str
    port: int
    process: subprocess.Popen
    start: float
    cpu: dict[str, list[float]] = field(default_factory=dict)
    latency: dict[str, list[float]] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """Of the process and all below it."""
        tick = os.sysconf("SC_CLK_TCK")
        total = 0.0
        for pid in [self.process.pid, *children(self.process.pid)]:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / tick
        return total

    def resident(self) -> float:
        pages = (
            int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            for pid in [self.process.pid, *children(self.process.pid)]
        )
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return [*found, *(one for child in found for one in children(child))]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def started(stack: ExitStack, name: str, command: list, port: int) -> Engine:
    begun = time.monotonic()
    environment = os.environ | ONE_THREAD
    process = subprocess.Popen(
        [*map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    request = asked("/v1/models/iris:predict", V1)
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as client:
                if answer(client, request).startswith(b"HTTP/1.1 200"):
                    return Engine(name, port, process, time.monotonic() - begun)
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{name} ended with {process.returncode}")
        time.sleep(0.02)


def asked(path: str, body: dict) -> bytes:
    text = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {len(text)}", "", ""]).encode() + text


def answer(client: socket.socket, request: bytes) -> bytes:
    """The least that a client can do, so that it does not stand in the way of what is measured."""
    client.sendall(request)
    received = client.recv(65536)
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if found and len(body) >= length:
            return received
        more = client.recv(65536)
        if not more:
            return received
        received += more


def load(port: int, request: bytes, clients: int, count: int) -> list[float]:
    """Seconds of each request."""
    seconds: list[float] = []

    def one() -> None:
        own = []
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count // clients):
                begun = time.perf_counter()
                received = answer(client, request)
                own.append(time.perf_counter() - begun)
                assert received.startswith(b"HTTP/1.1 200"), received
        seconds.extend(own)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seconds) == count // clients * clients
    return seconds


def measure(engines: list[Engine], kind: str, request: bytes) -> None:
    for engine in engines:
        load(engine.port, request, CLIENTS, 400)
    for _ in range(ROUNDS):
        for engine in engines:
            before = engine.cpu_seconds()
            load(engine.port, request, CLIENTS, REQUESTS)
            engine.cpu.setdefault(kind, []).append((engine.cpu_seconds() - before) / REQUESTS * 1e6)
            engine.latency.setdefault(kind, []).extend(load(engine.port, request, 1, ALONE // ROUNDS))


#: What packing finds out: whether the model answers requests together as it answers each.
TRY = f"""
import json, sys
sys.path.insert(0, {str(RUNTIME.parent)!r})
from pathlib import Path
from kale_runtime.packing import together
from kale_runtime.serving import batch
from kale_runtime.serving.bundle import Bundle
from sklearn.datasets import load_iris
folder = Path(sys.argv[1])
chain, rows = Bundle.load(folder), load_iris().data[::5].tolist()
verdict = together.tried(chain, {{}}, rows, batch.prepared(chain, rows, together.V1))
about = json.loads((folder / "bundle.json").read_text()) | {{"batchable": verdict.is_same}}
(folder / "bundle.json").write_text(json.dumps(about))
print(verdict.reason)
"""


def bundle(folder: Path, python: Path, model: Path, preprocess: bool) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.pkl").write_bytes(model.read_bytes())
    (folder / "functions.py").write_text(PREPROCESS)
    functions = {"file": "functions.py", "preprocess": "preprocess"} if preprocess else None
    about = {"flavour": "sklearn", "file": "model/model.pkl"}
    (folder / "bundle.json").write_text(
        json.dumps({"format_version": 1, "name": "iris", "model": about, "functions": functions})
    )
    subprocess.run([python, "-c", TRY, folder], check=True, env=os.environ | ONE_THREAD)
    return folder


def all_engines(stack: ExitStack, python: Path, folder: Path, preprocess: bool) -> list[Engine]:
    folder.mkdir()
    model = folder / "model.pkl"
    subprocess.run([python, "-c", TRAIN, model], check=True, env=os.environ | ONE_THREAD)
    ports = [free_port() for _ in range(4)]
    extra = ["preprocess"] if preprocess else []
    own = [SERVER, bundle(folder / "bundle", python, model, preprocess), python, RUNTIME, "--port", ports[0]]
    own += ["--log", folder / "log.jsonl"]
    alone = [*own[:5], ports[3], "--rows", 1]
    return [
        started(stack, "kale_rs", own, ports[0]),
        started(stack, "FastAPI + uvicorn", [python, "-c", BARE, model, ports[1], *extra], ports[1]),
        started(stack, "KServe 0.21.0", [python, "-c", KSERVE, model, ports[2], *extra], ports[2]),
        started(stack, "kale_rs, each alone", alone, ports[3]),
    ]


def main() -> int:
    print("building the release server, installing the peers ...", flush=True)
    build = ["cargo", "build", "--quiet", "--release", "-p", "kale_serve", "--example", "serve"]
    subprocess.run(build, cwd=compare.ROOT, check=True)
    python = environments.make("kserve", "requirements-kserve.txt")
    missed: list[str] = []
    print(f"\n{'':<26}{'start':>8}{'memory':>9}{'CPU/request':>14}{'p50':>9}{'p99':>9}")
    for preprocess in (False, True):
        what = "with preprocess" if preprocess else "the model alone"
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            engines = all_engines(stack, python, Path(folder) / "engines", preprocess)
            measure(engines, "V1", asked("/v1/models/iris:predict", V1))
            measure([engines[0], engines[2], engines[3]], "V2", asked("/v2/models/iris/infer", V2))
            for kind in ("V1", "V2"):
                print(f"{kind}, {what}")
                for engine in engines:
                    if kind in engine.cpu:
                        print(line(engine, kind))
            missed += targets(engines, what)
    print("\nall targets met" if not missed else f"\nTARGETS MISSED: {', '.join(missed)}")
    return int(bool(missed))


def line(engine: Engine, kind: str) -> str:
    latency = sorted(engine.latency[kind])
    p50, p99 = statistics.median(latency) * 1e3, latency[int(len(latency) * 0.99)] * 1e3
    cpu = f"{min(engine.cpu[kind]):.0f} us"
    memory = f"{engine.resident():.0f} MiB"
    return f"  {engine.name:<24}{engine.start:>6.1f} s{memory:>9}{cpu:>14}{p50:>6.2f} ms{p99:>6.2f} ms"


def targets(engines: list[Engine], what: str) -> list[str]:
    """What a request costs at most: a third of KServe's, two thirds of a bare FastAPI's."""
    ours, bare, kserve, alone = engines
    missed = []
    for engine in (ours, alone):
        for peer, share, kind in ((kserve, 1 / 3, "V1"), (bare, 2 / 3, "V1"), (kserve, 1 / 3, "V2")):
            found = min(engine.cpu[kind]) / min(peer.cpu[kind])
            words = f"{engine.name}: {found:.2f} of {peer.name}, {kind}, {what}; asked: {share:.2f}"
            is_missed = engine is ours and found > share
            print(f"  {words}{'   MISSED' if is_missed else ''}")
            missed += [words] if is_missed else []
    return missed


if __name__ == "__main__":
    sys.exit(main())
