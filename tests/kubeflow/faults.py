"""What can go wrong on the way to a server and back: ways for a `Fault` of `server.py`."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Handler

#: More than a client that has given up hope makes.
LOOKS_BEFORE_DONE = 5


def status(number: int, body: str, kind: str = "application/json", **headers: str):
    return lambda handler, text: handler.send(number, body, kind, **headers)


def drop(handler: Handler, text: str) -> None:
    """The connection is gone without a word."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def truncate(handler: Handler, text: str) -> None:
    """A proxy that cuts an answer short, and says that it is whole."""
    handler.send(200, text[: len(text) // 2])


def break_off(handler: Handler, text: str) -> None:
    """The connection is gone in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text[: len(text) // 2].encode())
    drop(handler, text)


def late(way: Callable[[Handler, str], None], looks: int = LOOKS_BEFORE_DONE) -> Callable[[Handler, str], None]:
    """What carries the request gives up, in some way; the server does not, and is done after some looks for what it
    makes. To be used `before`."""

    def give_up(handler: Handler, text: str) -> None:
        kubeflow, request = handler.kubeflow, handler.kubeflow.requests[-1]
        asked = len(kubeflow.requests) + looks

        def finish() -> None:
            while len(kubeflow.requests) < asked and not kubeflow.ended.wait(0.005):
                pass
            with kubeflow.lock:
                handler.carry_out(request)

        threading.Thread(target=finish, daemon=True).start()
        way(handler, text)

    return give_up


def never_answer(handler: Handler, text: str) -> None:
    """Nothing comes until the test ends."""
    handler.kubeflow.ended.wait()
    handler.close_connection = True


def drip(handler: Handler, text: str) -> None:
    """An answer that comes drop by drop, until nobody waits for it any more."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        while not handler.kubeflow.ended.wait(0.02):
            handler.wfile.write(b" ")


def flood(handler: Handler, text: str) -> None:
    """An answer without end."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * (1 << 20))


#: What may go well the next time.
PASSING = {
    "500": status(500, '{"code": 13, "message": "Internal error"}'),
    "503": status(503, "no healthy upstream", "text/plain"),
    "503 after a reset": status(503, "upstream connect error or disconnect/reset before headers", "text/plain"),
    "504": status(504, "upstream request timeout", "text/plain"),
    "429": status(429, "slow down", "text/plain", Retry_After="0"),
    "dropped": drop,
    "broken off": break_off,
    "truncated": truncate,
}
