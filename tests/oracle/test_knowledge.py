"""Is what the knowledge base says true of the installed libraries?

Every line is read for form, every name is looked up, and every function and method that can be called with one of the
sample arguments below is called, to see whether it changes, draws, or shares more than its line admits.
"""

from __future__ import annotations

import builtins
import datetime
import decimal
import fractions
import functools
import inspect
import math
import pathlib
import types
import uuid
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from . import knowledge
from .knowledge import MISSING, MODULES, STANDS_FOR, TYPES, Entry, frozen, resolve, scribble, words
from .knowledge_samples import (
    CALLED_MODULES,
    DERIVED,
    FRAME_ARGUMENTS,
    FUNCTION_ARGUMENTS,
    METHOD_ARGUMENTS,
    RECEIVERS,
    SCALAR_ARGUMENTS,
)

NO_CALL = {"network", "database", "subprocess", "files", "input", "dynamic", "exit", "plot"}
"""Effects that a test must not have."""

SIMPLE_TYPES = {"immutable", "None", "unknown", "self", "object", "type"}


def part_facts(table: dict) -> Iterator[tuple[str, dict]]:
    """The facts of a type that are written like a call's."""
    for key in ("subscript", "slice", "select", "iterate", "call", "context", "unknown_attributes"):
        if key in table:
            yield key, table[key]
    for name, facts in table.get("attributes", {}).items():
        yield name, {"type": facts} if isinstance(facts, str) else facts


def all_facts() -> Iterator[tuple[str, dict]]:
    for entry in knowledge.entries():
        yield entry.path, entry.facts
        for rule in entry.facts.get("when", []):
            yield f"{entry.path} (when)", rule
    for name, table in TYPES.items():
        for part, facts in part_facts(table):
            yield f"{name}: {part}", facts


def faulty_sharing(facts: dict) -> list[str]:
    heads = ("alias:", "copy:", "items:", "view:")
    return [k for k in words(facts.get("result")) if k != "fresh" and (not k.startswith(heads) or k.endswith(":"))]


def named_types(facts: dict) -> Iterator[str]:
    for key in ("returns", "type", "element", "elements", "returns_unseeded", "returns_inner", "value"):
        yield from words(facts.get(key))
    yield from facts.get("returns_by_suffix", {}).values()


def test_what_results_share_is_well_formed():
    """The rest of the form is checked where the files are read, by the tests of `knowledge.rs`."""
    assert not [f"{where}: `{kind}`" for where, facts in all_facts() for kind in faulty_sharing(facts)]


def test_builtin_names_are_those_of_python():
    names = knowledge.TABLES["builtin_names"]
    ours = {name for name in dir(builtins) if name != "_" and not name.startswith("__pybind11")}
    assert ours <= set(names["python"]) | {"get_ipython", "display", "execfile", "runfile"}
    assert {"PythonFinalizationError", "aiter", "__builtins__"} <= set(names["python"])


def test_every_type_that_is_named_has_a_table():
    def known(name: str) -> bool:
        return name in TYPES or name in SIMPLE_TYPES or name.split(":")[0] in {"like", "arg", "array"}

    used = [(where, name) for where, facts in all_facts() for name in named_types(facts)]
    used += [(name, base) for name, table in TYPES.items() for base in table.get("bases", [])]
    used += [("constructors", name) for name in knowledge.TABLES["constructors"].values()]
    assert not [f"{where}: no type `{name}`" for where, name in used if not known(name)]


# ---- names --------------------------------------------------------------------------------------------------------

SOME_VERSIONS = set((pathlib.Path(__file__).parent / "knowledge_versions.txt").read_text().split())
"""Names that only some of the supported versions have."""


def classes_of(type_name: str) -> list:
    found = [resolve(path) for path in STANDS_FOR.get(type_name, [type_name])]
    return [c for c in found if c is not MISSING]


def test_every_name_exists():
    missing = [
        f"{module}.{name}"
        for module, table in MODULES.items()
        if knowledge.installed(module)
        for name in table
        if resolve(f"{module}.{name}") is MISSING
    ]
    missing += [path for table in ("cheap", "class_makers") for path in listed(table) if resolve(path) is MISSING]
    for name in TYPES:
        classes = classes_of(name)
        members = list(TYPES[name].get("methods", {})) + list(TYPES[name].get("attributes", {}))
        missing += [f"{name}.{m}" for m in members if classes and not any(has_member(c, m) for c in classes)]
    assert not sorted(set(missing) - SOME_VERSIONS)


