"""The knowledge base (rust/kale_frontend/knowledge/*.toml) as Python data, and ways to see what a call really does.

A fact is checked by doing: call, then compare pickles of the arguments, the states of the random generators and the
settings of the libraries with those before. Whether two values share something is found out by scribbling over one
and looking at the other.
"""

from __future__ import annotations

import builtins
import importlib
import pickle
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

FOLDER = Path(__file__).parents[2] / "rust" / "kale_frontend" / "knowledge"
TYPE_KEYS = {
    "bases",
    "methods",
    "attributes",
    "ships",
    "immutable",
    "iterator",
    "flat",
    "operators",
    "operator_returns",
    "operator_result",
    "compare_returns",
    "unknown_methods",
    "unknown_attributes",
    "subscript",
    "slice",
    "select",
    "iterate",
    "store",
    "keyed",
    "call",
    "context",
    "config",
    "deterministic",
}
"""Keys by which a table is known to describe a type."""

SPECIAL = {"constructors", "decorators", "cheap", "class_makers", "stdlib", "aliases", "builtin_names", "overlay"}

STANDS_FOR = {
    "csv.reader": ["csv.DictReader"],
    "csv.writer": ["csv.DictWriter"],
    "io.StringIO": ["io.StringIO", "io.BytesIO"],
    "io.TextIOWrapper": ["io.TextIOWrapper", "io.BufferedReader", "io.BufferedWriter"],
    "matplotlib.artist.Artist": [],
    "matplotlib.axes.Axes": ["matplotlib.axes.Axes", "mpl_toolkits.mplot3d.Axes3D", "numpy.ndarray"],
    "multiprocessing.Pool": ["multiprocessing.pool.Pool"],
    "numpy.ndarray": ["numpy.ndarray", "numpy.float64", "pandas.Series"],
    "numpy.random.BitGenerator": ["numpy.random.PCG64"],
    "pandas.CategoricalAccessor": ["pandas.Series.cat"],
    "pyarrow.Table": ["pyarrow.Table", "pyarrow.Array"],
    "pandas.DatetimeProperties": [
        "pandas.core.indexes.accessors.DatetimeProperties",
        "pandas.core.indexes.accessors.TimedeltaProperties",
        "pandas.core.indexes.accessors.PeriodProperties",
    ],
    "pandas.ExtensionArray": ["pandas.Categorical", "pandas.api.extensions.ExtensionArray"],
    "pandas.GroupBy": ["pandas.core.groupby.DataFrameGroupBy", "pandas.core.groupby.SeriesGroupBy"],
    "pandas.Index": [
        "pandas.Index",
        "pandas.MultiIndex",
        "pandas.DatetimeIndex",
        "pandas.PeriodIndex",
        "pandas.RangeIndex",
    ],
    "pandas.NDFrame": ["pandas.DataFrame", "pandas.Series"],
    "pandas.Plot": ["pandas.plotting.PlotAccessor"],
    "pandas.StringMethods": ["pandas.Series.str"],
    "pandas.Window": [
        "pandas.core.window.rolling.Rolling",
        "pandas.core.window.ewm.ExponentialMovingWindow",
        "pandas.core.resample.Resampler",
    ],
    "sklearn.base.BaseEstimator": [
        "sklearn.pipeline.Pipeline",
        "sklearn.cluster.MiniBatchKMeans",
        "sklearn.feature_selection.SelectKBest",
        "sklearn.mixture.GaussianMixture",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.neighbors.RadiusNeighborsClassifier",
    ],
    "sklearn.utils.Bunch": [],
    "threading.Event": ["threading.Event", "threading.Semaphore", "threading.Condition"],
    "threading.Lock": [],
    "threading.Thread": ["threading.Thread", "threading.Timer"],
    "torch.nn.Module": ["torch.nn.Module", "torch.nn.Linear", "torch.nn.ModuleList"],
    "zipfile.ZipFile": ["zipfile.ZipFile", "tarfile.TarFile"],
}
"""Type names of the knowledge base that stand for several classes, or for one under another name."""


@dataclass(frozen=True)
class Entry:
    """One line of the knowledge base: a function, or a method of a type."""

    owner: str
    name: str
    facts: dict = field(hash=False)
    is_method: bool

    @property
    def path(self) -> str:
        return self.name if self.owner == "builtins" else f"{self.owner}.{self.name}"


