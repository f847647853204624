"""What the server and its worker say to each other.

    length of the head (u32) | length of the body (u64) | head: JSON | body: tensors

Both lengths are little-endian. Each tensor begins at a multiple of 8 bytes from the start of the body, and the head is
filled up with spaces so that the body begins at one, too: arrays are made of the frame's own memory.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

LENGTHS = struct.Struct("<IQ")
#: One read has all of an ordinary frame.
ONE_READ = 1 << 16
ALIGNMENT = 8
#: Made once: `json.dumps` makes one for every call.
ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Channel:
    """The worker's end."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def receive(self) -> tuple[Any, memoryview] | None:
        """The next frame, or nothing once the server is gone. The memory is the caller's to change."""
        received = bytearray(self.end.recv(ONE_READ))
        while len(received) < LENGTHS.size:
            more = self.end.recv(ONE_READ)
            if not more:
                return None
            received += more
        head, body = LENGTHS.unpack_from(received)
        start = LENGTHS.size + head
        if len(received) < start + body:
            received = self._rest(received, start + body)
        view = memoryview(received)
        return json.loads(received[LENGTHS.size : start].decode()), view[start:]

    def _rest(self, received: bytearray, size: int) -> bytearray:
        whole = bytearray(size)
        whole[: len(received)] = received
        view, filled = memoryview(whole), len(received)
        while filled < size:
            count = self.end.recv_into(view[filled:])
            if not count:
                raise EOFError("the server has gone in the middle of a frame")
            filled += count
        return whole

    def send(self, head: dict[str, Any], parts: list[bytes]) -> None:
        text = ENCODE(head).encode()
        text += b" " * (-(LENGTHS.size + len(text)) % ALIGNMENT)
        body = padded(parts)
        self.end.sendall(b"".join([LENGTHS.pack(len(text), sum(map(len, body))), text, *body]))


def padded(parts: list[bytes]) -> list[bytes]:
    """With zeros between them, so that each begins where it should."""
    result = []
    for part in parts:
        result.append(part)
        if len(part) % ALIGNMENT:
            result.append(bytes(-len(part) % ALIGNMENT))
    return result


class Body:
    """The tensors of a frame, one after the other."""

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory
        self.position = 0

    def take(self, size: int) -> memoryview:
        start = self.position
        self.position += size + (-size % ALIGNMENT)
        return self.memory[start : start + size]