def listed(table: str) -> Iterator[str]:
    for paths in knowledge.TABLES[table].values():
        yield from paths


def has_member(cls, name: str) -> bool:
    """Columns, fitted attributes and the like only exist on instances, which no class can tell."""
    return (
        hasattr(cls, name)
        or name.endswith("_")
        or name in getattr(cls, "__annotations__", {})
        or on_instance(cls, name)
    )


def on_instance(cls, name: str) -> bool:
    sources = [source_of(base) for base in getattr(cls, "__mro__", ())]
    return any(f"self.{name}" in source or f'"{name}"' in source for source in sources)


@functools.cache
def source_of(cls) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return ""


def parameters(entry: Entry, function) -> list[inspect.Parameter] | None:
    try:
        found = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return None
    return found[1:] if entry.is_method and found and found[0].name == "self" else found


def argument_lists(facts: dict) -> Iterator[list[str]]:
    for key in ("mutates", "stores", "reads", "writes", "appends", "rng_unless", "seeded_by", "names", "result"):
        yield [word.split(":")[-1] for word in words(facts.get(key))]
    for rule in facts.get("when", []):
        yield rule.get("given", [])
        yield rule.get("without", [])
        yield from argument_lists(rule)


def test_keywords_are_named_with_their_positions():
    """`out` may be passed by position too, and a fact that only names the keyword would miss it."""
    faults = []
    for entry in knowledge.entries():
        for path in STANDS_FOR.get(entry.owner, [entry.owner]) if entry.is_method else [entry.owner]:
            function = resolve(entry.name if path == "builtins" else f"{path}.{entry.name}")
            known = parameters(entry, function) if callable(function) else None
            for position, parameter in enumerate(known or []):
                if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                    lists = [names for names in argument_lists(entry.facts) if parameter.name in names]
                    faults += [
                        f"{entry.path}: {parameter.name} is also {position}" for n in lists if str(position) not in n
                    ]
    assert not faults


NOT_SAMPLED = {"value", "open", "reads", "writes", "appends", "lists"}
"""A number where a path belongs is a file descriptor, such as that of standard output."""

NOT_CALLED = {
    "print",
    "help",
    "breakpoint",
    "testing.assert_",
    "show_config",
    "show_runtime",
    "info",
    "show_versions",
    "describe_option",
    "lib.stride_tricks.as_strided",
}
"""Those that show something, and one that may look beyond its argument's buffer."""

CELLS = {f"pandas.{name}" for name in ("Series", "Index", "CategoricalDtype", "array", "json_normalize", "MultiIndex")}
"""The elements of a list become cells: the cell assumption."""

# ---- what calls do ------------------------------------------------------------------------------------------------

IMMUTABLE = (
    int, float, complex, str, bytes, bool, type(None), type(Ellipsis), np.generic, np.dtype, np.finfo, np.iinfo, range,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID,
    pathlib.PurePath, pd.Interval, pd.Period, type(pd.NaT), type(pd.NA), pd.tseries.offsets.BaseOffset,
    pd.api.extensions.ExtensionDtype, type, types.BuiltinFunctionType,
)  # fmt: skip


def is_immutable(value) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(is_immutable(part) for part in value)
    if isinstance(value, slice):
        return is_immutable((value.start, value.stop, value.step))
    torch = knowledge.torch()
    if torch and isinstance(value, torch.dtype | torch.device | torch.finfo | torch.iinfo):
        return True
    return isinstance(value, IMMUTABLE) or type(value).__module__ in ("statistics", "re", "inspect")


