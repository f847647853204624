"""From what the model (or `postprocess`) says to an answer: tensors, or JSON where it is none."""

from __future__ import annotations

import json
import math
from typing import Any

from kale_runtime.serving.tensors import LENGTH, encoded, numpy

#: An answer's head, and its part of the body.
Answer = tuple[dict[str, Any], list[bytes]]


def answer_of(result: Any, request: dict[str, Any], names: list[str]) -> Answer:
    result = _array(result)
    if request["protocol"] == "v2":
        tensors, parts = tensors_of(result, names)
        return {"outputs": tensors}, parts
    if numpy is not None and isinstance(result, numpy.ndarray):
        # JSON has no half precision, and the server none to write.
        result = result.astype("float32") if result.dtype == "float16" else result
        found = encoded(result) if result.dtype.kind in "biuf" else None
        if found is not None:
            return {"outputs": [_tensor("predictions", found)]}, [found[2]]
    text = written(rows(result)).encode()
    return {"json": len(text)}, [text]


def _array(result: Any) -> Any:
    """Series, tensors of libraries and single values of numpy's as arrays; all else as it is."""
    if numpy is None or isinstance(result, numpy.ndarray) or hasattr(result, "columns"):
        return result
    if hasattr(result, "detach"):
        result = result.detach().cpu()
    if hasattr(result, "toarray"):
        return result.toarray()
    return numpy.asarray(result) if hasattr(result, "__array__") else result


# --- V2: tensors ----------------------------------------------------------------------------------------------------


def tensors_of(result: Any, names: list[str]) -> tuple[list[dict[str, Any]], list[bytes]]:
    result = _array(result)
    if hasattr(result, "columns"):
        found = {str(name): result[name].to_numpy() for name in result.columns}
    elif isinstance(result, dict):
        found = {str(name): value for name, value in result.items()}
    elif isinstance(result, tuple):
        found = {f"output-{number}": value for number, value in enumerate(result)}
    else:
        found = {"output-0": result}
    if len(names) == len(found) and not hasattr(result, "columns"):
        found = dict(zip(names, found.values(), strict=True))
    tensors, parts = [], []
    for name, value in found.items():
        tensor = _encoded(value)
        tensors.append(_tensor(name, tensor))
        parts.append(tensor[2])
    return tensors, parts


def _tensor(name: str, tensor: tuple[str, list[int], bytes]) -> dict[str, Any]:
    datatype, shape, memory = tensor
    return {"name": name, "datatype": datatype, "shape": shape, "size": len(memory)}


def _encoded(value: Any) -> tuple[str, list[int], bytes]:
    value = _array(value)
    if numpy is not None:
        if not isinstance(value, numpy.ndarray):
            value = _made_array(value)
        if value.dtype.kind in "Mm":
            value = value.astype(str)
        found = encoded(value if value.ndim else value.reshape(1)) if value.dtype.kind != "O" else None
        if found is not None:
            return found
        flat, shape = value.ravel().tolist(), list(value.shape) or [1]
    else:
        flat = list(value) if isinstance(value, (list, tuple)) else [value]
        shape = [len(flat)]
    parts = [_element(element) for element in flat]
    return "BYTES", shape, b"".join(LENGTH.pack(len(part)) + part for part in parts)


def _made_array(value: Any) -> Any:
    """Lists of anything but numbers and strings are one element each."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if not any(isinstance(item, (dict, str, bytes, type(None))) for item in items):
        try:
            return numpy.array(items)
        except ValueError:
            pass
    made = numpy.empty(len(items), dtype=object)
    made[:] = items
    return made


def _element(element: Any) -> bytes:
    if isinstance(element, bytes):
        return element
    if isinstance(element, (dict, list, tuple)):
        return written(rows(element)).encode()
    return str(element).encode()


# --- V1: JSON -------------------------------------------------------------------------------------------------------


def rows(value: Any) -> Any:
    """As JSON knows it: a table is its rows, an array nested lists."""
    value = _array(value)
    if hasattr(value, "columns"):
        return [{str(name): rows(one) for name, one in row.items()} for row in value.to_dict(orient="records")]
    if isinstance(value, dict):
        return {str(name): rows(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [rows(one) for one in value]
    if numpy is not None and isinstance(value, numpy.ndarray):
        plain = value.astype(str) if value.dtype.kind in "Mm" else value
        return rows(plain.tolist())
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or isinstance(value, (str, int, bool, float)):
        return value
    if _is_nothing(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _is_nothing(value: Any) -> bool:
    """What pandas has in place of a time, or of anything."""
    try:
        return bool(value != value)
    except Exception:
        return type(value).__name__ == "NAType"


def written(value: Any) -> str:
    """What JSON has no number for is null, as in KServe."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value
