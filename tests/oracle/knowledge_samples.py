"""Values to call the functions and methods of the knowledge base with, made anew for every call."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import io
import pathlib
import random
import re
import string
from collections.abc import Callable

import numpy as np
import pandas as pd


def array() -> np.ndarray:
    return np.array([3.5, 1.25, 2.75, 1.25, 0.5, 4.0])


def whole() -> np.ndarray:
    return np.array([3, 1, 2, 1, 0, 4])


@dataclasses.dataclass
class Point:
    x: list
    y: int


def mask() -> np.ndarray:
    return np.array([True, False, True, True, False, False])


def square() -> np.ndarray:
    return np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [3, 1, 2, 1], "b": [0.5, 0.25, np.nan, 4.0], "c": list("xyxy")}, index=[10, 20, 30, 40])


def numbers() -> pd.DataFrame:
    return pd.DataFrame({"a": [3.0, 1.0, 2.0, 1.0], "b": [0.5, 0.25, 1.5, 4.0]}, index=[10, 20, 30, 40])


def series() -> pd.Series:
    return pd.Series([3.5, 1.25, 2.75, 0.5], index=[10, 20, 30, 40], name="s")


def texts() -> pd.Series:
    return pd.Series(["b c", "a", "A b"], name="t")


def times() -> pd.Series:
    return pd.Series(pd.date_range("2024-01-30", periods=4, freq="D"))


NUMPY_ARGUMENTS: list[Callable[[], list]] = [
    lambda: [array()],
    lambda: [square()],
    lambda: [array(), array()],
    lambda: [whole()],
    lambda: [whole(), whole()],
    lambda: [square(), square()],
    lambda: [square(), square()[0].copy()],
    lambda: [array(), 2],
    lambda: [square(), 1],
    lambda: [square(), 1, 0],
    lambda: [array(), [0, 2]],
    lambda: [array(), [0, 2], [7.5, 8.5]],
    lambda: [array(), (2, 3)],
    lambda: [3],
    lambda: [3, 4],
    lambda: [0.5],
    lambda: [mask(), array(), array()],
    lambda: [mask(), array()],
    lambda: [array(), mask(), array()],
    lambda: [array(), 0.5],
    lambda: [[array(), array()]],
    lambda: [array(), array(), array()],
    lambda: [array(), array(), 2],
    lambda: [array(), 1.0, 3.0],
    lambda: [whole(), [array() for _ in range(5)]],
    lambda: [[mask()], [array()]],
    lambda: ["f8"],
    lambda: ["i,i->i", whole(), whole()],
    lambda: [np.array(["b c", "a"])],
    lambda: [np.array(["b c", "a"]), "a"],
    lambda: [np.array(["b c", "a"]), "a", "z"],
    lambda: [np.array(["b c", "a"]), 5],
    lambda: ["-", np.array(["b c", "a"])],
    lambda: [series()],
    lambda: [numbers()],
    lambda: [series(), series()],
    lambda: [[1, 2, 3]],
    lambda: [[[1, 2], [3, 4]]],
    lambda: [lambda *x: x[0], (2, 2)],
    lambda: [lambda x: x.sum(), 0, square()],
    lambda: [lambda x, axis: x.sum(axis, keepdims=True), square(), [0]],
    lambda: [b"12345678"],
]
METHOD_ARGUMENTS: list[Callable[[], list]] = [
    lambda: [],
    lambda: [1],
    lambda: [0, 1],
    lambda: [0.5],
    lambda: [[0, 1]],
    lambda: [array()],
    lambda: [square()],
    lambda: [mask()],
    lambda: ["f8"],
    lambda: [(2, 3)],
    lambda: [[0, 2], [7.5, 8.5]],
    lambda: [1.0, 3.0],
    lambda: [[array(), array()]],
    lambda: [3, 0.5],
    lambda: [3, [0.5, 0.5]],
    lambda: [[0.0, 1.0], [[1.0, 0.0], [0.0, 1.0]]],
    lambda: [3, 2, 2],
    lambda: [[3, 2], 2],
]
FRAME_ARGUMENTS: list[Callable[[], list]] = [
    lambda: [],
    lambda: [1],
    lambda: [2],
    lambda: ["a"],
    lambda: [["a"]],
    lambda: ["a", 1],
    lambda: [10],
    lambda: [[0, 1]],
    lambda: [[10, 20]],
    lambda: [numbers()],
    lambda: [series()],
    lambda: [numbers(), lambda x, y: x],
    lambda: [series(), lambda x, y: x],
    lambda: [lambda x: x],
    lambda: [lambda x: x.sum()],
    lambda: [{"a": "z"}],
    lambda: [series() > 1],
    lambda: [numbers() > 1],
    lambda: [0.0, 1.0],
    lambda: [1, 5],
    lambda: ["a", "b"],
    lambda: ["float64"],
    lambda: [np.array([1, 2, 3, 4])],
    lambda: [0, "new", np.array([1, 2, 3, 4])],
    lambda: [0, np.array([1, 2, 3, 4])],
    lambda: ["a > 1"],
    lambda: [times()],
    lambda: [texts()],
    lambda: [["x", "y", "z"]],
    lambda: [["a", "b", "c", "d"]],
    lambda: ["2D"],
    lambda: ["%Y"],
    lambda: ["UTC"],
    lambda: [5, "left"],
    lambda: [0, 1],
    lambda: [True],
    lambda: [pd.Index([1, 2])],
    lambda: [np.array([10.0, 20.0, 30.0, 40.0])],
]
SCALAR_ARGUMENTS: list[Callable[[], list]] = [
    lambda: [],
    lambda: [0.5],
    lambda: [2.5],
    lambda: [3],
    lambda: [True],
    lambda: ["a b"],
    lambda: [b"ab"],
    lambda: ["a", "b", "c"],
    lambda: ["a"],
    lambda: [3, 2],
    lambda: [2.5, 1.5],
    lambda: ["a", "a b"],
    lambda: ["a", "z", "a b"],
    lambda: ["NFC", "a"],
    lambda: ["%d", "3"],
    lambda: ["%Y", "2024"],
    lambda: ["2024-01-01"],
    lambda: [2024, 1],
    lambda: [2024, 1, 2],
    lambda: [1, 2, 3],
    lambda: [datetime.timedelta(hours=1)],
    lambda: [datetime.date(2024, 1, 2), datetime.time(3)],
    lambda: ["<i", 3],
    lambda: ["<i", b"1234"],
    lambda: [b"AAAAAAAA"],
    lambda: ["0x1p-2"],
    lambda: ['{"a": [1]}'],
    lambda: [0.5, 1.5, 1.0],
]
FUNCTION_ARGUMENTS: list[Callable[[], list]] = SCALAR_ARGUMENTS + [
    lambda: [[3, 1, 2]],
    lambda: [[1, 2], io.StringIO()],
    lambda: [io.StringIO("[1]")],
    lambda: [[3, 1, 2], 1],
    lambda: [[3, 1, 2], [1, 2, 3]],
    lambda: [{"a": [1]}],
    lambda: [{"a": [1]}, "a"],
    lambda: [[[1], [2]]],
    lambda: [[[1], [2]], [3]],
    lambda: [[[1], [2]], 0, [3]],
    lambda: [lambda *x: x[0], [3, 1, 2]],
    lambda: [[3, 1, 2], lambda *x: x[0]],
    lambda: [array()],
    lambda: [square()],
    lambda: [whole(), 1],
    lambda: [array(), array()],
    lambda: [frame()],
    lambda: [series()],
    lambda: [2, [3, 1, 2]],
    lambda: [None, [3, 1, 2]],
    lambda: [times()],
    lambda: [texts()],
    lambda: [[numbers(), numbers()]],
    lambda: [numbers(), numbers()],
    lambda: [series(), 2],
    lambda: ["2024-01-01", "2024-02-01"],
    lambda: [iter([1, 2])],
    lambda: [Point([1], 2)],
    lambda: [ValueError(), None],
]
PANDAS_ARGUMENTS: list[Callable[[], list]] = SCALAR_ARGUMENTS + [
    lambda: [[3, 1, 2]],
    lambda: [[3, 1, 2], 2],
    lambda: [{"a": [1]}],
    lambda: [[{"a": 1}]],
    lambda: [array()],
    lambda: [square()],
    lambda: [whole(), 3],
    lambda: [array(), array()],
    lambda: [frame()],
    lambda: [series()],
    lambda: [times()],
    lambda: [texts()],
    lambda: [[numbers(), numbers()]],
    lambda: [[series(), series()]],
    lambda: [numbers(), numbers()],
    lambda: [series(), 2],
    lambda: [series(), series()],
    lambda: [pd.Index([1, 2])],
    lambda: [pd.array([1, 2, None])],
    lambda: [np.array(["2024-01-01"], "M8[ns]")],
    lambda: ["2024-01-01", "2024-02-01"],
    lambda: [0, 5],
]
SKLEARN_ARGUMENTS: list[Callable[[], list]] = [
    lambda: [],
    lambda: [square()],
    lambda: [whole(), whole()],
    lambda: [whole(), mask().astype(int)],
    lambda: [mask().astype(int), array() / 4],
    lambda: [array(), array() + 1],
    lambda: [square(), np.array([0, 1, 1])],
    lambda: [square(), square()],
    lambda: [series(), numbers()],
    lambda: ["balanced", np.array([0, 1]), None],
    lambda: [3],
]

RECEIVERS: dict[str, list[Callable]] = {
    "str": [lambda: "a b c"],
    "bytes": [lambda: b"a b"],
    "bytearray": [lambda: bytearray(b"a b")],
    "int": [lambda: 6],
    "float": [lambda: 2.5],
    "range": [lambda: range(5)],
    "list": [lambda: [3, 1, 2], lambda: [[1], [2]]],
    "tuple": [lambda: (3, 1, 2), lambda: ([1], [2])],
    "dict": [lambda: {"a": [1], "b": [2]}, lambda: {1: 2}],
    "set": [lambda: {3, 1, 2}],
    "frozenset": [lambda: frozenset({3, 1})],
    "slice": [lambda: slice(1, 2)],
    "BaseException": [lambda: ValueError([1])],
    "collections.Counter": [lambda: collections.Counter("abca")],
    "collections.deque": [lambda: collections.deque([3, 1, 2])],
    "random.Random": [lambda: random.Random(1)],
    "re.Pattern": [lambda: re.compile("a(b?)")],
    "pathlib.Path": [lambda: pathlib.Path("some") / "file.txt"],
    "io.StringIO": [lambda: io.StringIO("a\nb"), lambda: io.BytesIO(b"a\nb")],
    "string.Template": [lambda: string.Template("$a")],
    "numpy.ndarray": [array, square, whole, series, numbers, lambda: np.float64(2.5)],
    "numpy.random.Generator": [lambda: np.random.default_rng(1)],
    "numpy.random.RandomState": [lambda: np.random.RandomState(1)],
    "numpy.random.SeedSequence": [lambda: np.random.SeedSequence(1)],
    "numpy.poly1d": [lambda: np.poly1d([1.0, 2.0])],
    "pandas.NDFrame": [frame, numbers, series, texts, times],
    "pandas.DataFrame": [frame, numbers],
    "pandas.Series": [series, texts, times, lambda: series() > 1],
    "pandas.Index": [
        lambda: pd.Index([3, 1, 2]),
        lambda: pd.Index(["b", "a"], name="n"),
        lambda: pd.date_range("2024-01-30", periods=3),
        lambda: pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["u", "v"]),
    ],
    "pandas.ExtensionArray": [lambda: pd.Categorical(list("aba")), lambda: pd.array([1, 2, None])],
}
DERIVED: dict[str, list[tuple[Callable, Callable]]] = {
    "pandas.GroupBy": [(numbers, lambda f: f.groupby([1, 1, 2, 2])), (series, lambda s: s.groupby([1, 1, 2, 2]))],
    "pandas.Window": [
        (numbers, lambda f: f.rolling(2)),
        (series, lambda s: s.expanding()),
        (numbers, lambda f: f.ewm(2)),
        (times, lambda s: s.to_frame("t").assign(v=1.5).set_index("t").resample("2D")),
    ],
    "pandas.StringMethods": [(texts, lambda s: s.str)],
    "pandas.DatetimeProperties": [(times, lambda s: s.dt)],
    "pandas.CategoricalAccessor": [(lambda: texts().astype("category"), lambda s: s.cat)],
}
"""Types of objects that refer to another value: that value, and how they are made from it."""

CALLED_MODULES = {
    **dict.fromkeys(
        "builtins statistics itertools functools operator copy heapq bisect re json collections dataclasses".split(),
        FUNCTION_ARGUMENTS,
    ),
    **dict.fromkeys(
        "math random string textwrap base64 datetime os.path fractions decimal "
        "struct zlib html unicodedata calendar".split(),
        SCALAR_ARGUMENTS,
    ),
    "numpy": NUMPY_ARGUMENTS + [lambda: []],
    "numpy.random": NUMPY_ARGUMENTS + [lambda: []],
    "pandas": PANDAS_ARGUMENTS,
    "sklearn": SKLEARN_ARGUMENTS,
}