def has_type(value, name: str) -> bool:
    """Whether a result may be called by that type name; unknown names are taken on trust."""
    if name in ("immutable", "int", "str", "bool", "float", "bytes", "None"):
        return is_immutable(value)
    if name in ("numpy.ndarray", "pandas.ExtensionArray"):
        parts = value if isinstance(value, list | tuple) else [value]
        arrays = np.ndarray | pd.Series | pd.DataFrame | pd.api.extensions.ExtensionArray
        return all(isinstance(p, arrays) or is_immutable(p) for p in parts)
    if name == "pandas.NDFrame":
        return isinstance(value, pd.DataFrame | pd.Series) or is_immutable(value)
    if name in ("pandas.DataFrame", "pandas.Series", "pandas.Index", "list", "dict", "tuple", "set"):
        wanted = resolve(name)
        return isinstance(value, wanted) or (name == "list" and isinstance(value, tuple))
    return True


def claimed_type(facts: dict, arguments: list, receiver) -> Callable[[object], bool]:
    returns = facts.get("returns", "unknown")
    head, _, which = returns.partition(":")
    if head == "self":
        return lambda value: value is receiver or value is None
    if head in ("like", "arg", "array"):
        original = receiver if which == "self" else arguments[int(which)] if int(which) < len(arguments) else None
        if callable(original) or head == "arg":
            return lambda value: True
        if head == "array" and not isinstance(original, pd.DataFrame | pd.Series | pd.Index):
            return lambda value: has_type(value, "numpy.ndarray") or isinstance(value, pd.Index)
        if is_immutable(original):
            return is_immutable
        if isinstance(original, pd.Index):
            return lambda value: isinstance(value, pd.Index)
        return lambda value: type(value) is type(original) or (isinstance(original, np.ndarray) and is_immutable(value))
    return lambda value: has_type(value, returns)


def effective(facts: dict, arguments: list) -> dict:
    """The facts with the rules that hold for these positional arguments."""
    together = {**facts, **{k: words(facts.get(k)) for k in ("result", "mutates", "effects", "rng")}}
    for rule in facts.get("when", []):
        given = rule.get("given")
        if any(
            w.isdigit() and int(w) < len(arguments) and arguments[int(w)] is not None for w in rule.get("without", [])
        ):
            continue
        if given is None or any(w.isdigit() and int(w) < len(arguments) for w in given):
            for key in ("result", "mutates", "effects", "rng"):
                together[key] = together[key] + words(rule.get(key))
            together["returns"] = rule.get("returns", together.get("returns", "unknown"))
    return together


def shared_with(facts: dict, which: str, original) -> bool:
    """Whether the facts admit that the result shares something with that argument."""
    for kind in facts["result"]:
        head, _, what = kind.partition(":")
        if what in (which, "*"):
            flat = isinstance(original, np.ndarray | pd.DataFrame | pd.Series | pd.Index | bytearray)
            return not (head == "copy" and flat)
    return facts.get("returns") in ("self", f"arg:{which}")


class Case:
    """One entry with one set of arguments, made anew for every call."""

    def __init__(self, entry: Entry, make: Callable[[], tuple[object, list, Callable]]):
        self.entry, self.make = entry, make

    def call(self):
        participants, arguments, function = self.make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return participants, arguments, function(*arguments)

    def faults(self) -> list[str]:
        """Raises whatever the call raises, when these arguments do not suit it."""
        names, values, function = self.participants()
        names_function = "calls" in self.entry.facts and any(isinstance(a, str) for a in self.arguments)
        if self.entry.owner.startswith("pandas") and names_function:
            raise TypeError("the name of any attribute may stand for a function")
        before = [frozen(v) for v in values]
        generators, settings = knowledge.generators(), knowledge.settings()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function()
        facts = effective(self.entry.facts, self.arguments)
        if (
            callable(result)
            and any(callable(a) for a in self.arguments)
            and not self.entry.facts.get("returns", "").startswith("arg")
        ):
            return []  # an array of functions: the cell assumption
        faults = []
        for name, value, old in zip(names, values, before, strict=True):
            if frozen(value) != old and not {name, "*"} & set(facts["mutates"]) and not self.is_iterator(value):
                faults.append(f"changes {name}")
        drawn = [g for g, state in knowledge.generators().items() if state != generators[g]]
        faults += [f"draws from {g}" for g in drawn if g not in facts["rng"] + words(facts.get("seeds"))]
        changed = [s for s, value in knowledge.settings().items() if value != settings[s]]
        faults += [f"changes the setting {s}" for s in changed if s not in words(facts.get("config"))]
        receiver = values[0] if self.entry.is_method else None
        if not claimed_type(facts, self.arguments, receiver)(result):
            faults.append(f"returns {type(result).__name__}")
        return faults + self.undeclared_sharing(facts, names)

    def participants(self) -> tuple[list[str], list, Callable]:
        receiver, self.arguments, function = self.make()
        names = [str(i) for i in range(len(self.arguments))]
        values = list(self.arguments)
        if receiver is not None:
            names, values = ["self", *names], [receiver, *values]
        arguments = self.arguments
        return names, values, lambda: function(*arguments)

    @staticmethod
    def is_iterator(value) -> bool:
        return isinstance(value, Iterator)

    def undeclared_sharing(self, facts: dict, names: list[str]) -> list[str]:
        faults = []
        for index, name in enumerate(names):
            _, values, _ = self.participants()
            if shared_with(facts, name, values[index]) or isinstance(values[index], Iterator):
                continue
            if self.entry.path in CELLS and isinstance(values[index], list | dict):
                continue
            for forwards in (True, False):
                _, values, function = self.participants()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    result = function()
                    if isinstance(result, Iterator) or result is None:
                        continue
                    one, other = (values[index], result) if forwards else (result, values[index])
                    old = frozen(other)
                    if scribble(one) and frozen(other) != old:
                        faults.append(f"result shares with {name}")
                        break
        return faults


