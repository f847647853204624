"""The loop of a worker: a frame of requests comes in, a frame of answers goes out."""

from __future__ import annotations

import functools
import gc
import json
import os
import platform
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kale_runtime.serving import batch, outputs
from kale_runtime.serving.bundle import Bundle
from kale_runtime.serving.faults import BadInput, described
from kale_runtime.serving.frames import Channel
from kale_runtime.serving.tensors import decoded


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    predictor = arguments[arguments.index("--predictor") + 1] if "--predictor" in arguments else None
    load = functools.partial(Bundle.load, folder, predictor, "--model-only" in arguments)
    return once(load) if "--once" in arguments else serve(load)


def serve(load: Callable[[], Bundle]) -> int:
    end = server()
    channel = Channel(end)
    begun = time.perf_counter()
    try:
        bundle = load()
    except BaseException as error:
        channel.send({"kind": "failed", "error": described(error)}, [])
        return 1
    # What has been made so far is there to stay: nobody looks through it for garbage again.
    gc.collect()
    gc.freeze()
    threading.Thread(target=end_with, args=(end,), daemon=True).start()
    seconds = time.perf_counter() - begun
    channel.send({"kind": "ready", "python": platform.python_version(), "seconds": seconds, "pid": os.getpid()}, [])
    own = os.getpid()
    while (frame := channel.receive()) is not None:
        head, body = frame
        answers = batch.answers(bundle, head["requests"], body)
        if os.getpid() != own:
            os._exit(0)  # a fork of user code that has come back: the first is the one that answers
        channel.send(*answers)
    return 0


def server() -> socket.socket:
    """The server's end of what is our standard input, which is nobody else's from now on."""
    end = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return end


def end_with(end: socket.socket) -> None:
    """Nothing of a server outlives it, also where it was killed while the model was at work."""
    poll = select.poll()
    poll.register(end, 0)
    poll.poll()
    time.sleep(1)
    os._exit(1)


def once(load: Callable[[], Bundle]) -> int:
    """One request of standard input, answered on standard output; what the user's code prints goes elsewhere."""
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        bundle = load()
        text = sys.stdin.buffer.read()
        told = predictions(bundle, json.loads(text) if text.strip() else bundle.about.get("example"))
    except BaseException as error:
        told = {"error": described(error)}
    answer_to.write(outputs.written(told) + "\n")
    answer_to.close()
    return 1 if "error" in told else 0


def predictions(bundle: Bundle, asked: Any) -> dict[str, Any]:
    """What the server would answer to a request of protocol V1, without one: `{"predictions"}` or `{"error"}`."""
    if not isinstance(asked, dict) or not isinstance(asked.get("instances"), list):
        return {"error": described(BadInput('a request is an object with `"instances"`: a list of rows'))}
    instances = json.dumps(asked["instances"]).encode()
    request = {"id": "once", "protocol": "v1", "instances": {"json": len(instances)}}
    head, parts = batch.answers(bundle, [request], memoryview(bytearray(instances)))
    answer = head["answers"][0]
    if "error" in answer:
        return {"error": answer["error"]}
    if "json" in answer:
        return {"predictions": json.loads(parts[0])}
    tensor = answer["outputs"][0]
    return {"predictions": outputs.rows(decoded(tensor["datatype"], tensor["shape"], memoryview(parts[0])))}
