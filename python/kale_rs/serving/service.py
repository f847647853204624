"""A service that runs: asked, looked at and stopped from a notebook."""

from __future__ import annotations

import contextlib
import json
import os
from collections import UserDict, UserList
from html import escape
from typing import Any

from kale_rs.errors import ServiceError, UsageError
from kale_rs.results import Compiled, Json, coloured, html_table
from kale_rs.serving import wire


class Service:
    """A served model. `predict` asks it; `stop` ends it."""

    def __init__(self, answer: Json, *, token_env: str | None = None, store: str | None = None) -> None:
        self.name: str = answer["name"]
        self.url: str = answer["url"]
        #: That of the bundle: a digest of its contents.
        self.version: str = answer["version"]
        #: The server's process.
        self.pid: int = answer["pid"]
        #: The folder with all that the service is made of.
        self.bundle: str = answer["bundle"]
        #: Whether a fresh process gave this one's answer to the example; None: there was none to try.
        self.verified: bool | None = answer["verified"]
        self._log: str | None = answer["log"]
        self._store = store
        self._client = wire.Client(self.url, self.name, os.environ.get(token_env) if token_env else None)
        with open(os.path.join(self.bundle, "bundle.json"), encoding="utf-8") as file:
            #: What the bundle says of itself: model, functions, signature.
            self.about: Json = json.load(file)

    def predict(self, data: Any) -> Any:
        """Answer rows: an array, a DataFrame, a list, a dict of columns, or one row as a dict.

        Arrays and tables are answered by arrays, anything else by a list with an answer for each row. What goes wrong
        in the model or its functions is raised here, with the traceback that it had there.
        """
        tensors = wire.tensors_of(data, self._input_name()) if self._takes_tensors(data) else None
        return self._client.predict(wire.rows_of(data)) if tensors is None else self._client.infer(tensors)

    def _input_name(self) -> str:
        inputs = (self.about.get("signature") or {}).get("inputs") or []
        return str(inputs[0]["name"]) if len(inputs) == 1 else "input-0"

    def _takes_tensors(self, data: Any) -> bool:
        functions = self.about.get("functions") or {}
        if functions.get("postprocess"):
            return False  # what it gives may be anything that JSON has
        return not (functions.get("preprocess") and wire.is_of(data, "pandas", "DataFrame"))

    def status(self) -> Json:
        """How it does now: its state, replicas, requests, and how long they took."""
        found: Json = json.loads(self._client.get("/kale/status"))
        return found

    def metrics(self) -> Metrics:
        """What it counts, as Prometheus reads it: values by name and labels."""
        return Metrics(self._client.get("/metrics").decode())

    def logs(self, limit: int | None = None) -> ServiceLogs:
        """What it has logged, the newest last; with `limit` only so many lines."""
        lines: list[str] = []
        if self._log is not None:  # else the terminal that it runs in shows it
            with contextlib.suppress(FileNotFoundError), open(self._log, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()
        return ServiceLogs(lines if limit is None else lines[-limit:])

    def stop(self) -> None:
        """End it, and wait until it has ended. What is under way is answered first."""
        from kale_rs import _native

        request = {"action": "stop", "name": self.name, "pid": self.pid, "store": self._store}
        with contextlib.suppress(UsageError):  # it has ended already
            _native.services(json.dumps(request))

    def manifest(
        self,
        output: str | os.PathLike[str] | None = None,
        *,
        namespace: str | None = None,
        service_account: str | None = None,
        overlay: str | os.PathLike[str] | None = None,
        on: str | None = None,
        **kserve: Any,
    ) -> Compiled:
        """The InferenceService of KServe that serves the bundle on a cluster.

        >>> print(service.manifest(storage_uri="pvc://models/iris", max_replicas=3).text)

        `kserve` are the options of `kale-rs compile --target kserve`: `storage_uri`, `image`, `runtime`, `mode`,
        `transformer`, `min_replicas`, `max_replicas`, `scale_metric`, `scale_target`, `autoscaler`, `canary`,
        `stable_uri`, `concurrency`.
        """
        from kale_rs import api

        return api.compile(
            self.bundle,
            output,
            target="kserve",
            namespace=namespace,
            service_account=service_account,
            overlay=overlay,
            on=on,
            kserve={"name": self.name, **kserve},
        )

    def _now(self) -> Json:
        """Its status; only a state where it does not tell more."""
        try:
            return self.status()
        except ServiceError as error:
            # One that runs answers, also those who have no token for it.
            return {"state": "stopped" if error.status is None else "silent"}

    def _facts(self, status: Json) -> list[tuple[str, str]]:
        model = self.about["model"]
        facts = [("model", f"{model['flavour']}: {model.get('class', '')}")]
        functions = self.about.get("functions") or {}
        chain = [functions[kind] for kind in ("preprocess", "postprocess") if functions.get(kind)]
        if chain:
            facts.append(("functions", ", ".join(chain)))
        if self.about.get("assets"):
            facts.append(("assets", ", ".join(self.about["assets"])))
        signature = self.about.get("signature") or {}
        for side in ("inputs", "outputs"):
            if signature.get(side):
                facts.append((side, ", ".join(map(_tensor, signature[side]))))
        if "batch_rows" in status:
            facts.append(("batching", self._batching(status["batch_rows"])))
        checked = {True: "answers in a fresh process as here", None: "loads in a fresh process; no example to compare"}
        if self.verified or not self.about.get("example"):  # else it was not asked: it may be another process's
            facts.append(("verified", checked.get(self.verified, "")))
        facts.append(("bundle", f"{self.bundle} ({self.version})"))
        return facts if status["state"] != "stopped" else [facts[0], facts[-1]]

    def _batching(self, rows: int) -> str:
        why = self.about.get("batchable_because", "nobody has tried otherwise")
        return f"what waits goes together, up to {rows} rows" if rows > 1 else f"each request alone: {why}"

    def _text(self, status: Json) -> str:
        lines = [f"service {self.name} {status['state']}{self._place(status)}{self.url}"]
        return "\n".join(lines + [f"  {what:<10} {value}" for what, value in self._facts(status)])

    def _place(self, status: Json) -> str:
        return ", was at " if status["state"] == "stopped" else " at "

    def __repr__(self) -> str:
        return self._text(self._now())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        status = self._now()
        state = status["state"]
        colours = {"ready": "succeeded", "starting": "running", "degraded": "warning", "silent": "warning"}
        colour = colours.get(state, "failed")
        word = coloured(colour).replace(f">{colour}<", f">{escape(state)}<")
        rows = ((escape(what), f"<code>{escape(value)}</code>") for what, value in self._facts(status))
        address = f'<a href="{escape(self.url)}" target="_blank" rel="noopener">{escape(self.url)}</a>'
        place = f"{self._place(status)}{address}"
        html = f"service <b>{escape(self.name)}</b> {word}{place}{html_table(('', ''), rows)}"
        return {"text/plain": self._text(status), "text/html": html}


def _tensor(one: Json) -> str:
    shape = "×".join("n" if size == -1 else str(size) for size in one["shape"])
    return f"{one['name']} {one['datatype']} [{shape}]"


class Metrics(UserDict[str, float]):
    """Values by name and labels; `.text` is what Prometheus reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            if name and not line.startswith("#"):
                self.data[name] = float(value)

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.data.items() if "_bucket{" not in name}
        lines = [f"{name} {value:g}" for name, value in shown.items()]
        rest = len(self.data) - len(shown)
        return "\n".join(lines + ([f"and {rest} buckets of these; all of it is in `.text`"] if rest else []))


class ServiceLogs(UserList[Json]):
    """Lines of a log as dicts."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(map(_line, lines))

    def __repr__(self) -> str:
        return "\n".join(map(_told, self))


def _line(text: str) -> Json:
    try:
        found: Json = json.loads(text)
        return found
    except ValueError:
        return {"message": text.rstrip("\n")}


def _told(line: Json) -> str:
    rest = {key: value for key, value in line.items() if key not in ("time", "level", "message")}
    about = " ".join(f"{key}={value}" for key, value in rest.items())
    parts = (line.get("time"), line.get("level"), line.get("message"), about)
    return " ".join(str(part) for part in parts if part)