def bound(facts_owner: Entry, receiver_of: Callable, arguments_of: Callable) -> Callable:
    def make():
        receiver = receiver_of()
        return receiver, arguments_of(), getattr(receiver, facts_owner.name)

    return make


def derived(entry: Entry, base_of: Callable, from_base: Callable, arguments_of: Callable) -> Callable:
    def make():
        base = base_of()
        return base, arguments_of(), getattr(from_base(base), entry.name)

    return make


def plain_call(function: Callable, arguments_of: Callable) -> Callable:
    return lambda: (None, arguments_of(), function)


def is_sampled(entry: Entry) -> bool:
    harmless = not set(words(entry.facts.get("effects"))) & NO_CALL and entry.name not in NOT_CALLED
    return harmless and not NOT_SAMPLED & entry.facts.keys()


def cases(entry: Entry) -> Iterator[list[Case]]:
    """What to try, by receiver."""
    if entry.is_method:
        samples = METHOD_ARGUMENTS if entry.owner.startswith("numpy") else FRAME_ARGUMENTS
        if not entry.owner.startswith(("numpy", "pandas")):
            samples = SCALAR_ARGUMENTS if entry.owner == "random.Random" else FUNCTION_ARGUMENTS
        for receiver in RECEIVERS.get(entry.owner, []):
            yield [Case(entry, bound(entry, receiver, arguments)) for arguments in samples]
        for base, from_base in DERIVED.get(entry.owner, []):
            yield [Case(entry, derived(entry, base, from_base, arguments)) for arguments in samples]
        return
    function = resolve(entry.path)
    if function is not MISSING and callable(function):
        yield [Case(entry, plain_call(function, arguments)) for arguments in CALLED_MODULES.get(entry.owner, [])]


def outcomes(entry: Entry) -> tuple[int, set[str]]:
    """How many of the sample arguments suit the entry, and what was wrong."""
    done, faults = 0, set()
    for group in cases(entry):
        suited = 0
        for case in group:
            try:
                found = case.faults()
            except Exception:  # noqa: BLE001 - these arguments do not suit this function, which may say so in any way
                continue
            suited += 1
            faults |= {f"{entry.path}: {fault}" for fault in found}
            if entry.is_method and suited == ENOUGH:
                break
        done += suited
    return done, faults


ENOUGH = 4
"""Of calls of one method on one receiver."""

CALLED = sorted({e.owner for e in knowledge.entries()} & (CALLED_MODULES.keys() | RECEIVERS.keys() | DERIVED.keys()))


@pytest.mark.parametrize("owner", CALLED)
def test_calls_do_what_their_lines_say(owner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = {e.name: outcomes(e) for e in knowledge.entries() if e.owner == owner and is_sampled(e)}
    called = sum(done > 0 for done, _ in results.values())
    assert not sorted(fault for _, faults in results.values() for fault in faults)
    assert called >= math.floor(0.5 * len(results)), f"only {called} of {len(results)} could be called"
