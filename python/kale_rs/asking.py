"""How the functions of `kale_rs` ask their verbs: what they are given, as requests have it."""

from __future__ import annotations

import json
import math
import operator
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kale_rs import results
from kale_rs.errors import UsageError

if TYPE_CHECKING:
    from kale_rs.progress import Progress

Path = str | os.PathLike[str]


def current_notebook() -> str:
    """The notebook of the kernel that we run in, as its editor tells."""
    jupyter = os.environ.get("JPY_SESSION_NAME", "")
    if jupyter.endswith(".ipynb") and os.path.exists(jupyter):
        return jupyter
    ipython = shell()
    code = ipython.user_ns.get("__vsc_ipynb_file__") if ipython is not None else None
    if isinstance(code, str) and os.path.exists(code):
        return code
    raise UsageError("no notebook given, and this is no kernel of a saved one", "give the notebook's path")


def shell() -> Any:
    """The IPython of this process, if it has one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def source(notebook: Path | None, granularity: str | None, python: Path | None) -> dict[str, Any]:
    path = current_notebook() if notebook is None else os.fspath(notebook)
    return {"notebook": path, "granularity": granularity, "python": text(python)}


def text(path: Path | None) -> str | None:
    return None if path is None else os.fspath(path)


def values(parameters: Mapping[str, object] | None) -> dict[str, object]:
    """Parameters that are given as values, and not as texts that the declared types read."""
    return {"values": {name: value(name, each) for name, each in (parameters or {}).items()}}


def value(name: str, value: object) -> object:
    """A parameter's value as JSON has it. Numbers of numpy are numbers, and those that are none have names."""
    if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
        value = value.item()  # type: ignore[attr-defined]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        raise UsageError(
            f"parameter `{name}` cannot be this `{kind}`: {error}",
            "give a number, a text, True, False, None, or lists and dicts of these",
        ) from None
    if (beyond := _beyond_64_bits(value)) is not None:
        raise UsageError(
            f"parameter `{name}` cannot hold {beyond}: an integer of a parameter has 64 bits",
            "give a float, or a str that the notebook makes an int of",
        )
    return value


def _beyond_64_bits(value: object) -> int | None:
    """An integer in a value that JSON's readers would round."""
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**64 else value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return next((found for found in map(_beyond_64_bits, inner) if found is not None), None)


def whole(name: str, value: Any) -> int | None:
    """A whole number, also one of numpy's."""
    if value is None:
        return None
    try:
        found = operator.index(value)
    except TypeError:
        found = -1
    if not 0 <= found < 2**63:
        raise UsageError(f"`{name}` is a whole number, not {value!r}", f"write `{name}=2`")
    return int(found)


def number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise UsageError(f"`{name}` is a number, not {value!r}", f"write `{name}=0.5`")
    return found


def run_id(run: str | results.Run) -> str:
    if isinstance(run, str):
        return run
    if run.run_id is None:
        raise UsageError("this run was never started, so it is not in the store", "look at its `.diagnostics`")
    return run.run_id


def one_of(name: str, value: str, values: tuple[str, ...]) -> str:
    if value not in values:
        raise UsageError(f"`{name}` cannot be {value!r}", f"use {', '.join(map(repr, values))}")
    return value


def progress(wanted: bool) -> Progress | None:
    if not wanted:
        return None
    from kale_rs.progress import Progress

    return Progress()


def cancels_on_interrupt() -> bool:
    """Ctrl-C in a terminal cancels a run; interrupting (or losing) a kernel must not."""
    from kale_rs.progress import in_kernel

    return not in_kernel()
