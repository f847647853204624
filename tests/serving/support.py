"""A server of its own for each test that wants one, and requests to it."""

from __future__ import annotations

import functools
import http.client
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from programs import example

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "python" / "kale_runtime"

#: A model whose process starts fast: the sum of each row.
SUM = functools.partial(np.sum, axis=1)


def bundle(folder: Path, model: Any, name: str = "iris", functions: str | None = None, **about: Any) -> Path:
    """A bundle made by hand. `functions` is source, with `preprocess` and `postprocess` if they are defined there."""
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.pkl").write_bytes(pickle.dumps(model))
    document: dict[str, Any] = {
        "format_version": 1,
        "name": name,
        "model": {"flavour": "sklearn", "file": "model/model.pkl", "format": "pickle"},
    }
    if not hasattr(model, "predict"):
        document["model"] |= {"flavour": "python", "method": ""}
    if functions is not None:
        (folder / "functions.py").write_text(functions)
        names = {kind: kind if f"def {kind}(" in functions else None for kind in ("preprocess", "postprocess")}
        document["functions"] = {"file": "functions.py", "format": "source", **names}
    (folder / "bundle.json").write_text(json.dumps(document | about))
    return folder


class Server:
    """The server as a process; `with` ends it. It also ends when this process does."""

    def __init__(self, bundle: Path, *options: str | int, wait: bool = True) -> None:
        self.log = bundle.parent / f"{bundle.name}.log"
        command = [example("serve"), bundle, sys.executable, RUNTIME, "--log", self.log, *options]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.events: list[str] = []
        self.changed = threading.Condition()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.host, self.port = "127.0.0.1", 0
        if wait:
            line = self.process.stdout.readline()
            assert line, self.failure()
            self.host, port = line.split()[0].removeprefix("http://").rsplit(":", 1)
            self.port = int(port)

    def _listen(self) -> None:
        for line in self.process.stderr:
            with self.changed:
                self.events.append(line.strip())
                self.changed.notify_all()

    def event(self, word: str, count: int = 1, timeout: float = 30) -> None:
        """Waits until that has happened so often."""
        with self.changed:
            seen = self.changed.wait_for(lambda: sum(word in line for line in self.events) >= count, timeout)
        assert seen, self.events

    def failure(self) -> str:
        self.process.wait(30)
        self.listener.join(30)
        return "\n".join(self.events)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.process.stdout.close()
        self.listener.join(5)
        self.process.stderr.close()

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        connection = self.connect()
        try:
            return ask(connection, path, body, **headers)
        finally:
            connection.close()

    def predict(self, rows: Any, name: str = "iris") -> Any:
        answer = self.ask(f"/v1/models/{name}:predict", {"instances": rows})
        assert answer.status == 200, answer.body
        return answer.json["predictions"]

    def status(self) -> dict[str, Any]:
        return self.ask("/kale/status").json

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, without a line that it is at."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(connection: http.client.HTTPConnection, path: str, body: Any = None, **headers: str) -> Answer:
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if body is None:
        connection.request(
            "GET", path, headers={name: value for name, value in named.items() if name != "Content-Type"}
        )
    else:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), named)
    return Answer(connection.getresponse())
