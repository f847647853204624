"""What is told of what goes wrong."""

from __future__ import annotations

import os
import traceback
from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))


class BadInput(Exception):
    """The request does not have what the model takes: its sender can put that right."""


def described(error: BaseException) -> dict[str, Any]:
    """An exception as the server tells it. Frames of ours say nothing to the user."""
    if isinstance(error, BadInput):
        return {"status": 400, "type": "BadInput", "message": str(error), "traceback": None}
    trace = traceback.TracebackException.from_exception(error)
    _without_ours(trace)
    message = str(error) or type(error).__name__
    return {"status": 500, "type": type(error).__name__, "message": message, "traceback": "".join(trace.format())}


def _without_ours(trace: traceback.TracebackException) -> None:
    kept = [frame for frame in trace.stack if not os.path.abspath(frame.filename).startswith(FOLDER)]
    trace.stack = traceback.StackSummary.from_list(kept)
    for inner in (trace.__cause__, trace.__context__):
        if inner is not None:
            _without_ours(inner)
