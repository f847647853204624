"""A run as it goes, told to whoever watches: from its store, since its engine is another process."""

from __future__ import annotations

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
#: Seconds of a store that cannot be read, after which there is nothing more to be told.
GIVE_UP = 30.0
_STEP_ENDED = ("succeeded", "failed", "cancelled", "cached", "skipped", "interrupted")
_ENDED = ("succeeded", "failed", "cancelled", "interrupted")


def show(request: Json) -> Any:
    """The run as it is now, in detail."""
    from kale_rs import _native

    return json.loads(_native.show(json.dumps(request | {"detail": True})))


class Watch:
    """Watches until the run ends. What has changed since event `after` is told at once, the end always."""

    def __init__(self, request: Json, after: int, log: str | None, tell: Callable[[str, Json], None]) -> None:
        self._request, self._after, self._tell = request, after, tell
        self._log = None if log is None else Log(request, log, tell)
        self._stopped = threading.Event()
        self._told_at = 0.0

    def start(self) -> None:
        workers.start(self._follow, f"kale_rs-watch-{self._request['run']}")

    def stop(self) -> None:
        """Tell nothing more."""
        self._stopped.set()

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
                # The run, or the step whose log is wanted, is gone.
                return
            self._stopped.wait(POLL)

    def _look(self) -> bool:
        """Tell what is new; whether it was the end."""
        run = show(self._request)
        ended = run["status"] in _ENDED
        if self._log is not None:
            self._log.look(run, self._stopped)
        if self._stopped.is_set():
            return True
        now = time.monotonic()
        if ended or (run["sequence"] > self._after and now - self._told_at >= PACE):
            self._after, self._told_at = run["sequence"], now
            self._tell("run", {"run_id": run["run_id"], "sequence": run["sequence"], "detail": run})
        return ended


class Log:
    """What a step prints, as it comes. A text that begins before what was told so far takes its place."""

    def __init__(self, request: Json, step: str, tell: Callable[[str, Json], None]) -> None:
        self._request, self._step, self._tell = request, step, tell
        self._next = 0
        self._told, self._characters = hashlib.blake2b(), 0
        self._is_whole = False

    def look(self, run: Json, stopped: threading.Event) -> None:
        """Tell what is new. A step that has ended is told to the end."""
        states = {step["name"]: step["status"] for step in run["steps"]}
        ended = states.get(self._step, "cancelled") in _STEP_ENDED
        if self._is_whole and ended:
            return
        if ended:
            self._begin_again_if_changed()
        while self._read_part(run["run_id"]) and ended and not stopped.is_set():
            pass
        self._is_whole = ended

    def _read_part(self, run: str) -> bool:
        part = self._logs({"offset": self._next})
        if part["offset"] < self._next:
            self._begin_again()
        self._next = part["next"]
        if not part["text"]:
            return False
        self._told.update(part["text"].encode("utf-8", "surrogatepass"))
        self._characters += len(part["text"])
        self._tell("log", {"run_id": run, "step": self._step, "offset": part["offset"], "text": part["text"]})
        return True

    def _begin_again_if_changed(self) -> None:
        """A step that has ended has the output of its cells in order, which may not be how it was printed."""
        whole: str = self._logs({})["text"]
        same = hashlib.blake2b(whole[: self._characters].encode("utf-8", "surrogatepass"))
        if same.digest() != self._told.digest():
            self._begin_again()

    def _begin_again(self) -> None:
        self._next, self._told, self._characters = 0, hashlib.blake2b(), 0

    def _logs(self, more: Json) -> Json:
        from kale_rs import _native

        answer = json.loads(_native.logs(json.dumps(self._request | {"step": self._step} | more)))
        found: Json = next(iter(answer["logs"]), {"text": "", "offset": 0, "next": 0})
        return found
