"""From a request to what the model takes.

What the signature does not say is as in KServe: rows are an array, rows of dicts a DataFrame, strings a list.
"""

from __future__ import annotations

import json
from typing import Any

from kale_runtime.serving.faults import BadInput
from kale_runtime.serving.frames import Body
from kale_runtime.serving.tensors import TYPES, decoded, numpy


def taken(tensor: dict[str, Any], body: Body) -> Any:
    return decoded(tensor["datatype"], tensor["shape"], body.take(tensor["size"]))


def sent(request: dict[str, Any], body: Body) -> Any:
    """The data as it was sent: what `preprocess` gets."""
    if request["protocol"] == "v2":
        tensors = {one["name"]: taken(one, body) for one in request["inputs"]}
        return next(iter(tensors.values())) if len(tensors) == 1 else tensors
    instances = request["instances"]
    if "json" not in instances:
        return taken(instances, body)
    try:
        return json.loads(bytes(body.take(instances["json"])))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"`instances` cannot be read: {error}") from None


def is_empty(data: Any) -> bool:
    """Whether what was sent has no rows."""
    parts = data.values() if isinstance(data, dict) else [data]
    return all(part == [] if isinstance(part, list) else getattr(part, "shape", (1,))[:1] == (0,) for part in parts)


def prepared(data: Any, request: dict[str, Any], signature: dict[str, Any]) -> Any:
    """What the model takes, of data that no `preprocess` has seen."""
    if request["protocol"] == "v2":
        return _of_tensors(data, request, signature)
    if isinstance(data, list):
        data = _of_json(data, signature)
    return _contained(data, signature)


def _of_json(rows: list[Any], signature: dict[str, Any]) -> Any:
    if rows and (isinstance(rows[0], dict) or (isinstance(rows[0], list) and rows[0] and isinstance(rows[0][0], dict))):
        return _frame_of_dicts(rows)
    if rows and isinstance(rows[0], str):
        return rows
    if signature.get("container") == "list" or numpy is None:
        return rows
    if signature.get("container") == "dataframe" and rows and isinstance(rows[0], list):
        return _pandas().DataFrame(_rectangle(rows, signature))
    return array(rows)


def _frame_of_dicts(rows: list[Any]) -> Any:
    """Rows by name: one dict each, or (as KServe has it) dicts of columns, or lists of dicts."""
    pandas = _pandas()
    try:
        if all(isinstance(row, dict) and not any(isinstance(value, list) for value in row.values()) for row in rows):
            return pandas.DataFrame.from_records(rows)
        return pandas.concat([pandas.DataFrame(row if isinstance(row, (dict, list)) else [row]) for row in rows])
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"the rows do not make a table: {error}") from None


def array(rows: list[Any]) -> Any:
    if numpy is None:
        return rows
    try:
        return numpy.array(rows)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"the rows do not make an array: {error}") from None


def _rectangle(rows: list[Any], signature: dict[str, Any]) -> list[Any]:
    columns = signature.get("columns") or []
    for number, row in enumerate(rows):
        if not isinstance(row, list) or (columns and len(row) != len(columns)):
            count = len(row) if isinstance(row, list) else 0
            raise BadInput(f"instance {number} has {_columns(count)}, and the model takes {_wanted(columns)}")
    return rows


def _of_tensors(data: Any, request: dict[str, Any], signature: dict[str, Any]) -> Any:
    columns = [column["name"] for column in signature.get("columns") or []]
    container = signature.get("container")
    given = request["inputs"]
    wants_table = container == "dataframe" or (request.get("parameters") or {}).get("content_type") == "pd"
    if len(given) == 1:
        name = given[0]["name"]
        if wants_table and len(given[0]["shape"]) == 1 and (not columns or columns == [name]):
            return _contained(_pandas().DataFrame({name: data}), signature)
        return _contained(data, signature)
    if wants_table or (columns and container == "array"):
        return _contained(_frame_of_columns(data), signature)
    if len(signature.get("inputs") or []) > 1 and not columns:
        return data
    raise BadInput(f"the model takes one input, and the request has {len(given)}: {', '.join(data)}")


