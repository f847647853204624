"""Runs, sweeps and services as they go, told to whoever watches: from the store, since they are other processes."""

from __future__ import annotations

import abc
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from kale_rs import workers
from kale_rs.errors import KaleError, StoreError

Json = dict[str, Any]

#: Seconds between two looks, and between two messages about one run.
POLL = 0.1
PACE = 0.25
#: Services are looked at as long as there is a panel, and each is asked how it does.
SERVICES_POLL = 0.25
SERVICES_PACE = 1.0
#: Bytes of a service's log that are told at first.
LOG_TAIL = 256 << 10
#: Seconds of a store that cannot be read, after which there is nothing more to be told.
GIVE_UP = 30.0
_ENDED = ("succeeded", "failed", "cancelled", "interrupted")


def show(request: Json, what: str) -> Any:
    """The run as it is now: its `pulse`, or in `detail`."""
    from kale_rs import _native

    return json.loads(_native.show(json.dumps(request | {what: True})))


def show_sweep(request: Json) -> Any:
    """The sweep as it is now."""
    from kale_rs import _native

    return json.loads(_native.sweeps(json.dumps(request), None, False))


def services(request: Json) -> Any:
    """What `kale_rs.services` asks for."""
    from kale_rs import _native

    return json.loads(_native.services(json.dumps(request)))


class Follower(abc.ABC):
    """Looks again and again, in a thread of its own, until there is nothing more to be told."""

    poll, pace = POLL, PACE

    def __init__(self, name: str, listener: Callable[[str, Json], None]) -> None:
        self._name, self._listener = name, listener
        self._stopped = threading.Event()
        self._telling = threading.Lock()
        self._told_at = 0.0

    def start(self) -> None:
        workers.start(self._follow, f"kale_rs-watch-{self._name}")

    def stop(self) -> None:
        """Tell nothing more: what is being told is told before this returns."""
        with self._telling:
            self._stopped.set()

    def _tell(self, method: str, params: Json) -> None:
        with self._telling:
            if not self._stopped.is_set():
                self._listener(method, params)

    def _follow(self) -> None:
        seen = time.monotonic()
        while not self._stopped.is_set() and not workers.ending.is_set():
            try:
                if self._look():
                    return
                seen = time.monotonic()
            except StoreError:
                # It may be busy for a moment.
                if time.monotonic() - seen > GIVE_UP:
                    return
            except KaleError:
                # What is followed is gone.
                return
            self._stopped.wait(self.poll)

    def _is_time(self) -> bool:
        return time.monotonic() - self._told_at >= self.pace

    @abc.abstractmethod
    def _look(self) -> bool:
        """Tell what is new; whether it was the end."""


class Watch(Follower):
    """Watches a run until it ends. What has changed since event `after` is told at once, the end always."""

    def __init__(self, request: Json, after: int, log: Log | None, tell: Callable[[str, Json], None]) -> None:
        super().__init__(request["run"], tell)
        self._request, self._after, self._log = request, after, log

    def _look(self) -> bool:
        pulse = show(self._request, "pulse")
        ended = pulse["status"] in _ENDED
        if self._log is not None:
            self._log.look(pulse["run_id"], ended, self._stopped, self._tell)
        is_news = pulse["sequence"] > self._after and self._is_time()
        if ended or is_news:
            run = show(self._request, "detail")
            if run["status"] in _ENDED and not ended:
                # It has ended since the pulse: the end is told once, and after the end of the log.
                return self._look()
            self._after, self._told_at = run["sequence"], time.monotonic()
            self._tell("run", {"run_id": run["run_id"], "sequence": run["sequence"], "detail": run})
        return ended


class SweepWatch(Follower):
    """Watches a sweep until it ends: all of it is told whenever something has changed."""

    def __init__(self, request: Json, tell: Callable[[str, Json], None]) -> None:
        super().__init__(request["sweep"], tell)
        self._request = request
        self._told: Json | None = None

    def _look(self) -> bool:
        if not self._is_time():
            return False
        sweep = show_sweep(self._request)
        ended = sweep["status"] in _ENDED
        self._told_at = time.monotonic()
        if ended or sweep != self._told:
            self._told = sweep
            self._tell("sweep", {"sweep_id": sweep["sweep_id"], "sweep": sweep})
        return ended


class ServicesWatch(Follower):
    """Watches the services of a store: all that run are told whenever something has changed, for as long as asked."""

    poll, pace = SERVICES_POLL, SERVICES_PACE

    def __init__(self, request: Json, tell: Callable[[str, Json], None]) -> None:
        super().__init__("services", tell)
        self._request = request
        self._told: Json | None = None

    def _look(self) -> bool:
        if self._is_time():
            found = services(self._request)
            self._told_at = time.monotonic()
            if found != self._told:
                self._told = found
                self._tell("services", found)
        return False


class ServiceLogWatch(Follower):
    """Watches what a service logs, as people read it, from its last lines on; and what the next of its name logs."""

    poll = SERVICES_POLL

    def __init__(self, request: Json, tell: Callable[[str, Json], None]) -> None:
        super().__init__(request["name"], tell)
        self._request = request
        self._place: Json = {"last": LOG_TAIL}

    def _look(self) -> bool:
        while not self._stopped.is_set():
            part = services(self._request | self._place)
            is_first = "last" in self._place or part["offset"] < self._place["offset"]
            self._place = {"offset": part["next"]}
            if not part["text"] and not is_first:
                break
            self._tell("service_log", {"name": part["name"], "text": part["text"], "first": is_first})
        return False


class Log:
    """What a step prints from byte `start` on, as it comes.

    A text that begins where the first began, or before it, takes the place of all that was told so far.
    """

    def __init__(self, request: Json, step: str, start: int) -> None:
        self._request, self._step, self._start = request, step, start
        self._next = start
        self._told, self._bytes = hashlib.blake2b(), 0
        self._is_final = self._is_whole = False

    def look(self, run: str, ended: bool, stopped: threading.Event, tell: Callable[[str, Json], None]) -> None:
        """Tell what is new; all of it, if the step or the run has ended."""
        while not (self._is_whole or stopped.is_set()):
            part = self._logs({"offset": self._next})
            if part["complete"] and not self._is_final:
                self._is_final = True
                if self._is_changed():
                    self._begin_again()
                    part = self._logs({"offset": self._next})
            self._take(run, part, tell)
            if not part["text"]:
                self._is_whole = part["complete"]
                return
            if not (part["complete"] or ended):
                return

    def _take(self, run: str, part: Json, tell: Callable[[str, Json], None]) -> None:
        if part["offset"] < self._next:
            # It has become shorter than that.
            self._start = part["offset"]
            self._begin_again()
        self._next = part["next"]
        if part["text"]:
            encoded = part["text"].encode("utf-8", "surrogatepass")
            self._told.update(encoded)
            self._bytes += len(encoded)
            tell("log", {"run_id": run, "step": self._step, "offset": part["offset"], "text": part["text"]})

    def _is_changed(self) -> bool:
        """A step that has ended has the output of its cells in order, which may not be how it was printed."""
        whole = self._logs({})["text"].encode("utf-8", "surrogatepass") if self._bytes else b""
        told = hashlib.blake2b(whole[self._start : self._start + self._bytes])
        return told.digest() != self._told.digest()

    def _begin_again(self) -> None:
        self._next, self._told, self._bytes = self._start, hashlib.blake2b(), 0

    def _logs(self, more: Json) -> Json:
        from kale_rs import _native

        answer = json.loads(_native.logs(json.dumps(self._request | {"step": self._step} | more)))
        found: Json = next(iter(answer["logs"]), {"text": ""})
        return found
