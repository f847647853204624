"""Requests that came together, answered each for itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kale_runtime.serving import inputs, joining, outputs
from kale_runtime.serving.bundle import Bundle
from kale_runtime.serving.faults import BadInput, described
from kale_runtime.serving.frames import Body


@dataclass
class Task:
    """A request on its way: what it has come to, or what went wrong."""

    request: dict[str, Any]
    data: Any = None
    error: BaseException | None = None
    #: Nobody has been asked about.
    is_empty: bool = False

    def step(self, function: Callable[[Any], Any]) -> None:
        if self.error is None:
            try:
                self.data = function(self.data)
            except Exception as error:
                self.error = error
            except SystemExit as error:
                # Of the user's: the process goes on.
                self.error = RuntimeError(f"SystemExit: {error}")


def answers(bundle: Bundle, requests: list[dict[str, Any]], memory: memoryview) -> tuple[dict[str, Any], list[bytes]]:
    """The head and the body of the frame that answers these."""
    clock = [time.perf_counter()]
    body = Body(memory)
    tasks = [Task(request) for request in requests]
    for task in tasks:
        task.step(lambda _, task=task: taken(bundle, task, body))
    clock.append(time.perf_counter())
    predict(bundle, tasks)
    clock.append(time.perf_counter())
    told: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for task in tasks:
        answered(bundle, task)
        if task.error is None:
            told.append(task.data[0])
            parts += task.data[1]
        else:
            told.append({"error": described(refused(task.error) if task.is_empty else task.error)})
    clock.append(time.perf_counter())
    spans = (after - before for before, after in zip(clock, clock[1:], strict=False))
    seconds = dict(zip(("preprocess", "predict", "postprocess"), spans, strict=True))
    return {"kind": "answers", "answers": told, "seconds": seconds}, parts


def taken(bundle: Bundle, task: Task, body: Body) -> Any:
    data = inputs.sent(task.request, body)
    task.is_empty = inputs.is_empty(data)
    return prepared(bundle, data, task.request)


def refused(error: BaseException) -> BaseException:
    """Some models answer no rows with no answers; what others say of them is not their fault."""
    what = "" if isinstance(error, BadInput) else f"{type(error).__name__}: "
    return BadInput(f"the request has no rows, which the model does not take: {what}{error}")


def prepared(bundle: Bundle, data: Any, request: dict[str, Any]) -> Any:
    # What the signature says is what the first of the chain takes: `preprocess`, else the model.
    if bundle.preprocess is None:
        return inputs.prepared(data, request, bundle.signature)
    if bundle.signature.get("container"):
        data = inputs.prepared(data, request, bundle.signature)
    return bundle.preprocess(data)


def answered(bundle: Bundle, task: Task) -> None:
    """What the model said as what is sent."""
    names = [output["name"] for output in bundle.signature.get("outputs") or []]
    if bundle.postprocess is not None:
        task.step(bundle.postprocess)
    task.step(lambda data: outputs.answer_of(data, task.request, names))


def predict(bundle: Bundle, tasks: list[Task]) -> None:
    """Together where they fit together, else each alone; a fault of one is not a fault of the others."""
    for group in grouped([task for task in tasks if task.error is None]):
        if len(group) == 1 or not predicted_together(bundle, group):
            for task in group:
                task.step(bundle.predict)


def grouped(tasks: list[Task]) -> list[list[Task]]:
    """Those together that are alike."""
    if len(tasks) < 2:
        return [tasks] if tasks else []
    groups: dict[Any, list[Task]] = {}
    for task in tasks:
        try:
            found = joining.kind(task.data)
        except Exception:
            found = None  # of the user's own making
        groups.setdefault(id(task) if found is None else found, []).append(task)
    return list(groups.values())


def predicted_together(bundle: Bundle, tasks: list[Task]) -> bool:
    data = [task.data for task in tasks]
    try:
        results = joining.parted(bundle.predict(joining.joined(data)), data)
    except (Exception, SystemExit):
        return False
    if results is None:
        return False
    for task, result in zip(tasks, results, strict=True):
        task.data = result
    return True
