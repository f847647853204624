"""Tensors as bytes, and as arrays. Without numpy they are nested lists."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

#: By datatype of the protocol: numpy's name, and the letter of `struct`.
DATATYPES = {
    "BOOL": ("bool", "?"),
    "UINT8": ("uint8", "B"),
    "UINT16": ("uint16", "H"),
    "UINT32": ("uint32", "I"),
    "UINT64": ("uint64", "Q"),
    "INT8": ("int8", "b"),
    "INT16": ("int16", "h"),
    "INT32": ("int32", "i"),
    "INT64": ("int64", "q"),
    "FP16": ("float16", "e"),
    "FP32": ("float32", "f"),
    "FP64": ("float64", "d"),
}
TYPES: dict[str, Any] = {}
if numpy is not None:
    #: Made once: numpy takes its time to find a type by its name.
    TYPES = {datatype: numpy.dtype(name).newbyteorder("<") for datatype, (name, _) in DATATYPES.items()}
    BY_TYPE = {kind.str: datatype for datatype, kind in TYPES.items()}
LENGTH = struct.Struct("<I")


def decoded(datatype: str, shape: list[int], memory: memoryview) -> Any:
    """An array, over the memory itself. Text is a list of strings (or bytes, where it is no UTF-8)."""
    if datatype == "BYTES":
        elements = texts(memory)
        if len(shape) == 1:
            return elements
        if numpy is None:
            return nested(elements, shape)
        array = numpy.empty(len(elements), dtype=object)
        array[:] = elements
        return array.reshape(shape)
    if numpy is None:
        letter = DATATYPES[datatype][1]
        return nested(list(struct.unpack(f"<{math.prod(shape)}{letter}", memory)), shape)
    return numpy.frombuffer(memory, TYPES[datatype]).reshape(shape)


def texts(memory: bytes | memoryview) -> list[Any]:
    elements: list[Any] = []
    position = 0
    while position < len(memory):
        (length,) = LENGTH.unpack_from(memory, position)
        position += LENGTH.size
        element = bytes(memory[position : position + length])
        position += length
        try:
            elements.append(element.decode())
        except UnicodeDecodeError:
            elements.append(element)
    return elements


def nested(flat: list[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    for length in reversed(shape[1:]):
        flat = [flat[start : start + length] for start in range(0, len(flat), length)] if length else []
    return flat


def encoded(array: Any) -> tuple[str, list[int], bytes] | None:
    """Datatype, shape and bytes of an array of numpy's; nothing where it has none of the protocol's types."""
    datatype = BY_TYPE.get(array.dtype.str)
    if datatype is not None:
        return datatype, list(array.shape), array.tobytes()
    if array.dtype.str.startswith(">") and array.dtype.kind in "iuf":
        return encoded(array.astype(array.dtype.newbyteorder("<")))
    if array.dtype.kind in "OSUMm":
        parts = [as_bytes(element) for element in array.ravel().tolist()]
        return "BYTES", list(array.shape), b"".join(LENGTH.pack(len(part)) + part for part in parts)
    return None


def as_bytes(element: Any) -> bytes:
    return element if isinstance(element, bytes) else str(element).encode()
