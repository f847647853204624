"""Whether a model answers the rows of several requests together as it answers each request alone, to the last bit.

A server may then give it all that waits at once, which costs far less. It is tried, with the calls that a worker makes:
nobody could know, since libraries add up in another order for another number of rows, and some models look at all the
rows that they are given.
"""

import contextlib
import io
import itertools
import json
import os
import re
import sys
import time
import types
from dataclasses import dataclass

from kale_runtime.packing import live, referenced
from kale_runtime.serving import batch, joining, outputs

#: Rows of requests that come together, the most telling first, and how many of them each request has.
TOTALS = (8, 3, 32, 2, 5, 4, 7, 16, 6, 12, 24)
SIZES = (1, 2, 1, 3, 1, 5)
#: Seconds after which the first of these are enough.
PATIENCE, ENOUGH = 0.5, 2
V1 = {"protocol": "v1", "inputs": []}


@dataclass
class Verdict:
    is_same: bool
    reason: str


def tried(chain, assets, rows, data):
    """Ask the model in many ways for what it was asked before: `data` is what `preprocess` has made of the first rows.
    Functions are not called again. Nothing of it is seen, and generators of random numbers are as before."""
    if chain.preprocess is None:
        data = batch.prepared(chain, rows, V1)
    else:
        if shared := in_common(chain.preprocess, chain.postprocess, assets):
            return Verdict(False, f"`preprocess` could tell `postprocess` of another request: {shared}")
        rows = rows[: joining.count(data)]
    if joining.kind(data) is None or joining.count(data) != len(rows):
        return Verdict(False, f"the model takes a `{type(data).__name__}`, whose rows nobody can tell from each other")
    if len({json.dumps(row, sort_keys=True) for row in rows}) < 2:
        return Verdict(False, "there is but one row to try it with: give an `example` of several")
    nothing = io.StringIO()
    with live.assets_bound(assets), contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        with generators_as_before():
            fault = fault_of_model(chain, data)
    return Verdict(not fault, fault or f"tried with {len(rows)} rows, to the last bit")


def in_common(preprocess, postprocess, assets):
    """What two functions share that could change between two calls, in words; nothing where there is none."""
    if postprocess is None:
        return None
    if (owner := getattr(preprocess, "__self__", None)) is not None and owner is getattr(postprocess, "__self__", None):
        return f"both belong to one `{type(owner).__name__}`"
    one, other = (referenced.Closure(assets) for _ in range(2))
    one.add("preprocess", preprocess)
    other.add("postprocess", postprocess)
    for function in (each for each in (*one.kept, *other.kept) if isinstance(each, types.FunctionType)):
        for name in referenced.globals_written(function.__code__):
            return f"`{function.__name__}` changes `{name}`"
    named = {**one.names, **{name: assets[name] for name in one.asked}}
    for name, value in named.items():
        if name in (*other.names, *other.asked) and not is_constant(value):
            return f"both use `{name}`"
    for name in one.local:
        if name in other.local:
            return f"both use the module `{name}`"
    return None


def is_constant(value):
    if isinstance(value, (tuple, frozenset)):
        return all(map(is_constant, value))
    kinds = (str, bytes, bool, int, float, complex, type(None), re.Pattern, os.PathLike)
    return isinstance(value, (*kinds, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type))


def fault_of_model(chain, data):
    """How an answer to several requests differs from those to each; nothing where it does not."""
    asked = Counting(chain)
    alone = {}
    begun, have_gone = time.monotonic(), False
    for number, total in enumerate(TOTALS):
        if number >= ENOUGH and time.monotonic() - begun > PATIENCE:
            break
        requests = list(requests_of(total, joining.count(data)))
        for places in requests:
            if places not in alone:
                alone[places] = answers(asked, [places], data)[0]
        if number == 0 and (fault := difference(alone[requests[0]], answers(asked, requests[:1], data)[0])):
            return f"it answers the same rows twice with a difference: {fault}"
        before = asked.count
        found = answers(asked, requests, data)
        # As many rows as answers have columns do not, since nobody knows which is which.
        have_gone |= asked.count - before < len(requests)
        for places, answer in zip(requests, found, strict=True):
            if fault := difference(alone[places], answer):
                return f"its answers to {total} rows together differ from those to each request: {fault}"
    return None if have_gone else "what it answers to several requests cannot be told from each other"


class Counting:
    """A chain that knows how often its model was called."""

    def __init__(self, chain):
        self.chain, self.count = chain, 0

    def predict(self, data):
        self.count += 1
        return self.chain.predict(data)


def requests_of(total, length):
    """The rows of requests, as places among those that there are."""
    places = itertools.islice(itertools.cycle(range(length)), total, 2 * total)
    for size in itertools.cycle(SIZES):
        request = tuple(itertools.islice(places, size))
        if not request:
            return
        yield request


def answers(chain, requests, data):
    """What the model says to each."""
    tasks = [batch.Task({}, taken(data, list(places))) for places in requests]
    batch.predict(chain, tasks)
    return tasks


def taken(data, places):
    """Some of the rows, as a request of its own would have them."""
    if isinstance(data, dict):
        return {name: taken(value, places) for name, value in data.items()}
    if joining.is_frame(data):
        return data.iloc[places].reset_index(drop=True)
    return [data[place] for place in places] if type(data) is list else data[places]


def difference(one, other):
    """In words; nothing where there is none."""
    for task in (one, other):
        if task.error is not None:
            return f"{type(task.error).__name__}: {task.error}"
    if type(one.data) is not type(other.data):
        return f"a `{type(other.data).__name__}` and no `{type(one.data).__name__}`"
    (told, parts), (also_told, other_parts) = (outputs.answer_of(task.data, V1, []) for task in (one, other))
    if (told, parts) == (also_told, other_parts):
        return None
    return "in the last digits" if is_near(one.data, other.data) else "in more than the last digits"


def is_near(one, other):
    numpy = sys.modules.get("numpy")
    try:
        return bool(numpy.allclose(one, other, rtol=1e-4, atol=1e-7, equal_nan=True))
    except Exception:
        return False


@contextlib.contextmanager
def generators_as_before():
    """A notebook draws what it would have drawn."""
    loaded = [(sys.modules.get(module), *names) for module, *names in GENERATORS]
    states = [(getattr(module, put), getattr(module, get)()) for module, get, put in loaded if hasattr(module, get)]
    try:
        yield
    finally:
        for put, state in states:
            put(state)


#: Modules with a generator for everybody, and what gives and takes its state.
GENERATORS = (
    ("random", "getstate", "setstate"),
    ("numpy.random", "get_state", "set_state"),
    ("torch", "get_rng_state", "set_rng_state"),
)
