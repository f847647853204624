"""Rows of several requests as one value for the model, and what it says of them as each request's own.

Only what is alike goes together: of the same types and the same shape but for the number of rows. Else what a request
is answered would depend on who else asks at that moment: whole numbers become others beside numbers with a point.
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable
from typing import Any

from kale_runtime.serving.tensors import numpy


def kind(data: Any) -> Hashable | None:
    """What values that go together have in common; nothing where a value only goes alone."""
    if isinstance(data, dict):
        kinds = tuple((name, kind(value)) for name, value in data.items())
        whole = kinds and all(one is not None for _, one in kinds) and len(set(map(count, data.values()))) == 1
        return (dict, kinds) if whole else None
    if not count(data):
        return None
    if type(data) is list:
        return (list, frozenset(map(leaf, data)))
    if is_frame(data):
        return (type(data), tuple(data.columns), tuple(data.dtypes))
    if numpy is not None and type(data) is numpy.ndarray:
        elements = frozenset(map(leaf, data.ravel().tolist())) if data.dtype.kind == "O" else None
        return (numpy.ndarray, data.dtype.str, data.shape[1:], elements)
    if is_tensor(data) or is_sparse(data):
        return (type(data), str(data.dtype), tuple(data.shape[1:]), str(getattr(data, "device", "")))
    return None


def count(data: Any) -> int:
    """How many rows; 0 where it has none, or where nobody knows."""
    if isinstance(data, dict):
        return count(next(iter(data.values()), None))
    if type(data) is list:
        return len(data)
    shape = getattr(data, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else 0


def leaf(value: Any) -> Hashable:
    """What decides about the type of an array that has it."""
    if isinstance(value, (list, tuple)):
        return (type(value), len(value), frozenset(map(leaf, value)))
    if isinstance(value, dict):
        return (dict, tuple((name, leaf(one)) for name, one in value.items()))
    if type(value) is int:
        return (int, value.bit_length() > 63)
    return (type(value), str(getattr(value, "dtype", "")), tuple(getattr(value, "shape", ())))


def joined(values: list[Any]) -> Any:
    """One value of several of one kind."""
    first = values[0]
    if isinstance(first, dict):
        return {name: joined([value[name] for value in values]) for name in first}
    if type(first) is list:
        return [row for value in values for row in value]
    if is_frame(first):
        return importlib.import_module("pandas").concat(values, ignore_index=True)
    if is_tensor(first):
        return importlib.import_module("torch").cat(values)
    if is_sparse(first):
        return importlib.import_module("scipy.sparse").vstack(values, format=first.format)
    return numpy.concatenate(values)


def parted(result: Any, values: list[Any]) -> list[Any] | None:
    """What is said of each of the values; nothing where its rows are not theirs, or could as well be something else."""
    counts = [count(value) for value in values]
    if isinstance(result, (dict, tuple)) and type(result) in (dict, tuple):
        columns = [parted(column, values) for column in (result.values() if isinstance(result, dict) else result)]
        if not columns or any(column is None for column in columns):
            return None
        rows: list[Any] = list(zip(*columns, strict=True))  # type: ignore[arg-type]
        return [dict(zip(result, row, strict=True)) for row in rows] if isinstance(result, dict) else rows
    if hasattr(result, "iloc"):
        return _parted_pandas(result, values, counts)
    is_list = type(result) is list
    if not is_list and not is_tensor(result) and not (numpy is not None and isinstance(result, numpy.ndarray)):
        return None
    if (len(result) if is_list else count(result)) != sum(counts):
        return None
    # As many outputs as there are rows would look like that, too.
    within = set(map(_length, result)) if is_list else set(result.shape[1:2])
    return None if within == {sum(counts)} else _slices(result, counts)


def _length(row: Any) -> int:
    return len(row) if isinstance(row, (list, tuple)) else count(row)


def _slices(rows: Any, counts: list[int]) -> list[Any]:
    found, start = [], 0
    for length in counts:
        found.append(rows[start : start + length])
        start += length
    return found


def _parted_pandas(result: Any, values: list[Any], counts: list[int]) -> list[Any] | None:
    """Each with the index that it would have had alone."""
    pandas = importlib.import_module("pandas")
    if not result.index.equals(pandas.RangeIndex(sum(counts))):
        return None
    indices = (
        value.index if is_frame(value) else pandas.RangeIndex(length)
        for value, length in zip(values, counts, strict=True)
    )
    return [part.set_axis(index) for part, index in zip(_slices(result.iloc, counts), indices, strict=True)]


def is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "iloc")


def is_tensor(value: Any) -> bool:
    return hasattr(value, "detach") and hasattr(value, "is_floating_point")


def is_sparse(value: Any) -> bool:
    return hasattr(value, "toarray") and hasattr(value, "format") and len(value.shape) == 2
