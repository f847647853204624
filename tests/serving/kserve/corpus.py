"""Requests to a model server: good ones, odd ones, malformed ones.

Two models: `iris` takes four numbers a row, `table` rows by name. A case is good if KServe's answer is right, and ours
then has to be the same. Of all others the class of the status is the same, except where `differs` names the reason.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

V1, V2 = "/v1/models/iris:predict", "/v2/models/iris/infer"
TABLE = "/v1/models/table:predict"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]]

#: Why our answer is of another class: what KServe's is, what ours is, and the reason.
REASONS = {
    "the request is wrong, not the server": (5, 4),
    "row dicts are what people send": (5, 2),
    "a charset is no other type": (5, 2),
    "numbers are not cut off": (2, 4),
    "shapes have no negative axes": (2, 4),
    "what is left over was not meant for us": (2, 4),
    "a size that lies is refused": (2, 4),
    "the header says that tensors follow": (4, 2),
    "one model has one input": (2, 4),
    "nothing is chosen of two": (2, 4),
    "the type says how the body is read": (5, 4),
    "a kind of data that is none is refused": (2, 4),
    "no versions here, either": (5, 4),
    "models are not loaded and unloaded": (2, 4),
    "the address is right but for a slash": (3, 4),
    "a key that comes twice is a mistake": (2, 4),
}


@dataclass
class Case:
    name: str
    path: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)
    is_good: bool = False
    differs: str | None = None
    method: str = "POST"


def cases() -> list[Case]:
    return [
        *good(),
        *good_binary(),
        *good_tables(),
        *odd(),
        *malformed_v1(),
        *malformed_v2(),
        *malformed_binary(),
        *paths(),
    ]


def v1(name: str, body: Any, differs: str | None = None, path: str = V1, **options: Any) -> Case:
    return Case(
        f"v1 {name}", path, body if isinstance(body, bytes) else json.dumps(body).encode(), differs=differs, **options
    )


def v2(name: str, body: Any, differs: str | None = None, **options: Any) -> Case:
    return Case(
        f"v2 {name}", V2, body if isinstance(body, bytes) else json.dumps(body).encode(), differs=differs, **options
    )


def tensor(data: Any, shape: Any, datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": "input-0", "shape": shape, "datatype": datatype, "data": data} | more


def inputs(*tensors: Any, **more: Any) -> dict[str, Any]:
    return {"inputs": list(tensors)} | more


# --- good -----------------------------------------------------------------------------------------------------------


def good() -> Iterator[Case]:
    for count in (1, 2, 3, 7, 50, 500):
        rows = [[round(4 + row % 4 + 0.1 * column, 1) for column in range(4)] for row in range(count)]
        flat = [value for row in rows for value in row]
        yield v1(f"{count} rows", {"instances": rows}, is_good=True)
        yield v1(f"{count} rows as inputs", {"inputs": rows}, is_good=True)
        yield v2(f"{count} rows, flat", inputs(tensor(flat, [count, 4])), is_good=True)
        yield v2(f"{count} rows, nested", inputs(tensor(rows, [count, 4])), is_good=True)
        yield v2(f"{count} rows, single precision", inputs(tensor(flat, [count, 4], "FP32")), is_good=True)
        whole = [int(value) for value in flat]
        yield v1(
            f"{count} rows, whole numbers",
            {"instances": [whole[n : n + 4] for n in range(0, len(whole), 4)]},
            is_good=True,
        )
        for datatype in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"):
            if count in (1, 3):
                yield v2(f"{count} rows of {datatype}", inputs(tensor(whole, [count, 4], datatype)), is_good=True)
    yield v1("whole and other numbers", {"instances": [[5, 3.5, 1, 0.2]]}, is_good=True)
    yield v1("exponents", b'{"instances": [[5.1e0, 35E-1, 1.4e+0, 2e-1]]}', is_good=True)
    yield v1("white space", b' {\n "instances" : [ [ 5.1 , 3.5,1.4,\t0.2 ] ] } \r\n', is_good=True)
    yield v1("other keys", {"signature_name": "x", "instances": ROWS, "parameters": {"a": [1, {}]}}, is_good=True)
    yield v1("escaped key", b'{"\\u0069nstances": [[5.1, 3.5, 1.4, 0.2]]}', is_good=True)
    yield v1("the last of two keys", b'{"instances": "x", "instances": [[5.1, 3.5, 1.4, 0.2]]}', is_good=True)
    yield v1("booleans", {"instances": [[True, False, True, True]]}, is_good=True)
    yield v1("booleans and numbers", {"instances": [[True, 3.5, False, 1]]}, is_good=True)
    yield v1("numbers as text", {"instances": [["5.1", "3.5", "1.4", "0.2"]]})
    yield v1("very small and large", {"instances": [[1e-300, -1e30, 5e-324, 0.1]]}, is_good=True)
    yield v1("integers beyond 2^53", {"instances": [[9007199254740993, 1, 2, 3]]}, is_good=True)
    yield v1("integers beyond 2^63", {"instances": [[9223372036854775808, 1, 2, 3]]}, is_good=True)
    yield v1("integers beyond 2^64", {"instances": [[36893488147419103232, 1, 2, 3]]}, is_good=True)
    yield v1("minus zero", b'{"instances": [[-0, -0.0, 0, 1]]}', is_good=True)
    yield v1("no content type", {"instances": ROWS}, is_good=True, headers={"Content-Type": ""})
    yield v1("with a request id", {"instances": ROWS}, is_good=True, headers={"X-Request-Id": "7"})
    yield v1("as bytes", {"instances": ROWS}, is_good=True, headers={"Content-Type": "application/octet-stream"})
    yield v1("json-ld", {"instances": ROWS}, is_good=True, headers={"Content-Type": "application/ld+json"})
    yield v2("with an id", inputs(tensor(ROWS, [3, 4]), id="seven"), is_good=True)
    yield v2("with parameters", inputs(tensor(ROWS, [3, 4]), parameters={"a": 1, "b": "x", "c": True}), is_good=True)
    yield v2("with parameters of the input", inputs(tensor(ROWS, [3, 4], parameters={"a": 1})), is_good=True)
    yield v2(
        "with no parameters", inputs(tensor(ROWS, [3, 4], parameters=None), parameters=None, id=None), is_good=True
    )
    yield v2("an output by name", inputs(tensor(ROWS, [3, 4]), outputs=[{"name": "output-0"}]), is_good=True)
    yield v2("no outputs in particular", inputs(tensor(ROWS, [3, 4]), outputs=[]), is_good=True)
    yield v2("a small datatype name", inputs(tensor(ROWS, [3, 4], "fp64")), is_good=True)
    yield v2("other keys", inputs(tensor(ROWS, [3, 4], more=1), anything={"a": 1}), is_good=True)
    yield v2("booleans", inputs(tensor([True, False, True, True], [1, 4], "BOOL")), is_good=True)
    yield v2("whole numbers as FP64", inputs(tensor([5, 3, 1, 0], [1, 4])), is_good=True)
    yield v2("zeros and ones as BOOL", inputs(tensor([1, 0, 1, 1], [1, 4], "BOOL")), is_good=True)
    yield v2("booleans as FP64", inputs(tensor([True, False, True, True], [1, 4])), is_good=True)
    yield v2("lists of lists of another shape", inputs(tensor([[5.1, 3.5], [1.4, 0.2]], [1, 4])), is_good=True)


def binary(
    name: str, head: Any, tail: bytes, differs: str | None = None, length: str | None = None, **options: Any
) -> Case:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": length or str(len(text))}
    headers |= options.pop("headers", {})
    return Case(f"binary {name}", V2, text + tail, headers=headers, differs=differs, **options)


def sized(size: Any, shape: Any, datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": "input-0", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}} | more


def packed(datatype: str, values: list[Any]) -> bytes:
    letters = {
        "FP64": "d",
        "FP32": "f",
        "INT8": "b",
        "INT16": "h",
        "INT32": "i",
        "INT64": "q",
        "BOOL": "?",
        "FP16": "e",
    }
    letters |= {"UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q"}
    return struct.pack(f"<{len(values)}{letters[datatype]}", *values)


def good_binary() -> Iterator[Case]:
    for count in (1, 3, 100):
        for datatype in (
            "FP64",
            "FP32",
            "INT8",
            "INT16",
            "INT32",
            "INT64",
            "UINT8",
            "UINT16",
            "UINT32",
            "UINT64",
            "FP16",
        ):
            values = [4.0 + number % 3 for number in range(count * 4)]
            values = values if datatype.startswith("FP") else [int(value) for value in values]
            part = packed(datatype, values)
            yield binary(
                f"{count} rows of {datatype}", inputs(sized(len(part), [count, 4], datatype)), part, is_good=True
            )
    part = packed("FP64", [value for row in ROWS for value in row])
    head = inputs(sized(96, [3, 4]), parameters={"binary_data_output": True}, id="7")
    yield binary("in and out", head, part, is_good=True)
    wanted = [{"name": "output-0", "parameters": {"binary_data": True}}]
    yield binary("out by its name", inputs(sized(96, [3, 4]), outputs=wanted), part, is_good=True)
    yield binary("JSON by its name", inputs(sized(96, [3, 4]), outputs=[{"name": "output-0"}]), part, is_good=True)
    yield binary("JSON alone, with its length", inputs(tensor(ROWS, [3, 4])), b"", is_good=True)
    yield v2("binary out of JSON", inputs(tensor(ROWS, [3, 4]), parameters={"binary_data_output": True}), is_good=True)
    yield v2("binary out of JSON, by name", inputs(tensor(ROWS, [3, 4]), outputs=wanted), is_good=True)


def good_tables() -> Iterator[Case]:
    columns = {"town": ["a", "b", "c"], "size": [10, 20, 35], "age": [1.0, 2.5, 4.0]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    yield v1("a table by columns", {"instances": [columns]}, path=TABLE, is_good=True)
    yield v1("two tables", {"instances": [columns, columns]}, path=TABLE, is_good=True)
    yield v1("lists of rows by name", {"instances": [rows]}, path=TABLE, is_good=True)
    yield v1("rows by name", {"instances": rows}, "row dicts are what people send", path=TABLE)
    tensors = [
        {"name": "town", "shape": [3], "datatype": "BYTES", "data": columns["town"]},
        {"name": "size", "shape": [3], "datatype": "INT64", "data": columns["size"]},
        {"name": "age", "shape": [3], "datatype": "FP64", "data": columns["age"]},
    ]
    head = {"inputs": tensors, "parameters": {"content_type": "pd"}}
    yield Case("v2 a table", "/v2/models/table/infer", json.dumps(head).encode(), is_good=True)
    yield Case(
        "v2 a table in another order",
        "/v2/models/table/infer",
        json.dumps(head | {"inputs": tensors[::-1]}).encode(),
        is_good=True,
    )
    yield v1("a table without a column", {"instances": [{"town": ["a"], "size": [1]}]}, path=TABLE)
    yield v1("a table with a kind of another", {"instances": [columns | {"size": ["x", "y", "z"]}]}, path=TABLE)


# --- odd ------------------------------------------------------------------------------------------------------------


def odd() -> Iterator[Case]:
    wrong = "the request is wrong, not the server"
    yield v1("no rows", {"instances": []}, wrong)
    yield v1("rows without numbers", {"instances": [[], []]})
    yield v1("three columns", {"instances": [[1, 2, 3]]})
    yield v1("five columns", {"instances": [[1, 2, 3, 4, 5]]})
    yield v1("one row and no rows", {"instances": [1, 2, 3, 4]})
    yield v1("three axes", {"instances": [[[1, 2, 3, 4]]]})
    yield v1("text", {"instances": ["a", "b"]})
    yield v1("rows of text", {"instances": [["a", "b", "c", "d"]]})
    yield v1("a null", {"instances": [[5.1, None, 1.4, 0.2]]})
    yield v1("only nulls", {"instances": [None, None]})
    yield v1("rows of unequal length", {"instances": [[1, 2, 3, 4], [1, 2]]}, wrong)
    yield v1("rows and numbers", {"instances": [[1, 2, 3, 4], 5]}, wrong)
    yield v1("rows and dicts", {"instances": [[1, 2, 3, 4], {"a": 1}]}, wrong)
    yield v1("dicts and rows", {"instances": [{"a": [1]}, [1, 2, 3, 4]]})
    yield v1("dicts of unequal length", {"instances": [{"a": [1], "b": [1, 2]}]}, wrong)
    yield v1("nested dicts", {"instances": [{"a": {"b": 1}}]})
    yield v1(
        "a charset",
        {"instances": ROWS},
        "a charset is no other type",
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    yield v2("no rows", inputs(tensor([], [0, 4])), wrong)
    yield v2("three columns", inputs(tensor([1, 2, 3], [1, 3])))
    yield v2("one axis", inputs(tensor([1, 2, 3, 4], [4])))
    yield v2("no axis", inputs(tensor([1], [])))
    yield v2("three axes", inputs(tensor([1, 2, 3, 4], [1, 1, 4])))
    yield v2("a null among numbers", inputs(tensor([5.1, None, 1.4, 0.2], [1, 4])))
    yield v2("an axis with a point", inputs(tensor([1, 2, 3, 4], [1.0, 4.0])), is_good=True)
    yield v2("text", inputs(tensor(["a"], [1], "BYTES")))
    yield v2("rows of text", inputs(tensor(["a", "b", "c", "d"], [1, 4], "BYTES")))
    yield v2("cut off by INT64", inputs(tensor([5.1, 3.5, 1.4, 0.2], [1, 4], "INT64")), "numbers are not cut off")
    yield v2("whole numbers with a point", inputs(tensor([5.0, 3.0, 1.0, 0.0], [1, 4], "INT64")), is_good=True)
    yield v2("two as BOOL", inputs(tensor([2, 0, 1, 1], [1, 4], "BOOL")), "numbers are not cut off")
    yield v2("numbers as text", inputs(tensor(["1", "2", "3", "4"], [1, 4])), "a kind of data that is none is refused")
    yield v2("a negative axis", inputs(tensor([1, 2, 3, 4], [-1, 4])), "shapes have no negative axes")
    yield v2("an axis as text", inputs(tensor([1, 2, 3, 4], ["1", 4])), "a kind of data that is none is refused")
    two = inputs(tensor(ROWS, [3, 4]), tensor(ROWS, [3, 4], name="other"))
    yield v2("two inputs", two, "one model has one input")
    yield v2("two inputs of a name", inputs(tensor(ROWS, [3, 4]), tensor(ROWS, [3, 4])), "one model has one input")
    yield v2(
        "a key twice",
        b'{"id": "1", "id": "2", "inputs": [' + json.dumps(tensor(ROWS, [3, 4])).encode() + b"]}",
        "a key that comes twice is a mistake",
    )


# --- malformed ------------------------------------------------------------------------------------------------------


def malformed_v1() -> Iterator[Case]:
    wrong = "the request is wrong, not the server"
    for text in (
        b"",
        b"{",
        b'{"instances": [[1,2,3,4]]',
        b'{"instances": [[1,2,3,4],]}',
        b"{'instances': []}",
        b"\x00",
        b"\xff\xfe",
    ):
        yield v1(f"no JSON: {text!r}", text)
    for text in (
        b'{"instances": [[NaN, 1, 2, 3]]}',
        b'{"instances": [[Infinity, 1, 2, 3]]}',
        b'{"instances": [[01, 1, 2, 3]]}',
    ):
        yield v1(f"no number: {text!r}", text)
    yield v1("more behind it", b'{"instances": [[1,2,3,4]]} {}')
    yield v1("text with a bad byte", b'{"instances": ["\xff"]}')
    for body in ([], [1], "x", 1, None, True):
        yield v1(f"no object: {body!r}", body, wrong)
    yield v1("no instances", {}, wrong)
    yield v1("another key", {"instance": ROWS}, wrong)
    for value in ("text", 7, None, {"a": 1}, True):
        yield v1(f"instances are {value!r}", {"instances": value})
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "x",
    ):
        yield v1(
            f"as {kind}", {"instances": ROWS}, "the type says how the body is read", headers={"Content-Type": kind}
        )
    yield v1("nested beyond measure", b'{"instances": ' + b"[" * 2000 + b"]" * 2000 + b"}")


def malformed_v2() -> Iterator[Case]:
    wrong = "the request is wrong, not the server"
    for text in (b"{", b"x", b"\x00", b'{"inputs": [}', b'{"inputs": [], }', b"\xff"):
        yield v2(f"no JSON: {text!r}", text)
    for body in ([], "x", 1, None):
        yield v2(f"no object: {body!r}", body)
    yield v2("no inputs", {})
    yield v2("an empty list of inputs", {"inputs": []}, wrong)
    for value in ("x", 1, None, {"name": "x"}, ["x"], [None]):
        yield v2(f"inputs are {value!r}", {"inputs": value})
    for key in ("name", "shape", "datatype", "data"):
        yield v2(
            f"an input without {key}",
            inputs({name: value for name, value in tensor(ROWS, [3, 4]).items() if name != key}),
        )
    yield v2("a name that is a number", inputs(tensor(ROWS, [3, 4], name=1)))
    yield v2("an id that is a number", inputs(tensor(ROWS, [3, 4]), id=7))
    yield v2("a shape that is a number", inputs(tensor(ROWS, 12)))
    yield v2("half an axis", inputs(tensor([1, 2, 3, 4], [1.5, 4])))
    yield v2("data that is a number", inputs(tensor(1, [1])))
    yield v2("data that is an object", inputs(tensor({"a": 1}, [1])))
    yield v2("parameters that are a list", inputs(tensor(ROWS, [3, 4]), parameters=[1]))
    yield v2("outputs that are text", inputs(tensor(ROWS, [3, 4]), outputs="output-0"))
    yield v2("outputs without a name", inputs(tensor(ROWS, [3, 4]), outputs=[{}]))
    yield v2("an output that is not there", inputs(tensor(ROWS, [3, 4]), outputs=[{"name": "nothing"}]))
    yield v2("no such datatype", inputs(tensor(ROWS, [3, 4], "FP63")), wrong)
    yield v2("an empty datatype", inputs(tensor(ROWS, [3, 4], "")), wrong)
    yield v2("half precision in JSON", inputs(tensor(ROWS, [3, 4], "FP16")))
    for shape in ([3, 5], [12, 2], [1], [0, 4], [3, 4, 2], [2**62, 4], [2**40, 2**40], [0, 2**62]):
        yield v2(f"12 numbers of shape {shape}", inputs(tensor(ROWS, shape)), wrong)
    yield v2("an axis beyond 2^64", inputs(tensor(ROWS, [2**70, 4])), wrong)
    yield v2("too many for INT8", inputs(tensor([1000, 1, 2, 3], [1, 4], "INT8")), wrong)
    yield v2("negative for UINT8", inputs(tensor([-1, 1, 2, 3], [1, 4], "UINT8")), wrong)
    yield v2("a row too short", inputs(tensor([[1, 2, 3, 4], [1]], [2, 4])), wrong)
    yield v2("objects as data", inputs(tensor([{"a": 1}] * 4, [1, 4])), wrong)
    yield v2("text as numbers", inputs(tensor(["a", "b", "c", "d"], [1, 4])), wrong)


def malformed_binary() -> Iterator[Case]:
    wrong, left = "the request is wrong, not the server", "what is left over was not meant for us"
    part = packed("FP64", [value for row in ROWS for value in row])
    yield binary("more than is said", inputs(sized(88, [3, 4])), part, wrong)
    yield binary("something left over", inputs(sized(96, [3, 4])), part + b"x", left)
    yield binary("less than is said", inputs(sized(104, [3, 4])), part, "a size that lies is refused")
    yield binary("nothing at all", inputs(sized(96, [3, 4])), b"", wrong)
    yield binary("sizes below zero", inputs(sized(-1, [3, 4])), part, wrong)
    yield binary("half a size", inputs(sized(96.5, [3, 4])), part, wrong)
    yield binary("a size as text", inputs(sized("96", [3, 4])), part, wrong)
    yield binary("no size", inputs(sized(None, [3, 4])), part)
    yield binary("a size beyond measure", inputs(sized(2**70, [3, 4])), part, wrong)
    yield binary("another shape", inputs(sized(96, [3, 5])), part, wrong)
    yield binary("shapes beyond measure", inputs(sized(96, [2**62, 2**62])), part, wrong)
    yield binary("a negative axis", inputs(sized(96, [-1, 4])), part, wrong)
    yield binary("no such datatype", inputs(sized(96, [3, 4], "FP63")), part)
    yield binary("both kinds of data", inputs(sized(96, [3, 4], data=ROWS)), part, "nothing is chosen of two")
    yield binary("neither kind of data", inputs({"name": "x", "shape": [3, 4], "datatype": "FP64"}), part)
    yield binary("no JSON", b"{", part)
    yield binary("no inputs", {}, part, wrong)
    yield binary("inputs that are none", {"inputs": 1}, part, wrong)
    for length in ("0", "1", "-5", "99999", "18446744073709551616"):
        yield binary(f"a length of {length}", inputs(sized(96, [3, 4])), part, length=length)
    for length in ("x", "1.5"):
        yield binary(f"a length of {length}", inputs(sized(96, [3, 4])), part, wrong, length=length)
    for tail in (b"\xff\xff\xff\xff", b"\x01\x00", b"\x05\x00\x00\x00a"):
        yield binary(f"texts that lie: {tail!r}", inputs(sized(len(tail), [1], "BYTES")), tail, wrong)
    yield binary("two texts for one", inputs(sized(10, [1], "BYTES")), b"\x01\x00\x00\x00a\x01\x00\x00\x00b", wrong)
    yield binary("no header", inputs(sized(96, [3, 4])), part, headers={"Inference-Header-Content-Length": ""})
    as_json = "the header says that tensors follow"
    yield binary("as JSON", inputs(sized(96, [3, 4])), part, as_json, headers={"Content-Type": "application/json"})


def paths() -> Iterator[Case]:
    body = json.dumps({"instances": ROWS}).encode()
    for path in ("/", "/v1/models", "/v1/models/iris", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models"):
        yield Case(f"GET {path}", path, None, is_good=path not in ("/v2", "/v1/models", "/v2/models"), method="GET")
    yield Case("GET readiness of a model", "/v2/models/iris/ready", None, is_good=True, method="GET")
    yield Case("GET metadata of a model", "/v2/models/iris", None, method="GET")
    yield Case("GET metrics", "/metrics", None, method="GET")
    for path in (
        "/v1/models/other",
        "/v2/models/other",
        "/v2/models/other/ready",
        "/nowhere",
        "/v3",
        "/v1",
        "/v1/models/iris:predict",
    ):
        yield Case(f"GET {path}", path, None, method="GET")
    for path in (
        "/v1/models/other:predict",
        "/v1/models/iris:nothing",
        "/v1/models/:predict",
        "/v1/models/iris",
        "/v1/models",
        "/",
    ):
        yield Case(f"POST {path}", path, body)
    yield Case("POST to another model", "/v2/models/other/infer", json.dumps(inputs(tensor(ROWS, [3, 4]))).encode())
    yield Case("GET infer", V2, None, method="GET")
    yield Case("PUT predict", V1, body, method="PUT")
    yield Case("DELETE predict", V1, None, method="DELETE")
    yield Case("explain", "/v1/models/iris:explain", body)
    for path in ("/v2/models/iris/versions/1", "/v2/models/iris/versions/1/ready"):
        yield Case(f"GET {path}", path, None, differs="no versions here, either", method="GET")
    yield Case("load", "/v2/repository/models/iris/load", b"", differs="models are not loaded and unloaded")
    yield Case("a slash too many", "/v2/models/", None, differs="the address is right but for a slash", method="GET")