def applies(overlay: dict) -> bool:
    """Whether a file with this `[overlay]` table describes what is installed."""
    module = importlib.import_module(overlay["distribution"])
    return int(module.__version__.split(".")[0]) < int(overlay["before"])


def load_tables() -> dict[str, dict]:
    """All tables that hold for the installed libraries, overlays merged in."""
    documents = [tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))]
    tables: dict[str, dict] = {}
    for document in sorted(documents, key=lambda d: "overlay" in d):
        overlay = document.pop("overlay", None)
        if overlay is None or applies(overlay):
            merge(tables, document)
    return tables


def merge(into: dict, new: dict, depth: int = 0) -> None:
    """Tables, and the methods and attributes of types, are merged entry by entry; entries are replaced."""
    for key, value in new.items():
        if isinstance(value, dict) and (depth == 0 or key in ("methods", "attributes")) and depth < 2:
            merge(into.setdefault(key, {}), value, depth + 1)
        else:
            into[key] = value


TABLES = load_tables()
TYPES = {name: table for name, table in TABLES.items() if TYPE_KEYS & table.keys() and name not in SPECIAL}
MODULES = {n: t for n, t in TABLES.items() if n not in TYPES and n not in SPECIAL and not n.startswith("module:")}


def entries() -> list[Entry]:
    functions = [Entry(m, n, f, False) for m, table in MODULES.items() for n, f in table.items()]
    methods = [Entry(t, n, f, True) for t, table in TYPES.items() for n, f in table.get("methods", {}).items()]
    return functions + methods


def inherited(type_name: str, key: str, default=None):
    """A fact of a type or of its bases."""
    table = TYPES.get(type_name, {})
    if key in table:
        return table[key]
    for base in table.get("bases", []):
        found = inherited(base, key)
        if found is not None:
            return found
    return default


def methods_of(type_name: str) -> dict[str, dict]:
    """Facts of the methods of a type, those of its bases included."""
    found: dict[str, dict] = {}
    for base in reversed(TYPES[type_name].get("bases", [])):
        found |= methods_of(base)
    return found | TYPES[type_name].get("methods", {})


MISSING = object()


