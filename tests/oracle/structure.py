"""A text for any Python value that is equal for two values exactly when a notebook could not tell them apart.

Bytes of a pickle will not do: they change in the first round trip. So a value is described by its parts: containers
item by item, arrays by type, shape and content, frames column by column, and everything else through the same
`__reduce_ex__` that pickling uses. Shared mutable parts are described once, so `a is b` is part of the text.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types

#: CPython's flag of types that are made by `class` statements.
HEAP_TYPE = 1 << 9
#: Attributes with an `id()`: scikit-learn's vectorizers remember which stop words they have looked at.
ADDRESSES = {"_stop_words_id"}
ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range)


def describe(value, seen: dict | None = None) -> str:
    """`seen` carries the identities of one alias group from name to name."""
    return Describer({} if seen is None else seen).text(value)


def captured(function) -> list:
    """What a closure holds of the variables around it; one that is deleted, or not bound yet, has nothing."""

    def content(cell):
        try:
            return [cell.cell_contents]
        except ValueError:
            return []

    return [content(cell) for cell in function.__closure__ or ()]


class Describer:
    def __init__(self, seen: dict):
        self.seen = seen

    def text(self, value) -> str:
        if type(value) in ATOMS:
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, types.ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, type):
            return f"class {value.__module__}.{value.__qualname__}"
        known = self.identity(value)
        return known if known else self.parts(value)

    def identity(self, value) -> str | None:
        key = id(value)
        if type(value) in (tuple, frozenset):
            return None
        if key in self.seen:
            return f"same as #{self.seen[key][0]}"
        # The value is kept alive beside its number, so that the id is not given to another one.
        self.seen[key] = (len(self.seen), value)
        return None

    def parts(self, value) -> str:
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if isinstance(value, types.MethodType):
            return f"method {value.__func__.__qualname__} of {self.text(value.__self__)}"
        if isinstance(value, types.BuiltinFunctionType):
            return f"builtin {value.__module__}.{value.__qualname__}"
        if isinstance(value, types.CodeType):
            return self.code(value)
        if kind in (list, tuple):
            return f"{name}[{', '.join(self.text(item) for item in value)}]"
        if kind in (set, frozenset):
            return f"{name}{{{', '.join(sorted(Describer({}).text(item) for item in value))}}}"
        if kind is dict:
            return f"{name}{{{', '.join(f'{self.text(k)}: {self.text(v)}' for k, v in value.items())}}}"
        known = self.numpy(value) or self.pandas(value) or self.torch(value) or self.keras(value) or self.artist(value)
        return known if known else self.reduced(value, name)

    def function(self, value) -> str:
        if value.__module__ != "__main__" and "<" not in value.__qualname__:
            return f"function {value.__module__}.{value.__qualname__}"
        rest = [value.__defaults__, value.__kwdefaults__, captured(value), value.__dict__]
        return f"function {value.__qualname__} {self.code(value.__code__)} {self.text(rest)}"

    def code(self, code) -> str:
        constants = [self.code(c) if isinstance(c, types.CodeType) else self.text(c) for c in code.co_consts]
        return f"code({code.co_names}, {code.co_varnames}, {constants}, {digest(code.co_code)})"

    def numpy(self, value) -> str | None:
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
            return None
        head = f"{type(value).__name__} {value.dtype} {value.shape}"
        # Objects have addresses, and records have padding, in their bytes.
        if value.dtype.hasobject or value.dtype.fields:
            return f"{head} {self.text(value.tolist())}"
        content = numpy.ascontiguousarray(value)
        shown = value.tolist() if value.size <= 20 else ""
        return f"{head} {shown} {digest(content.tobytes())}"

    def pandas(self, value) -> str | None:
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series, pandas.Index)):
            return None
        if isinstance(value, pandas.Index):
            return f"{type(value).__name__} {value.dtype} {value.names} {[repr(item) for item in value]}"
        if isinstance(value, pandas.Series):
            return f"Series {value.name!r} {value.dtype} {self.pandas(value.index)} {[repr(item) for item in value]}"
        columns = [self.pandas(value.iloc[:, place]) for place in range(value.shape[1])]
        return f"DataFrame {self.pandas(value.columns)} {columns} {self.pandas(value.index)}"

    def torch(self, value) -> str | None:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            return None
        kind = f"{type(value).__name__} {value.requires_grad} {value.grad_fn is not None}"
        gradient = self.text(value.grad) if value.is_leaf else ""
        return f"{kind} {self.numpy(value.detach().cpu().numpy())} {gradient}"

    def artist(self, value) -> str | None:
        """The inside of a figure is caches and references back; what counts is the tree of what is drawn."""
        matplotlib = sys.modules.get("matplotlib.artist")
        if matplotlib is None or not isinstance(value, matplotlib.Artist):
            return None
        told = [getattr(value, name)() for name in ("get_label", "get_visible", "get_zorder") if hasattr(value, name)]
        # Ticks are made when they are looked at.
        parts = [self.text(each) for each in value.get_children() if not hasattr(each, "get_ticklabels")]
        text = value.get_text() if hasattr(value, "get_text") else ""
        return f"{type(value).__name__} {told} {text!r} [{', '.join(parts)}]"

    def keras(self, value) -> str | None:
        """A model saves itself with the time of day in it."""
        keras = sys.modules.get("keras")
        if keras is None or not isinstance(value, keras.Model):
            return None
        weights = self.text([v.numpy() for v in value.variables if "seed_generator" not in v.path])
        return f"{type(value).__name__} {json.dumps(value.get_config(), sort_keys=True, default=str)} {weights}"

    def reduced(self, value, name: str) -> str:
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            return f"{name} that does not pickle ({type(error).__name__})"
        if isinstance(reduced, str):
            return f"global {reduced}"
        maker, arguments, *rest = reduced
        state, items, pairs = (list(rest) + [None] * 3)[:3]
        parts = [self.text(maker), self.text(arguments)]
        if isinstance(state, dict) and not ADDRESSES.isdisjoint(state):
            state = {key: part for key, part in state.items() if key not in ADDRESSES}
        if state is not None and not forgets_state(type(value)):
            parts.append(f"state {Describer({}).text(state) if makes_up_state(type(value)) else self.text(state)}")
        if items is not None:
            parts.append(f"items {self.text(list(items))}")
        if pairs is not None:
            parts.append(f"pairs {self.text(dict(pairs))}")
        return f"{name}({'; '.join(parts)})"


def makes_up_state(kind: type) -> bool:
    """Compiled code makes a state up when it is asked for one, so which parts that state shares says nothing."""
    for each in kind.__mro__[:-1]:
        if any(name in vars(each) for name in ("__getstate__", "__reduce__", "__reduce_ex__")):
            return not each.__flags__ & HEAP_TYPE
    return False


def forgets_state(kind: type) -> bool:
    """What scikit-learn's Bunch has besides its items stays behind: its `__setstate__` does nothing."""
    return f"{kind.__module__}.{kind.__qualname__}" == "sklearn.utils._bunch.Bunch"


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()
