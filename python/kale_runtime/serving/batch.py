"""Requests that came together, answered each for itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kale_runtime.serving import inputs, outputs
from kale_runtime.serving.bundle import Bundle
from kale_runtime.serving.faults import described
from kale_runtime.serving.frames import Body
from kale_runtime.serving.tensors import numpy


@dataclass
class Task:
    """A request on its way: what it has come to, or what went wrong."""

    request: dict[str, Any]
    data: Any = None
    error: BaseException | None = None

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
        task.step(lambda _, task=task: prepared(bundle, task.request, body))
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
            told.append({"error": described(task.error)})
    clock.append(time.perf_counter())
    spans = (after - before for before, after in zip(clock, clock[1:], strict=False))
    seconds = dict(zip(("preprocess", "predict", "postprocess"), spans, strict=True))
    return {"kind": "answers", "answers": told, "seconds": seconds}, parts


def prepared(bundle: Bundle, request: dict[str, Any], body: Body) -> Any:
    data = inputs.sent(request, body)
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
    waiting = [task for task in tasks if task.error is None]
    if len(waiting) > 1 and bundle.is_batchable and (joined := together([task.data for task in waiting])) is not None:
        try:
            results = parted(bundle.predict(joined), [len(task.data) for task in waiting])
        except Exception:
            results = None
        if results is not None:
            for task, result in zip(waiting, results, strict=True):
                task.data = result
            return
    for task in waiting:
        task.step(bundle.predict)


def together(data: list[Any]) -> Any:
    """One value of several; nothing where they are not alike."""
    first = data[0]
    if any(type(one) is not type(first) for one in data):
        return None
    if isinstance(first, list):
        return [row for one in data for row in one]
    if numpy is not None and isinstance(first, numpy.ndarray):
        alike = first.ndim and all(one.dtype == first.dtype and one.shape[1:] == first.shape[1:] for one in data)
        return numpy.concatenate(data) if alike else None
    if hasattr(first, "columns") and hasattr(first, "iloc"):
        alike = all(list(one.columns) == list(first.columns) and list(one.dtypes) == list(first.dtypes) for one in data)
        import pandas

        return pandas.concat(data, ignore_index=True) if alike else None
    return None


def parted(result: Any, counts: list[int]) -> list[Any] | None:
    """What each has of a result; nothing where its rows are not theirs."""
    if isinstance(result, dict):
        columns = {name: parted(value, counts) for name, value in result.items()}
        if any(column is None for column in columns.values()):
            return None
        return [{name: column[number] for name, column in columns.items()} for number in range(len(counts))]  # type: ignore[index]
    if not hasattr(result, "__len__") or isinstance(result, (str, bytes)) or len(result) != sum(counts):
        return None
    rows = result.iloc if hasattr(result, "iloc") else result
    found, start = [], 0
    for count in counts:
        found.append(rows[start : start + count])
        start += count
    return found