def resolve(path: str):
    """The object of that dotted path, or MISSING."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        return walk(found, parts[length:])
    return walk(builtins, parts)


def walk(found, names):
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            return MISSING
    return found


def installed(path: str) -> bool:
    try:
        importlib.import_module(path.split(".")[0])
    except ImportError:
        return hasattr(builtins, path.split(".")[0])
    return True


def words(value) -> list[str]:
    """A fact that is a word or a list of them, as a list."""
    return [] if value is None else [value] if isinstance(value, str) else list(value)


# ---- what a call does ---------------------------------------------------------------------------------------------


def torch():
    """The module, in an environment that has it, once somebody has imported it."""
    return sys.modules.get("torch")


def generators() -> dict[str, bytes]:
    states = {"random": pickle.dumps(random.getstate()), "numpy": pickle.dumps(np.random.get_state())}
    if torch():
        states["torch"] = torch().get_rng_state().numpy().tobytes()
    return states


def settings() -> dict[str, str]:
    import decimal
    import os
    import sys
    import warnings

    from sklearn import get_config

    return {
        "numpy": repr(sorted(np.get_printoptions().items())) + repr(np.geterr()),
        "pandas": repr(
            [pd.get_option(key) for key in ("display.max_rows", "display.precision", "display.float_format")]
        ),
        "matplotlib": repr([id(v) for k, v in dict.items(matplotlib.rcParams) if k not in ("backend", "interactive")]),
        "sklearn": repr(sorted(get_config().items())),
        "cwd": os.getcwd(),
        "environ": repr(sorted(os.environ.items())),
        "sys.path": repr(sys.path),
        "warnings": repr(warnings.filters),
        "recursionlimit": repr(sys.getrecursionlimit()),
        "decimal": repr((decimal.getcontext().prec, decimal.getcontext().rounding)),
    }


def frozen(value) -> bytes | str:
    """A picture of a value to compare with later."""
    try:
        return pickle.dumps(plain(value))
    except Exception:
        return f"{type(value)} that cannot be pickled"


def plain(value):
    """Frames and arrays without their caches and memory layout."""
    if isinstance(value, pd.DataFrame):
        return ("frame", [plain(value.iloc[:, i]) for i in range(value.shape[1])], list(value.columns))
    if isinstance(value, pd.Series):
        return ("series", value.tolist(), value.index.tolist(), value.name, str(value.dtype))
    if isinstance(value, pd.Index):
        return ("index", value.tolist(), list(value.names))
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return ("extension array", list(value), str(value.dtype))
    if isinstance(value, np.ndarray):
        return ("array", value.tolist(), value.shape, str(value.dtype))
    if type(value) in (list, tuple):
        return (type(value).__name__, [plain(v) for v in value])
    if torch() and isinstance(value, torch().Tensor):
        # Values without a graph; `tolist` does not tell a NaN from another.
        return ("tensor", plain(value.detach().numpy()), value.requires_grad, plain(value.grad) if value.is_leaf else 0)
    if torch() and isinstance(value, torch().nn.Module):
        state = [(name, plain(tensor)) for name, tensor in value.state_dict(keep_vars=True).items()]
        return ("module", state, [(name, m.training) for name, m in value.named_modules()])
    if type(value) is dict:
        return ("dict", [(plain(k), plain(v)) for k, v in value.items()])
    return value


def scribble(value, seen: set[int] | None = None) -> bool:
    """Changes everything in place that can be changed in a value; tells whether anything could."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return False
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return scribble_array(value, seen)
    if isinstance(value, pd.DataFrame | pd.Series):
        return scribble_frame(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        return scribble_container(value, seen)
    if isinstance(value, bytearray):
        value.append(1)
        return True
    if torch() and isinstance(value, torch().Tensor):
        return scribble_tensor(value)
    if torch() and isinstance(value, torch().nn.Module):
        return any([scribble_tensor(tensor) for tensor in value.state_dict(keep_vars=True).values()])
    return False


def scribble_tensor(tensor) -> bool:
    """Writes into the buffer, and sends a gradient through the graph, if there is one."""
    if tensor.grad_fn is not None:
        (tensor.real if tensor.is_complex() else tensor).sum().backward(retain_graph=True)
    with torch().no_grad():
        if tensor.numel() and not tensor.is_inference():
            tensor.detach().copy_(torch().logical_not(tensor) if tensor.dtype == torch().bool else tensor * 0 + 77)
    return tensor.numel() > 0


def scribble_array(array: np.ndarray, seen: set[int]) -> bool:
    if not array.flags.writeable or array.size == 0:
        return False
    if array.dtype.kind in "iufcb":
        array[...] = ~array if array.dtype.kind == "b" else 77
    elif array.dtype.kind in "mM":
        array[...] = np.array(77, "int64").astype(array.dtype)
    elif array.dtype.kind in "US":
        array[...] = "#"
    elif array.dtype.kind == "O":
        array[...] = "#"
    else:
        return False
    return True


def scribble_frame(frame: pd.DataFrame | pd.Series) -> bool:
    """Column by column, in place, as `frame.iloc[...] = value` does."""
    if frame.size == 0:
        return False
    if isinstance(frame, pd.Series):
        return scribble_cells(frame, frame.dtype, slice(None))
    return any([scribble_cells(frame, frame.dtypes.iloc[i], (slice(None), i)) for i in range(frame.shape[1])])


def scribble_cells(frame, dtype, where) -> bool:
    values = {
        "b": None,
        "i": 77,
        "u": 77,
        "f": 77.0,
        "M": pd.Timestamp("1999-01-01"),
        "m": pd.Timedelta("77s"),
        "O": "#",
    }
    try:
        if getattr(dtype, "kind", "O") == "b":
            frame.iloc[where] = ~frame.iloc[where]
        else:
            frame.iloc[where] = values.get(dtype.kind, "#")
    except (TypeError, ValueError):
        return False
    return True


def scribble_container(value, seen: set[int]) -> bool:
    parts = list(value.values()) if isinstance(value, dict) else list(value)
    changed = any([scribble(part, seen) for part in parts])
    if isinstance(value, list):
        value.append("#")
    elif isinstance(value, set):
        value.add("#")
    elif type(value) is dict:
        value["#"] = "#"
    return changed or not isinstance(value, tuple | frozenset)
