"""Rows of a variable of the kernel, for the panel: it has no values, and the kernel sends them to the service."""

from __future__ import annotations

import re
import sys
from typing import Any

from kale_rs.errors import UsageError
from kale_rs.serving import wire

_RANGE = re.compile(r"\s*(?:(-?\d+)|(-?\d*)\s*:\s*(-?\d*))\s*")
#: What has rows; objects of others are not looked at, since a look could run their code.
_LIBRARIES = ("numpy", "pandas", "polars", "scipy", "torch")
#: Variables that are offered, at most.
MOST = 200


def variables() -> list[dict[str, Any]]:
    """The notebook's variables that have rows, by name."""
    found = []
    for name, value in sorted(sys.modules["__main__"].__dict__.copy().items()):
        if not name.startswith("_") and name not in ("In", "Out") and (count := _count(value)):
            found.append({"name": name, "type": type(value).__name__, "rows": count})
    return found[:MOST]


def _count(value: object) -> int | None:
    kind = type(value)
    if not issubclass(kind, list | tuple) and kind.__module__.partition(".")[0] not in _LIBRARIES:
        return None
    try:
        shape = getattr(value, "shape", None)
        return len(value) if shape is None else int(shape[0])  # type: ignore[arg-type]
    except Exception:
        return None


def of_variable(name: str, rows: str) -> list[Any]:
    """Rows of a variable, such as `0:3`, as a service is sent them."""
    names = sys.modules["__main__"].__dict__
    if name not in names:
        raise UsageError(f"there is no variable `{name}` in the kernel", "name a variable that a cell has bound")
    part, value = _slice(rows), names[name]
    if isinstance(value, dict):
        value = {key: column if wire.as_list(column) is None else column[part] for key, column in value.items()}
        return wire.rows_of(value)
    try:
        return wire.rows_of(value.iloc[part] if hasattr(value, "iloc") else value[part])
    except Exception as error:
        raise UsageError(
            f"`{name}`, a `{type(value).__name__}`, has no rows {rows or ':'}: {type(error).__name__}: {error}",
            "choose an array, a table or a list",
        ) from None


def _slice(rows: str) -> slice:
    found = _RANGE.fullmatch(rows or ":")
    if found is None:
        raise UsageError(f"`{rows}` names no rows", "write `0:3` for the first three, `:` for all, or one's number")
    one, begin, end = found.groups()
    if one is not None:
        number = int(one)
        return slice(number, number + 1 or None)
    return slice(int(begin) if begin else None, int(end) if end else None)