def _frame_of_columns(data: dict[str, Any]) -> Any:
    columns = {}
    for name, value in data.items():
        flat = value if isinstance(value, list) else value.reshape(len(value), -1) if value.ndim else None
        if flat is None or (not isinstance(flat, list) and flat.shape[1] != 1):
            raise BadInput(f"input `{name}` is to be one column: a shape like [3] or [3, 1]")
        columns[name] = flat if isinstance(flat, list) else flat[:, 0]
    if len({len(column) for column in columns.values()}) > 1:
        told = ", ".join(f"{name}: {len(column)}" for name, column in columns.items())
        raise BadInput(f"the inputs have different numbers of rows ({told})")
    return _pandas().DataFrame(columns)


def _contained(data: Any, signature: dict[str, Any]) -> Any:
    """In the container that the model was trained with."""
    container, columns = signature.get("container"), signature.get("columns") or []
    if hasattr(data, "columns"):
        data = _named(data, columns)
        return data.to_numpy() if container == "array" else data.values.tolist() if container == "list" else data
    if container == "dataframe":
        return _named(_framed(data, columns), columns)
    if container == "list":
        return data if isinstance(data, list) else data.tolist()
    if container == "array" and not isinstance(data, list):
        _fits(data, signature)
        return _as_floats(data, signature)
    return data


def _framed(data: Any, columns: list[dict[str, Any]]) -> Any:
    if isinstance(data, list):
        data = [[value] for value in data]
    elif data.ndim != 2:
        raise BadInput(f"the data has {_axes(data.ndim)}, and the model takes rows of {_wanted(columns)}")
    count = len(data[0]) if isinstance(data, list) else data.shape[1]
    if len(data) and columns and count != len(columns):
        raise BadInput(f"the rows have {_columns(count)}, and the model takes {_wanted(columns)}")
    names = [column["name"] for column in columns] or None
    return _pandas().DataFrame(data if len(data) else [], columns=names)


def _named(frame: Any, columns: list[dict[str, Any]]) -> Any:
    """With the columns that the model knows, in its order, of its types."""
    if not columns:
        return frame
    names = [column["name"] for column in columns]
    present = list(frame.columns)
    if present != names:
        missing = [name for name in names if name not in present]
        if missing and len(missing) == len(names) == len(present) and all(isinstance(one, int) for one in present):
            frame = frame.set_axis(names, axis=1)
        elif missing:
            raise BadInput(
                f"the rows have no {', '.join(f'`{name}`' for name in missing)}; the model takes {_wanted(columns)}"
            )
        frame = frame[names]
    for column in columns:
        wanted = column.get("dtype")
        if wanted and str(frame[column["name"]].dtype) != wanted:
            try:
                frame = frame.astype({column["name"]: wanted})
            except (ValueError, TypeError, OverflowError) as error:
                raise BadInput(f"column `{column['name']}` is to be {wanted}: {error}") from None
    return frame


def _fits(data: Any, signature: dict[str, Any]) -> None:
    """What no model of this signature could take is told in terms of the request."""
    inputs = signature.get("inputs") or []
    if len(inputs) != 1:
        return
    shape = inputs[0].get("shape") or []
    if len(shape) != data.ndim:
        wanted = f"{len(shape)}: a shape like {shape}, -1 being any number"
        raise BadInput(f"the data has {_axes(data.ndim)}, and the model takes {wanted}")
    for have, want in zip(data.shape[1:], shape[1:], strict=True):
        if want not in (-1, have) and data.shape[0]:
            what = _columns(have) if len(shape) == 2 else f"the shape {list(data.shape)}"
            raise BadInput(f"the rows have {what}, and the model takes {want if len(shape) == 2 else shape}")


def _as_floats(data: Any, signature: dict[str, Any]) -> Any:
    """Whole numbers and nulls of JSON where the model was made for others: torch adds no whole numbers to them."""
    wanted = [one["datatype"] for one in signature.get("inputs") or []]
    if data.dtype.kind not in "iubO" or len(wanted) != 1 or wanted[0] not in ("FP32", "FP64"):
        return data
    try:
        return data.astype(TYPES[wanted[0]])
    except (ValueError, TypeError) as error:
        raise BadInput(f"the rows are to be numbers, or null for what is none: {error}") from None


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _wanted(columns: list[dict[str, Any]]) -> str:
    names = [f"`{column['name']}`" for column in columns]
    shown = names if len(names) <= 12 else [*names[:11], "..."]
    return f"{_columns(len(names))}: {', '.join(shown)}"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise BadInput("rows by name need pandas, which the model's environment does not have: send lists") from None
    return pandas
