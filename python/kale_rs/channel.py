"""What the JupyterLab extension asks the kernel: JSON-RPC 2.0 in the messages of a comm.

Every comm is a `Connection`. Its requests are carried out by worker threads, so that a slow one holds up neither the
others nor the shell that received it; their answers may come in any order. Whatever a message holds, and whatever a
verb does, becomes an answer: nothing is raised into the kernel.

Two facts about ipykernel shape this file. What a kernel sends names the message that it is an answer to, and ipykernel
routes the comm's next messages to the subshell of that message: so everything is sent in the context in which the
panel's last message was received, or a panel would soon talk to the main shell, which is busy. And a comm that is
handed its messages in the usual way fires IPython's events of an execution, at which the inline backend shows and
closes the figures of the cell that is running: so messages are taken before that.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import json
import os
import platform
import sys
import threading
from collections.abc import Callable
from typing import Any

from kale_rs import _native, watching, workers
from kale_rs.errors import KaleError
from kale_rs.places import Places
from kale_rs.serving import rows

Json = dict[str, Any]

#: Changes when an older panel could not cope.
PROTOCOL = 1
#: Verbs about a notebook, which is given as its editor has it.
OF_NOTEBOOKS = ("check", "compile", "graph", "run", "sweep")
#: Verbs about a store: that of the panel's notebook.
OF_STORES = (
    "archive",
    "artifact",
    "cancel",
    "diff",
    "gc",
    "lineage",
    "logs",
    "predict",
    "restore",
    "resume",
    "runs",
    "serve",
    "services",
    "show",
    "sweeps",
    "unarchive",
)
VERBS = tuple(sorted((*OF_NOTEBOOKS, *OF_STORES, "context", "doctor", "explain", "schedule")))

#: Of these the newest counts, so they are carried out in their order.
ORDERED = (
    "watch",
    "unwatch",
    "watch_sweep",
    "unwatch_sweep",
    "watch_services",
    "watch_service_log",
    "unwatch_service_log",
)

_METHOD_NOT_FOUND, _INVALID_REQUEST, _INVALID_PARAMS, _INTERNAL, _REFUSED = -32601, -32600, -32602, -32603, -32000


class Refused(Exception):
    """A request that is not carried out, with JSON-RPC's code for the reason."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Connection:
    """One panel at the other end of a comm."""

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self._context = contextvars.copy_context()
        self._sending = threading.Lock()
        self._closed = False
        self._places = Places()
        self._watches: dict[str, watching.Watch] = {}
        self._sweep_watches: dict[str, watching.SweepWatch] = {}
        self._services_watch: watching.ServicesWatch | None = None
        self._service_logs: dict[str, watching.ServiceLogWatch] = {}
        self._wishes: collections.deque[Json] = collections.deque()
        self._wishing = threading.Lock()
        self._methods: dict[str, Callable[[Json], object]] = {
            "hello": self._hello,
            "ping": lambda params: {},
            "watch": self._watch,
            "unwatch": self._unwatch,
            "watch_sweep": self._watch_sweep,
            "unwatch_sweep": self._unwatch_sweep,
            "watch_services": self._watch_services,
            "watch_service_log": self._watch_service_log,
            "unwatch_service_log": self._unwatch_service_log,
            "variables": lambda params: {"variables": rows.variables()},
        }
        comm.handle_msg = self._received
        comm.on_close(lambda message: self._close())

    def _close(self) -> None:
        """The panel is gone: nobody is told anything any more."""
        self._closed = True
        followers: list[watching.Follower] = [*self._watches.values(), *self._sweep_watches.values()]
        followers += self._service_logs.values()
        if self._services_watch is not None:
            followers.append(self._services_watch)
        for follower in followers:
            follower.stop()

    def _received(self, message: Json) -> None:
        context, data = contextvars.copy_context(), message.get("content", {}).get("data")
        with self._sending:
            self._context = context
        method = data.get("method") if isinstance(data, dict) else None
        if method == "ping":
            # It asks whether the kernel listens, not whether a worker is free.
            self._serve(data)
        elif method in ORDERED:
            self._wishes.append(data)
            workers.add(self._serve_wish)
        else:
            workers.add(lambda: self._serve(data))

    def _serve_wish(self) -> None:
        with self._wishing:
            self._serve(self._wishes.popleft())

    def _send(self, data: Json) -> None:
        """Send a message, if there is still somebody to read it."""
        with self._sending, contextlib.suppress(Exception):
            if not self._closed:
                self._context.run(self._comm.send, {"jsonrpc": "2.0", **data})

    def _notify(self, method: str, params: Json) -> None:
        self._send({"method": method, "params": params})

    def _serve(self, request: object) -> None:
        """Answer a request; one without an id wants no answer."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            error = {"code": _INVALID_REQUEST, "message": "a request is an object with a `method`"}
            self._send({"id": None, "error": error})
            return
        answer = self._answer(request["method"], request.get("params", {}))
        if request.get("id") is not None:
            self._send({"id": request["id"], **answer})

    def _answer(self, method: str, params: object) -> Json:
        try:
            return {"result": self._carry_out(method, params)}
        except Refused as refused:
            return {"error": {"code": refused.code, "message": str(refused)}}
        except KaleError as error:
            data = {"kind": type(error).__name__, "help": error.help}
            return {"error": {"code": _REFUSED, "message": error.message, "data": data}}
        except ValueError as error:
            return {"error": {"code": _INVALID_PARAMS, "message": str(error)}}
        except BaseException as error:
            # A panic of the core is no `Exception`.
            return {"error": {"code": _INTERNAL, "message": f"{type(error).__name__}: {error}"}}

    def _carry_out(self, method: str, params: object) -> object:
        if not isinstance(params, dict):
            raise Refused(_INVALID_PARAMS, "`params` is an object")
        if method in self._methods:
            return self._methods[method](params)
        if method not in VERBS:
            raise Refused(_METHOD_NOT_FOUND, f"there is no method `{method}`")
        request = json.dumps(self._request(method, params))
        if method in ("run", "resume", "sweep", "sweeps"):
            return json.loads(getattr(_native, method)(request, None, False))
        return json.loads(getattr(_native, method)(request))

    def _request(self, method: str, params: Json) -> Json:
        """The request of a verb: with paths of this machine, and without what would wait for a run's end."""
        request = dict(params)
        of_notebook = method in OF_NOTEBOOKS or (method == "schedule" and params.get("action") == "add")
        if isinstance(params.get("notebook"), str):
            request["notebook"] = self._places.place(params["notebook"])
        elif of_notebook:
            raise Refused(_INVALID_PARAMS, f"`{method}` needs a `notebook`")
        if method in OF_STORES and request.get("store") is None:
            request["store"] = request.get("notebook") or self._places.store
        if of_notebook or method == "doctor":
            request["python"] = sys.executable
        if method in ("run", "resume", "sweep", "sweeps"):
            request["detach"] = True
        if method == "restore":
            request["write"] = True
        if method == "predict" and isinstance(params.get("variable"), str):
            request["data"] = rows.of_variable(params["variable"], str(params.get("rows") or ""))
        if method == "compile" and request.get("output") is None:
            request["output"] = "-"
        elif isinstance(request.get("output"), str):
            request["output"] = os.path.join(self._places.beside(request.get("notebook")), request["output"])
        return request

    def _hello(self, params: Json) -> Json:
        path = params.get("path")
        return {
            "version": _native.__version__,
            "protocol": PROTOCOL,
            "python": platform.python_version(),
            "executable": sys.executable,
            "notebook": self._places.open(path) if isinstance(path, str) else None,
            "verbs": list(VERBS),
        }

    def _watch(self, params: Json) -> Json:
        run, after = params.get("run"), params.get("after") or -1
        step, start = params.get("log"), params.get("log_from") or 0
        numbers = isinstance(after, int) and isinstance(start, int)
        if not isinstance(run, str) or not isinstance(step, str | None) or not numbers:
            takes = "a number `after`, a step's name `log`, and a number of bytes `log_from`"
            raise Refused(_INVALID_PARAMS, f"`watch` needs a `run`, and takes {takes}")
        request = {"run": run, "store": self._places.store}
        # A run that is not there is told now, and not by silence.
        request["run"] = watching.show(request, "pulse")["run_id"]
        self._unwatch(request)
        log = None if step is None else watching.Log(request, step, start)
        self._watches[request["run"]] = watch = watching.Watch(request, after, log, self._notify)
        if not self._closed:
            watch.start()
        return {}

    def _unwatch(self, params: Json) -> Json:
        watch = self._watches.pop(str(params.get("run")), None)
        if watch is not None:
            watch.stop()
        return {}

    def _watch_sweep(self, params: Json) -> Json:
        if not isinstance(params.get("sweep"), str):
            raise Refused(_INVALID_PARAMS, "`watch_sweep` needs a `sweep`")
        request = {"action": "show", "sweep": params["sweep"], "store": self._places.store}
        # A sweep that is not there is told now, and not by silence.
        request["sweep"] = watching.show_sweep(request)["sweep_id"]
        self._unwatch_sweep(request)
        self._sweep_watches[request["sweep"]] = watch = watching.SweepWatch(request, self._notify)
        if not self._closed:
            watch.start()
        return {}

    def _unwatch_sweep(self, params: Json) -> Json:
        watch = self._sweep_watches.pop(str(params.get("sweep")), None)
        if watch is not None:
            watch.stop()
        return {}

    def _watch_services(self, params: Json) -> Json:
        """Those of the notebook's store, from now on."""
        if self._services_watch is not None:
            self._services_watch.stop()
        request = {"action": "list", "store": self._places.store}
        self._services_watch = watch = watching.ServicesWatch(request, self._notify)
        if not self._closed:
            watch.start()
        return {}

    def _watch_service_log(self, params: Json) -> Json:
        if not isinstance(params.get("name"), str):
            raise Refused(_INVALID_PARAMS, "`watch_service_log` needs the `name` of a service")
        request = {"action": "logs", "name": params["name"], "readable": True, "store": self._places.store}
        # One that has no log is told now, and not by silence.
        watching.services(request | {"last": 0})
        self._unwatch_service_log(params)
        self._service_logs[params["name"]] = watch = watching.ServiceLogWatch(request, self._notify)
        if not self._closed:
            watch.start()
        return {}

    def _unwatch_service_log(self, params: Json) -> Json:
        watch = self._service_logs.pop(str(params.get("name")), None)
        if watch is not None:
            watch.stop()
        return {}
