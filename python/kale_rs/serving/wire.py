"""What a service is asked, and what it answers: KServe's protocols over HTTP.

Arrays and tables travel as tensors (V2, with their bytes as they are), rows of anything else as JSON (V1). Answers are
read by shape and position: servers give outputs different names.
"""

from __future__ import annotations

import json
import struct
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kale_runtime.packing.signature import plain

from kale_rs.errors import ServiceError

#: As numpy calls them.
DATATYPES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}
PATIENCE = 300.0
LENGTH = struct.Struct("<I")


class Tensor(NamedTuple):
    name: str
    datatype: str
    shape: list[int]
    data: bytes


def tensors_of(data: Any, name: str) -> list[Tensor] | None:
    """An array or a table as tensors; None for what has no such form."""
    if is_of(data, "pandas", "DataFrame"):
        columns = [_tensor(str(column), data[column].to_numpy()) for column in data.columns]
        found = [tensor for tensor in columns if tensor is not None]
        return found if len(found) == len(columns) and found else None
    array = as_array(data)
    one = None if array is None else _tensor(name, array)
    return None if one is None else [one]


def as_array(data: Any) -> Any:
    """Arrays, and what libraries have in their place; None for anything else."""
    if is_of(data, "numpy", "ndarray"):
        return data if data.ndim else data.reshape(1)
    if hasattr(data, "detach"):
        return data.detach().cpu().numpy()
    if hasattr(data, "toarray"):
        return data.toarray()
    return data.to_numpy() if hasattr(data, "to_numpy") else None


def _tensor(name: str, array: Any) -> Tensor | None:
    datatype = DATATYPES.get(array.dtype.name)
    if datatype is not None:
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        return Tensor(name, datatype, list(array.shape), data)
    texts = array.ravel().tolist()
    if not all(isinstance(text, str) for text in texts):
        return None
    parts = [text.encode() for text in texts]
    return Tensor(name, "BYTES", list(array.shape), b"".join(LENGTH.pack(len(part)) + part for part in parts))


def rows_of(data: Any) -> list[Any]:
    """The rows of anything, as JSON has them."""
    if is_of(data, "pandas", "DataFrame"):
        columns = [str(column) for column in data.columns]
        return [dict(zip(columns, map(plain, row), strict=True)) for row in data.itertuples(index=False)]
    array = as_array(data)
    if array is not None:
        return [plain(row) for row in array.tolist()]
    if isinstance(data, dict):
        columns_of = {name: as_list(value) for name, value in data.items()}
        if columns_of and all(value is not None for value in columns_of.values()):
            return [
                dict(zip(map(str, data), map(plain, row), strict=True))
                for row in zip(*columns_of.values(), strict=True)
            ]
        return [plain(data)]
    return [plain(row) for row in data] if isinstance(data, list | tuple) else [plain(data)]


def as_list(value: Any) -> list[Any] | None:
    """A column; None for a single value."""
    array = as_array(value)
    if array is not None:
        return list(array.tolist())
    return list(value) if isinstance(value, list | tuple) else None


def is_of(value: object, library: str, name: str) -> bool:
    """Whether a value is of a class of a library, which is loaded then."""
    kind = getattr(sys.modules.get(library), name, None)
    return kind is not None and isinstance(value, kind)


class Client:
    """Asks one service. `token` is what it wants to be shown."""

    def __init__(self, url: str, name: str, token: str | None) -> None:
        self.url, self.name, self.token = url, name, token

    def infer(self, tensors: list[Tensor]) -> Any:
        """Ask by V2, with binary data: one output is an array, several are arrays by name."""
        inputs = [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": one.shape,
                "parameters": {"binary_data_size": len(one.data)},
            }
            for one in tensors
        ]
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        body, told = self.post(f"/v2/models/{self.name}/infer", head + b"".join(one.data for one in tensors), headers)
        size = int(told.get("Inference-Header-Content-Length") or len(body))
        outputs, at, found = json.loads(body[:size])["outputs"], size, {}
        for output in outputs:
            bytes = (output.get("parameters") or {}).get("binary_data_size")
            data = output.get("data") if bytes is None else body[at : at + bytes]
            at += bytes or 0
            found[output["name"]] = _array(output, data)
        return next(iter(found.values())) if len(found) == 1 else found

    def predict(self, rows: list[Any]) -> Any:
        """Ask by V1: an answer for each row."""
        body = json.dumps({"instances": rows}, allow_nan=False).encode()
        answer, _ = self.post(f"/v1/models/{self.name}:predict", body, {"Content-Type": "application/json"})
        return json.loads(answer)["predictions"]

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[bytes, Any]:
        return self.ask("POST", path, body, headers)

    def get(self, path: str) -> bytes:
        return self.ask("GET", path, None, {})[0]

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[bytes, Any]:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=PATIENCE)
        if self.token:
            headers = headers | {"Authorization": f"Bearer {self.token}"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text, told, status = answer.read(), answer.headers, answer.status
        except (OSError, HTTPException) as error:
            raise ServiceError(
                f"`{self.name}` at {self.url} does not answer: {error or type(error).__name__}",
                "it may have been stopped: serve it again",
            ) from None
        finally:
            connection.close()
        if status != 200:
            raise fault(self.name, status, text)
        return text, told


def _array(output: dict[str, Any], data: Any) -> Any:
    """By shape."""
    import numpy
    from kale_runtime.serving.tensors import TYPES, texts

    datatype, shape = output["datatype"], output["shape"]
    if datatype == "BYTES":
        values = texts(data) if isinstance(data, bytes) else data
        return numpy.array(values, dtype=object if any(not isinstance(one, str) for one in values) else None).reshape(
            shape
        )
    if isinstance(data, bytes):
        return numpy.frombuffer(data, dtype=TYPES[datatype]).reshape(shape).copy()
    return numpy.array(data, dtype=TYPES[datatype]).reshape(shape)


def fault(name: str, status: int, text: bytes) -> ServiceError:
    """What a server says went wrong, as an exception."""
    try:
        told = json.loads(text)
        message, kind, traceback = str(told["error"]), told.get("type"), told.get("traceback")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, kind, traceback = text.decode(errors="replace").strip() or "no reason was given", None, None
    return ServiceError(f"`{name}` answers {status}: {message}", status=status, type=kind, traceback=traceback)
